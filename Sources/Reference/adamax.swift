// Adamax (Kingma and Ba 2015, algorithm 2), with PyTorch's ε.

public struct Adamax: Sendable {
    public var rule: GradientRule
    public var learningRate: Double
    public var beta1: Double
    public var beta2: Double
    public var epsilon: Double
    /// m, the running average of g.
    public var first: [Double]
    /// u, the largest |g| so far, which fades.
    public var largest: [Double]
    /// t, steps done; β1^t with it.
    public var step = 0
    private var power1 = 1.0

    public init(
        count: Int, learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999,
        epsilon: Double = 1e-8, rule: GradientRule = GradientRule()
    ) {
        self.rule = rule
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        first = Array(repeating: 0, count: count)
        largest = first
    }

    /// 1 - β1^t after `step` steps.
    public var biasCorrection: Double { 1 - power1 }

    /// Goes on as if `steps` steps had been done.
    public mutating func advance(by steps: Int) {
        for _ in 0..<steps {
            step += 1
            power1 *= beta1
        }
    }

    public mutating func update(_ parameters: inout [Double], _ gradient: inout [Double]) {
        advance(by: 1)
        for n in parameters.indices {
            let g = rule(gradient[n], parameter: parameters[n])
            gradient[n] = 0
            first[n] = beta1 * first[n] + (1 - beta1) * g
            largest[n] = max(beta2 * largest[n], g.magnitude + epsilon)
            parameters[n] -= learningRate / (1 - power1) * first[n] / largest[n]
        }
    }
}
