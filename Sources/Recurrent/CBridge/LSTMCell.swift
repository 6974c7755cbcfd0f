internal import Formats

/// An LSTM layer that runs one time step at a time: weights and the state of `batch` independent streams, in one block of memory.
///
///     var cell = LSTMCell(inputSize: 1, hiddenSize: 40)
///     cell.load(weightIH: …, weightHH: …, biasIH: …, biasHH: …)
///     let h = unsafe cell.step(x)          // in the audio callback: no allocation, no lock, no system call
///
/// Each stream's bits are those that it would have alone; a step of many streams reads the weights once for all of them.
///
/// i, f, o = σ(W x + U h + b), g = tanh(W x + U h + b), c = f∘c + i∘g, h = o∘tanh(c): Goodfellow, Bengio and Courville 2016, "Deep
/// Learning", equations 10.40 to 10.44. Kernel: `lstm_step`.
@safe public struct LSTMCell: ~Copyable, @unchecked Sendable {
    public let shape: LSTMShape
    public let kernels: Kernels
    public let weightFormat: WeightFormat
    private let arena: Arena
    private let weights: UnsafeMutablePointer<Float>
    private let c: UnsafeMutablePointer<Float>
    private var h: UnsafeMutablePointer<Float>
    private var hNext: UnsafeMutablePointer<Float>

    /// A cell with zero weights and zero state: load weights before use.
    ///
    /// - Parameter weightFormat: what weights are rounded to when they are loaded.
    /// - Precondition: the sizes are in 1...`ModelShape.largestDimension`.
    public init(inputSize: Int, hiddenSize: Int, batch: Int = 1, weightFormat: WeightFormat = .float32, kernels: Kernels = .best) {
        shape = LSTMShape(inputSize: inputSize, hiddenSize: hiddenSize, batch: batch)
        self.weightFormat = weightFormat
        self.kernels = kernels
        var layout = Layout()
        // The weights come last: behind them, at 4,608 bytes, the state of a layer of 16 units would share its address modulo 4,096 with
        // the first rows of weights, and each step would wait for the stores of the one before it (79 ns instead of 60).
        let offsets = [shape.stateCount, shape.stateCount, shape.stateCount, shape.weightCount(weightFormat)].map { layout.reserve($0) }
        arena = Arena(layout)
        unsafe c = arena.base + offsets[0]
        unsafe h = arena.base + offsets[1]
        unsafe hNext = arena.base + offsets[2]
        unsafe weights = arena.base + offsets[3]
    }

    /// Takes weights in PyTorch's layout: rows of gates i f g o.
    ///
    /// - Parameters:
    ///   - weightIH: [4 H][I].
    ///   - weightHH: [4 H][H].
    ///   - biasIH, biasHH: [4 H]; the cell uses their sum.
    /// - Precondition: the counts are those.
    public mutating func load(weightIH: [Float], weightHH: [Float], biasIH: [Float], biasHH: [Float]) {
        precondition(weightIH.count == 4 * shape.hiddenSize * shape.inputSize && weightHH.count == 4 * shape.hiddenSize * shape.hiddenSize
                         && biasIH.count == 4 * shape.hiddenSize && biasHH.count == biasIH.count,
                     "weights: expected those of \(shape.inputSize) inputs and \(shape.hiddenSize) hidden units")
        load(KernelOrder.lstm(weightIH: weightIH, weightHH: weightHH, bias: zip(biasIH, biasHH).map { $0 + $1 }))
    }

    /// Takes weights in kernel order.
    mutating func load(_ kernelOrder: [Float]) {
        precondition(kernelOrder.count == shape.weightCount, "weights: expected \(shape.weightCount) floats, found \(kernelOrder.count)")
        unsafe copyWeights(kernelOrder, columns: 1 + shape.inputSize + shape.hiddenSize, gates: KernelOrder.lstmGates, weightFormat, to: weights)
    }

    /// One time step of every stream.
    ///
    /// An input that is NaN makes its stream's state NaN, infinite ones may, and the state stays NaN whatever comes after:
    /// `reset(stream:)` begins the stream anew. The other streams do not notice.
    ///
    /// - Parameter x: [batch][inputSize].
    /// - Returns: h, [batch][paddedHiddenSize]; valid until the step after the next.
    @discardableResult
    public mutating func step(_ x: UnsafePointer<Float>) -> UnsafePointer<Float> {
        unsafe kernels.lstmStep(shape, weightFormat, x: x, weights: weights, hPrevious: h, c: c, h: hNext)
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
        precondition(x.count == shape.batch * shape.inputSize, "x: expected \(shape.batch * shape.inputSize) floats, found \(x.count)")
        precondition(h.count == shape.batch * shape.hiddenSize, "h: expected \(shape.batch * shape.hiddenSize) floats, found \(h.count)")
        let result = unsafe x.withUnsafeBufferPointer { unsafe step($0.baseAddress!) }
        unsafe h.withUnsafeMutableBufferPointer { unsafe rows.unpad(result, to: $0.baseAddress!) }
    }

    /// Puts every stream into the state of rest: h = c = 0.
    public mutating func reset() {
        unsafe h.update(repeating: 0, count: shape.stateCount)
        unsafe c.update(repeating: 0, count: shape.stateCount)
    }

    /// Puts one stream into the state of rest; the others go on.
    ///
    /// - Precondition: 0 ≤ stream < batch.
    public mutating func reset(stream: Int) {
        precondition(stream >= 0 && stream < shape.batch, "stream: expected 0 ≤ stream < \(shape.batch), found \(stream)")
        unsafe (h + stream * shape.paddedHiddenSize).update(repeating: 0, count: shape.paddedHiddenSize)
        unsafe (c + stream * shape.paddedHiddenSize).update(repeating: 0, count: shape.paddedHiddenSize)
    }

    /// The state of all streams, to be saved: h, then c, each [batch][hiddenSize].
    public var state: [Float] {
        get { unsafe rows.unpadded(h) + rows.unpadded(c) }
        set {
            precondition(newValue.count == 2 * rows.floats, "state: expected \(2 * rows.floats) floats, found \(newValue.count)")
            unsafe rows.pad(newValue.prefix(rows.floats), to: h)
            unsafe rows.pad(newValue.suffix(rows.floats), to: c)
        }
    }

    private var rows: PaddedRows { PaddedRows(count: shape.batch, units: shape.hiddenSize) }
}
