// Adam (Kingma and Ba 2015, algorithm 1), AdamW (Loshchilov and Hutter 2019), AMSGrad (Reddi, Kale
// and Kumar 2018).

public struct Adam: Sendable {
    /// Where ε stands.
    public enum Epsilon: Sendable {
        /// √v̂ + ε: the paper, PyTorch.
        case outside
        /// √(v̂ + ε): the lecture notes.
        case inside
        /// √v + ε̂, with the bias corrections in the learning rate: the end of the paper's section
        /// 2, Keras, BNNS.
        case uncorrected
    }

    /// Its weight decay goes into the gradient; see `decoupledDecay`.
    public var rule: GradientRule
    public var learningRate: Double
    public var beta1: Double
    public var beta2: Double
    public var epsilon: Double
    public var epsilonPlace: Epsilon
    /// AdamW's λ: p is multiplied by 1 - η λ before the step.
    public var decoupledDecay: Double
    public var amsgrad: Bool
    /// m, the running average of g.
    public var first: [Double]
    /// v, the running average of g².
    public var second: [Double]
    /// The largest v so far, for AMSGrad.
    public var largest: [Double]
    /// t, steps done; β1^t and β2^t with it.
    public var step = 0
    private var power1 = 1.0
    private var power2 = 1.0

    public init(
        count: Int, learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999,
        epsilon: Double = 1e-8,
        epsilonPlace: Epsilon = .outside, decoupledDecay: Double = 0, amsgrad: Bool = false,
        rule: GradientRule = GradientRule()
    ) {
        self.rule = rule
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.epsilonPlace = epsilonPlace
        self.decoupledDecay = decoupledDecay
        self.amsgrad = amsgrad
        first = Array(repeating: 0, count: count)
        second = first
        largest = first
    }

    /// 1 - β1^t and 1 - β2^t after `step` steps, as the next step will not yet see them.
    public var biasCorrections: (Double, Double) { (1 - power1, 1 - power2) }

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
            largest[n] = max(largest[n], second[n])
            let v = amsgrad ? largest[n] : second[n]
            let m = first[n] / c1
            switch epsilonPlace {
            case .outside: parameters[n] -= learningRate * m / ((v / c2).squareRoot() + epsilon)
            case .inside: parameters[n] -= learningRate * m / (v / c2 + epsilon).squareRoot()
            case .uncorrected:
                parameters[n] -= learningRate * c2.squareRoot() * m / (v.squareRoot() + epsilon)
            }
        }
    }
}
