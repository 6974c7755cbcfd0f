internal import RecurrentFormats

/// A GRU layer that runs one time step at a time: weights and the state of `batch` independent
/// streams, in one block of memory.
///
///     var cell = GRUCell(inputSize: 1, hiddenSize: 40)
///     cell.load(weightIH: …, weightHH: …, biasIH: …, biasHH: …)
///     let h = unsafe cell.step(x)  // in the audio callback: it never allocates, locks or waits
///
/// Each stream's bits are those that it would have alone; a step of many streams reads the weights
/// once for all of them.
///
/// `GRUDefinition` says which of the formulas of that name it is: Cho et al. 2014. Kernel:
/// `gru_step`.
@safe public struct GRUCell: ~Copyable, @unchecked Sendable {
    public let shape: GRUShape
    public let kernels: Kernels
    private let arena: Arena
    private let weights: UnsafeMutablePointer<Float>
    private let scratch: UnsafeMutablePointer<Float>
    private var h: UnsafeMutablePointer<Float>
    private var hNext: UnsafeMutablePointer<Float>

    /// A cell with zero weights and zero state: load weights before use.
    ///
    /// - Precondition: the sizes are in 1...`ModelShape.largestDimension`.
    public init(
        inputSize: Int, hiddenSize: Int, definition: GRUDefinition = .resetAfter, batch: Int = 1,
        kernels: Kernels = .best
    ) {
        shape = GRUShape(
            inputSize: inputSize, hiddenSize: hiddenSize, definition: definition, batch: batch)
        self.kernels = kernels
        var layout = Layout()
        let offsets = [shape.stateCount, shape.stateCount, shape.weightCount, shape.scratchCount]
            .map { layout.reserve($0) }
        arena = Arena(layout)
        unsafe h = arena.base + offsets[0]
        unsafe hNext = arena.base + offsets[1]
        unsafe weights = arena.base + offsets[2]
        unsafe scratch = arena.base + offsets[3]
    }

    /// Takes weights in PyTorch's layout, gates in the order r z n.
    ///
    /// - Parameters:
    ///   - weightIH: [3H][I].
    ///   - weightHH: [3H][H].
    ///   - biasIH, biasHH: [3H]. The cell uses their sum, but in `.resetAfter`, where the last H of
    ///     `biasHH` are b′.
    /// - Precondition: the counts are those, and the numbers finite, as are the sums of the biases.
    public mutating func load(
        weightIH: [Float], weightHH: [Float], biasIH: [Float], biasHH: [Float]
    ) {
        load(
            CellWeights(weightIH: weightIH, weightHH: weightHH, biasIH: biasIH, biasHH: biasHH))
    }

    mutating func load(_ new: CellWeights) {
        new.requireFinite()
        unsafe CellShape.gru(shape).pack(new, .float32, to: weights)
    }

    /// One time step of every stream.
    ///
    /// An input that is NaN makes its stream's state NaN, infinite ones may, and the state stays
    /// NaN whatever comes after: `reset(stream:)` begins the stream anew. The other streams do not
    /// notice.
    ///
    /// - Parameter x: [batch][inputSize].
    /// - Returns: h, [batch][paddedHiddenSize]; valid until the step after the next.
    /// - Precondition: the count of x is that.
    @discardableResult
    public mutating func step(_ x: UnsafeBufferPointer<Float>) -> UnsafeBufferPointer<Float> {
        require(
            x.count == shape.batch * shape.inputSize,
            "x: expected \(shape.batch * shape.inputSize) floats, found \(x.count)")
        return unsafe UnsafeBufferPointer(
            start: stepUnchecked(x.baseAddress!), count: shape.batch * shape.paddedHiddenSize)
    }

    private mutating func stepUnchecked(_ x: UnsafePointer<Float>) -> UnsafePointer<Float> {
        unsafe kernels.gruStep(
            shape, x: x, weights: weights, hPrevious: h, h: hNext, scratch: scratch)
        unsafe swap(&h, &hNext)
        return unsafe UnsafePointer(h)
    }

    /// One time step of every stream; a NaN stays in its stream until `reset`, as in `step(_:)`.
    ///
    /// - Parameters:
    ///   - x: batch × inputSize floats.
    ///   - h: batch × hiddenSize floats, written.
    /// - Precondition: the counts are those.
    public mutating func step(_ x: Span<Float>, into h: inout MutableSpan<Float>) {
        require(
            x.count == shape.batch * shape.inputSize,
            "x: expected \(shape.batch * shape.inputSize) floats, found \(x.count)")
        require(h.count == rows.floats, "h: expected \(rows.floats) floats, found \(h.count)")
        let result = unsafe x.withUnsafeBufferPointer { unsafe stepUnchecked($0.baseAddress!) }
        unsafe h.withUnsafeMutableBufferPointer { unsafe rows.unpad(result, to: $0.baseAddress!) }
    }

    /// Resets every stream to zero: h = 0.
    public mutating func reset() { unsafe h.update(repeating: 0, count: shape.stateCount) }

    /// Resets one stream to zero; the others go on.
    ///
    /// - Precondition: 0 ≤ stream < batch.
    public mutating func reset(stream: Int) {
        require(
            stream >= 0 && stream < shape.batch,
            "stream: expected 0 ≤ stream < \(shape.batch), found \(stream)")
        unsafe (h + stream * shape.paddedHiddenSize).update(
            repeating: 0, count: shape.paddedHiddenSize)
    }

    /// Whether the state of every stream is finite. One that is not says nothing any more, until
    /// its `reset(stream:)`.
    public var isFinite: Bool { (0..<shape.batch).allSatisfy { isFinite(stream: $0) } }

    /// Whether the state of one stream is finite.
    ///
    /// - Precondition: 0 ≤ stream < batch.
    public func isFinite(stream: Int) -> Bool {
        require(
            stream >= 0 && stream < shape.batch,
            "stream: expected 0 ≤ stream < \(shape.batch), found \(stream)")
        return unsafe rows.isFinite(h, row: stream)
    }

    /// The state of all streams, to be saved: h, [batch][hiddenSize].
    ///
    /// - Precondition: what is set has this count and is finite.
    public var state: [Float] {
        get { unsafe rows.unpadded(h) }
        set {
            require(
                newValue.count == rows.floats,
                "state: expected \(rows.floats) floats, found \(newValue.count)")
            requireFinite(newValue, "state")
            unsafe rows.pad(newValue[...], to: h)
        }
    }

    private var rows: PaddedRows { PaddedRows(count: shape.batch, units: shape.hiddenSize) }
}
