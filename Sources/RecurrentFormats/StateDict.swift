/// The names of a PyTorch module's attributes, which begin the keys of its `state_dict`: by default
/// those of a module with `embedding = nn.Embedding(V, E)`, `lstm = nn.LSTM(I, H, num_layers)` (or
/// `gru = nn.GRU(…)`, `rnn = nn.RNN(…)`) and `dense = nn.Linear(H, O)`.
///
/// In a stack of several kinds each layer has the name of its own kind and the number of its place:
/// `lstm.weight_ih_l0`, `gru.weight_ih_l1`. A cell that PyTorch does not have says so in its name,
/// as in `minGRU.weight_ih_l0` or `gru(resetBefore).weight_ih_l1`: PyTorch, which would compute
/// something else with the same tensors, refuses to load them.
public struct StateDictNames: Equatable, Sendable {
    public var embedding = "embedding"
    /// Those of the recurrent layers are empty for the `state_dict` of a bare `nn.LSTM`, `nn.GRU`
    /// or `nn.RNN`.
    public var lstm = "lstm"
    public var gru = "gru"
    public var rnn = "rnn"
    public var dense = "dense"
    /// The kinds of layers that there may be; others than PyTorch's go by their own names.
    private(set) var kinds = StateDictCell.Kind.all

    public init(
        embedding: String = "embedding", lstm: String = "lstm", gru: String = "gru",
        rnn: String = "rnn", dense: String = "dense"
    ) {
        (self.embedding, self.lstm, self.gru, self.rnn, self.dense) = (
            embedding, lstm, gru, rnn, dense
        )
    }

    var embeddingWeight: String { embedding + ".weight" }
    var denseWeight: String { dense + ".weight" }
    var denseBias: String { dense + ".bias" }

    func recurrent(
        _ kind: StateDictCell.Kind, _ variant: String, _ parameter: String, _ layer: Int,
        isReverse: Bool = false
    ) -> String {
        let module = module(kind) + (variant.isEmpty ? "" : "(\(variant))")
        return (module.isEmpty ? "" : module + ".")
            + "\(parameter)_l\(layer)" + (isReverse ? "_reverse" : "")
    }

    private func module(_ kind: StateDictCell.Kind) -> String {
        ["lstm": lstm, "gru": gru, "rnn": rnn][kind.name] ?? kind.name
    }

    /// The variants that a file has: the name of each matrix, without its variant, and the variants
    /// that it occurs with.
    func variants(_ file: Safetensors) -> [String: [String]] {
        var variants: [String: [String]] = [:]
        for kind in kinds {
            let prefix = module(kind) + "("
            for name in file.entries.map(\.name) where name.hasPrefix(prefix) {
                let rest = name.dropFirst(prefix.count)
                guard let end = rest.firstRange(of: ").") else { continue }
                let parameter = rest[end.upperBound...]
                let plain = (module(kind).isEmpty ? "" : module(kind) + ".") + parameter
                variants[plain, default: []].append(String(rest[..<end.lowerBound]))
            }
        }
        return variants
    }

    /// These names, but those of a bare module, which is PyTorch's, if that is what the file holds.
    func matching(_ file: Safetensors) -> StateDictNames {
        var bare = self
        (bare.lstm, bare.gru, bare.rnn, bare.kinds) = ("", "", "", StateDictCell.Kind.pyTorch)
        let first = bare.recurrent(.rnn, "", "weight_ih", 0)
        return file.entry(named: first) == nil && bare.variants(file)[first] == nil ? self : bare
    }
}

/// A recurrent layer of a stack.
public struct StateDictLayer: Equatable, Sendable {
    public let kind: StateDictCell.Kind
    /// H, in each direction.
    public let hiddenSize: Int
    public let isBidirectional: Bool
    /// What the cell computes that PyTorch's of its kind does not, as the names of its tensors have
    /// it; else empty.
    public let variant: String

    public init(
        _ kind: StateDictCell.Kind, hiddenSize: Int, isBidirectional: Bool = false,
        variant: String = ""
    ) {
        self.kind = kind
        self.hiddenSize = hiddenSize
        self.isBidirectional = isBidirectional
        self.variant = variant
    }

    /// What the next layer reads: the units of h, of both directions side by side.
    public var outputSize: Int {
        kind.outputSize(hiddenSize: hiddenSize) * (isBidirectional ? 2 : 1)
    }
}

/// The sizes of a model: an embedding or raw input, a stack of recurrent layers, and a dense layer
/// or none.
public struct StateDictShape: Equatable, Sendable {
    /// V, if the input goes through an embedding.
    public let vocabularySize: Int?
    /// I of the first layer; the embedding's E, if there is one.
    public let inputSize: Int
    /// Each reads the one before it.
    public let layers: [StateDictLayer]
    /// O, if there is a dense layer past the last recurrent layer.
    public let outputSize: Int?

    /// - Precondition: all sizes are positive, and there is a layer.
    public init(
        vocabularySize: Int? = nil, inputSize: Int, layers: [StateDictLayer], outputSize: Int? = nil
    ) {
        let sizes = layers.map(\.hiddenSize) + [vocabularySize ?? 1, inputSize, outputSize ?? 1]
        guard !layers.isEmpty && sizes.allSatisfy({ $0 > 0 }) else {
            fatalError("a model has layers, and all its sizes are positive")
        }
        self.vocabularySize = vocabularySize
        self.inputSize = inputSize
        self.layers = layers
        self.outputSize = outputSize
    }

    /// The sizes of the model in a file, found from the shapes of its tensors. A GRU is PyTorch's.
    /// - Throws: what is missing, unexpected, or of a shape that does not fit the others.
    public init(_ file: Safetensors, names: StateDictNames = StateDictNames()) throws(FormatError) {
        let names = names.matching(file)
        var layers: [StateDictLayer] = []
        let variants = names.variants(file)
        repeat {
            layers.append(try file.layer(layers.count, names, variants))
        } while file.kind(layers.count, names, variants) != nil
        let hasEmbedding = file.entry(named: names.embeddingWeight) != nil
        let hasDense = file.entry(named: names.denseWeight) != nil
        let weightIH = names.recurrent(layers[0].kind, layers[0].variant, "weight_ih", 0)
        self.init(
            vocabularySize: hasEmbedding
                ? try file.matrix(names.embeddingWeight, expected: "[V, E]").rows : nil,
            inputSize: try file.matrix(weightIH, expected: "[\(layers[0].kind.gates)H, I]").columns,
            layers: layers,
            outputSize: hasDense ? try file.matrix(names.denseWeight, expected: "[O, H]").rows : nil
        )
        try file.check(tensorShapes(names))
    }

    /// The directions of all layers, from the input up, in the order of PyTorch.
    public var cells: [StateDictCell] { directions.map(\.cell) }

    private struct Direction {
        let cell: StateDictCell, variant: String, layer: Int, isReverse: Bool

        /// The tensors of the cell, in the order of PyTorch, and their shapes.
        func tensors(_ names: StateDictNames) -> [(name: String, shape: [Int])] {
            cell.parameters.map { name, shape in
                (names.recurrent(cell.kind, variant, name, layer, isReverse: isReverse), shape)
            }
        }
    }

    private var directions: [Direction] {
        var inputSize = inputSize
        return layers.enumerated().flatMap { index, layer in
            defer { inputSize = layer.outputSize }
            let cell = StateDictCell(layer.kind, inputSize: inputSize, hiddenSize: layer.hiddenSize)
            return (layer.isBidirectional ? [false, true] : [false]).map {
                Direction(cell: cell, variant: layer.variant, layer: index, isReverse: $0)
            }
        }
    }

    /// What the dense layer reads.
    private var lastSize: Int { layers[layers.count - 1].outputSize }

    /// The tensors of the model, in the order of PyTorch.
    func tensorShapes(_ names: StateDictNames) -> [(name: String, shape: [Int])] {
        var tensors: [(name: String, shape: [Int])] = []
        if let vocabularySize {
            tensors.append((names.embeddingWeight, [vocabularySize, inputSize]))
        }
        for direction in directions { tensors += direction.tensors(names) }
        if let outputSize {
            tensors.append((names.denseWeight, [outputSize, lastSize]))
            tensors.append((names.denseBias, [outputSize]))
        }
        return tensors
    }

    /// The elements of all tensors.
    package var elementCount: Int {
        tensorShapes(StateDictNames()).reduce(0) { $0 + $1.shape.reduce(1, *) }
    }

    /// The names of the parameters of each of `cells`.
    func cellNames(_ names: StateDictNames) -> [[String]] {
        directions.map { $0.tensors(names).map(\.name) }
    }
}
