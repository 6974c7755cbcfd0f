internal import CRecurrent
internal import RecurrentFormats

/// A minimal GRU that runs one time step at a time.
///
/// z = σ(W x + b), n = W x + b, h = (1 - z)∘h + z∘n: neither z nor n reads h, so that a whole
/// sequence is one matrix product and a sum along time. Feng, Tung, Ahmed, Bengio and
/// Hajimirsadeghi 2024, "Were RNNs All We Needed?". Kernel: `min_gru_step`.
public typealias MinGRUCell = StreamingCell<MinGRUShape>

/// A minimal GRU of fixed sizes. Kernel: `min_gru_step`.
@available(macOS 26, iOS 26, tvOS 26, watchOS 26, visionOS 26, *)
public typealias MinGRU<let inputSize: Int, let hiddenSize: Int> =
    FixedCell<MinGRUShape, inputSize, hiddenSize>

/// The dimensions of a minimal GRU's layer.
public struct MinGRUShape: CellShape, Hashable {
    public static var name: String { "MinGRU" }
    public let any: AnyCellShape

    /// - Precondition: as for `LSTMShape`.
    public init(
        inputSize: Int, hiddenSize: Int, batch: Int = 1, steps: Int = 1, inputStride: Int? = nil
    ) {
        any = AnyCellShape(
            Self.name, .min_gru, inputSize: inputSize, hiddenSize: hiddenSize, batch: batch,
            steps: steps, inputStride: inputStride)
    }

    public init?(_ shape: AnyCellShape) {
        guard shape.cValue.cell == .min_gru else { return nil }
        any = shape
    }
}

/// The options of a minimal GRU: none.
struct MinGRUOptions: CellOptions {
    static let cellName = "minGRU"
    static let gateNames = ["z", "n"]
    static let all = [MinGRUOptions()]

    init() {}
    init(_: StateDictCell.Kind) {}
    init(_: recurrent_cell_shape) {}
    init?(named name: String) {
        guard name.isEmpty else { return nil }
    }

    var name: String { "" }
    var cell: RecurrentCell { .minGRU }
    var kind: StateDictCell.Kind { .minGRU }
    var tensorsName: String { "" }

    func shape(
        inputSize: Int, hiddenSize: Int, batch: Int, steps: Int, inputStride: Int?
    ) -> AnyCellShape {
        MinGRUShape(
            inputSize: inputSize, hiddenSize: hiddenSize, batch: batch, steps: steps,
            inputStride: inputStride
        ).any
    }

    var memoryGates: [MemoryGate] { [(0, -1)] }
}

extension StreamingCell where Shape == MinGRUShape {
    /// A cell with zero weights and zero state: load weights before use.
    ///
    /// - Precondition: the sizes are in 1...`ModelShape.largestDimension`.
    @inlinable
    public init(inputSize: Int, hiddenSize: Int, batch: Int = 1, kernels: Kernels = .best) {
        self.init(
            MinGRUShape(inputSize: inputSize, hiddenSize: hiddenSize, batch: batch),
            kernels: kernels)
    }

    /// Takes weights: rows of z, then of n.
    ///
    /// - Parameters:
    ///   - weight: [2 H][I].
    ///   - bias: [2 H].
    /// - Precondition: the counts are those, and the numbers finite.
    public mutating func load(weight: [Float], bias: [Float]) {
        load(weightIH: weight, weightHH: [], biasIH: bias, biasHH: [])
    }
}

@available(macOS 26, iOS 26, tvOS 26, watchOS 26, visionOS 26, *)
extension FixedCell where Shape == MinGRUShape {
    /// A layer with zero weights and zero state: load weights before use.
    @inlinable
    public init(kernels: Kernels = .best) {
        self.init(
            MinGRUShape(inputSize: inputSize, hiddenSize: hiddenSize).any, .float32, kernels)
    }

    /// Takes weights, as `MinGRUCell`.
    ///
    /// - Precondition: the counts are those, and the numbers finite.
    public mutating func load(weight: [Float], bias: [Float]) {
        load(weightIH: weight, weightHH: [], biasIH: bias, biasHH: [])
    }
}

extension RecurrentLayer {
    public static func minGRU(_ hiddenSize: Int, isBidirectional: Bool = false) -> RecurrentLayer {
        RecurrentLayer(.minGRU, hiddenSize: hiddenSize, isBidirectional: isBidirectional)
    }
}
