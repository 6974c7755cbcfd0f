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

/// The system has no memory left for what was asked for.
public struct OutOfMemory: Error, CustomStringConvertible, Hashable, Sendable {
    /// What was asked for.
    public let bytes: Int
    public var description: String {
        "memory: refused by the system; expected \(bytes) bytes, found fewer"
    }
}

/// The offsets of buffers in one block of memory, reserved one after the other before anything is
/// allocated. Each starts on a multiple of 16 floats, the width of the kernels' vectors and of a
/// cache line.
struct Layout: Sendable {
    private(set) var floats = 0

    /// More than any system has: where a sum stays that is too large, so that its allocation is
    /// refused.
    private static let most = Int.max / MemoryLayout<Float>.stride / 16 * 16

    /// Reserves `count` floats and returns where they start.
    mutating func reserve(_ count: Int) -> Int {
        require(count >= 0, "layout: expected no negative count, found \(count)")
        let (end, overflow) = floats.addingReportingOverflow((count + 15) / 16 * 16)
        defer { floats = overflow ? Self.most : min(end, Self.most) }
        return floats
    }
}

/// Memory of one model: a single block, 64-byte aligned, zero at first.
@safe struct Arena: ~Copyable, @unchecked Sendable {
    let base: UnsafeMutablePointer<Float>
    let floats: Int

    /// Swift's own allocations trap where the system refuses, those of C say so.
    init(taking layout: Layout) throws(OutOfMemory) {
        let floats = max(layout.floats, 16)
        let bytes = floats * MemoryLayout<Float>.stride
        var memory: UnsafeMutableRawPointer?
        guard unsafe posix_memalign(&memory, 64, bytes) == 0, let memory = unsafe memory else {
            throw OutOfMemory(bytes: bytes)
        }
        unsafe base = memory.bindMemory(to: Float.self, capacity: floats)
        unsafe base.initialize(repeating: 0, count: floats)
        self.floats = layout.floats
    }

    /// Traps where the system refuses, in release with the text too.
    init(_ layout: Layout) {
        do {
            try self.init(taking: layout)
        } catch {
            fatalError("\(error)")
        }
    }

    deinit { unsafe free(base) }
}
