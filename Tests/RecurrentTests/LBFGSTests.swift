import CRecurrent
import Recurrent
import RecurrentReference
import TestSupport
import Testing

/// Minimizes a function of Double from floats.
private func minimize(
    _ start: [Float], history: Int = 10, curvature: Double = 0.9, calls: Int, tolerance: Double = 0,
    kernels: Kernels = .best,
    _ function: ([Double]) -> (loss: Double, gradient: [Double])
) -> (parameters: [Float], end: Minimization, losses: [Double]) {
    var lbfgs = LBFGS(count: start.count, history: history, curvature: curvature, kernels: kernels)
    var parameters = start
    var losses: [Double] = []
    var span = parameters.mutableSpan
    let end = lbfgs.minimize(&span, gradientCalls: calls, gradientTolerance: tolerance) {
        p, gradient in
        let (loss, exact) = function(p.indices.map { Double(p[$0]) })
        for n in gradient.indices { gradient[n] = Float(exact[n]) }
        losses.append(loss)
        return loss
    }
    return (parameters, end, losses)
}

/// Σ λ (x - n)² / 2 with eigenvalues from 1 to `condition` along the axes.
private func bowl(_ count: Int, condition: Double) -> ([Double]) -> (
    loss: Double, gradient: [Double]
) {
    { x in
        var loss = 0.0
        var gradient: [Double] = []
        for n in x.indices {
            let eigenvalue = 1 + (condition - 1) * Double(n) / Double(count - 1)
            let distance = x[n] - Double(n % 7)
            loss += eigenvalue * distance * distance / 2
            gradient.append(eigenvalue * distance)
        }
        return (loss, gradient)
    }
}

private func rosenbrock(_ p: [Double]) -> (loss: Double, gradient: [Double]) {
    let valley = p[1] - p[0] * p[0]
    let left = 1 - p[0]
    return (left * left + 100 * valley * valley, [-2 * left - 400 * p[0] * valley, 200 * valley])
}

@Suite struct LBFGSTests {
    /// With exact line searches, on a quadratic, as many steps as dimensions (Nocedal and Wright
    /// 2006, theorem 6.4): a small c2 makes them nearly so.
    @Test func quadraticInFewSteps() {
        let exact = minimize(
            [Float](repeating: -3, count: 6), history: 6, curvature: 0.001, calls: 100,
            tolerance: 1e-4, bowl(6, condition: 40))
        #expect(
            exact.end.end == .gradient && exact.end.iterations <= 6 + 2
                && exact.end.gradientCalls <= 25, "\(exact.end)")
        let usual = minimize(
            [Float](repeating: -3, count: 6), history: 6, calls: 100, tolerance: 1e-4,
            bowl(6, condition: 40))
        #expect(usual.end.end == .gradient && usual.end.gradientCalls <= 20, "\(usual.end)")
        let many = minimize(
            [Float](repeating: -3, count: 100), calls: 400, tolerance: 1e-2,
            bowl(100, condition: 1000))
        #expect(many.end.end == .gradient && many.end.gradientCalls <= 200, "\(many.end)")
    }

    @Test func rosenbrockFromSeveralStarts() {
        for start in [[-1.2, 1], [0, 2], [-2, -3], [1.2, 1.2]] as [[Float]] {
            let found = minimize(start, calls: 100, rosenbrock)
            #expect(found.end.gradientCalls <= 50 && found.end.end == .gradient, "\(found.end)")
            #expect(
                abs(found.parameters[0] - 1) <= 1e-6 && abs(found.parameters[1] - 1) <= 2e-6,
                "\(found.parameters)")
        }
    }

    /// On a model whose minimum is not known: the bits of every instruction set, whatever the
    /// number of parameters past the last vector.
    @Test func sameBitsOnEveryInstructionSet() throws {
        let problem = SequenceRegression(hiddenSize: 2, seed: 3)
        let start = problem.initialParameters(seed: 1)
        let expected = minimize(start, history: 4, calls: 40) { problem.lossAndGradient($0) }
        for isa in ISA.available {
            let found = minimize(start, history: 4, calls: 40, kernels: try Kernels(isa: isa)) {
                problem.lossAndGradient($0)
            }
            try Comparer.checkSameBits("\(isa)", found.parameters, expected.parameters)
            #expect(found.losses == expected.losses)
        }
    }

    /// Where float32 cannot go on: the ends that a minimization may have.
    @Test func ends() {
        // A gradient that is wrong by its sign has no step down.
        let uphill = minimize([1, 2, 3], calls: 100) { x in (dotProduct(x, x) / 2, x.map { -$0 }) }
        #expect(
            uphill.end.end == .noDecrease && uphill.parameters == [1, 2, 3] && uphill.end.loss == 7
                && uphill.end.iterations == 0)
        let broken = minimize([1], calls: 10) { _ in (.nan, [1]) }
        #expect(broken.end.end == .notFinite && broken.end.gradientCalls == 1)
        let infinite = minimize([1], calls: 10) { _ in (1, [.infinity]) }
        #expect(infinite.end.end == .notFinite)
        // Where the loss is not a number, the step is too long: x > -1.
        let wall = minimize([3], calls: 60, tolerance: 1e-6) { x in
            x[0] > -1 ? (x[0] + 1 - Double.log(x[0] + 1), [1 - 1 / (x[0] + 1)]) : (.nan, [.nan])
        }
        #expect(wall.end.end == .gradient && abs(wall.parameters[0]) <= 1e-5, "\(wall)")
        for calls in 2...30 {
            let limited = minimize([-1.2, 1], calls: calls, rosenbrock)
            #expect(
                limited.end.end == .limit && limited.end.gradientCalls <= calls
                    && limited.losses.count == limited.end.gradientCalls)
            let (loss, gradient) = rosenbrock(limited.parameters.map(Double.init))
            #expect(
                loss == limited.end.loss
                    && abs(globalNorm(gradient) - limited.end.gradientNorm) <= 1e-5
                        * globalNorm(gradient),
                "\(calls)")
        }
    }

    /// With losses as rough as sums of floats, and gradients as rough as floats, it still comes as
    /// near the minimum as the gradient tells, and ends.
    @Test func roughLosses() {
        let exact = bowl(20, condition: 100)
        let found = minimize([Float](repeating: 5, count: 20), calls: 2000) { x in
            let (loss, gradient) = exact(x)
            return (Double(Float(loss + 1000)), gradient)
        }
        #expect(found.end.end != .limit && found.end.gradientNorm <= 1e-2, "\(found.end)")
    }

    /// A change of parameters from outside, and `reset`: as if it had been made anew.
    @Test func resetForgets() {
        var used = LBFGS(count: 2)
        var new = LBFGS(count: 2)
        func run(_ lbfgs: inout LBFGS, _ start: [Float]) -> ([Float], Minimization) {
            var parameters = start
            var span = parameters.mutableSpan
            let end = lbfgs.minimize(&span, gradientCalls: 15) { p, gradient in
                let (loss, exact) = rosenbrock([Double(p[0]), Double(p[1])])
                for n in 0..<2 { gradient[n] = Float(exact[n]) }
                return loss
            }
            return (parameters, end)
        }
        _ = run(&used, [-1.2, 1])
        used.reset()
        let (found, expected) = (run(&used, [0, 2]), run(&new, [0, 2]))
        #expect(found == expected)
    }
}
