internal import CRecurrent
internal import RecurrentFormats

/// What a `StreamingCell` of any cell does in a time step. It holds the C shape, which a step
/// passes on where it is: made anew from Swift's, each step would wait for its own stores (20 ns).
@safe struct CellStream: ~Copyable, @unchecked Sendable {
    private let arena: Arena
    private(set) var shape: recurrent_cell_shape
    let kernels: Kernels
    let isRounded: Bool
    let weights: UnsafeMutablePointer<Float>
    let c: UnsafeMutablePointer<Float>
    private(set) var h: UnsafeMutablePointer<Float>
    private var hNext: UnsafeMutablePointer<Float>
    private let scratch: UnsafeMutablePointer<Float>
    /// Floats of x and of h at one time step: a step does not count them anew.
    let inputCount: Int, outputCount: Int

    /// A stream with zero weights and zero state, in a block of memory.
    init(_ shape: AnyCellShape, _ format: WeightFormat, _ kernels: Kernels) {
        self.shape = shape.cValue
        self.kernels = kernels
        isRounded = format == .bfloat16
        inputCount = shape.batch * shape.inputSize
        outputCount = shape.outputCount
        var layout = Layout()
        // The weights come behind the state: behind them, at 4,608 bytes, the state of a layer of
        // 16 units would share its address modulo 4,096 with the first rows of weights, and each
        // step would wait for the stores of the one before it (79 ns instead of 60).
        let offsets = [
            shape.stateCount, shape.outputCount, shape.outputCount, shape.weightCount(format),
            shape.scratchCount,
        ].map { layout.reserve($0) }
        arena = Arena(layout)
        unsafe c = arena.base + offsets[0]
        unsafe h = arena.base + offsets[1]
        unsafe hNext = arena.base + offsets[2]
        unsafe weights = arena.base + offsets[3]
        unsafe scratch = arena.base + offsets[4]
    }

    var any: AnyCellShape { AnyCellShape(cValue: shape) }

    /// One time step: h, valid until the step after the next.
    @discardableResult
    mutating func step(_ x: UnsafePointer<Float>) -> UnsafePointer<Float> {
        unsafe recurrent_cell_stream_step(
            kernels.table, isRounded ? 1 : 0, &shape, x, weights, h, c, hNext, scratch)
        unsafe swap(&h, &hNext)
        return unsafe UnsafePointer(h)
    }

    /// The same, with the counts checked.
    mutating func step(_ x: UnsafeBufferPointer<Float>) -> UnsafeBufferPointer<Float> {
        checkInput(x.count)
        return unsafe UnsafeBufferPointer(start: step(x.baseAddress!), count: outputCount)
    }

    /// The same. In a type that is not generic: closures of one allocate its metadata when they
    /// are first made.
    mutating func step(_ x: Span<Float>, into h: inout MutableSpan<Float>) {
        checkInput(x.count)
        let rows = any.hiddenRows
        require(h.count == rows.floats, "h: expected \(rows.floats) floats, found \(h.count)")
        let result = unsafe x.withUnsafeBufferPointer { unsafe step($0.baseAddress!) }
        unsafe h.withUnsafeMutableBufferPointer { unsafe rows.unpad(result, to: $0.baseAddress!) }
    }

    /// Resets one stream to zero, padding too.
    func reset(_ index: Int) {
        unsafe any.hiddenRows.reset(h, row: index)
        if any.stateCount > 0 { unsafe any.stateRows.reset(c, row: index) }
    }

    /// Resets every stream to zero.
    func reset() {
        for index in 0..<shape.batch { reset(index) }
    }

    /// Whether the state of every stream is finite.
    var isFinite: Bool { (0..<shape.batch).allSatisfy { isFinite($0) } }

    /// Whether the state of one stream is finite.
    func isFinite(_ index: Int) -> Bool {
        unsafe any.hiddenRows.isFinite(h, row: index)
            && (any.stateCount == 0 || any.stateRows.isFinite(c, row: index))
    }

    func checkIndex(_ index: Int) {
        let batch = shape.batch
        require(
            index >= 0 && index < batch, "stream: expected 0 ≤ stream < \(batch), found \(index)")
    }

    private func checkInput(_ count: Int) {
        // Of its own: a text that is made of `self` copies all of it in each call (4 to 12 ns).
        let expected = inputCount
        require(count == expected, "x: expected \(expected) floats, found \(count)")
    }

    /// - Precondition: the weights have the sizes of the shape and are finite.
    func load(_ new: CellWeights) {
        new.requireFinite()
        unsafe any.pack(new, isRounded ? .bfloat16 : .float32, to: weights)
    }
}
