/// Threefry-2x32-20: Salmon, Moraes, Dror and Shaw 2011, "Parallel Random Numbers: As Easy as 1, 2,
/// 3".
public func threefry(key: SIMD2<UInt32>, counter: SIMD2<UInt32>) -> SIMD2<UInt32> {
    let rotations: [UInt32] = [13, 15, 26, 6, 17, 29, 16, 24]
    let keys = [key.x, key.y, 0x1BD1_1BDA ^ key.x ^ key.y]
    var words = counter &+ key
    for round in 0..<20 {
        words.x &+= words.y
        let rotation = rotations[round % 8]
        words.y = (words.y << rotation | words.y >> (32 - rotation)) ^ words.x
        if round % 4 == 3 {
            let part = round / 4 + 1
            words.x &+= keys[part % 3]
            words.y &+= keys[(part + 1) % 3] &+ UInt32(part)
        }
    }
    return words
}

/// Inverted dropout: Srivastava et al. 2014, section 10.
public struct Dropout: Sendable {
    /// p, of dropping an element.
    public let probability: Double
    private let key: SIMD2<UInt32>

    /// The mask number `counter` of the generator `seed`.
    public init(seed: UInt64, counter: UInt64, probability: Double) {
        self.probability = probability
        key = threefry(key: Self.words(seed), counter: Self.words(counter))
    }

    private static func words(_ value: UInt64) -> SIMD2<UInt32> {
        SIMD2(UInt32(truncatingIfNeeded: value), UInt32(truncatingIfNeeded: value >> 32))
    }

    /// Whether unit `unit` of row `row` becomes zero.
    public func drops(row: Int, unit: Int) -> Bool {
        let words = threefry(
            key: key, counter: SIMD2(UInt32(unit / 32 * 16 + unit % 16), UInt32(row)))
        return Double(Int32(bitPattern: words[unit / 16 % 2])) < probability * 0x1p32 - 0x1p31
    }

    /// y[m][n] = x[m][n] / (1 - p), or zero where the mask drops it. The gradient is the same
    /// function of dy.
    public func callAsFunction(_ x: [[Double]]) -> [[Double]] {
        x.enumerated().map { row, units in
            units.enumerated().map { unit, value in
                drops(row: row, unit: unit) ? 0 : value / (1 - probability)
            }
        }
    }
}
