import Foundation
import Recurrent

/// Strings of the embedded Reber grammar: Reber 1967; Cleeremans, Servan-Schreiber and McClelland
/// 1989; Hochreiter and Schmidhuber 1997, section 5.1.
///
/// A string is B, T or P, a string of Reber's grammar, the same T or P again, and E. Which symbols
/// may come next follows from the last two or three, but for the T or P in front of the E: that
/// must be remembered across the string in between, whose loops make it as long as one likes.
struct ReberGrammar {
    static let symbols = Array("BTPSXVE")
    private static let (b, t, p, s, x, v, e) = (0, 1, 2, 3, 4, 5, 6)

    /// The ways on from each state of Reber's grammar: first the one that keeps away from the end.
    private static let ways: [[(symbol: Int, state: Int)]] = [
        [(b, 1)], [(t, 2), (p, 3)], [(s, 2), (x, 4)], [(t, 3), (v, 5)], [(x, 3), (s, 6)],
        [(p, 4), (v, 6)], [(e, 7)],
    ]
    private static let start = 0, end = 7
    /// The states in which one of two ways keeps away from the end.
    private static let loops = 2...5
    /// Symbols in front of and behind the string of Reber's grammar.
    private static let wrapping = 4
    /// Symbols of a string on average where all ways are equally likely.
    static let usualLength = 12

    /// The probability of the way that keeps away from the end.
    let stay: Double
    /// Symbols of the longest string: one that is longer is drawn again.
    let limit: Int

    /// - Parameters:
    ///   - length: how many symbols a string has on average, at least `usualLength`.
    ///   - limit: nil for three times the length, and 40 at least; one string in twenty is longer.
    init(length: Int, limit: Int? = nil) {
        self.limit = limit ?? max(3 * length, 40)
        // The mean grows with the probability: 60 halvings of the interval leave the last bit.
        var (low, high) = (0.5, 1.0)
        if length > Self.usualLength {
            for _ in 0..<60 {
                let middle = (low + high) / 2
                if Self.meanLength(stay: middle) < Double(length) {
                    low = middle
                } else {
                    high = middle
                }
            }
        }
        stay = low
    }

    /// Symbols of a string on average: with q = 1 - stay and the mean number of symbols m from each
    /// of the states 2 to 5 on,
    ///   m2 = 1 + stay m2 + q m4    m3 = 1 + stay m3 + q m5
    ///   m4 = 1 + stay m3 + q    m5 = 1 + stay m4 + q
    static func meanLength(stay: Double) -> Double {
        let q = 1 - stay
        // m3 = 1/q + m5, m5 = 1 + q + stay (1 + q + stay m3)
        let m3 = (1 / q + (1 + q) * (1 + stay)) / (1 - stay * stay)
        let m4 = 1 + q + stay * m3
        let m2 = 1 / q + m4
        return Double(wrapping) + 2 + (m2 + m3) / 2
    }

    func string(using generator: inout SplitMix64) -> [Int] {
        while true {
            let memory = generator.unit() < 0.5 ? Self.t : Self.p
            var string = [Self.b, memory]
            var state = Self.start
            while state != Self.end && string.count <= limit {
                let ways = Self.ways[state]
                let likely = Self.loops.contains(state) ? stay : 0.5
                let way = ways.count == 1 || generator.unit() < likely ? ways[0] : ways[1]
                string.append(way.symbol)
                state = way.state
            }
            string += [memory, Self.e]
            if string.count <= limit { return string }
        }
    }

    /// The symbols that may come after each symbol of a string but the last, or nil where the
    /// string is not one of the grammar.
    static func successors(_ string: [Int]) -> [Set<Int>]? {
        guard string.count > wrapping, string[0] == b, string[1] == t || string[1] == p else {
            return nil
        }
        var successors: [Set<Int>] = [[t, p]]
        var state = start
        for symbol in string[2..<string.count - 2] {
            guard state != end, let way = ways[state].first(where: { $0.symbol == symbol }) else {
                return nil
            }
            successors.append(Set(ways[state].map(\.symbol)))
            state = way.state
        }
        guard state == end, Array(string.suffix(2)) == [string[1], e] else { return nil }
        return successors + [[string[1]], [e]]
    }

    /// What a string of the grammar is to one who knows the grammar, but forgets the T or P, in
    /// nats: -ln of its probability, and ln 2.
    func information(_ string: [Int]) -> Double {
        var sum = 2 * log(2.0)
        var state = Self.start
        for symbol in string[2..<string.count - 2] {
            let ways = Self.ways[state]
            let index = ways.firstIndex { $0.symbol == symbol }!
            if ways.count == 2 {
                let likely = Self.loops.contains(state) ? stay : 0.5
                sum -= log(index == 0 ? likely : 1 - likely)
            }
            state = ways[index].state
        }
        return sum
    }
}
