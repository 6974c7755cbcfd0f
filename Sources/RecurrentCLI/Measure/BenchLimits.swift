import ArgumentParser
import Foundation
import Recurrent

struct BenchLimits: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "limits",
        abstract:
            """
            What the hardware can do at most: multiply-adds, loads, and the memory traffic of \
            Adam.
            """,
        discussion:
            "The other benches measure the same before they begin, and compare their times with it."
    )

    @OptionGroup var kernelOptions: KernelOptions
    @OptionGroup var threadOptions: ThreadOptions

    @Flag(help: "Print one JSON object.")
    var json = false

    func run() throws {
        let report = try LimitsReport(
            HardwareLimits(kernelOptions.kernels(), threads: threadOptions.count()))
        if json { try printJSON(report) } else { try printToStandardOutput(report.text) }
    }
}

/// What `bench limits` prints.
struct LimitsReport: Encodable {
    struct Level: Encodable {
        let name: String
        /// Not of main memory.
        let bytes: Int?
        let gigabytesPerSecond: Double
    }

    struct Stream: Encodable {
        let parameters: Int
        let nsPerParameter: Double
    }

    let isa: String, threads: Int
    let gflops: Double, threadsGflops: Double
    let multiplyAddLatencyNs: Double
    let levels: [Level]
    let threadsMemoryGigabytesPerSecond: Double
    /// Parameters, gradient and two moments read and written, the gradient as zeros.
    let adamStream: [Stream]

    init(_ limits: HardwareLimits) {
        (isa, threads) = (limits.isa.rawValue, limits.threads)
        (gflops, threadsGflops) = (limits.gflops, limits.threadsGflops)
        multiplyAddLatencyNs = limits.multiplyAddLatency
        levels = limits.levels.map {
            Level(
                name: $0.name, bytes: $0.bytes == .max ? nil : $0.bytes,
                gigabytesPerSecond: $0.gigabytesPerSecond)
        }
        threadsMemoryGigabytesPerSecond = limits.threadsMemoryGigabytesPerSecond
        adamStream = [10_000, 100_000, 1_000_000, 10_000_000].map {
            Stream(parameters: $0, nsPerParameter: limits.stream($0, arrays: 4) / Double($0))
        }
    }

    var text: String {
        let together = "\(threads) thread\(threads == 1 ? "" : "s")"
        func row(_ name: String, _ value: String) -> String {
            name.padding(toLength: 40, withPad: " ", startingAt: 0) + value
        }
        return
            ([
                row("instruction set", isa),
                row(
                    "multiply-adds",
                    "\(gflops.rounded) GFLOP/s, \(threadsGflops.rounded) on \(together)"),
                row("latency of a multiply-add", "\(multiplyAddLatencyNs.rounded) ns"),
            ]
            + levels.map { level in
                row(
                    """
                    loads from \
                    \(level.name)\(level.bytes.map { ", \(($0 >> 10).grouped) KiB" } ?? "")
                    """,
                    "\(level.gigabytesPerSecond.rounded) GB/s")
            }
            + [
                row(
                    "loads from memory, \(together)",
                    "\(threadsMemoryGigabytesPerSecond.rounded) GB/s")
            ]
            + adamStream.map { stream in
                row(
                    "Adam's traffic, \(stream.parameters.grouped), \(together)",
                    String(format: "%.3f ns per parameter", stream.nsPerParameter))
            }).joined(separator: "\n") + "\n"
    }
}
