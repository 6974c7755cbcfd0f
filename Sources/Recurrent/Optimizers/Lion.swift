/// Lion, whose steps are signs: Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms".
/// Kernel: `lion_update`.
public struct Lion: Hashable, Sendable, OptimizerRule {
    /// Every parameter moves by it in every step: a third to a tenth of Adam's is usual.
    public var learningRate: Double
    /// What the momentum counts for in a step.
    public var beta1: Double
    /// What is kept of the momentum.
    public var beta2: Double
    /// λ: the parameters shrink by η λ, as in AdamW.
    public var weightDecay: Double

    public init(
        learningRate: Double = 1e-4, beta1: Double = 0.9, beta2: Double = 0.99,
        weightDecay: Double = 0
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.weightDecay = weightDecay
    }

    static let named: [(name: String, rule: Lion)] = [("lion", Lion())]
    var optimizer: Optimizer { .lion(self) }

    var identity: String {
        "lion with beta1 \(beta1), beta2 \(beta2), weight decay \(weightDecay)"
    }

    var rangeError: String? {
        notNegative(learningRate, "learning rate") ?? belowOne(beta1, "beta1")
            ?? belowOne(beta2, "beta2") ?? notNegative(weightDecay, "weight decay")
    }

    var momentCount: Int { 1 }
    var unsignedMoments: Range<Int> { 0..<0 }
    var operations: Int { 9 }
}
