/// Where a small ε keeps a root away from zero.
public enum EpsilonPlace: Hashable, Sendable {
    /// √v + ε; for Adam √v̂ + ε (PyTorch).
    case outside
    /// √(v + ε); for Adam √(v̂ + ε) (Keras for AdaGrad and RMSProp, the lecture notes).
    case inside
    /// Adam only: √v + ε̂, not scaled by the bias correction (Keras, BNNS).
    case uncorrected
}

/// Where momentum has the learning rate. At a constant rate both give the same steps.
public enum MomentumConvention: Hashable, Sendable {
    /// b = μ b + g, p -= η b (PyTorch).
    case buffer
    /// b = μ b - η g, p += b (Polyak 1964, Keras).
    case velocity
}

/// Stochastic gradient descent, plain, with momentum or Nesterov's. Sutskever, Martens, Dahl and
/// Hinton 2013. Kernel: `sgd`.
public struct SGD: Hashable, Sendable {
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
}

/// AdaGrad: Duchi, Hazan and Singer 2011. Kernel: `adagrad`.
public struct AdaGrad: Hashable, Sendable {
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
}

/// RMSProp: Tieleman and Hinton 2012; centered: Graves 2013. Kernel: `rmsprop`.
public struct RMSProp: Hashable, Sendable {
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
}

/// AdaDelta: Zeiler 2012. Kernel: `adadelta`.
public struct AdaDelta: Hashable, Sendable {
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
}

/// Adam: Kingma and Ba 2015; with `decoupled` weight decay AdamW: Loshchilov and Hutter 2019; with
/// `amsgrad`: Reddi, Kale and Kumar 2018. Kernel: `adam`.
public struct Adam: Hashable, Sendable {
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
}

/// A rule that turns gradients into updates. Defaults and conventions are PyTorch's; each rule lets
/// the others be chosen.
///
/// A trainer requires learning rates, their decay, ε, weight decay and AdaGrad's initial
/// accumulator to be at least 0 (AdaDelta's ε above 0), momentum, ρ (`decay`), `beta1` and `beta2`
/// to be in 0..<1, and dampening in 0...1, all of them as floats too: none that is infinite as a
/// float, nor one above 0 that is zero or subnormal.
public enum Optimizer: Hashable, Sendable {
    case sgd(SGD)
    case adaGrad(AdaGrad)
    case rmsProp(RMSProp)
    case adaDelta(AdaDelta)
    case adam(Adam)

    /// The names that `named(_:learningRate:)` knows.
    public static let names = [
        "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam", "adamw", "amsgrad",
    ]

    /// A rule by its name, with the usual settings; nil for a name that is none of `names`.
    ///
    /// - Parameter learningRate: the rule's own default where nil.
    public static func named(_ name: String, learningRate: Double? = nil) -> Optimizer? {
        var optimizer: Optimizer
        switch name {
        case "sgd": optimizer = .sgd(SGD())
        case "momentum": optimizer = .sgd(SGD(momentum: 0.9))
        case "nesterov": optimizer = .sgd(SGD(momentum: 0.9, nesterov: true))
        case "adagrad": optimizer = .adaGrad(AdaGrad())
        case "rmsprop": optimizer = .rmsProp(RMSProp(learningRate: 0.002))
        case "adadelta": optimizer = .adaDelta(AdaDelta())
        case "adam": optimizer = .adam(Adam())
        case "adamw": optimizer = .adam(Adam(weightDecay: 0.01, decoupled: true))
        case "amsgrad": optimizer = .adam(Adam(amsgrad: true))
        default: return nil
        }
        if let learningRate { optimizer.learningRate = learningRate }
        return optimizer
    }

    /// The rule without its learning rate and the size of its momentum, which may change from
    /// update to update, as text that stays the same from version to version.
    var identity: String {
        switch self {
        case .sgd(let rule):
            """
            sgd with momentum \(rule.momentum != 0) \(rule.convention), dampening \
            \(rule.dampening), nesterov \(rule.nesterov), weight decay \(rule.weightDecay)
            """
        case .adaGrad(let rule):
            """
            adagrad with decay \(rule.learningRateDecay), epsilon \(rule.epsilon) \
            \(rule.epsilonPlace), weight decay \(rule.weightDecay)
            """
        case .rmsProp(let rule):
            """
            rmsprop with decay \(rule.decay), epsilon \(rule.epsilon) \(rule.epsilonPlace), \
            momentum \(rule.momentum != 0) \(rule.convention), 
            """
                + "centered \(rule.centered), weight decay \(rule.weightDecay)"
        case .adaDelta(let rule):
            """
            adadelta with decay \(rule.decay), epsilon \(rule.epsilon), weight decay \
            \(rule.weightDecay)
            """
        case .adam(let rule):
            """
            adam with beta1 \(rule.beta1), beta2 \(rule.beta2), epsilon \(rule.epsilon) \
            \(rule.epsilonPlace), weight decay \(rule.weightDecay), 
            """
                + "decoupled \(rule.decoupled), amsgrad \(rule.amsgrad)"
        }
    }

    /// η.
    public var learningRate: Double {
        get {
            switch self {
            case .sgd(let rule): rule.learningRate
            case .adaGrad(let rule): rule.learningRate
            case .rmsProp(let rule): rule.learningRate
            case .adaDelta(let rule): rule.learningRate
            case .adam(let rule): rule.learningRate
            }
        }
        set {
            switch self {
            case .sgd(var rule):
                rule.learningRate = newValue
                self = .sgd(rule)
            case .adaGrad(var rule):
                rule.learningRate = newValue
                self = .adaGrad(rule)
            case .rmsProp(var rule):
                rule.learningRate = newValue
                self = .rmsProp(rule)
            case .adaDelta(var rule):
                rule.learningRate = newValue
                self = .adaDelta(rule)
            case .adam(var rule):
                rule.learningRate = newValue
                self = .adam(rule)
            }
        }
    }

    /// μ; zero for a rule that has none, which setting it does not change.
    public var momentum: Double {
        get {
            switch self {
            case .sgd(let rule): rule.momentum
            case .rmsProp(let rule): rule.momentum
            case .adaGrad, .adaDelta, .adam: 0
            }
        }
        set {
            switch self {
            case .sgd(var rule):
                rule.momentum = newValue
                self = .sgd(rule)
            case .rmsProp(var rule):
                rule.momentum = newValue
                self = .rmsProp(rule)
            case .adaGrad, .adaDelta, .adam: break
            }
        }
    }

    /// The first hyperparameter that is out of range; nil where none is.
    package var rangeError: String? {
        switch self {
        case .sgd(let rule):
            notNegative(rule.learningRate, "learning rate") ?? belowOne(rule.momentum, "momentum")
                ?? (0...1 ~= rule.dampening ? nil : message("dampening", "0 to 1", rule.dampening))
                ?? notNegative(rule.weightDecay, "weight decay")
        case .adaGrad(let rule):
            notNegative(rule.learningRate, "learning rate") ?? notNegative(
                rule.learningRateDecay, "learning rate decay")
                ?? notNegative(rule.epsilon, "epsilon") ?? notNegative(
                    rule.initialAccumulator, "initial accumulator")
                ?? notNegative(rule.weightDecay, "weight decay")
        case .rmsProp(let rule):
            notNegative(rule.learningRate, "learning rate") ?? belowOne(rule.decay, "decay")
                ?? notNegative(rule.epsilon, "epsilon")
                ?? belowOne(rule.momentum, "momentum")
                ?? notNegative(rule.weightDecay, "weight decay")
        case .adaDelta(let rule):
            notNegative(rule.learningRate, "learning rate") ?? belowOne(rule.decay, "decay")
                ?? notNegative(rule.epsilon, "epsilon")
                ?? (rule.epsilon > 0 ? nil : message("epsilon", "above 0", rule.epsilon))
                ?? notNegative(rule.weightDecay, "weight decay")
        case .adam(let rule):
            notNegative(rule.learningRate, "learning rate") ?? belowOne(rule.beta1, "beta1")
                ?? belowOne(rule.beta2, "beta2")
                ?? notNegative(rule.epsilon, "epsilon")
                ?? notNegative(rule.weightDecay, "weight decay")
        }
    }

    /// How many buffers of the parameters' size the rule keeps between steps.
    public var momentCount: Int {
        switch self {
        case .sgd(let rule): rule.momentum != 0 ? 1 : 0
        case .adaGrad: 1
        case .rmsProp(let rule): 1 + (rule.centered ? 1 : 0) + (rule.momentum != 0 ? 1 : 0)
        case .adaDelta: 2
        case .adam(let rule): rule.amsgrad ? 3 : 2
        }
    }

    /// Those of the moments that are means or sums of squares.
    var unsignedMoments: Range<Int> {
        switch self {
        case .sgd: 0..<0
        case .adaGrad, .rmsProp: 0..<1
        case .adaDelta: 0..<2
        case .adam: 1..<momentCount
        }
    }

    /// What the moments hold before the first step.
    var initialMoment: Float {
        if case .adaGrad(let rule) = self { Float(rule.initialAccumulator) } else { 0 }
    }
}

private func message(_ name: String, _ expected: String, _ found: Double) -> String {
    "optimizer: \(name) out of range; expected \(expected), found \(found)"
}

private func notNegative(_ value: Double, _ name: String) -> String? {
    value >= 0 && value.fitsFloat
        ? nil : message(name, "at least 0 and \(Double.floatRange)", value)
}

private func belowOne(_ value: Double, _ name: String) -> String? {
    value >= 0 && Float(value) < 1 && value.fitsFloat
        ? nil : message(name, "at least 0, below 1 and \(Double.floatRange)", value)
}

extension Double {
    /// Whether a kernel, which computes in float32, takes it for what it is: zero, or a float that
    /// is neither zero nor infinite.
    package var fitsFloat: Bool { self == 0 || Float(self).isNormal }
    package static let floatRange = "in a float's range (0, or 1.2e-38 to 3.4e+38)"
}
