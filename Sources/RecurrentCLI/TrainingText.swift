import Foundation

/// A text made ready to be learned: the part to learn, the part to measure on, and the vocabulary of the first.
struct TrainingText {
    let vocabulary: Vocabulary
    let training: Batches
    let development: Batches
    /// A few characters from the beginning of the development text, to try the model with.
    let prompt: String

    /// - Parameter name: what messages call the text.
    init(_ text: [Unicode.Scalar], name: String, devFraction: Double, batch: Int, steps: Int) throws(Failure) {
        let lines = splitLines(text)
        guard lines.count >= 2 else {
            throw Failure(.data, "\(name): too short; expected a line to learn and a line to measure on, found \(lines.count) line")
        }
        let (training, development) = splitDevelopment(lines, devFraction: devFraction)
        vocabulary = Vocabulary(training: training)
        let tokens = vocabulary.tokens(training)
        let (segment, overflow) = batch.multipliedReportingOverflow(by: steps)
        guard !overflow, tokens.count >= segment else {
            throw Failure(.data, """
                \(name): too short for one segment; expected at least --batch \(batch) × --steps \(steps) tokens to learn, found \(tokens.count)
                """)
        }
        self.training = Batches(tokens, batch: batch, steps: steps)
        self.development = Batches(vocabulary.tokens(development), batch: batch, steps: steps)
        let beginnings = development.lazy.map { String(String.UnicodeScalarView($0.filter { !$0.isControl })).trimmingCharacters(in: .whitespaces) }
        prompt = String(String.UnicodeScalarView((beginnings.first { !$0.isEmpty } ?? "").unicodeScalars.prefix(8)))
    }

    /// Differs between texts, and between the ways to split one.
    var fingerprint: UInt64 {
        // FNV-1a over the tokens.
        [training, development].flatMap(\.tokens).reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64(UInt32(bitPattern: $1))) &* 0x100_0000_01B3 }
    }

    /// What the model needs to be used again.
    var metadata: [String: String] {
        [
            MetadataKey.vocabulary: String(String.UnicodeScalarView(vocabulary.scalars)),
            MetadataKey.batch: String(training.batch),
            MetadataKey.steps: String(training.steps),
        ]
    }
}
