// Stochastic gradient descent (Polyak 1964; Sutskever, Martens, Dahl and Hinton 2013).

/// Where momentum has the learning rate.
public enum MomentumConvention: Sendable {
    /// b = μ b + g, p -= η b: PyTorch.
    case buffer
    /// b = μ b - η g, p += b: the textbooks, Keras.
    case velocity
}

public struct SGD: Sendable {
    public var rule: GradientRule
    public var learningRate: Double
    /// μ; nil for none.
    public var momentum: Double?
    public var dampening: Double
    public var nesterov: Bool
    public var convention: MomentumConvention
    /// b, one for each parameter; nil before the first step, which has no dampening.
    public var buffer: [Double]?

    public init(
        learningRate: Double, momentum: Double? = nil, dampening: Double = 0,
        nesterov: Bool = false,
        convention: MomentumConvention = .buffer, rule: GradientRule = GradientRule()
    ) {
        self.rule = rule
        self.learningRate = learningRate
        self.momentum = momentum
        self.dampening = dampening
        self.nesterov = nesterov
        self.convention = convention
    }

    public mutating func update(_ parameters: inout [Double], _ gradient: inout [Double]) {
        var next = [Double](repeating: 0, count: parameters.count)
        for n in parameters.indices {
            let g = rule(gradient[n], parameter: parameters[n])
            gradient[n] = 0
            guard let momentum else {
                parameters[n] -= learningRate * g
                continue
            }
            switch convention {
            case .buffer:
                next[n] = buffer.map { momentum * $0[n] + (1 - dampening) * g } ?? g
                parameters[n] -= learningRate * (nesterov ? g + momentum * next[n] : next[n])
            case .velocity:
                next[n] =
                    buffer.map { momentum * $0[n] - learningRate * (1 - dampening) * g }
                    ?? -learningRate * g
                parameters[n] += nesterov ? momentum * next[n] - learningRate * g : next[n]
            }
        }
        buffer = next
    }
}
