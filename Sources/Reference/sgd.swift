// Stochastic gradient descent (Polyak 1964; Sutskever, Martens, Dahl and Hinton 2013).

public struct SGD: UpdateRule {
    public var rule: GradientRule
    public var learningRate: Double
    /// μ; nil for none.
    public var momentum: Double?
    public var dampening: Double
    public var nesterov: Bool
    /// Of Nesterov's momentum: parameters are θ, and gradients are taken at θ + μ v, v being the
    /// last step; otherwise parameters are θ + μ v.
    public var lookAhead: Bool
    public var convention: MomentumConvention

    public init(
        learningRate: Double, momentum: Double? = nil, dampening: Double = 0,
        nesterov: Bool = false, lookAhead: Bool = false, convention: MomentumConvention = .buffer,
        rule: GradientRule = GradientRule()
    ) {
        self.learningRate = learningRate
        self.momentum = momentum
        self.dampening = dampening
        self.nesterov = nesterov
        self.lookAhead = lookAhead
        self.convention = convention
        self.rule = rule
    }

    /// b.
    public var moments: [Moment] { momentum == nil ? [] : [.mean] }

    /// In the look-ahead form θ + μ v; v is zero before the first step.
    public func point<S: Scalar>(_ t: Int, _ p: S, _ moments: [S]) -> S {
        guard lookAhead, t > 1, let momentum else { return p }
        return p + S(convention == .buffer ? -learningRate * momentum : momentum) * moments[0]
    }

    /// The first step has no dampening.
    public func step<S: Scalar>(_ t: Int) -> (inout S, S, inout [S]) -> Void {
        let rate = S(learningRate)
        guard let momentum else { return { p, g, _ in p -= rate * g } }
        let (keep, enter) = t == 1 ? (0, 1) : (S(momentum), S(1 - dampening))
        return { p, g, moments in
            switch convention {
            case .buffer:
                let b = S.mean(keep * moments[0] + enter * g)
                p -= rate * (nesterov && !lookAhead ? g + S(momentum) * b : b)
                moments[0] = b
            case .velocity:
                let b = S.mean(keep * moments[0] - rate * (enter * g))
                p += nesterov && !lookAhead ? S(momentum) * b - rate * g : b
                moments[0] = b
            }
        }
    }
}
