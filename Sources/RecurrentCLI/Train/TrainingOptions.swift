import ArgumentParser
import Foundation
import Recurrent

/// What one update learns from.
enum UpdateBatch: ExpressibleByArgument {
    /// A segment of each of so many streams.
    case streams(Int)
    /// The whole text.
    case all

    init?(argument: String) {
        if argument == "all" {
            self = .all
        } else if let count = Int(argument) {
            self = .streams(count)
        } else {
            return nil
        }
    }

    var defaultValueDescription: String {
        switch self {
        case .streams(let count): String(count)
        case .all: "all"
        }
    }
}

/// The text, the model and the segments of a training.
struct TrainingOptions: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Text to learn, in UTF-8. (default: the sources of this package)",
            valueName: "file"))
    var text: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Hidden units of a layer. (default: \(usualHidden))", valueName: "number"))
    var hidden: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Cell of the layers: \(RecurrentCell.names). (default: \(usualCell))",
            valueName: "name"))
    var cell: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Recurrent layers. (default: 1)", valueName: "number"))
    var layers: Int?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Learned features of a token. (default: \(usualEmbedding))", valueName: "number"))
    var embedding: Int?

    @Option(
        name: .customLong("batch"), parsing: .unconditional,
        help: ArgumentHelp(
            """
            Streams that are learned at the same time, with an update for each of their segments: \
            1 is stochastic gradient descent. With all, there is one update an epoch, by the \
            gradient of the whole text.
            """, valueName: "number or all"))
    var updateBatch = UpdateBatch.streams(Self.usualBatch)

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Tokens that a gradient reaches back.", valueName: "number"))
    var steps = 64

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The largest norm of a gradient.", valueName: "number"))
    var clip = 5.0

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Probability that an output of a layer is dropped while learning.", valueName: "number")
    )
    var dropout = 0.0

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            Probability that a unit is dropped from what a layer reads of its own state while \
            learning, the same ones for all steps of a gradient.
            """, valueName: "number"))
    var recurrentDropout = 0.0

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Strength λ of an L1 penalty, λ Σ |p| over all parameters.", valueName: "number"))
    var l1 = 0.0

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Strength λ of an L2 penalty, λ/2 Σ p².", valueName: "number"))
    var l2 = 0.0

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Share of the lines that are kept to measure on.", valueName: "number"))
    var devFraction = 0.2

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Seed of the initial weights and of dropout.", valueName: "number"))
    var seed: UInt64 = 1

    private static let usualBatch = 16, usualHidden = 256, usualEmbedding = 64,
        usualCell = RecurrentCell.lstm(.plain).name

    var isFullBatch: Bool { if case .all = updateBatch { true } else { false } }

    /// Streams that are learned at the same time.
    var batch: Int { if case .streams(let count) = updateBatch { count } else { Self.usualBatch } }

    func check() throws(Failure) {
        let size = 1...ModelShape.largestDimension
        if let hidden { try validated("--hidden", hidden, size) }
        if let cell { _ = try RecurrentCell.named(cell, option: "--cell") }
        if let layers { try validated("--layers", layers, 1...Self.largestLayerCount) }
        if let embedding { try validated("--embedding", embedding, size) }
        try validated("--batch", batch, size)
        try validated("--steps", steps, size)
        try checkPositive("--clip", clip)
        for (option, probability) in [
            ("--dropout", dropout), ("--recurrent-dropout", recurrentDropout),
        ] {
            guard probability >= 0, Float(probability) < 1, probability.fitsFloat else {
                throw Failure(
                    .usage,
                    """
                    \(option): out of range; expected at least 0, below 1 and \
                    \(Double.floatRange), found \(probability)
                    """)
            }
        }
        for (option, strength) in [("--l1", l1), ("--l2", l2)] {
            guard strength >= 0, strength.fitsFloat else {
                throw Failure(
                    .usage,
                    """
                    \(option): out of range; expected at least 0 and \(Double.floatRange), found \
                    \(strength)
                    """)
            }
        }
        guard devFraction > 0, devFraction < 1 else {
            throw Failure(
                .usage,
                "--dev-fraction: out of range; expected above 0 and below 1, found \(devFraction)")
        }
    }

    /// Four tensors a layer: far below what a model file may hold.
    private static let largestLayerCount = 256

    /// - Parameter vocabulary: that of a model that goes on learning; the text's own where nil.
    func readTrainingText(vocabulary: Vocabulary? = nil) throws(Failure) -> TrainingText {
        if let text {
            try checkMemory(readingTextFrom: text)
            return try TrainingText(
                readText(text), name: textName(text), devFraction: devFraction,
                batch: batch, steps: steps, vocabulary: vocabulary)
        }
        let root = try PackageText.root(from: FileManager.default.currentDirectoryPath)
        return try TrainingText(
            PackageText.read(root: root), name: root, devFraction: devFraction, batch: batch,
            steps: steps,
            vocabulary: vocabulary)
    }

    /// The shape of the model for a text, if it fits in memory.
    func shape(_ text: TrainingText, momentCount: Int) throws(Failure) -> ModelShape {
        let layer = RecurrentLayer(
            try RecurrentCell.named(cell ?? Self.usualCell, option: "--cell"),
            hiddenSize: hidden ?? Self.usualHidden)
        let shape = ModelShape(
            input: .tokens(
                vocabulary: text.vocabulary.count, dimension: embedding ?? Self.usualEmbedding),
            layers: Array(repeating: layer, count: layers ?? 1),
            outputSize: text.vocabulary.count, loss: .crossEntropy)
        try checkFits(shape, text, momentCount: momentCount)
        return shape
    }

    /// Refuses a model that does not fit in memory beside its text.
    func checkFits(_ shape: ModelShape, _ text: TrainingText, momentCount: Int) throws(Failure) {
        try checkMemory(
            shape, batch: batch, steps: steps, momentCount: momentCount, dropout: dropout > 0,
            recurrentDropout: recurrentDropout > 0,
            beside: text.memory + MemoryEstimate(measuring: text.development, with: shape))
    }

    /// Refuses options that contradict the model that a training starts from.
    func checkAgrees(with shape: ModelShape, of path: String) throws(Failure) {
        func agree<Value: Equatable>(_ option: String, _ value: Value?, _ found: Value)
            throws(Failure)
        {
            guard let value, value != found else { return }
            throw Failure(
                .usage,
                """
                \(option): the model of --from has another; expected \(found), or no \
                \(option), found \(value)
                """
            )
        }
        for layer in shape.layers {
            try agree("--hidden", hidden, layer.hiddenSize)
            try agree(
                "--cell",
                try cell.map { (name) throws(Failure) in
                    try RecurrentCell.named(name, option: "--cell").name
                }, layer.cell.name)
        }
        try agree("--layers", layers, shape.layers.count)
        if case .tokens(_, let dimension) = shape.input {
            try agree("--embedding", embedding, dimension)
        }
        guard shape.head == .everyStep, !shape.layers.contains(where: \.isBidirectional) else {
            throw Failure(
                .data,
                """
                \(path): no language model; expected layers in one direction and a head of \
                every step, found others
                """
            )
        }
    }

    /// Names what a training depends on beside the model: where two differ, one cannot go on with
    /// the other's checkpoint.
    func identity(_ text: TrainingText, optimizer: String, learningRate: Double, schedule: String)
        -> String
    {
        """
        text \(String(text.fingerprint, radix: 16)), \(steps) steps, \(optimizer) at \
        \(learningRate), schedule \(schedule)
        """
            + (isFullBatch ? ", full batch" : "")
    }

    func trainer(
        _ model: consuming Model, _ rule: Optimizer, threads: Int, kernels: Kernels
    ) throws(Failure) -> Trainer {
        let plan: TrainingPlan
        do {
            plan = try TrainingPlan(
                for: model.shape, optimizer: rule, batch: batch, steps: steps,
                dropout: Float(dropout), recurrentDropout: Float(recurrentDropout))
        } catch {
            throw Failure(error)
        }
        return Trainer(
            model, plan, initialState: .carried, clip: GradientClip(norm: clip),
            regularization: Regularization(l1: l1, l2: l2), seed: seed, threads: threads,
            kernels: kernels)
    }
}

/// Refuses what is not positive, or is infinite or zero to a kernel, which computes in float32.
func checkPositive(_ option: String, _ value: Double) throws(Failure) {
    guard value > 0, value.fitsFloat else {
        throw Failure(
            .usage,
            "\(option): out of range; expected above 0 and \(Double.floatRange), found \(value)")
    }
}

extension RecurrentCell {
    static var names: String { all.map(\.name).joined(separator: ", ") }

    static func named(_ name: String, option: String) throws(Failure) -> RecurrentCell {
        guard let cell = RecurrentCell(named: name) else {
            throw Failure(.usage, "\(option): unknown; expected such as \(names), found \(name)")
        }
        return cell
    }
}

extension Optimizer {
    /// On text, Adam at twice its usual rate finds as good a model in half the epochs.
    private static let adamTextRate = 0.002

    /// A rule by its name, with a learning rate that does well on text.
    static func forText(_ name: String, learningRate: Double?, option: String) throws(Failure)
        -> Optimizer
    {
        guard var rule = named(name) else {
            throw Failure(
                .usage,
                "\(option): unknown; expected \(names.joined(separator: ", ")), found \(name)")
        }
        if case .adam = rule { rule.learningRate = adamTextRate }
        if let learningRate { rule.learningRate = learningRate }
        return rule
    }
}
