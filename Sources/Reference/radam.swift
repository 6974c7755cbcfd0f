// RAdam: Adam whose steps are rectified for the variance of what they are divided by (Liu, Jiang,
// He, Chen, Liu, Gao and Han 2020, algorithm 2), as PyTorch has it.

public struct RAdam: Sendable {
    /// Its weight decay goes into the gradient; see `decoupledDecay`.
    public var rule: GradientRule
    public var learningRate: Double
    public var beta1: Double
    public var beta2: Double
    public var epsilon: Double
    /// λ: p is multiplied by 1 - η λ before the step.
    public var decoupledDecay: Double
    /// m, the running average of g.
    public var first: [Double]
    /// v, the running average of g².
    public var second: [Double]
    /// t, steps done; β1^t and β2^t with it.
    public var step = 0
    private var power1 = 1.0
    private var power2 = 1.0

    public init(
        count: Int, learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999,
        epsilon: Double = 1e-8, decoupledDecay: Double = 0, rule: GradientRule = GradientRule()
    ) {
        self.rule = rule
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.decoupledDecay = decoupledDecay
        first = Array(repeating: 0, count: count)
        second = first
    }

    /// 1 - β1^t and 1 - β2^t after `step` steps.
    public var biasCorrections: (Double, Double) { (1 - power1, 1 - power2) }

    /// r_t after `step` steps: nil while the variance is not tractable.
    public var rectification: Double? {
        let most = 2 / (1 - beta2) - 1
        let length = most - 2 * Double(step) * power2 / (1 - power2)
        guard length > 5 else { return nil }
        let numerator = (length - 4) * (length - 2) * most
        return (numerator / ((most - 4) * (most - 2) * length)).squareRoot()
    }

    /// Goes on as if `steps` steps had been done.
    public mutating func advance(by steps: Int) {
        for _ in 0..<steps {
            step += 1
            power1 *= beta1
            power2 *= beta2
        }
    }

    public mutating func update(_ parameters: inout [Double], _ gradient: inout [Double]) {
        advance(by: 1)
        let (c1, c2) = biasCorrections
        for n in parameters.indices {
            let g = rule(gradient[n], parameter: parameters[n])
            gradient[n] = 0
            parameters[n] *= 1 - learningRate * decoupledDecay
            first[n] = beta1 * first[n] + (1 - beta1) * g
            second[n] = beta2 * second[n] + (1 - beta2) * g * g
            let m = first[n] / c1
            if let rectification {
                let adapted = c2.squareRoot() / (second[n].squareRoot() + epsilon)
                parameters[n] -= learningRate * m * rectification * adapted
            } else {
                parameters[n] -= learningRate * m
            }
        }
    }
}
