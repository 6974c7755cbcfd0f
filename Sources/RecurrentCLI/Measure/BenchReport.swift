import Foundation
import Recurrent

/// What is measured beside ours.
struct Peer {
    /// The first word of its keys in JSON.
    let key: String
    /// How it is named to readers.
    let name: String
    /// Which kernels of it ran.
    var core: String?

    /// Its name, and which kernels of it ran.
    var title: String { name + (core.map { " (\($0) kernels)" } ?? "") }
}

/// A value of the report's JSON object.
enum JSONValue: Encodable {
    case int(Int)
    case double(Double)
    case string(String)

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .int(let value): try container.encode(value)
        case .double(let value): try container.encode(value)
        case .string(let value): try container.encode(value)
        }
    }
}

/// What a bench prints.
struct BenchReport: Encodable {
    private static let symbols = [
        "input": "I", "hidden": "H", "batch": "B", "steps": "T", "parameters": "n",
    ]
    /// Of `checkAgreement`.
    private static let tolerance = 1e-4

    let name: String
    let sizes: [(name: String, size: Int)]
    /// Of one call.
    let flops: Double
    /// The name of the rule, where one is measured.
    var optimizer: String?
    /// Bytes read and written in one call, where that is what counts.
    var bytes: Double?
    /// The shortest time of one call that the hardware allows, in nanoseconds.
    let floor: Double
    let limits: HardwareLimits

    private var settings: BenchSettings?
    private var measurement: Measurement?
    private(set) var peer: Peer?

    init(
        name: String, sizes: [(name: String, size: Int)], flops: Double, floor: Double,
        limits: HardwareLimits, optimizer: String? = nil
    ) {
        self.name = name
        self.sizes = sizes
        self.flops = flops
        self.floor = floor
        self.limits = limits
        self.optimizer = optimizer
    }

    /// Checks that both compute the same, and measures.
    mutating func measure<Theirs: Work>(
        _ ours: some Work, against theirs: Theirs?, _ peer: Peer, _ settings: BenchSettings
    ) throws(Failure) {
        var (ours, theirs) = (ours, theirs)
        self.settings = settings
        if theirs != nil {
            self.peer = peer
            try checkAgreement(&ours, &theirs!, calls: 3, tolerance: Self.tolerance)
        }
        measurement = Measurement(&ours, against: &theirs, settings, limits)
        settings.progress.finish()
    }

    func print() throws(Failure) {
        if settings!.json { try printJSON(self) } else { try printToStandardOutput(text) }
    }

    private var isa: String { settings!.kernels.isa.rawValue }
    var threads: Int { settings!.threads }
    var ours: Side { measurement!.ours }
    private var gflops: Double { flops / ours.times.min }
    private var shareOfPeak: Double { gflops / limits.threadsGflops }
    /// Of the shortest time.
    var ratioToFloor: Double { ours.times.min / floor }
    var peerRatioToFloor: Double? { measurement!.theirs.map { $0.times.min / floor } }
    /// How many times as fast as the peer, by the shortest times.
    var ratio: Double? { measurement!.theirs.map { $0.times.min / ours.times.min } }
    /// How far the slowest thousandth of single calls is from the usual one.
    var tail: Double { ours.singleTimes.p999 / ours.singleTimes.median }
    var idleTail: Double { measurement!.idle.times.p999 / measurement!.idle.times.median }

    /// What is measured, and the rule, where there are several.
    var title: String { optimizer ?? name }
    var sizesText: String {
        sizes.map { "\(Self.symbols[$0.name]!) \($0.size.grouped)" }.joined(separator: ", ")
    }

    func encode(to encoder: any Encoder) throws { try object.encode(to: encoder) }

    private var object: [String: JSONValue] {
        var object: [String: JSONValue] = [
            "workload": .string(name), "isa": .string(isa), "threads": .int(threads),
            "flops": .double(flops), "gflops": .double(gflops),
            "calls_per_sample": .int(ours.calls), "floor_ns": .double(floor),
            "ratio_to_floor": .double(ratioToFloor),
            "median_ratio_to_floor": .double(ours.times.median / floor),
            "share_of_peak": .double(shareOfPeak),
        ]
        for (name, size) in sizes { object[name] = .int(size) }
        func add(_ times: Times, prefix: String) {
            object[prefix + "samples"] = .int(times.samples)
            for (name, value) in times.named { object["\(prefix)ns_\(name)"] = .double(value) }
        }
        add(ours.times, prefix: "")
        add(ours.singleTimes, prefix: "single_")
        add(measurement!.idle.times, prefix: "idle_")
        if let peer, let theirs = measurement!.theirs {
            add(theirs.times, prefix: "\(peer.key)_")
            add(theirs.singleTimes, prefix: "\(peer.key)_single_")
            object["\(peer.key)_core"] = peer.core.map { .string($0) }
            object["\(peer.key)_gflops"] = .double(flops / theirs.times.min)
            object["ratio"] = .double(ratio!)
            object["\(peer.key)_ratio_to_floor"] = .double(peerRatioToFloor!)
        }
        if let optimizer { object["optimizer"] = .string(optimizer) }
        if let bytes {
            object["ns_per_parameter"] = .double(ours.times.min / Double(sizes[0].size))
            object["gigabytes_per_second"] = .double(bytes / ours.times.min)
        }
        return object
    }

    private var text: String {
        let what =
            [optimizer].compactMap(\.self) + sizes.map { "\($0.name) \($0.size.grouped)" }
            + ["\(threads) thread\(threads == 1 ? "" : "s")", "\(isa)"]
        var lines = ["\(name): \(what.joined(separator: ", "))"]
        func row(_ name: String, _ cells: [String]) {
            lines.append(
                name.padding(toLength: 40, withPad: " ", startingAt: 0)
                    + cells.map { String(repeating: " ", count: max(0, 10 - $0.count)) + $0 }
                    .joined())
        }
        func row(_ name: String, _ times: Times) { row(name, times.named.map { $0.value.asTime }) }
        row("", ["min", "median", "p99", "p99.9", "max"])
        row("ours", ours.times)
        if ours.calls > 1 { row("ours, calls timed one by one", ours.singleTimes) }
        if let peer, let theirs = measurement!.theirs {
            row(peer.name, theirs.times)
            if theirs.calls > 1 { row("\(peer.name), one by one", theirs.singleTimes) }
        }
        row("an idle loop as long", measurement!.idle.times)
        lines.append(
            """
            \(ratioToFloor.rounded) times the floor of \(floor.asTime), median \
            \((ours.times.median / floor).rounded)
            """
        )
        var line =
            """
            \(gflops.rounded) GFLOP/s, \(String(format: "%.0f", 100 * shareOfPeak)) % of the \
            peak of \(limits.threadsGflops.rounded)
            """
        if let bytes {
            line +=
                """
                , \((bytes / ours.times.min).rounded) GB/s, \
                \(String(format: "%.3f", ours.times.min / Double(sizes[0].size))) ns per \
                parameter
                """
        }
        if let peer, let ratio { line += "; \(ratio.rounded) times as fast as \(peer.title)" }
        lines.append(line)
        return lines.joined(separator: "\n") + "\n"
    }
}

extension Double {
    /// Nanoseconds in a unit that reads well.
    var asTime: String {
        switch self {
        case ..<10_000: String(format: "%.1f ns", self)
        case ..<10_000_000: String(format: "%.1f µs", self / 1e3)
        default: String(format: "%.1f ms", self / 1e6)
        }
    }
}
