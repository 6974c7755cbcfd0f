internal import CRecurrent

/// How the gradient is made small enough before an update uses it.
public struct GradientClip: Hashable, Sendable {
    /// The largest global norm: the gradient times max / (norm + 1e-6), where that is below 1
    /// (PyTorch).
    public let norm: Double?
    /// The largest magnitude of each element.
    public let value: Double?

    /// - Precondition: both, where given, are positive normal floats.
    public init(norm: Double? = nil, value: Double? = nil) {
        let limits = [norm, value].compactMap(\.self)
        require(
            limits.allSatisfy { $0 > 0 && $0.fitsFloat },
            """
            clip: expected positive limits, \(Double.floatRange), found norm \(norm ?? 1), \
            value \(value ?? 1)
            """)
        self.norm = norm
        self.value = value
    }

    /// No limit.
    public static let none = GradientClip()

    /// What to multiply a gradient of this norm by.
    func coefficient(of found: Double) -> Double {
        norm.map { recurrent_clip_coefficient(found, $0, recurrent_clip_epsilon) } ?? 1
    }

    func rule(scale: Double) -> recurrent_gradient_rule {
        recurrent_gradient_rule(scale: scale, clip_value: value ?? .infinity)
    }
}

extension EpsilonPlace {
    var cValue: recurrent_epsilon_place {
        switch self {
        case .outside: recurrent_epsilon_outside
        case .inside: recurrent_epsilon_inside
        case .uncorrected: recurrent_epsilon_uncorrected
        }
    }
}

extension MomentumConvention {
    var cValue: recurrent_momentum {
        self == .buffer ? recurrent_momentum_buffer : recurrent_momentum_velocity
    }
}

extension Kernels {
    /// Blocks of partial sums that `sumOfSquares` writes for `count` floats. C counterpart:
    /// `recurrent_squares_blocks`.
    public static func squaresBlockCount(_ count: Int) -> Int { recurrent_squares_blocks(count) }

    /// The squares of `count` floats, summed in Double, one partial sum for each block. Kernel:
    /// `sum_of_squares`.
    public func sumOfSquares(
        _ count: Int, x: UnsafePointer<Float>, partial: UnsafeMutablePointer<Double>,
        partition: Partition = .all
    ) {
        unsafe table.pointee.sum_of_squares(count, x, partial, partition.cValue)
    }

    /// The norm whose squares `sumOfSquares` has summed. Kernel: `global_norm`.
    public func globalNorm(blocks: Int, partial: UnsafePointer<Double>) -> Double {
        var norm = 0.0
        unsafe table.pointee.global_norm(blocks, partial, &norm)
        return norm
    }

    /// Adds the gradient of the regularization by `count` parameters; `partial` becomes the
    /// regularization, one partial sum for each block of `sumOfSquares`. Kernel:
    /// `add_norm_penalty`.
    public func addNormPenalty(
        _ regularization: Regularization, _ count: Int, parameters: UnsafePointer<Float>,
        gradient: UnsafeMutablePointer<Float>, partial: UnsafeMutablePointer<Double>,
        partition: Partition = .all
    ) {
        unsafe table.pointee.add_norm_penalty(
            count, regularization.l1, regularization.l2, parameters, gradient, partial,
            partition.cValue
        )
    }

    /// The inner product of `count` floats, summed in Double, one partial sum for each block of
    /// `sumOfSquares`. Kernel: `dot_product`.
    public func dotProduct(
        _ count: Int, _ x: UnsafePointer<Float>, _ y: UnsafePointer<Float>,
        partial: UnsafeMutablePointer<Double>,
        partition: Partition = .all
    ) {
        unsafe table.pointee.dot_product(count, x, y, partial, partition.cValue)
    }

    /// z = a x + b y, a and b as floats; z may be x or y. Kernel: `linear_combination`.
    public func linearCombination(
        _ count: Int, _ a: Double, _ x: UnsafePointer<Float>, _ b: Double,
        _ y: UnsafePointer<Float>,
        z: UnsafeMutablePointer<Float>, partition: Partition = .all
    ) {
        unsafe table.pointee.linear_combination(count, a, x, b, y, z, partition.cValue)
    }

    /// x = value. Kernel: `fill`.
    public func fill(
        _ count: Int, _ value: Float, x: UnsafeMutablePointer<Float>, partition: Partition = .all
    ) {
        unsafe table.pointee.fill(count, value, x, partition.cValue)
    }

    /// One update of `count` parameters, in one pass: the gradient is scaled, clipped, used and set
    /// to zero. Kernels: those of the rules, `sgd_update` and so on.
    ///
    /// - Parameters:
    ///   - scale: what the gradient is multiplied by first.
    ///   - moments: `optimizer.momentCount` buffers of `count` floats that lie `momentStride`
    ///     floats apart.
    ///   - step: 1 in the first update.
    ///   - gradient: in Nesterov's look-ahead form that at θ + μ v, which `linearCombination` makes
    ///     of the parameters and the first moment.
    public func update(
        _ optimizer: Optimizer, _ count: Int, scale: Double, clip: GradientClip = .none, step: Int,
        parameters: UnsafeMutablePointer<Float>, gradient: UnsafeMutablePointer<Float>,
        moments: UnsafeMutablePointer<Float>, momentStride: Int, partition: Partition = .all
    ) {
        var update = unsafe UpdateBuffers(
            table: table, count: count, rule: clip.rule(scale: scale), step: step,
            parameters: parameters, gradient: gradient, moments: moments,
            momentStride: momentStride, partition: partition.cValue)
        var rule = optimizer
        unsafe rule.apply(&update)
    }
}

/// What the kernel of a rule is called with.
@unsafe struct UpdateBuffers: RuleOperation {
    let table: UnsafePointer<recurrent_kernels>
    let count: Int, rule: recurrent_gradient_rule, step: Int
    let parameters: UnsafeMutablePointer<Float>, gradient: UnsafeMutablePointer<Float>
    let moments: UnsafeMutablePointer<Float>, momentStride: Int
    let partition: recurrent_partition

    mutating func apply(to rule: inout some OptimizerRule) { unsafe rule.update(self) }

    func moment(_ index: Int) -> UnsafeMutablePointer<Float> {
        unsafe moments + index * momentStride
    }
}

/// base^exponent by squaring: the same bits on every machine, unlike a library's `pow`.
func integerPower(_ base: Double, _ exponent: Int) -> Double {
    var (result, square, left) = (1.0, base, exponent)
    while left > 0 {
        if left & 1 == 1 { result *= square }
        square *= square
        left >>= 1
    }
    return result
}
