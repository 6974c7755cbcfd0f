import Recurrent
import Synchronization
import Testing

/// What the threads of a pool share in these tests: whatever a test captures, called through the
/// pool's plain context.
private final class Shared: @unchecked Sendable {
    let body: (Partition) -> Void
    init(_ body: @escaping (Partition) -> Void) { self.body = body }
}

/// Runs `body` for each partition, `calls` times, on a pool of its own.
private func onThreads(_ count: Int, calls: Int = 1, _ body: @escaping (Partition) -> Void) {
    let pool = Pool(threadCount: count) { context, _, partition in
        Unmanaged<Shared>.fromOpaque(context).takeUnretainedValue().body(partition)
    }
    let shared = Shared(body)
    for _ in 0..<calls { pool.run(Unmanaged.passUnretained(shared).toOpaque()) }
    pool.close()
    withExtendedLifetime(shared) {}
}

private final class Counter: Sendable { let value = Atomic<Int>(0) }

@Suite struct PoolTests {
    @Test(arguments: [1, 2, 3, 4, 9]) func everyPartitionOnceInEveryCall(threads: Int) {
        let calls = 200
        let counts = (0..<threads).map { _ in Counter() }
        onThreads(threads, calls: calls) { partition in
            #expect(partition.count == threads)
            counts[partition.index].value.add(1, ordering: .relaxed)
        }
        #expect(counts.allSatisfy { $0.value.load(ordering: .relaxed) == calls })
    }

    /// Nobody is behind the barrier before everybody has come to it, with more threads than
    /// processors too.
    @Test(arguments: [2, 4, 9]) func barrier(threads: Int) {
        let (arrived, early) = (Counter(), Counter())
        onThreads(threads, calls: 3) { partition in
            for _ in 0..<20 {
                let before = arrived.value.load(ordering: .relaxed)
                partition.wait()
                arrived.value.add(1, ordering: .relaxed)
                partition.wait()
                if arrived.value.load(ordering: .relaxed) != before + threads {
                    early.value.add(1, ordering: .relaxed)
                }
                partition.wait()
            }
        }
        #expect(early.value.load(ordering: .relaxed) == 0)
    }

    /// Short calls after a pause are done alone; those that follow find the others awake again.
    @Test func doesShortCallsAloneWhileOthersWakeUp() async throws {
        let (alone, together) = (Counter(), Counter())
        let pool = Pool(threadCount: 2, isAdaptive: true) { context, _, partition in
            Unmanaged<Shared>.fromOpaque(context).takeUnretainedValue().body(partition)
        }
        let shared = Shared { partition in
            (partition.count == 1 ? alone : together).value.add(1, ordering: .relaxed)
        }
        func run() { pool.run(Unmanaged.passUnretained(shared).toOpaque()) }
        var calls = 0
        func repeats(until counter: Counter, pause: Duration?) async throws {
            let before = counter.value.load(ordering: .relaxed)
            let end = ContinuousClock.now + .seconds(20)
            while counter.value.load(ordering: .relaxed) == before && ContinuousClock.now < end {
                if let pause { try await Task.sleep(for: pause) }
                run()
                calls += 1
            }
            #expect(counter.value.load(ordering: .relaxed) > before)
        }
        for _ in 0..<3 {
            try await repeats(until: alone, pause: .milliseconds(3))
            try await repeats(until: together, pause: nil)
        }
        pool.close()
        #expect(
            alone.value.load(ordering: .relaxed) + together.value.load(ordering: .relaxed) / 2
                == calls)
        withExtendedLifetime(shared) {}
    }

    @Test func wakesThreadsThatSleep() async throws {
        let count = Counter()
        let pool = Pool(threadCount: 3) { context, _, _ in
            Unmanaged<Counter>.fromOpaque(context).takeUnretainedValue().value.add(
                1, ordering: .relaxed)
        }
        for _ in 0..<3 {
            try await Task.sleep(for: .milliseconds(5))
            pool.run(Unmanaged.passUnretained(count).toOpaque())
        }
        pool.close()
        #expect(count.value.load(ordering: .relaxed) == 9)
    }
}

extension LayerRun {
    /// With random data.
    convenience init(_ shape: LSTMShape, lengths: [Int]?, kernels: Kernels) {
        var generator = SplitMix64(seed: 5)
        func floats(_ count: Int, limit: Double = 1) -> [Float] {
            (0..<count).map { _ in Float(limit * (2 * generator.unit() - 1)) }
        }
        self.init(
            shape.any, lengths: lengths, kernels: kernels,
            weights: floats(shape.weightCount, limit: 0.3),
            x: floats(shape.steps * shape.batch * shape.inputSize), h: floats(shape.outputCount),
            c: floats(shape.stateCount),
            outputGradient: floats(shape.steps * shape.outputCount), dh: floats(shape.outputCount),
            dc: floats(shape.stateCount), weightGradient: floats(shape.weightCount))
    }
}

@Suite struct ThreadsTests {
    /// Of batch rows, of panels and of both, with partitions that get nothing.
    static let sizes = [
        (1, 5), (1, 16), (1, 40), (1, 64), (1, 256), (2, 40), (2, 256), (3, 5), (3, 64), (3, 144),
        (8, 16), (8, 40), (8, 144),
        (16, 5), (16, 64), (33, 16), (33, 40),
    ]

    @Test(arguments: sizes, [false, true]) func changeNoBitOfAnLSTM(
        size: (batch: Int, hidden: Int), ended: Bool
    ) {
        let shape = LSTMShape(inputSize: 7, hiddenSize: size.hidden, batch: size.batch, steps: 4)
        let lengths = ended ? (0..<size.batch).map { [2, 4, 0, 3, 4][$0 % 5] } : nil
        let whole = LayerRun(shape, lengths: lengths, kernels: .best)
        whole.work(.all)
        for threads in [2, 3, 4, 7] {
            let pass = LayerRun(shape, lengths: lengths, kernels: .best)
            onThreads(threads) { pass.work($0) }
            #expect(pass.bits == whole.bits, "\(threads) threads")
        }
    }

    /// With a projection, which reads all panels, threads split batch rows alone.
    @Test(arguments: [(1, 144), (3, 40), (8, 40), (33, 16)], [nil, 21]) func changeNoBitOfAVariant(
        size: (batch: Int, hidden: Int), projection: Int?
    ) {
        let variant = LSTMVariant(
            activation: .sigmoid, hasPeepholes: true, hasCoupledGates: true, cellClip: 0.5,
            projectionSize: projection)
        let shape = LSTMShape(
            inputSize: 7, hiddenSize: size.hidden, variant: variant, batch: size.batch, steps: 4)
        let whole = LayerRun(shape, lengths: nil, kernels: .best)
        whole.work(.all)
        for threads in 2...4 {
            let pass = LayerRun(shape, lengths: nil, kernels: .best)
            onThreads(threads) { pass.work($0) }
            #expect(pass.bits == whole.bits, "\(threads) threads")
        }
    }

    @Test(arguments: ISA.available) func everyInstructionSet(isa: ISA) throws {
        let kernels = try Kernels(isa: isa)
        let shape = LSTMShape(inputSize: 5, hiddenSize: 80, batch: 2, steps: 5)
        let whole = LayerRun(shape, lengths: nil, kernels: kernels)
        whole.work(.all)
        for threads in 2...4 {
            let pass = LayerRun(shape, lengths: nil, kernels: kernels)
            onThreads(threads) { pass.work($0) }
            #expect(pass.bits == whole.bits, "\(threads) threads")
        }
    }

    /// A thread that comes late finds its steps done by those that would have waited for it.
    @Test func othersDoTheStepsOfAThreadThatIsLate() {
        let shape = LSTMShape(inputSize: 7, hiddenSize: 144, batch: 1, steps: 4)
        let finished = Counter()
        let whole = LayerRun(shape, lengths: nil, kernels: .best)
        let pass = LayerRun(shape, lengths: nil, kernels: .best)
        whole.forward(.all)
        onThreads(4) { partition in
            if partition.index == 1 {
                let end = ContinuousClock.now + .seconds(20)
                while finished.value.load(ordering: .relaxed) < 3, ContinuousClock.now < end {}
                #expect(finished.value.load(ordering: .relaxed) == 3)
            }
            pass.forward(partition)
            finished.value.add(1, ordering: .relaxed)
        }
        #expect(pass.bits == whole.bits)
    }

    /// The splits of one call do not disturb those of the next.
    @Test func callsOfDifferentShapes() {
        let shapes = [(1, 64), (33, 16), (2, 144), (1, 16), (1, 144), (3, 80)].map {
            LSTMShape(inputSize: 3, hiddenSize: $0.1, batch: $0.0, steps: 3)
        }
        let whole = shapes.map { LayerRun($0, lengths: nil, kernels: .best) }
        let passes = shapes.map { LayerRun($0, lengths: nil, kernels: .best) }
        onThreads(5) { partition in
            for pass in passes {
                pass.work(partition)
                partition.wait()
            }
        }
        for (pass, whole) in zip(passes, whole) {
            whole.work(.all)
            #expect(pass.bits == whole.bits)
        }
    }
}
