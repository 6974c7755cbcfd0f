internal import RecurrentFormats

/// What a recurrent layer computes in a time step.
public enum RecurrentCell: Hashable, Sendable {
    /// Long short-term memory with forget gate: `LSTMShape`.
    case lstm(LSTMVariant)
    /// The gated recurrent unit: `GRUShape`.
    case gru(GRUDefinition)
    /// The plain recurrent layer: `RNNShape`.
    case rnn(Activation)

    /// The names of the gates, in kernel order; a plain layer has one sum and no gate.
    public var gateNames: [String] {
        switch self {
        case .lstm: ["i", "f", "g", "o"]
        case .gru: ["r", "z", "n"]
        case .rnn: ["z"]
        }
    }

    /// As model files have it: `lstm`, `lstm(peepholes+coupled)`, `gru`, `gru(resetBefore)`, `rnn`,
    /// `rnn(relu)`; PyTorch's defaults go without saying.
    public var name: String {
        switch self {
        case .lstm(.plain): "lstm"
        case .lstm(let variant): "lstm(\(variant.name))"
        case .gru(.resetAfter): "gru"
        case .gru(let definition): "gru(\(definition.rawValue))"
        case .rnn(.tanh): "rnn"
        case .rnn(let activation): "rnn(\(activation.rawValue))"
        }
    }

    /// The cells without options; of the LSTM's, of which each part is one, one of each.
    public static let all: [RecurrentCell] =
        [
            .plain, LSTMVariant(squash: .sigmoid), LSTMVariant(hasPeepholes: true),
            LSTMVariant(hasCoupledGates: true), LSTMVariant(cellClip: 3),
            LSTMVariant(projectionSize: 32),
        ].map { .lstm($0) } + GRUDefinition.allCases.map { .gru($0) }
        + Activation.ofCells.map { .rnn($0) }

    /// The cell of a `name`, or nil.
    public init?(named name: String) {
        if let cell = Self.all.first(where: { $0.name == name }) {
            self = cell
        } else if name.hasPrefix("lstm("), name.hasSuffix(")"),
            let variant = LSTMVariant(named: String(name.dropFirst(5).dropLast()))
        {
            self = .lstm(variant)
        } else {
            return nil
        }
    }

    /// PyTorch's cell of a kind.
    init(_ kind: StateDictCell.Kind) {
        self =
            switch kind {
            case .lstm(let hasPeepholes, let projectionSize):
                .lstm(LSTMVariant(hasPeepholes: hasPeepholes, projectionSize: projectionSize))
            case .gru: .gru(.resetAfter)
            case .rnn: .rnn(.tanh)
            }
    }

    /// As `RecurrentFormats` has it.
    var stateDict: StateDictCell.Kind {
        switch self {
        case .lstm(let variant):
            .lstm(hasPeepholes: variant.hasPeepholes, projectionSize: variant.projectionSize)
        case .gru: .gru
        case .rnn: .rnn
        }
    }

    var defaultOfItsKind: RecurrentCell { RecurrentCell(stateDict) }

    /// What the names of its tensors say of it beside its kind: of PyTorch's cells nothing, because
    /// PyTorch has those names; of others that by which PyTorch knows that they are none of its
    /// own.
    var variant: String {
        switch self {
        case .lstm(let variant):
            variant == LSTMVariant(projectionSize: variant.projectionSize) ? "" : variant.name
        case .gru(let definition): definition == .resetAfter ? "" : definition.rawValue
        case .rnn(.tanh), .rnn(.relu): ""
        case .rnn(let activation): activation.rawValue
        }
    }

    /// The name without the definition.
    var kindName: String { String(name.prefix { $0 != "(" }) }
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

    public static func lstm(
        _ hiddenSize: Int, _ variant: LSTMVariant = .plain, isBidirectional: Bool = false
    ) -> RecurrentLayer {
        RecurrentLayer(.lstm(variant), hiddenSize: hiddenSize, isBidirectional: isBidirectional)
    }

    public static func gru(
        _ hiddenSize: Int, _ definition: GRUDefinition = .resetAfter, isBidirectional: Bool = false
    ) -> RecurrentLayer {
        RecurrentLayer(.gru(definition), hiddenSize: hiddenSize, isBidirectional: isBidirectional)
    }

    public static func rnn(
        _ hiddenSize: Int, _ activation: Activation = .tanh, isBidirectional: Bool = false
    ) -> RecurrentLayer {
        RecurrentLayer(.rnn(activation), hiddenSize: hiddenSize, isBidirectional: isBidirectional)
    }

    /// Units of h in each direction: H, or those of an LSTM's projection.
    public var unitCount: Int { cell.stateDict.outputSize(hiddenSize: hiddenSize) }
    /// What the next layer reads: the units of h, of both directions side by side.
    public var outputSize: Int { directions * unitCount }
    /// Cells: 2 in a bidirectional layer, else 1.
    public var directions: Int { isBidirectional ? 2 : 1 }

    /// Trainable numbers of each gate, in the order of `cell.gateNames`, in each direction.
    /// PyTorch's two biases count as one where they are one to the kernels.
    public func gateParameterCounts(inputSize: Int) -> [Int] {
        cell.gateNames.map { gate in
            let ofAll = hiddenSize * (inputSize + unitCount + 1)
            switch cell {
            case .lstm(let variant):
                return variant.hasCoupledGates && gate == "f"
                    ? 0 : ofAll + (variant.hasPeepholes && gate != "g" ? hiddenSize : 0)
            case .gru(let definition):
                return ofAll + (definition == .resetAfter && gate == "n" ? hiddenSize : 0)
            case .rnn: return ofAll
            }
        }
    }

    /// Trainable numbers.
    public func parameterCount(inputSize: Int) -> Int {
        directions * (gateParameterCounts(inputSize: inputSize).reduce(0, +) + projectionCount)
    }

    /// Of the matrix products of a time step; a coupled LSTM computes the gate that it does not
    /// use.
    public func multiplyAdds(inputSize: Int) -> Int {
        directions * (cell.gateNames.count * hiddenSize * (inputSize + unitCount) + projectionCount)
    }

    private var projectionCount: Int { unitCount == hiddenSize ? 0 : unitCount * hiddenSize }

    /// As `RecurrentFormats` has it.
    var stateDict: StateDictLayer {
        StateDictLayer(
            cell.stateDict, hiddenSize: hiddenSize, isBidirectional: isBidirectional,
            variant: cell.variant)
    }
}
