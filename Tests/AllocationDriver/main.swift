// AllocationDriver ISA THREADS STEPS [WORKLOAD …]: so many steps of each workload, or of all, for
// valgrind to look at. The heap usage that it reports must not depend on the number of steps.
// Linked with RealtimeSanitizer, steps after the first may not allocate at all; the workload
// `fault`, which is not among all, does.
import CRealtime
import Recurrent

let arguments = Array(CommandLine.arguments.dropFirst())
guard arguments.count >= 3, let isa = ISA(rawValue: arguments[0]), let threads = Int(arguments[1]),
    let steps = Int(arguments[2]),
    steps > 0
else {
    fatalError(
        """
        expected an instruction set, a number of threads, a number of steps, and workloads of \
        \(workloads.joined(separator: ", "))
        """
    )
}
let kernels = try Kernels(isa: isa)
for workload in arguments.count > 3 ? Array(arguments[3...]) : workloads {
    let done: Void? = withStep(of: workload, threads: threads, kernels: kernels) { step in
        step()
        realtime_enter()
        for _ in 1..<steps { step() }
        realtime_exit()
    }
    guard done != nil else {
        fatalError("expected one of \(workloads.joined(separator: ", ")), found \(workload)")
    }
}
if realtime_sanitizer_is_present() != 0 { print("RealtimeSanitizer found nothing") }
