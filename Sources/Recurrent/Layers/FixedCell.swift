internal import RecurrentFormats

/// A recurrent layer whose sizes are part of its type, for those who know them when they compile:
/// one stream, one time step at a time.
///
///     var lstm = LSTM<1, 40>()
///     lstm.load(weightIH: …, weightHH: …, biasIH: …, biasHH: …)
///     let h = lstm.step([0.25])
///
/// No step allocates, not even the first one. The sizes at run time, and every other detail:
/// `StreamingCell`.
@available(macOS 26, iOS 26, tvOS 26, watchOS 26, visionOS 26, *)
public struct FixedCell<Shape: CellShape, let inputSize: Int, let hiddenSize: Int>: ~Copyable {
    /// Not public: an accessor of it stops the optimizer of Swift 6.3.
    private var stream: CellStream

    @inlinable
    init(_ shape: AnyCellShape, _ format: WeightFormat, _ kernels: Kernels) {
        self.init(shape: shape, format: format, kernels: kernels)
        // The first step with these sizes makes the metadata of their arrays, in the caller's
        // module: here, and not in an audio callback.
        _ = step(InlineArray(repeating: 0))
        reset()
    }

    @usableFromInline
    init(shape: AnyCellShape, format: WeightFormat, kernels: Kernels) {
        stream = CellStream(shape, format, kernels)
    }

    /// Takes weights in PyTorch's layout, as `StreamingCell`.
    ///
    /// - Precondition: the counts are those, and the numbers finite, as are the sums of the biases.
    public mutating func load(
        weightIH: [Float], weightHH: [Float], biasIH: [Float], biasHH: [Float]
    ) {
        stream.load(
            CellWeights(weightIH: weightIH, weightHH: weightHH, biasIH: biasIH, biasHH: biasHH))
    }

    /// One time step. An input that is NaN makes the state NaN, which it stays until `reset`;
    /// infinite ones may.
    @inlinable
    public mutating func step(_ x: InlineArray<inputSize, Float>) -> InlineArray<hiddenSize, Float>
    {
        let result = unsafe x.span.withUnsafeBufferPointer { unsafe step($0.baseAddress!) }
        return InlineArray { unsafe result[$0] }
    }

    /// One time step: h, valid until the step after the next.
    @usableFromInline
    mutating func step(_ x: UnsafePointer<Float>) -> UnsafePointer<Float> {
        unsafe stream.step(x)
    }

    /// Whether the state is finite: one that is not stays so, until `reset`.
    public var isFinite: Bool { stream.isFinite }

    /// Resets the state to zero.
    public mutating func reset() { stream.reset() }
}
