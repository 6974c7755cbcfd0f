/// A number with its derivative along one direction: what the complex step of Squire and Trapp 1998
/// gives as its step goes to zero. A formula of `Scalar`s evaluated with it gives its derivative
/// beside its value.
public struct Dual: Scalar {
    public var value: Double
    public var derivative: Double

    public init(_ value: Double, derivative: Double) {
        self.value = value
        self.derivative = derivative
    }

    public init(_ value: Double) { self.init(value, derivative: 0) }

    public init(integerLiteral value: Int) { self.init(Double(value)) }
    public init?(exactly source: some BinaryInteger) {
        guard let value = Double(exactly: source) else { return nil }
        self.init(value)
    }

    public var magnitude: Double { value.magnitude }

    public static func + (a: Dual, b: Dual) -> Dual {
        Dual(a.value + b.value, derivative: a.derivative + b.derivative)
    }
    public static func - (a: Dual, b: Dual) -> Dual {
        Dual(a.value - b.value, derivative: a.derivative - b.derivative)
    }
    public static func * (a: Dual, b: Dual) -> Dual {
        Dual(a.value * b.value, derivative: a.derivative * b.value + a.value * b.derivative)
    }
    public static func *= (a: inout Dual, b: Dual) { a = a * b }
    public static func / (a: Dual, b: Dual) -> Dual {
        let quotient = a.value / b.value
        return Dual(quotient, derivative: (a.derivative - quotient * b.derivative) / b.value)
    }

    public static func sqrt(_ x: Dual) -> Dual {
        let y = Double.sqrt(x.value)
        return Dual(y, derivative: x.derivative / (2 * y))
    }
    public static func exp(_ x: Dual) -> Dual {
        let y = Double.exp(x.value)
        return Dual(y, derivative: y * x.derivative)
    }
    public static func log(onePlus x: Dual) -> Dual {
        Dual(Double.log(onePlus: x.value), derivative: x.derivative / (1 + x.value))
    }
    public static func tanh(_ x: Dual) -> Dual {
        let y = Double.tanh(x.value)
        return Dual(y, derivative: (1 - y * y) * x.derivative)
    }
    public static func sigmoid(_ x: Dual) -> Dual {
        let y = Double.sigmoid(x.value)
        return Dual(y, derivative: y * (1 - y) * x.derivative)
    }
    public static func normalDistribution(_ x: Dual) -> Dual {
        Dual(
            Double.normalDistribution(x.value),
            derivative: x.derivative * Double.exp(-(x.value * x.value) / 2)
                / Double.sqrt(2 * Double.pi))
    }
    public static func relu(_ x: Dual) -> Dual { x.value > 0 ? x : 0 }
    public static func heaviside(_ x: Dual) -> Dual { x.value > 0 ? 1 : 0 }
    public static func clamp(_ x: Dual, _ most: Double) -> Dual {
        x.value.magnitude < most ? x : Dual(Double.clamp(x.value, most))
    }
    public static func clampDerivative(_ x: Dual, _ most: Double) -> Dual {
        x.value.magnitude < most ? 1 : 0
    }
}
