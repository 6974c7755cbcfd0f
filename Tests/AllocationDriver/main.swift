// AllocationDriver ISA THREADS STEPS [WORKLOAD …]: so many steps of each workload, or of all, for valgrind to look at. The heap usage
// that it reports must not depend on the number of steps.
import Recurrent

let arguments = Array(CommandLine.arguments.dropFirst())
guard arguments.count >= 3, let isa = ISA(rawValue: arguments[0]), let threads = Int(arguments[1]), let steps = Int(arguments[2]) else {
    fatalError("expected an instruction set, a number of threads, a number of steps, and workloads of \(workloads.joined(separator: ", "))")
}
let kernels = try Kernels(isa: isa)
for workload in arguments.count > 3 ? Array(arguments[3...]) : workloads {
    let done: Void? = withStep(of: workload, threads: threads, kernels: kernels) { step in for _ in 0..<steps { step() } }
    guard done != nil else { fatalError("expected one of \(workloads.joined(separator: ", ")), found \(workload)") }
}
