import ArgumentParser
import Foundation
import Recurrent

struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Learns a language model of a text, character by character.",
        discussion: """
            Tokens are Unicode scalars, an end of line and an unknown token, which stands for those that occur only once. The last lines \
            of the text are not learned: they tell how good the model is. The best model so far is always in the file that --out names.
            """)

    @Option(help: ArgumentHelp("Text to learn, in UTF-8. (default: the sources of this package)", valueName: "file"))
    var text: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("Hidden units of a layer.", valueName: "number"))
    var hidden = 256

    @Option(parsing: .unconditional, help: ArgumentHelp("LSTM layers.", valueName: "number"))
    var layers = 1

    @Option(parsing: .unconditional, help: ArgumentHelp("Learned features of a token.", valueName: "number"))
    var embedding = 64

    @Option(parsing: .unconditional, help: ArgumentHelp("Streams that are learned at the same time.", valueName: "number"))
    var batch = 16

    @Option(parsing: .unconditional, help: ArgumentHelp("Tokens that a gradient reaches back.", valueName: "number"))
    var steps = 64

    @Option(parsing: .unconditional, help: ArgumentHelp("The most times that the text is learned.", valueName: "number"))
    var epochs = 10

    @Option(help: ArgumentHelp("One of \(Optimizer.names.joined(separator: ", ")).", valueName: "name"))
    var optimizer = "adam"

    @Option(parsing: .unconditional, help: ArgumentHelp("Learning rate. (default: 0.002 for Adam and its kin, else the optimizer's own)", valueName: "number"))
    var learningRate: Double?

    @Option(parsing: .unconditional, help: ArgumentHelp("The largest norm of a gradient.", valueName: "number"))
    var clip = 5.0

    @Option(parsing: .unconditional, help: ArgumentHelp("Probability that an output of a layer is dropped while learning.", valueName: "number"))
    var dropout = 0.0

    @Option(parsing: .unconditional, help: ArgumentHelp("Share of the lines that are kept to measure on.", valueName: "number"))
    var devFraction = 0.2

    @Option(parsing: .unconditional, help: ArgumentHelp("Epochs without improvement after which the training ends.", valueName: "number"))
    var patience = 2

    @Option(parsing: .unconditional, help: ArgumentHelp("Seed of the initial weights and of dropout.", valueName: "number"))
    var seed: UInt64 = 1

    @Option(help: ArgumentHelp("Where the model goes.", valueName: "file"))
    var out = "model.safetensors"

    @Flag(help: "Shows no progress, only the result.")
    var quiet = false

    @Flag(help: "Prints the result as one JSON object, and nothing else.")
    var json = false

    @OptionGroup var threadOptions: ThreadOptions
    @OptionGroup var kernelOptions: KernelOptions

    func run() throws {
        let start = ContinuousClock.now
        try checkOptions()
        let threads = try threadOptions.count(), kernels = try kernelOptions.kernels()
        let rule = try rule()
        try checkWritable(out, option: "--out")
        if let text { try checkDistinct(text: text, out: out) }

        let text = try trainingText()
        let shape = ModelShape(input: .tokens(vocabulary: text.vocabulary.count, dimension: embedding),
                               hiddenSizes: Array(repeating: hidden, count: layers), outputSize: text.vocabulary.count, loss: .crossEntropy)
        try checkMemory(shape, batch: batch, steps: steps, momentCount: rule.momentCount)
        var model = Model(shape, seed: seed)
        let parameters = model.parameterCount
        model.metadata = text.metadata
        Interruption.watch()
        if !quiet && !json {
            try printToStandardOutput("""
                \(text.training.tokenCount.grouped) tokens to learn, \(text.development.tokenCount.grouped) to measure on, vocabulary of \(text.vocabulary.count.grouped)
                \(parameters.grouped) parameters, \(optimizer) at \(rule.learningRate), \(threads) \(threads == 1 ? "thread" : "threads"), \(kernels.isa)

                """)
        }
        var trainer = Trainer(model, optimizer: rule, batch: batch, steps: steps, clip: GradientClip(norm: clip), dropout: Float(dropout),
                              seed: seed, threads: threads, kernels: kernels)
        var run = TrainingRun(text: text, epochs: epochs, patience: patience, out: out, quiet: quiet || json, bar: ProgressBar(quiet: quiet))
        try run.train(&trainer)

        let seconds = (ContinuousClock.now - start) / .seconds(1)
        if json {
            try printJSON(TrainReport(
                text: self.text, hidden: hidden, layers: layers, embedding: embedding, batch: batch, steps: steps, optimizer: optimizer,
                learningRate: rule.learningRate, clip: clip, dropout: dropout, seed: seed, threads: threads, isa: "\(kernels.isa)", out: out,
                vocabulary: text.vocabulary.count, trainTokens: text.training.tokenCount, devTokens: text.development.tokenCount,
                parameters: parameters, epochs: run.epochCount, bestEpoch: run.stopping.bestEpoch, trainPerplexity: NumberOrNull(run.bestTrainPerplexity),
                devPerplexity: run.stopping.bestPerplexity, skippedSteps: run.skippedSteps, tokensPerSecond: run.tokensPerSecond,
                seconds: seconds))
        } else {
            try printToStandardOutput("""
                best: epoch \(run.stopping.bestEpoch), development perplexity \(run.stopping.bestPerplexity.rounded); \(seconds.rounded) s in all
                the model is in \(out); this continues a prompt with it:
                \(generateCommand(model: out, prompt: text.prompt))

                """)
        }
    }

    private func checkOptions() throws(Failure) {
        let size = 1...ModelShape.largestDimension
        try check("--hidden", hidden, size)
        try check("--layers", layers, 1...Self.largestLayerCount)
        try check("--embedding", embedding, size)
        try check("--batch", batch, size)
        try check("--steps", steps, size)
        try check("--epochs", epochs, 1...Int.max)
        try check("--patience", patience, 1...Int.max)
        if let learningRate { try checkPositive("--learning-rate", learningRate) }
        try checkPositive("--clip", clip)
        guard Float(dropout) >= 0, Float(dropout) < 1 else {
            throw Failure(.usage, "--dropout: out of range; expected at least 0 and below 1, found \(dropout)")
        }
        guard devFraction > 0, devFraction < 1 else {
            throw Failure(.usage, "--dev-fraction: out of range; expected above 0 and below 1, found \(devFraction)")
        }
    }

    private func checkPositive(_ option: String, _ value: Double) throws(Failure) {
        guard value > 0, value.isFinite else { throw Failure(.usage, "\(option): out of range; expected above 0, found \(value)") }
    }

    /// Four tensors a layer: far below what a model file may hold.
    private static let largestLayerCount = 256
    /// On text, Adam at twice its usual rate finds as good a model in half the epochs.
    private static let adamLearningRate = 0.002

    private func rule() throws(Failure) -> Optimizer {
        guard var rule = Optimizer.named(optimizer) else {
            throw Failure(.usage, "--optimizer: unknown; expected \(Optimizer.names.joined(separator: ", ")), found \(optimizer)")
        }
        if case .adam = rule { rule.learningRate = Self.adamLearningRate }
        if let learningRate { rule.learningRate = learningRate }
        return rule
    }

    private func trainingText() throws(Failure) -> TrainingText {
        if let text { return try TrainingText(readText(text), name: text, devFraction: devFraction, batch: batch, steps: steps) }
        let root = try PackageText.root(from: FileManager.default.currentDirectoryPath)
        return try TrainingText(PackageText.read(root: root), name: root, devFraction: devFraction, batch: batch, steps: steps)
    }
}
