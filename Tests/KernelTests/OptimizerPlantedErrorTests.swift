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

        /// Another optimizer's arithmetic, rounded to float.
        init(_ description: String, _ right: OptimizerCase, does wrong: OptimizerCase) {
            self.init(description, right) { state in
                var values = state.map { $0.map(Double.init) }
                wrong.reference(&values)
                state = values.map { $0.map { Float($0) } }
            }
        }

        init(
            _ description: String, _ right: OptimizerCase,
            _ wrong: @escaping @Sendable (inout OptimizerState<Float>) -> Void
        ) {
            testDescription = description
            self.right = right
            self.wrong = wrong
        }

        /// What the right optimizer does, changed afterwards.
        init(
            _ description: String, _ right: OptimizerCase,
            then change:
                @escaping @Sendable (
                    _ before: OptimizerState<Float>, _ after: inout OptimizerState<Float>
                ) -> Void
        ) {
            self.init(description, right) { state in
                let before = state
                var values = state.map { $0.map(Double.init) }
                right.reference(&values)
                state = values.map { $0.map { Float($0) } }
                change(before, &state)
            }
        }
    }

    private static func adam(
        beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
        _ place: Adam.Epsilon = .outside, decoupled: Double = 0,
        amsgrad: Bool = false, rule: GradientRule = GradientRule(), steps: Int = 4
    ) -> OptimizerCase {
        var optimizer = Adam(
            count: 0, learningRate: 0.01, beta1: beta1, beta2: beta2, epsilon: epsilon,
            epsilonPlace: place, decoupledDecay: decoupled,
            amsgrad: amsgrad, rule: rule)
        optimizer.advance(by: steps)
        return .adam(optimizer)
    }

    private static func sgd(
        momentum: Double = 0.9, dampening: Double = 0, nesterov: Bool = false,
        _ convention: MomentumConvention = .buffer,
        rule: GradientRule = GradientRule(), firstStep: Bool = false
    ) -> OptimizerCase {
        .sgd(
            SGD(
                learningRate: 0.05, momentum: momentum, dampening: dampening, nesterov: nesterov,
                convention: convention, rule: rule),
            firstStep: firstStep)
    }

    private static func rmsProp(
        decay: Double = 0.99, _ place: EpsilonPlace = .outside,
        convention: MomentumConvention = .buffer, centered: Bool = false
    ) -> OptimizerCase {
        .rmsProp(
            RMSProp(
                count: 0, learningRate: 0.01, decay: decay, epsilon: 1e-6, epsilonPlace: place,
                momentum: 0.9, convention: convention,
                centered: centered))
    }

    private static func adaGrad(_ place: EpsilonPlace) -> OptimizerCase {
        .adaGrad(AdaGrad(count: 0, learningRate: 0.01, epsilon: 1e-10, epsilonPlace: place))
    }

    private static func nAdam(momentumDecay: Double = 0.004, steps: Int = 4) -> OptimizerCase {
        var optimizer = NAdam(count: 0, learningRate: 0.01, momentumDecay: momentumDecay)
        optimizer.advance(by: steps)
        return .nAdam(optimizer)
    }

    private static func rAdam(epsilon: Double = 1e-3, steps: Int) -> OptimizerCase {
        var optimizer = RAdam(count: 0, learningRate: 0.01, epsilon: epsilon)
        optimizer.advance(by: steps)
        return .rAdam(optimizer)
    }

    private static func adamax(
        beta2: Double = 0.9, epsilon: Double = 1e-3, steps: Int = 4
    ) -> OptimizerCase {
        var optimizer = Adamax(count: 0, learningRate: 0.01, beta2: beta2, epsilon: epsilon)
        optimizer.advance(by: steps)
        return .adamax(optimizer)
    }

    private static let clipped = GradientRule(scale: 0.5, clipValue: 0.1, weightDecay: 0.1)

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
            "AdamW with decay into the gradient", adam(decoupled: 0.1),
            does: adam(rule: GradientRule(weightDecay: 0.1))),
        Planted(
            "Adam with decoupled decay", adam(rule: GradientRule(weightDecay: 0.1)),
            does: adam(decoupled: 0.1)),
        Planted("AMSGrad without the maximum", adam(amsgrad: true)) { state in
            var values = state.map { $0.map(Double.init) }
            let largest = values.removeLast()
            adam().reference(&values)
            state = (values + [zip(values[3], largest).map { max($0, $1) }]).map {
                $0.map { Float($0) }
            }
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
            "first step with a dampened gradient", sgd(dampening: 0.25, firstStep: true),
            does: sgd(dampening: 0.25)),
        Planted("first step's rule in every step", sgd(), does: sgd(firstStep: true)),
        Planted("momentum with 1 - μ for μ", sgd(), does: sgd(momentum: 0.1)),
        Planted("dampening forgotten", sgd(dampening: 0.25), does: sgd()),
        Planted("Nesterov that is plain momentum", sgd(nesterov: true), does: sgd()),
        Planted("velocity read as a buffer", sgd(.velocity), does: sgd()),
        Planted("clipped after decay instead of before", sgd(rule: clipped)) { state in
            let decayed = zip(state[1], state[0]).map {
                clipped.scale * Double($0) + clipped.weightDecay * Double($1)
            }
            state[1] = decayed.map { Float($0) }
            Planted("", sgd(), does: sgd(rule: GradientRule(clipValue: clipped.clipValue))).wrong(
                &state)
        },
        Planted("clipped on one side only", sgd(rule: clipped)) { state in
            state[1] = state[1].map { $0 < 0 ? $0 : min($0, 0.2) }
            Planted(
                "", sgd(),
                does: sgd(
                    rule: GradientRule(scale: clipped.scale, weightDecay: clipped.weightDecay))
            ).wrong(&state)
        },
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
        Planted("centered RMSProp that does not center", rmsProp(centered: true)) { state in
            let mean = state.remove(at: 2)
            Planted("", rmsProp(), does: rmsProp()).wrong(&state)
            state.insert(mean, at: 2)
        },
        Planted("AdaDelta with the average of squared gradients for that of steps", .adaDelta[0]) {
            _, after in after[3] = after[2]
        },
        Planted("NAdam that is Adam", nAdam()) { state in
            Planted("", nAdam(), does: adam()).wrong(&state)
        },
        Planted("NAdam with the momentum of the step after", nAdam(), does: nAdam(steps: 5)),
        Planted("NAdam with another momentum decay", nAdam(), does: nAdam(momentumDecay: 0.005)),
        Planted("RAdam that is Adam", rAdam(steps: 9), does: adam(steps: 9)),
        Planted("RAdam that is rectified too late", rAdam(steps: 5), does: rAdam(steps: 4)),
        Planted("RAdam with ε corrected", rAdam(steps: 9)) { state in
            let c2 = 1 - (0..<10).reduce(1.0) { power, _ in power * 0.999 }
            let corrected = rAdam(epsilon: 1e-3 * c2.squareRoot(), steps: 9)
            Planted("", rAdam(steps: 9), does: corrected).wrong(&state)
        },
        Planted("Adamax that does not fade", adamax(), does: adamax(beta2: 1)),
        Planted("Adamax without bias correction", adamax(), does: adamax(steps: 1_000_000)),
        Planted("Adamax without ε", adamax(), does: adamax(epsilon: 0)),
    ]

    @Test(arguments: planted)
    func isRejected(planted: Planted) throws {
        // What the error is compared with does pass, once it is rounded to float.
        try planted.right.check(64) { Planted("", planted.right, does: planted.right).wrong(&$0) }
        #expect(throws: Mismatch.self) { try planted.right.check(64) { planted.wrong(&$0) } }
    }
}
