import ArgumentParser
import Foundation
import Recurrent
import RecurrentFormats

struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Learns a language model of a text, character by character.",
        discussion: """
            Tokens are Unicode scalars, an end of line and an unknown token, which stands for \
            those that occur only once. The last lines of the text are not learned: they tell how \
            good the model is. (A text of few or uneven lines is divided within a line.) Line \
            feeds, carriage returns, both, U+2028 and U+2029 end lines. The best model so far is \
            always in the file that --out names, and beside it, in FILE.checkpoint, what --resume \
            needs to go on to the same bits as a training that was never cut off.

            Without --out, the model goes to model.safetensors, or to model-2.safetensors and so \
            on where that is taken; --resume goes on with the one of them whose checkpoint was \
            written last.
            """)

    @OptionGroup var training: TrainingOptions

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The most times that the text is learned.", valueName: "number"))
    var epochs = 10

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "One of \(Optimizer.names.joined(separator: ", ")).",
            valueName: "name"))
    var optimizer = "adam"

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Learning rate. (default: 0.002 for Adam and its kin, else the optimizer's own)",
            valueName: "number"))
    var learningRate: Double?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(RateSchedule.help, valueName: "name:numbers"))
    var schedule = "constant"

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            Momentum grows to this, from a half: 1 - 1 / (2 ⌊updates / 250⌋ + 2). (default: 0.9 \
            all the time, for momentum and nesterov)
            """, valueName: "number"))
    var momentum: Double?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Epochs without improvement after which the training ends.", valueName: "number"))
    var patience = 2

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            Where the model goes. (default: the first of model.safetensors, model-2.safetensors, … \
            that is free)
            """, valueName: "file"))
    var out: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            Model to start from, with its vocabulary, its cell and its sizes: to learn another \
            text, or at a lower rate.
            """, valueName: "model"))
    var from: String?

    @Flag(help: "Goes on where the training into --out was cut off, or has reached its --epochs.")
    var resume = false

    @Flag(help: "Starts over where the model of --out exists.")
    var overwrite = false

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Minutes between checkpoints within an epoch.", valueName: "number"))
    var checkpointMinutes = 5.0

    @Flag(help: "Shows no progress, only the result.")
    var quiet = false

    @Flag(help: "Prints the result as one JSON object, and nothing else.")
    var json = false

    @OptionGroup var threadOptions: ThreadOptions
    @OptionGroup var kernelOptions: KernelOptions

    func run() throws {
        let start = ContinuousClock.now
        try training.check()
        try validated("--epochs", epochs, 1...Int.max)
        try validated("--patience", patience, 1...Int.max)
        try checkPositive("--checkpoint-minutes", checkpointMinutes)
        if let learningRate { try checkPositive("--learning-rate", learningRate) }
        if let momentum {
            guard momentum > 0, Float(momentum) < 1, momentum.fitsFloat else {
                throw Failure(
                    .usage,
                    """
                    --momentum: out of range; expected above 0, below 1 and \
                    \(Double.floatRange), found \(momentum)
                    """
                )
            }
        }
        let kernels = try kernelOptions.kernels()
        _ = try threadOptions.count()
        let rateSchedule = try RateSchedule(schedule, option: "--schedule")
        let rule = try Optimizer.forText(
            optimizer, learningRate: learningRate, option: "--optimizer")
        guard momentum == nil || rule.momentum > 0 else {
            throw Failure(
                .usage,
                "--momentum: \(optimizer) has none; expected --optimizer momentum or nesterov")
        }
        let output = try TrainingOutput(out, isResumed: resume, overwrites: overwrite, training)
        let text: TrainingText
        let baseIdentity: String
        var model: Model
        if let from {
            for file in [output.path, output.checkpoint] where isSameFile(from, file) {
                throw Failure(
                    .usage, "--from: \(from) is \(file), which --out writes; expected another file")
            }
            model = try readLanguageModel(from)
            try training.checkAgrees(with: model.shape, of: from)
            text = try training.readTrainingText(vocabulary: Vocabulary(model, path: from))
            try training.checkFits(model.shape, text, momentCount: rule.momentCount)
            baseIdentity = ", from \(String(try fileChecksum(from), radix: 16))"
        } else {
            text = try training.readTrainingText()
            let shape = try training.shape(text, momentCount: rule.momentCount)
            try checkFileSize(shape)
            model = Model(shape, seed: training.seed)
            baseIdentity = ""
        }
        let shape = model.shape
        let threads = try threadOptions.count(shape, rows: training.batch * training.steps)
        let parameters = model.parameterCount
        model.metadata.merge(text.metadata) { _, new in new }
        Interruption.watch()
        var trainer = try training.trainer(model, rule, threads: threads, kernels: kernels)
        let evaluator = try threadOptions.evaluator(shape, text.development, kernels: kernels)
        if !quiet && !json {
            try printToStandardOutput(
                (output.notice.map { "\($0)\n" } ?? "") + """
                    \(text.summary)\(parameters.grouped) parameters, \(optimizer) at \
                    \(rule.learningRate), \(trainer.threadCount) \
                    \(trainer.threadCount == 1 ? "thread" : "threads"), \(kernels.isa)

                    """)
        }
        let identity =
            training.identity(
                text, optimizer: optimizer, learningRate: rule.learningRate, schedule: schedule)
            + (momentum.map { ", momentum to \($0)" } ?? "") + baseIdentity
        var run = TrainingRun(
            text: text, training: identity, isFullBatch: training.isFullBatch,
            learningRate: rule.learningRate, schedule: rateSchedule,
            mostMomentum: momentum, evaluator: evaluator, epochs: epochs, patience: patience,
            output: output, checkpointSeconds: checkpointMinutes * 60, quiet: quiet || json,
            bar: ProgressBar(quiet: quiet))
        if resume { try run.resume(&trainer) }
        try run.train(&trainer)

        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let progress = run.progress
        if json {
            try printJSON(
                TrainReport(
                    text: training.text, from: from, cell: shape.layers[0].cell.name,
                    hidden: shape.layers[0].hiddenSize,
                    layers: shape.layers.count, embedding: shape.embeddingSize,
                    batch: training.batch, fullBatch: training.isFullBatch, steps: training.steps,
                    optimizer: optimizer,
                    learningRate: rule.learningRate, schedule: schedule, clip: training.clip,
                    dropout: training.dropout, recurrentDropout: training.recurrentDropout,
                    l1: training.l1, l2: training.l2,
                    seed: training.seed, threads: trainer.threadCount, isa: "\(kernels.isa)",
                    out: output.path,
                    vocabulary: text.vocabulary.count, trainTokens: text.training.tokenCount,
                    devTokens: text.development.tokenCount,
                    parameters: parameters, trainUnknownShare: text.training.unknownShare,
                    devUnknownShare: text.development.unknownShare,
                    splitBetweenLines: text.isSplitBetweenLines, epochs: progress.epochCount,
                    bestEpoch: progress.stopping.bestEpoch,
                    trainPerplexity: NumberOrNull(progress.bestTrainPerplexity),
                    devPerplexity: progress.stopping.bestPerplexity,
                    knownTrainPerplexity: NumberOrNull(progress.bestKnownTrainPerplexity),
                    knownDevPerplexity: NumberOrNull(progress.bestKnownDevPerplexity),
                    skippedSteps: progress.skippedSteps,
                    tokensPerSecond: NumberOrNull(run.tokensPerSecond), seconds: seconds))
        } else {
            let perplexity = perplexityText(
                progress.stopping.bestPerplexity, known: progress.bestKnownDevPerplexity)
            try printToStandardOutput(
                """
                best: epoch \(progress.stopping.bestEpoch), development perplexity \
                \(perplexity); \(seconds.rounded) s in all
                the model is in \(output.path.printable()); this continues a prompt with it:
                \(generateCommand(model: output.path, prompt: text.prompt))

                """)
        }
    }
}

extension ModelShape {
    /// Learned features of a token.
    fileprivate var embeddingSize: Int {
        switch input {
        case .tokens(_, let dimension): dimension
        case .values(let size): size
        }
    }
}
