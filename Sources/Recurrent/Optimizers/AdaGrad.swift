/// AdaGrad: Duchi, Hazan and Singer 2011. Kernel: `adagrad_update`.
public struct AdaGrad: Hashable, Sendable, OptimizerRule {
    public var learningRate: Double, learningRateDecay: Double, epsilon: Double,
        initialAccumulator: Double, weightDecay: Double
    public var epsilonPlace: EpsilonPlace

    public init(
        learningRate: Double = 0.01, learningRateDecay: Double = 0, epsilon: Double = 1e-10,
        initialAccumulator: Double = 0,
        weightDecay: Double = 0, epsilonPlace: EpsilonPlace = .outside
    ) {
        self.learningRate = learningRate
        self.learningRateDecay = learningRateDecay
        self.epsilon = epsilon
        self.initialAccumulator = initialAccumulator
        self.weightDecay = weightDecay
        self.epsilonPlace = epsilonPlace
    }

    static let named: [(name: String, rule: AdaGrad)] = [("adagrad", AdaGrad())]
    var optimizer: Optimizer { .adaGrad(self) }

    var identity: String {
        """
        adagrad with decay \(learningRateDecay), epsilon \(epsilon) \(epsilonPlace), \
        weight decay \(weightDecay)
        """
    }

    var rangeError: String? {
        notNegative(learningRate, "learning rate")
            ?? notNegative(learningRateDecay, "learning rate decay")
            ?? notNegative(epsilon, "epsilon")
            ?? notNegative(initialAccumulator, "initial accumulator")
            ?? notNegative(weightDecay, "weight decay")
    }

    var momentCount: Int { 1 }
    var unsignedMoments: Range<Int> { 0..<1 }
    var operations: Int { 8 }
    var initialMoment: Float { Float(initialAccumulator) }
}
