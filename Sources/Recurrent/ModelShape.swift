internal import Formats

/// What a model is made of: an input, a stack of LSTM layers, and a dense layer with a loss.
public struct ModelShape: Hashable, Sendable {
    /// What a time step is given.
    public enum Input: Hashable, Sendable {
        /// A vector of `size` features.
        case values(size: Int)
        /// An index into a table of `vocabulary` rows of `dimension` learned features.
        case tokens(vocabulary: Int, dimension: Int)
    }

    /// What the output of the dense layer is compared with.
    public enum Loss: Hashable, Sendable {
        /// Softmax and cross-entropy with a class index, in nats.
        case crossEntropy
        /// The mean of the squared differences from a vector.
        case meanSquaredError
        /// The mean of the absolute differences.
        case meanAbsoluteError
        /// The mean of half the squared difference where it is at most delta, and of delta (|difference| - delta / 2) elsewhere.
        case huber(delta: Float = 1)
        /// The mean of the binary cross-entropies, in nats, of the outputs' sigmoids with numbers in 0...1. The outputs themselves are logits.
        case binaryCrossEntropy

        /// As model files have it.
        public var name: String {
            switch self {
            case .crossEntropy: "crossEntropy"
            case .meanSquaredError: "meanSquaredError"
            case .meanAbsoluteError: "meanAbsoluteError"
            case .huber: "huber"
            case .binaryCrossEntropy: "binaryCrossEntropy"
            }
        }

        /// Whether targets are classes rather than vectors.
        var comparesClasses: Bool { self == .crossEntropy }
    }

    public let input: Input
    /// Hidden units of each layer, from the input up.
    public let hiddenSizes: [Int]
    /// Outputs of the dense layer: classes, or values.
    public let outputSize: Int
    public let loss: Loss

    /// The largest dimension, so that no product of dimensions overflows.
    public static let largestDimension = 1 << 24
    /// The most rows that a call works on, such as time steps times batch.
    package static let largestRowCount = 1 << 31

    /// - Precondition: all sizes are in 1...`largestDimension`, and there is at least one layer; Huber's delta is finite and above zero.
    public init(input: Input, hiddenSizes: [Int], outputSize: Int, loss: Loss) {
        precondition(!hiddenSizes.isEmpty, "model shape: expected at least one layer")
        var sizes = hiddenSizes + [outputSize]
        switch input {
        case .values(let size): sizes.append(size)
        case .tokens(let vocabulary, let dimension): sizes += [vocabulary, dimension]
        }
        for size in sizes {
            precondition(isDimension(size), "model shape: expected sizes of 1 to \(Self.largestDimension), found \(size)")
        }
        if case .huber(let delta) = loss { precondition(isHuberDelta(delta), "model shape: expected a positive delta, found \(delta)") }
        self.input = input
        self.hiddenSizes = hiddenSizes
        self.outputSize = outputSize
        self.loss = loss
    }

    /// Features of the first layer's input.
    var featureCount: Int {
        switch input {
        case .values(let size): size
        case .tokens(_, let dimension): dimension
        }
    }

    /// The dimensions of layer `index`. Rows of tokens' features and of lower layers' states are padded to 16 floats; raw values are not.
    func layer(_ index: Int, batch: Int, steps: Int) -> LSTMShape {
        let inputSize = index == 0 ? featureCount : hiddenSizes[index - 1]
        var stride = padded(inputSize)
        if index == 0, case .values = input { stride = inputSize }
        return LSTMShape(inputSize: inputSize, hiddenSize: hiddenSizes[index], batch: batch, steps: steps, inputStride: stride)
    }

    /// The same sizes as `Formats` has them.
    var stateDict: StateDictShape {
        switch input {
        case .values(let size): StateDictShape(inputSize: size, hiddenSizes: hiddenSizes, outputSize: outputSize)
        case .tokens(let vocabulary, let dimension):
            StateDictShape(vocabularySize: vocabulary, inputSize: dimension, hiddenSizes: hiddenSizes, outputSize: outputSize)
        }
    }

    /// The dimensions of the dense layer over `rows` rows.
    func dense(rows: Int) -> DenseShape {
        DenseShape(rows: rows, inputSize: hiddenSizes.last!, outputSize: outputSize)
    }
}

/// Whether `size` may be a dimension of a layer.
func isDimension(_ size: Int) -> Bool { size > 0 && size <= ModelShape.largestDimension }

/// Whether Huber's loss may turn from squares to absolute values at `delta`.
func isHuberDelta(_ delta: Float) -> Bool { delta > 0 && delta.isFinite }

/// Whether a call may work on `rows` rows.
func isRowCount(_ rows: Int) -> Bool { rows > 0 && rows <= ModelShape.largestRowCount }

/// 16 ⌈count / 16⌉.
func padded(_ count: Int) -> Int { (count + 15) / 16 * 16 }

/// Where each part of the parameters lies in the one flat buffer that optimizers walk over.
struct ParameterLayout: Sendable {
    let embedding: Int?
    let layers: [Int]
    let dense: Int
    let count: Int

    init(_ shape: ModelShape, _ format: WeightFormat = .float32) {
        var layout = Layout()
        if case .tokens(let vocabulary, let dimension) = shape.input {
            embedding = layout.reserve(vocabulary * padded(dimension))
        } else {
            embedding = nil
        }
        layers = shape.hiddenSizes.indices.map { layout.reserve(shape.layer($0, batch: 1, steps: 1).weightCount(format)) }
        dense = layout.reserve(shape.dense(rows: 1).weightCount(format))
        count = layout.floats
    }
}
