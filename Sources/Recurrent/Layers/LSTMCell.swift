internal import RecurrentFormats

/// An LSTM layer that runs one time step at a time: weights and the state of `batch` independent
/// streams, in one block of memory.
///
///     var cell = LSTMCell(inputSize: 1, hiddenSize: 40)
///     cell.load(weightIH: …, weightHH: …, biasIH: …, biasHH: …)
///     let h = unsafe cell.step(x)  // in the audio callback: it never allocates, locks or waits
///
/// Each stream's bits are those that it would have alone; a step of many streams reads the weights
/// once for all of them.
///
/// i, f, o = σ(W x + U h + b), g = tanh(W x + U h + b), c = f∘c + i∘g, h = o∘tanh(c): Goodfellow,
/// Bengio and Courville 2016, "Deep Learning", equations 10.40 to 10.44; `LSTMVariant` says what
/// else it may do. Kernel: `lstm_step`.
@safe public struct LSTMCell: ~Copyable, @unchecked Sendable {
    public let shape: LSTMShape
    public let kernels: Kernels
    public let weightFormat: WeightFormat
    private let arena: Arena
    private let weights: UnsafeMutablePointer<Float>
    private let c: UnsafeMutablePointer<Float>
    private var h: UnsafeMutablePointer<Float>
    private var hNext: UnsafeMutablePointer<Float>
    private let scratch: UnsafeMutablePointer<Float>

    /// A cell with zero weights and zero state: load weights before use.
    ///
    /// - Parameter weightFormat: what weights are rounded to when they are loaded.
    /// - Precondition: the sizes are in 1...`ModelShape.largestDimension`; another variant than the
    ///   plain one has weights in float32.
    public init(
        inputSize: Int, hiddenSize: Int, variant: LSTMVariant = .plain, batch: Int = 1,
        weightFormat: WeightFormat = .float32,
        kernels: Kernels = .best
    ) {
        shape = LSTMShape(
            inputSize: inputSize, hiddenSize: hiddenSize, variant: variant, batch: batch)
        self.weightFormat = weightFormat
        self.kernels = kernels
        var layout = Layout()
        // The weights come behind the state: behind them, at 4,608 bytes, the state of a layer of
        // 16 units would share its address modulo 4,096 with the first rows of weights, and each
        // step would wait for the stores of the one before it (79 ns instead of 60).
        let counts = [
            shape.stateCount, shape.outputCount, shape.outputCount, shape.weightCount(weightFormat),
            shape.scratchCount,
        ]
        let offsets = counts.map { layout.reserve($0) }
        arena = Arena(layout)
        unsafe c = arena.base + offsets[0]
        unsafe h = arena.base + offsets[1]
        unsafe hNext = arena.base + offsets[2]
        unsafe weights = arena.base + offsets[3]
        unsafe scratch = arena.base + offsets[4]
    }

    /// Takes weights in PyTorch's layout: rows of gates i f g o.
    ///
    /// - Parameters:
    ///   - weightIH: [4 H][I].
    ///   - weightHH: [4 H][H], or [4 H][R] of a cell with a projection.
    ///   - biasIH, biasHH: [4 H]; the cell uses their sum.
    ///   - weightHR: [R][H], of a cell with a projection.
    ///   - peepholes: [3 H], of a cell with peepholes: those of i, f and o, which PyTorch does not
    ///     have.
    /// - Precondition: the counts are those, and the numbers finite, as are the sums of the biases.
    public mutating func load(
        weightIH: [Float], weightHH: [Float], biasIH: [Float], biasHH: [Float],
        weightHR: [Float] = [],
        peepholes: [Float] = []
    ) {
        load(
            CellWeights(
                weightIH: weightIH, weightHH: weightHH, biasIH: biasIH, biasHH: biasHH,
                weightHR: weightHR, peepholes: peepholes))
    }

    mutating func load(_ new: CellWeights) {
        new.requireFinite()
        unsafe CellShape.lstm(shape).pack(new, weightFormat, to: weights)
    }

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
        require(
            x.count == shape.batch * shape.inputSize,
            "x: expected \(shape.batch * shape.inputSize) floats, found \(x.count)")
        return unsafe UnsafeBufferPointer(
            start: stepUnchecked(x.baseAddress!), count: shape.batch * shape.paddedOutputSize)
    }

    private mutating func stepUnchecked(_ x: UnsafePointer<Float>) -> UnsafePointer<Float> {
        unsafe kernels.lstmStep(
            shape, weightFormat, x: x, weights: weights, hPrevious: h, c: c, h: hNext,
            scratch: scratch)
        unsafe swap(&h, &hNext)
        return unsafe UnsafePointer(h)
    }

    /// One time step of every stream; a NaN stays in its stream until `reset`, as in `step(_:)`.
    ///
    /// - Parameters:
    ///   - x: batch × inputSize floats.
    ///   - h: batch × outputSize floats, written.
    /// - Precondition: the counts are those.
    public mutating func step(_ x: Span<Float>, into h: inout MutableSpan<Float>) {
        require(
            x.count == shape.batch * shape.inputSize,
            "x: expected \(shape.batch * shape.inputSize) floats, found \(x.count)")
        require(h.count == hRows.floats, "h: expected \(hRows.floats) floats, found \(h.count)")
        let result = unsafe x.withUnsafeBufferPointer { unsafe stepUnchecked($0.baseAddress!) }
        unsafe h.withUnsafeMutableBufferPointer { unsafe hRows.unpad(result, to: $0.baseAddress!) }
    }

    /// Resets every stream to zero: h = c = 0.
    public mutating func reset() {
        unsafe h.update(repeating: 0, count: shape.outputCount)
        unsafe c.update(repeating: 0, count: shape.stateCount)
    }

    /// Resets one stream to zero; the others go on.
    ///
    /// - Precondition: 0 ≤ stream < batch.
    public mutating func reset(stream: Int) {
        require(
            stream >= 0 && stream < shape.batch,
            "stream: expected 0 ≤ stream < \(shape.batch), found \(stream)")
        unsafe (h + stream * shape.paddedOutputSize).update(
            repeating: 0, count: shape.paddedOutputSize)
        unsafe (c + stream * shape.paddedHiddenSize).update(
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
        return unsafe hRows.isFinite(h, row: stream) && cRows.isFinite(c, row: stream)
    }

    /// The state of all streams, to be saved: h, [batch][outputSize], then c, [batch][hiddenSize].
    ///
    /// - Precondition: what is set has this count and is finite.
    public var state: [Float] {
        get { unsafe hRows.unpadded(h) + cRows.unpadded(c) }
        set {
            let count = hRows.floats + cRows.floats
            require(
                newValue.count == count, "state: expected \(count) floats, found \(newValue.count)")
            requireFinite(newValue, "state")
            unsafe hRows.pad(newValue.prefix(hRows.floats), to: h)
            unsafe cRows.pad(newValue.suffix(cRows.floats), to: c)
        }
    }

    private var hRows: PaddedRows { PaddedRows(count: shape.batch, units: shape.outputSize) }
    private var cRows: PaddedRows { PaddedRows(count: shape.batch, units: shape.hiddenSize) }
}
