import ArgumentParser
import Foundation
import Recurrent

struct Tune: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Searches the learning rate: powers of ten first, then finer around the best.",
        discussion: """
            Each rate learns the text from the same start, in the same batches. The best is the \
            one with the lowest development perplexity; --lowest and --highest say between which \
            powers of ten it is searched.
            """)

    @OptionGroup var training: TrainingOptions

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "One of \(Optimizer.names.joined(separator: ", ")).",
            valueName: "name"))
    var optimizer = "adam"

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Times that each rate learns the text.", valueName: "number"))
    var epochs = 1

    @Option(parsing: .unconditional, help: ArgumentHelp("The lowest rate.", valueName: "number"))
    var lowest = 1e-4

    @Option(parsing: .unconditional, help: ArgumentHelp("The highest rate.", valueName: "number"))
    var highest = 1.0

    @Flag(help: "Shows no progress, only the result.")
    var quiet = false

    @Flag(help: "Prints the result as one JSON object, and nothing else.")
    var json = false

    @OptionGroup var threadOptions: ThreadOptions
    @OptionGroup var kernelOptions: KernelOptions

    func run() throws {
        try training.check()
        try validated("--epochs", epochs, 1...Int.max)
        try checkPositive("--lowest", lowest)
        try checkPositive("--highest", highest)
        guard lowest <= highest, highest / lowest <= RateSearch.widest else {
            throw Failure(
                .usage,
                """
                --highest: out of range; expected --lowest to \(RateSearch.widest) times as \
                much, found \(highest)
                """
            )
        }
        let rule = try Optimizer.forText(optimizer, learningRate: lowest, option: "--optimizer")
        let kernels = try kernelOptions.kernels()
        _ = try threadOptions.count()
        let text = try training.readTrainingText()
        let shape = try training.shape(text, momentCount: rule.momentCount)
        let threads = try threadOptions.count(shape, rows: training.batch * training.steps)
        let evaluator = try threadOptions.evaluator(shape, text.development, kernels: kernels)
        Interruption.watch()

        var search = RateSearch(lowest: lowest, highest: highest)
        var bar = ProgressBar(quiet: quiet)
        var runs: [ComparedRun] = []
        while let rate = search.next {
            var rule = rule
            rule.learningRate = rate
            var trainer = try training.trainer(
                Model(shape, seed: training.seed), rule, threads: threads, kernels: kernels)
            var run = ComparedRun(name: optimizer, learningRate: rate)
            let done = search.done
            try run.train(
                &trainer, evaluator, text, epochs: epochs, isFullBatch: training.isFullBatch
            ) { epoch, loss in
                bar.show(
                    "rate \(rate.asRate)", fraction: done + epoch / Double(epochs) * (1 - done) / 4,
                    "loss \(loss.rounded)")
            }
            search.record(rate, perplexity: run.best?.perplexity ?? .infinity)
            runs.append(run)
        }
        bar.clear()
        guard let best = search.best else {
            throw Failure(
                .software,
                "tune: diverged at every rate; expected a lower --lowest, found \(lowest)")
        }
        let report = TuneReport(
            text: training.text, optimizer: optimizer,
            trainUnknownShare: text.training.unknownShare,
            devUnknownShare: text.development.unknownShare,
            splitBetweenLines: text.isSplitBetweenLines, epochs: epochs,
            runs: runs.sorted { $0.learningRate < $1.learningRate },
            bestLearningRate: best.rate, bestPerplexity: best.perplexity)
        if json {
            try printJSON(report)
        } else {
            try printToStandardOutput(text.summary + report.table)
        }
    }
}

/// A search on a logarithmic scale: every power of ten from the lowest rate on, then thirds of a
/// decade, then ninths, around the best.
struct RateSearch {
    /// The most that the highest rate may be above the lowest.
    static let widest = 1e12
    private static let refinements = 2
    private var waiting: [Double]
    private var tried: [(rate: Double, perplexity: Double)] = []
    /// How far apart the rates of this round are, and how many finer rounds have begun.
    private var factor = 10.0, rounds = 0
    private let range: ClosedRange<Double>

    init(lowest: Double, highest: Double) {
        range = lowest...highest
        let decades = Int(log10(highest / lowest) + 1e-9)
        waiting = (0...decades).map { min(lowest * pow(10, Double($0)), highest) }
    }

    /// The rate to be tried next; nil where the search is over.
    var next: Double? { waiting.first }

    /// About how much of the search is over.
    var done: Double {
        Double(tried.count) / Double(tried.count + waiting.count + 2 * (Self.refinements - rounds))
    }

    /// The rate with the lowest perplexity; of several, the lowest rate.
    var best: (rate: Double, perplexity: Double)? {
        tried.filter { $0.perplexity.isFinite }.min {
            ($0.perplexity, $0.rate) < ($1.perplexity, $1.rate)
        }
    }

    mutating func record(_ rate: Double, perplexity: Double) {
        tried.append((rate: rate, perplexity: perplexity))
        waiting.removeFirst()
        guard waiting.isEmpty, rounds < Self.refinements, let best else { return }
        rounds += 1
        factor = pow(factor, 1.0 / 3)
        waiting = [best.rate / factor, best.rate * factor].filter(range.contains)
        if waiting.isEmpty { rounds = Self.refinements }
    }
}

/// What `tune` prints.
struct TuneReport: Encodable {
    let text: String?
    let optimizer: String
    let trainUnknownShare: Double, devUnknownShare: Double, splitBetweenLines: Bool
    let epochs: Int
    let runs: [ComparedRun]
    let bestLearningRate: Double, bestPerplexity: Double

    var table: String {
        func row(_ cells: [String]) -> String { tableRow(cells, widths: [14, 18, 16]) }
        let rows = runs.map { run in
            row([
                run.learningRate.asRate, run.best.map { $0.perplexity.rounded } ?? "diverged",
                run.learningRate == bestLearningRate ? "best" : "",
            ])
        }
        let advice = "--optimizer \(optimizer) --learning-rate \(bestLearningRate.asRate)"
        return ([row(["learning rate", "perplexity", ""])] + rows + [advice]).joined(
            separator: "\n") + "\n"
    }
}

extension Double {
    /// With three digits, as short as they allow.
    fileprivate var asRate: String { String(format: "%.3g", self) }
}
