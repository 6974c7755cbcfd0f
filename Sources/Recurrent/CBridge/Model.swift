internal import Formats

/// A recurrent network: an input, a stack of LSTM layers and a dense layer. It owns its parameters, in kernel order, in one flat buffer.
///
/// A model is run one time step at a time with a `ModelState`, and trained by a `Trainer`.
@safe public struct Model: ~Copyable, @unchecked Sendable {
    public let shape: ModelShape
    /// Text that is saved beside the weights: vocabulary, settings, whatever its owner needs to use the model again.
    public var metadata: [String: String] = [:]
    let layout: ParameterLayout
    private let arena: Arena

    /// A model with the usual initial weights: U(-1/√H, 1/√H) for LSTM and dense layers, N(0, 1) for the embedding, as PyTorch has them.
    ///
    /// - Parameter seed: the same seed gives the same weights on every machine.
    public init(_ shape: ModelShape, seed: UInt64) {
        var generator = SplitMix64(seed: seed)
        self.init(shape, parameters: initialParameters(shape, using: &generator))
    }

    init(_ shape: ModelShape, parameters: StateDictParameters) {
        self.shape = shape
        layout = ParameterLayout(shape)
        var memory = Layout()
        _ = memory.reserve(layout.count)
        arena = Arena(memory)
        if let offset = layout.embedding { copy(parameters.embedding!, to: offset) }
        for (offset, layer) in zip(layout.layers, parameters.lstm) { copy(layer, to: offset) }
        copy(parameters.dense!, to: layout.dense)
    }

    /// Trainable numbers, without padding.
    public var parameterCount: Int { shape.stateDict.parameterCount }

    /// The flat buffer of `layout.count` floats.
    var parameters: UnsafeMutablePointer<Float> { unsafe arena.base }

    /// The parameters in kernel order, part by part.
    var stateDictParameters: StateDictParameters {
        let hidden = shape.hiddenSizes.indices
        return StateDictParameters(
            embedding: layout.embedding.map { floats(from: $0, to: layout.layers[0]) },
            lstm: hidden.map { floats(from: layout.layers[$0], to: $0 + 1 < hidden.count ? layout.layers[$0 + 1] : layout.dense) },
            dense: floats(from: layout.dense, to: layout.count))
    }

    private func floats(from start: Int, to end: Int) -> [Float] {
        unsafe Array(UnsafeBufferPointer(start: parameters + start, count: end - start))
    }

    private func copy(_ floats: [Float], to offset: Int) {
        unsafe floats.withUnsafeBufferPointer { unsafe (parameters + offset).update(from: $0.baseAddress!, count: floats.count) }
    }
}
