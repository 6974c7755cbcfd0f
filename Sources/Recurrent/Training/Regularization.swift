/// Norms of the parameters that training adds to the loss: Σ over all parameters p, biases too, of
/// l1 |p| + l2/2 p².
///
/// Unlike the weight decay of an optimizer, their gradient is a part of the one that is clipped,
/// and goes through the optimizer's moments. For plain gradient descent without clipping, `l2` and
/// a weight decay of the same size are the same.
public struct Regularization: Hashable, Sendable {
    /// λ1: draws parameters to zero.
    public let l1: Double
    /// λ2: draws parameters towards zero, the larger the more.
    public let l2: Double

    /// - Precondition: both are finite and not negative, and normal floats where they are not 0.
    public init(l1: Double = 0, l2: Double = 0) {
        require(
            l1 >= 0 && l2 >= 0 && l1.fitsFloat && l2.fitsFloat,
            """
            regularization: expected strengths of at least 0 and \(Double.floatRange), \
            found l1 \(l1), l2 \(l2)
            """)
        self.l1 = l1
        self.l2 = l2
    }

    /// The loss alone.
    public static let none = Regularization()
}
