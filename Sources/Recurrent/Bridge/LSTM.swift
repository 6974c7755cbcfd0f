internal import CRecurrent
internal import RecurrentFormats

/// An LSTM that runs one time step at a time.
///
/// i, f, o = σ(W x + U h + b), g = tanh(W x + U h + b), c = f∘c + i∘g, h = o∘tanh(c): Goodfellow,
/// Bengio and Courville 2016, "Deep Learning", equations 10.40 to 10.44; `LSTMVariant` says what
/// else it may do. Kernel: `lstm_step`.
public typealias LSTMCell = StreamingCell<LSTMShape>

/// A plain LSTM of fixed sizes. Kernel: `lstm_step`.
@available(macOS 26, iOS 26, tvOS 26, watchOS 26, visionOS 26, *)
public typealias LSTM<let inputSize: Int, let hiddenSize: Int> =
    FixedCell<LSTMShape, inputSize, hiddenSize>

/// What an LSTM cell does differently from the plain one. Each part is independent of the others,
/// and their equations hold together: with s for `activation`, σ for `gateActivation`, c* for the
/// cell state before it is clipped and m for the output before it is projected,
///
///     i  = σ(W x + U h + p∘c + b)      f = σ(W x + U h + p∘c + b)      g = s(W x + U h + b)
///     c* = f∘c + i∘g                   c = min(max(c*, -clip), clip)
///     o  = σ(W x + U h + p∘c + b)      m = o∘s(c)                      h = P m
///
/// C counterpart: `recurrent_lstm_variant`.
public struct LSTMVariant: Hashable, Sendable {
    /// Of the candidate and the cell state, one of `Activation.ofCells`, `leakyReLU`
    /// with its usual slope: Keras' `activation`. The
    /// lecture form has σ; its s̃ is g and its s is c.
    public let activation: Activation
    /// Of i, f and o.
    public let gateActivation: GateActivation
    /// Whether the gates see the cell state through one weight p for each unit: i and f the one of
    /// the step before, o the new one. Gers, Schraudolph and Schmidhuber 2002, "Learning Precise
    /// Timing with LSTM Recurrent Networks".
    public let hasPeepholes: Bool
    /// Whether f = 1 - i, so that what is forgotten makes room for what is taken in; the weights of
    /// f are not used. Greff, Srivastava, Koutník, Steunebrink and Schmidhuber 2017, "LSTM: A
    /// Search Space Odyssey", CIFG.
    public let hasCoupledGates: Bool
    /// The largest magnitude of the cell state, or nil for any: TensorFlow's `cell_clip`. Where it
    /// holds the state back, nothing that has made the state has a gradient.
    public let cellClip: Float?
    /// R, the units of h where it is a projection of m to so many, or nil: Sak, Senior and Beaufays
    /// 2014, "Long Short-Term Memory Based Recurrent Neural Network Architectures for Large Scale
    /// Acoustic Modeling". P has no bias; PyTorch's `proj_size`.
    public let projectionSize: Int?

    /// As in the name of a cell: `sigmoid+peepholes+coupled+clip:3.0+projection:8`; empty for the
    /// plain variant.
    var name: String {
        var parts = activationNames(activation, gateActivation)
        if hasPeepholes { parts.append("peepholes") }
        if hasCoupledGates { parts.append("coupled") }
        // A plus would end the part: 1e+09 is 1e09.
        if let cellClip { parts.append("clip:\("\(cellClip)".filter { $0 != "+" })") }
        if let projectionSize { parts.append("projection:\(projectionSize)") }
        return parts.joined(separator: "+")
    }

    init?(named name: String) {
        guard var parts = CellNameParts(name), let gateActivation = parts.gateActivation()
        else { return nil }
        let activation = parts.activation()
        let (hasPeepholes, hasCoupledGates) = (parts.flag("peepholes"), parts.flag("coupled"))
        let (clip, projection) = (parts.value("clip"), parts.value("projection"))
        let (cellClip, projectionSize) = (
            clip.map { Float($0) ?? 0 }, projection.map { Int($0) ?? 0 }
        )
        guard parts.isEmpty, cellClip.map({ $0 > 0 && $0.isFinite }) ?? true,
            projectionSize.map(isDimension) ?? true
        else { return nil }
        self.init(
            activation: activation, gateActivation: gateActivation, hasPeepholes: hasPeepholes,
            hasCoupledGates: hasCoupledGates, cellClip: cellClip, projectionSize: projectionSize)
    }

    /// i, f, o = σ(W x + U h + b), g = tanh(W x + U h + b), c = f∘c + i∘g, h = o∘tanh(c).
    public static let plain = LSTMVariant()

    /// - Precondition: the activation is one of `Activation.ofCells`, and, where they are given,
    ///   `cellClip` is positive and finite, and `projectionSize` is in
    ///   1...`ModelShape.largestDimension`.
    public init(
        activation: Activation = .tanh, gateActivation: GateActivation = .sigmoid,
        hasPeepholes: Bool = false, hasCoupledGates: Bool = false, cellClip: Float? = nil,
        projectionSize: Int? = nil
    ) {
        requireOfCells(activation)
        require(
            cellClip.map { $0 > 0 && $0.isFinite } ?? true,
            "cell clip: expected a positive number, found \(cellClip!)")
        require(
            projectionSize.map(isDimension) ?? true,
            """
            projection: expected 1 to \(ModelShape.largestDimension) units, found \
            \(projectionSize!)
            """
        )
        (self.activation, self.gateActivation) = (activation, gateActivation)
        (self.hasPeepholes, self.hasCoupledGates) = (hasPeepholes, hasCoupledGates)
        (self.cellClip, self.projectionSize) = (cellClip, projectionSize)
    }

    init(_ shape: recurrent_cell_shape) {
        let variant = shape.lstm
        self.init(
            activation: Activation(shape.activation),
            gateActivation: GateActivation(shape.gate_activation),
            hasPeepholes: variant.peepholes != 0, hasCoupledGates: variant.coupled != 0,
            cellClip: variant.clip > 0 ? variant.clip : nil,
            projectionSize: variant.projection > 0 ? variant.projection : nil)
    }
}

/// The dimensions of an LSTM layer.
public struct LSTMShape: CellShape, Hashable {
    public static var name: String { "LSTM" }
    public let any: AnyCellShape
    public var variant: LSTMVariant { LSTMVariant(any.cValue) }

    /// - Precondition: all dimensions are in 1...`ModelShape.largestDimension`, steps × batch is at
    ///   most 2^31, and `inputStride`, where given, is at least `inputSize`.
    public init(
        inputSize: Int, hiddenSize: Int, variant: LSTMVariant = .plain, batch: Int = 1,
        steps: Int = 1, inputStride: Int? = nil
    ) {
        var any = AnyCellShape(
            Self.name, .lstm, inputSize: inputSize, hiddenSize: hiddenSize, batch: batch,
            steps: steps, inputStride: inputStride)
        any.set(variant.activation, variant.gateActivation)
        any.cValue.lstm = recurrent_lstm_variant(
            peepholes: variant.hasPeepholes ? 1 : 0, coupled: variant.hasCoupledGates ? 1 : 0,
            clip: variant.cellClip ?? 0, projection: variant.projectionSize ?? 0)
        self.any = any
    }

    public init?(_ shape: AnyCellShape) {
        guard shape.cValue.cell == .lstm else { return nil }
        any = shape
    }
}

extension LSTMVariant: CellOptions {
    static let cellName = "lstm"
    static let gateNames = ["i", "f", "g", "o"]
    /// Each part of a variant is an option: one of each.
    static var all: [LSTMVariant] {
        [
            .plain, LSTMVariant(activation: .sigmoid),
            LSTMVariant(gateActivation: .hardSigmoidFifth), LSTMVariant(hasPeepholes: true),
            LSTMVariant(hasCoupledGates: true), LSTMVariant(cellClip: 3),
            LSTMVariant(projectionSize: 32),
        ]
    }

    init(_ kind: StateDictCell.Kind) {
        self.init(hasPeepholes: kind.hasPeepholes, projectionSize: kind.projectionSize)
    }

    var cell: RecurrentCell { .lstm(self) }
    var kind: StateDictCell.Kind {
        .lstm(hasPeepholes: hasPeepholes, projectionSize: projectionSize)
    }
    var tensorsName: String { self == LSTMVariant(projectionSize: projectionSize) ? "" : name }
    var weightFormats: [WeightFormat] { self == .plain ? WeightFormat.allCases : [.float32] }

    func shape(
        inputSize: Int, hiddenSize: Int, batch: Int, steps: Int, inputStride: Int?
    ) -> AnyCellShape {
        LSTMShape(
            inputSize: inputSize, hiddenSize: hiddenSize, variant: self, batch: batch,
            steps: steps, inputStride: inputStride
        ).any
    }

    func parameterCount(gate: Int, matrices: Int, hiddenSize: Int) -> Int {
        let name = Self.gateNames[gate]
        if hasCoupledGates && name == "f" { return 0 }
        return matrices + (hasPeepholes && name != "g" ? hiddenSize : 0)
    }

    /// Where f = 1 - i, it is the input gate's, the other way round.
    var forgetGate: MemoryGate? { hasCoupledGates ? (0, -1) : (1, 1) }
    var memoryGates: [MemoryGate] {
        guard gateActivation == .sigmoid else { return [] }
        return hasCoupledGates ? [(0, -1)] : [(0, -1), (1, 1)]
    }
    var unusedGate: Int? { hasCoupledGates ? 1 : nil }
}

extension StreamingCell where Shape == LSTMShape {
    /// A cell with zero weights and zero state: load weights before use.
    ///
    /// - Precondition: the sizes are in 1...`ModelShape.largestDimension`; another variant than the
    ///   plain one has weights in float32.
    @inlinable
    public init(
        inputSize: Int, hiddenSize: Int, variant: LSTMVariant = .plain, batch: Int = 1,
        weightFormat: WeightFormat = .float32, kernels: Kernels = .best
    ) {
        self.init(
            LSTMShape(
                inputSize: inputSize, hiddenSize: hiddenSize, variant: variant, batch: batch),
            weightFormat: weightFormat, kernels: kernels)
    }
}

@available(macOS 26, iOS 26, tvOS 26, watchOS 26, visionOS 26, *)
extension FixedCell where Shape == LSTMShape {
    /// A layer with zero weights and zero state: load weights before use.
    ///
    /// - Parameter weightFormat: what weights are rounded to when they are loaded.
    @inlinable
    public init(weightFormat: WeightFormat = .float32, kernels: Kernels = .best) {
        self.init(
            LSTMShape(inputSize: inputSize, hiddenSize: hiddenSize).any, weightFormat, kernels)
    }
}

extension RecurrentLayer {
    public static func lstm(
        _ hiddenSize: Int, _ variant: LSTMVariant = .plain, isBidirectional: Bool = false
    ) -> RecurrentLayer {
        RecurrentLayer(.lstm(variant), hiddenSize: hiddenSize, isBidirectional: isBidirectional)
    }
}
