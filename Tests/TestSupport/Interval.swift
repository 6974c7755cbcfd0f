/// The values that a float calculation may have: every operation widens by two roundings, one for
/// its own and one for that of a coefficient that was worked out in Double and rounded once. A
/// formula written in intervals gives the bound of each element from its own terms.
public struct Interval: Sendable {
    public var low: Double
    public var high: Double
    private static let roundings = 2 * 0x1p-24

    private init(rounding low: Double, _ high: Double) {
        self.low = low - low.magnitude * Self.roundings - 0x1p-149
        self.high = high + high.magnitude * Self.roundings + 0x1p-149
    }

    /// From the smallest to the largest of the four corners of an operation.
    private init(_ a: Double, _ b: Double, _ c: Double, _ d: Double) {
        self.init(rounding: min(min(a, b), min(c, d)), max(max(a, b), max(c, d)))
    }

    /// A value known exactly.
    public init(_ value: Double) {
        low = value
        high = value
    }

    public static func + (a: Interval, b: Interval) -> Interval {
        Interval(rounding: a.low + b.low, a.high + b.high)
    }
    public static func - (a: Interval, b: Interval) -> Interval {
        Interval(rounding: a.low - b.high, a.high - b.low)
    }
    public static func * (a: Interval, b: Interval) -> Interval {
        Interval(a.low * b.low, a.low * b.high, a.high * b.low, a.high * b.high)
    }
    public static func * (a: Double, b: Interval) -> Interval { Interval(a) * b }

    /// `b` does not contain zero.
    public static func / (a: Interval, b: Interval) -> Interval {
        precondition(b.low > 0 || b.high < 0, "division by an interval around zero")
        return Interval(a.low / b.low, a.low / b.high, a.high / b.low, a.high / b.high)
    }

    public var squared: Interval {
        let least = low < 0 && high > 0 ? 0 : low * low
        return Interval(least, low * low, high * high, high * high)
    }
    public var squareRoot: Interval {
        Interval(rounding: max(low, 0).squareRoot(), max(high, 0).squareRoot())
    }

    /// |self|, which rounds nothing.
    public var magnitude: Interval {
        var result = self
        result.low = max(max(low, -high), 0)
        result.high = max(high, -low)
        return result
    }

    /// max(self, other), which rounds nothing.
    public func atLeast(_ other: Interval) -> Interval {
        var result = self
        result.low = max(low, other.low)
        result.high = max(high, other.high)
        return result
    }

    /// min(max(self, -most), most), which rounds nothing.
    public func clamped(to most: Double) -> Interval {
        var result = self
        result.low = min(max(low, -most), most)
        result.high = min(max(high, -most), most)
        return result
    }

    /// With zero, where some value is smaller than `least`.
    public func flushed(below least: Double) -> Interval {
        var result = self
        if low < least && high > -least {
            result.low = min(low, 0)
            result.high = max(high, 0)
        }
        return result
    }

    /// How far a value may be from `expected`.
    public func bound(around expected: Double) -> Double { max(high - expected, expected - low) }
}
