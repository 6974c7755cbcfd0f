internal import CRecurrent
internal import RecurrentFormats

/// What a recurrent layer computes in a time step.
public enum RecurrentCell: Hashable, Sendable {
    /// Long short-term memory with forget gate: `LSTMShape`.
    case lstm(LSTMVariant)
    /// The gated recurrent unit: `GRUShape`.
    case gru(GRUVariant)
    /// The plain recurrent layer: `RNNShape`.
    case rnn(Activation)
    /// The minimal gated recurrent unit, whose gates read the inputs alone: `MinGRUShape`.
    case minGRU

    static let kinds: [any CellOptions.Type] = [
        LSTMVariant.self, GRUVariant.self, Activation.self, MinGRUOptions.self,
    ]

    var options: any CellOptions {
        switch self {
        case .lstm(let variant): variant
        case .gru(let variant): variant
        case .rnn(let activation): activation
        case .minGRU: MinGRUOptions()
        }
    }

    init(_ shape: recurrent_cell_shape) {
        self =
            switch shape.cell {
            case .lstm: .lstm(LSTMVariant(shape))
            case .gru: .gru(GRUVariant(shape))
            case .rnn: .rnn(Activation(shape))
            case .min_gru: .minGRU
            }
    }
}

/// What tells the cells of one kind apart, and what there is to know of them. A kind of cell is a
/// file with a conformance, and a row of each list in `RecurrentCell`.
protocol CellOptions: Hashable, Sendable {
    /// A gate of each unit, and whether it keeps the old state, 1, or replaces it, -1.
    typealias MemoryGate = (gate: Int, sign: Float)

    /// What the name of such a cell in a model file begins with.
    static var cellName: String { get }
    /// In kernel order; a plain layer has one sum and no gate.
    static var gateNames: [String] { get }
    /// The usual one, and some that have each of the others' parts.
    static var all: [Self] { get }

    /// The usual ones of a cell with such tensors: PyTorch's, where it has one.
    init(_ kind: StateDictCell.Kind)
    /// Those of a shape of this kind of cell.
    init(_ shape: recurrent_cell_shape)
    /// Those of a name, or nil.
    init?(named name: String)

    /// What the cell's name has in parentheses; empty for the usual ones.
    var name: String { get }
    var cell: RecurrentCell { get }
    /// As `RecurrentFormats` has it.
    var kind: StateDictCell.Kind { get }
    /// What the names of the cell's tensors say beside its kind: of PyTorch's cells nothing,
    /// because PyTorch has those names; of others that by which PyTorch knows that they are none of
    /// its own.
    var tensorsName: String { get }
    /// The formats of weights that there are kernels for.
    var weightFormats: [WeightFormat] { get }

    func shape(
        inputSize: Int, hiddenSize: Int, batch: Int, steps: Int, inputStride: Int?
    ) -> AnyCellShape

    /// Trainable numbers of a gate: those of its rows of the `matrices` and of a bias, and what
    /// else there is.
    func parameterCount(gate: Int, matrices: Int, hiddenSize: Int) -> Int

    /// The gate whose bias is an LSTM's forget bias.
    var forgetGate: MemoryGate? { get }
    /// The gates whose bias says how long the old state stays: those with σ.
    var memoryGates: [MemoryGate] { get }
    /// A gate that has weights which are not used.
    var unusedGate: Int? { get }
}

extension CellOptions {
    var weightFormats: [WeightFormat] { [.float32] }
    func parameterCount(gate: Int, matrices: Int, hiddenSize: Int) -> Int { matrices }
    var forgetGate: MemoryGate? { nil }
    var memoryGates: [MemoryGate] { [] }
    var unusedGate: Int? { nil }
}

/// What the name of a cell has in parentheses: `part+part:value`, each part once, in any order.
struct CellNameParts {
    private var values: [Substring: Substring?] = [:]

    /// Nil where a part is empty or comes twice.
    init?(_ name: String) {
        guard !name.isEmpty else { return }
        for part in name.split(separator: "+", omittingEmptySubsequences: false) {
            let sides = part.split(separator: ":", maxSplits: 1, omittingEmptySubsequences: false)
            guard sides.allSatisfy({ !$0.isEmpty }), values[sides[0]] == nil else { return nil }
            values.updateValue(sides.dropFirst().first, forKey: sides[0])
        }
    }

    /// Whether all parts have been taken.
    var isEmpty: Bool { values.isEmpty }

    /// Takes a part without a value; false where there is none.
    mutating func flag(_ key: String) -> Bool {
        guard case .some(nil) = values[key[...]] else { return false }
        values[key[...]] = nil
        return true
    }

    /// Takes the value of a part, or nil.
    mutating func value(_ key: String) -> Substring? {
        guard case .some(let value?) = values[key[...]] else { return nil }
        values[key[...]] = nil
        return value
    }

    /// Takes the name of an activation: tanh goes without saying.
    mutating func activation() -> Activation {
        Activation.ofCells.dropFirst().first { flag($0.rawValue) } ?? .tanh
    }

    /// Takes `gates:` with the name of an activation, where σ goes without saying; nil where it is
    /// none.
    mutating func gateActivation() -> GateActivation? {
        guard let name = value("gates") else { return .sigmoid }
        return GateActivation(rawValue: String(name)).flatMap { $0 == .sigmoid ? nil : $0 }
    }
}

/// The parts of a name that those two methods take.
func activationNames(_ activation: Activation, _ gateActivation: GateActivation) -> [String] {
    (activation == .tanh ? [] : [activation.rawValue])
        + (gateActivation == .sigmoid ? [] : ["gates:\(gateActivation.rawValue)"])
}
