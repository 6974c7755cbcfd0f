internal import RecurrentFormats

/// What a model is made of: an input, a stack of recurrent layers of any mix, and a dense layer
/// with a loss, behind every step or behind each whole sequence.
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
        /// The mean of half the squared difference where it is at most delta, and of delta
        /// (|difference| - delta / 2) elsewhere.
        case huber(delta: Float = 1)
        /// The mean of the binary cross-entropies, in nats, of the outputs' sigmoids with numbers
        /// in 0...1. The outputs themselves are logits.
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

    /// What the dense layer reads.
    public enum Head: String, CaseIterable, Sendable {
        /// Every time step, many to many: there are as many outputs and targets as steps.
        case everyStep
        /// The last step of each sequence, many to one: the state that each direction of the last
        /// layer ends in.
        case lastStep
        /// The mean of the steps of each sequence, many to one.
        case mean

        /// What the last layer's steps are made one row of, if at all.
        var pooling: SequencePooling? {
            switch self {
            case .everyStep: nil
            case .lastStep: .last
            case .mean: .mean
            }
        }
    }

    public let input: Input
    /// From the input up.
    public let layers: [RecurrentLayer]
    public let head: Head
    /// Outputs of the dense layer: classes, or values.
    public let outputSize: Int
    public let loss: Loss

    /// The largest dimension, so that no product of dimensions overflows.
    public static let largestDimension = 1 << 24
    /// The most rows that a call works on, such as time steps times batch.
    package static let largestRowCount = Int(clamping: 1 << 31 as Int64)

    /// - Precondition: all sizes are in 1...`largestDimension`, and there is at least one layer;
    ///   Huber's delta is finite and above zero.
    public init(
        input: Input, layers: [RecurrentLayer], head: Head = .everyStep, outputSize: Int, loss: Loss
    ) {
        require(!layers.isEmpty, "model shape: expected at least one layer")
        var sizes = layers.map(\.hiddenSize) + [outputSize]
        switch input {
        case .values(let size): sizes.append(size)
        case .tokens(let vocabulary, let dimension): sizes += [vocabulary, dimension]
        }
        for size in sizes {
            require(
                isDimension(size),
                "model shape: expected sizes of 1 to \(Self.largestDimension), found \(size)")
        }
        // Only now, since twice any number might not be one.
        for size in layers.map(\.outputSize) {
            require(
                isDimension(size),
                "model shape: expected sizes of 1 to \(Self.largestDimension), found \(size)")
        }
        if case .huber(let delta) = loss {
            require(isHuberDelta(delta), "model shape: expected a positive delta, found \(delta)")
        }
        self.input = input
        self.layers = layers
        self.head = head
        self.outputSize = outputSize
        self.loss = loss
    }

    /// Trainable numbers, without padding.
    package var parameterCount: Int {
        let table =
            if case .tokens(let vocabulary, let dimension) = input { vocabulary * dimension } else {
                0
            }
        let recurrent = layers.indices.reduce(0) {
            $0 + layers[$1].parameterCount(inputSize: inputSize(of: $1))
        }
        return table + recurrent + outputSize * (layers.last!.outputSize + 1)
    }

    /// The embedding's table.
    var table: RowsShape? {
        guard case .tokens(let vocabulary, let dimension) = input else { return nil }
        return RowsShape(rows: vocabulary, units: dimension)
    }

    /// Whether there are kernels for weights that are not in float32.
    var canRoundWeights: Bool { layers.allSatisfy(\.cell.canRoundWeights) }

    /// Features of the first layer's input.
    var featureCount: Int {
        switch input {
        case .values(let size): size
        case .tokens(_, let dimension): dimension
        }
    }

    /// Features of the input of layer `index`.
    func inputSize(of index: Int) -> Int {
        index == 0 ? featureCount : layers[index - 1].outputSize
    }

    /// The cell of layer `index`, in each of its directions. Rows of tokens' features and of lower
    /// layers' outputs are padded to 16 floats; raw values are not.
    func cell(_ index: Int, batch: Int, steps: Int) -> AnyCellShape {
        AnyCellShape(
            layers[index], inputSize: inputSize(of: index), batch: batch, steps: steps,
            inputStride: inputStride(of: index))
    }

    /// Floats from one row of the input of layer `index` to the next.
    func inputStride(of index: Int) -> Int {
        if index == 0, case .values(let size) = input { return size }
        return padded(inputSize(of: index))
    }

    /// The same sizes as `RecurrentFormats` has them.
    var stateDict: StateDictShape {
        let layers = layers.map(\.stateDict)
        return switch input {
        case .values(let size):
            StateDictShape(inputSize: size, layers: layers, outputSize: outputSize)
        case .tokens(let vocabulary, let dimension):
            StateDictShape(
                vocabularySize: vocabulary, inputSize: dimension, layers: layers,
                outputSize: outputSize)
        }
    }

    /// The rows of the dense layer, and of targets, in a segment.
    func outputRows(batch: Int, steps: Int) -> Int { head == .everyStep ? batch * steps : batch }

    /// The dimensions of the dense layer over `rows` rows.
    func dense(rows: Int) -> DenseShape {
        DenseShape(rows: rows, inputSize: layers.last!.outputSize, outputSize: outputSize)
    }
}

/// Whether `size` may be a dimension of a layer.
func isDimension(_ size: Int) -> Bool { size > 0 && size <= ModelShape.largestDimension }

/// Whether Huber's loss may turn from squares to absolute values at `delta`.
func isHuberDelta(_ delta: Float) -> Bool { delta > 0 && delta.isFinite }

/// Whether a call may work on `rows` rows.
func isRowCount(_ rows: Int) -> Bool { rows > 0 && rows <= ModelShape.largestRowCount }

/// Where each part of the parameters lies in the one flat buffer that optimizers walk over.
struct ParameterLayout: Sendable {
    let embedding: Int?
    /// Each direction of each layer, from the input up.
    let cells: [[Int]]
    let dense: Int
    let count: Int

    init(_ shape: ModelShape, _ format: WeightFormat = .float32) {
        var layout = Layout()
        embedding = shape.table.map { layout.reserve($0.count) }
        cells = shape.layers.enumerated().map { index, layer in
            (0..<layer.directions).map { _ in
                layout.reserve(shape.cell(index, batch: 1, steps: 1).weightCount(format))
            }
        }
        dense = layout.reserve(shape.dense(rows: 1).weightCount(format))
        count = layout.floats
    }
}
