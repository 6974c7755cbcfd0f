/// RAdam: Adam with rectified steps, Liu, Jiang, He, Chen, Liu, Gao and Han 2020. Kernel:
/// `radam_update`.
public struct RAdam: Hashable, Sendable, OptimizerRule {
    public var learningRate: Double, beta1: Double, beta2: Double, epsilon: Double,
        weightDecay: Double, decoupled: Bool

    public init(
        learningRate: Double = 0.001, beta1: Double = 0.9, beta2: Double = 0.999,
        epsilon: Double = 1e-8, weightDecay: Double = 0, decoupled: Bool = false
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.decoupled = decoupled
    }

    static let named: [(name: String, rule: RAdam)] = [("radam", RAdam())]
    var optimizer: Optimizer { .rAdam(self) }

    var identity: String {
        """
        radam with beta1 \(beta1), beta2 \(beta2), epsilon \(epsilon), \
        weight decay \(weightDecay), decoupled \(decoupled)
        """
    }

    var rangeError: String? {
        notNegative(learningRate, "learning rate") ?? belowOne(beta1, "beta1")
            ?? belowOne(beta2, "beta2") ?? notNegative(epsilon, "epsilon")
            ?? notNegative(weightDecay, "weight decay")
    }

    var momentCount: Int { 2 }
    var unsignedMoments: Range<Int> { 1..<2 }
    var operations: Int { 14 }

    /// r_t, by which a step is multiplied; zero while the variance of what it is divided by is not
    /// known, which is until ρ_t is above 5 (algorithm 2, as PyTorch has it).
    func rectification(_ step: Int) -> Double {
        let power = integerPower(beta2, step)
        let most = 2 / (1 - beta2) - 1
        let length = most - 2 * Double(step) * power / (1 - power)
        guard length > 5 else { return 0 }
        return
            ((length - 4) / (most - 4) * ((length - 2) / (most - 2)) * (most / length)).squareRoot()
    }
}
