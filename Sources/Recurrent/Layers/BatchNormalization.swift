/// Batch normalization of `units` units: γ, β and their gradients, running averages and the tape,
/// in one block of memory.
///
///     var normalization = BatchNormalization(units: 40)
///     normalization.forward(x, into: &y)  // in training, from each batch
///     normalization.backward(x, outputGradient: dy, into: &dx)
///     unsafe kernels.update(
///         .adam(Adam()), normalization.parameterCount, scale: 1, step: 1,
///         parameters: normalization.parameters, …)
///     normalization.inference(x, into: &y)                                // afterwards
///
/// y = γ (x - μ) / √(v + ε) + β: Ioffe and Szegedy 2015. Rows have 16 ⌈units / 16⌉ floats each,
/// with anything past the last unit of x and zero there in y. Kernels:
/// `batch_normalization_forward`, `batch_normalization_inference`, `batch_normalization_backward`.
@safe public struct BatchNormalization: ~Copyable, @unchecked Sendable {
    public let units: Int
    /// ε
    public let epsilon: Float
    /// How far each batch moves the running averages: 0.1 is a tenth of the way.
    public let momentum: Float
    /// What the running variance is an average of.
    public let estimate: VarianceEstimate
    public let kernels: Kernels
    private let arena: Arena
    /// Each buffer has a row of units; they lie one after the other, so that γ and β, and their
    /// gradients, are one flat buffer.
    private let row: Int

    /// γ = 1, β = 0, a running mean of 0 and a running variance of 1. The defaults are PyTorch's;
    /// Keras has an epsilon of 1e-3, a momentum of 0.01 (which it calls 0.99) and the biased
    /// estimate.
    ///
    /// - Precondition: units are in 1...`ModelShape.largestDimension`, epsilon is positive and
    ///   finite, and momentum in 0...1.
    public init(
        units: Int, epsilon: Float = 1e-5, momentum: Float = 0.1,
        estimate: VarianceEstimate = .unbiased,
        kernels: Kernels = .best
    ) {
        require(
            epsilon > 0 && epsilon.isFinite && (0...1).contains(momentum),
            """
            batch normalization: expected a positive epsilon and a momentum in 0...1, found \
            \(epsilon), \(momentum)
            """
        )
        self.units = units
        self.epsilon = epsilon
        self.momentum = momentum
        self.estimate = estimate
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
    /// γ and then β, a row of each, for an optimizer's update; zero past the last unit.
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

    /// Takes what PyTorch's `BatchNorm1d` has: weight, bias, running_mean and running_var, [units]
    /// each.
    ///
    /// - Precondition: the counts are those, the numbers finite, and the variances not negative.
    public mutating func load(
        weight: [Float], bias: [Float], runningMean: [Float], runningVariance: [Float]
    ) {
        for (name, values) in [
            ("weight", weight), ("bias", bias), ("running mean", runningMean),
            ("running variance", runningVariance),
        ] {
            require(
                values.count == units,
                "batch normalization, \(name): expected \(units) units, found \(values.count)")
            requireFinite(values, "batch normalization, \(name)")
        }
        require(
            runningVariance.allSatisfy { $0 >= 0 },
            """
            batch normalization, running variance: expected at least 0, found \
            \(runningVariance.min()!)
            """
        )
        unsafe unpadded.pad(weight[...], to: parameters)
        unsafe unpadded.pad(bias[...], to: parameters + row)
        unsafe unpadded.pad(runningMean[...], to: runningMeanPointer)
        unsafe unpadded.pad(runningVariance[...], to: runningVariancePointer)
    }

    // MARK: Unsafe-pointer calls

    /// A batch in training: normalized by its own mean and variance, which move the running
    /// averages.
    ///
    /// - Parameters:
    ///   - valid: [rows], or nil: rows where it is zero have no part in anything, and a y of zero.
    ///   - x: [rows][16 ⌈units / 16⌉].
    ///   - y: likewise, written.
    /// - Precondition: the counts are those, and there is at least one row.
    public mutating func forward(
        valid: UnsafeBufferPointer<Int32>? = nil, x: UnsafeBufferPointer<Float>,
        y: UnsafeMutableBufferPointer<Float>
    ) {
        let shape = unsafe shape(x.count, y.count, valid: valid?.count)
        unsafe kernels.batchNormalizationForward(
            shape, valid: valid?.baseAddress, epsilon: epsilon, momentum: momentum,
            estimate: estimate,
            x: x.baseAddress!, gamma: parameters, beta: parameters + row,
            runningMean: runningMeanPointer,
            runningVariance: runningVariancePointer, mean: mean, inverseDeviation: inverseDeviation,
            y: y.baseAddress!)
    }

    /// The gradient of the last `forward`: adds to `gradient`, and writes that with respect to x.
    ///
    /// - Parameter inputGradient: written; may be `outputGradient`.
    /// - Precondition: as for `forward`.
    public mutating func backward(
        valid: UnsafeBufferPointer<Int32>? = nil, x: UnsafeBufferPointer<Float>,
        outputGradient: UnsafeBufferPointer<Float>,
        inputGradient: UnsafeMutableBufferPointer<Float>
    ) {
        let shape = unsafe shape(x.count, inputGradient.count, valid: valid?.count)
        require(
            outputGradient.count == x.count,
            """
            batch normalization: expected an output gradient of \(x.count) floats, \
            found \(outputGradient.count)
            """)
        unsafe kernels.batchNormalizationBackward(
            shape, valid: valid?.baseAddress, x: x.baseAddress!, gamma: parameters, mean: mean,
            inverseDeviation: inverseDeviation,
            outputGradient: outputGradient.baseAddress!, gammaGradient: gradient,
            betaGradient: gradient + row,
            inputGradient: inputGradient.baseAddress!)
    }

    /// Rows normalized by the running averages; y may be x.
    ///
    /// - Precondition: as for `forward`.
    public func inference(x: UnsafeBufferPointer<Float>, y: UnsafeMutableBufferPointer<Float>) {
        let shape = shape(x.count, y.count, valid: nil)
        unsafe kernels.batchNormalizationInference(
            shape, epsilon: epsilon, x: x.baseAddress!, gamma: parameters, beta: parameters + row,
            runningMean: runningMeanPointer,
            runningVariance: runningVariancePointer, y: y.baseAddress!)
    }

    /// The rows of so many floats, where as many are written. Not variadic, which would allocate.
    private func shape(_ inputs: Int, _ outputs: Int, valid: Int?) -> RowsShape {
        require(
            inputs > 0 && inputs % row == 0 && outputs == inputs,
            """
            batch normalization: expected rows of \(row) floats, found \(inputs) and \
            \(outputs) floats
            """
        )
        let rows = inputs / row
        require(
            valid ?? rows == rows,
            "batch normalization: expected \(rows) rows that are valid or not, found \(valid ?? 0)")
        return RowsShape(rows: rows, units: units)
    }

    // MARK: The safe face

    /// A batch in training, of padded rows: `forward(valid:x:y:)`.
    public mutating func forward(
        _ x: Span<Float>, valid: Span<Int32>? = nil, into y: inout MutableSpan<Float>
    ) {
        unsafe x.withUnsafeBufferPointer { x in
            unsafe y.withUnsafeMutableBufferPointer { y in
                guard let valid else { return unsafe forward(x: x, y: y) }
                unsafe valid.withUnsafeBufferPointer { unsafe forward(valid: $0, x: x, y: y) }
            }
        }
    }

    /// The gradient of the last `forward`: `backward(valid:x:outputGradient:inputGradient:)`.
    public mutating func backward(
        _ x: Span<Float>, valid: Span<Int32>? = nil, outputGradient: Span<Float>,
        into inputGradient: inout MutableSpan<Float>
    ) {
        unsafe x.withUnsafeBufferPointer { x in
            unsafe outputGradient.withUnsafeBufferPointer { dy in
                unsafe inputGradient.withUnsafeMutableBufferPointer { dx in
                    guard let valid else {
                        return unsafe backward(x: x, outputGradient: dy, inputGradient: dx)
                    }
                    unsafe valid.withUnsafeBufferPointer {
                        unsafe backward(valid: $0, x: x, outputGradient: dy, inputGradient: dx)
                    }
                }
            }
        }
    }

    /// Rows normalized by the running averages: `inference(x:y:)`.
    public func inference(_ x: Span<Float>, into y: inout MutableSpan<Float>) {
        unsafe x.withUnsafeBufferPointer { x in
            unsafe y.withUnsafeMutableBufferPointer { unsafe inference(x: x, y: $0) }
        }
    }
}
