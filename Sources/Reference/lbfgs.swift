// L-BFGS: Nocedal and Wright 2006, "Numerical Optimization", section 7.2.

/// xᵀ y.
public func dotProduct(_ x: [Double], _ y: [Double]) -> Double { zip(x, y).map(*).reduce(0, +) }

/// a x + b y.
public func linearCombination(_ a: Double, _ x: [Double], _ b: Double, _ y: [Double]) -> [Double] {
    zip(x, y).map { a * $0 + b * $1 }
}

/// What the last steps have told of the curvature: s = x_next - x and y = ∇f_next - ∇f of each,
/// oldest first.
public typealias CurvaturePairs = [(s: [Double], y: [Double])]

/// γ of equation 7.20: the first inverse Hessian is γ I; I where there is no pair yet.
private func initialScale(_ pairs: CurvaturePairs) -> Double {
    pairs.last.map { dotProduct($0.s, $0.y) / dotProduct($0.y, $0.y) } ?? 1
}

/// -H ∇f by the two-loop recursion, algorithm 7.4.
public func lbfgsDirection(gradient: [Double], pairs: CurvaturePairs) -> [Double] {
    var q = gradient
    var weights: [Double] = []
    for (s, y) in pairs.reversed() {
        let weight = dotProduct(s, q) / dotProduct(s, y)
        q = linearCombination(-weight, y, 1, q)
        weights.append(weight)
    }
    var r = q.map { initialScale(pairs) * $0 }
    for ((s, y), weight) in zip(pairs, weights.reversed()) {
        let correction = weight - dotProduct(y, r) / dotProduct(s, y)
        r = linearCombination(correction, s, 1, r)
    }
    return r.map { -$0 }
}

/// The matrix H that the recursion multiplies by: equation 7.16, H ← Vᵀ H V + ρ s sᵀ with V = I - ρ
/// y sᵀ and ρ = 1 / yᵀ s, from γ I.
public func lbfgsInverseHessian(count: Int, pairs: CurvaturePairs) -> [[Double]] {
    var H = (0..<count).map { n in (0..<count).map { $0 == n ? initialScale(pairs) : 0 } }
    for (s, y) in pairs {
        let rho = 1 / dotProduct(y, s)
        let Hy = H.map { dotProduct($0, y) }
        let yHy = dotProduct(y, Hy)
        for n in 0..<count {
            for k in 0..<count {
                H[n][k] += rho * ((1 + rho * yHy) * s[n] * s[k] - s[n] * Hy[k] - Hy[n] * s[k])
            }
        }
    }
    return H
}
