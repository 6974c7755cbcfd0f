import Foundation
import Recurrent

/// The copy task: Hochreiter and Schmidhuber 1997; here as in Arjovsky, Shah and Bengio 2016,
/// "Unitary Evolution Recurrent Neural Networks", section 5.1.
///
/// Ten symbols of an alphabet of eight are given, then T - 1 blanks, a mark that asks for them, and
/// ten more blanks, during which they are to be said again in the same order. Until then, the
/// target is the blank.
struct CopyTask {
    static let alphabet = 8, symbolCount = 10
    static let blank: Int32 = 8, mark: Int32 = 9
    static let vocabulary = 10

    /// T
    let length: Int

    /// Steps of a sequence.
    var steps: Int { length + 2 * Self.symbolCount }
    /// The cross-entropy of who waits, then guesses.
    var baseline: Double { Double(Self.symbolCount) * log(Double(Self.alphabet)) / Double(steps) }

    /// - Returns: symbols and targets, [T + 20][B].
    func batch(_ count: Int, using generator: inout SplitMix64) -> (
        symbols: [Int32], targets: [Int32]
    ) {
        var symbols = [Int32](repeating: Self.blank, count: steps * count)
        var targets = symbols
        for row in 0..<count {
            for place in 0..<Self.symbolCount {
                let symbol = Int32(generator.index(below: Self.alphabet))
                symbols[place * count + row] = symbol
                targets[(steps - Self.symbolCount + place) * count + row] = symbol
            }
            symbols[(steps - Self.symbolCount - 1) * count + row] = Self.mark
        }
        return (symbols: symbols, targets: targets)
    }
}
