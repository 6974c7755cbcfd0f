/// The tokens of a language model: an unknown token, an end-of-line token, and Unicode scalars.
///
/// Scalars that occur only once in the text to learn from have no token of their own: they are what the model learns about the
/// unknown token. So it expects unknown scalars about as often as new text has them.
struct Vocabulary: Equatable {
    static let unknown: Int32 = 0
    static let endOfLine: Int32 = 1
    /// The token of the first scalar.
    private static let first: Int32 = 2

    /// Those that have a token, in ascending order.
    let scalars: [Unicode.Scalar]
    private let tokens: [Unicode.Scalar: Int32]

    /// Tokens, with the two that are no scalars.
    var count: Int { scalars.count + Int(Self.first) }

    /// The vocabulary of a text to learn from.
    init(training lines: some Sequence<Line>) {
        var counts: [Unicode.Scalar: Int] = [:]
        for line in lines {
            for scalar in line { counts[scalar, default: 0] += 1 }
        }
        self.init(scalars: counts.filter { $0.value > 1 }.keys.sorted())
    }

    /// The vocabulary that a model was saved with.
    init(scalars: [Unicode.Scalar]) {
        self.scalars = scalars
        tokens = Dictionary(zip(scalars, Self.first...), uniquingKeysWith: { first, _ in first })
    }

    /// The token of a scalar; a line feed is the end of a line.
    func token(_ scalar: Unicode.Scalar) -> Int32 { scalar == "\n" ? Self.endOfLine : tokens[scalar] ?? Self.unknown }

    /// The scalar of a token; nil for the unknown token.
    func scalar(_ token: Int32) -> Unicode.Scalar? {
        switch token {
        case Self.unknown: nil
        case Self.endOfLine: "\n"
        default: scalars[Int(token - Self.first)]
        }
    }

    /// The tokens of lines, each with its end.
    func tokens(_ lines: some Sequence<Line>) -> [Int32] {
        lines.flatMap { line in line.map(token) + [Self.endOfLine] }
    }
}
