/// The weights of a cell as PyTorch has them: row-major matrices of a row for each gate and unit,
/// gate after gate, i f g o of an LSTM, r z n of a GRU.
public struct CellWeights: Equatable, Sendable {
    /// [G H][I] and [G H][H], or [G H][R] where h is projected.
    public var weightIH: [Float], weightHH: [Float]
    /// [G H] each. Their sum is what counts, but of a GRU's n where the reset gate acts after the
    /// product.
    public var biasIH: [Float], biasHH: [Float]
    /// [R][H], of a projection; else empty.
    public var weightHR: [Float]
    /// [3H], of i, f and o; empty where there are none.
    public var peepholes: [Float]

    /// - Parameter biasHH: zero where nil.
    public init(
        weightIH: [Float], weightHH: [Float], biasIH: [Float], biasHH: [Float]? = nil,
        weightHR: [Float] = [], peepholes: [Float] = []
    ) {
        (self.weightIH, self.weightHH, self.biasIH) = (weightIH, weightHH, biasIH)
        self.biasHH = biasHH ?? Array(repeating: 0, count: biasIH.count)
        (self.weightHR, self.peepholes) = (weightHR, peepholes)
    }

    /// Those that there are, in the order of `StateDictCell.parameters`.
    public var tensors: [[Float]] {
        [weightIH, weightHH, biasIH, biasHH] + [weightHR, peepholes].filter { !$0.isEmpty }
    }
}

/// A recurrent layer in one direction, and which tensors a `state_dict` has of it.
public struct StateDictCell: Equatable, Sendable {
    public enum Kind: Hashable, Sendable {
        /// Peepholes have a tensor that PyTorch does not know, `peephole_l0`; a projection to R
        /// units is PyTorch's `weight_hr_l0`.
        case lstm(hasPeepholes: Bool = false, projectionSize: Int? = nil)
        case gru
        case rnn

        /// Matrices beside each other in `weight_ih` and `weight_hh`.
        public var gates: Int {
            switch self {
            case .lstm: 4
            case .gru: 3
            case .rnn: 1
            }
        }

        /// Units of h.
        public func outputSize(hiddenSize: Int) -> Int {
            if case .lstm(_, let projectionSize?) = self { projectionSize } else { hiddenSize }
        }
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
        var parameters = [
            (name: "weight_ih", shape: [rows, inputSize]), ("weight_hh", [rows, outputSize]),
            ("bias_ih", [rows]), ("bias_hh", [rows]),
        ]
        if case .lstm(let hasPeepholes, let projectionSize) = kind {
            if let projectionSize {
                parameters.append(("weight_hr", [projectionSize, hiddenSize]))
            }
            if hasPeepholes { parameters.append(("peephole", [3 * hiddenSize])) }
        }
        return parameters
    }

    /// The weights of tensors that are those of `parameters`.
    public func weights(_ tensors: [[Float]]) -> CellWeights {
        var weights = CellWeights(
            weightIH: tensors[0], weightHH: tensors[1], biasIH: tensors[2], biasHH: tensors[3])
        if case .lstm(let hasPeepholes, let projectionSize) = kind {
            if projectionSize != nil { weights.weightHR = tensors[4] }
            if hasPeepholes { weights.peepholes = tensors[tensors.count - 1] }
        }
        return weights
    }
}
