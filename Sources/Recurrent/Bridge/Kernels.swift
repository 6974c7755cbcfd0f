internal import CRecurrent

/// Traps where a shape cannot be: `expected` is the text of its `recurrent_*_check`, or null.
func requireShape(_ expected: UnsafePointer<CChar>?, _ shape: @autoclosure () -> Any) {
    if let expected = unsafe expected {
        fail("\(unsafe String(cString: expected)), found \(shape())")
    }
}

/// This processor lacks an instruction set that was asked for.
public struct UnsupportedISA: Error, CustomStringConvertible, Sendable {
    public let isa: ISA
    public var description: String {
        """
        instruction set: not on this processor; expected one of \
        \(ISA.available.map(\.rawValue).joined(separator: ", ")), found \(isa.rawValue)
        """
    }
}

/// Which part of a call's work to do: part `index` of `count`. The parts write to different places,
/// so they may run on different threads. No sum is split between parts, so their number changes no
/// bit of the result.
///
/// The partitions that a `Pool` gives to its threads can wait for each other; others may be done
/// one after the other, in any order.
///
/// C counterpart: `recurrent_partition`.
@safe public struct Partition: @unchecked Sendable {
    public let index: Int
    public let count: Int
    let barrier: UnsafeMutablePointer<recurrent_barrier>?

    /// All of the work.
    public static let all = Partition(index: 0, count: 1)

    /// - Precondition: 0 ≤ index < count < 2³².
    public init(index: Int, count: Int) {
        unsafe self.init(index: index, count: count, barrier: nil)
    }

    /// A partition whose thread waits at `barrier` for those of the others: nil, or `count` places.
    init(index: Int, count: Int, barrier: UnsafeMutablePointer<recurrent_barrier>?) {
        require(
            index >= 0 && index < count && Int64(count) < 1 << 32,
            "partition: expected 0 ≤ index < count < 2³², found \(index) of \(count)")
        self.index = index
        self.count = count
        unsafe self.barrier = barrier
    }

    /// Waits until the threads of all partitions have come here. C counterpart:
    /// `recurrent_barrier_wait`.
    package func wait() { unsafe recurrent_barrier_wait(cValue, 0, count) }

    /// Lets others know that this thread has come here.
    func arrive() { unsafe recurrent_barrier_wait(cValue, 0, 0) }

    var cValue: recurrent_partition {
        unsafe recurrent_partition(
            index: UInt32(truncatingIfNeeded: index), count: UInt32(truncatingIfNeeded: count),
            barrier: barrier)
    }
}

/// The kernels of one instruction set: the unsafe-pointer calls of the hot path, each of which is
/// one C call.
///
/// No call allocates, locks or calls the system. Buffers are what kernel_list.h says of the kernel
/// that a call names; counts are the caller's promise and are not checked here. Swift turns an
/// array, and `&array`, into a pointer without a word: it is up to the caller that it is long
/// enough. With strict memory safety (`-strict-memory-safety`), the compiler warns wherever
/// `unsafe` is missing before a call. Layers, models and trainers take spans and buffers instead,
/// whose counts they check.
///
/// C counterpart: `recurrent_kernels`.
@safe public struct Kernels: @unchecked Sendable {
    let table: UnsafePointer<recurrent_kernels>
    public let isa: ISA

    /// - Throws: `UnsupportedISA` where the processor lacks `isa`.
    public init(isa: ISA = .best) throws(UnsupportedISA) {
        guard let table = unsafe recurrent_kernels_of(isa.cValue) else {
            throw UnsupportedISA(isa: isa)
        }
        unsafe self.table = table
        self.isa = isa
    }

    /// The kernels of the fastest instruction set of this processor.
    public static let best = unsafe Kernels(
        table: recurrent_kernels_of(recurrent_isa_best())!, isa: .best)

    private init(table: UnsafePointer<recurrent_kernels>, isa: ISA) {
        unsafe self.table = table
        self.isa = isa
    }
}
