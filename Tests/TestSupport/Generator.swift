import Recurrent

/// Seeded data for tests, the same everywhere.
public struct Generator: RandomNumberGenerator, Sendable {
    private var generator: SplitMix64
    public init(seed: UInt64) { generator = SplitMix64(seed: seed) }
    public mutating func next() -> UInt64 { generator.next() }

    /// A float from [-1, 1), by hand because `Float.random` is slow in debug builds.
    private mutating func unit() -> Float {
        Float(Int32(truncatingIfNeeded: next() >> 40) - 0x80_0000) * 0x1p-23
    }

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

/// The sizes that every kernel is tested at, beside those that its own tiles ask for: around one
/// and two panels, and one large odd one.
public enum TestSizes {
    public static let few = [1, 15, 16, 17, 31, 33, 64]
    public static let large = 131
}
