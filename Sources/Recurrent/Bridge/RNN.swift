internal import CRecurrent
internal import RecurrentFormats

/// A plain recurrent layer that runs one time step at a time.
///
/// h = f(W x + U h + b): Elman 1990; Goodfellow, Bengio and Courville 2016, "Deep Learning",
/// equations 10.8 and 10.9. Kernel: `rnn_step`.
public typealias RNNCell = StreamingCell<RNNShape>

/// A plain recurrent layer of fixed sizes. Kernel: `rnn_step`.
@available(macOS 26, iOS 26, tvOS 26, watchOS 26, visionOS 26, *)
public typealias RNN<let inputSize: Int, let hiddenSize: Int> =
    FixedCell<RNNShape, inputSize, hiddenSize>

/// The dimensions of a plain recurrent layer, and its activation.
public struct RNNShape: CellShape, Hashable {
    public static var name: String { "RNN" }
    public let any: AnyCellShape
    /// f, one of `Activation.ofCells`.
    public var activation: Activation { Activation(any.cValue.activation) }
    /// Of `leakyReLU`.
    public var negativeSlope: Float { any.cValue.slope }

    /// - Precondition: as for `LSTMShape`; the activation is one of `Activation.ofCells`, and the
    ///   slope is in 0...1.
    public init(
        inputSize: Int, hiddenSize: Int, activation: Activation = .tanh,
        negativeSlope: Float = Activation.negativeSlope, batch: Int = 1, steps: Int = 1,
        inputStride: Int? = nil
    ) {
        require(
            (0...1).contains(negativeSlope),
            "RNN shape: expected a negative slope in 0...1, found \(negativeSlope)")
        requireOfCells(activation)
        var any = AnyCellShape(
            Self.name, .rnn, inputSize: inputSize, hiddenSize: hiddenSize, batch: batch,
            steps: steps, inputStride: inputStride)
        any.set(activation, .sigmoid)
        any.cValue.slope = negativeSlope
        self.any = any
    }

    public init?(_ shape: AnyCellShape) {
        guard shape.cValue.cell == .rnn else { return nil }
        any = shape
    }
}

/// The plain layers are told apart by their activations.
extension Activation: CellOptions {
    static let cellName = "rnn"
    static let gateNames = ["z"]
    static var all: [Activation] { ofCells }

    init(_: StateDictCell.Kind) { self = .tanh }
    init(_ shape: recurrent_cell_shape) { self.init(shape.activation) }
    init?(named name: String) {
        guard let found = Self.all.first(where: { $0.name == name }) else { return nil }
        self = found
    }

    var name: String { self == .tanh ? "" : rawValue }
    var cell: RecurrentCell { .rnn(self) }
    var kind: StateDictCell.Kind { .rnn }
    /// PyTorch has `relu` under the same names.
    var tensorsName: String { self == .relu ? "" : name }

    func shape(
        inputSize: Int, hiddenSize: Int, batch: Int, steps: Int, inputStride: Int?
    ) -> AnyCellShape {
        RNNShape(
            inputSize: inputSize, hiddenSize: hiddenSize, activation: self, batch: batch,
            steps: steps, inputStride: inputStride
        ).any
    }
}

extension StreamingCell where Shape == RNNShape {
    /// A cell with zero weights and zero state: load weights before use.
    ///
    /// - Precondition: the sizes are in 1...`ModelShape.largestDimension`, and the slope, of
    ///   `leakyReLU`, in 0...1.
    @inlinable
    public init(
        inputSize: Int, hiddenSize: Int, activation: Activation = .tanh,
        negativeSlope: Float = Activation.negativeSlope, batch: Int = 1, kernels: Kernels = .best
    ) {
        self.init(
            RNNShape(
                inputSize: inputSize, hiddenSize: hiddenSize, activation: activation,
                negativeSlope: negativeSlope, batch: batch),
            kernels: kernels)
    }
}

@available(macOS 26, iOS 26, tvOS 26, watchOS 26, visionOS 26, *)
extension FixedCell where Shape == RNNShape {
    /// A layer with zero weights and zero state: load weights before use.
    @inlinable
    public init(activation: Activation = .tanh, kernels: Kernels = .best) {
        self.init(
            RNNShape(inputSize: inputSize, hiddenSize: hiddenSize, activation: activation).any,
            .float32, kernels)
    }
}

extension RecurrentLayer {
    public static func rnn(
        _ hiddenSize: Int, _ activation: Activation = .tanh, isBidirectional: Bool = false
    ) -> RecurrentLayer {
        RecurrentLayer(.rnn(activation), hiddenSize: hiddenSize, isBidirectional: isBidirectional)
    }
}
