import CRecurrent
import RecurrentReference
import TestSupport

// NAdam, RAdam and Adamax: those of `OptimizerCase` that are Adam's kin.

/// Decay into the gradient, decay of the parameters, and none.
private let decays = [
    (GradientRule.all[0], 0), (GradientRule.all[4], 0), (GradientRule.all[1], 0.1),
]

extension OptimizerCase {
    static let nAdam: [OptimizerCase] = [0.004, 0.5].flatMap { momentumDecay in
        [0, 1, 1000].flatMap { steps in
            decays.map { rule, decoupled in
                var optimizer = NAdam(
                    count: 0, learningRate: 0.01, momentumDecay: momentumDecay,
                    decoupledDecay: decoupled, rule: rule)
                optimizer.advance(by: steps)
                return nAdam(optimizer)
            }
        }
    }

    static func nAdam(_ optimizer: NAdam) -> OptimizerCase {
        let (rule, rate, decoupled) = (
            optimizer.rule, optimizer.learningRate, optimizer.decoupledDecay
        )
        var step = optimizer
        step.advance(by: 1)
        let (product, c2) = step.corrections
        let (now, next) = (step.momentum(step.step), step.momentum(step.step + 1))
        let hyper = recurrent_nadam(
            gradient: rule.cValue, learning_rate: rate, beta1: optimizer.beta1,
            beta2: optimizer.beta2, momentum: now, next_momentum: next, momentum_product: product,
            bias_correction2: c2, epsilon: optimizer.epsilon,
            weight_decay: decoupled != 0 ? decoupled : rule.weightDecay,
            decoupled: decoupled != 0)
        return OptimizerCase(
            description: "\(optimizer)", squares: [false, true],
            kernel: { kernels, count, state, share in
                withUnsafePointer(to: hyper) {
                    kernels.nadam_update(count, $0, state[0], state[1], state[2], state[3], share)
                }
            },
            reference: { state in
                var reference = optimizer
                (reference.first, reference.second) = (state[2], state[3])
                state.update { reference.update(&$0, &$1) }
                (state[2], state[3]) = (reference.first, reference.second)
            },
            formula: { e in
                let g = rule.interval(e[1], parameter: e[0])
                let m = average(optimizer.beta1, e[2], g).flushed(below: momentLeast)
                let v = average(optimizer.beta2, e[3], g.squared).atLeast(Interval(squareLeast))
                let ofGradient = (1 - now) / (1 - product)
                let ofFirst = next / (1 - product * next)
                let direction = (ofGradient * g + ofFirst * m).flushed(below: momentLeast)
                let root = v.squareRoot + Interval(optimizer.epsilon * c2.squareRoot())
                let after =
                    (1 - rate * decoupled) * e[0] - (rate * c2.squareRoot()) * (direction / root)
                return [after.parameter(decay: rule.weightDecay + decoupled), m, v]
            })
    }

    /// The first steps are not rectified.
    static let rAdam: [OptimizerCase] = [0, 4, 5, 1000].flatMap { steps in
        decays.map { rule, decoupled in
            var optimizer = RAdam(
                count: 0, learningRate: 0.01, decoupledDecay: decoupled, rule: rule)
            optimizer.advance(by: steps)
            return rAdam(optimizer)
        }
    }

    static func rAdam(_ optimizer: RAdam) -> OptimizerCase {
        let (rule, rate, decoupled) = (
            optimizer.rule, optimizer.learningRate, optimizer.decoupledDecay
        )
        var step = optimizer
        step.advance(by: 1)
        let (c1, c2) = step.biasCorrections
        let rectification = step.rectification
        let hyper = recurrent_radam(
            gradient: rule.cValue, learning_rate: rate, beta1: optimizer.beta1,
            beta2: optimizer.beta2, bias_correction1: c1, bias_correction2: c2,
            rectification: rectification ?? 0, epsilon: optimizer.epsilon,
            weight_decay: decoupled != 0 ? decoupled : rule.weightDecay,
            decoupled: decoupled != 0)
        return OptimizerCase(
            description: "\(optimizer)", squares: [false, true],
            kernel: { kernels, count, state, share in
                withUnsafePointer(to: hyper) {
                    kernels.radam_update(count, $0, state[0], state[1], state[2], state[3], share)
                }
            },
            reference: { state in
                var reference = optimizer
                (reference.first, reference.second) = (state[2], state[3])
                state.update { reference.update(&$0, &$1) }
                (state[2], state[3]) = (reference.first, reference.second)
            },
            formula: { e in
                let g = rule.interval(e[1], parameter: e[0])
                let m = average(optimizer.beta1, e[2], g).flushed(below: momentLeast)
                let v = average(optimizer.beta2, e[3], g.squared).atLeast(Interval(squareLeast))
                let root = v.squareRoot + Interval(optimizer.epsilon)
                let direction =
                    rectification.map { ($0 * c2.squareRoot() / c1) * (m / root) } ?? (1 / c1) * m
                let after = (1 - rate * decoupled) * e[0] - rate * direction
                return [after.parameter(decay: rule.weightDecay + decoupled), m, v]
            })
    }

    static let adamax: [OptimizerCase] = [0, 1, 1000].flatMap { steps in
        GradientRule.all.map { rule in
            var optimizer = Adamax(count: 0, learningRate: 0.01, rule: rule)
            optimizer.advance(by: steps)
            return adamax(optimizer)
        }
    }

    static func adamax(_ optimizer: Adamax) -> OptimizerCase {
        let (rule, rate) = (optimizer.rule, optimizer.learningRate)
        var step = optimizer
        step.advance(by: 1)
        let c1 = step.biasCorrection
        let hyper = recurrent_adamax(
            gradient: rule.cValue, learning_rate: rate, beta1: optimizer.beta1,
            beta2: optimizer.beta2, bias_correction1: c1, epsilon: optimizer.epsilon,
            weight_decay: rule.weightDecay)
        return OptimizerCase(
            description: "\(optimizer)", squares: [false, true],
            kernel: { kernels, count, state, share in
                withUnsafePointer(to: hyper) {
                    kernels.adamax_update(count, $0, state[0], state[1], state[2], state[3], share)
                }
            },
            reference: { state in
                var reference = optimizer
                (reference.first, reference.largest) = (state[2], state[3])
                state.update { reference.update(&$0, &$1) }
                (state[2], state[3]) = (reference.first, reference.largest)
            },
            formula: { e in
                let g = rule.interval(e[1], parameter: e[0])
                let m = average(optimizer.beta1, e[2], g).flushed(below: momentLeast)
                let faded = e[3] - (1 - optimizer.beta2) * e[3]
                let u = (g.magnitude + Interval(optimizer.epsilon)).atLeast(faded)
                let after = e[0] - (rate / c1) * (m / u)
                return [after.parameter(decay: rule.weightDecay), m, u]
            })
    }
}
