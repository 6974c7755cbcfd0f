// RMSProp (Hinton 2012, lecture 6e; centered: Graves 2013, equations 38 to 45).

public struct RMSProp: UpdateRule {
    public var rule: GradientRule
    public var learningRate: Double
    /// ρ, PyTorch's α.
    public var decay: Double
    public var epsilon: Double
    public var epsilonPlace: EpsilonPlace
    /// μ; nil for none.
    public var momentum: Double?
    public var convention: MomentumConvention
    public var centered: Bool

    public init(
        learningRate: Double, decay: Double, epsilon: Double, epsilonPlace: EpsilonPlace = .outside,
        momentum: Double? = nil, convention: MomentumConvention = .buffer, centered: Bool = false,
        rule: GradientRule = GradientRule()
    ) {
        self.learningRate = learningRate
        self.decay = decay
        self.epsilon = epsilon
        self.epsilonPlace = epsilonPlace
        self.momentum = momentum
        self.convention = convention
        self.centered = centered
        self.rule = rule
    }

    /// v, the running average of g²; m, that of g, where centered; b, where there is momentum.
    public var moments: [Moment] {
        [.square] + (centered ? [.mean] : []) + (momentum == nil ? [] : [.mean])
    }

    public func step<S: Scalar>(_ t: Int) -> (inout S, S, inout [S]) -> Void {
        let rate = S(learningRate)
        return { p, g, moments in
            moments[0] = S.square(S.average(decay, moments[0], g * g))
            var variance = moments[0]
            if centered {
                moments[1] = S.mean(S.average(decay, moments[1], g))
                variance = S.relu(variance - moments[1] * moments[1])
            }
            let direction = g / epsilonPlace.root(variance, epsilon: epsilon)
            guard let momentum else {
                p -= rate * direction
                return
            }
            let kept = S(momentum) * moments[moments.count - 1]
            switch convention {
            case .buffer:
                let b = S.mean(kept + direction)
                p -= rate * b
                moments[moments.count - 1] = b
            case .velocity:
                let b = S.mean(kept - rate * direction)
                p += b
                moments[moments.count - 1] = b
            }
        }
    }
}
