public import CRecurrent

/// A buffer for a kernel, between guards that must not change and that poison a sum that reads
/// them.
public final class GuardedBuffer {
    public let pointer: UnsafeMutablePointer<Float>
    private let count: Int
    /// Odd, so that the buffer is aligned to a float and to nothing more.
    private static let guardCount = 65
    private static let guardValue = Float(bitPattern: 0x7FC0_5A5A)

    public init(_ values: [Float]) {
        count = values.count
        let base = UnsafeMutablePointer<Float>.allocate(capacity: count + 2 * Self.guardCount)
        base.initialize(repeating: Self.guardValue, count: count + 2 * Self.guardCount)
        pointer = base + Self.guardCount
        pointer.update(from: values, count: count)
    }

    public convenience init(repeating value: Float, count: Int) {
        self.init([Float](repeating: value, count: count))
    }

    /// The pointer, or null where there is nothing.
    public var optionalPointer: UnsafeMutablePointer<Float>? { count == 0 ? nil : pointer }

    deinit { (pointer - Self.guardCount).deallocate() }

    public var values: [Float] { Array(UnsafeBufferPointer(start: pointer, count: count)) }

    /// The values, after `checkGuards`.
    public func checkedValues(_ name: String) throws(Mismatch) -> [Float] {
        try checkGuards(name)
        return values
    }

    /// Throws if a kernel wrote outside.
    public func checkGuards(_ name: String) throws(Mismatch) {
        for index in Array(-Self.guardCount..<0) + Array(count..<count + Self.guardCount)
        where pointer[index].bitPattern != Self.guardValue.bitPattern {
            throw Mismatch(
                name: "guard of \(name)", index: index, actual: pointer[index], expected: .nan,
                bound: 0)
        }
    }
}

/// The numbers of partitions that must not change a bit.
public let partitionCounts = [1, 2, 3, 4, 7]

extension recurrent_partition {
    /// A part that does not wait for others.
    public init(index: Int, count: Int) {
        self.init(index: UInt32(index), count: UInt32(count), barrier: nil)
    }
}

/// Calls `body` for each of `count` partitions.
public func forPartitions(_ count: Int = 1, _ body: (recurrent_partition) -> Void) {
    for index in 0..<count { body(recurrent_partition(index: index, count: count)) }
}

extension recurrent_rows_shape {
    private var stride: Int { recurrent_padded(units) }

    /// `values` [rows][units] in padded rows, with `behind` in the lanes past the last unit.
    public func padded(_ values: [Float], behind: Float = 0) -> [Float] {
        precondition(values.count == rows * units)
        return (0..<rows * stride).map {
            $0 % stride < units ? values[$0 / stride * units + $0 % stride] : behind
        }
    }

    /// The units of padded rows, row by row.
    public func rows(of padded: [Float]) -> [[Float]] {
        precondition(padded.count == rows * stride)
        return (0..<rows).map { Array(padded[$0 * stride..<$0 * stride + units]) }
    }

    /// Throws unless the lanes past the last unit are zero.
    public func checkPadding(_ name: String, _ padded: [Float]) throws(Mismatch) {
        for (index, value) in padded.enumerated()
        where index % stride >= units && value.bitPattern != 0 {
            throw Mismatch(
                name: "padding of \(name)", index: index, actual: value, expected: 0, bound: 0)
        }
    }
}
