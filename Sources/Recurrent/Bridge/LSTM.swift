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
/// and their equations hold together: with s for `squash`, c* for the cell state before it is
/// clipped and m for the output before it is projected,
///
///     i  = σ(W x + U h + p∘c + b)      f = σ(W x + U h + p∘c + b)      g = s(W x + U h + b)
///     c* = f∘c + i∘g                   c = min(max(c*, -clip), clip)
///     o  = σ(W x + U h + p∘c + b)      m = o∘s(c)                      h = P m
///
/// C counterpart: `recurrent_lstm_variant`.
public struct LSTMVariant: Hashable, Sendable {
    /// What the candidate and the cell state are squashed by.
    public enum Squash: String, CaseIterable, Sendable {
        /// g = tanh(·), h = o∘tanh(c).
        case tanh
        /// g = σ(·), h = o∘σ(c): the lecture form, whose s̃ is g and whose s is c.
        case sigmoid
    }

    // As the kernels have it: a step of a stream passes it on each time.
    private let sigmoid, peepholes, coupled: UInt32
    private let clip: Float
    private let projection: Int

    public var squash: Squash { sigmoid == 0 ? .tanh : .sigmoid }
    /// Whether the gates see the cell state through one weight p for each unit: i and f the one of
    /// the step before, o the new one. Gers, Schraudolph and Schmidhuber 2002, "Learning Precise
    /// Timing with LSTM Recurrent Networks".
    public var hasPeepholes: Bool { peepholes != 0 }
    /// Whether f = 1 - i, so that what is forgotten makes room for what is taken in; the weights of
    /// f are not used. Greff, Srivastava, Koutník, Steunebrink and Schmidhuber 2017, "LSTM: A
    /// Search Space Odyssey", CIFG.
    public var hasCoupledGates: Bool { coupled != 0 }
    /// The largest magnitude of the cell state, or nil for any: TensorFlow's `cell_clip`. Where it
    /// holds the state back, nothing that has made the state has a gradient.
    public var cellClip: Float? { clip > 0 ? clip : nil }
    /// R, the units of h where it is a projection of m to so many, or nil: Sak, Senior and Beaufays
    /// 2014, "Long Short-Term Memory Based Recurrent Neural Network Architectures for Large Scale
    /// Acoustic Modeling". P has no bias; PyTorch's `proj_size`.
    public var projectionSize: Int? { projection > 0 ? projection : nil }

    /// As in the name of a cell: `sigmoid+peepholes+coupled+clip:3.0+projection:8`; empty for the
    /// plain variant.
    var name: String {
        var parts: [String] = []
        if squash == .sigmoid { parts.append("sigmoid") }
        if hasPeepholes { parts.append("peepholes") }
        if hasCoupledGates { parts.append("coupled") }
        // A plus would end the part: 1e+09 is 1e09.
        if let cellClip { parts.append("clip:\("\(cellClip)".filter { $0 != "+" })") }
        if let projectionSize { parts.append("projection:\(projectionSize)") }
        return parts.joined(separator: "+")
    }

    /// The variant of a name, or nil: each part once, in any order; the plain one has none.
    init?(named name: String) {
        var squash = Squash.tanh
        var hasPeepholes = false
        var hasCoupledGates = false
        var cellClip: Float?
        var projectionSize: Int?
        var seen: Set<Substring> = []
        let parts = name.isEmpty ? [] : name.split(separator: "+", omittingEmptySubsequences: false)
        for part in parts {
            let sides = part.split(separator: ":", maxSplits: 1)
            let value = sides.dropFirst().first
            guard let key = sides.first, seen.insert(key).inserted,
                (value != nil) == (key == "clip" || key == "projection")
            else { return nil }
            switch key {
            case "sigmoid": squash = .sigmoid
            case "peepholes": hasPeepholes = true
            case "coupled": hasCoupledGates = true
            case "clip":
                guard let clip = value.flatMap({ Float($0) }), clip > 0, clip.isFinite else {
                    return nil
                }
                cellClip = clip
            case "projection":
                guard let size = value.flatMap({ Int($0) }), isDimension(size) else { return nil }
                projectionSize = size
            default: return nil
            }
        }
        self.init(
            squash: squash, hasPeepholes: hasPeepholes, hasCoupledGates: hasCoupledGates,
            cellClip: cellClip, projectionSize: projectionSize)
    }

    /// i, f, o = σ(W x + U h + b), g = tanh(W x + U h + b), c = f∘c + i∘g, h = o∘tanh(c).
    public static let plain = LSTMVariant()

    /// - Precondition: `cellClip` is positive and finite, and `projectionSize` is in
    ///   1...`ModelShape.largestDimension`, where they are given.
    public init(
        squash: Squash = .tanh, hasPeepholes: Bool = false, hasCoupledGates: Bool = false,
        cellClip: Float? = nil,
        projectionSize: Int? = nil
    ) {
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
        sigmoid = squash == .sigmoid ? 1 : 0
        peepholes = hasPeepholes ? 1 : 0
        coupled = hasCoupledGates ? 1 : 0
        clip = cellClip ?? 0
        projection = projectionSize ?? 0
    }

    init(_ variant: recurrent_lstm_variant) {
        (sigmoid, peepholes, coupled) = (variant.sigmoid, variant.peepholes, variant.coupled)
        (clip, projection) = (variant.clip, variant.projection)
    }

    var cValue: recurrent_lstm_variant {
        recurrent_lstm_variant(
            sigmoid: sigmoid, peepholes: peepholes, coupled: coupled, clip: clip,
            projection: projection)
    }
}

/// The dimensions of an LSTM layer.
public struct LSTMShape: CellShape, Hashable {
    public static var name: String { "LSTM" }
    public let any: AnyCellShape
    public var variant: LSTMVariant { LSTMVariant(any.cValue.lstm) }

    /// - Precondition: all dimensions are in 1...`ModelShape.largestDimension`, steps × batch is at
    ///   most 2^31, and `inputStride`, where given, is at least `inputSize`.
    public init(
        inputSize: Int, hiddenSize: Int, variant: LSTMVariant = .plain, batch: Int = 1,
        steps: Int = 1, inputStride: Int? = nil
    ) {
        var any = AnyCellShape(
            Self.name, .lstm, inputSize: inputSize, hiddenSize: hiddenSize, batch: batch,
            steps: steps, inputStride: inputStride)
        any.cValue.lstm = variant.cValue
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
            .plain, LSTMVariant(squash: .sigmoid), LSTMVariant(hasPeepholes: true),
            LSTMVariant(hasCoupledGates: true), LSTMVariant(cellClip: 3),
            LSTMVariant(projectionSize: 32),
        ]
    }

    init(_ kind: StateDictCell.Kind) {
        self.init(hasPeepholes: kind.hasPeepholes, projectionSize: kind.projectionSize)
    }
    init(_ shape: recurrent_cell_shape) { self.init(shape.lstm) }

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
    var memoryGates: [MemoryGate] { hasCoupledGates ? [(0, -1)] : [(0, -1), (1, 1)] }
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
