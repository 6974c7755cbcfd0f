// Newton's method with an exact Hessian, for small models: Nocedal and Wright 2006, "Numerical
// Optimization", algorithm 3.2.

/// H[n][k] = ∂²f / ∂x[n] ∂x[k], column by column: the derivative of the gradient along each
/// coordinate.
public func hessian(at x: [Double], gradient: ([Dual]) -> [Dual]) -> [[Double]] {
    transposed(
        x.indices.map { k in
            gradient(x.enumerated().map { Dual($1, derivative: $0 == k ? 1 : 0) }).map(\.derivative)
        })
}

/// The lower triangle L of A = L Lᵀ, or nil where A is not positive definite.
public func choleskyFactor(_ A: [[Double]]) -> [[Double]]? {
    var L = A.map { $0.map { _ in 0.0 } }
    for n in A.indices {
        for k in 0...n {
            let rest = A[n][k] - dotProduct(Array(L[n][..<k]), Array(L[k][..<k]))
            if k < n {
                L[n][k] = rest / L[k][k]
            } else {
                guard rest > 0 else { return nil }
                L[n][n] = rest.squareRoot()
            }
        }
    }
    return L
}

/// x with L Lᵀ x = b: forward, then back substitution.
public func choleskySolve(_ L: [[Double]], _ b: [Double]) -> [Double] {
    var x = b
    for n in x.indices { x[n] = (x[n] - dotProduct(Array(L[n][..<n]), Array(x[..<n]))) / L[n][n] }
    for n in x.indices.reversed() {
        let below = (n + 1)..<x.count
        x[n] = (x[n] - dotProduct(below.map { L[$0][n] }, Array(x[below]))) / L[n][n]
    }
    return x
}

/// The Cholesky factor of A + τ I, with τ = 0 where A is positive definite, and else found by
/// trial: algorithm 3.3.
public func shiftedCholeskyFactor(_ A: [[Double]]) -> (L: [[Double]], shift: Double) {
    let diagonal = A.indices.map { A[$0][$0] }
    let least = 1e-6 * max(diagonal.map(\.magnitude).max() ?? 0, .leastNormalMagnitude)
    var shift = diagonal.allSatisfy { $0 > 0 } ? 0 : least - diagonal.min()!
    while true {
        var shifted = A
        for n in A.indices { shifted[n][n] += shift }
        if let L = choleskyFactor(shifted) { return (L, shift) }
        shift = max(2 * shift, least)
    }
}

/// How Newton's method went.
public struct NewtonPath: Sendable {
    /// The last point.
    public var x: [Double]
    /// Before the first iteration and after each.
    public var losses, gradientNorms: [Double]
    /// τ and the step length α of each iteration: 0 and 1 near a minimum.
    public var shifts: [Double] = [], lengths: [Double] = []
}

/// p = -(H + τ I)⁻¹ ∇f, x ← x + α p with backtracking (algorithm 3.1): α = 1, 1/2, … until f falls
/// by c α ∇fᵀ p, up to its rounding errors. Ends when ‖∇f‖ is at most `tolerance`, after
/// `iterations`, or where f does not fall.
public func newtonMinimize(
    from start: [Double], iterations: Int, tolerance: Double, loss: ([Double]) -> Double,
    gradient: ([Double]) -> [Double], hessian: ([Double]) -> [[Double]]
) -> NewtonPath {
    let sufficientDecrease = 1e-4
    let halvings = 50
    let lossRounding = 0x1p-48
    var g = gradient(start)
    var path = NewtonPath(x: start, losses: [loss(start)], gradientNorms: [globalNorm(g)])
    for _ in 0..<iterations where path.gradientNorms.last! > tolerance {
        let (L, shift) = shiftedCholeskyFactor(hessian(path.x))
        let direction = choleskySolve(L, g.map { -$0 })
        let slope = dotProduct(g, direction)
        let before = path.losses.last!
        let lengths = (0..<halvings).lazy.map { 1 / Double(1 << $0) }
        guard
            let length = lengths.first(where: {
                loss(linearCombination($0, direction, 1, path.x)) <= before + sufficientDecrease
                    * $0 * slope + lossRounding * before.magnitude
            })
        else { break }
        path.x = linearCombination(length, direction, 1, path.x)
        g = gradient(path.x)
        path.losses.append(loss(path.x))
        path.gradientNorms.append(globalNorm(g))
        path.shifts.append(shift)
        path.lengths.append(length)
    }
    return path
}
