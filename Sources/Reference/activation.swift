/// A nonlinear function of each element, f.
public enum Activation: Hashable, CaseIterable, Sendable {
    case tanh, sigmoid, relu
    /// Maas, Hannun and Ng 2013.
    case leakyReLU(slope: Double)

    public static let allCases: [Activation] = [.tanh, .sigmoid, .relu, .leakyReLU(slope: 0.25)]

    /// f(z)
    public func callAsFunction<S: Scalar>(_ z: S) -> S {
        switch self {
        case .tanh: S.tanh(z)
        case .sigmoid: S.sigmoid(z)
        case .relu: S.relu(z)
        case .leakyReLU(let slope): S.relu(z) - S(slope) * S.relu(-z)
        }
    }

    /// f'(z), where y = f(z).
    public func derivative<S: Scalar>(y: S) -> S {
        switch self {
        case .tanh: 1 - y * y
        case .sigmoid: y * (1 - y)
        case .relu: S.heaviside(y)
        case .leakyReLU(let slope): S.heaviside(y) + S(slope) * (1 - S.heaviside(y))
        }
    }
}
