internal import RecurrentFormats

/// A recurrent layer that runs one time step at a time: weights and the state of `batch`
/// independent streams, in one block of memory.
///
///     var cell = LSTMCell(inputSize: 1, hiddenSize: 40)
///     cell.load(weightIH: …, weightHH: …, biasIH: …, biasHH: …)
///     let h = unsafe cell.step(x)  // in the audio callback: it never allocates, locks or waits
///
/// Each stream's bits are those that it would have alone; a step of many streams reads the weights
/// once for all of them.
@safe public struct StreamingCell<Shape: CellShape>: ~Copyable, @unchecked Sendable {
    private var stream: CellStream

    public var shape: Shape { Shape(stream.any)! }
    public var kernels: Kernels { stream.kernels }
    public var weightFormat: WeightFormat { stream.isRounded ? .bfloat16 : .float32 }

    /// A cell with zero weights and zero state: load weights before use.
    ///
    /// - Parameter weightFormat: what weights are rounded to when they are loaded.
    /// - Precondition: another cell than the plain LSTM has weights in float32.
    @inlinable
    public init(
        _ shape: Shape, weightFormat: WeightFormat = .float32, kernels: Kernels = .best
    ) {
        self.init(shape: shape.any, weightFormat, kernels)
        // The first call of a method makes the metadata of this type, in the caller's module: here,
        // and not in an audio callback.
        reset()
    }

    @usableFromInline
    init(shape: AnyCellShape, _ weightFormat: WeightFormat, _ kernels: Kernels) {
        stream = CellStream(shape, weightFormat, kernels)
    }

    /// Takes weights in PyTorch's layout: rows of gates in the order of `RecurrentCell.gateNames`.
    ///
    /// - Parameters:
    ///   - weightIH: [G H][I], G gates.
    ///   - weightHH: [G H][N], N units of h; empty where the gates do not read h.
    ///   - biasIH, biasHH: [G H]; `biasHH` is empty where the gates do not read h. The cell uses
    ///     their sum, but of n of a GRU in `.resetAfter`, where the last H of `biasHH` are b′.
    ///   - weightHR: [R][H], of an LSTM with a projection.
    ///   - peepholes: [3 H], of an LSTM with peepholes: those of i, f and o, which PyTorch does not
    ///     have.
    /// - Precondition: the counts are those, and the numbers finite, as are the sums of the biases.
    public mutating func load(
        weightIH: [Float], weightHH: [Float], biasIH: [Float], biasHH: [Float],
        weightHR: [Float] = [], peepholes: [Float] = []
    ) {
        load(
            CellWeights(
                weightIH: weightIH, weightHH: weightHH, biasIH: biasIH, biasHH: biasHH,
                weightHR: weightHR, peepholes: peepholes))
    }

    mutating func load(_ weights: CellWeights) { stream.load(weights) }

    /// One time step of every stream.
    ///
    /// An input that is NaN makes its stream's state NaN, infinite ones may, and the state stays
    /// NaN whatever comes after: `reset(stream:)` begins the stream anew. The other streams do not
    /// notice.
    ///
    /// - Parameter x: [batch][inputSize].
    /// - Returns: h, [batch][paddedOutputSize]; valid until the step after the next.
    /// - Precondition: the count of x is that.
    @discardableResult
    public mutating func step(_ x: UnsafeBufferPointer<Float>) -> UnsafeBufferPointer<Float> {
        unsafe stream.step(x)
    }

    /// One time step of every stream; a NaN stays in its stream until `reset`, as in `step(_:)`.
    ///
    /// - Parameters:
    ///   - x: batch × inputSize floats.
    ///   - h: batch × outputSize floats, written.
    /// - Precondition: the counts are those.
    public mutating func step(_ x: Span<Float>, into h: inout MutableSpan<Float>) {
        stream.step(x, into: &h)
    }

    /// Resets every stream to zero, h and c.
    public mutating func reset() { stream.reset() }

    /// Resets one stream to zero; the others go on.
    ///
    /// - Precondition: 0 ≤ stream < batch.
    public mutating func reset(stream index: Int) {
        stream.checkIndex(index)
        stream.reset(index)
    }

    /// Whether the state of every stream is finite. One that is not says nothing any more, until
    /// its `reset(stream:)`.
    public var isFinite: Bool { stream.isFinite }

    /// Whether the state of one stream is finite.
    ///
    /// - Precondition: 0 ≤ stream < batch.
    public func isFinite(stream index: Int) -> Bool {
        stream.checkIndex(index)
        return stream.isFinite(index)
    }

    /// The state of all streams, to be saved: h, [batch][outputSize], then of an LSTM c,
    /// [batch][hiddenSize].
    ///
    /// - Precondition: what is set has this count and is finite.
    public var state: [Float] {
        get {
            unsafe stream.any.hiddenRows.unpadded(stream.h)
                + stream.any.stateRows.unpadded(stream.c)
        }
        set {
            let (h, c) = (stream.any.hiddenRows, stream.any.stateRows)
            let count = h.floats + c.floats
            require(
                newValue.count == count, "state: expected \(count) floats, found \(newValue.count)")
            requireFinite(newValue, "state")
            unsafe h.pad(newValue.prefix(h.floats), to: stream.h)
            unsafe c.pad(newValue.suffix(c.floats), to: stream.c)
        }
    }
}
