import ArgumentParser
import Recurrent

struct BenchAll: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "all",
        abstract:
            """
            Every bench over the shapes that people use: a table of times and of their ratio \
            to the floor, and a picture.
            """,
        discussion:
            """
            Sequences and training run on one thread, and on --threads more often than that. \
            It takes about two minutes.
            """
    )

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Draw the ratios to the floor as SVG.", valueName: "file"))
    var svg: String?
    @OptionGroup var options: BenchOptions

    private static let steps = [
        (1, 8), (1, 16), (1, 20), (1, 32), (1, 40), (8, 32), (1, 64), (32, 64), (64, 64), (64, 128),
        (128, 128), (128, 256), (256, 256),
    ]
    /// Time steps, batch, and hidden units, which are as many as inputs.
    private static let sequences = [
        (32, 1, 64), (32, 8, 64), (32, 16, 64), (32, 64, 64), (128, 64, 64), (128, 1, 128),
        (32, 32, 128), (128, 16, 128),
        (128, 1, 256), (32, 16, 256), (128, 64, 256), (128, 1, 512), (64, 32, 512), (128, 64, 512),
    ]
    private static let parameters = [10_000, 100_000, 1_000_000, 10_000_000]

    func run() throws {
        let settings = try options.checked()
        if let svg { try checkWritable(svg, option: "--svg") }
        let summary = try measure(settings)
        if let svg { try writeText(svg, BenchPicture(summary).svg) }
        if settings.json { try printJSON(summary) } else { try printToStandardOutput(summary.text) }
    }

    private func measure(_ settings: BenchSettings) throws -> BenchSummary {
        typealias Run = (BenchSettings, HardwareLimits) throws -> BenchReport
        let steps: [Run] = Self.steps.map { sizes in
            { settings, limits in
                try .step(
                    LSTMShape(inputSize: sizes.0, hiddenSize: sizes.1, batch: 1, steps: 1),
                    .float32, settings, limits)
            }
        }
        let shapes = Self.sequences.map {
            LSTMShape(inputSize: $0.2, hiddenSize: $0.2, batch: $0.1, steps: $0.0)
        }
        let layers: [Run] =
            shapes.map { shape in { try .sequence(shape, $0, $1) } }
            + shapes.map { shape in { try .training(shape, $0, $1) } }
        let updates: [Run] = Optimizer.names.flatMap { name in
            Self.parameters.map { count in
                { try .optimizer(name, Optimizer.named(name)!, count, $0, $1) }
            }
        }
        var one = settings
        one.threads = 1
        let parts =
            [(steps + layers + updates, one)] + (settings.threads > 1 ? [(layers, settings)] : [])
        settings.progress.measurements = parts.reduce(0) { $0 + $1.0.count }

        var reports: [BenchReport] = []
        var limits: [HardwareLimits] = []
        for (runs, settings) in parts {
            limits.append(HardwareLimits(settings))
            for run in runs { reports.append(try run(settings, limits.last!)) }
        }
        return BenchSummary(limits: limits.map(LimitsReport.init), reports: reports)
    }
}

/// What `bench all` prints.
struct BenchSummary: Encodable {
    /// With one thread, and with all, where that is more.
    let limits: [LimitsReport]
    let reports: [BenchReport]

    var text: String {
        func row(_ cells: [String]) -> String {
            tableRow(cells, widths: [10, 28, 8, 11, 11, 11, 8, 8, 8, 9], leftAligned: 2)
        }
        var lines = limits.map(\.text)
        lines.append(
            row([
                "bench", "sizes", "threads", "min", "median", "floor", "ratio", "tail", "idle",
                "faster",
            ]))
        for report in reports {
            lines.append(
                row([
                    report.title, report.sizesText, String(report.threads),
                    report.ours.times.min.asTime, report.ours.times.median.asTime,
                    report.floor.asTime,
                    report.ratioToFloor.rounded, report.tail.rounded, report.idleTail.rounded,
                    report.ratio.map { $0.rounded + "×" } ?? "",
                ]))
        }
        lines.append(
            """
            ratio: of the shortest time to the floor; tail: p99.9 of single calls over their \
            median; idle: the same of an idle loop as long
            """
        )
        lines.append(
            """
            faster: than \
            \(Set(reports.compactMap { $0.peer?.title }).sorted().joined(separator: ", "))
            """
        )
        return lines.joined(separator: "\n") + "\n"
    }
}
