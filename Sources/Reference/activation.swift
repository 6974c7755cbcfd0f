/// A nonlinear function of each element, f.
public enum Activation: Hashable, CaseIterable, Sendable {
    case tanh, sigmoid, relu
    /// Maas, Hannun and Ng 2013.
    case leakyReLU(slope: Double)
    /// Clevert, Unterthiner and Hochreiter 2016.
    case elu(alpha: Double)
    /// min(max(z, -1), 1)
    case hardTanh
    /// min(max(z/5 + 1/2, 0), 1): ONNX, Keras 2.
    case hardSigmoidFifth
    /// min(max(z/6 + 1/2, 0), 1): PyTorch, Keras 3.
    case hardSigmoidSixth
    /// z σ(z)
    case silu
    /// z Φ(z), Φ the normal distribution: Hendrycks and Gimpel 2016.
    case gelu
    /// z/2 (1 + tanh(√(2/π) (z + 0.044715 z³))), which they give for it.
    case geluTanh
    /// ln(1 + e^z): Dugas, Bengio, Bélisle, Nadeau and Garcia 2001.
    case softplus

    public static let allCases: [Activation] = [
        .tanh, .sigmoid, .relu, .leakyReLU(slope: 0.25), .elu(alpha: 0.25), .hardTanh,
        .hardSigmoidFifth, .hardSigmoidSixth, .silu, .gelu, .geluTanh, .softplus,
    ]
    /// Those that cells may have.
    public static let ofCells = allCases.filter { !$0.derivativeReadsX }

    /// f(z)
    public func callAsFunction<S: Scalar>(_ z: S) -> S {
        switch self {
        case .tanh: S.tanh(z)
        case .sigmoid: S.sigmoid(z)
        case .relu: S.relu(z)
        case .leakyReLU(let slope): S.relu(z) - S(slope) * S.relu(-z)
        case .elu(let alpha): S.relu(z) + S(alpha) * Self.expMinusOne(-S.relu(-z))
        case .hardTanh: S.clamp(z, 1)
        case .hardSigmoidFifth: (S.clamp(z, 2.5) + S(2.5)) / 5
        case .hardSigmoidSixth: (S.clamp(z, 3) + 3) / 6
        case .silu: z * S.sigmoid(z)
        case .gelu: z * S.normalDistribution(z)
        case .softplus: S.relu(z) + S.log(onePlus: S.exp(-(S.relu(z) + S.relu(-z))))
        case .geluTanh: z * S.sigmoid(Self.twiceRootTwoOverPi() * (z + S(0.044715) * z * z * z))
        }
    }

    /// f'(z), where z = x; where f has a bend, what the flatter side has, or the left one.
    public func derivative<S: Scalar>(x: S) -> S {
        switch self {
        case .elu(let alpha):
            S.heaviside(x) + (1 - S.heaviside(x)) * S(alpha) * S.exp(-S.relu(-x))
        case .silu: Self.derivative(x, gate: S.sigmoid(x), slope: 1)
        case .gelu:
            S.normalDistribution(x)
                + x * S.exp(-(x * x) / 2) / S.sqrt(2 * S(Double.pi))
        case .softplus: S.sigmoid(x)
        case .geluTanh:
            Self.derivative(
                x, gate: S.sigmoid(Self.twiceRootTwoOverPi() * (x + S(0.044715) * x * x * x)),
                slope: Self.twiceRootTwoOverPi() * (1 + S(3 * 0.044715) * x * x))
        case .tanh, .sigmoid, .relu, .leakyReLU, .hardTanh, .hardSigmoidFifth, .hardSigmoidSixth:
            derivative(y: self(x))
        }
    }

    /// f'(z), where y = f(z).
    ///
    /// - Precondition: y says what z is, or at least what f' is: `derivativeReadsX` is false.
    public func derivative<S: Scalar>(y: S) -> S {
        switch self {
        case .tanh: 1 - y * y
        case .sigmoid: y * (1 - y)
        case .relu: S.heaviside(y)
        case .leakyReLU(let slope): S.heaviside(y) + S(slope) * (1 - S.heaviside(y))
        case .hardTanh: S.clampDerivative(y, 1)
        case .hardSigmoidFifth: S.heaviside(y) * S.heaviside(1 - y) / 5
        case .hardSigmoidSixth: S.heaviside(y) * S.heaviside(1 - y) / 6
        case .elu, .silu, .gelu, .geluTanh, .softplus:
            preconditionFailure("\(self): expected x, found y")
        }
    }

    /// Whether the derivative is a function of x, and not of y alone.
    public var derivativeReadsX: Bool {
        switch self {
        case .elu, .silu, .gelu, .geluTanh, .softplus: true
        case .tanh, .sigmoid, .relu, .leakyReLU, .hardTanh, .hardSigmoidFifth, .hardSigmoidSixth:
            false
        }
    }

    /// e^z - 1 = (e^z + 1) tanh(z/2), which loses nothing where z is small.
    private static func expMinusOne<S: Scalar>(_ z: S) -> S { (S.exp(z) + 1) * S.tanh(z / 2) }

    private static func twiceRootTwoOverPi<S: Scalar>() -> S { S((8 / Double.pi).squareRoot()) }

    /// The derivative of x σ(z), where `gate` is σ(z) and `slope` the derivative of z.
    private static func derivative<S: Scalar>(_ x: S, gate: S, slope: S) -> S {
        gate * (1 + x * slope * (1 - gate))
    }
}
