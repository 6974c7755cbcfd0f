import ArgumentParser
import Recurrent

/// How fast this machine runs the kernels.
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measures the kernels: nanoseconds per call, and GFLOP/s.",
        discussion: """
            Times are of one call. Where a call takes less than 5 µs, samples are of several \
            calls, divided by their number; calls timed one at a time, with the clock's own time \
            in them, stand beside. GFLOP/s are those of the shortest time. The floor is the \
            shortest time that the hardware allows, from its limits, which each run measures \
            first. Built with `--traits OpenBLAS`, the textbook's loop over OpenBLAS runs in the \
            same process, in turn, after a check that both compute the same.
            """,
        subcommands: [
            BenchAll.self, BenchStep.self, BenchSequence.self, BenchTrain.self, BenchOptimizer.self,
            BenchLimits.self,
        ])
}

/// What every measurement is told.
struct BenchOptions: ParsableArguments {
    @OptionGroup var kernel: KernelOptions

    @Option(parsing: .unconditional, help: ArgumentHelp("Threads.", valueName: "number"))
    var threads = 1

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("How long to measure each side.", valueName: "number"))
    var seconds = 0.8

    @Flag(help: "Shows no progress, only the result.")
    var quiet = false

    @Flag(help: "Prints one JSON object.")
    var json = false

    func checked() throws(Failure) -> BenchSettings {
        try BenchSettings(
            kernels: kernel.kernels(),
            threads: validated("--threads", threads, 1...ThreadOptions.largestCount),
            seconds: validated("--seconds", seconds, 0.001...600), json: json,
            progress: BenchProgress(quiet: quiet))
    }
}

struct BenchSettings {
    let kernels: Kernels
    var threads: Int
    let seconds: Double
    let json: Bool
    let progress: BenchProgress
}

/// How many of the measurements are done.
final class BenchProgress {
    var measurements = 1
    private var finished = 0
    private var bar: ProgressBar

    init(quiet: Bool) { bar = ProgressBar(quiet: quiet) }

    /// - Parameter fraction: of the measurement at hand.
    func show(_ fraction: Double) {
        bar.show(
            "bench", fraction: (Double(finished) + fraction) / Double(measurements),
            "\(finished + 1) of \(measurements)")
    }

    func finish() {
        finished += 1
        if finished == measurements { bar.clear() }
    }
}

/// The largest size of each kind, and the most memory of a measurement, in floats: 2 GiB.
private let largestSize = 1 << 16
private let largestMemory = 1 << 29

private func checkMemory(_ floats: Int) throws(Failure) {
    guard floats <= largestMemory else {
        throw Failure(
            .usage,
            """
            sizes: too large; expected at most \(largestMemory.grouped) floats in all, found \
            \(floats.grouped)
            """
        )
    }
    try MemoryEstimate(bytes: 4 * Double(floats)).check(.usage, "sizes")
}

/// The sizes of an LSTM layer, checked; options by these names.
private func checkedShape(input: Int, hidden: Int, batch: Int, steps: Int = 1) throws(Failure)
    -> LSTMShape
{
    let sizes = 1...largestSize
    try checkMemory(validated("--batch", batch, sizes) * validated("--steps", steps, sizes))
    let shape = try LSTMShape(
        inputSize: validated("--input", input, sizes),
        hiddenSize: validated("--hidden", hidden, sizes),
        batch: validated("--batch", batch, sizes), steps: validated("--steps", steps, sizes))
    try checkMemory(
        2
            * (shape.weightCount + shape.gatesCount + shape.stateTapeCount + shape.transposedCount
                + shape.inputGradientCount))
    return shape
}

struct BenchStep: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "step",
        abstract: "One time step of an LSTM layer, one call each, the state carried.")

    @Option(
        parsing: .unconditional, help: ArgumentHelp("Features of the input.", valueName: "number"))
    var input = 1
    @Option(parsing: .unconditional, help: ArgumentHelp("Hidden units.", valueName: "number"))
    var hidden = 40
    @Option(
        parsing: .unconditional, help: ArgumentHelp("Independent streams.", valueName: "number"))
    var batch = 1
    @Option(
        parsing: .unconditional,
        help: """
            How weights are held: float32, or bfloat16, which is not compared with \
            OpenBLAS.
            """)
    var weights = WeightFormat.float32
    @OptionGroup var options: BenchOptions

    func run() throws {
        let (settings, shape) = try (
            options.checked(), checkedShape(input: input, hidden: hidden, batch: batch)
        )
        guard settings.threads == 1 else {
            throw Failure(
                .usage,
                """
                --threads: a step runs on the thread that calls; expected 1, found \
                \(settings.threads)
                """
            )
        }
        try BenchReport.step(shape, weights, settings, HardwareLimits(settings)).print()
    }
}

struct BenchSequence: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sequence",
        abstract:
            "A whole sequence through an LSTM layer, forward, with the tape that training needs.")

    @Option(
        parsing: .unconditional, help: ArgumentHelp("Features of the input.", valueName: "number"))
    var input = 64
    @Option(parsing: .unconditional, help: ArgumentHelp("Hidden units.", valueName: "number"))
    var hidden = 64
    @Option(parsing: .unconditional, help: ArgumentHelp("Sequences.", valueName: "number"))
    var batch = 1
    @Option(parsing: .unconditional, help: ArgumentHelp("Time steps.", valueName: "number"))
    var steps = 128
    @OptionGroup var options: BenchOptions

    func run() throws {
        let (settings, shape) = try (
            options.checked(),
            checkedShape(input: input, hidden: hidden, batch: batch, steps: steps)
        )
        try BenchReport.sequence(shape, settings, HardwareLimits(settings)).print()
    }
}

struct BenchTrain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract:
            """
            A whole sequence through an LSTM layer, forward and backward: to the inputs, the \
            initial state and the weights; no update.
            """
    )

    @Option(
        parsing: .unconditional, help: ArgumentHelp("Features of the input.", valueName: "number"))
    var input = 64
    @Option(parsing: .unconditional, help: ArgumentHelp("Hidden units.", valueName: "number"))
    var hidden = 64
    @Option(parsing: .unconditional, help: ArgumentHelp("Sequences.", valueName: "number"))
    var batch = 16
    @Option(parsing: .unconditional, help: ArgumentHelp("Time steps.", valueName: "number"))
    var steps = 32
    @OptionGroup var options: BenchOptions

    func run() throws {
        let (settings, shape) = try (
            options.checked(),
            checkedShape(input: input, hidden: hidden, batch: batch, steps: steps)
        )
        try BenchReport.training(shape, settings, HardwareLimits(settings)).print()
    }
}

struct BenchOptimizer: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "optimizer",
        abstract:
            """
            One update of all parameters: the gradient is scaled, used and set to zero. Beside \
            it, a plain loop in Swift.
            """,
        discussion:
            """
            On Linux the compiler leaves roots scalar, so the loops that have one are several \
            times slower than in vectors.
            """
    )

    @Option(parsing: .unconditional, help: ArgumentHelp("Parameters.", valueName: "number"))
    var parameters = 1_000_000
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Which of \(Optimizer.names.joined(separator: ", ")).",
            valueName: "name"))
    var optimizer = "adam"
    @OptionGroup var options: BenchOptions

    func run() throws {
        guard let rule = Optimizer.named(optimizer) else {
            throw Failure(
                .usage,
                """
                --optimizer: unknown; expected \(Optimizer.names.joined(separator: ", ")), \
                found \(optimizer)
                """
            )
        }
        let settings = try options.checked()
        let count = try validated("--parameters", parameters, 1...largestMemory)
        try checkMemory(2 * (3 + rule.momentCount) * count)
        try BenchReport.optimizer(optimizer, rule, count, settings, HardwareLimits(settings))
            .print()
    }
}
