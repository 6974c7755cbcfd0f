// NAdam: Adam with Nesterov's momentum (Dozat 2016), as PyTorch has it.

public struct NAdam: Sendable {
    /// Its weight decay goes into the gradient; see `decoupledDecay`.
    public var rule: GradientRule
    public var learningRate: Double
    public var beta1: Double
    public var beta2: Double
    public var epsilon: Double
    /// ψ: μ_t = β1 (1 - 0.96^(t ψ) / 2).
    public var momentumDecay: Double
    /// λ: p is multiplied by 1 - η λ before the step.
    public var decoupledDecay: Double
    /// m, the running average of g.
    public var first: [Double]
    /// v, the running average of g².
    public var second: [Double]
    /// t, steps done; μ_1 μ_2 … μ_t and β2^t with it.
    public var step = 0
    private var product = 1.0
    private var power2 = 1.0

    public init(
        count: Int, learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999,
        epsilon: Double = 1e-8, momentumDecay: Double = 4e-3, decoupledDecay: Double = 0,
        rule: GradientRule = GradientRule()
    ) {
        self.rule = rule
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.momentumDecay = momentumDecay
        self.decoupledDecay = decoupledDecay
        first = Array(repeating: 0, count: count)
        second = first
    }

    /// μ_t.
    public func momentum(_ step: Int) -> Double {
        beta1 * (1 - Double.exp(Double.log(0.96) * Double(step) * momentumDecay) / 2)
    }

    /// μ_1 μ_2 … μ_t, and 1 - β2^t, after `step` steps.
    public var corrections: (product: Double, second: Double) { (product, 1 - power2) }

    /// Goes on as if `steps` steps had been done.
    public mutating func advance(by steps: Int) {
        for _ in 0..<steps {
            step += 1
            product *= momentum(step)
            power2 *= beta2
        }
    }

    public mutating func update(_ parameters: inout [Double], _ gradient: inout [Double]) {
        advance(by: 1)
        let (now, next) = (momentum(step), momentum(step + 1))
        for n in parameters.indices {
            let g = rule(gradient[n], parameter: parameters[n])
            gradient[n] = 0
            parameters[n] *= 1 - learningRate * decoupledDecay
            first[n] = beta1 * first[n] + (1 - beta1) * g
            second[n] = beta2 * second[n] + (1 - beta2) * g * g
            let root = (second[n] / (1 - power2)).squareRoot() + epsilon
            parameters[n] -= learningRate * (1 - now) / (1 - product) * g / root
            parameters[n] -= learningRate * next / (1 - product * next) * first[n] / root
        }
    }
}
