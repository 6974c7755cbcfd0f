/// AdaDelta: Zeiler 2012. Kernel: `adadelta_update`.
public struct AdaDelta: Hashable, Sendable, OptimizerRule {
    public var learningRate: Double, decay: Double, epsilon: Double, weightDecay: Double

    public init(
        learningRate: Double = 1, decay: Double = 0.9, epsilon: Double = 1e-6,
        weightDecay: Double = 0
    ) {
        self.learningRate = learningRate
        self.decay = decay
        self.epsilon = epsilon
        self.weightDecay = weightDecay
    }

    static let named: [(name: String, rule: AdaDelta)] = [("adadelta", AdaDelta())]
    var optimizer: Optimizer { .adaDelta(self) }

    var identity: String {
        "adadelta with decay \(decay), epsilon \(epsilon), weight decay \(weightDecay)"
    }

    var rangeError: String? {
        notNegative(learningRate, "learning rate") ?? belowOne(decay, "decay")
            ?? notNegative(epsilon, "epsilon")
            ?? (epsilon > 0 ? nil : outOfRange("epsilon", "above 0", epsilon))
            ?? notNegative(weightDecay, "weight decay")
    }

    var momentCount: Int { 2 }
    var unsignedMoments: Range<Int> { 0..<2 }
    var operations: Int { 16 }
}
