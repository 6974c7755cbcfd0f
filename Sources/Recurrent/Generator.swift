/// SplitMix64 (Steele, Lea and Flood 2014): a seeded generator that gives the same numbers on every
/// machine.
public struct SplitMix64: RandomNumberGenerator, Hashable, Sendable {
    /// All there is to save and restore.
    public var state: UInt64

    public init(seed: UInt64) { state = seed }

    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// A multiple of 2^-53 in [0, 1).
    public mutating func unit() -> Double { Double(next() >> 11) * 0x1p-53 }

    /// `count` floats from U(-limit, limit).
    mutating func uniform(_ count: Int, limit: Double) -> [Float] {
        (0..<count).map { _ in Float((2 * unit() - 1) * limit) }
    }

    /// `count` floats from N(0, deviation²), as the sum of twelve uniform numbers less six (Irwin
    /// 1927, Hall 1927): no logarithm or cosine whose last bit depends on the machine; the tails
    /// end at six deviations.
    mutating func normal(_ count: Int, deviation: Double) -> [Float] {
        (0..<count).map { _ in Float(((0..<12).reduce(-6.0) { sum, _ in sum + unit() }) * deviation)
        }
    }
}
