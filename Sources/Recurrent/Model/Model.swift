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
        if let offset = layout.embedding { copy(parameters.embedding!, to: offset) }
        for (offset, (cell, weights)) in zip(
            layout.cells.joined(), zip(shape.stateDict.cells, parameters.cells))
        {
            copy(weights: weights, columns: cell.columns, gates: cell.kind.gates, to: offset)
        }
        copy(
            weights: parameters.dense!, columns: 1 + shape.layers.last!.outputSize, gates: 1,
            to: layout.dense)
    }

    /// Trainable numbers, without padding.
    public var parameterCount: Int { shape.parameterCount }

    /// The flat buffer of `layout.count` floats.
    var parameters: UnsafeMutablePointer<Float> { unsafe arena.base }

    /// The parameters in kernel order, part by part.
    var stateDictParameters: StateDictParameters {
        let cells = Array(layout.cells.joined())
        return StateDictParameters(
            embedding: layout.embedding.map { floats(from: $0, to: cells[0]) },
            cells: zip(cells, cells.dropFirst() + [layout.dense]).map { floats(from: $0, to: $1) },
            dense: floats(from: layout.dense, to: layout.count))
    }

    private func floats(from start: Int, to end: Int) -> [Float] {
        unsafe Array(UnsafeBufferPointer(start: parameters + start, count: end - start))
    }

    private func copy(weights: [Float], columns: Int, gates: Int, to offset: Int) {
        unsafe copyWeights(
            weights, columns: columns, gates: gates, weightFormat, to: parameters + offset)
    }

    private func copy(_ floats: [Float], to offset: Int) {
        unsafe floats.withUnsafeBufferPointer {
            unsafe (parameters + offset).update(from: $0.baseAddress!, count: floats.count)
        }
    }
}

/// Stores weights in kernel order, `columns` of them with the bias, in a format.
func copyWeights(
    _ weights: [Float], columns: Int, gates: Int, _ format: WeightFormat,
    to memory: UnsafeMutablePointer<Float>
) {
    switch format {
    case .float32:
        unsafe weights.withUnsafeBufferPointer {
            unsafe memory.update(from: $0.baseAddress!, count: weights.count)
        }
    case .bfloat16:
        let words = KernelOrder.bfloat16(weights, columns: columns, gates: gates)
        unsafe words.withUnsafeBytes {
            unsafe UnsafeMutableRawPointer(memory).copyMemory(
                from: $0.baseAddress!, byteCount: $0.count)
        }
    }
}
