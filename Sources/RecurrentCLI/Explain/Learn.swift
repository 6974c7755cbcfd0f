import ArgumentParser
import Foundation
import Recurrent

struct Learn: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            """
            Learns a task that needs a memory, with one cell or with several in turn: a table, \
            and curves.
            """,
        discussion: """
            adding: the sum of two marked numbers in a sequence (Hochreiter and Schmidhuber 1997; \
            Le, Jaitly and Hinton 2015).
            copy: ten symbols, to be repeated after a time (Arjovsky, Shah and Bengio 2016).
            reber: strings of the embedded Reber grammar, whose second symbol must be remembered \
            to the end (Hochreiter and Schmidhuber 1997).
            The baseline is the loss of who remembers nothing. A cell is done when 99 % of its \
            answers are right, on sequences that it has not learned.
            """)

    /// A task, and with what it is learned in a few minutes at most.
    enum Task: String, CaseIterable, ExpressibleByArgument {
        case adding, copy, reber

        var defaults: (length: Int, hidden: Int, batch: Int, learningRate: Double, updates: Int) {
            switch self {
            case .adding: (length: 200, hidden: 64, batch: 32, learningRate: 0.005, updates: 4000)
            case .copy: (length: 50, hidden: 128, batch: 32, learningRate: 0.004, updates: 10_000)
            case .reber: (length: 50, hidden: 64, batch: 16, learningRate: 0.02, updates: 3000)
            }
        }

        /// Below the shortest, there is nothing to tell apart.
        var lengths: ClosedRange<Int> {
            switch self {
            case .adding: 2...1_000_000
            case .copy: 1...1_000_000
            case .reber: ReberGrammar.usualLength...100_000
            }
        }

        func task(length: Int) -> any SequenceTask {
            switch self {
            case .adding: AddingProblem(length: length)
            case .copy: CopyTask(length: length)
            case .reber: ReberGrammar(length: length)
            }
        }
    }

    @Argument(help: ArgumentHelp("adding, copy or reber.", valueName: "task"))
    var task: Task

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Some of \(RecurrentCell.names).", valueName: "names"))
    var cell = "rnn,gru,lstm"

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            adding: steps; copy: steps between the symbols and the mark; reber: symbols of a \
            string on average. (default: 200, 50, 50)
            """,
            valueName: "number"))
    var length: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Hidden units. (default: 64, 128, 64)", valueName: "number"))
    var hidden: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Sequences of an update. (default: 32, 32, 16)", valueName: "number"))
    var batch: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Of Adam. (default: 0.005, 0.004, 0.02)", valueName: "number"))
    var learningRate: Double?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The largest norm of a gradient.", valueName: "number"))
    var clip = 1.0

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            The longest time that the gates remember before anything is learned; 0: no time in \
            particular. (default: that of the task)
            """,
            valueName: "steps"))
    var memory: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "The most updates of a cell. (default: 4000, 10000, 3000)", valueName: "number"))
    var updates: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Seed of the sequences and of the initial weights.", valueName: "number")
    )
    var seed: UInt64 = 1

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Draw loss and accuracy as SVG.", valueName: "file"))
    var svg: String?

    @Flag(help: "Shows no progress, only the result.")
    var quiet = false

    @Flag(help: "Prints the result as one JSON object, and nothing else.")
    var json = false

    @OptionGroup var threadOptions: ThreadOptions
    @OptionGroup var kernelOptions: KernelOptions

    func run() throws {
        let size = 1...ModelShape.largestDimension
        let defaults = task.defaults
        let length = try validated("--length", length ?? defaults.length, task.lengths)
        let hidden = try validated("--hidden", hidden ?? defaults.hidden, size)
        let batch = try validated("--batch", batch ?? defaults.batch, size)
        let updates = try validated("--updates", updates ?? defaults.updates, 1...Int.max)
        let learningRate = learningRate ?? defaults.learningRate
        try checkPositive("--learning-rate", learningRate)
        try checkPositive("--clip", clip)
        try validated("--memory", memory ?? 0, 0...1_000_000)
        let cells = try cells()
        let kernels = try kernelOptions.kernels()
        let sequences = task.task(length: length)
        _ = try threadOptions.count()
        if let svg { try checkWritable(svg, option: "--svg") }
        let memory = memory ?? sequences.steps
        let initialization =
            memory == 0 ? Initialization() : Initialization(longestMemory: max(memory, 3))
        let shapes = cells.map {
            ModelShape(
                input: .values(size: sequences.inputSize),
                layers: [RecurrentLayer($0, hiddenSize: hidden)], head: sequences.head,
                outputSize: sequences.outputSize, loss: sequences.loss)
        }
        let rule = Optimizer.adam(Adam(learningRate: learningRate))
        for shape in shapes {
            try checkMemory(
                shape, batch: batch, steps: sequences.steps, momentCount: rule.momentCount,
                beside: sequences.memory(batch: batch))
        }
        Interruption.watch()

        var bar = ProgressBar(quiet: quiet)
        var runs: [LearningRun] = []
        for (index, shape) in shapes.enumerated() {
            let model = Model(shape, seed: seed, initialization: initialization)
            let plan: TrainingPlan
            do {
                plan = try TrainingPlan(
                    for: shape, optimizer: rule, batch: batch, steps: sequences.steps)
            } catch {
                throw Failure(error)
            }
            var trainer = Trainer(
                model, plan, clip: GradientClip(norm: clip),
                threads: try threadOptions.count(shape, rows: batch * sequences.steps),
                kernels: kernels)
            var run = LearningRun(cell: cells[index].name)
            try run.learn(&trainer, sequences, updates: updates, seed: seed) { update, point in
                try Interruption.check()
                bar.show(
                    cells[index].name,
                    fraction: (Double(index) + Double(update) / Double(updates))
                        / Double(shapes.count),
                    point.map {
                        "loss \(String(format: "%.4f", $0.loss)), \($0.accuracy.percent) right"
                    } ?? "")
            }
            runs.append(run)
        }
        bar.clear()
        let report = LearnReport(
            task: task.rawValue, measure: sequences.measure, length: length, hidden: hidden,
            batch: batch,
            learningRate: learningRate, clip: clip, memory: memory, updates: updates, seed: seed,
            isa: "\(kernels.isa)",
            baseline: runs[0].baseline, runs: runs)
        if let svg { try writeText(svg, report.chart.svg) }
        if json { try printJSON(report) } else { try printToStandardOutput(report.table) }
        if runs.allSatisfy(\.diverged) {
            throw Failure(
                .software,
                """
                learn: every cell diverged; expected a smaller --learning-rate, found \
                \(learningRate)
                """)
        }
    }

    private func cells() throws(Failure) -> [RecurrentCell] {
        try cell.split(separator: ",", omittingEmptySubsequences: false).map {
            name throws(Failure) in try RecurrentCell.named(String(name), option: "--cell")
        }
    }
}

/// What `learn` prints and draws.
struct LearnReport: Encodable {
    let task: String, measure: String, length: Int, hidden: Int, batch: Int, learningRate: Double,
        clip: Double, memory: Int, updates: Int
    let seed: UInt64, isa: String
    let baseline: Double
    let runs: [LearningRun]

    var table: String {
        func row(_ cells: [String]) -> String {
            tableRow(cells, widths: [18, 12, 12, 10, 10, 10, 12])
        }
        let rows = runs.map { run in
            let last = run.points.last
            return row([
                run.cell, last.map { String(format: "%.5f", $0.loss) } ?? "-",
                String(format: "%.5f", baseline), last?.accuracy.percent ?? "-",
                last.map { $0.updates.grouped } ?? "-", run.seconds.rounded,
                run.diverged ? "diverged" : run.isLearned ? "learned" : "not learned",
            ])
        }
        return
            ([row(["\(task), \(length)", "loss", "baseline", "right", "updates", "seconds", ""])]
            + rows).joined(separator: "\n") + "\n"
    }

    var chart: LineChart {
        let reach = Double(runs.flatMap(\.points).map(\.updates).max() ?? updates)
        func curves(_ value: (LearningRun.Point) -> Double) -> [LineChart.Curve] {
            runs.map { run in
                LineChart.Curve(
                    name: run.cell, points: run.points.map { (x: Double($0.updates), y: value($0)) }
                )
            }
        }
        let ignorance = LineChart.Curve(
            name: "without memory", points: [(x: 0, y: baseline), (x: reach, y: baseline)])
        return LineChart(
            title: "\(task), \(length): what \(runs.map(\.cell).joined(separator: ", ")) learn",
            subtitle:
                """
                \(hidden) hidden units, batches of \(batch), Adam at \(learningRate); on \
                sequences that were not learned
                """,
            axis: "updates",
            panels: [
                LineChart.Panel(
                    title: "loss", isLogarithmic: true, curves: curves(\.loss) + [ignorance]),
                LineChart.Panel(
                    title: "share of \(measure) that is right", isLogarithmic: false,
                    curves: curves(\.accuracy)),
            ])
    }
}
