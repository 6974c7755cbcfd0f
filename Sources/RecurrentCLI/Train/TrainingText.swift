import Recurrent
import RecurrentFormats

/// A text made ready to be learned: the part to learn, the part to measure on, and the vocabulary
/// of the first.
struct TrainingText {
    let vocabulary: Vocabulary
    let training: Batches
    let development: Batches
    /// Differs between texts, and between the ways to split one.
    let fingerprint: UInt64
    /// Whether the development text begins with a line.
    let isSplitBetweenLines: Bool
    /// A few characters from the beginning of the development text, to try the model with.
    let prompt: String

    /// - Parameters:
    ///   - name: what messages call the text.
    ///   - vocabulary: that of a model that goes on learning; the text's own where nil.
    init(
        _ text: [Unicode.Scalar], name: String, devFraction: Double, batch: Int, steps: Int,
        vocabulary known: Vocabulary? = nil
    ) throws(Failure) {
        let text = endLines(text)
        guard text.count >= 2 else {
            throw Failure(
                .data,
                """
                \(name): too short; expected a character to learn and one to measure on, found none
                """)
        }
        let split = TextSplit(text, devFraction: devFraction)
        let (training, development) = (text[..<split.start], text[split.start...])
        vocabulary = known ?? Vocabulary(training: training)
        let (segment, overflow) = batch.multipliedReportingOverflow(by: steps)
        guard !overflow, training.count >= segment else {
            throw Failure(
                .data,
                """
                \(name): too short for one segment; expected at least \
                --batch \(batch) × --steps \(steps) tokens to learn, found \(training.count)
                """)
        }
        fingerprint = Self.hash(text, split: training.count)
        self.training = Batches(vocabulary.tokens(training), batch: batch, steps: steps)
        self.development = Batches(measuring: vocabulary.tokens(development))
        isSplitBetweenLines = split.isBetweenLines
        let beginning = development.lazy.filter { $0 == "\n" || $0.isPrintable }
            .drop { $0.properties.isWhitespace }.prefix { $0 != "\n" }.prefix(8)
        prompt = String(String.UnicodeScalarView(beginning))
    }

    /// What a reader should know of the text: how much of it is learned, and how much of that is
    /// the unknown token, so that its perplexity is worth little.
    var summary: String {
        func part(_ batches: Batches, _ use: String) -> String {
            """
            \(batches.tokenCount.grouped) tokens to \(use) (\(batches.unknownShare.percent) \
            unknown)
            """
        }
        return """
            \(part(training, "learn")), \(part(development, "measure on")), \
            vocabulary of \(vocabulary.count.grouped)\
            \(isSplitBetweenLines ? "" : "\nfew or uneven lines: divided within a line")

            """
    }

    /// FNV-1a over characters and over where they are split, which tokens would not do: characters
    /// that occur once share one.
    private static func hash(_ text: some Sequence<Unicode.Scalar>, split: Int) -> UInt64 {
        func add(_ hash: UInt64, _ value: UInt64) -> UInt64 { (hash ^ value) &* 0x100_0000_01B3 }
        return add(text.reduce(0xCBF2_9CE4_8422_2325) { add($0, UInt64($1.value)) }, UInt64(split))
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
