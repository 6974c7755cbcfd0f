import ArgumentParser
import Recurrent

/// How fast this machine runs the kernels.
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures the kernels: nanoseconds per call, and GFLOP/s.",
        discussion: """
            Times are of one call. Where a call takes less than 5 µs, samples are of several calls, divided by their number; calls timed one \
            at a time, with the clock's own time in them, stand beside. GFLOP/s are those of the shortest time. Built with \
            `--traits OpenBLAS`, the textbook's loop over OpenBLAS runs in the same process, in turn, after a check that both compute the same.
            """,
        subcommands: [BenchStep.self, BenchSequence.self, BenchTrain.self, BenchOptimizer.self])
}

/// What every measurement is told.
struct BenchOptions: ParsableArguments {
    @OptionGroup var kernel: KernelOptions

    @Option(parsing: .unconditional, help: ArgumentHelp("Threads.", valueName: "number"))
    var threads = 1

    @Option(parsing: .unconditional, help: ArgumentHelp("How long to measure each side.", valueName: "number"))
    var seconds = 0.8

    @Flag(help: "Print one JSON object.")
    var json = false

    func checked() throws(Failure) -> BenchSettings {
        try BenchSettings(kernels: kernel.kernels(), threads: check("--threads", threads, 1...ThreadOptions.largestCount),
                          seconds: check("--seconds", seconds, 0.001...600), json: json)
    }
}

struct BenchSettings {
    let kernels: Kernels
    let threads: Int
    let seconds: Double
    let json: Bool
}

/// The largest size of each kind, and the most memory of a measurement, in floats: 2 GiB.
private let largestSize = 1 << 16, largestMemory = 1 << 29

private func checkMemory(_ floats: Int) throws(Failure) {
    guard floats <= largestMemory else {
        throw Failure(.usage, "sizes: too large; expected at most \(largestMemory.grouped) floats in all, found \(floats.grouped)")
    }
}

/// The sizes of an LSTM layer, checked; options by these names.
private func checkedShape(input: Int, hidden: Int, batch: Int, steps: Int = 1) throws(Failure) -> LSTMShape {
    let sizes = 1...largestSize
    let shape = try LSTMShape(inputSize: check("--input", input, sizes), hiddenSize: check("--hidden", hidden, sizes),
                              batch: check("--batch", batch, sizes), steps: check("--steps", steps, sizes))
    try checkMemory(2 * (shape.weightCount + shape.gatesCount + shape.statesCount + shape.transposedCount + shape.inputGradientCount))
    return shape
}

/// The sizes and the multiply-adds, counted twice, of the forward pass.
private func lstmReport(_ name: String, _ shape: LSTMShape, withSteps: Bool, passes: Double) -> BenchReport {
    let forward = 2.0 * Double(shape.steps * shape.batch) * Double(4 * shape.hiddenSize * (shape.inputSize + shape.hiddenSize))
    let sizes = [("input", shape.inputSize), ("hidden", shape.hiddenSize), ("batch", shape.batch)] + (withSteps ? [("steps", shape.steps)] : [])
    return BenchReport(name: name, sizes: sizes, flops: passes * forward)
}

struct BenchStep: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "step", abstract: "One time step of an LSTM layer, one call each, the state carried.")

    @Option(parsing: .unconditional, help: ArgumentHelp("Features of the input.", valueName: "number")) var input = 1
    @Option(parsing: .unconditional, help: ArgumentHelp("Hidden units.", valueName: "number")) var hidden = 40
    @Option(parsing: .unconditional, help: ArgumentHelp("Independent streams.", valueName: "number")) var batch = 1
    @OptionGroup var options: BenchOptions

    func run() throws {
        let (settings, data) = try (options.checked(), LSTMData(checkedShape(input: input, hidden: hidden, batch: batch)))
        guard settings.threads == 1 else {
            throw Failure(.usage, "--threads: a step runs on the thread that calls; expected 1, found \(settings.threads)")
        }
        let ours = LSTMStepWork(data, kernels: settings.kernels)
        var report = lstmReport("step", data.shape, withSteps: false, passes: 1)
        try report.measure(ours, against: OpenBLASBuild.step(data, threads: settings.threads), OpenBLASBuild.peer, settings)
        try report.print()
    }
}

struct BenchSequence: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sequence", abstract: "A whole sequence through an LSTM layer, forward, with the tape that training needs.")

    @Option(parsing: .unconditional, help: ArgumentHelp("Features of the input.", valueName: "number")) var input = 64
    @Option(parsing: .unconditional, help: ArgumentHelp("Hidden units.", valueName: "number")) var hidden = 64
    @Option(parsing: .unconditional, help: ArgumentHelp("Sequences.", valueName: "number")) var batch = 1
    @Option(parsing: .unconditional, help: ArgumentHelp("Time steps.", valueName: "number")) var steps = 128
    @OptionGroup var options: BenchOptions

    func run() throws {
        let (settings, data) = try (options.checked(), LSTMData(checkedShape(input: input, hidden: hidden, batch: batch, steps: steps)))
        let ours = LSTMSequenceWork(engine: LSTMEngine(data, kernels: settings.kernels, threads: settings.threads, training: false))
        var report = lstmReport("sequence", data.shape, withSteps: true, passes: 1)
        try report.measure(ours, against: OpenBLASBuild.sequence(data, threads: settings.threads), OpenBLASBuild.peer, settings)
        try report.print()
    }
}

struct BenchTrain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "A whole sequence through an LSTM layer, forward and backward: to the inputs, the initial state and the weights; no update.")

    @Option(parsing: .unconditional, help: ArgumentHelp("Features of the input.", valueName: "number")) var input = 64
    @Option(parsing: .unconditional, help: ArgumentHelp("Hidden units.", valueName: "number")) var hidden = 64
    @Option(parsing: .unconditional, help: ArgumentHelp("Sequences.", valueName: "number")) var batch = 16
    @Option(parsing: .unconditional, help: ArgumentHelp("Time steps.", valueName: "number")) var steps = 32
    @OptionGroup var options: BenchOptions

    func run() throws {
        let (settings, data) = try (options.checked(), LSTMData(checkedShape(input: input, hidden: hidden, batch: batch, steps: steps)))
        let ours = LSTMTrainingWork(engine: LSTMEngine(data, kernels: settings.kernels, threads: settings.threads, training: true))
        // The backward pass has two products for each one of the forward pass.
        var report = lstmReport("train", data.shape, withSteps: true, passes: 3)
        try report.measure(ours, against: OpenBLASBuild.training(data, threads: settings.threads), OpenBLASBuild.peer, settings)
        try report.print()
    }
}

struct BenchOptimizer: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "optimizer",
        abstract: "One update of all parameters: the gradient is scaled, used and set to zero. Beside it, a plain loop in Swift.",
        discussion: "On Linux the compiler leaves roots scalar, so the loops that have one are several times slower than in vectors.")

    @Option(parsing: .unconditional, help: ArgumentHelp("Parameters.", valueName: "number")) var parameters = 1_000_000
    @Option(help: ArgumentHelp("Which of \(Optimizer.names.joined(separator: ", ")).", valueName: "name")) var optimizer = "adam"
    @OptionGroup var options: BenchOptions

    func run() throws {
        guard let rule = Optimizer.named(optimizer) else {
            throw Failure(.usage, "--optimizer: unknown; expected \(Optimizer.names.joined(separator: ", ")), found \(optimizer)")
        }
        let settings = try options.checked()
        let count = try check("--parameters", parameters, 1...largestMemory)
        try checkMemory(2 * (3 + rule.momentCount) * count)
        var report = BenchReport(name: "optimizer", sizes: [("parameters", count)], flops: Double(PlainLoop.operations(rule) * count),
                                 optimizer: optimizer)
        // Parameters, gradient and moments are read and written once.
        report.bytes = Double((2 + rule.momentCount) * 2 * MemoryLayout<Float>.size * count)
        try report.measure(OptimizerWork(rule, count, kernels: settings.kernels, threads: settings.threads), against: PlainLoopWork(rule, count),
                           Peer(key: "loop", name: "plain Swift loop, 1 thread"), settings)
        try report.print()
    }
}
