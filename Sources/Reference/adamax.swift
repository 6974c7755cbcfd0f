// Adamax (Kingma and Ba 2015, algorithm 2), with PyTorch's ε.

public struct Adamax: UpdateRule {
    public var rule: GradientRule
    public var learningRate: Double
    public var beta1: Double
    public var beta2: Double
    public var epsilon: Double

    public init(
        learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
        rule: GradientRule = GradientRule()
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.rule = rule
    }

    /// m, the running average of g, and u, the largest |g| so far, which fades.
    public var moments: [Moment] { [.mean, .square] }

    /// 1 - β1^t.
    public func biasCorrection(_ t: Int) -> Double { 1 - power(beta1, t) }

    public func step<S: Scalar>(_ t: Int) -> (inout S, S, inout [S]) -> Void {
        let rate = S(learningRate / biasCorrection(t))
        return { p, g, moments in
            moments[0] = S.mean(S.average(beta1, moments[0], g))
            let magnitude = S.larger(g, -g)
            moments[1] = S.square(S.larger(S(beta2) * moments[1], magnitude + S(epsilon)))
            p -= rate * moments[0] / moments[1]
        }
    }
}
