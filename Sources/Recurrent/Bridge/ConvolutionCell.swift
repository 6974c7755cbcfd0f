internal import CRecurrent
internal import RecurrentFormats

/// A causal convolution that is given one time step at a time: weights of `batch` independent
/// streams, and the inputs that they still remember, in one block of memory.
///
///     var cell = ConvolutionCell(inputChannels: 1, outputChannels: 16, kernelSize: 3, dilation: 8)
///     cell.load(weight: …, bias: …)
///     let y = unsafe cell.step(x)  // in the audio callback: it never allocates, locks or waits
///
/// Step t gives the bits of window t of a whole sequence with `WindowAxis.causal`: y_t = b + Σ_k
/// W_k x_(t - dilation (kernelSize - 1 - k)), where nothing was before the first step. Each
/// stream's bits are those that it would have alone. Kernel: `convolution_forward`.
@safe public struct ConvolutionCell: ~Copyable, @unchecked Sendable {
    public let inputChannels: Int
    public let outputChannels: Int
    public let kernelSize: Int
    public let dilation: Int
    public let batch: Int
    public let kernels: Kernels
    /// Time steps that a window reaches over.
    private let reach: Int
    private let arena: Arena
    private let weights: UnsafeMutablePointer<Float>
    /// [batch][2][reach][inputChannels]: a ring, twice, so that the last `reach` steps lie side by
    /// side somewhere.
    private let ring: UnsafeMutablePointer<Float>
    private let y: UnsafeMutablePointer<Float>
    /// Where the next step goes in the ring.
    private var next = 0
    /// Steps of each stream since it began, as far as the ring remembers.
    private var seen: [Int]

    /// A cell with zero weights whose streams have not begun: load weights before use.
    ///
    /// - Precondition: the sizes are in 1...`ModelShape.largestDimension`, as are dilation ×
    ///   (kernelSize - 1) and what the shape of a step asks for.
    public init(
        inputChannels: Int, outputChannels: Int, kernelSize: Int, dilation: Int = 1, batch: Int = 1,
        kernels: Kernels = .best
    ) {
        require(
            isDimension(inputChannels) && isDimension(outputChannels) && isDimension(batch),
            """
            convolution: expected dimensions of 1 to \(ModelShape.largestDimension), \
            found input channels \(inputChannels), output channels \(outputChannels), batch \(batch)
            """)
        require(
            isDimension(kernelSize) && isDimension(dilation)
                && dilation * (kernelSize - 1) < ModelShape.largestDimension / 2,
            """
            convolution: expected a reach of at most \(ModelShape.largestDimension / 2) steps, \
            found \(kernelSize) taps \(dilation) apart
            """
        )
        let reach = dilation * (kernelSize - 1) + 1
        // Checks every size, before anything of that size is made.
        let shape = ConvolutionShape(
            images: 1, rows: WindowAxis(size: batch, kernelSize: 1),
            columns: WindowAxis(size: 2 * reach, kernelSize: kernelSize, dilation: dilation),
            inputChannels: inputChannels, outputChannels: outputChannels, inputStride: inputChannels
        )
        self.inputChannels = inputChannels
        self.outputChannels = outputChannels
        self.kernelSize = kernelSize
        self.dilation = dilation
        self.batch = batch
        self.kernels = kernels
        self.reach = reach
        seen = Array(repeating: 0, count: batch)
        var layout = Layout()
        let offsets = [shape.weightCount, shape.inputCount, batch * shape.paddedOutputChannels].map
        { layout.reserve($0) }
        arena = Arena(layout)
        unsafe weights = arena.base + offsets[0]
        unsafe ring = arena.base + offsets[1]
        unsafe y = arena.base + offsets[2]
    }

    /// Floats of an output in memory: 16 ⌈outputChannels / 16⌉.
    public var paddedOutputChannels: Int { padded(outputChannels) }

    /// Takes weights in PyTorch's layout.
    ///
    /// - Parameters:
    ///   - weight: [outputChannels][inputChannels][kernelSize].
    ///   - bias: [outputChannels].
    /// - Precondition: the counts are those, and the numbers finite.
    public mutating func load(weight: [Float], bias: [Float]) {
        requireFinite(weight, "weight")
        requireFinite(bias, "bias")
        let shape = ConvolutionShape(
            columns: WindowAxis(size: kernelSize, kernelSize: kernelSize),
            inputChannels: inputChannels, outputChannels: outputChannels)
        let memory = unsafe UnsafeMutableBufferPointer(start: weights, count: shape.weightCount)
        var span = unsafe memory.mutableSpan
        shape.pack(AffineWeights(weight: weight, bias: bias), to: &span)
    }

    /// One time step of every stream.
    ///
    /// An input that is NaN or infinite is remembered for dilation × (kernelSize - 1) steps;
    /// `reset(stream:)` forgets it.
    ///
    /// - Parameter x: [batch][inputChannels].
    /// - Returns: y, [batch][paddedOutputChannels]; valid until the next step.
    /// - Precondition: the count of x is that.
    @discardableResult
    public mutating func step(_ x: UnsafeBufferPointer<Float>) -> UnsafeBufferPointer<Float> {
        require(
            x.count == batch * inputChannels,
            "x: expected \(batch * inputChannels) floats, found \(x.count)")
        return unsafe UnsafeBufferPointer(
            start: stepUnchecked(x.baseAddress!), count: batch * paddedOutputChannels)
    }

    private mutating func stepUnchecked(_ x: UnsafePointer<Float>) -> UnsafePointer<Float> {
        var together = true
        for stream in 0..<batch {
            for half in 0..<2 {
                unsafe place(stream, next + half * reach).update(
                    from: x + stream * inputChannels, count: inputChannels)
            }
            seen[stream] = min(seen[stream] + 1, reach)
            together = together && seen[stream] == seen[0]
        }
        next = (next + 1) % reach
        if together {
            convolve(streams: 0..<batch)
        } else {
            for stream in 0..<batch { convolve(streams: stream..<stream + 1) }
        }
        return unsafe UnsafePointer(y)
    }

    /// One time step of every stream, as `step(_:)`.
    ///
    /// - Parameters:
    ///   - x: batch × inputChannels floats.
    ///   - y: batch × outputChannels floats, written.
    /// - Precondition: the counts are those.
    public mutating func step(_ x: Span<Float>, into y: inout MutableSpan<Float>) {
        let rows = PaddedRows(count: batch, units: outputChannels)
        require(
            x.count == batch * inputChannels,
            "x: expected \(batch * inputChannels) floats, found \(x.count)")
        require(y.count == rows.floats, "y: expected \(rows.floats) floats, found \(y.count)")
        let result = unsafe x.withUnsafeBufferPointer { unsafe stepUnchecked($0.baseAddress!) }
        unsafe y.withUnsafeMutableBufferPointer { unsafe rows.unpad(result, to: $0.baseAddress!) }
    }

    /// Lets every stream begin anew.
    public mutating func reset() {
        for stream in 0..<batch { seen[stream] = 0 }
    }

    /// Lets one stream begin anew; the others go on.
    ///
    /// - Precondition: 0 ≤ stream < batch.
    public mutating func reset(stream: Int) {
        require(
            stream >= 0 && stream < batch, "stream: expected 0 ≤ stream < \(batch), found \(stream)"
        )
        seen[stream] = 0
    }

    /// Whether what every stream remembers is finite. What is not goes by, or is forgotten by
    /// `reset(stream:)`.
    public var isFinite: Bool { (0..<batch).allSatisfy { isFinite(stream: $0) } }

    /// Whether what one stream remembers is finite.
    ///
    /// - Precondition: 0 ≤ stream < batch.
    public func isFinite(stream: Int) -> Bool {
        require(
            stream >= 0 && stream < batch, "stream: expected 0 ≤ stream < \(batch), found \(stream)"
        )
        return unsafe remembered(stream).allSatisfy(\.isFinite)
    }

    /// The inputs that a stream still has use for, the oldest first.
    private func remembered(_ stream: Int) -> UnsafeBufferPointer<Float> {
        let steps = min(seen[stream], reach - 1)
        return unsafe UnsafeBufferPointer(
            start: place(stream, next + reach - steps), count: steps * inputChannels)
    }

    /// What each stream remembers, to be saved: its last inputs, [steps][inputChannels], the oldest
    /// first; dilation × (kernelSize - 1) steps, or as many as there have been.
    ///
    /// - Precondition: what is set is that of so many streams, and finite.
    public var state: [[Float]] {
        get {
            (0..<batch).map { unsafe Array(remembered($0)) }
        }
        set {
            require(
                newValue.count == batch
                    && newValue.allSatisfy {
                        $0.count % inputChannels == 0 && $0.count / inputChannels < reach
                    },
                """
                state: expected at most \(reach - 1) inputs of \(inputChannels) channels for \
                each of \(batch) streams
                """
            )
            for inputs in newValue { requireFinite(inputs, "state") }
            next = reach - 1
            for (stream, inputs) in newValue.enumerated() {
                seen[stream] = inputs.count / inputChannels
                for half in 0..<2 {
                    for (index, value) in inputs.enumerated() {
                        unsafe place(stream, next - seen[stream] + half * reach)[index] = value
                    }
                }
            }
        }
    }

    private func place(_ stream: Int, _ step: Int) -> UnsafeMutablePointer<Float> {
        unsafe ring + (stream * 2 * reach + step) * inputChannels
    }

    /// The last window of streams that have seen the same number of steps: streams are rows, of
    /// which the kernel reads the taps alone.
    private func convolve(streams: Range<Int>) {
        let steps = seen[streams.lowerBound]
        let axis = recurrent_axis(
            size: streams.count, windows: streams.count, taps: 1, stride: 1, dilation: 1, padding: 0
        )
        let window = recurrent_axis(
            size: 2 * reach, windows: 1, taps: kernelSize, stride: 1, dilation: dilation,
            padding: reach - steps)
        var shape = recurrent_convolution_shape(
            images: 1, rows: axis, columns: window, inputs: inputChannels, outputs: outputChannels,
            x_stride: inputChannels)
        // `next` is past the last step, so the last `steps` of them end `reach` later.
        unsafe kernels.table.pointee.convolution_forward(
            &shape, place(streams.lowerBound, next + reach - steps), weights,
            y + streams.lowerBound * paddedOutputChannels, recurrent_all_rows)
    }
}
