/// What is known of a rule: its own file says it, and Bridge/OptimizerRules.swift how its kernel is
/// called.
protocol OptimizerRule: Hashable, Sendable {
    /// The rule under each of its names, with the usual settings.
    static var named: [(name: String, rule: Self)] { get }
    var optimizer: Optimizer { get }

    /// η.
    var learningRate: Double { get set }
    /// μ; zero for a rule that has none, which setting it does not change.
    var momentum: Double { get set }

    /// The rule without its learning rate and the size of its momentum, which may change from
    /// update to update, as text that stays the same from version to version: checkpoints keep it.
    var identity: String { get }
    /// The first hyperparameter that is out of range; nil where none is.
    var rangeError: String? { get }

    /// How many buffers of the parameters' size the rule keeps between steps.
    var momentCount: Int { get }
    /// Those of the moments that are never below zero: means or sums of squares, magnitudes.
    var unsignedMoments: Range<Int> { get }
    /// What the moments hold before the first step.
    var initialMoment: Float { get }
    /// The gradient is taken at the parameters plus the first moment times this, while the
    /// parameters are kept in the last moment; nil where it is taken at the parameters.
    var aheadFactor: Double? { get }
    /// The operations per parameter of the rule's equations, one for each sign, root and maximum.
    var operations: Int { get }

    func update(_ buffers: UpdateBuffers)
}

extension OptimizerRule {
    var momentum: Double {
        get { 0 }
        set {}
    }
    var initialMoment: Float { 0 }
    var aheadFactor: Double? { nil }
}

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

func outOfRange(_ name: String, _ expected: String, _ found: Double) -> String {
    "optimizer: \(name) out of range; expected \(expected), found \(found)"
}

func notNegative(_ value: Double, _ name: String) -> String? {
    value >= 0 && value.fitsFloat
        ? nil : outOfRange(name, "at least 0 and \(Double.floatRange)", value)
}

func belowOne(_ value: Double, _ name: String) -> String? {
    value >= 0 && Float(value) < 1 && value.fitsFloat
        ? nil : outOfRange(name, "at least 0, below 1 and \(Double.floatRange)", value)
}

extension Double {
    /// Whether a kernel, which computes in float32, takes it for what it is: zero, or a float that
    /// is neither zero nor infinite.
    package var fitsFloat: Bool { self == 0 || Float(self).isNormal }
    package static let floatRange = "in a float's range (0, or 1.2e-38 to 3.4e+38)"
}
