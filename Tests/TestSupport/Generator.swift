/// SplitMix64 (Steele, Lea and Flood 2014): seeded data for tests, the same everywhere.
public struct Generator: RandomNumberGenerator, Sendable {
    private var state: UInt64
    public init(seed: UInt64) { state = seed }
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// A float from [-1, 1), by hand because `Float.random` is slow in debug builds.
    private mutating func unit() -> Float { Float(Int32(truncatingIfNeeded: next() >> 40) - 0x80_0000) * 0x1p-23 }

    /// `count` floats from [-scale, scale).
    public mutating func floats(_ count: Int, scale: Float = 1) -> [Float] {
        var floats = [Float](repeating: 0, count: count)
        for index in 0..<count { floats[index] = unit() * scale }
        return floats
    }

    /// As `floats`, with a zero, a negative zero, a subnormal and a saturating value strewn in.
    public mutating func awkwardFloats(_ count: Int, scale: Float = 1) -> [Float] {
        (0..<count).map { _ in
            switch next() % 16 {
            case 0: 0
            case 1: -0.0
            case 2: unit() * 0x1p-130
            case 3: unit() * 40
            default: unit() * scale
            }
        }
    }
}

/// The sizes that every kernel is tested at, beside those that its own tiles ask for: around one and two panels, and one large odd one.
public enum TestSizes {
    public static let few = [1, 15, 16, 17, 31, 33, 64]
    public static let large = 131
}
