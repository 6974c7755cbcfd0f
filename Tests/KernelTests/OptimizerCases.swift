import CRecurrent
import RecurrentReference
import TestSupport

extension MomentumConvention {
    var cValue: recurrent_momentum {
        self == .buffer ? recurrent_momentum_buffer : recurrent_momentum_velocity
    }
}

extension EpsilonPlace {
    var cValue: recurrent_epsilon_place {
        self == .outside ? recurrent_epsilon_outside : recurrent_epsilon_inside
    }
    func interval(_ square: Interval, epsilon: Double) -> Interval {
        self == .outside
            ? square.squareRoot + Interval(epsilon) : (square + Interval(epsilon)).squareRoot
    }
}

extension Interval {
    /// A parameter after its step: with decay, one that has become tiny ends in zero.
    func parameter(decay: Double) -> Interval { decay == 0 ? self : flushed(below: momentLeast) }
}

extension OptimizerCase {
    static let sgd: [OptimizerCase] =
        GradientRule.all.map { sgd(SGD(learningRate: 0.1, rule: $0), firstStep: false) }
        + [MomentumConvention.buffer, .velocity].flatMap { convention in
            [false, true].flatMap { nesterov in
                [false, true].flatMap { firstStep in
                    GradientRule.all.map { rule in
                        sgd(
                            SGD(
                                learningRate: 0.05, momentum: 0.9, dampening: nesterov ? 0 : 0.25,
                                nesterov: nesterov,
                                convention: convention, rule: rule),
                            firstStep: firstStep)
                    }
                }
            }
        }

    static func sgd(_ optimizer: SGD, firstStep: Bool) -> OptimizerCase {
        let rule = optimizer.rule
        let rate = optimizer.learningRate
        let momentum = optimizer.momentum
        let hyper = recurrent_sgd(
            gradient: rule.cValue, learning_rate: rate, momentum: momentum ?? 0,
            dampening: optimizer.dampening,
            weight_decay: rule.weightDecay, convention: optimizer.convention.cValue,
            nesterov: optimizer.nesterov,
            first_step: firstStep)
        return OptimizerCase(
            description: "\(optimizer), first step: \(firstStep)",
            squares: momentum == nil ? [] : [false],
            kernel: { kernels, count, state, share in
                withUnsafePointer(to: hyper) {
                    kernels.sgd_update(
                        count, $0, state[0], state[1], momentum == nil ? nil : state[2], share)
                }
            },
            reference: { state in
                var reference = optimizer
                reference.buffer = momentum == nil || firstStep ? nil : state[2]
                state.update { reference.update(&$0, &$1) }
                if momentum != nil { state[2] = reference.buffer! }
            },
            formula: { e in
                let p = e[0]
                let g = rule.interval(e[1], parameter: p)
                guard let momentum else {
                    return [(p - rate * g).parameter(decay: rule.weightDecay)]
                }
                let kept = firstStep ? Interval(0) : e[2] - (1 - momentum) * e[2]
                let enter = firstStep ? 1 : 1 - optimizer.dampening
                switch optimizer.convention {
                case .buffer:
                    let b = (kept + enter * g).flushed(below: momentLeast)
                    let after =
                        optimizer.nesterov ? p - rate * momentum * b - rate * g : p - rate * b
                    return [after.parameter(decay: rule.weightDecay), b]
                case .velocity:
                    let b = (kept - rate * enter * g).flushed(below: momentLeast)
                    let after = optimizer.nesterov ? p + momentum * b - rate * g : p + b
                    return [after.parameter(decay: rule.weightDecay), b]
                }
            })
    }

    static let adaGrad: [OptimizerCase] = [EpsilonPlace.outside, .inside].flatMap { place in
        [1e-10, 1e-7].flatMap { epsilon in
            GradientRule.all.map {
                adaGrad(
                    AdaGrad(
                        count: 0, learningRate: 0.01, epsilon: epsilon, epsilonPlace: place,
                        rule: $0))
            }
        }
    }

    static func adaGrad(_ optimizer: AdaGrad) -> OptimizerCase {
        let rule = optimizer.rule
        let rate = optimizer.learningRate
        let hyper = recurrent_adagrad(
            gradient: rule.cValue, learning_rate: rate, epsilon: optimizer.epsilon,
            weight_decay: rule.weightDecay,
            epsilon_place: optimizer.epsilonPlace.cValue)
        return OptimizerCase(
            description: "\(optimizer)", squares: [true],
            kernel: { kernels, count, state, share in
                withUnsafePointer(to: hyper) {
                    kernels.adagrad_update(count, $0, state[0], state[1], state[2], share)
                }
            },
            reference: { state in
                var reference = optimizer
                reference.sum = state[2]
                state.update { reference.update(&$0, &$1) }
                state[2] = reference.sum
            },
            formula: { e in
                let g = rule.interval(e[1], parameter: e[0])
                let sum = (e[2] + g.squared).atLeast(Interval(squareLeast))
                let root = optimizer.epsilonPlace.interval(sum, epsilon: optimizer.epsilon)
                return [(e[0] - rate * (g / root)).parameter(decay: rule.weightDecay), sum]
            })
    }

    static let rmsProp: [OptimizerCase] = [EpsilonPlace.outside, .inside].flatMap { place in
        [nil, 0.9].flatMap { momentum in
            [MomentumConvention.buffer, .velocity].flatMap { convention in
                [false, true].flatMap { centered in
                    [GradientRule.all[0], GradientRule.all[4]].map { rule in
                        rmsProp(
                            RMSProp(
                                count: 0, learningRate: 0.01, decay: 0.99,
                                epsilon: place == .outside ? 1e-8 : 1e-6,
                                epsilonPlace: place, momentum: momentum, convention: convention,
                                centered: centered, rule: rule))
                    }
                }
            }
        }
    }

    static func rmsProp(_ optimizer: RMSProp) -> OptimizerCase {
        let rule = optimizer.rule
        let rate = optimizer.learningRate
        let centered = optimizer.centered
        let momentum = optimizer.momentum
        let hyper = recurrent_rmsprop(
            gradient: rule.cValue, learning_rate: rate, decay: optimizer.decay,
            epsilon: optimizer.epsilon, momentum: momentum ?? 0,
            weight_decay: rule.weightDecay, epsilon_place: optimizer.epsilonPlace.cValue,
            convention: optimizer.convention.cValue)
        // In the state: the mean if any, the square, the buffer if any.
        let square = centered ? 3 : 2
        return OptimizerCase(
            description: "\(optimizer)",
            squares: (centered ? [false] : []) + [true] + (momentum == nil ? [] : [false]),
            kernel: { kernels, count, state, share in
                withUnsafePointer(to: hyper) {
                    kernels.rmsprop_update(
                        count, $0, state[0], state[1], state[square], centered ? state[2] : nil,
                        momentum == nil ? nil : state[square + 1], share)
                }
            },
            reference: { state in
                var reference = optimizer
                reference.square = state[square]
                reference.mean = state[2]
                reference.buffer = state[state.count - 1]
                state.update { reference.update(&$0, &$1) }
                state[square] = reference.square
                if centered { state[2] = reference.mean }
                if momentum != nil { state[square + 1] = reference.buffer }
            },
            formula: { e in
                let g = rule.interval(e[1], parameter: e[0])
                let v = average(optimizer.decay, e[square], g.squared).atLeast(
                    Interval(squareLeast))
                let mean = average(optimizer.decay, e[2], g).flushed(below: momentLeast)
                let variance = centered ? (v - mean.squared).atLeast(Interval(0)) : v
                let direction =
                    g / optimizer.epsilonPlace.interval(variance, epsilon: optimizer.epsilon)
                var after = (centered ? [mean] : []) + [v]
                guard let momentum else {
                    return [(e[0] - rate * direction).parameter(decay: rule.weightDecay)] + after
                }
                let velocity = optimizer.convention == .velocity
                let kept = e[square + 1] - (1 - momentum) * e[square + 1]
                let buffer = (velocity ? kept - rate * direction : kept + direction).flushed(
                    below: momentLeast)
                after.append(buffer)
                return [
                    (velocity ? e[0] + buffer : e[0] - rate * buffer).parameter(
                        decay: rule.weightDecay)
                ] + after
            })
    }

    static let adaDelta: [OptimizerCase] = GradientRule.all.map {
        adaDelta(AdaDelta(count: 0, decay: 0.95, epsilon: 1e-6, rule: $0))
    }

    static func adaDelta(_ optimizer: AdaDelta) -> OptimizerCase {
        let rule = optimizer.rule
        let epsilon = Interval(optimizer.epsilon)
        let hyper = recurrent_adadelta(
            gradient: rule.cValue, learning_rate: optimizer.learningRate, decay: optimizer.decay,
            epsilon: optimizer.epsilon,
            weight_decay: rule.weightDecay)
        return OptimizerCase(
            description: "\(optimizer)", squares: [true, true],
            kernel: { kernels, count, state, share in
                withUnsafePointer(to: hyper) {
                    kernels.adadelta_update(
                        count, $0, state[0], state[1], state[2], state[3], share)
                }
            },
            reference: { state in
                var reference = optimizer
                reference.square = state[2]
                reference.stepSquare = state[3]
                state.update { reference.update(&$0, &$1) }
                state[2] = reference.square
                state[3] = reference.stepSquare
            },
            formula: { e in
                let g = rule.interval(e[1], parameter: e[0])
                let v = average(optimizer.decay, e[2], g.squared).atLeast(Interval(squareLeast))
                let step = ((e[3] + epsilon) / (v + epsilon)).squareRoot * g
                let u = average(optimizer.decay, e[3], step.squared).atLeast(Interval(squareLeast))
                return [
                    (e[0] - optimizer.learningRate * step).parameter(decay: rule.weightDecay), v, u,
                ]
            })
    }

    static let adam: [OptimizerCase] = [Adam.Epsilon.outside, .inside, .uncorrected].flatMap {
        place in
        [false, true].flatMap { amsgrad in
            [0, 1, 1000].flatMap { steps in
                [0, 0.1].flatMap { decoupled in
                    [GradientRule.all[0], GradientRule.all[4]].map { rule in
                        var optimizer = Adam(
                            count: 0, learningRate: 0.01, epsilonPlace: place,
                            decoupledDecay: decoupled, amsgrad: amsgrad, rule: rule)
                        if decoupled != 0 { optimizer.rule.weightDecay = 0 }
                        optimizer.advance(by: steps)
                        return adam(optimizer)
                    }
                }
            }
        }
    }

    static func adam(_ optimizer: Adam) -> OptimizerCase {
        let rule = optimizer.rule
        let decoupled = optimizer.decoupledDecay != 0
        let amsgrad = optimizer.amsgrad
        var next = optimizer
        next.advance(by: 1)
        let (c1, c2) = next.biasCorrections
        let place =
            switch optimizer.epsilonPlace {
            case .outside: recurrent_epsilon_outside
            case .inside: recurrent_epsilon_inside
            case .uncorrected: recurrent_epsilon_uncorrected
            }
        let hyper = recurrent_adam(
            gradient: rule.cValue, learning_rate: optimizer.learningRate, beta1: optimizer.beta1,
            beta2: optimizer.beta2,
            bias_correction1: c1, bias_correction2: c2, epsilon: optimizer.epsilon,
            weight_decay: decoupled ? optimizer.decoupledDecay : rule.weightDecay,
            decoupled: decoupled, epsilon_place: place)
        return OptimizerCase(
            description: "\(optimizer)", squares: [false, true] + (amsgrad ? [true] : []),
            kernel: { kernels, count, state, share in
                withUnsafePointer(to: hyper) {
                    kernels.adam_update(
                        count, $0, state[0], state[1], state[2], state[3], amsgrad ? state[4] : nil,
                        share)
                }
            },
            reference: { state in
                var reference = optimizer
                reference.first = state[2]
                reference.second = state[3]
                reference.largest = amsgrad ? state[4] : state[3]
                state.update { reference.update(&$0, &$1) }
                state[2] = reference.first
                state[3] = reference.second
                if amsgrad { state[4] = reference.largest }
            },
            formula: { e in
                let g = rule.interval(e[1], parameter: e[0])
                let m = average(optimizer.beta1, e[2], g).flushed(below: momentLeast)
                let second = average(optimizer.beta2, e[3], g.squared).atLeast(
                    Interval(squareLeast))
                let v = amsgrad ? second.atLeast(e[4]) : second
                let root =
                    switch optimizer.epsilonPlace {
                    case .outside: v.squareRoot + Interval(optimizer.epsilon * c2.squareRoot())
                    case .inside: (v + Interval(optimizer.epsilon * c2)).squareRoot
                    case .uncorrected: v.squareRoot + Interval(optimizer.epsilon)
                    }
                let p = (1 - optimizer.learningRate * optimizer.decoupledDecay) * e[0]
                let after = p - (optimizer.learningRate * c2.squareRoot() / c1) * (m / root)
                let decay = rule.weightDecay + optimizer.decoupledDecay
                return [after.parameter(decay: decay), m, second] + (amsgrad ? [v] : [])
            })
    }
}
