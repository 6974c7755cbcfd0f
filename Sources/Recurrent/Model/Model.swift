internal import RecurrentFormats

/// A recurrent network: an input, a stack of recurrent layers and a dense layer. It owns its
/// parameters, in kernel order, in one flat buffer.
///
/// A model is run one time step at a time with a `ModelState`, and trained by a `Trainer`.
@safe public struct Model: ~Copyable, @unchecked Sendable {
    public let shape: ModelShape
    /// Text that is saved beside the weights: vocabulary, settings, whatever its owner needs to use
    /// the model again.
    ///
    /// - Precondition: no key begins with `recurrent.`, under which a file says what the model is,
    ///   but `recurrent.vocabulary`, `recurrent.batch` and `recurrent.steps`, which the tool
    ///   `recurrent` reads of a language model.
    public var metadata: [String: String] = [:] {
        didSet {
            for key in metadata.keys {
                require(
                    ModelMetadata.isOwners(key),
                    """
                    model: metadata \(key); expected keys that do not begin with \
                    \(ModelMetadata.prefix), which are the package's, \
                    or one of \(MetadataKey.all.sorted().joined(separator: ", "))
                    """)
            }
        }
    }
    /// How the weights of the layers are stored. Only a model in float32 can be trained or saved,
    /// only one of plain LSTM layers rounded.
    public let weightFormat: WeightFormat
    let layout: ParameterLayout
    private let arena: Arena

    /// A model that has learned nothing yet.
    ///
    /// - Parameters:
    ///   - seed: the same seed gives the same weights on every machine.
    ///   - initialization: U(-1/√H, 1/√H) for recurrent and dense layers, N(0, 1) for the
    ///     embedding, as PyTorch has them, if nothing else is said.
    public init(
        _ shape: ModelShape, seed: UInt64, initialization: Initialization = Initialization()
    ) {
        var generator = SplitMix64(seed: seed)
        self.init(shape, parameters: initialization.parameters(shape, using: &generator))
    }

    init(
        _ shape: ModelShape, parameters: StateDictParameters, weightFormat: WeightFormat = .float32
    ) {
        require(
            weightFormat == .float32 || shape.canRoundWeights,
            "model: weights rounded to \(weightFormat); expected plain LSTM layers alone")
        self.shape = shape
        self.weightFormat = weightFormat
        layout = ParameterLayout(shape, weightFormat)
        var memory = Layout()
        _ = memory.reserve(layout.count)
        arena = Arena(memory)
        if let table = shape.table {
            var span = unsafe floats(layout.embedding!, table.count).mutableSpan
            table.pack(parameters.embedding!, to: &span)
        }
        for ((cell, offset), weights) in zip(cells, parameters.cells) {
            unsafe cell.pack(weights, weightFormat, to: self.parameters + offset)
        }
        let dense = shape.dense(rows: 1)
        var span = unsafe floats(layout.dense, dense.weightCount(weightFormat)).mutableSpan
        dense.pack(parameters.dense!, weightFormat, to: &span)
    }

    /// Trainable numbers, without padding.
    public var parameterCount: Int { shape.parameterCount }

    /// The flat buffer of `layout.count` floats.
    var parameters: UnsafeMutablePointer<Float> { unsafe arena.base }

    /// The parameters as PyTorch has them.
    var stateDictParameters: StateDictParameters {
        let dense = shape.dense(rows: 1)
        return StateDictParameters(
            embedding: shape.table.map {
                unsafe $0.unpack(floats(layout.embedding!, $0.count).span)
            },
            cells: cells.map { cell, offset in unsafe cell.unpack(parameters + offset) },
            dense: unsafe dense.unpack(floats(layout.dense, dense.weightCount).span))
    }

    /// Each direction of each layer, and where its parameters begin.
    private var cells: [(AnyCellShape, Int)] {
        layout.cells.enumerated().flatMap { index, offsets in
            offsets.map { (shape.cell(index, batch: 1, steps: 1), $0) }
        }
    }

    private func floats(_ offset: Int, _ count: Int) -> UnsafeMutableBufferPointer<Float> {
        unsafe UnsafeMutableBufferPointer(start: parameters + offset, count: count)
    }
}
