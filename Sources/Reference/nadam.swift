// NAdam: Adam with Nesterov's momentum (Dozat 2016), as PyTorch has it.

public struct NAdam: AdamMoments {
    public var rule: GradientRule
    public var learningRate: Double
    public var beta1: Double
    public var beta2: Double
    public var epsilon: Double
    /// ψ: μ_t = β1 (1 - 0.96^(t ψ) / 2).
    public var momentumDecay: Double

    public init(
        learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
        momentumDecay: Double = 4e-3, rule: GradientRule = GradientRule()
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.momentumDecay = momentumDecay
        self.rule = rule
    }

    /// m and v.
    public var moments: [Moment] { [.mean, .square] }

    /// μ_t.
    public func momentum(_ t: Int) -> Double {
        beta1 * (1 - Double.exp(Double.log(0.96) * Double(t) * momentumDecay) / 2)
    }

    /// μ_1 μ_2 … μ_t.
    public func momentumProduct(_ t: Int) -> Double {
        (0..<t).reduce(1) { $0 * momentum($1 + 1) }
    }

    public func step<S: Scalar>(_ t: Int) -> (inout S, S, inout [S]) -> Void {
        let (now, next, product) = (momentum(t), momentum(t + 1), momentumProduct(t))
        let c2 = biasCorrections(t).1
        return { p, g, moments in
            follow(g, &moments)
            let direction =
                S((1 - now) / (1 - product)) * g + S(next / (1 - product * next)) * moments[0]
            let root = EpsilonPlace.outside.root(moments[1], epsilon: epsilon, correction: c2)
            p -= S(learningRate) * S.mean(direction) / root
        }
    }
}
