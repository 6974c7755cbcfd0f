// AdaGrad (Duchi, Hazan and Singer 2011).

public struct AdaGrad: Sendable {
    public var rule: GradientRule
    public var learningRate: Double
    /// PyTorch's lr_decay: the learning rate of step t is η / (1 + (t - 1) decay).
    public var learningRateDecay: Double
    public var epsilon: Double
    public var epsilonPlace: EpsilonPlace
    /// s = Σ g².
    public var sum: [Double]
    public var step = 0

    public init(
        count: Int, learningRate: Double, learningRateDecay: Double = 0, initial: Double = 0,
        epsilon: Double,
        epsilonPlace: EpsilonPlace = .outside, rule: GradientRule = GradientRule()
    ) {
        self.rule = rule
        self.learningRate = learningRate
        self.learningRateDecay = learningRateDecay
        self.epsilon = epsilon
        self.epsilonPlace = epsilonPlace
        sum = Array(repeating: initial, count: count)
    }

    public mutating func update(_ parameters: inout [Double], _ gradient: inout [Double]) {
        step += 1
        let rate = learningRate / (1 + Double(step - 1) * learningRateDecay)
        for n in parameters.indices {
            let g = rule(gradient[n], parameter: parameters[n])
            gradient[n] = 0
            sum[n] += g * g
            parameters[n] -= rate * g / epsilonPlace.root(sum[n], epsilon: epsilon)
        }
    }
}
