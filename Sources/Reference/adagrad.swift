// AdaGrad (Duchi, Hazan and Singer 2011).

public struct AdaGrad: UpdateRule {
    public var rule: GradientRule
    public var learningRate: Double
    /// PyTorch's lr_decay: the learning rate of step t is η / (1 + (t - 1) decay).
    public var learningRateDecay: Double
    public var initialMoment: Double
    public var epsilon: Double
    public var epsilonPlace: EpsilonPlace

    public init(
        learningRate: Double, learningRateDecay: Double = 0, initialMoment: Double = 0,
        epsilon: Double, epsilonPlace: EpsilonPlace = .outside, rule: GradientRule = GradientRule()
    ) {
        self.learningRate = learningRate
        self.learningRateDecay = learningRateDecay
        self.initialMoment = initialMoment
        self.epsilon = epsilon
        self.epsilonPlace = epsilonPlace
        self.rule = rule
    }

    /// s = Σ g².
    public var moments: [Moment] { [.square] }

    public func step<S: Scalar>(_ t: Int) -> (inout S, S, inout [S]) -> Void {
        let rate = S(learningRate / (1 + Double(t - 1) * learningRateDecay))
        return { p, g, moments in
            moments[0] = S.square(moments[0] + g * g)
            p -= rate * g / epsilonPlace.root(moments[0], epsilon: epsilon)
        }
    }
}
