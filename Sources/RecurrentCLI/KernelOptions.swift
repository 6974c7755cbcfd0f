import ArgumentParser
import Foundation
import Recurrent

/// Which kernels to run.
struct KernelOptions: ParsableArguments {
    static let variable = "RECURRENT_ISA"

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            """
            Instruction set: generic, avx2 or avx512. The environment variable \
            \(KernelOptions.variable) says the same. (default: the fastest of this processor)
            """,
            valueName: "name"))
    var isa: String?

    func kernels(environment: [String: String] = ProcessInfo.processInfo.environment)
        throws(Failure) -> Kernels
    {
        let variable = environment[Self.variable].flatMap { $0.isEmpty ? nil : $0 }
        guard let name = isa ?? variable else { return .best }
        guard let kernels = ISA(rawValue: name).flatMap({ try? Kernels(isa: $0) }) else {
            let available = ISA.available.map(\.rawValue).joined(separator: ", ")
            throw Failure(
                .usage,
                """
                \(isa == nil ? Self.variable : "--isa"): not on this processor; expected \
                \(available), found \(name)
                """
            )
        }
        return kernels
    }
}

/// How many threads to run. Their number changes no bit of a result.
struct ThreadOptions: ParsableArguments {
    static let largestCount = 256
    /// Multiply-adds of a training step, about five milliseconds of one core, below which threads
    /// that other work holds up cost more than they bring.
    private static let worthSplitting = 250_000_000

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Threads. (default: one for each core that this process may use; one for small models)",
            valueName: "number"))
    var threads: Int?

    /// As many as asked for, or as there are cores; fewer where the limits of the process have no
    /// room for so many.
    func count() throws(Failure) -> Int {
        let count = threads ?? min(ProcessorLimit.cores, Self.largestCount)
        return min(
            try validated("--threads", count, 1...Self.largestCount), 1 + MemoryLimit.threads)
    }

    /// As many as asked for, or as do well for steps of `rows` rows.
    func count(_ shape: ModelShape, rows: Int) throws(Failure) -> Int {
        let isSmall = 3 * Double(shape.multiplyAdds) * Double(rows) < Double(Self.worthSplitting)
        return threads == nil && isSmall ? 1 : try count()
    }

    /// What measures a text, with as many threads as do well for it.
    func evaluator(_ shape: ModelShape, _ text: Batches, kernels: Kernels) throws(Failure)
        -> Evaluator
    {
        let threads = try count(shape, rows: text.batch * text.steps)
        do {
            return try Evaluator(
                shape, batch: text.batch, steps: text.steps, threads: threads, kernels: kernels)
        } catch {
            throw Failure(error)
        }
    }
}

extension ModelShape {
    /// Of one row, forward.
    var multiplyAdds: Int {
        var inputs =
            switch input {
            case .values(let size): size
            case .tokens(_, let dimension): dimension
            }
        var sum = 0
        for layer in layers {
            sum += layer.multiplyAdds(inputSize: inputs)
            inputs = layer.outputSize
        }
        return sum + outputSize * inputs
    }
}
