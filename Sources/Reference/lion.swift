// Lion (Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms").

public struct Lion: UpdateRule {
    /// Its weight decay is decoupled.
    public var rule: GradientRule
    public var learningRate: Double
    public var beta1: Double
    public var beta2: Double

    public init(
        learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.99,
        rule: GradientRule = GradientRule()
    ) {
        self.rule = rule
        self.rule.decoupled = true
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
    }

    /// m, the running average of g.
    public var moments: [Moment] { [.mean] }

    public func step<S: Scalar>(_ t: Int) -> (inout S, S, inout [S]) -> Void {
        return { p, g, moments in
            let c = S.mean(S.average(beta1, moments[0], g))
            p -= S(learningRate) * (S.heaviside(c) - S.heaviside(-c))
            moments[0] = S.mean(S.average(beta2, moments[0], g))
        }
    }
}
