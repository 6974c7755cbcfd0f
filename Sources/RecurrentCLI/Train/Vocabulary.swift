/// The tokens of a language model: an unknown token, an end-of-line token, and Unicode scalars.
///
/// Scalars that occur only once in the text to learn from have no token of their own: they are what
/// the model learns about the unknown token. So it expects unknown scalars about as often as new
/// text has them.
struct Vocabulary: Equatable {
    static let unknown: Int32 = 0
    static let endOfLine: Int32 = 1
    /// The token of the first scalar.
    private static let first: Int32 = 2

    /// Those that have a token, in ascending order.
    let scalars: [Unicode.Scalar]
    /// The token of each scalar up to the last that has one.
    private let tokens: [Int32]

    /// Tokens, with the two that are no scalars.
    var count: Int { scalars.count + Int(Self.first) }

    /// The vocabulary of a text to learn from, whose lines end with line feeds.
    init(training text: some Collection<Unicode.Scalar>) {
        var counts = [UInt8](repeating: 0, count: Int(text.max()?.value ?? 0) + 1)
        for scalar in text where scalar != "\n" {
            counts[Int(scalar.value)] = min(counts[Int(scalar.value)] + 1, 2)
        }
        self.init(
            scalars: counts.indices.filter { counts[$0] > 1 }.map {
                Unicode.Scalar(UInt32($0))!
            })
    }

    /// The vocabulary that a model was saved with. Of a scalar that it has twice, the first counts.
    init(scalars: [Unicode.Scalar]) {
        self.scalars = scalars
        var tokens = [Int32](repeating: Self.unknown, count: Int(scalars.max()?.value ?? 0) + 1)
        for (scalar, token) in zip(scalars, Self.first...).reversed() {
            tokens[Int(scalar.value)] = token
        }
        self.tokens = tokens
    }

    /// The token of a scalar; a line feed is the end of a line.
    func token(_ scalar: Unicode.Scalar) -> Int32 {
        if scalar == "\n" { return Self.endOfLine }
        return scalar.value < tokens.count ? tokens[Int(scalar.value)] : Self.unknown
    }

    /// The scalar of a token; nil for the unknown token.
    func scalar(_ token: Int32) -> Unicode.Scalar? {
        switch token {
        case Self.unknown: nil
        case Self.endOfLine: "\n"
        default: scalars[Int(token - Self.first)]
        }
    }

    /// The tokens of a text whose lines end with line feeds.
    func tokens(_ text: some Collection<Unicode.Scalar>) -> [Int32] { text.map(token) }
}
