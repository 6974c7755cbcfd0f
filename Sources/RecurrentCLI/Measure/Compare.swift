import ArgumentParser
import Foundation
import Recurrent

struct Compare: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract:
            """
            Learns one text with several optimizers, from the same start and in the same \
            batches: a table, and curves.
            """,
        discussion: """
            An optimizer has its usual learning rate, or the one behind a colon. Those that stand \
            there by default do well on poems of a few ten thousand characters.
            """)

    @OptionGroup var training: TrainingOptions

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Times that the text is learned.", valueName: "number"))
    var epochs = 10

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Of \(Optimizer.names.joined(separator: ", ")).",
            valueName: "names"))
    var optimizers = "sgd:1,momentum:0.5,nesterov:0.5,adagrad:0.05,rmsprop,adadelta,adam"

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Draw loss and perplexity as SVG.", valueName: "file"))
    var svg: String?

    @Flag(help: "Shows no progress, only the result.")
    var quiet = false

    @Flag(help: "Prints the result as one JSON object, and nothing else.")
    var json = false

    @OptionGroup var threadOptions: ThreadOptions
    @OptionGroup var kernelOptions: KernelOptions

    func run() throws {
        try training.check()
        try validated("--epochs", epochs, 1...Int.max)
        let rules = try rules()
        let kernels = try kernelOptions.kernels()
        _ = try threadOptions.count()
        if let svg {
            try checkWritable(svg, option: "--svg")
            try training.checkDistinct(svg, option: "--svg")
        }
        let text = try training.readTrainingText()
        let shape = try training.shape(text, momentCount: rules.map(\.rule.momentCount).max()!)
        let threads = try threadOptions.count(shape, rows: training.batch * training.steps)
        let evaluator = try threadOptions.evaluator(shape, text.development, kernels: kernels)
        Interruption.watch()

        var bar = ProgressBar(quiet: quiet)
        var runs: [ComparedRun] = []
        for (index, (name, rule)) in rules.enumerated() {
            var trainer = try training.trainer(
                Model(shape, seed: training.seed), rule, threads: threads, kernels: kernels)
            var run = ComparedRun(name: name, learningRate: rule.learningRate)
            let done = Double(index) / Double(rules.count)
            try run.train(
                &trainer, evaluator, text, epochs: epochs, isFullBatch: training.isFullBatch
            ) { epoch, loss in
                bar.show(
                    name, fraction: done + epoch / (Double(epochs) * Double(rules.count)),
                    "loss \(loss.rounded)")
            }
            runs.append(run)
        }
        bar.clear()
        let report = CompareReport(
            text: training.text, hidden: shape.layers[0].hiddenSize,
            vocabulary: text.vocabulary.count,
            trainUnknownShare: text.training.unknownShare,
            devUnknownShare: text.development.unknownShare,
            splitBetweenLines: text.isSplitBetweenLines, epochs: epochs,
            threads: threads, isa: "\(kernels.isa)", runs: runs)
        if let svg { try writeText(svg, report.chart.svg) }
        if json {
            try printJSON(report)
        } else {
            try printToStandardOutput(text.summary + report.table)
        }
        if runs.allSatisfy(\.diverged) {
            throw Failure(
                .software,
                """
                compare: every optimizer diverged; expected smaller rates in --optimizers, or a \
                smaller --l1 or --l2, found \(optimizers)
                """)
        }
    }

    private func rules() throws(Failure) -> [(name: String, rule: Optimizer)] {
        var rules: [(name: String, rule: Optimizer)] = []
        for item in optimizers.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = item.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
                .map(String.init)
            var rate: Double?
            if parts.count == 2 {
                guard let number = Double(parts[1]) else {
                    throw Failure(
                        .usage,
                        """
                        --optimizers: no learning rate; expected a number behind the colon, \
                        found \(item)
                        """
                    )
                }
                try checkPositive("--optimizers", number)
                rate = number
            }
            rules.append(
                (
                    name: String(item),
                    rule: try .forText(
                        parts.first ?? "", learningRate: rate, option: "--optimizers")
                ))
        }
        return rules
    }
}

/// One optimizer's way.
struct ComparedRun: Encodable {
    struct Point: Encodable {
        /// Epochs done, in parts.
        let epoch: Double
        let loss: Double
    }

    private static let pointsPerEpoch = 20

    let name: String
    let learningRate: Double
    /// Means over a twentieth of an epoch each, while the model learned: nats per token.
    private(set) var losses: [Point] = []
    /// After each epoch.
    private(set) var perplexities: [Double] = []
    /// Whether the loss was no longer finite, which ended it.
    private(set) var diverged = false

    init(name: String, learningRate: Double) {
        self.name = name
        self.learningRate = learningRate
    }

    var best: (epoch: Int, perplexity: Double)? {
        perplexities.enumerated().min { $0.element < $1.element }.map {
            (epoch: $0.offset + 1, perplexity: $0.element)
        }
    }

    /// - Parameter onStep: is given the epochs done, and the loss.
    mutating func train(
        _ trainer: inout Trainer, _ evaluator: Evaluator, _ text: TrainingText, epochs: Int,
        isFullBatch: Bool,
        onStep: (Double, Double) -> Void
    ) throws {
        let count = text.training.segmentCount
        let every = max(count / Self.pointsPerEpoch, 1)
        for epoch in 0..<epochs {
            if diverged { break }
            var last = Evaluation()
            var steps = 0
            let learned = try trainer.runEpoch(text.training, isFullBatch: isFullBatch) { _, sum in
                try Interruption.check()
                steps += 1
                let done = Double(epoch) + Double(steps) / Double(count)
                guard steps % every == 0 else { return }
                let loss =
                    (sum.training.lossSum - last.lossSum)
                    / Double(max(sum.training.count - last.count, 1))
                last = sum.training
                diverged = diverged || !loss.isFinite
                if !diverged { losses.append(Point(epoch: done, loss: loss)) }
                onStep(done, loss)
            }
            let perplexity = try evaluator.evaluate(trainer.model, text.development) { _ in
                try Interruption.check()
            }.all.perplexity
            diverged =
                diverged || !perplexity.isFinite
                || learned.skippedAll(text.training, isFullBatch: isFullBatch)
            if !diverged { perplexities.append(perplexity) }
        }
    }
}

/// What `compare` prints and draws.
struct CompareReport: Encodable {
    let text: String?
    let hidden: Int, vocabulary: Int
    let trainUnknownShare: Double, devUnknownShare: Double, splitBetweenLines: Bool
    let epochs: Int, threads: Int, isa: String
    let runs: [ComparedRun]

    var table: String {
        func row(_ cells: [String]) -> String { tableRow(cells, widths: [18, 10, 16, 8, 16, 14]) }
        let rows = runs.map { run in
            row([
                run.name, "\(run.learningRate)", run.best.map { $0.perplexity.rounded } ?? "-",
                run.best.map { "\($0.epoch)" } ?? "-",
                run.perplexities.last.map { $0.rounded } ?? "-",
                run.diverged ? "diverged" : run.losses.last.map { $0.loss.rounded } ?? "-",
            ])
        }
        return
            ([
                row([
                    "optimizer", "rate", "best perplexity", "epoch", "at the end", "training loss",
                ])
            ] + rows).joined(separator: "\n") + "\n"
    }

    var chart: LineChart {
        LineChart(
            title:
                """
                \(runs.count) optimizers on \
                \(text.map { URL(fileURLWithPath: textName($0)).lastPathComponent }
                    ?? "the sources of this package")
                """,
            subtitle:
                """
                \(hidden) hidden units, vocabulary of \(vocabulary.grouped); the same initial \
                weights and batches
                """,
            axis: "epochs",
            panels: [
                LineChart.Panel(
                    title: "training loss, nats per token", isLogarithmic: false,
                    curves: runs.map { run in
                        LineChart.Curve(
                            name: run.name, points: run.losses.map { (x: $0.epoch, y: $0.loss) })
                    }),
                LineChart.Panel(
                    title: "development perplexity", isLogarithmic: true,
                    curves: runs.map { run in
                        LineChart.Curve(
                            name: run.name,
                            points: run.perplexities.enumerated().map {
                                (x: Double($0.offset + 1), y: $0.element)
                            })
                    }),
            ])
    }
}
