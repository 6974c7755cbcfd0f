/// NAdam: Adam with Nesterov's momentum, Dozat 2016. Kernel: `nadam_update`.
public struct NAdam: Hashable, Sendable, OptimizerRule {
    public var learningRate: Double, beta1: Double, beta2: Double, epsilon: Double
    /// ψ: the momentum of step t is β1 (1 - 0.96^(t ψ) / 2).
    public var momentumDecay: Double
    public var weightDecay: Double, decoupled: Bool

    public init(
        learningRate: Double = 0.002, beta1: Double = 0.9, beta2: Double = 0.999,
        epsilon: Double = 1e-8, momentumDecay: Double = 0.004, weightDecay: Double = 0,
        decoupled: Bool = false
    ) {
        self.learningRate = learningRate
        self.beta1 = beta1
        self.beta2 = beta2
        self.epsilon = epsilon
        self.momentumDecay = momentumDecay
        self.weightDecay = weightDecay
        self.decoupled = decoupled
    }

    static let named: [(name: String, rule: NAdam)] = [("nadam", NAdam())]
    var optimizer: Optimizer { .nAdam(self) }

    var identity: String {
        """
        nadam with beta1 \(beta1), beta2 \(beta2), epsilon \(epsilon), \
        momentum decay \(momentumDecay), weight decay \(weightDecay), decoupled \(decoupled)
        """
    }

    var rangeError: String? {
        notNegative(learningRate, "learning rate") ?? belowOne(beta1, "beta1")
            ?? belowOne(beta2, "beta2") ?? notNegative(epsilon, "epsilon")
            ?? notNegative(momentumDecay, "momentum decay")
            ?? notNegative(weightDecay, "weight decay")
    }

    var momentCount: Int { 2 }
    var unsignedMoments: Range<Int> { 1..<2 }
    var operations: Int { 18 }

    /// μ_t, μ_t+1 and the product of μ_1 to μ_t.
    func momenta(_ step: Int) -> (now: Double, next: Double, product: Double) {
        let decay = Self.exponential(-0.040821994520255166 * min(momentumDecay, 1e6))  // 0.96^ψ
        func momentum(_ power: Double) -> Double { beta1 * (1 - power / 2) }
        // Each factor is a half of β1 at least and comes near it: soon either the product is
        // nothing against 1, or the factors are all the same.
        var (product, power, done) = (1.0, 1.0, 0)
        while done < step, product > 0x1p-60, power > 0x1p-60 {
            power *= decay
            product *= momentum(power)
            done += 1
        }
        if power <= 0x1p-60 { product *= integerPower(beta1, step - done) }
        let now = integerPower(decay, step)
        return (momentum(now), momentum(now * decay), product)
    }

    /// e^x for x ≤ 0: the same bits on every machine, unlike a library's.
    private static func exponential(_ x: Double) -> Double {
        var (part, halvings) = (x, 0)
        while part < -1 / 16 {
            part /= 2
            halvings += 1
        }
        let sum = (1...10).reversed().reduce(1.0) { sum, n in 1 + part / Double(n) * sum }
        return integerPower(sum, 1 << halvings)
    }
}
