internal import CRecurrent

/// A nonlinear function of each element.
///
/// C counterpart: `recurrent_activation`; activations.h has each with its source.
public enum Activation: String, CaseIterable, Sendable {
    case tanh
    /// σ(x) = 1 / (1 + e^-x)
    case sigmoid
    /// max(x, 0)
    case relu
    /// x, or the parameter times x where x < 0: Maas, Hannun and Ng 2013.
    case leakyReLU
    /// x, or the parameter times (e^x - 1) where x < 0: Clevert, Unterthiner and Hochreiter 2016.
    case elu
    /// min(max(x, -1), 1)
    case hardTanh
    /// min(max(x/5 + 1/2, 0), 1): ONNX, Keras 2.
    case hardSigmoidFifth
    /// min(max(x/6 + 1/2, 0), 1): PyTorch, Keras 3.
    case hardSigmoidSixth
    /// x σ(x), also known as swish.
    case silu
    /// x Φ(x), Φ the normal distribution: Hendrycks and Gimpel 2016.
    case gelu
    /// x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))), which they give for it.
    case geluTanh
    /// ln(1 + e^x): Dugas, Bengio, Bélisle, Nadeau and Garcia 2001.
    case softplus

    /// The part of a negative x that `leakyReLU` passes on unless told otherwise: PyTorch's.
    public static let negativeSlope: Float = 0.01

    /// What the parameter of `leakyReLU` or `elu` is unless told otherwise: PyTorch's; 0 for
    /// others, which have none.
    public var defaultParameter: Float {
        self == .leakyReLU ? Self.negativeSlope : self == .elu ? 1 : 0
    }

    /// Whether the derivative is computed from x; otherwise it is from y, and y may be written over
    /// x.
    public var derivativeReadsX: Bool { recurrent_activation_reads_x(cValue) != 0 }

    /// Those that recurrent cells may have: those of which the output says the derivative.
    public static let ofCells = allCases.filter { !$0.derivativeReadsX }

    init(_ activation: recurrent_activation) {
        self = Self.allCases.first { $0.cValue == activation }!
    }

    var cValue: recurrent_activation {
        switch self {
        case .tanh: .tanh
        case .sigmoid: .sigmoid
        case .relu: .relu
        case .leakyReLU: .leaky_relu
        case .elu: .elu
        case .hardTanh: .hard_tanh
        case .hardSigmoidFifth: .hard_sigmoid_fifth
        case .hardSigmoidSixth: .hard_sigmoid_sixth
        case .silu: .silu
        case .gelu: .gelu
        case .geluTanh: .gelu_tanh
        case .softplus: .softplus
        }
    }
}

func requireOfCells(_ activation: Activation) {
    require(
        Activation.ofCells.contains(activation),
        """
        cell: expected an activation of cells, \
        \(Activation.ofCells.map(\.rawValue).joined(separator: ", ")), found \
        \(activation.rawValue)
        """)
}

/// An activation of the gates of a cell, its candidate apart: Keras' `recurrent_activation`.
///
/// C counterpart: `recurrent_gate_activation`.
public enum GateActivation: String, CaseIterable, Sendable {
    /// σ(x) = 1 / (1 + e^-x), the usual one.
    case sigmoid
    case tanh
    case relu
    /// min(max(x/5 + 1/2, 0), 1): ONNX, Keras 2.
    case hardSigmoidFifth
    /// min(max(x/6 + 1/2, 0), 1): PyTorch, Keras 3.
    case hardSigmoidSixth

    init(_ activation: recurrent_gate_activation) {
        self = Self.allCases.first { $0.cValue == activation }!
    }

    var cValue: recurrent_gate_activation {
        switch self {
        case .sigmoid: .sigmoid
        case .tanh: .tanh
        case .relu: .relu
        case .hardSigmoidFifth: .hard_sigmoid_fifth
        case .hardSigmoidSixth: .hard_sigmoid_sixth
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
    ///   - parameter: of `leakyReLU`, in 0...1, or `elu`; `defaultParameter` where it is nil.
    ///   - x: [M][16 ⌈N/16⌉].
    ///   - y: likewise, written.
    public func activationForward(
        _ shape: RowsShape, _ activation: Activation, parameter: Float? = nil,
        x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>, partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.activation_forward(
            &shape, activation.cValue, parameter ?? activation.defaultParameter, x, y,
            partition.cValue)
    }

    /// The gradient with respect to x. Kernel: `activation_backward`.
    ///
    /// - Parameters:
    ///   - x: what `activationForward` read, where `activation.derivativeReadsX`.
    ///   - y: what it gave, where not.
    ///   - inputGradient: written; may be `outputGradient`, `x` or `y`.
    public func activationBackward(
        _ shape: RowsShape, _ activation: Activation, parameter: Float? = nil,
        x: UnsafePointer<Float>? = nil, y: UnsafePointer<Float>? = nil,
        outputGradient: UnsafePointer<Float>, inputGradient: UnsafeMutablePointer<Float>,
        partition: Partition = .all
    ) {
        let readsX = activation.derivativeReadsX
        let isThere = unsafe (readsX ? x : y) != nil
        require(
            isThere,
            """
            activationBackward of \(activation.rawValue): expected \(readsX ? "x" : "y"), found nil
            """
        )
        var shape = shape.cValue
        unsafe table.pointee.activation_backward(
            &shape, activation.cValue, parameter ?? activation.defaultParameter, x, y,
            outputGradient, inputGradient, partition.cValue)
    }

    /// The gradient with respect to the logits of `softmax`, from its probabilities. Kernel:
    /// `softmax_backward`.
    ///
    /// - Parameter logitsGradient: written; may be `probabilities` or `probabilityGradient`.
    public func softmaxBackward(
        _ shape: RowsShape, probabilities: UnsafePointer<Float>,
        probabilityGradient: UnsafePointer<Float>,
        logitsGradient: UnsafeMutablePointer<Float>, partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.softmax_backward(
            &shape, probabilities, probabilityGradient, logitsGradient, partition.cValue)
    }
}
