internal import CRecurrent
internal import RecurrentFormats

/// A GRU that runs one time step at a time: `GRUDefinition` says which of the formulas of that name
/// it is: Cho et al. 2014. Kernel: `gru_step`.
public typealias GRUCell = StreamingCell<GRUShape>

/// A GRU of fixed sizes. Kernel: `gru_step`.
@available(macOS 26, iOS 26, tvOS 26, watchOS 26, visionOS 26, *)
public typealias GRU<let inputSize: Int, let hiddenSize: Int> =
    FixedCell<GRUShape, inputSize, hiddenSize>

/// The definitions of the GRU that are in use, with r, z = σ(W x + U h + b) in all of them. Their
/// weights do not fit one another.
///
/// C counterpart: `recurrent_gru_definition`.
public enum GRUDefinition: String, CaseIterable, Sendable {
    /// n = tanh(W x + b + r∘(U h + b′)), h = (1 - z)∘n + z∘h: PyTorch, Keras by default, cuDNN.
    case resetAfter
    /// n = tanh(W x + U (r∘h) + b), h = (1 - z)∘n + z∘h: Cho et al. 2014, equations 5 to 8.
    case resetBefore
    /// n = σ(W x + U (r∘h) + b), h = (1 - z)∘h + z∘n: the lecture form s = (1 - i)∘s + i∘s̃, where
    /// o is r, i is z and s̃ is n.
    case lecture

    init(_ definition: recurrent_gru_definition) {
        self = Self.allCases.first { $0.cValue == definition }!
    }

    var cValue: recurrent_gru_definition {
        switch self {
        case .resetAfter: .reset_after
        case .resetBefore: .reset_before
        case .lecture: .lecture
        }
    }
}

/// The dimensions of a GRU layer, and its definition.
public struct GRUShape: CellShape, Hashable {
    public static var name: String { "GRU" }
    public let any: AnyCellShape
    public var definition: GRUDefinition { GRUDefinition(any.cValue.gru) }

    /// - Precondition: as for `LSTMShape`.
    public init(
        inputSize: Int, hiddenSize: Int, definition: GRUDefinition = .resetAfter, batch: Int = 1,
        steps: Int = 1, inputStride: Int? = nil
    ) {
        var any = AnyCellShape(
            Self.name, .gru, inputSize: inputSize, hiddenSize: hiddenSize, batch: batch,
            steps: steps, inputStride: inputStride)
        any.cValue.gru = definition.cValue
        self.any = any
    }

    public init?(_ shape: AnyCellShape) {
        guard shape.cValue.cell == .gru else { return nil }
        any = shape
    }
}

extension GRUDefinition: CellOptions {
    static let cellName = "gru"
    static let gateNames = ["r", "z", "n"]
    static var all: [GRUDefinition] { allCases }

    init(_: StateDictCell.Kind) { self = .resetAfter }
    init(_ shape: recurrent_cell_shape) { self.init(shape.gru) }
    init?(named name: String) {
        guard let found = Self.all.first(where: { $0.name == name }) else { return nil }
        self = found
    }

    var name: String { self == .resetAfter ? "" : rawValue }
    var cell: RecurrentCell { .gru(self) }
    var kind: StateDictCell.Kind { .gru }
    var tensorsName: String { name }

    func shape(
        inputSize: Int, hiddenSize: Int, batch: Int, steps: Int, inputStride: Int?
    ) -> AnyCellShape {
        GRUShape(
            inputSize: inputSize, hiddenSize: hiddenSize, definition: self, batch: batch,
            steps: steps, inputStride: inputStride
        ).any
    }

    func parameterCount(gate: Int, matrices: Int, hiddenSize: Int) -> Int {
        matrices + (self == .resetAfter && Self.gateNames[gate] == "n" ? hiddenSize : 0)
    }

    var memoryGates: [MemoryGate] { [(1, self == .lecture ? -1 : 1)] }
}

extension StreamingCell where Shape == GRUShape {
    /// A cell with zero weights and zero state: load weights before use.
    ///
    /// - Precondition: the sizes are in 1...`ModelShape.largestDimension`.
    @inlinable
    public init(
        inputSize: Int, hiddenSize: Int, definition: GRUDefinition = .resetAfter, batch: Int = 1,
        kernels: Kernels = .best
    ) {
        self.init(
            GRUShape(
                inputSize: inputSize, hiddenSize: hiddenSize, definition: definition, batch: batch),
            kernels: kernels)
    }
}

@available(macOS 26, iOS 26, tvOS 26, watchOS 26, visionOS 26, *)
extension FixedCell where Shape == GRUShape {
    /// A layer with zero weights and zero state: load weights before use.
    @inlinable
    public init(definition: GRUDefinition = .resetAfter, kernels: Kernels = .best) {
        self.init(
            GRUShape(inputSize: inputSize, hiddenSize: hiddenSize, definition: definition).any,
            .float32, kernels)
    }
}

extension RecurrentLayer {
    public static func gru(
        _ hiddenSize: Int, _ definition: GRUDefinition = .resetAfter, isBidirectional: Bool = false
    ) -> RecurrentLayer {
        RecurrentLayer(.gru(definition), hiddenSize: hiddenSize, isBidirectional: isBidirectional)
    }
}
