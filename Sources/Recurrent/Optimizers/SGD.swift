/// Stochastic gradient descent, plain, with momentum or Nesterov's. Sutskever, Martens, Dahl and
/// Hinton 2013. Kernel: `sgd_update`.
///
/// Nesterov's momentum has two forms, which make the same steps. In the update form (PyTorch) the
/// stored weights are θ + μ v, where the gradient is taken: evaluations and files see that point.
/// In the look-ahead form they are θ, and a trainer moves them to θ + μ v for the gradient alone.
public struct SGD: Hashable, Sendable, OptimizerRule {
    public var learningRate: Double, momentum: Double, dampening: Double, nesterov: Bool,
        weightDecay: Double
    public var convention: MomentumConvention
    /// Whether Nesterov's momentum has its look-ahead form: v = μ v - η g(θ + μ v), θ += v.
    public var lookAhead: Bool

    public init(
        learningRate: Double = 0.1, momentum: Double = 0, dampening: Double = 0,
        nesterov: Bool = false, weightDecay: Double = 0,
        convention: MomentumConvention = .buffer, lookAhead: Bool = false
    ) {
        self.learningRate = learningRate
        self.momentum = momentum
        self.dampening = dampening
        self.nesterov = nesterov
        self.weightDecay = weightDecay
        self.convention = convention
        self.lookAhead = lookAhead
    }

    static let named: [(name: String, rule: SGD)] = [
        ("sgd", SGD()), ("momentum", SGD(momentum: 0.9)),
        ("nesterov", SGD(momentum: 0.9, nesterov: true)),
        ("nesterov-look-ahead", SGD(momentum: 0.9, nesterov: true, lookAhead: true)),
    ]
    var optimizer: Optimizer { .sgd(self) }

    var identity: String {
        """
        sgd with momentum \(momentum != 0) \(convention), dampening \(dampening), \
        nesterov \(nesterov)\(looksAhead ? ", look-ahead" : ""), weight decay \(weightDecay)
        """
    }

    var rangeError: String? {
        notNegative(learningRate, "learning rate") ?? belowOne(momentum, "momentum")
            ?? (0...1 ~= dampening ? nil : outOfRange("dampening", "0 to 1", dampening))
            ?? notNegative(weightDecay, "weight decay")
    }

    /// The momentum; in the look-ahead form θ too, for the time in which the gradient is taken.
    var momentCount: Int { momentum == 0 ? 0 : looksAhead ? 2 : 1 }
    var looksAhead: Bool { lookAhead && nesterov && momentum != 0 }
    var aheadFactor: Double? {
        guard looksAhead else { return nil }
        return convention == .buffer ? -learningRate * momentum : momentum
    }
    var unsignedMoments: Range<Int> { 0..<0 }
    var operations: Int { momentum == 0 ? 3 : nesterov && !lookAhead ? 7 : 5 }
}
