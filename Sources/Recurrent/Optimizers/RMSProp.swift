/// RMSProp: Tieleman and Hinton 2012; centered: Graves 2013. Kernel: `rmsprop_update`.
public struct RMSProp: Hashable, Sendable, OptimizerRule {
    public var learningRate: Double, decay: Double, epsilon: Double, momentum: Double,
        centered: Bool, weightDecay: Double
    public var epsilonPlace: EpsilonPlace, convention: MomentumConvention

    public init(
        learningRate: Double = 0.01, decay: Double = 0.99, epsilon: Double = 1e-8,
        momentum: Double = 0, centered: Bool = false,
        weightDecay: Double = 0, epsilonPlace: EpsilonPlace = .outside,
        convention: MomentumConvention = .buffer
    ) {
        self.learningRate = learningRate
        self.decay = decay
        self.epsilon = epsilon
        self.momentum = momentum
        self.centered = centered
        self.weightDecay = weightDecay
        self.epsilonPlace = epsilonPlace
        self.convention = convention
    }

    static let named: [(name: String, rule: RMSProp)] = [("rmsprop", RMSProp(learningRate: 0.002))]
    var optimizer: Optimizer { .rmsProp(self) }

    var identity: String {
        """
        rmsprop with decay \(decay), epsilon \(epsilon) \(epsilonPlace), \
        momentum \(momentum != 0) \(convention), centered \(centered), \
        weight decay \(weightDecay)
        """
    }

    var rangeError: String? {
        notNegative(learningRate, "learning rate") ?? belowOne(decay, "decay")
            ?? notNegative(epsilon, "epsilon") ?? belowOne(momentum, "momentum")
            ?? notNegative(weightDecay, "weight decay")
    }

    var momentCount: Int { 1 + (centered ? 1 : 0) + (momentum != 0 ? 1 : 0) }
    var unsignedMoments: Range<Int> { 0..<1 }
    var operations: Int { 10 }
}
