import ComplexModule
import RealModule
import RecurrentReference
import TestSupport
import Testing

extension Complex: Scalar where RealType == Double {
    /// To first order in the imaginary part, as the complex step needs it.
    public static func normalDistribution(_ x: Complex) -> Complex {
        let y = Dual.normalDistribution(Dual(x.real, derivative: x.imaginary))
        return Complex(y.value, y.derivative)
    }
    public static func relu(_ x: Complex) -> Complex { x.real > 0 ? x : 0 }
    public static func heaviside(_ x: Complex) -> Complex { x.real > 0 ? 1 : 0 }
    public static func clamp(_ x: Complex, _ most: Double) -> Complex {
        x.real.magnitude < most ? x : Complex(Double.clamp(x.real, most))
    }
    public static func clampDerivative(_ x: Complex, _ most: Double) -> Complex {
        x.real.magnitude < most ? 1 : 0
    }
}

extension CellProblem {
    /// The loss whose gradient the backward pass takes: Σ_t dy[t] · h_t over the steps that are
    /// valid, + dh · h_T + dc · c_T.
    func loss() -> S {
        let tape = forward()
        var loss: S = 0
        for row in h0.indices {
            for t in x.indices where sizes.isValid(row: row, step: t) {
                loss += S.sum(0, [(dy![t][row], tape.h[t + 1][row])])
            }
            loss += S.sum(0, [(dh[row], tape.h[x.count][row])])
            if !tape.c.isEmpty { loss += S.sum(0, [(dc[row], tape.c[x.count][row])]) }
        }
        return loss
    }

    /// Calls `body` with each coordinate of every parameter, of h0, of c0, and of every x that is
    /// valid, in the order of `flat`.
    func forEachCoordinate(_ body: (WritableKeyPath<CellProblem, S>) -> Void) {
        for (g, gate) in parameters.gates.enumerated() {
            for n in gate.b.indices {
                for k in gate.W[n].indices { body(\.parameters.gates[g].W[n][k]) }
            }
            for n in gate.b.indices {
                for m in gate.U[n].indices { body(\.parameters.gates[g].U[n][m]) }
            }
            for n in gate.b.indices { body(\.parameters.gates[g].b[n]) }
        }
        for (g, inner) in parameters.inner.enumerated() {
            for n in inner.indices { body(\.parameters.inner[g][n]) }
        }
        for (n, row) in parameters.projection.enumerated() {
            for k in row.indices { body(\.parameters.projection[n][k]) }
        }
        for row in h0.indices { for n in h0[row].indices { body(\.h0[row][n]) } }
        if hasState { for row in c0.indices { for n in c0[row].indices { body(\.c0[row][n]) } } }
        for t in x.indices {
            for row in valid(t) { for k in x[t][row].indices { body(\.x[t][row][k]) } }
        }
    }

    private var hasState: Bool { !segment(0..<0).forward().c.isEmpty }
}

extension CellProblem<Double> {
    /// The gradient by backpropagation through time, flat.
    func gradientByBackpropagation() -> [Double] {
        var problem = self
        problem.gradient = problem.gradient.map { _ in 0 }
        return problem.flat(problem.solved())
    }

    /// The gradients of a solution, in the order of `forEachCoordinate`.
    func flat(_ solution: CellSolution<Double>) -> [Double] {
        solution.gradient.flat + solution.backward.dh0.joined() + solution.backward.dc0.joined()
            + x.indices.flatMap { t in valid(t).flatMap { solution.backward.dx[t][$0] } }
    }

    /// The derivative of the loss with respect to every coordinate: Squire and Trapp 1998, f'(x) =
    /// Im f(x + ih) / h without cancellation, so that h may be as small as it likes.
    func derivativesByComplexStep() -> [Double] {
        let step = 1e-30
        var complex = map { Complex($0) }
        var derivatives: [Double] = []
        complex.forEachCoordinate { coordinate in
            complex[keyPath: coordinate].imaginary = step
            derivatives.append(complex.loss().imaginary / step)
            complex[keyPath: coordinate].imaginary = 0
        }
        return derivatives
    }
}

/// The first coordinate that is further than `absolute` + `relative` · |expected| from what is
/// expected, or NaN.
func firstFar(_ found: [Double], _ expected: [Double], relative: Double, absolute: Double = 0)
    -> Int?
{
    found.indices.first {
        !((found[$0] - expected[$0]).magnitude <= absolute + relative * expected[$0].magnitude)
    }
}

func expectClose(
    _ found: [Double], _ expected: [Double], relative: Double, absolute: Double = 0,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(found.count == expected.count, sourceLocation: sourceLocation)
    let far = firstFar(found, expected, relative: relative, absolute: absolute)
    #expect(
        far == nil,
        "coordinate \(far ?? 0) of \(found.count): \(found[far ?? 0]), \(expected[far ?? 0])",
        sourceLocation: sourceLocation)
}
