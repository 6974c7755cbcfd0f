// What the rules of optimizers have in common. Each stands in its own file.

/// A rule that turns the gradient of a parameter into its update, each parameter for itself.
public protocol UpdateRule: Sendable {
    var rule: GradientRule { get set }
    /// η.
    var learningRate: Double { get set }
    /// What the rule keeps of each parameter between steps.
    var moments: [Moment] { get }
    /// What moments are before the first step.
    var initialMoment: Double { get }

    /// Where step t takes the gradient of a parameter: there p decays.
    func point<S: Scalar>(_ t: Int, _ p: S, _ moments: [S]) -> S
    /// Step t = 1, 2, …, as a function that changes a parameter and its moments by a gradient.
    func step<S: Scalar>(_ t: Int) -> (_ p: inout S, _ g: S, _ moments: inout [S]) -> Void
}

/// What a rule keeps between steps.
public enum Moment: Sendable {
    /// A running average of gradients, or a momentum.
    case mean
    /// A running average or a sum of squares, or a magnitude: never below zero.
    case square
}

/// The moments of all parameters, after a number of steps.
public struct UpdateState<S: Scalar>: Sendable {
    public var moments: [[S]]
    public var steps: Int

    public init(_ moments: [[S]], steps: Int) {
        self.moments = moments
        self.steps = steps
    }
}

extension UpdateRule {
    public var initialMoment: Double { 0 }
    public func point<S: Scalar>(_ t: Int, _ p: S, _ moments: [S]) -> S { p }

    /// The state before the first step.
    public func state<S: Scalar>(count: Int) -> UpdateState<S> {
        let moment = [S](repeating: S(initialMoment), count: count)
        return UpdateState(moments.map { _ in moment }, steps: 0)
    }

    /// Does the next step, and resets the gradient to zero.
    public func update<S: Scalar>(
        _ parameters: inout [S], _ gradient: inout [S], _ state: inout UpdateState<S>
    ) {
        state.steps += 1
        let step: (inout S, S, inout [S]) -> Void = step(state.steps)
        for n in parameters.indices {
            var (p, moments) = (parameters[n], state.moments.map { $0[n] })
            let g = rule(gradient[n], parameter: point(state.steps, p, moments))
            if rule.decoupled { p *= S(1 - learningRate * rule.weightDecay) }
            step(&p, g, &moments)
            parameters[n] = rule.weightDecay == 0 ? p : .mean(p)
            for index in moments.indices { state.moments[index][n] = moments[index] }
            gradient[n] = 0
        }
    }
}

extension Scalar {
    /// β average + (1 - β) new.
    static func average(_ beta: Double, _ average: Self, _ new: Self) -> Self {
        Self(beta) * average + Self(1 - beta) * new
    }
}

/// Where a small ε keeps a root away from zero.
public enum EpsilonPlace: Sendable {
    /// √v + ε: PyTorch.
    case outside
    /// √(v + ε): the lecture notes; Keras, but for Adam.
    case inside
    /// √v + ε, not corrected with v: the end of section 2 of Kingma and Ba 2015, Keras's Adam.
    case uncorrected

    /// The root of v = square / correction, kept away from zero.
    public func root<S: Scalar>(_ square: S, epsilon: Double, correction: Double = 1) -> S {
        switch self {
        case .outside: S.sqrt(square / S(correction)) + S(epsilon)
        case .inside: S.sqrt(square / S(correction) + S(epsilon))
        case .uncorrected: (S.sqrt(square) + S(epsilon)) / S(correction.squareRoot())
        }
    }
}

/// Where momentum has the learning rate.
public enum MomentumConvention: Sendable {
    /// b = μ b + g, p -= η b: PyTorch.
    case buffer
    /// b = μ b - η g, p += b: the textbooks, Keras.
    case velocity
}

/// base^exponent.
func power(_ base: Double, _ exponent: Int) -> Double {
    (0..<exponent).reduce(1) { product, _ in product * base }
}
