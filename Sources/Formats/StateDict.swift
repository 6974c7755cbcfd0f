/// The names of a PyTorch module's attributes, which begin the keys of its `state_dict`: by default those of a module with
/// `embedding = nn.Embedding(V, E)`, `lstm = nn.LSTM(I, H, num_layers)` and `dense = nn.Linear(H, O)`.
public struct StateDictNames: Equatable, Sendable {
    public var embedding = "embedding"
    /// Empty for the `state_dict` of a bare `nn.LSTM`.
    public var lstm = "lstm"
    public var dense = "dense"

    public init(embedding: String = "embedding", lstm: String = "lstm", dense: String = "dense") {
        self.embedding = embedding
        self.lstm = lstm
        self.dense = dense
    }

    var embeddingWeight: String { embedding + ".weight" }
    var denseWeight: String { dense + ".weight" }
    var denseBias: String { dense + ".bias" }
    func lstm(_ parameter: String, _ layer: Int) -> String { (lstm.isEmpty ? "" : lstm + ".") + "\(parameter)_l\(layer)" }

    /// These names, but those of a bare `nn.LSTM` if that is what the file holds.
    func matching(_ file: Safetensors) -> StateDictNames {
        let bare = StateDictNames(embedding: embedding, lstm: "", dense: dense)
        return file.entry(named: bare.lstm("weight_ih", 0)) == nil ? self : bare
    }
}

/// The sizes of a model: an embedding or raw input, a stack of LSTM layers, and a dense layer or none.
public struct StateDictShape: Equatable, Sendable {
    /// V, if the input goes through an embedding.
    public let vocabularySize: Int?
    /// I of the first layer; the embedding's E, if there is one.
    public let inputSize: Int
    /// H of each LSTM layer; each reads the one before it.
    public let hiddenSizes: [Int]
    /// O, if there is a dense layer behind the last LSTM layer.
    public let outputSize: Int?

    /// - Precondition: all sizes are positive, and there is a layer.
    public init(vocabularySize: Int? = nil, inputSize: Int, hiddenSizes: [Int], outputSize: Int? = nil) {
        let sizes = hiddenSizes + [vocabularySize ?? 1, inputSize, outputSize ?? 1]
        precondition(!hiddenSizes.isEmpty && sizes.allSatisfy { $0 > 0 }, "a model has layers, and all its sizes are positive")
        self.vocabularySize = vocabularySize
        self.inputSize = inputSize
        self.hiddenSizes = hiddenSizes
        self.outputSize = outputSize
    }

    /// The sizes of the model in a file, found from the shapes of its tensors.
    /// - Throws: what is missing, unexpected, or of a shape that does not fit the others.
    public init(_ file: Safetensors, names: StateDictNames = StateDictNames()) throws(FormatError) {
        let names = names.matching(file)
        var hiddenSizes: [Int] = []
        repeat {
            hiddenSizes.append(try file.matrix(names.lstm("weight_hh", hiddenSizes.count), expected: "[4H, H]").columns)
        } while file.entry(named: names.lstm("weight_hh", hiddenSizes.count)) != nil
        let hasEmbedding = file.entry(named: names.embeddingWeight) != nil
        let hasDense = file.entry(named: names.denseWeight) != nil
        self.init(
            vocabularySize: hasEmbedding ? try file.matrix(names.embeddingWeight, expected: "[V, E]").rows : nil,
            inputSize: try file.matrix(names.lstm("weight_ih", 0), expected: "[4H, I]").columns,
            hiddenSizes: hiddenSizes,
            outputSize: hasDense ? try file.matrix(names.denseWeight, expected: "[O, H]").rows : nil)
        try file.check(tensorShapes(names))
    }

    /// Trainable numbers; the two biases of an LSTM layer count as the one that they are to the kernels.
    public var parameterCount: Int {
        let layers = zip([inputSize] + hiddenSizes, hiddenSizes).map { KernelOrder.lstmGates * $1 * ($0 + $1 + 1) }
        return (vocabularySize ?? 0) * inputSize + layers.reduce(0, +) + (outputSize ?? 0) * (hiddenSizes[hiddenSizes.count - 1] + 1)
    }

    /// The tensors of the model, in the order of PyTorch.
    func tensorShapes(_ names: StateDictNames) -> [(name: String, shape: [Int])] {
        var tensors: [(name: String, shape: [Int])] = []
        if let vocabularySize { tensors.append((names.embeddingWeight, [vocabularySize, inputSize])) }
        for (layer, (input, hidden)) in zip([inputSize] + hiddenSizes, hiddenSizes).enumerated() {
            let rows = KernelOrder.lstmGates * hidden
            tensors.append((names.lstm("weight_ih", layer), [rows, input]))
            tensors.append((names.lstm("weight_hh", layer), [rows, hidden]))
            tensors.append((names.lstm("bias_ih", layer), [rows]))
            tensors.append((names.lstm("bias_hh", layer), [rows]))
        }
        if let outputSize, let hidden = hiddenSizes.last {
            tensors.append((names.denseWeight, [outputSize, hidden]))
            tensors.append((names.denseBias, [outputSize]))
        }
        return tensors
    }
}

/// The parameters of a model in kernel order: see `KernelOrder`.
public struct StateDictParameters: Equatable, Sendable {
    /// [V][16 ⌈E/16⌉], if there is an embedding.
    public let embedding: [Float]?
    /// For each layer [⌈H/16⌉][1 + I + H][i f g o][16].
    public let lstm: [[Float]]
    /// [⌈O/16⌉][1 + H][16], if there is a dense layer.
    public let dense: [Float]?

    public init(embedding: [Float]? = nil, lstm: [[Float]], dense: [Float]? = nil) {
        self.embedding = embedding
        self.lstm = lstm
        self.dense = dense
    }

    /// Those of the model in a file. PyTorch's two biases of an LSTM layer are summed.
    /// - Throws: what is missing, unexpected, not of the shape that `shape` asks for, or NaN or infinite as a float.
    public init(_ file: Safetensors, shape: StateDictShape, names: StateDictNames = StateDictNames()) throws(FormatError) {
        let names = names.matching(file)
        try file.check(shape.tensorShapes(names))
        if shape.vocabularySize == nil {
            embedding = nil
        } else {
            embedding = KernelOrder.embedding(weight: try file.weights(names.embeddingWeight), width: shape.inputSize)
        }
        var lstm: [[Float]] = []
        for layer in shape.hiddenSizes.indices {
            let (biasIH, biasHH) = (names.lstm("bias_ih", layer), names.lstm("bias_hh", layer))
            let bias = try zip(file.weights(biasIH), file.weights(biasHH)).map(+)
            // Two numbers may have a sum that is none.
            try Tensor(name: biasIH + " + " + biasHH, shape: [bias.count], values: bias).checkFinite()
            lstm.append(
                KernelOrder.lstm(
                    weightIH: try file.weights(names.lstm("weight_ih", layer)), weightHH: try file.weights(names.lstm("weight_hh", layer)),
                    bias: bias))
        }
        self.lstm = lstm
        if shape.outputSize == nil {
            dense = nil
        } else {
            dense = KernelOrder.dense(weight: try file.weights(names.denseWeight), bias: try file.weights(names.denseBias))
        }
    }

    /// The tensors to write, in the order of PyTorch; an LSTM layer's bias is `bias_ih`, and `bias_hh` is zero.
    /// - Precondition: the parameters have the sizes of `shape`.
    public func tensors(shape: StateDictShape, names: StateDictNames = StateDictNames()) -> [Tensor] {
        precondition(lstm.count == shape.hiddenSizes.count, "\(lstm.count) layers, expected \(shape.hiddenSizes.count)")
        var values: [[Float]] = []
        if let embedding { values.append(KernelOrder.embedding(embedding, width: shape.inputSize)) }
        for (kernel, (input, hidden)) in zip(lstm, zip([shape.inputSize] + shape.hiddenSizes, shape.hiddenSizes)) {
            let (weightIH, weightHH, bias) = KernelOrder.lstm(kernel, inputSize: input, hiddenSize: hidden)
            values += [weightIH, weightHH, bias, Array(repeating: 0, count: bias.count)]
        }
        if let dense, let outputSize = shape.outputSize, let hidden = shape.hiddenSizes.last {
            let (weight, bias) = KernelOrder.dense(dense, inputSize: hidden, outputSize: outputSize)
            values += [weight, bias]
        }
        let tensors = shape.tensorShapes(names)
        precondition(values.count == tensors.count, "the parameters are not those of the shape")
        return zip(tensors, values).map { Tensor(name: $0.name, shape: $0.shape, values: $1) }
    }
}

extension Safetensors {
    /// The sizes of a matrix, both positive.
    fileprivate func matrix(_ name: String, expected: String) throws(FormatError) -> (rows: Int, columns: Int) {
        guard let entry = entry(named: name) else { throw missing([name]) }
        guard entry.shape.count == 2, entry.shape.allSatisfy({ $0 > 0 }) else {
            throw FormatError(.shape, tensor: name, expected: expected, found: "\(entry.shape)")
        }
        return (entry.shape[0], entry.shape[1])
    }

    /// The values of a tensor, all of them finite.
    fileprivate func weights(_ name: String) throws(FormatError) -> [Float] {
        let tensor = try tensor(named: name)
        try tensor.checkFinite()
        return tensor.values
    }

    /// Throws unless the file holds these tensors, of these shapes, and no others.
    fileprivate func check(_ tensors: [(name: String, shape: [Int])]) throws(FormatError) {
        let absent = tensors.filter { entry(named: $0.name) == nil }
        guard absent.isEmpty else { throw missing(absent.map(\.name)) }
        for (name, shape) in tensors {
            guard let entry = entry(named: name), entry.shape == shape else {
                throw FormatError(.shape, tensor: name, expected: "\(shape)", found: "\(entry(named: name)?.shape ?? [])")
            }
        }
        let known = Set(tensors.map(\.name))
        let others = entries.map(\.name).filter { !known.contains($0) }
        guard others.isEmpty else {
            throw FormatError(.unexpectedTensor, tensor: listed(others), expected: "only those of the model", found: "\(others.count) more")
        }
    }

    private func missing(_ names: [String]) -> FormatError {
        FormatError(.missingTensor, tensor: listed(names), expected: "\(names.count) more", found: "only " + listed(entries.map(\.name)))
    }

    private func listed(_ names: [String]) -> String {
        let shown = 4
        let rest = names.count > shown ? " and \(names.count - shown) more" : ""
        return names.isEmpty ? "no tensors" : names.prefix(shown).joined(separator: ", ") + rest
    }
}
