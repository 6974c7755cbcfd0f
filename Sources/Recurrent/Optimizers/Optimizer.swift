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

    static let rules: [any OptimizerRule.Type] = [
        SGD.self, AdaGrad.self, RMSProp.self, AdaDelta.self, Adam.self, NAdam.self, RAdam.self,
        Adamax.self,
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
        }
    }

    /// The names that `named(_:learningRate:)` knows.
    public static let names = rules.flatMap { $0.named.map(\.name) }

    /// A rule by its name, with the usual settings; nil for a name that is none of `names`.
    ///
    /// - Parameter learningRate: the rule's own default where nil.
    public static func named(_ name: String, learningRate: Double? = nil) -> Optimizer? {
        let found = rules.lazy.flatMap { rule in rule.named.map { ($0.name, $0.rule.optimizer) } }
        guard var optimizer = found.first(where: { $0.0 == name })?.1 else { return nil }
        if let learningRate { optimizer.learningRate = learningRate }
        return optimizer
    }

    /// η.
    public var learningRate: Double {
        get { rates.learningRate }
        set {
            var change = ChangedRates(learningRate: newValue)
            apply(&change)
        }
    }

    /// μ; zero for a rule that has none, which setting it does not change.
    public var momentum: Double {
        get { rates.momentum }
        set {
            var change = ChangedRates(momentum: newValue)
            apply(&change)
        }
    }

    private var rates: Rates {
        var (copy, rates) = (self, Rates())
        copy.apply(&rates)
        return rates
    }

    /// The rule without its learning rate and the size of its momentum; see `OptimizerRule`.
    var identity: String { rule.identity }

    /// The first hyperparameter that is out of range; nil where none is.
    package var rangeError: String? {
        var (copy, range) = (self, RangeCheck())
        copy.apply(&range)
        return range.error
    }

    /// How many buffers of the parameters' size the rule keeps between steps.
    public var momentCount: Int { rule.momentCount }

    /// Those of the moments that are never below zero.
    var unsignedMoments: Range<Int> { rule.unsignedMoments }

    /// What the moments hold before the first step.
    var initialMoment: Float { rule.initialMoment }
}

/// Something that is done with a rule, whichever it is.
protocol RuleOperation {
    mutating func apply(to rule: inout some OptimizerRule)
}

extension RuleOperation {
    fileprivate mutating func applied<Rule: OptimizerRule>(to rule: inout Rule) -> Rule {
        apply(to: &rule)
        return rule
    }
}

private struct Rates: RuleOperation {
    var learningRate = 0.0, momentum = 0.0

    mutating func apply(to rule: inout some OptimizerRule) {
        (learningRate, momentum) = (rule.learningRate, rule.momentum)
    }
}

private struct RangeCheck: RuleOperation {
    var error: String?

    mutating func apply(to rule: inout some OptimizerRule) { error = rule.rangeError }
}

private struct ChangedRates: RuleOperation {
    var learningRate: Double?, momentum: Double?

    mutating func apply(to rule: inout some OptimizerRule) {
        if let learningRate { rule.learningRate = learningRate }
        if let momentum { rule.momentum = momentum }
    }
}
