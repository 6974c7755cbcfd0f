import CRecurrent
import RecurrentReference
import TestSupport
import Testing

// Each rule's kernel, and its cases.

extension OptimizerCase {
    static let rules: [any KernelRule.Type] = [
        SGD.self, AdaGrad.self, RMSProp.self, AdaDelta.self, Adam.self, NAdam.self, RAdam.self,
        Adamax.self, Lion.self,
    ]
}

extension MomentumConvention {
    static let all = [MomentumConvention.buffer, .velocity]
    var cValue: recurrent_momentum {
        self == .buffer ? recurrent_momentum_buffer : recurrent_momentum_velocity
    }
}

extension EpsilonPlace {
    var cValue: recurrent_epsilon_place {
        switch self {
        case .outside: recurrent_epsilon_outside
        case .inside: recurrent_epsilon_inside
        case .uncorrected: recurrent_epsilon_uncorrected
        }
    }
}

/// Decay into the gradient, decay of the parameters, and none.
private let decays = [
    GradientRule.all[0], GradientRule.all[4],
    GradientRule(scale: 0.25, weightDecay: 0.1, decoupled: true),
]

extension SGD: KernelRule {
    static let kernel = "sgd_update"
    static let followed = [5]
    static let cases =
        GradientRule.all.map { OptimizerCase(SGD(learningRate: 0.1, rule: $0)) }
        + MomentumConvention.all.flatMap { convention in
            [false, true].flatMap { nesterov in
                [1, 0].flatMap { steps in
                    GradientRule.all.map { rule in
                        OptimizerCase(
                            SGD(
                                learningRate: 0.05, momentum: 0.9, dampening: nesterov ? 0 : 0.25,
                                nesterov: nesterov, convention: convention, rule: rule),
                            after: steps)
                    }
                }
            }
        }
        + MomentumConvention.all.flatMap { convention in
            [1, 0].flatMap { steps in
                GradientRule.all.map { rule in
                    OptimizerCase(
                        SGD(
                            learningRate: 0.05, momentum: 0.9, nesterov: true, lookAhead: true,
                            convention: convention, rule: rule),
                        after: steps)
                }
            }
        }

    func run(_ call: KernelCall) {
        var hyper = recurrent_sgd(
            gradient: rule.cValue, learning_rate: learningRate, momentum: momentum ?? 0,
            dampening: dampening, weight_decay: rule.weightDecay, convention: convention.cValue,
            nesterov: nesterov, look_ahead: lookAhead, first_step: call.step == 1)
        call.kernels.sgd_update(
            call.count, &hyper, call.parameters, call.gradient,
            momentum == nil ? nil : call.moment(0), call.partition)
    }
}

extension AdaGrad: KernelRule {
    static let kernel = "adagrad_update"
    static let cases = [EpsilonPlace.outside, .inside].flatMap { place in
        [1e-10, 1e-7].flatMap { epsilon in
            GradientRule.all.map { rule in
                OptimizerCase(
                    AdaGrad(
                        learningRate: 0.01, epsilon: epsilon, epsilonPlace: place, rule: rule))
            }
        }
    }

    func run(_ call: KernelCall) {
        var hyper = recurrent_adagrad(
            gradient: rule.cValue, learning_rate: learningRate, epsilon: epsilon,
            weight_decay: rule.weightDecay, epsilon_place: epsilonPlace.cValue)
        call.kernels.adagrad_update(
            call.count, &hyper, call.parameters, call.gradient, call.moment(0), call.partition)
    }
}

extension RMSProp: KernelRule {
    static let kernel = "rmsprop_update"
    static let followed = [0, 6]
    static let cases = [EpsilonPlace.outside, .inside].flatMap { place in
        [nil, 0.9].flatMap { momentum in
            MomentumConvention.all.flatMap { convention in
                [false, true].flatMap { centered in
                    decays[..<2].map { rule in
                        OptimizerCase(
                            RMSProp(
                                learningRate: 0.01, decay: 0.99,
                                epsilon: place == .outside ? 1e-8 : 1e-6, epsilonPlace: place,
                                momentum: momentum, convention: convention, centered: centered,
                                rule: rule))
                    }
                }
            }
        }
    }

    func run(_ call: KernelCall) {
        var hyper = recurrent_rmsprop(
            gradient: rule.cValue, learning_rate: learningRate, decay: decay, epsilon: epsilon,
            momentum: momentum ?? 0, weight_decay: rule.weightDecay,
            epsilon_place: epsilonPlace.cValue, convention: convention.cValue)
        call.kernels.rmsprop_update(
            call.count, &hyper, call.parameters, call.gradient, call.moment(0),
            centered ? call.moment(1) : nil,
            momentum == nil ? nil : call.moment(centered ? 2 : 1), call.partition)
    }
}

extension AdaDelta: KernelRule {
    static let kernel = "adadelta_update"
    static let cases = GradientRule.all.map {
        OptimizerCase(AdaDelta(decay: 0.95, epsilon: 1e-6, rule: $0))
    }

    func run(_ call: KernelCall) {
        var hyper = recurrent_adadelta(
            gradient: rule.cValue, learning_rate: learningRate, decay: decay, epsilon: epsilon,
            weight_decay: rule.weightDecay)
        call.kernels.adadelta_update(
            call.count, &hyper, call.parameters, call.gradient, call.moment(0), call.moment(1),
            call.partition)
    }
}

extension Adam: KernelRule {
    static let kernel = "adam_update"
    static let followed = [3, 12]
    static let cases = [EpsilonPlace.outside, .inside, .uncorrected].flatMap { place in
        [false, true].flatMap { amsgrad in
            [0, 1, 1000].flatMap { steps in
                decays.map { rule in
                    OptimizerCase(
                        Adam(
                            learningRate: 0.01, epsilonPlace: place, amsgrad: amsgrad, rule: rule),
                        after: steps)
                }
            }
        }
    }

    func run(_ call: KernelCall) {
        let (c1, c2) = biasCorrections(call.step)
        var hyper = recurrent_adam(
            gradient: rule.cValue, learning_rate: learningRate, beta1: beta1, beta2: beta2,
            bias_correction1: c1, bias_correction2: c2, epsilon: epsilon,
            weight_decay: rule.weightDecay, decoupled: rule.decoupled,
            epsilon_place: epsilonPlace.cValue)
        call.kernels.adam_update(
            call.count, &hyper, call.parameters, call.gradient, call.moment(0), call.moment(1),
            amsgrad ? call.moment(2) : nil, call.partition)
    }
}

extension NAdam: KernelRule {
    static let kernel = "nadam_update"
    static let followed = [6]
    static let cases = [0.004, 0.5].flatMap { momentumDecay in
        [0, 1, 1000].flatMap { steps in
            decays.map { rule in
                OptimizerCase(
                    NAdam(learningRate: 0.01, momentumDecay: momentumDecay, rule: rule),
                    after: steps)
            }
        }
    }

    func run(_ call: KernelCall) {
        var hyper = recurrent_nadam(
            gradient: rule.cValue, learning_rate: learningRate, beta1: beta1, beta2: beta2,
            momentum: momentum(call.step), next_momentum: momentum(call.step + 1),
            momentum_product: momentumProduct(call.step),
            bias_correction2: biasCorrections(call.step).1, epsilon: epsilon,
            weight_decay: rule.weightDecay, decoupled: rule.decoupled)
        call.kernels.nadam_update(
            call.count, &hyper, call.parameters, call.gradient, call.moment(0), call.moment(1),
            call.partition)
    }
}

/// The first steps are not rectified.
extension RAdam: KernelRule {
    static let kernel = "radam_update"
    static let followed = [0, 9]
    static let cases = [0, 4, 5, 1000].flatMap { steps in
        decays.map { OptimizerCase(RAdam(learningRate: 0.01, rule: $0), after: steps) }
    }

    func run(_ call: KernelCall) {
        let (c1, c2) = biasCorrections(call.step)
        var hyper = recurrent_radam(
            gradient: rule.cValue, learning_rate: learningRate, beta1: beta1, beta2: beta2,
            bias_correction1: c1, bias_correction2: c2,
            rectification: rectification(call.step) ?? 0, epsilon: epsilon,
            weight_decay: rule.weightDecay, decoupled: rule.decoupled)
        call.kernels.radam_update(
            call.count, &hyper, call.parameters, call.gradient, call.moment(0), call.moment(1),
            call.partition)
    }
}

extension Adamax: KernelRule {
    static let kernel = "adamax_update"
    static let followed = [10]
    static let cases = [0, 1, 1000].flatMap { steps in
        GradientRule.all.map { OptimizerCase(Adamax(learningRate: 0.01, rule: $0), after: steps) }
    }

    func run(_ call: KernelCall) {
        var hyper = recurrent_adamax(
            gradient: rule.cValue, learning_rate: learningRate, beta1: beta1, beta2: beta2,
            bias_correction1: biasCorrection(call.step), epsilon: epsilon,
            weight_decay: rule.weightDecay)
        call.kernels.adamax_update(
            call.count, &hyper, call.parameters, call.gradient, call.moment(0), call.moment(1),
            call.partition)
    }
}

extension Lion: KernelRule {
    static let kernel = "lion_update"
    static let cases = GradientRule.all.map { OptimizerCase(Lion(learningRate: 0.01, rule: $0)) }

    func run(_ call: KernelCall) {
        var hyper = recurrent_lion(
            gradient: rule.cValue, learning_rate: learningRate, beta1: beta1, beta2: beta2,
            weight_decay: rule.weightDecay)
        call.kernels.lion_update(
            call.count, &hyper, call.parameters, call.gradient, call.moment(0), call.partition)
    }
}

/// PyTorch has no Lion: three steps of the paper's equations by hand.
@Suite struct LionReferenceTests {
    @Test func stepsByHand() {
        let lion = Lion(
            learningRate: 0.1, beta1: 0.5, beta2: 0.75, rule: GradientRule(weightDecay: 0.5))
        var (p, state) = ([1.0], lion.state(count: 1) as UpdateState<Double>)
        // c is 2, then (1 - 3) / 2, then 0.
        for (g, expected, m) in [(4.0, 0.85, 1.0), (-3, 0.9075, 0), (0, 0.862125, 0)] {
            var gradient = [g]
            lion.update(&p, &gradient, &state)
            #expect(abs(p[0] - expected) < 1e-15 && state.moments[0] == [m])
        }
    }
}
