import AllocationDriver
import CMallocCounter
import Recurrent
import Testing

/// What `body` allocates on the calling thread. Other threads are counted by Tests/run, with
/// valgrind.
private func allocations(_ body: () -> Void) -> Int {
    let before = malloc_counter_count()
    body()
    return Int(malloc_counter_count() - before)
}

/// Unoptimized Swift allocates where optimized Swift need not.
private let isOptimized: Bool = {
    #if DEBUG
        false
    #else
        true
    #endif
}()

@Suite(.enabled(if: malloc_counter_works())) struct AllocationTests {
    @Test(.enabled(if: isOptimized), arguments: workloads) func aThousandStepsAllocateNothing(
        workload: String
    ) throws {
        for isa in ISA.available {
            let count = withStep(of: workload, threads: 1, kernels: try Kernels(isa: isa)) { step in
                allocations { for _ in 0..<1000 { step() } }
            }
            #expect(count == 0, "\(isa)")
        }
    }

    /// In a process of its own, where nothing has been set up by a step before.
    @Test(.enabled(if: isOptimized)) func theFirstStepOfFixedSizesAllocatesNothing() async {
        await #expect(processExitsWith: .success) {
            var lstm = LSTM<1, 40>()
            let count = allocations { _ = lstm.step([0.5]) }
            precondition(count == 0, "LSTM: \(count) allocations")
        }
        await #expect(processExitsWith: .success) {
            var gru = GRU<1, 40>()
            let count = allocations { _ = gru.step([0.5]) }
            precondition(count == 0, "GRU: \(count) allocations")
        }
        await #expect(processExitsWith: .success) {
            var rnn = RNN<1, 40>()
            let count = allocations { _ = rnn.step([0.5]) }
            precondition(count == 0, "RNN: \(count) allocations")
        }
    }

    @Test(.enabled(if: isOptimized), arguments: workloads) func theFirstStepAllocatesNothing(
        workload: String
    ) async {
        await #expect(processExitsWith: .success) { [workload = workload as String] in
            let count = withStep(of: workload, threads: 1, kernels: .best) { step in
                allocations(step)
            }
            precondition(count == 0, "\(workload): \(count ?? -1) allocations")
        }
    }

    @Test func anAllocationIsCounted() {
        var numbers: [Int] = []
        let none = allocations {}
        let some = allocations { numbers = [Int](repeating: 1, count: 1000) }
        let aligned = allocations {
            UnsafeMutableRawPointer.allocate(byteCount: 64, alignment: 64).deallocate()
        }
        #expect(none == 0)
        #expect(some == 1, "an array of \(numbers.count)")
        #expect(aligned == 1)
    }
}
