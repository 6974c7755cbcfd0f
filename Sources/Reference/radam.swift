// RAdam: Adam whose steps are rectified for the variance of what they are divided by (Liu, Jiang,
// He, Chen, Liu, Gao and Han 2020, algorithm 2), as PyTorch has it.

public struct RAdam: AdamMoments {
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

    /// m and v.
    public var moments: [Moment] { [.mean, .square] }

    /// r_t: nil while the variance is not tractable.
    public func rectification(_ t: Int) -> Double? {
        let c2 = biasCorrections(t).1
        let most = 2 / (1 - beta2) - 1
        let length = most - 2 * Double(t) * (1 - c2) / c2
        guard length > 5 else { return nil }
        let numerator = (length - 4) * (length - 2) * most
        return (numerator / ((most - 4) * (most - 2) * length)).squareRoot()
    }

    public func step<S: Scalar>(_ t: Int) -> (inout S, S, inout [S]) -> Void {
        let ((c1, c2), rectification) = (biasCorrections(t), rectification(t))
        return { p, g, moments in
            follow(g, &moments)
            var direction = moments[0] / S(c1)
            if let rectification {
                direction *= S(rectification * c2.squareRoot())
                direction = direction / (S.sqrt(moments[1]) + S(epsilon))
            }
            p -= S(learningRate) * direction
        }
    }
}
