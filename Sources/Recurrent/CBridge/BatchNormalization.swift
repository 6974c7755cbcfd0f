/// Batch normalization of `units` units: γ, β and their gradients, running averages and the tape, in one block of memory.
///
///     var normalization = BatchNormalization(units: 40)
///     unsafe normalization.forward(rows: 32, x: x, y: y)                  // in training, from each batch
///     unsafe normalization.backward(rows: 32, x: x, outputGradient: dy, inputGradient: dx)
///     unsafe kernels.update(.adam(Adam()), normalization.parameterCount, scale: 1, step: 1, parameters: normalization.parameters, …)
///     normalization.inference(x, into: &y)                                // afterwards
///
/// y = γ (x - μ) / √(v + ε) + β: Ioffe and Szegedy 2015. Rows have 16 ⌈units / 16⌉ floats each, with anything behind the last unit of x and zero
/// there in y. Kernels: `batch_normalization_forward`, `batch_normalization_inference`, `batch_normalization_backward`.
@safe public struct BatchNormalization: ~Copyable, @unchecked Sendable {
    public let units: Int
    /// ε
    public let epsilon: Float
    /// How far each batch moves the running averages: 0.1 is a tenth of the way.
    public let momentum: Float
    public let kernels: Kernels
    private let arena: Arena
    /// Each buffer has a row of units; they lie one after the other, so that γ and β, and their gradients, are one flat buffer.
    private let row: Int

    /// γ = 1, β = 0, a running mean of 0 and a running variance of 1. The defaults are PyTorch's.
    ///
    /// - Precondition: units are in 1...`ModelShape.largestDimension`, epsilon is positive and finite, and momentum in 0...1.
    public init(units: Int, epsilon: Float = 1e-5, momentum: Float = 0.1, kernels: Kernels = .best) {
        require(epsilon > 0 && epsilon.isFinite && (0...1).contains(momentum),
                "batch normalization: expected a positive epsilon and a momentum in 0...1, found \(epsilon), \(momentum)")
        self.units = units
        self.epsilon = epsilon
        self.momentum = momentum
        self.kernels = kernels
        row = RowsShape(rows: 1, units: units).count
        var layout = Layout()
        _ = layout.reserve(8 * row)
        arena = Arena(layout)
        for unit in 0..<units {
            unsafe parameters[unit] = 1
            unsafe runningVariancePointer[unit] = 1
        }
    }

    // MARK: Parameters

    /// Floats of `parameters`, and of `gradient`.
    public var parameterCount: Int { 2 * row }
    /// γ and then β, a row of each, for an optimizer's update; zero behind the last unit.
    public var parameters: UnsafeMutablePointer<Float> { unsafe arena.base }
    /// dγ and then dβ: what `backward` adds to, and an update makes zero.
    public var gradient: UnsafeMutablePointer<Float> { unsafe arena.base + 2 * row }
    private var runningMeanPointer: UnsafeMutablePointer<Float> { unsafe arena.base + 4 * row }
    private var runningVariancePointer: UnsafeMutablePointer<Float> { unsafe arena.base + 5 * row }
    private var mean: UnsafeMutablePointer<Float> { unsafe arena.base + 6 * row }
    private var inverseDeviation: UnsafeMutablePointer<Float> { unsafe arena.base + 7 * row }

    private var unpadded: PaddedRows { PaddedRows(count: 1, units: units) }
    /// γ, [units].
    public var weight: [Float] { unsafe unpadded.unpadded(parameters) }
    /// β, [units].
    public var bias: [Float] { unsafe unpadded.unpadded(parameters + row) }
    public var runningMean: [Float] { unsafe unpadded.unpadded(runningMeanPointer) }
    public var runningVariance: [Float] { unsafe unpadded.unpadded(runningVariancePointer) }

    /// Takes what PyTorch's `BatchNorm1d` has: weight, bias, running_mean and running_var, [units] each.
    ///
    /// - Precondition: the counts are those.
    public mutating func load(weight: [Float], bias: [Float], runningMean: [Float], runningVariance: [Float]) {
        require([weight, bias, runningMean, runningVariance].allSatisfy { $0.count == units }, "batch normalization: expected \(units) units")
        unsafe unpadded.pad(weight[...], to: parameters)
        unsafe unpadded.pad(bias[...], to: parameters + row)
        unsafe unpadded.pad(runningMean[...], to: runningMeanPointer)
        unsafe unpadded.pad(runningVariance[...], to: runningVariancePointer)
    }

    // MARK: The hot path

    /// A batch in training: normalized by its own mean and variance, which move the running averages.
    ///
    /// - Parameters:
    ///   - live: [rows], or nil: rows where it is zero have no part in anything, and a y of zero.
    ///   - x: [rows][16 ⌈units / 16⌉].
    ///   - y: likewise, written.
    public mutating func forward(rows: Int, live: UnsafePointer<Int32>? = nil, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>) {
        unsafe kernels.batchNormalizationForward(
            RowsShape(rows: rows, units: units), live: live, epsilon: epsilon, momentum: momentum, x: x, gamma: parameters, beta: parameters + row,
            runningMean: runningMeanPointer, runningVariance: runningVariancePointer, mean: mean, inverseDeviation: inverseDeviation, y: y)
    }

    /// The gradient of the last `forward`: adds to `gradient`, and writes that by x.
    ///
    /// - Parameter inputGradient: written; may be `outputGradient`.
    public mutating func backward(rows: Int, live: UnsafePointer<Int32>? = nil, x: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
                                  inputGradient: UnsafeMutablePointer<Float>) {
        unsafe kernels.batchNormalizationBackward(
            RowsShape(rows: rows, units: units), live: live, x: x, gamma: parameters, mean: mean, inverseDeviation: inverseDeviation,
            outputGradient: outputGradient, gammaGradient: gradient, betaGradient: gradient + row, inputGradient: inputGradient)
    }

    /// Rows normalized by the running averages; y may be x.
    public func inference(rows: Int, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>) {
        unsafe kernels.batchNormalizationInference(
            RowsShape(rows: rows, units: units), epsilon: epsilon, x: x, gamma: parameters, beta: parameters + row, runningMean: runningMeanPointer,
            runningVariance: runningVariancePointer, y: y)
    }

    // MARK: The safe face

    /// `forward(rows:live:x:y:)` of padded rows, all of which count.
    ///
    /// - Precondition: x and y have as many floats, a multiple of 16 ⌈units / 16⌉ and not zero.
    public mutating func forward(_ x: Span<Float>, into y: inout MutableSpan<Float>) {
        let rows = rows(x.count, y.count)
        unsafe x.withUnsafeBufferPointer { x in
            unsafe y.withUnsafeMutableBufferPointer { unsafe forward(rows: rows, x: x.baseAddress!, y: $0.baseAddress!) }
        }
    }

    /// `inference(rows:x:y:)` of padded rows.
    ///
    /// - Precondition: as for `forward`.
    public func inference(_ x: Span<Float>, into y: inout MutableSpan<Float>) {
        let rows = rows(x.count, y.count)
        unsafe x.withUnsafeBufferPointer { x in
            unsafe y.withUnsafeMutableBufferPointer { unsafe inference(rows: rows, x: x.baseAddress!, y: $0.baseAddress!) }
        }
    }

    private func rows(_ inputs: Int, _ outputs: Int) -> Int {
        require(inputs > 0 && inputs % row == 0 && outputs == inputs,
                "batch normalization: expected rows of \(row) floats, found \(inputs) and \(outputs) floats")
        return inputs / row
    }
}
