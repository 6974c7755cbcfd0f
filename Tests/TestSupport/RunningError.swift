public import RecurrentReference

/// A value, and a bound for the error of a float32 computation of it: running error analysis
/// (Wilkinson 1963; Higham 2002, "Accuracy and Stability of Numerical Algorithms", section 3.3).
/// The reference evaluated with this type gives each element's bound.
///
/// With u = 2^-24, each operation adds u |result|, plus half of the smallest subnormal where a
/// product may underflow. A sum of n products may be one chain of fused multiply-adds, or several
/// chains that are added in the end: no term is rounded more than n times (where chains are many,
/// they are short), and each of these errors is at most u Σ |terms|.
public struct RunningError: Scalar {
    public var value: Double
    public var error: Double

    public init(_ value: Double, error: Double) {
        self.value = value
        self.error = error
    }

    public init(_ value: Double) { self.init(value, error: 0) }

    static let unit = 0x1p-24
    static let underflow = 0x1p-150
    /// tanh and sigmoid are promised within 2 ULP, a ULP being at most 2^-23 of the value, or the
    /// smallest subnormal.
    static let functionError = 2 * 0x1p-23, functionUnderflow = 2 * 0x1p-149

    static func rounded(_ value: Double, error: Double, underflow: Double = 0) -> RunningError {
        RunningError(value, error: error + unit * (value.magnitude + error) + underflow)
    }

    public static func + (a: RunningError, b: RunningError) -> RunningError {
        rounded(a.value + b.value, error: a.error + b.error)
    }
    public static func - (a: RunningError, b: RunningError) -> RunningError {
        rounded(a.value - b.value, error: a.error + b.error)
    }
    public static prefix func - (a: RunningError) -> RunningError {
        RunningError(-a.value, error: a.error)
    }
    public static func * (a: RunningError, b: RunningError) -> RunningError {
        let error = a.value.magnitude * b.error + b.value.magnitude * a.error + a.error * b.error
        return rounded(a.value * b.value, error: error, underflow: underflow)
    }
    public static func / (a: RunningError, b: RunningError) -> RunningError {
        let quotient = a.value / b.value
        let least = b.value.magnitude - b.error
        precondition(least > 0, "division by what may be zero")
        return rounded(
            quotient, error: (a.error + quotient.magnitude * b.error) / least, underflow: underflow)
    }
    public static func *= (a: inout RunningError, b: RunningError) { a = a * b }

    /// An increasing function: its values at both ends of the argument's interval bound the error
    /// that it passes on.
    private static func increasing(_ function: (Double) -> Double, _ x: RunningError)
        -> RunningError
    {
        let value = function(x.value)
        let passed = max(function(x.value + x.error) - value, value - function(x.value - x.error))
        return RunningError(
            value, error: passed + functionError * (value.magnitude + passed) + functionUnderflow)
    }
    public static func sqrt(_ x: RunningError) -> RunningError {
        let root = x.value.squareRoot()
        return rounded(
            root,
            error: max(
                (x.value + x.error).squareRoot() - root,
                root - max(x.value - x.error, 0).squareRoot()))
    }
    public static func exp(_ x: RunningError) -> RunningError { increasing(Double.exp, x) }
    public static func log(onePlus x: RunningError) -> RunningError {
        increasing({ Double.log(onePlus: $0) }, x)
    }
    public static func tanh(_ x: RunningError) -> RunningError { increasing(Double.tanh, x) }
    public static func sigmoid(_ x: RunningError) -> RunningError { increasing(Double.sigmoid, x) }

    /// GELU's factor is promised within 5 ULP.
    public static func normalDistribution(_ x: RunningError) -> RunningError {
        var y = increasing(Double.normalDistribution, x)
        y.error += 3 * (0x1p-23 * y.value + 0x1p-149)
        return y
    }

    /// The larger one: no error grows.
    public static func relu(_ x: RunningError) -> RunningError {
        x.value + x.error > 0 ? RunningError(max(x.value, 0), error: x.error) : RunningError(0)
    }

    public static func larger(_ a: RunningError, _ b: RunningError) -> RunningError {
        RunningError(max(a.value, b.value), error: max(a.error, b.error))
    }

    /// Below this, averages of gradients become zero, and parameters that decay; see update.h.
    static let momentLeast = 0x1p-100
    /// The least average of squares.
    static let squareLeast = 0x1p-120

    public static func mean(_ x: RunningError) -> RunningError {
        let magnitude = x.value.magnitude
        let mayBeZero = magnitude > 0 && magnitude - x.error < momentLeast
        // A little more, so that its sign is not certain either.
        return RunningError(x.value, error: mayBeZero ? max(x.error, magnitude.nextUp) : x.error)
    }
    public static func square(_ x: RunningError) -> RunningError {
        let least = squareLeast - x.value
        return RunningError(x.value, error: max(x.error, least))
    }

    /// No error grows, and none is left of what is clamped for certain.
    public static func clamp(_ x: RunningError, _ most: Double) -> RunningError {
        let value = Double.clamp(x.value, most)
        return RunningError(
            value,
            error: max(
                Double.clamp(x.value + x.error, most) - value,
                value - Double.clamp(x.value - x.error, most)))
    }

    /// Where the error leaves open whether it is clamped, it may be either.
    public static func clampDerivative(_ x: RunningError, _ most: Double) -> RunningError {
        let (magnitude, slope) = (x.value.magnitude, Double.clampDerivative(x.value, most))
        return RunningError(
            slope, error: magnitude - x.error < most && magnitude + x.error >= most ? 1 : 0)
    }

    /// Where the error leaves the sign open, it may be either.
    public static func heaviside(_ x: RunningError) -> RunningError {
        RunningError(x.value > 0 ? 1 : 0, error: x.value.magnitude < x.error ? 1 : 0)
    }

    public static func sum(_ start: RunningError, _ runs: [(a: [RunningError], b: [RunningError])])
        -> RunningError
    {
        var value = start.value
        var error = start.error
        var magnitudes = start.value.magnitude + start.error
        var terms = 0
        for (a, b) in runs {
            let count = min(a.count, b.count)
            terms += count
            for k in 0..<count {
                let (x, y) = (a[k], b[k])
                let (xMagnitude, yMagnitude) = (x.value.magnitude, y.value.magnitude)
                let passed = xMagnitude * y.error + yMagnitude * x.error + x.error * y.error
                value += x.value * y.value
                error += passed
                magnitudes += xMagnitude * yMagnitude + passed
            }
        }
        guard terms > 0 else { return start }
        return RunningError(value, error: error + Double(terms) * (unit * magnitudes + underflow))
    }

    // What SignedNumeric asks for beside the arithmetic.
    public var magnitude: Double { value.magnitude }
    public init?(exactly source: some BinaryInteger) {
        guard let value = Double(exactly: source) else { return nil }
        self.init(value)
    }
    public init(integerLiteral value: Int) { self.init(Double(value)) }
}
