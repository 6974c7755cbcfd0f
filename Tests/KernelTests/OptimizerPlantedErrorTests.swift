import CRecurrent
import RecurrentReference
import TestSupport
import Testing

/// Wrong optimizers: the comparison that passes the kernels must reject each of them.
@Suite struct OptimizerPlantedErrorTests {
    /// An error, and the right optimizer that it is compared with.
    struct Planted: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let right: OptimizerCase
        let wrong: @Sendable (inout OptimizerState<Float>) -> Void

        /// Another optimizer's arithmetic, rounded to float; and what is done to the state before
        /// it and after it.
        init(
            _ description: String, _ right: OptimizerCase, does wrong: OptimizerCase? = nil,
            then change:
                @escaping @Sendable (
                    _ before: OptimizerState<Float>, _ after: inout OptimizerState<Float>
                ) -> Void = { _, _ in },
            first: @escaping @Sendable (inout OptimizerState<Float>) -> Void = { _ in }
        ) {
            testDescription = description
            self.right = right
            self.wrong = { state in
                let before = state
                first(&state)
                // A rule that keeps less leaves the rest as it is.
                let used = 2 + (wrong ?? right).rule.moments.count
                var values = state[..<used].map { $0.map(Double.init) }
                (wrong ?? right).reference(&values)
                state.replaceSubrange(..<used, with: values.map { $0.map { Float($0) } })
                change(before, &state)
            }
        }
    }

    private static func adam(
        beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
        _ place: EpsilonPlace = .outside, amsgrad: Bool = false,
        rule: GradientRule = GradientRule(), steps: Int = 4
    ) -> OptimizerCase {
        OptimizerCase(
            Adam(
                learningRate: 0.01, beta1: beta1, beta2: beta2, epsilon: epsilon,
                epsilonPlace: place, amsgrad: amsgrad, rule: rule),
            after: steps)
    }

    private static func sgd(
        momentum: Double = 0.9, dampening: Double = 0, nesterov: Bool = false,
        lookAhead: Bool = false, _ convention: MomentumConvention = .buffer,
        rule: GradientRule = GradientRule(), steps: Int = 1
    ) -> OptimizerCase {
        OptimizerCase(
            SGD(
                learningRate: 0.05, momentum: momentum, dampening: dampening, nesterov: nesterov,
                lookAhead: lookAhead, convention: convention, rule: rule),
            after: steps)
    }

    private static func rmsProp(
        decay: Double = 0.99, _ place: EpsilonPlace = .outside,
        convention: MomentumConvention = .buffer, centered: Bool = false
    ) -> OptimizerCase {
        OptimizerCase(
            RMSProp(
                learningRate: 0.01, decay: decay, epsilon: 1e-6, epsilonPlace: place,
                momentum: 0.9, convention: convention, centered: centered))
    }

    private static func adaGrad(_ place: EpsilonPlace) -> OptimizerCase {
        OptimizerCase(AdaGrad(learningRate: 0.01, epsilon: 1e-10, epsilonPlace: place))
    }

    private static func nAdam(momentumDecay: Double = 0.004, steps: Int = 4) -> OptimizerCase {
        OptimizerCase(NAdam(learningRate: 0.01, momentumDecay: momentumDecay), after: steps)
    }

    private static func rAdam(epsilon: Double = 1e-3, steps: Int) -> OptimizerCase {
        OptimizerCase(RAdam(learningRate: 0.01, epsilon: epsilon), after: steps)
    }

    private static func adamax(
        beta2: Double = 0.9, epsilon: Double = 1e-3, steps: Int = 4
    ) -> OptimizerCase {
        OptimizerCase(Adamax(learningRate: 0.01, beta2: beta2, epsilon: epsilon), after: steps)
    }

    private static let clipped = GradientRule(scale: 0.5, clipValue: 0.1, weightDecay: 0.1)
    private static let coupled = GradientRule(weightDecay: 0.1)
    private static let decoupled = GradientRule(weightDecay: 0.1, decoupled: true)

    static let planted: [Planted] = [
        Planted("Adam without bias correction", adam(), does: adam(steps: 1_000_000)),
        Planted(
            "Adam with the bias correction of the step before", adam(steps: 4), does: adam(steps: 3)
        ),
        Planted(
            "Adam with the bias correction of the step after", adam(steps: 50),
            does: adam(steps: 51)),
        Planted("Adam with β1 and β2 swapped", adam(), does: adam(beta1: 0.999, beta2: 0.9)),
        Planted("Adam with ε inside the root", adam(), does: adam(.inside)),
        Planted("Adam with ε uncorrected", adam(), does: adam(.uncorrected)),
        Planted("Adam with ε twice as large", adam(), does: adam(epsilon: 2e-8)),
        Planted("Adam without ε", adam(), does: adam(epsilon: 1e-30)),
        Planted(
            "AdamW with decay into the gradient", adam(rule: decoupled), does: adam(rule: coupled)),
        Planted(
            "Adam with decoupled decay", adam(rule: coupled), does: adam(rule: decoupled)),
        Planted("AMSGrad without the maximum", adam(amsgrad: true), does: adam()) { _, after in
            after[4] = zip(after[3], after[4]).map { max($0, $1) }
        },
        Planted("Adam that leaves v", adam()) { before, after in after[3] = before[3] },
        Planted("gradient not zeroed", adam()) { before, after in after[1] = before[1] },
        Planted("last parameter not updated", adam()) { before, after in
            for index in after.indices {
                after[index][after[index].count - 1] = before[index][before[index].count - 1]
            }
        },
        Planted("ascent", sgd(), does: sgd(rule: GradientRule(scale: -1))),
        Planted(
            "first step with a dampened gradient", sgd(dampening: 0.25, steps: 0),
            does: sgd(dampening: 0.25)),
        Planted("first step's rule in every step", sgd(), does: sgd(steps: 0)),
        Planted("momentum with 1 - μ for μ", sgd(), does: sgd(momentum: 0.1)),
        Planted("dampening forgotten", sgd(dampening: 0.25), does: sgd()),
        Planted("Nesterov that is plain momentum", sgd(nesterov: true), does: sgd()),
        Planted(
            "look-ahead that decays at θ", sgd(nesterov: true, lookAhead: true, rule: coupled),
            does: sgd(rule: coupled)),
        Planted("velocity read as a buffer", sgd(.velocity), does: sgd()),
        Planted(
            "clipped after decay instead of before", sgd(rule: clipped),
            does: sgd(rule: GradientRule(clipValue: clipped.clipValue)),
            first: { state in
                for n in state[1].indices {
                    state[1][n] =
                        Float(clipped.scale) * state[1][n]
                        + Float(clipped.weightDecay) * state[0][n]
                }
            }),
        Planted(
            "clipped on one side only", sgd(rule: clipped),
            does: sgd(
                rule: GradientRule(scale: clipped.scale, weightDecay: clipped.weightDecay)),
            first: { $0[1] = $0[1].map { min($0, 0.2) } }),
        Planted("AdaGrad with ε inside the root", adaGrad(.outside), does: adaGrad(.inside)),
        Planted("AdaGrad with the sum of before", adaGrad(.outside)) { before, after in
            for n in after[0].indices where before[2][n] > 0 {
                after[0][n] =
                    before[0][n] - 0.01 * before[1][n] / (before[2][n].squareRoot() + 1e-10)
            }
        },
        Planted("RMSProp with ρ and 1 - ρ swapped", rmsProp(), does: rmsProp(decay: 0.01)),
        Planted("RMSProp with ε inside the root", rmsProp(), does: rmsProp(.inside)),
        Planted("RMSProp with Keras's momentum", rmsProp(), does: rmsProp(convention: .velocity)),
        Planted(
            "centered RMSProp that does not center", rmsProp(centered: true), does: rmsProp(),
            then: { _, after in after.swapAt(3, 4) }, first: { $0.swapAt(3, 4) }),
        Planted(
            "AdaDelta with the average of squared gradients for that of steps", AdaDelta.cases[0]
        ) {
            _, after in after[3] = after[2]
        },
        Planted("NAdam that is Adam", nAdam(), does: adam()),
        Planted("NAdam with the momentum of the step after", nAdam(), does: nAdam(steps: 5)),
        Planted("NAdam with another momentum decay", nAdam(), does: nAdam(momentumDecay: 0.005)),
        Planted("RAdam that is Adam", rAdam(steps: 9), does: adam(steps: 9)),
        Planted("RAdam that is rectified too late", rAdam(steps: 5), does: rAdam(steps: 4)),
        Planted(
            "RAdam with ε corrected", rAdam(steps: 9),
            does: rAdam(
                epsilon: 1e-3 * RAdam(learningRate: 0).biasCorrections(10).1.squareRoot(), steps: 9)
        ),
        Planted("Adamax that does not fade", adamax(), does: adamax(beta2: 1)),
        Planted("Adamax without bias correction", adamax(), does: adamax(steps: 1_000_000)),
        Planted("Adamax without ε", adamax(), does: adamax(epsilon: 0)),
    ]

    /// Errors of every rule.
    static let general = OptimizerCase.followed.flatMap { right in
        var (ascent, fast) = (right.rule, right.rule)
        ascent.rule.scale = -1
        fast.learningRate *= 1.001
        return [
            Planted("ascent, \(right)", right, does: OptimizerCase(ascent, after: right.steps)),
            Planted("η, \(right)", right, does: OptimizerCase(fast, after: right.steps)),
        ]
    }

    @Test(arguments: planted + general)
    func isRejected(planted: Planted) throws {
        // What the error is compared with does pass, once it is rounded to float.
        try planted.right.check(64) { Planted("", planted.right).wrong(&$0) }
        #expect(throws: Mismatch.self) { try planted.right.check(64) { planted.wrong(&$0) } }
    }
}
