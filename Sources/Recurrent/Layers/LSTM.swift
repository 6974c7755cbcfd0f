/// An LSTM layer whose sizes are part of its type, for those who know them when they compile: one
/// stream, one time step at a time.
///
///     var lstm = LSTM<1, 40>()
///     lstm.load(weightIH: …, weightHH: …, biasIH: …, biasHH: …)
///     let h = lstm.step([0.25])
///
/// No step allocates, not even the first one. The sizes at run time, and every other detail:
/// `LSTMCell`, which this wraps. Kernel: `lstm_step`.
public struct LSTM<let inputSize: Int, let hiddenSize: Int>: ~Copyable {
    /// The same layer with its sizes at run time. Not public: an accessor of it stops the optimizer
    /// of Swift 6.3.
    private var cell: LSTMCell

    /// A layer with zero weights and zero state: load weights before use.
    ///
    /// - Parameter weightFormat: what weights are rounded to when they are loaded.
    @inlinable
    public init(weightFormat: WeightFormat = .float32, kernels: Kernels = .best) {
        self.init(weightFormat, kernels)
        // The first step with these sizes makes the metadata of their arrays, in the caller's
        // module: here, and not in an audio callback.
        _ = step(InlineArray(repeating: 0))
        reset()
    }

    @usableFromInline
    init(_ weightFormat: WeightFormat, _ kernels: Kernels) {
        cell = LSTMCell(
            inputSize: inputSize, hiddenSize: hiddenSize, weightFormat: weightFormat,
            kernels: kernels)
    }

    /// Takes weights in PyTorch's layout, rows of gates i f g o: weightIH [4 H][I], weightHH [4
    /// H][H], biases [4 H].
    ///
    /// - Precondition: the counts are those, and the numbers finite, as are the sums of the biases.
    public mutating func load(
        weightIH: [Float], weightHH: [Float], biasIH: [Float], biasHH: [Float]
    ) {
        cell.load(weightIH: weightIH, weightHH: weightHH, biasIH: biasIH, biasHH: biasHH)
    }

    /// One time step: h = o∘tanh(c). An input that is NaN makes the state NaN, which it stays until
    /// `reset`; infinite ones may.
    @inlinable
    public mutating func step(_ x: InlineArray<inputSize, Float>) -> InlineArray<hiddenSize, Float>
    {
        var h = InlineArray<hiddenSize, Float>(repeating: 0)
        var span = h.mutableSpan
        step(x.span, into: &span)
        return h
    }

    @usableFromInline
    mutating func step(_ x: Span<Float>, into h: inout MutableSpan<Float>) {
        cell.step(x, into: &h)
    }

    /// Whether the state is finite: one that is not stays so, until `reset`.
    public var isFinite: Bool { cell.isFinite }

    /// Resets the state to zero: h = c = 0.
    public mutating func reset() { cell.reset() }
}
