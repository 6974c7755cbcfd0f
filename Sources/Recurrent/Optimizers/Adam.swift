/// Adam: Kingma and Ba 2015; with `decoupled` weight decay AdamW: Loshchilov and Hutter 2019; with
/// `amsgrad`: Reddi, Kale and Kumar 2018. Kernel: `adam_update`.
public struct Adam: Hashable, Sendable, OptimizerRule {
    public var learningRate: Double, beta1: Double, beta2: Double, epsilon: Double,
        weightDecay: Double
    public var decoupled: Bool, amsgrad: Bool, epsilonPlace: EpsilonPlace

    public init(
        learningRate: Double = 0.001, beta1: Double = 0.9, beta2: Double = 0.999,
        epsilon: Double = 1e-8, weightDecay: Double = 0,
        decoupled: Bool = false, amsgrad: Bool = false, epsilonPlace: EpsilonPlace = .outside
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.decoupled = decoupled
        self.amsgrad = amsgrad
        self.epsilonPlace = epsilonPlace
    }

    static let named: [(name: String, rule: Adam)] = [
        ("adam", Adam()), ("adamw", Adam(weightDecay: 0.01, decoupled: true)),
        ("amsgrad", Adam(amsgrad: true)),
    ]
    var optimizer: Optimizer { .adam(self) }

    var identity: String {
        """
        adam with beta1 \(beta1), beta2 \(beta2), epsilon \(epsilon) \(epsilonPlace), \
        weight decay \(weightDecay), decoupled \(decoupled), amsgrad \(amsgrad)
        """
    }

    var rangeError: String? {
        notNegative(learningRate, "learning rate") ?? belowOne(beta1, "beta1")
            ?? belowOne(beta2, "beta2") ?? notNegative(epsilon, "epsilon")
            ?? notNegative(weightDecay, "weight decay")
    }

    var momentCount: Int { amsgrad ? 3 : 2 }
    var unsignedMoments: Range<Int> { 1..<momentCount }
    var operations: Int { 15 + (decoupled ? 1 : 0) + (amsgrad ? 1 : 0) }
}
