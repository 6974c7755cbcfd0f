internal import CKernels
internal import Synchronization
#if canImport(Glibc)
internal import Glibc
#elseif canImport(Musl)
internal import Musl
#elseif canImport(Darwin)
internal import Darwin
#endif

/// A few threads that do the shares of one call at a time. They are made at set-up and belong to their owner; the calling thread does
/// share 0 itself. A thread without work spins for some microseconds, so that the next call finds it awake, and then sleeps.
///
/// A call allocates nothing; it locks only to wake threads that sleep.
@safe package final class Pool: @unchecked Sendable {
    /// Does one share. `context` and `phase` are what `run` was given.
    package typealias Work = @convention(c) (_ context: UnsafeRawPointer, _ phase: Int, _ share: Int, _ count: Int) -> Void

    /// Rounds of waiting before a thread sleeps: about 50 microseconds of pause instructions.
    private static let spins = 1 << 11
    /// Rounds after which a waiting caller lets another thread have its core (more threads than cores).
    private static let spinsBeforeYield = 1 << 10

    package let threadCount: Int
    private let work: Work
    private var context: UnsafeRawPointer?
    private var phase = 0
    private let call = Atomic<Int>(0)
    private let unfinished = Atomic<Int>(0)
    private let sleeping = Atomic<Int>(0)
    private let closing = Atomic<Bool>(false)
    private let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private let wakeUp: UnsafeMutablePointer<pthread_cond_t>
    private var threads: [pthread_t] = []

    /// - Precondition: threadCount ≥ 1. Traps where the system refuses a thread.
    package init(threadCount: Int, work: @escaping Work) {
        precondition(threadCount >= 1, "threads: expected at least 1, found \(threadCount)")
        self.threadCount = threadCount
        unsafe self.work = work
        unsafe mutex = .allocate(capacity: 1)
        unsafe wakeUp = .allocate(capacity: 1)
        unsafe pthread_mutex_init(mutex, nil)
        unsafe pthread_cond_init(wakeUp, nil)
        for index in 1..<max(threadCount, 1) { start(index) }
    }

    /// The owner must have let go of the pool: the threads hold it only while they run, and end when it closes.
    package func close() {
        guard !closing.exchange(true, ordering: .sequentiallyConsistent) else { return }
        call.add(1, ordering: .sequentiallyConsistent)
        unsafe pthread_mutex_lock(mutex)
        unsafe pthread_cond_broadcast(wakeUp)
        unsafe pthread_mutex_unlock(mutex)
        for thread in threads { pthread_join(thread, nil) }
        threads = []
    }

    deinit {
        unsafe pthread_cond_destroy(wakeUp)
        unsafe pthread_mutex_destroy(mutex)
        unsafe wakeUp.deallocate()
        unsafe mutex.deallocate()
    }

    /// Does all shares of `phase` and returns when they are done.
    package func run(_ context: UnsafeRawPointer, phase: Int) {
        if threadCount > 1 {
            unsafe self.context = context
            self.phase = phase
            unfinished.store(threadCount - 1, ordering: .relaxed)
            call.add(1, ordering: .sequentiallyConsistent)
            if sleeping.load(ordering: .sequentiallyConsistent) > 0 {
                unsafe pthread_mutex_lock(mutex)
                unsafe pthread_cond_broadcast(wakeUp)
                unsafe pthread_mutex_unlock(mutex)
            }
        }
        unsafe work(context, phase, 0, threadCount)
        var round = 0
        while unfinished.load(ordering: .acquiring) > 0 {
            round += 1
            if round > Self.spinsBeforeYield { sched_yield() } else { recurrent_spin_hint() }
        }
    }

    private func start(_ index: Int) {
        final class Start { let pool: Pool; let index: Int; init(_ pool: Pool, _ index: Int) { self.pool = pool; self.index = index } }
        let argument = unsafe Unmanaged.passRetained(Start(self, index)).toOpaque()
        #if canImport(Darwin)
        var thread: pthread_t?
        let status = unsafe pthread_create(&thread, nil, { argument in
            let start = unsafe Unmanaged<Start>.fromOpaque(argument).takeRetainedValue()
            start.pool.serve(start.index)
            return nil
        }, argument)
        #else
        var thread = pthread_t()
        let status = unsafe pthread_create(&thread, nil, { argument in
            let start = unsafe Unmanaged<Start>.fromOpaque(argument!).takeRetainedValue()
            start.pool.serve(start.index)
            return nil
        }, argument)
        #endif
        precondition(status == 0, "threads: the system refused thread \(index) with error \(status)")
        #if canImport(Darwin)
        unsafe threads.append(thread!)
        #else
        threads.append(thread)
        #endif
    }

    private func serve(_ index: Int) {
        var done = 0
        while true {
            var round = 0
            while call.load(ordering: .acquiring) == done {
                round += 1
                if round < Self.spins { recurrent_spin_hint() } else { sleep(until: done) }
            }
            done += 1
            if closing.load(ordering: .acquiring) { return }
            unsafe work(context!, phase, index, threadCount)
            unfinished.subtract(1, ordering: .acquiringAndReleasing)
        }
    }

    private func sleep(until done: Int) {
        unsafe pthread_mutex_lock(mutex)
        sleeping.add(1, ordering: .sequentiallyConsistent)
        while call.load(ordering: .sequentiallyConsistent) == done { unsafe pthread_cond_wait(wakeUp, mutex) }
        sleeping.subtract(1, ordering: .sequentiallyConsistent)
        unsafe pthread_mutex_unlock(mutex)
    }
}
