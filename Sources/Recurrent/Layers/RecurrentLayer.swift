internal import RecurrentFormats

extension RecurrentCell {
    /// The names of the gates, in kernel order; a plain layer has one sum and no gate.
    public var gateNames: [String] { type(of: options).gateNames }

    /// As model files have it, such as `lstm(peepholes+coupled)` or `gru`: PyTorch's defaults go
    /// without saying.
    public var name: String { kindName + (options.name.isEmpty ? "" : "(\(options.name))") }

    /// Every kind of cell: the usual one, and some that have each of the others' parts.
    public static let all = kinds.flatMap { $0.cells }

    /// The cell of a `name`, or nil.
    public init?(named name: String) {
        let parts = name.split(separator: "(", maxSplits: 1, omittingEmptySubsequences: false)
        let inside = parts.dropFirst().first
        guard let kind = Self.kinds.first(where: { $0.cellName == parts[0] }),
            inside.map({ $0.hasSuffix(")") && $0 != ")" }) ?? true,
            let options = kind.init(named: String(inside?.dropLast() ?? ""))
        else { return nil }
        self = options.cell
    }

    /// The usual cell with the tensors of a kind: PyTorch's, where it has one.
    init(_ kind: StateDictCell.Kind) {
        self = Self.kinds.first { $0.cellName == kind.name }!.init(kind).cell
    }

    var defaultOfItsKind: RecurrentCell { RecurrentCell(options.kind) }

    var canRoundWeights: Bool { options.weightFormats.contains(.bfloat16) }

    /// The name without the options.
    var kindName: String { type(of: options).cellName }
}

extension CellOptions {
    fileprivate static var cells: [RecurrentCell] { all.map(\.cell) }
}

/// One recurrent layer of a model.
public struct RecurrentLayer: Hashable, Sendable {
    public let cell: RecurrentCell
    /// H, hidden units in each direction.
    public let hiddenSize: Int
    /// Whether a second cell runs from the last step to the first, its output beside the first
    /// one's: Schuster and Paliwal 1997.
    public let isBidirectional: Bool

    public init(_ cell: RecurrentCell, hiddenSize: Int, isBidirectional: Bool = false) {
        self.cell = cell
        self.hiddenSize = hiddenSize
        self.isBidirectional = isBidirectional
    }

    /// Units of h in each direction: H, or those of an LSTM's projection.
    public var unitCount: Int { cell.options.kind.outputSize(hiddenSize: hiddenSize) }
    /// What the next layer reads: the units of h, of both directions side by side.
    public var outputSize: Int { directions * unitCount }
    /// Cells: 2 in a bidirectional layer, else 1.
    public var directions: Int { isBidirectional ? 2 : 1 }

    /// Trainable numbers of each gate, in the order of `cell.gateNames`, in each direction.
    /// PyTorch's two biases count as one where they are one to the kernels.
    public func gateParameterCounts(inputSize: Int) -> [Int] {
        let options = cell.options
        let matrices = hiddenSize * (inputSize + hiddenInputs + 1)
        return cell.gateNames.indices.map {
            options.parameterCount(gate: $0, matrices: matrices, hiddenSize: hiddenSize)
        }
    }

    /// Trainable numbers.
    public func parameterCount(inputSize: Int) -> Int {
        directions * (gateParameterCounts(inputSize: inputSize).reduce(0, +) + projectionCount)
    }

    /// Of the matrix products of a time step; a coupled LSTM computes the gate that it does not
    /// use.
    public func multiplyAdds(inputSize: Int) -> Int {
        directions
            * (cell.gateNames.count * hiddenSize * (inputSize + hiddenInputs) + projectionCount)
    }

    /// What a gate reads of h.
    private var hiddenInputs: Int { cell.options.kind.readsHidden ? unitCount : 0 }
    private var projectionCount: Int { unitCount == hiddenSize ? 0 : unitCount * hiddenSize }

    /// As `RecurrentFormats` has it.
    var stateDict: StateDictLayer {
        StateDictLayer(
            cell.options.kind, hiddenSize: hiddenSize, isBidirectional: isBidirectional,
            variant: cell.options.tensorsName)
    }
}
