internal import CRecurrent

/// What the running variance of batch normalization is an average of: v is the variance of a batch,
/// L its rows.
public enum VarianceEstimate: CaseIterable, Sendable {
    /// v L/(L - 1): PyTorch; Ioffe and Szegedy 2015, algorithm 2.
    case unbiased
    /// v: Keras, TensorFlow, ONNX.
    case biased

    var cValue: recurrent_variance {
        switch self {
        case .unbiased: recurrent_variance_unbiased
        case .biased: recurrent_variance_biased
        }
    }
}

extension Kernels {
    /// Batch normalization in training, y = γ (x - μ) / √(v + ε) + β, with the mean and the
    /// variance of each unit over the rows; their running averages go a part `momentum` of the way.
    /// Kernel: `batch_normalization_forward`.
    ///
    /// - Parameters:
    ///   - valid: [M], or nil: rows where it is zero have no part in anything.
    ///   - epsilon: ε, above zero.
    ///   - estimate: what the running variance is an average of.
    ///   - x: [M][16 ⌈N/16⌉].
    ///   - gamma, beta, runningMean, runningVariance: [16 ⌈N/16⌉]; the latter two are updated.
    ///   - mean, inverseDeviation: [16 ⌈N/16⌉], written: the tape.
    ///   - y: as x, written.
    public func batchNormalizationForward(
        _ shape: RowsShape, valid: UnsafePointer<Int32>?, epsilon: Float, momentum: Float,
        estimate: VarianceEstimate = .unbiased,
        x: UnsafePointer<Float>, gamma: UnsafePointer<Float>, beta: UnsafePointer<Float>,
        runningMean: UnsafeMutablePointer<Float>,
        runningVariance: UnsafeMutablePointer<Float>, mean: UnsafeMutablePointer<Float>,
        inverseDeviation: UnsafeMutablePointer<Float>, y: UnsafeMutablePointer<Float>,
        partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.batch_normalization_forward(
            &shape, valid, epsilon, momentum, estimate.cValue, x, gamma, beta, runningMean,
            runningVariance, mean, inverseDeviation, y, partition.cValue)
    }

    /// Batch normalization with the running mean and variance that training has found; in place
    /// where x and y are the same. Kernel: `batch_normalization_inference`.
    public func batchNormalizationInference(
        _ shape: RowsShape, epsilon: Float, x: UnsafePointer<Float>, gamma: UnsafePointer<Float>,
        beta: UnsafePointer<Float>,
        runningMean: UnsafePointer<Float>, runningVariance: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>, partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.batch_normalization_inference(
            &shape, epsilon, x, gamma, beta, runningMean, runningVariance, y, partition.cValue)
    }

    /// The gradient of `batchNormalizationForward`: adds those by γ and β, and writes that by x.
    /// Kernel: `batch_normalization_backward`.
    ///
    /// - Parameter inputGradient: written; may be `outputGradient`.
    public func batchNormalizationBackward(
        _ shape: RowsShape, valid: UnsafePointer<Int32>?, x: UnsafePointer<Float>,
        gamma: UnsafePointer<Float>, mean: UnsafePointer<Float>,
        inverseDeviation: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
        gammaGradient: UnsafeMutablePointer<Float>,
        betaGradient: UnsafeMutablePointer<Float>, inputGradient: UnsafeMutablePointer<Float>,
        partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.batch_normalization_backward(
            &shape, valid, x, gamma, mean, inverseDeviation, outputGradient, gammaGradient,
            betaGradient, inputGradient, partition.cValue)
    }

    /// Layer normalization, y = γ (x - μ) / √(v + ε) + β, with the mean and the variance of each
    /// row over its units. Kernel: `layer_normalization_forward`.
    ///
    /// - Parameters:
    ///   - epsilon: ε, above zero.
    ///   - x: [M][16 ⌈N/16⌉].
    ///   - gamma, beta: [16 ⌈N/16⌉].
    ///   - mean, inverseDeviation: [M], written: the tape.
    ///   - y: as x, written.
    public func layerNormalizationForward(
        _ shape: RowsShape, epsilon: Float, x: UnsafePointer<Float>, gamma: UnsafePointer<Float>,
        beta: UnsafePointer<Float>,
        mean: UnsafeMutablePointer<Float>, inverseDeviation: UnsafeMutablePointer<Float>,
        y: UnsafeMutablePointer<Float>, partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.layer_normalization_forward(
            &shape, epsilon, x, gamma, beta, mean, inverseDeviation, y, partition.cValue)
    }

    /// The gradient of `layerNormalizationForward` by x. Kernel:
    /// `layer_normalization_backward_input`.
    ///
    /// - Parameter inputGradient: written; may be `outputGradient`.
    public func layerNormalizationBackwardInput(
        _ shape: RowsShape, x: UnsafePointer<Float>, gamma: UnsafePointer<Float>,
        mean: UnsafePointer<Float>,
        inverseDeviation: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
        inputGradient: UnsafeMutablePointer<Float>,
        partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.layer_normalization_backward_input(
            &shape, x, gamma, mean, inverseDeviation, outputGradient, inputGradient,
            partition.cValue)
    }

    /// Adds the gradients of `layerNormalizationForward` by γ and β. Kernel:
    /// `layer_normalization_backward_parameters`.
    public func layerNormalizationBackwardParameters(
        _ shape: RowsShape, x: UnsafePointer<Float>, mean: UnsafePointer<Float>,
        inverseDeviation: UnsafePointer<Float>,
        outputGradient: UnsafePointer<Float>, gammaGradient: UnsafeMutablePointer<Float>,
        betaGradient: UnsafeMutablePointer<Float>,
        partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.layer_normalization_backward_parameters(
            &shape, x, mean, inverseDeviation, outputGradient, gammaGradient,
            betaGradient, partition.cValue)
    }
}
