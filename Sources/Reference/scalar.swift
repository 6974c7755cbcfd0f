/// The arithmetic that the formulas need. They are written for any such type, so that the tests can
/// also evaluate them with complex numbers (the complex step), or with numbers that carry a bound
/// of their rounding error.
public protocol Scalar: SignedNumeric, Sendable {
    init(_ value: Double)
    static func / (a: Self, b: Self) -> Self
    static func sqrt(_ x: Self) -> Self
    static func exp(_ x: Self) -> Self
    static func tanh(_ x: Self) -> Self

    /// 1 / (1 + e^-x)
    static func sigmoid(_ x: Self) -> Self

    /// ln(1 + x), which loses nothing where x is small.
    static func log(onePlus x: Self) -> Self

    /// Φ(x), the integral of the normal distribution up to x.
    static func normalDistribution(_ x: Self) -> Self

    /// max(x, 0)
    static func relu(_ x: Self) -> Self

    /// 1 where x > 0, else 0: the derivative of `relu`, which at zero is taken to be zero.
    static func heaviside(_ x: Self) -> Self

    /// min(max(x, -most), most)
    static func clamp(_ x: Self, _ most: Double) -> Self

    /// 1 where |x| < most, else 0: the derivative of `clamp`, from its argument or its value; where
    /// they are `most` it is taken to be zero.
    static func clampDerivative(_ x: Self, _ most: Double) -> Self

    /// max(a, b)
    static func larger(_ a: Self, _ b: Self) -> Self

    /// x, a running average or a momentum, as it is kept between steps: kernels make zero of what
    /// is tiny.
    static func mean(_ x: Self) -> Self

    /// x, an average or sum of squares, as it is kept between steps: kernels' have a least value.
    static func square(_ x: Self) -> Self

    /// start + Σ a b over every run, each run as long as its shorter array.
    static func sum(_ start: Self, _ runs: [(a: [Self], b: [Self])]) -> Self
}

extension Scalar {
    public static func sigmoid(_ x: Self) -> Self { 1 / (1 + exp(-x)) }
    public static func larger(_ a: Self, _ b: Self) -> Self { b + relu(a - b) }
    public static func mean(_ x: Self) -> Self { x }
    public static func square(_ x: Self) -> Self { x }

    public static func sum(_ start: Self, _ runs: [(a: [Self], b: [Self])]) -> Self {
        var sum = start
        for (a, b) in runs {
            for k in 0..<min(a.count, b.count) { sum += a[k] * b[k] }
        }
        return sum
    }
}

/// The columns of a matrix as rows.
func transposed<S>(_ matrix: [[S]]) -> [[S]] {
    guard let first = matrix.first else { return [] }
    return first.indices.map { column in matrix.map { $0[column] } }
}

/// matrix[n][k] += Σ_m left[m][n] right[m][k]: the sum of the outer products of the rows of two
/// matrices.
func addOuterProducts<S: Scalar>(_ left: [[S]], _ right: [[S]], to matrix: inout [[S]]) {
    let (left, right) = (transposed(left), transposed(right))
    for n in left.indices {
        for k in right.indices { matrix[n][k] = S.sum(matrix[n][k], [(left[n], right[k])]) }
    }
}

/// vector[n] += Σ_m rows[m][n]
func addRows<S: Scalar>(_ rows: [[S]], to vector: inout [S]) {
    let ones = rows.map { _ in 1 as S }
    for (n, column) in transposed(rows).enumerated() {
        vector[n] = S.sum(vector[n], [(column, ones)])
    }
}
