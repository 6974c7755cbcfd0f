import ComplexModule
import RecurrentReference
import TestSupport
import Testing

/// (1 - x)² + 100 (y - x²)²: Rosenbrock 1960.
private enum Rosenbrock {
    static func loss(_ p: [Double]) -> Double {
        (1 - p[0]) * (1 - p[0]) + 100 * (p[1] - p[0] * p[0]) * (p[1] - p[0] * p[0])
    }
    static func gradient<S: Scalar>(_ p: [S]) -> [S] {
        let valley = p[1] - p[0] * p[0]
        return [-2 * (1 - p[0]) - 400 * p[0] * valley, 200 * valley]
    }
}

/// Symmetric and positive definite, with eigenvalues from about 3 to 33.
private let quadratic: [[Double]] = {
    var matrix = [[Double]](repeating: [Double](repeating: 0.5, count: 6), count: 6)
    for n in 0..<6 { matrix[n][n] = Double(3 + 6 * n) }
    return matrix
}()

private let problem = SequenceRegression(hiddenSize: 1, seed: 1)

@Suite struct SecondOrderTests {
    @Test func hessianOfRosenbrock() {
        for p in [[-1.2, 1], [0.3, -0.7], [1, 1]] {
            let H = hessian(at: p, gradient: Rosenbrock.gradient)
            expectClose(
                H.flatMap { $0 },
                [2 - 400 * (p[1] - 3 * p[0] * p[0]), -400 * p[0], -400 * p[0], 200], relative: 1e-14
            )
        }
    }

    /// The whole of it, element by element: symmetric, the complex step of the gradient, and its
    /// central differences, whose error with h = 2^-17 is near 1e-11.
    @Test func hessianOfAnLSTM() {
        let p = problem.initialParameters(seed: 4).map(Double.init)
        let H = hessian(at: p) { problem.lossAndGradient($0) { Dual($0) }.gradient }
        let step = 1e-30
        let difference = 0x1p-17
        for k in p.indices {
            let column = H.map { $0[k] }
            expectClose(column, H[k], relative: 1e-11, absolute: 1e-14)
            var complex = p.map { Complex($0) }
            complex[k].imaginary = step
            expectClose(
                column,
                problem.lossAndGradient(complex) { Complex($0) }.gradient.map {
                    $0.imaginary / step
                }, relative: 1e-11, absolute: 1e-14)
            var (above, below) = (p, p)
            above[k] += difference
            below[k] -= difference
            let differences = zip(
                problem.lossAndGradient(above).gradient, problem.lossAndGradient(below).gradient
            ).map { ($0 - $1) / (2 * difference) }
            expectClose(column, differences, relative: 1e-9, absolute: 1e-9)
        }
    }

    /// The gradient itself by dual numbers along every coordinate: that the model under test is
    /// right.
    @Test func gradientOfTheModel() {
        let p = problem.initialParameters(seed: 5).map(Double.init)
        let derivatives = p.indices.map { k in
            problem.lossAndGradient(p.enumerated().map { Dual($1, derivative: $0 == k ? 1 : 0) }) {
                Dual($0)
            }.loss.derivative
        }
        expectClose(
            problem.lossAndGradient(p).gradient, derivatives, relative: 1e-12, absolute: 1e-15)
    }

    @Test func choleskySolves() throws {
        let L = try #require(choleskyFactor(quadratic))
        let b = [1.0, -2, 3, 0.5, 0, -1]
        let x = choleskySolve(L, b)
        expectClose(quadratic.map { dotProduct($0, x) }, b, relative: 1e-13, absolute: 1e-13)
        #expect(choleskyFactor([[1, 2], [2, 1]]) == nil)
        #expect(shiftedCholeskyFactor(quadratic).shift == 0)
        // Eigenvalues 3 and -1: a shift of 1 at least.
        let (shifted, shift) = shiftedCholeskyFactor([[1, 2], [2, 1]])
        #expect(shift > 1 && shift < 4)
        expectClose([dotProduct(shifted[1], shifted[1])], [1 + shift], relative: 1e-14)
    }

    @Test func newtonSolvesAQuadraticInOneStep() {
        let linear: [Double] = [1, 2, 3, 4, 5, 6]
        func product(_ x: [Double]) -> [Double] { quadratic.map { dotProduct($0, x) } }
        let path = newtonMinimize(
            from: [5, -3, 2, 8, 0, -9], iterations: 5, tolerance: 1e-11,
            loss: { dotProduct($0, product($0)) / 2 - dotProduct($0, linear) },
            gradient: { linearCombination(1, product($0), -1, linear) }, hessian: { _ in quadratic }
        )
        #expect(
            path.gradientNorms.count == 2 && path.gradientNorms[1] <= 1e-11 && path.lengths == [1]
                && path.shifts == [0])
    }

    /// From the usual start, past places where the Hessian is indefinite or the full step goes up.
    @Test func newtonOnRosenbrock() {
        for start in [[-1.2, 1], [0, 2], [-2, -3]] {
            let path = newtonMinimize(
                from: start, iterations: 40, tolerance: 1e-12, loss: Rosenbrock.loss,
                gradient: Rosenbrock.gradient
            ) {
                hessian(at: $0, gradient: Rosenbrock.gradient)
            }
            #expect(
                path.lengths.count <= 25 && path.gradientNorms.last! <= 1e-12,
                "\(start): \(path.gradientNorms)")
            expectClose(path.x, [1, 1], relative: 1e-12)
            for (loss, next) in zip(path.losses, path.losses.dropFirst()) {
                #expect(next < loss || next <= 1e-20)
            }
        }
    }

    /// Near a minimum the number of right digits doubles: ‖∇f‖ falls as its square, with whole
    /// steps and no shift. λ/2 Σ p² is added to the loss of the model, so that the Hessian is
    /// positive definite: some directions hardly change what an LSTM gives.
    @Test func newtonConvergesQuadraticallyOnAnLSTM() {
        let problem = SequenceRegression(hiddenSize: 2, seed: 6)
        let l2 = 0.002
        func gradient<S: Scalar>(_ p: [S], _ constant: (Double) -> S) -> [S] {
            zip(problem.lossAndGradient(p, constant: constant).gradient, p).map {
                $0 + constant(l2) * $1
            }
        }
        let path = newtonMinimize(
            from: problem.teacher, iterations: 20, tolerance: 1e-14,
            loss: { p in
                problem.lossAndGradient(p).loss + l2 / 2 * dotProduct(p, p)
            }, gradient: { gradient($0) { $0 } }
        ) { p in
            hessian(at: p) { gradient($0) { Dual($0) } }
        }
        let norms = path.gradientNorms.suffix(4)
        #expect(
            path.lengths.count <= 15 && norms.first! > 1e-5 && norms.last! <= 1e-14,
            "\(path.gradientNorms)")
        for (norm, next) in zip(norms, norms.dropFirst()) {
            #expect(next <= 1000 * norm * norm + 1e-15)
        }
        #expect(path.shifts.suffix(3) == [0, 0, 0] && path.lengths.suffix(3) == [1, 1, 1])
    }

    @Test func twoLoopsAreTheMatrix() {
        var generator = Generator(seed: 7)
        let count = 6
        let g = generator.floats(count).map(Double.init)
        var pairs: CurvaturePairs = []
        for _ in 0..<5 {
            let s = generator.floats(count).map(Double.init)
            pairs.append((s, quadratic.map { dotProduct($0, s) }))
            let H = lbfgsInverseHessian(count: count, pairs: pairs)
            expectClose(
                lbfgsDirection(gradient: g, pairs: pairs), H.map { -dotProduct($0, g) },
                relative: 1e-11, absolute: 1e-11)
            // The secant equation: H y = s for the last pair.
            expectClose(
                H.map { dotProduct($0, pairs.last!.y) }, s, relative: 1e-11, absolute: 1e-11)
        }
        #expect(lbfgsDirection(gradient: g, pairs: []) == g.map { -$0 })
    }
}
