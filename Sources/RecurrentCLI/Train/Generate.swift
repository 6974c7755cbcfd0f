import ArgumentParser
import Foundation
import Recurrent
import RecurrentFormats

struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Continues a prompt with a language model.",
        discussion: """
            Controls other than tabs and ends of lines are written as escapes, \\u{1B}, wherever \
            the text goes: what a model has learned does not drive a terminal. Characters of the \
            prompt that it has not learned count as unknown ones, and are named on stderr.
            """)

    @Argument(help: "A model that train has written.")
    var model: String

    @Option(
        parsing: .unconditional, help: ArgumentHelp("What the text begins with.", valueName: "text")
    )
    var prompt = ""

    @Option(parsing: .unconditional, help: ArgumentHelp("Characters to add.", valueName: "number"))
    var length = 400

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "0 always takes the likeliest character; more is more daring.", valueName: "number"))
    var temperature = 0.8

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("The same seed gives the same text.", valueName: "number"))
    var seed: UInt64 = 1

    @Option(
        parsing: .unconditional,
        help: """
            How weights are held in memory: float32, or bfloat16, which is smaller, faster \
            and less exact.
            """)
    var weights = WeightFormat.float32

    @Flag(help: "Shows no progress and no warning, only the text.")
    var quiet = false

    @OptionGroup var kernelOptions: KernelOptions

    func run() throws {
        try validated("--length", length, 0...Int.max)
        try validated("--temperature", temperature, 0...Double.greatestFiniteMagnitude)
        let prompt = normalizeLineEnds(try textArgument(prompt, option: "--prompt").unicodeScalars)
        let kernels = try kernelOptions.kernels()
        let model = try readLanguageModel(model, weightFormat: weights)
        let vocabulary = try Vocabulary(model, path: self.model)

        let unknown = Set(prompt.filter { vocabulary.token($0) == Vocabulary.unknown }).sorted()
        if !unknown.isEmpty && !quiet {
            printNotice(
                """
                --prompt: not in the vocabulary, taken as unknown: \
                \(unknown.map(\.printable).joined(separator: " ").excerpt)
                """)
        }
        var bar = ProgressBar(quiet: quiet || !isStandardOutputFile)

        // A text begins as though a line had ended in front of it.
        var state = ModelState(model)
        model.step(token: Vocabulary.endOfLine, state: &state, kernels: kernels)
        for token in vocabulary.tokens(prompt) {
            model.step(token: token, state: &state, kernels: kernels)
        }
        try printToStandardOutput(prompt.map(\.inText).joined())

        var sampler = Sampler(temperature: temperature, seed: seed)
        var last = prompt.last
        for done in 0..<length {
            let token = state.withOutput { sampler.sample($0) }
            last = vocabulary.scalar(token)
            if let last { try printToStandardOutput(last.inText) }
            model.step(token: token, state: &state, kernels: kernels)
            bar.show(
                "generate", fraction: Double(done) / Double(length),
                "\(done.grouped) characters")
        }
        bar.clear()
        if last != "\n" { try printToStandardOutput("\n") }
    }

    /// Whether what is written shows nowhere else.
    private var isStandardOutputFile: Bool {
        var status = stat()
        return fstat(STDOUT_FILENO, &status) == 0 && status.st_mode & S_IFMT == S_IFREG
    }
}

extension Unicode.Scalar {
    /// As a text shows it: printable, but for ends of lines, tabs, and the joiners that scripts and
    /// emoji need.
    fileprivate var inText: String {
        switch self {
        case "\n", "\t", "\u{200C}", "\u{200D}": String(self)
        default: printable
        }
    }
}

extension WeightFormat: ExpressibleByArgument {}
