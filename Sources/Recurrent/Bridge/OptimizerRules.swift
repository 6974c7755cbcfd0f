internal import CRecurrent

// The list of rules, and how the kernel of each is called.

/// A rule that turns gradients into updates. Defaults and conventions are PyTorch's; each rule lets
/// the others be chosen.
///
/// A trainer requires learning rates, their decay, ε, weight decay and AdaGrad's initial
/// accumulator to be at least 0 (AdaDelta's ε above 0), momentum, ρ (`decay`), `beta1` and `beta2`
/// to be in 0..<1, and dampening in 0...1, all of them as floats too: none that is infinite as a
/// float, nor one above 0 that is zero or subnormal.
public enum Optimizer: Hashable, Sendable {
    case sgd(SGD)
    case adaGrad(AdaGrad)
    case rmsProp(RMSProp)
    case adaDelta(AdaDelta)
    case adam(Adam)
    case nAdam(NAdam)
    case rAdam(RAdam)
    case adamax(Adamax)
    case lion(Lion)

    static let rules: [any OptimizerRule.Type] = [
        SGD.self, AdaGrad.self, RMSProp.self, AdaDelta.self, Adam.self, NAdam.self, RAdam.self,
        Adamax.self, Lion.self,
    ]

    /// The rule itself, for what is not asked at each update: a box may be allocated for it.
    var rule: any OptimizerRule {
        switch self {
        case .sgd(let rule): rule
        case .adaGrad(let rule): rule
        case .rmsProp(let rule): rule
        case .adaDelta(let rule): rule
        case .adam(let rule): rule
        case .nAdam(let rule): rule
        case .rAdam(let rule): rule
        case .adamax(let rule): rule
        case .lion(let rule): rule
        }
    }

    /// Does something with the rule, without an allocation.
    mutating func apply(_ operation: inout some RuleOperation) {
        switch self {
        case .sgd(var rule): self = .sgd(operation.applied(to: &rule))
        case .adaGrad(var rule): self = .adaGrad(operation.applied(to: &rule))
        case .rmsProp(var rule): self = .rmsProp(operation.applied(to: &rule))
        case .adaDelta(var rule): self = .adaDelta(operation.applied(to: &rule))
        case .adam(var rule): self = .adam(operation.applied(to: &rule))
        case .nAdam(var rule): self = .nAdam(operation.applied(to: &rule))
        case .rAdam(var rule): self = .rAdam(operation.applied(to: &rule))
        case .adamax(var rule): self = .adamax(operation.applied(to: &rule))
        case .lion(var rule): self = .lion(operation.applied(to: &rule))
        }
    }
}

extension SGD {
    func update(_ buffers: UpdateBuffers) {
        var hyper = unsafe recurrent_sgd(
            gradient: buffers.rule, learning_rate: learningRate, momentum: momentum,
            dampening: dampening, weight_decay: weightDecay, convention: convention.cValue,
            nesterov: nesterov, look_ahead: looksAhead, first_step: buffers.step == 1)
        unsafe buffers.table.pointee.sgd_update(
            buffers.count, &hyper, buffers.parameters, buffers.gradient,
            momentum != 0 ? buffers.moment(0) : nil, buffers.partition)
    }
}

extension AdaGrad {
    func update(_ buffers: UpdateBuffers) {
        let decayed = unsafe 1 + Double(buffers.step - 1) * learningRateDecay
        var hyper = unsafe recurrent_adagrad(
            gradient: buffers.rule, learning_rate: learningRate / decayed, epsilon: epsilon,
            weight_decay: weightDecay, epsilon_place: epsilonPlace.cValue)
        unsafe buffers.table.pointee.adagrad_update(
            buffers.count, &hyper, buffers.parameters, buffers.gradient, buffers.moment(0),
            buffers.partition)
    }
}

extension RMSProp {
    func update(_ buffers: UpdateBuffers) {
        var hyper = unsafe recurrent_rmsprop(
            gradient: buffers.rule, learning_rate: learningRate, decay: decay, epsilon: epsilon,
            momentum: momentum, weight_decay: weightDecay, epsilon_place: epsilonPlace.cValue,
            convention: convention.cValue)
        unsafe buffers.table.pointee.rmsprop_update(
            buffers.count, &hyper, buffers.parameters, buffers.gradient, buffers.moment(0),
            centered ? buffers.moment(1) : nil,
            momentum != 0 ? buffers.moment(centered ? 2 : 1) : nil, buffers.partition)
    }
}

extension AdaDelta {
    func update(_ buffers: UpdateBuffers) {
        var hyper = unsafe recurrent_adadelta(
            gradient: buffers.rule, learning_rate: learningRate, decay: decay, epsilon: epsilon,
            weight_decay: weightDecay)
        unsafe buffers.table.pointee.adadelta_update(
            buffers.count, &hyper, buffers.parameters, buffers.gradient, buffers.moment(0),
            buffers.moment(1), buffers.partition)
    }
}

extension Adam {
    func update(_ buffers: UpdateBuffers) {
        var hyper = unsafe recurrent_adam(
            gradient: buffers.rule, learning_rate: learningRate, beta1: beta1, beta2: beta2,
            bias_correction1: 1 - integerPower(beta1, buffers.step),
            bias_correction2: 1 - integerPower(beta2, buffers.step), epsilon: epsilon,
            weight_decay: weightDecay, decoupled: decoupled, epsilon_place: epsilonPlace.cValue)
        unsafe buffers.table.pointee.adam_update(
            buffers.count, &hyper, buffers.parameters, buffers.gradient, buffers.moment(0),
            buffers.moment(1), amsgrad ? buffers.moment(2) : nil, buffers.partition)
    }
}

extension NAdam {
    func update(_ buffers: UpdateBuffers) {
        let momenta = unsafe momenta(buffers.step)
        var hyper = unsafe recurrent_nadam(
            gradient: buffers.rule, learning_rate: learningRate, beta1: beta1, beta2: beta2,
            momentum: momenta.now, next_momentum: momenta.next,
            momentum_product: momenta.product,
            bias_correction2: 1 - integerPower(beta2, buffers.step), epsilon: epsilon,
            weight_decay: weightDecay, decoupled: decoupled)
        unsafe buffers.table.pointee.nadam_update(
            buffers.count, &hyper, buffers.parameters, buffers.gradient, buffers.moment(0),
            buffers.moment(1), buffers.partition)
    }
}

extension RAdam {
    func update(_ buffers: UpdateBuffers) {
        var hyper = unsafe recurrent_radam(
            gradient: buffers.rule, learning_rate: learningRate, beta1: beta1, beta2: beta2,
            bias_correction1: 1 - integerPower(beta1, buffers.step),
            bias_correction2: 1 - integerPower(beta2, buffers.step),
            rectification: rectification(buffers.step), epsilon: epsilon,
            weight_decay: weightDecay, decoupled: decoupled)
        unsafe buffers.table.pointee.radam_update(
            buffers.count, &hyper, buffers.parameters, buffers.gradient, buffers.moment(0),
            buffers.moment(1), buffers.partition)
    }
}

extension Adamax {
    func update(_ buffers: UpdateBuffers) {
        var hyper = unsafe recurrent_adamax(
            gradient: buffers.rule, learning_rate: learningRate, beta1: beta1, beta2: beta2,
            bias_correction1: 1 - integerPower(beta1, buffers.step), epsilon: epsilon,
            weight_decay: weightDecay)
        unsafe buffers.table.pointee.adamax_update(
            buffers.count, &hyper, buffers.parameters, buffers.gradient, buffers.moment(0),
            buffers.moment(1), buffers.partition)
    }
}

extension Lion {
    func update(_ buffers: UpdateBuffers) {
        var hyper = unsafe recurrent_lion(
            gradient: buffers.rule, learning_rate: learningRate, beta1: beta1, beta2: beta2,
            weight_decay: weightDecay)
        unsafe buffers.table.pointee.lion_update(
            buffers.count, &hyper, buffers.parameters, buffers.gradient, buffers.moment(0),
            buffers.partition)
    }
}
