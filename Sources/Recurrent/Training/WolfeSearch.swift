/// Searches along a direction of descent for a step that meets the strong Wolfe conditions: Nocedal
/// and Wright 2006, "Numerical Optimization", algorithms 3.5 and 3.6 with the cubic interpolation
/// of equation 3.59.
///
///     φ(α) ≤ φ(0) + c1 α φ′(0)      |φ′(α)| ≤ c2 |φ′(0)|
///
/// Near a minimum the loss of float32 arithmetic differs by no more than its rounding errors, while
/// its gradient still tells the way. There the first condition is taken in the form of Hager and
/// Zhang 2005, equation 4.1, where φ(α) ≤ φ(0) + ε |φ(0)|:
///
///     φ′(α) ≤ (2 c1 - 1) φ′(0)
///
/// which is the same for a parabola.
struct WolfeSearch {
    /// A step length with the loss and its derivative there.
    struct Point {
        let length: Double, loss: Double, slope: Double
    }

    /// c1, c2.
    let sufficientDecrease: Double, curvature: Double

    /// ε: two roundings of a float.
    private static let lossNoise = 0x1p-22
    /// Where a step is still too short, the next one is longer by a factor in this range.
    private static let growth = 2.0...10.0
    /// A new point keeps this part of the interval away from its ends; where two thirds are left,
    /// it is halved next.
    private static let margin = 0.1, slowShrinking = 2.0 / 3

    /// - Parameters:
    ///   - start: where length is 0; its slope is negative.
    ///   - length: of the first step that is tried.
    ///   - calls: the most calls of `point`, at least 1; becomes how many are left.
    ///   - point: evaluates a step of a length that is a float.
    /// - Returns: a point that meets the conditions; when no calls are left, the lowest one found,
    ///   if it is lower than the start. Where it is not the point evaluated last, `isLast` is
    ///   false.
    func run(from start: Point, length: Double, calls: inout Int, point: (Double) -> Point) -> (
        point: Point, isLast: Bool
    )? {
        func evaluate(_ length: Double) -> Point {
            calls -= 1
            return point(Double(Float(length)))
        }
        let noise = Self.lossNoise * start.loss.magnitude
        func isLow(_ point: Point) -> Bool {
            point.slope.isFinite
                && (point.loss <= start.loss + sufficientDecrease * point.length * start.slope
                    || point.loss <= start.loss + noise
                        && point.slope <= (2 * sufficientDecrease - 1) * start.slope)
        }
        func isFlat(_ point: Point) -> Bool { point.slope.magnitude <= -curvature * start.slope }

        // Algorithm 3.5: longer steps, until there is an interval that holds a good one.
        var low = start
        var high = start
        var next = length
        while true {
            guard calls > 0 else { return low.loss < start.loss ? (low, true) : nil }
            let found = evaluate(next)
            if !isLow(found) || low.length > 0 && found.loss > low.loss + noise {
                high = found
                break
            }
            if isFlat(found) { return (found, true) }
            if found.slope >= 0 {
                (low, high) = (found, low)
                break
            }
            let guess = Self.cubicMinimum(low, found, noise: noise)
            low = found
            next = min(
                max(guess, Self.growth.lowerBound * found.length),
                Self.growth.upperBound * found.length)
            if next.isNaN { next = Self.growth.lowerBound * found.length }
        }

        // Algorithm 3.6: `low` is the lower end, and the loss falls from it towards `high`.
        var halve = false
        var isLast = low.length > high.length
        while calls > 0 {
            let width = high.length - low.length
            var next = halve ? .nan : Self.cubicMinimum(low, high, noise: noise)
            let part = (next - low.length) / width
            if !(part >= Self.margin && part <= 1 - Self.margin) {
                next =
                    low.length + width
                    * (part < Self.margin
                        ? Self.margin : part > 1 - Self.margin ? 1 - Self.margin : 0.5)
            }
            let found = evaluate(next)
            isLast = false
            if !isLow(found) || found.loss > low.loss + noise {
                high = found
            } else {
                if isFlat(found) { return (found, true) }
                if found.slope * width >= 0 { high = low }
                low = found
                isLast = true
            }
            halve = (high.length - low.length).magnitude > Self.slowShrinking * width.magnitude
        }
        return low.loss < start.loss ? (low, isLast) : nil
    }

    /// Where the cubic through two points with these slopes is least; where the losses differ by
    /// noise, where the line through the slopes is zero. NaN, or outside the interval, where there
    /// is no such place.
    private static func cubicMinimum(_ a: Point, _ b: Point, noise: Double) -> Double {
        if (a.loss - b.loss).magnitude <= noise {
            return (a.length * b.slope - b.length * a.slope) / (b.slope - a.slope)
        }
        let d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.length - b.length)
        let root = (d1 * d1 - a.slope * b.slope).squareRoot()
        let d2 = b.length > a.length ? root : -root
        return b.length - (b.length - a.length) * (b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2)
    }
}
