/// Adamax: Adam by the largest gradient, Kingma and Ba 2015. Kernel: `adamax_update`.
public struct Adamax: Hashable, Sendable, OptimizerRule {
    public var learningRate: Double, beta1: Double, beta2: Double, epsilon: Double,
        weightDecay: Double

    public init(
        learningRate: Double = 0.002, beta1: Double = 0.9, beta2: Double = 0.999,
        epsilon: Double = 1e-8, weightDecay: Double = 0
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
    }

    static let named: [(name: String, rule: Adamax)] = [("adamax", Adamax())]
    var optimizer: Optimizer { .adamax(self) }

    var identity: String {
        """
        adamax with beta1 \(beta1), beta2 \(beta2), epsilon \(epsilon), \
        weight decay \(weightDecay)
        """
    }

    var rangeError: String? {
        notNegative(learningRate, "learning rate") ?? belowOne(beta1, "beta1")
            ?? belowOne(beta2, "beta2") ?? notNegative(epsilon, "epsilon")
            ?? notNegative(weightDecay, "weight decay")
    }

    var momentCount: Int { 2 }
    var unsignedMoments: Range<Int> { 1..<2 }
    var operations: Int { 10 }
}
