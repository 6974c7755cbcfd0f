internal import RecurrentFormats

// A cell of its own from a file with PyTorch's names, with a prefix `lstm.`, `gru.` or `rnn.` or
// without. Either the file has nothing but the one layer, in one direction, or the caller chooses.

extension LSTMCell {
    /// Reads a layer of an `nn.LSTM` from a safetensors file with PyTorch's names.
    ///
    /// - Parameters:
    ///   - layer: which one of several, or of those of a whole model, from 0; nil where the file
    ///     has nothing else.
    ///   - isReverse: whether it is the direction from the last step to the first of a
    ///     bidirectional layer.
    ///   - variant: what the file does not say; the plain one where neither says anything.
    ///   - weightFormat: what the weights are rounded to.
    public init(
        contentsOf path: String, layer: Int? = nil, isReverse: Bool = false,
        variant: LSTMVariant? = nil, batch: Int = 1,
        weightFormat: WeightFormat = .float32, kernels: Kernels = .best
    ) throws(ModelFileError) {
        let found = try CellFile(
            path, layer: layer, isReverse: isReverse, variant.map { .lstm($0) })
        guard case .lstm(let variant) = found.cell else {
            throw ModelFileError(path, expected: "an LSTM layer", found: found.cell.name)
        }
        guard weightFormat == .float32 || variant == .plain else {
            throw ModelFileError(
                path, what: "weights cannot be rounded to \(weightFormat)",
                expected: "a plain LSTM layer",
                found: found.cell.name)
        }
        self.init(
            inputSize: found.inputSize, hiddenSize: found.hiddenSize, variant: variant,
            batch: batch,
            weightFormat: weightFormat, kernels: kernels)
        load(found.weights)
    }
}

extension GRUCell {
    /// Reads a layer of an `nn.GRU` from a safetensors file with PyTorch's names.
    ///
    /// - Parameters:
    ///   - layer, isReverse: as for `LSTMCell`.
    ///   - definition: what the file does not say; PyTorch's where neither says anything.
    public init(
        contentsOf path: String, layer: Int? = nil, isReverse: Bool = false,
        definition: GRUDefinition? = nil,
        batch: Int = 1, kernels: Kernels = .best
    ) throws(ModelFileError) {
        let found = try CellFile(
            path, layer: layer, isReverse: isReverse, definition.map { .gru($0) })
        guard case .gru(let definition) = found.cell else {
            throw ModelFileError(path, expected: "a GRU layer", found: found.cell.name)
        }
        self.init(
            inputSize: found.inputSize, hiddenSize: found.hiddenSize, definition: definition,
            batch: batch, kernels: kernels)
        load(found.weights)
    }
}

extension RNNCell {
    /// Reads a layer of an `nn.RNN` from a safetensors file with PyTorch's names.
    ///
    /// - Parameters:
    ///   - layer, isReverse: as for `LSTMCell`.
    ///   - activation: what the file does not say, such as the `nonlinearity` of PyTorch; tanh
    ///     where neither says anything.
    ///   - negativeSlope: of `leakyReLU`.
    public init(
        contentsOf path: String, layer: Int? = nil, isReverse: Bool = false,
        activation: Activation? = nil,
        negativeSlope: Float = Activation.negativeSlope, batch: Int = 1, kernels: Kernels = .best
    ) throws(ModelFileError) {
        let found = try CellFile(
            path, layer: layer, isReverse: isReverse, activation.map { .rnn($0) })
        guard case .rnn(let activation) = found.cell else {
            throw ModelFileError(path, expected: "a plain recurrent layer", found: found.cell.name)
        }
        self.init(
            inputSize: found.inputSize, hiddenSize: found.hiddenSize, activation: activation,
            negativeSlope: negativeSlope, batch: batch, kernels: kernels)
        load(found.weights)
    }
}

/// A layer of a file in one direction.
private struct CellFile {
    let cell: RecurrentCell
    let inputSize: Int, hiddenSize: Int
    let weights: CellWeights

    init(_ path: String, layer: Int?, isReverse: Bool, _ caller: RecurrentCell?)
        throws(ModelFileError)
    {
        let file = try ModelFile(path)
        let (all, _) = try file.layers()
        if layer == nil {
            let others = [
                all.vocabularySize == nil ? "" : "an embedding",
                all.layers.count == 1 ? "" : "\(all.layers.count) layers",
                all.layers.contains(where: \.isBidirectional) ? "two directions" : "",
                all.outputSize == nil ? "" : "a dense layer",
            ].filter { !$0.isEmpty }
            guard others.isEmpty else {
                throw ModelFileError(
                    path, what: "more than a cell",
                    expected: "one layer in one direction alone, or a choice by `layer:`",
                    found: others.joined(separator: ", "))
            }
        }
        let layer = layer ?? 0
        guard all.layers.indices.contains(layer) else {
            throw ModelFileError(
                path, what: "no layer \(layer)", expected: "a layer of 0...\(all.layers.count - 1)",
                found: "\(layer)")
        }
        guard !isReverse || all.layers[layer].isBidirectional else {
            throw ModelFileError(
                path, what: "layer \(layer)", expected: "two directions", found: "one")
        }
        let (sizes, layers) = try file.layers(
            caller.map { cell in all.layers.indices.map { $0 == layer ? cell : nil } })
        let index = layers[..<layer].reduce(0) { $0 + $1.directions } + (isReverse ? 1 : 0)
        cell = layers[layer].cell
        inputSize = sizes.cells[index].inputSize
        hiddenSize = layers[layer].hiddenSize
        weights = try file.parameters(sizes).cells[index]
    }
}
