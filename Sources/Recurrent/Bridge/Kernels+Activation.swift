internal import CRecurrent

/// A nonlinear function of each element.
///
/// C counterpart: `recurrent_activation`.
public enum Activation: String, CaseIterable, Sendable {
    case tanh
    /// σ(z) = 1 / (1 + e^-z)
    case sigmoid
    /// max(z, 0)
    case relu
    /// z, or a part of it where z < 0, the negative slope: Maas, Hannun and Ng 2013.
    case leakyReLU

    /// The part of a negative z that `leakyReLU` passes on unless told otherwise: PyTorch's.
    public static let negativeSlope: Float = 0.01

    var cValue: recurrent_activation {
        switch self {
        case .tanh: recurrent_activation_tanh
        case .sigmoid: recurrent_activation_sigmoid
        case .relu: recurrent_activation_relu
        case .leakyReLU: recurrent_activation_leaky_relu
        }
    }
}

extension Kernels {
    /// y = f(x), in place where both are the same. Kernel: `activation_forward`.
    ///
    /// A dense layer is `denseForward` and then this; with one output and the sigmoid it is
    /// `SigmoidNeuron`.
    ///
    /// - Parameters:
    ///   - negativeSlope: of `leakyReLU`, in 0...1.
    ///   - x: [M][16 ⌈N/16⌉].
    ///   - y: likewise, written.
    public func activationForward(
        _ shape: RowsShape, _ activation: Activation,
        negativeSlope: Float = Activation.negativeSlope,
        x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>, share: Share = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.activation_forward(
            &shape, activation.cValue, negativeSlope, x, y, share.cValue)
    }

    /// The gradient by x, from the y that `activationForward` gave. Kernel: `activation_backward`.
    ///
    /// - Parameter inputGradient: written; may be `outputGradient` or `y`.
    public func activationBackward(
        _ shape: RowsShape, _ activation: Activation,
        negativeSlope: Float = Activation.negativeSlope,
        y: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
        inputGradient: UnsafeMutablePointer<Float>,
        share: Share = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.activation_backward(
            &shape, activation.cValue, negativeSlope, y, outputGradient, inputGradient, share.cValue
        )
    }

    /// The gradient with respect to the logits of `softmax`, from its probabilities. Kernel:
    /// `softmax_backward`.
    ///
    /// - Parameter logitsGradient: written; may be `probabilities` or `probabilityGradient`.
    public func softmaxBackward(
        _ shape: RowsShape, probabilities: UnsafePointer<Float>,
        probabilityGradient: UnsafePointer<Float>,
        logitsGradient: UnsafeMutablePointer<Float>, share: Share = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.softmax_backward(
            &shape, probabilities, probabilityGradient, logitsGradient, share.cValue)
    }
}
