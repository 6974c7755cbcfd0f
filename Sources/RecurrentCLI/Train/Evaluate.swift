import ArgumentParser
import Recurrent

struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Tells how well a language model foresees a text: its perplexity.",
        discussion: """
            The text is measured in streams of at least 1,024 tokens, 16 of them at most, side by \
            side, each from its beginning to its end; so does train measure its development text.
            """)

    @Argument(help: "A model that train has written.")
    var model: String

    @Option(parsing: .unconditional, help: ArgumentHelp("Text in UTF-8.", valueName: "file"))
    var text: String

    @Flag(help: "Shows no progress, only the result.")
    var quiet = false

    @Flag(help: "Prints the result as one JSON object, and nothing else.")
    var json = false

    @OptionGroup var threadOptions: ThreadOptions
    @OptionGroup var kernelOptions: KernelOptions

    func run() throws {
        let start = ContinuousClock.now
        let kernels = try kernelOptions.kernels()
        _ = try threadOptions.count()
        let model = try readLanguageModel(model)
        let vocabulary = try Vocabulary(model, path: self.model)
        try checkMemory(readingTextFrom: text)
        let tokens = try vocabulary.tokens(endLines(readText(text)))
        let unknown = tokens.count { $0 == Vocabulary.unknown }
        let batches = Batches(measuring: tokens)
        try MemoryEstimate(measuring: batches, with: model.shape).check(.data, self.model)
        let evaluator = try threadOptions.evaluator(model.shape, batches, kernels: kernels)
        var bar = ProgressBar(quiet: quiet)
        let loss = evaluator.evaluate(model, batches) { sum in
            bar.show(
                "evaluate", fraction: Double(sum.count) / Double(tokens.count),
                "perplexity \(sum.perplexity.rounded)")
        }
        bar.clear()
        let evaluation = loss.all
        guard evaluation.loss.isFinite else {
            throw Failure(
                .data,
                """
                \(self.model): the loss is not finite; expected weights that can be computed \
                with, found a loss of \(evaluation.loss)
                """
            )
        }
        if json {
            try printJSON(
                EvaluateReport(
                    text: text, perplexity: NumberOrNull(evaluation.perplexity),
                    knownPerplexity: NumberOrNull(loss.known.perplexity), loss: evaluation.loss,
                    tokens: evaluation.count, unknownTokens: unknown,
                    threads: evaluator.threadCount,
                    isa: "\(kernels.isa)", seconds: (ContinuousClock.now - start) / .seconds(1)))
        } else {
            let known = unknown == 0 ? "" : "; \(loss.known.perplexity.rounded) over the others"
            try printToStandardOutput(
                """
                perplexity \(evaluation.perplexity.rounded) over \(tokens.count.grouped) tokens, \
                \(unknown.grouped) of them unknown\(known)

                """)
        }
    }
}

/// What `evaluate --json` prints.
struct EvaluateReport: Encodable {
    let text: String
    /// Of all tokens, and of those that are not the unknown one.
    let perplexity: NumberOrNull, knownPerplexity: NumberOrNull, loss: Double
    let tokens: Int, unknownTokens: Int
    let threads: Int, isa: String, seconds: Double
}
