/// Stochastic gradient descent, plain, with momentum or Nesterov's. Sutskever, Martens, Dahl and
/// Hinton 2013. Kernel: `sgd`.
public struct SGD: Hashable, Sendable, OptimizerRule {
    public var learningRate: Double, momentum: Double, dampening: Double, nesterov: Bool,
        weightDecay: Double
    public var convention: MomentumConvention

    public init(
        learningRate: Double = 0.1, momentum: Double = 0, dampening: Double = 0,
        nesterov: Bool = false, weightDecay: Double = 0,
        convention: MomentumConvention = .buffer
    ) {
        self.learningRate = learningRate
        self.momentum = momentum
        self.dampening = dampening
        self.nesterov = nesterov
        self.weightDecay = weightDecay
        self.convention = convention
    }

    static let named: [(name: String, rule: SGD)] = [
        ("sgd", SGD()), ("momentum", SGD(momentum: 0.9)),
        ("nesterov", SGD(momentum: 0.9, nesterov: true)),
    ]
    var optimizer: Optimizer { .sgd(self) }

    var identity: String {
        """
        sgd with momentum \(momentum != 0) \(convention), dampening \(dampening), \
        nesterov \(nesterov), weight decay \(weightDecay)
        """
    }

    var rangeError: String? {
        notNegative(learningRate, "learning rate") ?? belowOne(momentum, "momentum")
            ?? (0...1 ~= dampening ? nil : outOfRange("dampening", "0 to 1", dampening))
            ?? notNegative(weightDecay, "weight decay")
    }

    var momentCount: Int { momentum != 0 ? 1 : 0 }
    var unsignedMoments: Range<Int> { 0..<0 }
    var operations: Int { momentum == 0 ? 3 : nesterov ? 7 : 5 }
}
