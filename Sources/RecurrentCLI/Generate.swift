import ArgumentParser
import Recurrent

struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Continues a prompt with a language model.")

    @Argument(help: "A model that train has written.")
    var model: String

    @Option(parsing: .unconditional, help: ArgumentHelp("What the text begins with.", valueName: "text"))
    var prompt = ""

    @Option(parsing: .unconditional, help: ArgumentHelp("Characters to add.", valueName: "number"))
    var length = 400

    @Option(parsing: .unconditional, help: ArgumentHelp("0 always takes the likeliest character; more is more daring.", valueName: "number"))
    var temperature = 0.8

    @Option(parsing: .unconditional, help: ArgumentHelp("The same seed gives the same text.", valueName: "number"))
    var seed: UInt64 = 1

    @Option(help: "How weights are held in memory: float32, or bfloat16, which is smaller, faster and less exact.")
    var weights = WeightFormat.float32

    @OptionGroup var kernelOptions: KernelOptions

    func run() throws {
        try check("--length", length, 0...Int.max)
        try check("--temperature", temperature, 0...Double.greatestFiniteMagnitude)
        let prompt = try textArgument(prompt, option: "--prompt")
        let kernels = try kernelOptions.kernels()
        let model = try readLanguageModel(model, weightFormat: weights)
        let vocabulary = try Vocabulary(model, path: self.model)

        // A text begins as though a line had ended in front of it.
        var state = ModelState(model)
        model.step(token: Vocabulary.endOfLine, state: &state, kernels: kernels)
        for scalar in prompt.unicodeScalars { model.step(token: vocabulary.token(scalar), state: &state, kernels: kernels) }
        try printToStandardOutput(prompt)

        var sampler = Sampler(temperature: temperature, seed: seed)
        var last = prompt.unicodeScalars.last
        for _ in 0..<length {
            let token = state.withOutput { sampler.sample($0) }
            last = vocabulary.scalar(token)
            if let last { try printToStandardOutput(String(last)) }
            model.step(token: token, state: &state, kernels: kernels)
        }
        if last != "\n" { try printToStandardOutput("\n") }
    }
}

extension WeightFormat: ExpressibleByArgument {}
