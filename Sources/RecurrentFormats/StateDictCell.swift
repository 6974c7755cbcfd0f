/// The weights of a cell as PyTorch has them: row-major matrices of a row for each gate and unit,
/// gate after gate.
public struct CellWeights: Equatable, Sendable {
    /// [G H][I] and [G H][H], or [G H][R] where h is projected; of gates that do not read h the
    /// second is empty.
    public var weightIH: [Float], weightHH: [Float]
    /// [G H] each, the second empty where `weightHH` is. Their sum is what counts, but of a GRU's n
    /// where the reset gate acts after the product.
    public var biasIH: [Float], biasHH: [Float]
    /// [R][H], of a projection; else empty.
    public var weightHR: [Float]
    /// [3H], of i, f and o; empty where there are none.
    public var peepholes: [Float]

    /// - Parameter biasHH: where nil, zero, or empty if `weightHH` is.
    public init(
        weightIH: [Float], weightHH: [Float], biasIH: [Float], biasHH: [Float]? = nil,
        weightHR: [Float] = [], peepholes: [Float] = []
    ) {
        (self.weightIH, self.weightHH, self.biasIH) = (weightIH, weightHH, biasIH)
        self.biasHH = biasHH ?? Array(repeating: 0, count: weightHH.isEmpty ? 0 : biasIH.count)
        (self.weightHR, self.peepholes) = (weightHR, peepholes)
    }

    /// Those that there are, in the order of `StateDictCell.parameters`.
    public var tensors: [[Float]] {
        Self.members.map { self[keyPath: $0.path] }.filter { !$0.isEmpty }
    }

    /// All that a cell may have, under the names of a `state_dict`.
    static var members: [(name: String, path: WritableKeyPath<CellWeights, [Float]>)] {
        [
            ("weight_ih", \.weightIH), ("weight_hh", \.weightHH), ("bias_ih", \.biasIH),
            ("bias_hh", \.biasHH), ("weight_hr", \.weightHR), ("peephole", \.peepholes),
        ]
    }
}

/// A recurrent layer in one direction, and which tensors a `state_dict` has of it.
public struct StateDictCell: Equatable, Sendable {
    /// What the tensors of a cell depend on, beside its sizes.
    public struct Kind: Hashable, Sendable {
        /// The attribute of a module that has such a layer, by default.
        public let name: String
        /// Matrices beside each other in `weight_ih` and `weight_hh`.
        public let gates: Int
        /// Whether the gates read h: else there is neither a `weight_hh` nor a `bias_hh`.
        public let readsHidden: Bool
        /// A tensor that PyTorch does not know, `peephole_l0`.
        public var hasPeepholes = false
        /// R, of a projection: PyTorch's `weight_hr_l0`.
        public var projectionSize: Int?

        public init(_ name: String, gates: Int, readsHidden: Bool = true) {
            (self.name, self.gates, self.readsHidden) = (name, gates, readsHidden)
        }

        public static func lstm(hasPeepholes: Bool = false, projectionSize: Int? = nil) -> Kind {
            var kind = Kind("lstm", gates: 4)
            (kind.hasPeepholes, kind.projectionSize) = (hasPeepholes, projectionSize)
            return kind
        }
        public static let gru = Kind("gru", gates: 3)
        public static let rnn = Kind("rnn", gates: 1)
        /// The minimal GRU, which PyTorch does not have: z, then n.
        public static let minGRU = Kind("minGRU", gates: 2, readsHidden: false)
        /// Those of PyTorch's modules.
        static let pyTorch = [lstm(), gru, rnn]
        static let all = pyTorch + [minGRU]

        /// Units of h.
        public func outputSize(hiddenSize: Int) -> Int { projectionSize ?? hiddenSize }

        /// The matrix by whose name a layer is found.
        var mainMatrix: String { readsHidden ? "weight_hh" : "weight_ih" }
    }

    public let kind: Kind
    public let inputSize: Int
    public let hiddenSize: Int

    public init(_ kind: Kind, inputSize: Int, hiddenSize: Int) {
        self.kind = kind
        self.inputSize = inputSize
        self.hiddenSize = hiddenSize
    }

    public var outputSize: Int { kind.outputSize(hiddenSize: hiddenSize) }

    /// The tensors of the cell, in the order of PyTorch, and their shapes.
    public var parameters: [(name: String, shape: [Int])] {
        let rows = kind.gates * hiddenSize
        var shapes = ["weight_ih": [rows, inputSize], "bias_ih": [rows]]
        if kind.readsHidden {
            shapes["weight_hh"] = [rows, outputSize]
            shapes["bias_hh"] = [rows]
        }
        if let projectionSize = kind.projectionSize {
            shapes["weight_hr"] = [projectionSize, hiddenSize]
        }
        if kind.hasPeepholes { shapes["peephole"] = [3 * hiddenSize] }
        return CellWeights.members.compactMap { member in
            shapes[member.name].map { (member.name, $0) }
        }
    }

    /// The first of the weights that has another count than the cell asks for, zero of what it does
    /// not have; nil where all fit.
    public func mismatch(
        _ weights: CellWeights
    ) -> (name: String, expected: Int, found: Int)? {
        for (name, path) in CellWeights.members {
            let parameter = parameters.first { $0.name == name }
            let expected = parameter.map { $0.shape.reduce(1, *) } ?? 0
            let found = weights[keyPath: path].count
            if found != expected { return (name, expected, found) }
        }
        return nil
    }

    /// The weights of tensors that are those of `parameters`.
    public func weights(_ tensors: [[Float]]) -> CellWeights {
        var weights = CellWeights(weightIH: [], weightHH: [], biasIH: [])
        for (parameter, tensor) in zip(parameters, tensors) {
            let member = CellWeights.members.first { $0.name == parameter.name }!
            weights[keyPath: member.path] = tensor
        }
        return weights
    }
}
