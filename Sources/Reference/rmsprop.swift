// RMSProp (Hinton 2012, lecture 6e; centered: Graves 2013, equations 38 to 45).

public struct RMSProp: Sendable {
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
    /// v, the running average of g².
    public var square: [Double]
    /// m, the running average of g, where centered.
    public var mean: [Double]
    /// b, where there is momentum.
    public var buffer: [Double]

    public init(
        count: Int, learningRate: Double, decay: Double, epsilon: Double,
        epsilonPlace: EpsilonPlace = .outside,
        momentum: Double? = nil, convention: MomentumConvention = .buffer, centered: Bool = false,
        rule: GradientRule = GradientRule()
    ) {
        self.rule = rule
        self.learningRate = learningRate
        self.decay = decay
        self.epsilon = epsilon
        self.epsilonPlace = epsilonPlace
        self.momentum = momentum
        self.convention = convention
        self.centered = centered
        square = Array(repeating: 0, count: count)
        mean = square
        buffer = square
    }

    public mutating func update(_ parameters: inout [Double], _ gradient: inout [Double]) {
        for n in parameters.indices {
            let g = rule(gradient[n], parameter: parameters[n])
            gradient[n] = 0
            square[n] = decay * square[n] + (1 - decay) * g * g
            var variance = square[n]
            if centered {
                mean[n] = decay * mean[n] + (1 - decay) * g
                variance = max(variance - mean[n] * mean[n], 0)
            }
            let direction = g / epsilonPlace.root(variance, epsilon: epsilon)
            guard let momentum else {
                parameters[n] -= learningRate * direction
                continue
            }
            switch convention {
            case .buffer:
                buffer[n] = momentum * buffer[n] + direction
                parameters[n] -= learningRate * buffer[n]
            case .velocity:
                buffer[n] = momentum * buffer[n] - learningRate * direction
                parameters[n] += buffer[n]
            }
        }
    }
}
