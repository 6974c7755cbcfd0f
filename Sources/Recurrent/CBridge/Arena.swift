/// The offsets of buffers in one block of memory, reserved one after the other before anything is allocated.
/// Each starts on a multiple of 16 floats, the width of the kernels' vectors and of a cache line.
struct Layout: Sendable {
    private(set) var floats = 0

    /// Reserves `count` floats and returns where they start.
    mutating func reserve(_ count: Int) -> Int {
        let (end, overflow) = floats.addingReportingOverflow((count + 15) / 16 * 16)
        require(count >= 0 && !overflow && end <= Int.max / MemoryLayout<Float>.stride, "layout: the buffers do not fit in memory")
        defer { floats = end }
        return floats
    }
}

/// Memory of one model: a single block, 64-byte aligned, zero at first.
@safe struct Arena: ~Copyable, @unchecked Sendable {
    let base: UnsafeMutablePointer<Float>
    let floats: Int

    init(_ layout: Layout) {
        floats = layout.floats
        let bytes = max(floats, 16) * MemoryLayout<Float>.stride
        let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
        unsafe base = memory.bindMemory(to: Float.self, capacity: max(floats, 16))
        unsafe base.initialize(repeating: 0, count: max(floats, 16))
    }

    deinit { unsafe UnsafeMutableRawPointer(base).deallocate() }
}
