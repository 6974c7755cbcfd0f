internal import CRecurrent
internal import RecurrentFormats

/// A GRU that runs one time step at a time: `GRUVariant` says which of the formulas of that name it
/// is: Cho et al. 2014. Kernel: `gru_step`.
public typealias GRUCell = StreamingCell<GRUShape>

/// A GRU of fixed sizes. Kernel: `gru_step`.
@available(macOS 26, iOS 26, tvOS 26, watchOS 26, visionOS 26, *)
public typealias GRU<let inputSize: Int, let hiddenSize: Int> =
    FixedCell<GRUShape, inputSize, hiddenSize>

/// Which of the formulas of the GRU a cell has, with s for `activation` and σ for `gateActivation`:
/// r, z = σ(W x + U h + b). The weights of those that differ do not fit one another.
///
/// C counterpart: `recurrent_gru_variant`.
public struct GRUVariant: Hashable, Sendable {
    /// Whether n = s(W x + U (r∘h) + b), as in Cho et al. 2014, equations 5 to 8, rather than
    /// s(W x + b + r∘(U h + b′)).
    public let resetsBefore: Bool
    /// Whether h = (1 - z)∘h + z∘n rather than (1 - z)∘n + z∘h.
    public let zReplaces: Bool
    /// Of the candidate, one of `Activation.ofCells`, `leakyReLU`
    /// with its usual slope: Keras' `activation`.
    public let activation: Activation
    /// Of r and z.
    public let gateActivation: GateActivation

    /// n = tanh(W x + b + r∘(U h + b′)), h = (1 - z)∘n + z∘h: PyTorch, Keras by default, cuDNN.
    public static let resetAfter = GRUVariant()
    /// n = tanh(W x + U (r∘h) + b), h = (1 - z)∘n + z∘h.
    public static let resetBefore = GRUVariant(resetsBefore: true)
    /// n = σ(W x + U (r∘h) + b), h = (1 - z)∘h + z∘n: the lecture form s = (1 - i)∘s + i∘s̃, where
    /// o is r, i is z and s̃ is n.
    public static let lecture = GRUVariant(
        resetsBefore: true, zReplaces: true, activation: .sigmoid)

    /// - Precondition: the activation is one of `Activation.ofCells`.
    public init(
        resetsBefore: Bool = false, zReplaces: Bool = false, activation: Activation = .tanh,
        gateActivation: GateActivation = .sigmoid
    ) {
        requireOfCells(activation)
        (self.resetsBefore, self.zReplaces) = (resetsBefore, zReplaces)
        (self.activation, self.gateActivation) = (activation, gateActivation)
    }
}

/// The dimensions of a GRU layer, and its variant.
public struct GRUShape: CellShape, Hashable {
    public static var name: String { "GRU" }
    public let any: AnyCellShape
    public var variant: GRUVariant { GRUVariant(any.cValue) }

    /// - Precondition: as for `LSTMShape`.
    public init(
        inputSize: Int, hiddenSize: Int, variant: GRUVariant = .resetAfter, batch: Int = 1,
        steps: Int = 1, inputStride: Int? = nil
    ) {
        var any = AnyCellShape(
            Self.name, .gru, inputSize: inputSize, hiddenSize: hiddenSize, batch: batch,
            steps: steps, inputStride: inputStride)
        any.set(variant.activation, variant.gateActivation)
        any.cValue.gru = recurrent_gru_variant(
            reset_before: variant.resetsBefore ? 1 : 0, z_replaces: variant.zReplaces ? 1 : 0)
        self.any = any
    }

    public init?(_ shape: AnyCellShape) {
        guard shape.cValue.cell == .gru else { return nil }
        any = shape
    }
}

extension GRUVariant: CellOptions {
    static let cellName = "gru"
    static let gateNames = ["r", "z", "n"]
    static var all: [GRUVariant] {
        [
            .resetAfter, .resetBefore, .lecture, GRUVariant(resetsBefore: true, zReplaces: true),
            GRUVariant(activation: .relu, gateActivation: .hardSigmoidFifth),
        ]
    }

    init(_: StateDictCell.Kind) { self = .resetAfter }
    init(_ shape: recurrent_cell_shape) {
        self.init(
            resetsBefore: shape.gru.reset_before != 0, zReplaces: shape.gru.z_replaces != 0,
            activation: Activation(shape.activation),
            gateActivation: GateActivation(shape.gate_activation))
    }
    init?(named name: String) {
        if name == Self.lecture.name {
            self = .lecture
            return
        }
        guard var parts = CellNameParts(name), let gateActivation = parts.gateActivation()
        else { return nil }
        let activation = parts.activation()
        self.init(
            resetsBefore: parts.flag("resetBefore"), zReplaces: parts.flag("zReplaces"),
            activation: activation, gateActivation: gateActivation)
        guard parts.isEmpty, self != .lecture else { return nil }
    }

    /// As in the name of a cell: `lecture`, or `resetBefore+zReplaces+relu+gates:tanh`.
    var name: String {
        if self == .lecture { return "lecture" }
        return
            ((resetsBefore ? ["resetBefore"] : []) + (zReplaces ? ["zReplaces"] : [])
            + activationNames(activation, gateActivation)).joined(separator: "+")
    }
    var cell: RecurrentCell { .gru(self) }
    var kind: StateDictCell.Kind { .gru }
    var tensorsName: String { name }

    func shape(
        inputSize: Int, hiddenSize: Int, batch: Int, steps: Int, inputStride: Int?
    ) -> AnyCellShape {
        GRUShape(
            inputSize: inputSize, hiddenSize: hiddenSize, variant: self, batch: batch,
            steps: steps, inputStride: inputStride
        ).any
    }

    func parameterCount(gate: Int, matrices: Int, hiddenSize: Int) -> Int {
        matrices + (!resetsBefore && Self.gateNames[gate] == "n" ? hiddenSize : 0)
    }

    var memoryGates: [MemoryGate] {
        gateActivation == .sigmoid ? [(1, zReplaces ? -1 : 1)] : []
    }
}

extension StreamingCell where Shape == GRUShape {
    /// A cell with zero weights and zero state: load weights before use.
    ///
    /// - Precondition: the sizes are in 1...`ModelShape.largestDimension`.
    @inlinable
    public init(
        inputSize: Int, hiddenSize: Int, variant: GRUVariant = .resetAfter, batch: Int = 1,
        kernels: Kernels = .best
    ) {
        self.init(
            GRUShape(
                inputSize: inputSize, hiddenSize: hiddenSize, variant: variant, batch: batch),
            kernels: kernels)
    }
}

@available(macOS 26, iOS 26, tvOS 26, watchOS 26, visionOS 26, *)
extension FixedCell where Shape == GRUShape {
    /// A layer with zero weights and zero state: load weights before use.
    @inlinable
    public init(variant: GRUVariant = .resetAfter, kernels: Kernels = .best) {
        self.init(
            GRUShape(inputSize: inputSize, hiddenSize: hiddenSize, variant: variant).any,
            .float32, kernels)
    }
}

extension RecurrentLayer {
    public static func gru(
        _ hiddenSize: Int, _ variant: GRUVariant = .resetAfter, isBidirectional: Bool = false
    ) -> RecurrentLayer {
        RecurrentLayer(.gru(variant), hiddenSize: hiddenSize, isBidirectional: isBidirectional)
    }
}
