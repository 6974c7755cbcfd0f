import CLimits
import Foundation
import Recurrent

/// What the hardware can do at most, with one instruction set: measured in this process, each
/// figure the best of many passes.
struct HardwareLimits {
    /// A level of memory, and how many bytes a core loads from it.
    struct Level {
        let name: String
        let bytes: Int
        let gigabytesPerSecond: Double
    }

    let isa: ISA
    let threads: Int
    /// Multiply-adds in registers, counted twice: one core, and `threads` cores.
    let gflops, threadsGflops: Double
    /// From a multiply-add to the next that needs its result.
    let multiplyAddLatency: Double
    /// From the nearest cache to main memory.
    let levels: [Level]
    /// Loads of `threads` cores from main memory, together.
    let threadsMemoryGigabytesPerSecond: Double

    let loops: recurrent_limit_loops

    init(_ settings: BenchSettings) { self.init(settings.kernels, threads: settings.threads) }

    /// Takes about three quarters of a second.
    init(_ kernels: Kernels, threads: Int) {
        let loops = Self.loops(kernels.isa)
        let pool = LimitsPool(loops, threads: threads)
        let one = LimitsPool(loops, threads: 1)
        let rounds = 20_000
        let flops = 2.0 * Double(rounds * loops.multiply_adds_per_round)
        isa = kernels.isa
        self.threads = threads
        self.loops = loops
        gflops = flops / best { one.run(.multiplyAdd(rounds)) }
        // Longer, since all cores must be free at once.
        threadsGflops =
            flops * Double(threads) / best(seconds: 0.3) { pool.run(.multiplyAdd(rounds)) }
        multiplyAddLatency = best { one.run(.chain(rounds)) } / Double(rounds)
        func bandwidth(_ pool: LimitsPool, _ bytes: Int) -> Double {
            let loaded = pool.allocate(bytes / MemoryLayout<Float>.size)
            return Double(loaded * MemoryLayout<Float>.size) / best { pool.run(.load) }
        }
        let caches = cacheSizes()
        // Most of a cache, but for the last one, which other cores fill as well.
        levels =
            caches.enumerated().map { index, bytes in
                let bytesInUse = index == caches.count - 1 ? bytes / 2 : bytes * 3 / 4
                return Level(
                    name: "L\(index + 1)", bytes: bytes,
                    gigabytesPerSecond: bandwidth(one, bytesInUse))
            } + [
                Level(
                    name: "memory", bytes: .max,
                    gigabytesPerSecond: bandwidth(one, memorySize(caches)))
            ]
        threadsMemoryGigabytesPerSecond = bandwidth(pool, memorySize(caches))
        pool.close()
        one.close()
    }

    /// Gigabytes per second of the nearest level that holds so many bytes.
    func bandwidth(holding bytes: Int) -> Double {
        levels.first { bytes <= $0.bytes }!.gigabytesPerSecond
    }

    /// Nanoseconds for reading and writing `arrays` arrays of `count` floats once, on `threads`
    /// threads: the memory traffic of an optimizer that clears its gradient.
    func stream(_ count: Int, arrays: Int) -> Double {
        let pool = LimitsPool(loops, threads: threads)
        defer { pool.close() }
        let streamed = pool.allocate(count, arrays: arrays)
        return best { pool.run(.stream) } * Double(count) / Double(streamed)
    }

    private static func loops(_ isa: ISA) -> recurrent_limit_loops {
        #if arch(x86_64)
            switch isa {
            case .generic: return recurrent_limits_generic
            case .avx2: return recurrent_limits_avx2
            case .avx512: return recurrent_limits_avx512
            }
        #else
            return recurrent_limits_generic
        #endif
    }
}

/// The shortest time of a call, in nanoseconds: calls for `seconds`, at least five.
private func best(seconds: Double = 0.05, _ call: () -> Void) -> Double {
    let end = nanoseconds() + UInt64(seconds * 1e9)
    var shortest = UInt64.max
    var calls = 0
    while calls < 5 || nanoseconds() < end {
        let start = nanoseconds()
        call()
        shortest = min(shortest, nanoseconds() - start)
        calls += 1
    }
    return Double(max(shortest, 1))
}

/// Bytes of the data caches of this core, from the nearest on; common sizes where the system does
/// not say.
private func cacheSizes() -> [Int] {
    let usual = [32 << 10, 1 << 20, 16 << 20]
    let folder = "/sys/devices/system/cpu/cpu0/cache/"
    func text(_ index: Int, _ name: String) -> String? {
        (try? String(contentsOfFile: folder + "index\(index)/\(name)", encoding: .utf8))?
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }
    let sizes: [Int] = (0..<8).compactMap { index in
        guard let type = text(index, "type"), type != "Instruction", let size = text(index, "size"),
            let number = Int(size.dropLast())
        else { return nil }
        return number << (size.hasSuffix("M") ? 20 : 10)
    }
    return sizes.count >= 2 ? sizes : usual
}

/// Several times the last cache.
private func memorySize(_ caches: [Int]) -> Int { min(4 * caches.last!, 256 << 20) }

/// Runs a loop of `CLimits` on several threads at a time, each with memory of its own.
private final class LimitsPool {
    enum Loop {
        case multiplyAdd(Int)
        case chain(Int)
        case load, stream
    }

    private struct Calls {
        let loops: recurrent_limit_loops
        var loop = Loop.load
        /// Of each thread: 16 floats, and `arrays` arrays of `count` floats.
        let results: UnsafeMutablePointer<Float>
        var at: [UnsafeMutablePointer<Float>?] = []
        var count = 0, arrays = 0, repeats = 1

        func work(_ partition: Int) {
            for _ in 0..<repeats { workOnce(partition) }
        }

        private func workOnce(_ partition: Int) {
            let result = results + 16 * partition
            switch loop {
            case .multiplyAdd(let rounds): loops.multiply_add(rounds, result)
            case .chain(let rounds): loops.chain(rounds, result)
            case .load: loops.load(count, at[partition]!, result)
            case .stream:
                at.withUnsafeBufferPointer { at in
                    let own = UnsafeRawPointer(at.baseAddress! + partition * arrays)
                    loops.stream(
                        count, arrays, own.assumingMemoryBound(to: UnsafeMutablePointer<Float>.self)
                    )
                }
            }
            // Small again, whatever the loop has left there.
            result.update(repeating: 0.01, count: 16)
        }
    }

    /// Of a thread in one run: that many take longer than the clock and the pool do.
    private static let fewestFloats = 1 << 19
    private let pool: Pool
    private let calls: UnsafeMutablePointer<Calls>
    private let results = Blocks()
    private var memory = Blocks()

    init(_ loops: recurrent_limit_loops, threads: Int) {
        calls = .allocate(capacity: 1)
        calls.initialize(
            to: Calls(loops: loops, results: results([Float](repeating: 0.01, count: 16 * threads)))
        )
        pool = Pool(threadCount: threads) { context, _, partition in
            context.assumingMemoryBound(to: Calls.self).pointee.work(partition.index)
        }
    }

    /// Gives each thread its share of `arrays` arrays of about `count` floats. Returns how many
    /// floats of an array a run goes through.
    func allocate(_ count: Int, arrays: Int = 1) -> Int {
        let threads = pool.threadCount
        let loadedTogether = 128
        let line = 16
        let multiple = arrays == 1 ? loadedTogether : line
        let share = max(count / threads / multiple * multiple, multiple)
        memory = Blocks()
        // Apart by a few cache lines more than a power of two, as arrays are that do not get in
        // each other's way.
        calls.pointee.at = (0..<threads * arrays).map { memory(share + 5 * line * $0) }
        (calls.pointee.count, calls.pointee.arrays) = (share, arrays)
        calls.pointee.repeats = max(1, Self.fewestFloats / (share * arrays))
        return share * threads * calls.pointee.repeats
    }

    func run(_ loop: Loop) {
        calls.pointee.loop = loop
        pool.run(calls, phase: 0)
    }

    func close() {
        pool.close()
        calls.deinitialize(count: 1)
        calls.deallocate()
    }
}
