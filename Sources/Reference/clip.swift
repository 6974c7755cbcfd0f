// The gradient before an update: its norm, clipping, and decay (Goodfellow, Bengio and Courville
// 2016, section 10.11.1).

/// How a norm above the largest allowed one is brought down.
public enum ClipConvention: Sendable {
    /// most / (norm + 1e-6), at most 1: PyTorch.
    case epsilon
    /// most / norm where norm > most: the deep learning book.
    case exact
}

/// ‖gradient‖ = √ Σ g².
public func globalNorm(_ gradient: [Double]) -> Double {
    gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
}

/// What the gradient is multiplied by so that its norm is at most `most`.
public func clipCoefficient(norm: Double, most: Double, convention: ClipConvention = .epsilon)
    -> Double
{
    switch convention {
    case .epsilon: min(most / (norm + 1e-6), 1)
    case .exact: norm > most ? most / norm : 1
    }
}

/// What an update does to a gradient first, and the decay of the parameters.
public struct GradientRule: Sendable {
    /// The caller's scale times the clip coefficient.
    public var scale = 1.0
    /// The largest magnitude of an element.
    public var clipValue = Double.infinity
    /// λ of L2 regularization: the gradient of λ p² / 2 is λ p.
    public var weightDecay = 0.0
    /// λ goes not into the gradient: p is multiplied by 1 - η λ before the step (AdamW).
    public var decoupled = false

    public init(
        scale: Double = 1, clipValue: Double = .infinity, weightDecay: Double = 0,
        decoupled: Bool = false
    ) {
        self.scale = scale
        self.clipValue = clipValue
        self.weightDecay = weightDecay
        self.decoupled = decoupled
    }

    /// g = min(max(scale · g, -clip), clip) + λ p
    public func callAsFunction<S: Scalar>(_ gradient: S, parameter: S) -> S {
        let g = S.clamp(S(scale) * gradient, clipValue)
        return weightDecay == 0 || decoupled ? g : g + S(weightDecay) * parameter
    }
}
