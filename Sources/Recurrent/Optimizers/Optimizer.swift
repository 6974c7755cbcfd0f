extension Optimizer {
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

    /// See `OptimizerRule`.
    var aheadFactor: Double? { rates.aheadFactor }

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
    public var momentCount: Int { rates.momentCount }

    /// Those of the moments that are never below zero.
    var unsignedMoments: Range<Int> { rule.unsignedMoments }

    /// The operations per parameter of the rule's equations in optimizers.h, one for each sign,
    /// root and maximum.
    package var operations: Int { rule.operations }

    /// The rule itself, whose type tells which it is.
    package var anyRule: any Sendable { rule }

    /// What the moments hold before the first step.
    var initialMoment: Float { rule.initialMoment }
}

/// Something that is done with a rule, whichever it is.
protocol RuleOperation {
    mutating func apply(to rule: inout some OptimizerRule)
}

extension RuleOperation {
    mutating func applied<Rule: OptimizerRule>(to rule: inout Rule) -> Rule {
        apply(to: &rule)
        return rule
    }
}

private struct Rates: RuleOperation {
    var learningRate = 0.0, momentum = 0.0, aheadFactor: Double?, momentCount = 0

    mutating func apply(to rule: inout some OptimizerRule) {
        (learningRate, momentum) = (rule.learningRate, rule.momentum)
        (aheadFactor, momentCount) = (rule.aheadFactor, rule.momentCount)
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
