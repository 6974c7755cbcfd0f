/// Weights W and a bias b as PyTorch has them: of a dense layer W is [N][K], of a convolution
/// [C′][C][KH][KW]; b has an element for each unit or channel.
public struct AffineWeights: Equatable, Sendable {
    public var weight: [Float], bias: [Float]

    public init(weight: [Float], bias: [Float]) { (self.weight, self.bias) = (weight, bias) }
}

/// The parameters of a model as PyTorch has them.
public struct StateDictParameters: Equatable, Sendable {
    /// [V][E], if there is an embedding.
    public let embedding: [Float]?
    /// Each direction of each layer.
    public let cells: [CellWeights]
    /// [O][H], if there is a dense layer.
    public let dense: AffineWeights?

    public init(embedding: [Float]? = nil, cells: [CellWeights], dense: AffineWeights? = nil) {
        self.embedding = embedding
        self.cells = cells
        self.dense = dense
    }

    /// Those of the model in a file.
    /// - Throws: what is missing, unexpected, not of the shape that `shape` asks for, or NaN or
    ///   infinite as a float, as the sum of two biases may be.
    public init(
        _ file: Safetensors, shape: StateDictShape, names: StateDictNames = StateDictNames()
    ) throws(FormatError) {
        let names = names.matching(file)
        try file.check(shape.tensorShapes(names))
        embedding = shape.vocabularySize == nil ? nil : try file.weights(names.embeddingWeight)
        var cells: [CellWeights] = []
        for (cell, names) in zip(shape.cells, shape.cellNames(names)) {
            var tensors: [[Float]] = []
            for name in names { tensors.append(try file.weights(name)) }
            let weights = cell.weights(tensors)
            if cell.kind.readsHidden {
                let bias = zip(weights.biasIH, weights.biasHH).map(+)
                try Tensor(name: names[2] + " + " + names[3], shape: [bias.count], values: bias)
                    .checkFinite()
            }
            cells.append(weights)
        }
        self.cells = cells
        dense =
            shape.outputSize == nil
            ? nil
            : AffineWeights(
                weight: try file.weights(names.denseWeight), bias: try file.weights(names.denseBias)
            )
    }

    /// The tensors to write, in the order of PyTorch.
    /// - Precondition: the parameters have the sizes of `shape`.
    public func tensors(shape: StateDictShape, names: StateDictNames = StateDictNames()) -> [Tensor]
    {
        var values = cells.flatMap(\.tensors)
        if let embedding { values.insert(embedding, at: 0) }
        if let dense { values += [dense.weight, dense.bias] }
        let tensors = shape.tensorShapes(names)
        guard values.count == tensors.count else {
            fatalError("\(values.count) tensors, expected the \(tensors.count) of the shape")
        }
        return zip(tensors, values).map { Tensor(name: $0.name, shape: $0.shape, values: $1) }
    }
}

extension Safetensors {
    /// Which kind of layer the file has at a place, if any, and which variant of it; `variants` are
    /// those of the names.
    func kind(
        _ layer: Int, _ names: StateDictNames, _ variants: [String: [String]]
    ) -> (kind: StateDictCell.Kind, variant: String)? {
        func variantsFound(_ kind: StateDictCell.Kind) -> [String] {
            let plain = names.recurrent(kind, "", kind.mainMatrix, layer)
            return (entry(named: plain) == nil ? [] : [""]) + (variants[plain] ?? [])
        }
        // Where there are several, the tensors of the others will be unexpected.
        guard let variant = names.kinds.lazy.compactMap({ variantsFound($0).first }).first else {
            return nil
        }
        func part(_ kind: StateDictCell.Kind, _ parameter: String) -> Entry? {
            entry(named: names.recurrent(kind, variant, parameter, layer))
        }
        let found = names.kinds.filter { part($0, $0.mainMatrix) != nil }
        guard var kind = found.first else { return nil }
        // Where layers have no names, the rows tell; a projection is an LSTM's.
        if found.count > 1, let shape = part(.rnn, "weight_hh")?.shape, shape.count == 2 {
            let ofRows = found.first { shape[0] == $0.gates * shape[1] } ?? .lstm()
            kind = part(.lstm(), "weight_hr") != nil ? .lstm() : ofRows
        }
        if kind == .lstm() {
            kind.projectionSize = part(kind, "weight_hr")?.shape.first
            kind.hasPeepholes = part(kind, "peephole") != nil
        }
        return (kind, variant)
    }

    /// The layer at a place; an LSTM is missed where there is none.
    func layer(
        _ index: Int, _ names: StateDictNames, _ variants: [String: [String]]
    ) throws(FormatError) -> StateDictLayer {
        let (kind, variant) = kind(index, names, variants) ?? (.lstm(), "")
        let weight = names.recurrent(kind, variant, kind.mainMatrix, index)
        let rows = kind.gates == 1 ? "H" : "\(kind.gates)H"
        var hiddenSize: Int
        if kind.readsHidden {
            hiddenSize = try matrix(weight, expected: "[\(rows), H]").columns
        } else {
            // Rows that are no multiple are refused with the shapes of all.
            hiddenSize = max(1, try matrix(weight, expected: "[\(rows), I]").rows / kind.gates)
        }
        if kind.projectionSize != nil {
            let projection = names.recurrent(kind, variant, "weight_hr", index)
            hiddenSize = try matrix(projection, expected: "[R, H]").columns
        }
        return StateDictLayer(
            kind, hiddenSize: hiddenSize, isBidirectional: entry(named: weight + "_reverse") != nil,
            variant: variant)
    }

    /// The sizes of a matrix, both positive.
    func matrix(_ name: String, expected: String) throws(FormatError) -> (rows: Int, columns: Int) {
        guard let entry = entry(named: name) else { throw missing([name]) }
        guard entry.shape.count == 2, entry.shape.allSatisfy({ $0 > 0 }) else {
            throw FormatError(.shape, tensor: name, expected: expected, found: "\(entry.shape)")
        }
        return (entry.shape[0], entry.shape[1])
    }

    /// The values of a tensor, all of them finite.
    func weights(_ name: String) throws(FormatError) -> [Float] {
        let tensor = try tensor(named: name)
        try tensor.checkFinite()
        return tensor.values
    }

    /// Throws unless the file holds these tensors, of these shapes, and no others.
    func check(_ tensors: [(name: String, shape: [Int])]) throws(FormatError) {
        let absent = tensors.filter { entry(named: $0.name) == nil }
        guard absent.isEmpty else { throw missing(absent.map(\.name)) }
        for (name, shape) in tensors {
            guard let entry = entry(named: name), entry.shape == shape else {
                throw FormatError(
                    .shape, tensor: name, expected: "\(shape)",
                    found: "\(entry(named: name)?.shape ?? [])")
            }
        }
        let known = Set(tensors.map(\.name))
        let others = entries.map(\.name).filter { !known.contains($0) }
        guard others.isEmpty else {
            throw FormatError(
                .unexpectedTensor, tensor: listed(others), expected: "only those of the model",
                found: "\(others.count) more")
        }
    }

    private func missing(_ names: [String]) -> FormatError {
        FormatError(
            .missingTensor, tensor: listed(names), expected: "\(names.count) more",
            found: "only " + listed(entries.map(\.name)))
    }

    private func listed(_ names: [String]) -> String {
        let shown = 4
        let rest = names.count > shown ? " and \(names.count - shown) more" : ""
        return names.isEmpty ? "no tensors" : names.prefix(shown).joined(separator: ", ") + rest
    }
}
