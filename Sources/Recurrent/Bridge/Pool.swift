internal import CRecurrent
internal import Synchronization

#if canImport(Darwin)
    internal import Darwin
#elseif canImport(Musl)
    internal import Musl
#elseif canImport(Android)
    internal import Android
#elseif canImport(WASILibc)
    internal import WASILibc
#elseif os(Windows)
    internal import WinSDK
#else
    internal import Glibc
#endif

/// A few threads that do the partitions of one call at a time, side by side. They are made at
/// set-up and belong to their owner; the calling thread does partition 0 itself. A thread without
/// work spins for some microseconds, so that the next call finds it awake, and then sleeps.
///
/// To wake up takes a thread about a tenth of a millisecond. In an adaptive pool, a call that is
/// over sooner than that is done by the calling thread alone while the others wake up, for the
/// calls that may follow.
///
/// A call allocates nothing; it locks only to wake threads that sleep.
@safe package final class Pool: @unchecked Sendable {
    /// Does one partition. `context` and `phase` are what `run` was given.
    package typealias Work =
        @Sendable (_ context: UnsafeRawPointer, _ phase: Int, _ partition: Partition) -> Void

    /// Looks before a thread without work sleeps: about 50 microseconds of pause instructions.
    private static let spins = 1 << 11

    /// A call that takes one thread no longer than this, in nanoseconds, does not wait for others
    /// to wake up.
    private static let shortCall: UInt64 = 300_000

    /// The most threads of a pool.
    package static let largestThreadCount = 256

    /// Fewer than were asked for where the system refused some.
    package private(set) var threadCount: Int
    private let isAdaptive: Bool
    /// Whether there are more threads than processors that they may run on: then none of them
    /// spins, because another needs its processor.
    private let isCrowded: Bool
    private let work: Work
    private var context: UnsafeRawPointer?
    private var phase = 0
    private let call = Atomic<Int>(0)
    private let sleeping = Atomic<Int>(0)
    /// How often sleeping threads were woken for calls to come, and whether such a call is not yet
    /// over.
    private let alarms = Atomic<Int>(0)
    private let isAlone = Atomic<Bool>(false)
    /// What a call takes one thread, at most: 0 before anything is known, so that the first one
    /// finds out. Calls together only lower it, because they wait for threads that the system keeps
    /// waiting.
    private var timeAlone: UInt64 = 0
    private let closing = Atomic<Bool>(false)
    private let barrier: UnsafeMutablePointer<recurrent_barrier>
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let wakeUp: UnsafeMutablePointer<pthread_cond_t>
    private var threads: [pthread_t] = []

    /// - Parameter isAdaptive: whether `work` may be given all of the work as one partition,
    ///   although there are more threads.
    /// - Precondition: threadCount is in 1...`largestThreadCount`.
    package init(threadCount: Int, isAdaptive: Bool = false, work: @escaping Work) {
        require(
            (1...Self.largestThreadCount).contains(threadCount),
            "threads: expected 1 to \(Self.largestThreadCount), found \(threadCount)")
        self.threadCount = threadCount
        self.isAdaptive = isAdaptive
        unsafe self.work = work
        isCrowded = threadCount > Self.processorCount
        unsafe barrier = Self.makeBarrier(threadCount, isCrowded: isCrowded)
        unsafe mutex = .allocate(capacity: 1)
        unsafe wakeUp = .allocate(capacity: 1)
        unsafe pthread_mutex_init(mutex, nil)
        unsafe pthread_cond_init(wakeUp, nil)
        for index in 1..<threadCount where !start(index) {
            // Those that run look at it when the first call begins.
            self.threadCount = index
            break
        }
    }

    /// The processors on which the calling thread, and those that it makes, may run.
    package static var processorCount: Int {
        let allowed = recurrent_allowed_processors()
        return allowed > 0 ? allowed : max(Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))), 1)
    }

    private static func makeBarrier(_ count: Int, isCrowded: Bool) -> UnsafeMutablePointer<
        recurrent_barrier
    > {
        let bytes = count * MemoryLayout<recurrent_barrier>.stride
        let memory = UnsafeMutableRawPointer.allocate(
            byteCount: bytes, alignment: MemoryLayout<recurrent_barrier>.stride)
        unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
        let barrier = unsafe memory.bindMemory(to: recurrent_barrier.self, capacity: count)
        for index in 0..<count {
            // Not sched_yield where processors are left, after which the scheduler favours others
            // for a whole slice.
            if isCrowded {
                unsafe barrier[index].rest = { sched_yield() }
            } else {
                unsafe barrier[index].rest = { usleep(1) }
            }
            unsafe barrier[index].spins = isCrowded ? 0 : Int(recurrent_barrier_spins)
        }
        return unsafe barrier
    }

    /// The owner must have let go of the pool: the threads hold it only while they run, and end
    /// when it closes.
    package func close() {
        guard !closing.exchange(true, ordering: .sequentiallyConsistent) else { return }
        beginCall()
        for thread in threads { pthread_join(thread, nil) }
        threads = []
    }

    deinit {
        unsafe pthread_cond_destroy(wakeUp)
        unsafe pthread_mutex_destroy(mutex)
        unsafe wakeUp.deallocate()
        unsafe mutex.deallocate()
        unsafe barrier.deallocate()
    }

    /// Does all partitions of `phase` and returns when they are done.
    package func run(_ context: UnsafeRawPointer, phase: Int = 0) {
        guard threadCount > 1 else {
            unsafe work(context, phase, .all)
            return
        }
        let start = nanoseconds()
        if isAdaptive && timeAlone <= Self.shortCall
            && sleeping.load(ordering: .sequentiallyConsistent) > 0
        {
            isAlone.store(true, ordering: .releasing)
            alarms.add(1, ordering: .sequentiallyConsistent)
            wakeSleepers()
            unsafe work(context, phase, .all)
            isAlone.store(false, ordering: .releasing)
            timeAlone = nanoseconds() - start
        } else {
            unsafe self.context = context
            self.phase = phase
            beginCall()
            let partition = partition(0)
            unsafe work(context, phase, partition)
            partition.wait()
            timeAlone = min(timeAlone, (nanoseconds() - start) * UInt64(threadCount))
        }
    }

    private func nanoseconds() -> UInt64 {
        var time = timespec()
        unsafe clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }

    /// Lets the other threads begin the next call.
    private func beginCall() {
        call.add(1, ordering: .sequentiallyConsistent)
        if sleeping.load(ordering: .sequentiallyConsistent) > 0 { wakeSleepers() }
    }

    private func wakeSleepers() {
        unsafe pthread_mutex_lock(mutex)
        unsafe pthread_cond_broadcast(wakeUp)
        unsafe pthread_mutex_unlock(mutex)
    }

    private func partition(_ index: Int) -> Partition {
        unsafe Partition(index: index, count: threadCount, barrier: barrier)
    }

    /// Whether the system grants another thread.
    private func start(_ index: Int) -> Bool {
        final class Start {
            let pool: Pool
            let index: Int
            init(_ pool: Pool, _ index: Int) {
                self.pool = pool
                self.index = index
            }
        }
        let argument = unsafe Unmanaged.passRetained(Start(self, index)).toOpaque()
        #if canImport(Darwin)
            var thread: pthread_t?
            let status = unsafe pthread_create(
                &thread, nil,
                { argument in
                    let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
                    start.pool.serve(start.index)
                    return nil
                }, argument)
        #else
            var thread = pthread_t()
            let status = unsafe pthread_create(
                &thread, nil,
                { argument in
                    let start = unsafe Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
                    start.pool.serve(start.index)
                    return nil
                }, argument)
        #endif
        guard status == 0 else {
            unsafe Unmanaged<Start>.fromOpaque(argument).release()
            return false
        }
        #if canImport(Darwin)
            unsafe threads.append(thread!)
        #else
            threads.append(thread)
        #endif
        return true
    }

    private func serve(_ index: Int) {
        var done = 0
        while true {
            var looks = 0
            while call.load(ordering: .acquiring) == done {
                looks = isAlone.load(ordering: .acquiring) ? 0 : looks + 1
                if looks < Self.spins && !isCrowded {
                    recurrent_spin_hint()
                } else {
                    sleep(while: done)
                    looks = 0
                }
            }
            done += 1
            if closing.load(ordering: .acquiring) { return }
            let partition = partition(index)
            unsafe work(context!, phase, partition)
            partition.arrive()
        }
    }

    /// Until a call begins, or is to be expected.
    private func sleep(while done: Int) {
        unsafe pthread_mutex_lock(mutex)
        sleeping.add(1, ordering: .sequentiallyConsistent)
        let heard = alarms.load(ordering: .sequentiallyConsistent)
        while call.load(ordering: .sequentiallyConsistent) == done
            && alarms.load(ordering: .sequentiallyConsistent) == heard
        {
            unsafe pthread_cond_wait(wakeUp, mutex)
        }
        sleeping.subtract(1, ordering: .sequentiallyConsistent)
        unsafe pthread_mutex_unlock(mutex)
    }
}
