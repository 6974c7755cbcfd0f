/// A recurrent layer in one direction: which tensors a `state_dict` has of it, and the way between
/// them and kernel order.
public struct StateDictCell: Equatable, Sendable {
    public enum Kind: Hashable, Sendable {
        /// Peepholes have a tensor that PyTorch does not know, `peephole_l0`; a projection to R
        /// units is PyTorch's `weight_hr_l0`.
        case lstm(hasPeepholes: Bool = false, projectionSize: Int? = nil)
        /// The candidate has a bias of its own beside its hidden part where the reset gate acts
        /// after the product.
        case gru(hasHiddenBias: Bool = true)
        case rnn

        /// Matrices beside each other in `weight_ih` and `weight_hh`.
        public var gates: Int {
            switch self {
            case .lstm: KernelOrder.lstmGates
            case .gru: KernelOrder.gruGates
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

    /// Columns of a matrix in kernel order: bias, inputs, peepholes or hidden bias, hidden units.
    public var columns: Int {
        let inner =
            switch kind {
            case .lstm(let hasPeepholes, _): hasPeepholes
            case .gru(let hasHiddenBias): hasHiddenBias
            case .rnn: false
            }
        return 1 + inputSize + (inner ? 1 : 0) + outputSize
    }

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

    /// The cell in kernel order, of tensors that are those of `parameters`.
    public func kernelOrder(_ tensors: [[Float]]) -> [Float] {
        let (weightIH, weightHH, biasIH, biasHH) = (tensors[0], tensors[1], tensors[2], tensors[3])
        var bias = zip(biasIH, biasHH).map(+)
        switch kind {
        case .lstm(let hasPeepholes, let projectionSize):
            return KernelOrder.lstm(
                weightIH: weightIH, weightHH: weightHH, bias: bias,
                peepholes: hasPeepholes ? tensors[tensors.count - 1] : [],
                weightHR: projectionSize == nil ? [] : tensors[4])
        case .rnn: return KernelOrder.rnn(weightIH: weightIH, weightHH: weightHH, bias: bias)
        case .gru(let hasHiddenBias):
            if hasHiddenBias {
                bias.replaceSubrange((2 * hiddenSize)..., with: biasIH[(2 * hiddenSize)...])
            }
            return KernelOrder.gru(
                weightIH: weightIH, weightHH: weightHH, bias: bias,
                hiddenBias: hasHiddenBias ? Array(biasHH.suffix(hiddenSize)) : [])
        }
    }

    /// The inverse: a bias that is one to the kernels is `bias_ih`.
    func tensors(_ kernel: [Float]) -> [[Float]] {
        let none = Array(repeating: Float(0), count: kind.gates * hiddenSize)
        switch kind {
        case .lstm(let hasPeepholes, let projectionSize):
            let parts = KernelOrder.lstm(
                kernel, inputSize: inputSize, hiddenSize: hiddenSize, hasPeepholes: hasPeepholes,
                projectionSize: projectionSize)
            return [parts.weightIH, parts.weightHH, parts.bias, none]
                + [parts.weightHR, parts.peepholes].filter { !$0.isEmpty }
        case .rnn:
            let (weightIH, weightHH, bias) = KernelOrder.rnn(
                kernel, inputSize: inputSize, hiddenSize: hiddenSize)
            return [weightIH, weightHH, bias, none]
        case .gru(let hasHiddenBias):
            let (weightIH, weightHH, bias, hiddenBias) = KernelOrder.gru(
                kernel, inputSize: inputSize, hiddenSize: hiddenSize, hasHiddenBias: hasHiddenBias)
            return [weightIH, weightHH, bias, none.dropLast(hiddenBias.count) + hiddenBias]
        }
    }
}
