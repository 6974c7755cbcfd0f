/// The bytes of a fuzzer's input, and numbers made from them: sizes and choices from the bytes alone, data from a generator that the
/// bytes seed. After the last byte come zeros.
struct Bytes {
    private let bytes: [UInt8]
    private var next = 0
    private var state: UInt64 = 0
    /// Whether data may be infinite, NaN, or so large that sums become so.
    private(set) var special = false

    init(_ bytes: [UInt8]) {
        self.bytes = bytes
        special = choice(4) == 3
        state = UInt64(byte()) << 8 | UInt64(byte())
    }

    mutating func byte() -> UInt8 {
        defer { next += 1 }
        return next < bytes.count ? bytes[next] : 0
    }

    /// One of 0..<count.
    mutating func choice(_ count: Int) -> Int { Int(byte()) % count }

    mutating func flag() -> Bool { choice(2) == 1 }

    /// A dimension, zero included.
    mutating func size(_ most: Int = 40) -> Int { choice(most + 1) }

    /// SplitMix64 (Steele, Lea and Flood 2014).
    private mutating func bits() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Mostly a number in -1..<1; now and then a zero of either sign, a subnormal, one that saturates a gate, or a special one.
    mutating func float() -> Float {
        let bits = bits()
        let unit = Float(Int32(truncatingIfNeeded: bits)) * 0x1p-31
        switch bits >> 59 {
        case 0: return 0
        case 1: return -0.0
        case 2: return unit * 0x1p-130
        case 3: return unit * 40
        case 4 where special: return [.infinity, -.infinity, .nan, .greatestFiniteMagnitude, unit * 0x1p120][Int(bits >> 32 & 15) % 5]
        default: return unit
        }
    }
}
