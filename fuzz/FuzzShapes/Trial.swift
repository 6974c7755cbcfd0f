import CKernels

/// Whether the bits are the same; any NaN counts as any other.
func sameBits(_ a: Float, _ b: Float) -> Bool { a.bitPattern == b.bitPattern || a.isNaN && b.isNaN }

/// Memory for a kernel, of which not one float more may be touched: guards around it that must stay, and that poison a sum which reads
/// them; or none, so that it ends where AddressSanitizer's own guards start.
final class Buffer {
    let floats: UnsafeMutablePointer<Float>
    let count: Int
    private let guardCount: Int
    private static let poison: UInt32 = 0x7FC0_5A5A

    init(count: Int, guardCount: Int, _ element: (Int) -> Float) {
        self.count = count
        self.guardCount = guardCount
        let base = UnsafeMutablePointer<Float>.allocate(capacity: count + 2 * guardCount)
        base.initialize(repeating: Float(bitPattern: Self.poison), count: count + 2 * guardCount)
        floats = base + guardCount
        for index in 0..<count { floats[index] = element(index) }
    }

    deinit { (floats - guardCount).deallocate() }

    var guardsAreIntact: Bool {
        (0..<guardCount).allSatisfy { floats[-1 - $0].bitPattern == Self.poison && floats[count + $0].bitPattern == Self.poison }
    }
}

/// A run of kernels of one instruction set, with all the memory that they read and write.
final class Trial {
    let kernels: recurrent_kernels
    var bytes: Bytes
    private let shareCount: Int
    private let guardCount: Int
    private(set) var buffers: [(name: StaticString, buffer: Buffer)] = []

    /// - Parameter guardCount: floats around each buffer; an odd number leaves it aligned to a float and to nothing more.
    init(_ kernels: recurrent_kernels, _ bytes: Bytes, shareCount: Int, guardCount: Int) {
        self.kernels = kernels
        self.bytes = bytes
        self.shareCount = shareCount
        self.guardCount = guardCount
    }

    func buffer(_ name: StaticString, _ count: Int, _ element: (Int) -> Float) -> UnsafeMutablePointer<Float> {
        let buffer = Buffer(count: count, guardCount: guardCount, element)
        buffers.append((name, buffer))
        return buffer.floats
    }

    /// Data; outside of the first `used` of each `stride` floats there is `behind`.
    func data(_ name: StaticString, rows: Int, used: Int, stride: Int, behind: Float) -> UnsafeMutablePointer<Float> {
        buffer(name, rows * stride) { $0 % stride < used ? bytes.float() : behind }
    }

    func data(_ name: StaticString, _ count: Int) -> UnsafeMutablePointer<Float> { buffer(name, count) { _ in bytes.float() } }

    /// Rows of units, zero behind the last one.
    func units(_ name: StaticString, rows: Int, _ units: Int) -> UnsafeMutablePointer<Float> {
        data(name, rows: rows, used: units, stride: recurrent_padded(units), behind: 0)
    }

    /// Rows of ⌈units/16⌉ panels of `groups` vectors: gates of a row, or a row of a matrix for each panel.
    func gates(_ name: StaticString, rows: Int, _ units: Int, groups: Int) -> UnsafeMutablePointer<Float> {
        let panels = recurrent_panels(units)
        return buffer(name, rows * panels * groups * 16) {
            $0 / (groups * 16) % panels * 16 + $0 % 16 < units ? bytes.float() : 0
        }
    }

    /// A matrix in kernel order: panels of 1 + `columns` rows of `groups` vectors.
    func matrix(_ name: StaticString, columns: Int, _ units: Int, groups: Int) -> UnsafeMutablePointer<Float> {
        let panel = (1 + columns) * groups * 16
        return buffer(name, recurrent_panels(units) * panel) { $0 / panel * 16 + $0 % 16 < units ? bytes.float() : 0 }
    }

    /// Memory that a kernel assigns to, every float of it.
    func result(_ name: StaticString, _ count: Int) -> UnsafeMutablePointer<Float> { buffer(name, count) { _ in .nan } }

    /// Partial sums in double, two floats for each.
    func doubles(_ name: StaticString, _ count: Int) -> UnsafeMutablePointer<Double> {
        UnsafeMutableRawPointer(result(name, 2 * count)).assumingMemoryBound(to: Double.self)
    }

    /// Numbers of -1 ... `end`: one on each side of what an index may be.
    func indices(_ count: Int, end: Int) -> [Int32] { (0..<count).map { _ in Int32(bytes.choice(end + 2)) - 1 } }

    /// Calls `body` for each share of the work.
    func shares(_ body: (recurrent_share) -> Void) {
        for index in 0..<shareCount { body(recurrent_share(index: UInt32(index), count: UInt32(shareCount), barrier: nil)) }
    }

    /// Traps unless the guards stand and every float is the one of `other`.
    func check(against other: Trial) {
        let isa = String(cString: recurrent_isa_name(kernels.isa))
        for (found, expected) in zip(buffers, other.buffers) {
            guard found.buffer.guardsAreIntact && expected.buffer.guardsAreIntact else { fatalError("\(isa): a guard of \(found.name)") }
            for index in 0..<found.buffer.count {
                let (actual, wanted) = (found.buffer.floats[index], expected.buffer.floats[index])
                guard sameBits(actual, wanted) else {
                    fatalError("\(isa): \(found.name)[\(index)] of \(found.buffer.count): \(actual), not \(wanted)")
                }
            }
        }
    }
}
