// AdaDelta (Zeiler 2012, algorithm 1), with a learning rate, which is 1 in the paper.

public struct AdaDelta: UpdateRule {
    public var rule: GradientRule
    public var learningRate: Double
    /// ρ.
    public var decay: Double
    public var epsilon: Double

    public init(
        learningRate: Double = 1, decay: Double, epsilon: Double,
        rule: GradientRule = GradientRule()
    ) {
        self.learningRate = learningRate
        self.decay = decay
        self.epsilon = epsilon
        self.rule = rule
    }

    /// v, the running average of g², and u, that of the squared steps.
    public var moments: [Moment] { [.square, .square] }

    public func step<S: Scalar>(_ t: Int) -> (inout S, S, inout [S]) -> Void {
        let epsilon = S(epsilon)
        return { p, g, moments in
            moments[0] = S.square(S.average(decay, moments[0], g * g))
            let step = S.sqrt(moments[1] + epsilon) / S.sqrt(moments[0] + epsilon) * g
            moments[1] = S.square(S.average(decay, moments[1], step * step))
            p -= S(learningRate) * step
        }
    }
}
