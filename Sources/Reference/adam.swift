// Adam (Kingma and Ba 2015, algorithm 1), AdamW (Loshchilov and Hutter 2019), AMSGrad (Reddi, Kale
// and Kumar 2018).

public struct Adam: AdamMoments {
    public var rule: GradientRule
    public var learningRate: Double
    public var beta1: Double
    public var beta2: Double
    public var epsilon: Double
    public var epsilonPlace: EpsilonPlace
    public var amsgrad: Bool

    public init(
        learningRate: Double, beta1: Double = 0.9, beta2: Double = 0.999, epsilon: Double = 1e-8,
        epsilonPlace: EpsilonPlace = .outside, amsgrad: Bool = false,
        rule: GradientRule = GradientRule()
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.epsilonPlace = epsilonPlace
        self.amsgrad = amsgrad
        self.rule = rule
    }

    /// m and v; the largest v so far, for AMSGrad.
    public var moments: [Moment] { [.mean, .square] + (amsgrad ? [.square] : []) }

    public func step<S: Scalar>(_ t: Int) -> (inout S, S, inout [S]) -> Void {
        let (c1, c2) = biasCorrections(t)
        return { p, g, moments in
            follow(g, &moments)
            if amsgrad { moments[2] = S.larger(moments[2], moments[1]) }
            let root = epsilonPlace.root(moments.last!, epsilon: epsilon, correction: c2)
            p -= S(learningRate) * (moments[0] / S(c1)) / root
        }
    }
}

/// What Adam has in common with its kin.
public protocol AdamMoments: UpdateRule {
    var beta1: Double { get }
    var beta2: Double { get }
}

extension AdamMoments {
    /// 1 - β1^t and 1 - β2^t.
    public func biasCorrections(_ t: Int) -> (Double, Double) {
        (1 - power(beta1, t), 1 - power(beta2, t))
    }

    /// m = β1 m + (1 - β1) g, v = β2 v + (1 - β2) g².
    func follow<S: Scalar>(_ g: S, _ moments: inout [S]) {
        moments[0] = S.mean(S.average(beta1, moments[0], g))
        moments[1] = S.square(S.average(beta2, moments[1], g * g))
    }
}
