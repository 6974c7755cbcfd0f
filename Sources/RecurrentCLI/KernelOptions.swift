import ArgumentParser
import Foundation
import Recurrent

/// Which kernels to run.
struct KernelOptions: ParsableArguments {
    static let variable = "RECURRENT_ISA"

    @Option(help: ArgumentHelp(
        "Instruction set: generic, avx2 or avx512. The environment variable \(KernelOptions.variable) says the same. (default: the fastest of this processor)",
        valueName: "name"))
    var isa: String?

    func kernels(environment: [String: String] = ProcessInfo.processInfo.environment) throws(Failure) -> Kernels {
        let variable = environment[Self.variable].flatMap { $0.isEmpty ? nil : $0 }
        guard let name = isa ?? variable else { return .best }
        guard let kernels = ISA(rawValue: name).flatMap({ try? Kernels(isa: $0) }) else {
            let available = ISA.available.map(\.rawValue).joined(separator: ", ")
            throw Failure(.usage, "\(isa == nil ? Self.variable : "--isa"): not on this processor; expected \(available), found \(name)")
        }
        return kernels
    }
}

/// How many threads to run. Their number changes no bit of a result.
struct ThreadOptions: ParsableArguments {
    static let largestCount = Pool.largestThreadCount

    @Option(parsing: .unconditional, help: ArgumentHelp("Threads. (default: one for each core)", valueName: "number"))
    var threads: Int?

    func count() throws(Failure) -> Int {
        try check("--threads", threads ?? min(ProcessInfo.processInfo.activeProcessorCount, Self.largestCount), 1...Self.largestCount)
    }
}
