import Foundation
import Recurrent
import Testing

@testable import recurrent_cli

@Suite struct BenchTests {
    /// Small enough for a debug build, where the kernels are slow.
    private static let benches: [[String]] = [
        ["step", "--input", "3", "--hidden", "17", "--batch", "2"],
        ["sequence", "--input", "3", "--hidden", "17", "--batch", "2", "--steps", "3"],
        ["train", "--input", "3", "--hidden", "17", "--batch", "2", "--steps", "3"],
        ["optimizer", "--parameters", "100"],
    ]
    private static let short = ["--seconds", "0.02"]

    private func report(_ arguments: [String]) async throws -> [String: Any] {
        let run = try await recurrent(["bench"] + arguments + Self.short + ["--json"])
        #expect(run.exitCode == 0 && run.error.isEmpty)
        #expect(run.output.split(separator: "\n").count == 1, "one object and nothing else")
        return try #require(
            JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
    }

    private func number(_ report: [String: Any], _ key: String) throws -> Double {
        try #require(report[key] as? NSNumber, "\(key) is missing").doubleValue
    }

    /// Whether the times with this prefix are there, positive, and in order.
    private func checkTimes(_ report: [String: Any], prefix: String = "") throws {
        let times = try ["min", "median", "p99", "p999", "max"].map {
            try number(report, "\(prefix)ns_\($0)")
        }
        #expect(times[0] > 0 && times == times.sorted(), "\(prefix): \(times)")
        #expect(try number(report, "\(prefix)samples") > 0)
    }

    @Test(arguments: benches) func jsonHasSizesAndTimesInOrder(arguments: [String]) async throws {
        let report = try await report(arguments)
        #expect(report["workload"] as? String == arguments[0])
        #expect(report["isa"] as? String == ISA.best.rawValue)
        for index in stride(from: 1, to: arguments.count, by: 2) {
            #expect(
                try number(report, String(arguments[index].dropFirst(2)))
                    == Double(arguments[index + 1]))
        }
        for prefix in ["", "single_", "idle_"] { try checkTimes(report, prefix: prefix) }
        let (flops, fastest) = try (number(report, "flops"), number(report, "ns_min"))
        #expect(try abs(number(report, "gflops") - flops / fastest) <= 1e-9 * flops / fastest)
        let floor = try number(report, "floor_ns")
        #expect(floor > 0)
        #expect(
            try abs(number(report, "ratio_to_floor") - fastest / floor) <= 1e-9 * fastest / floor)
        #expect(
            try number(report, "median_ratio_to_floor") >= number(report, "ratio_to_floor")
                && number(report, "share_of_peak") > 0)
        if arguments[0] == "optimizer" {
            #expect(
                try number(report, "ns_per_parameter") > 0
                    && number(report, "gigabytes_per_second") > 0)
        }
        let peer: String? = arguments[0] == "optimizer" ? "loop" : hasOpenBLAS ? "openblas" : nil
        if let peer {
            for prefix in ["\(peer)_", "\(peer)_single_"] { try checkTimes(report, prefix: prefix) }
            let ratio = try number(report, "\(peer)_ns_min") / fastest
            #expect(try abs(number(report, "ratio") - ratio) <= 1e-9 * ratio)
            #expect(try number(report, "\(peer)_ratio_to_floor") > 0)
        }
        #expect((report["openblas_core"] != nil) == (peer == "openblas"))
        #expect((report["ratio"] != nil) == (peer != nil))
    }

    @Test func stepsWithRoundedWeights() async throws {
        let report = try await report(Self.benches[0] + ["--weights", "bfloat16"])
        #expect(report["ratio"] == nil && report["openblas_core"] == nil)
        try checkTimes(report)
    }

    private var hasOpenBLAS: Bool {
        #if OpenBLAS
            true
        #else
            false
        #endif
    }

    @Test func flopsAreThoseOfTheProducts() async throws {
        let gates = 4 * 17
        let columns = 3 + 17
        let rows = 3 * 2
        let forward = Double(2 * rows * gates * columns)
        #expect(try await number(report(Self.benches[0]), "flops") == forward / 3)
        #expect(try await number(report(Self.benches[1]), "flops") == forward)
        #expect(try await number(report(Self.benches[2]), "flops") == 3 * forward)
    }

    @Test(arguments: Optimizer.names) func everyOptimizerAgreesWithItsPlainLoop(name: String)
        async throws
    {
        let report = try await report(["optimizer", "--optimizer", name, "--parameters", "33"])
        #expect(report["optimizer"] as? String == name)
    }

    @Test(arguments: ISA.available) func everyInstructionSetWithThreads(isa: ISA) async throws {
        for arguments in Self.benches {
            let threads = arguments[0] == "step" ? 1 : 2
            let report = try await report(
                arguments + ["--isa", isa.rawValue, "--threads", String(threads)])
            #expect(report["isa"] as? String == isa.rawValue)
            #expect(try number(report, "threads") == Double(threads))
        }
    }

    @Test(arguments: benches) func textHasARowForEachSide(arguments: [String]) async throws {
        let run = try await recurrent(["bench"] + arguments + Self.short)
        #expect(run.exitCode == 0 && run.error.isEmpty)
        #expect(
            run.output.hasPrefix("\(arguments[0]): ") && run.output.contains("p99.9")
                && run.output.contains("GFLOP/s"))
    }

    @Test(arguments: [
        ["foo"], ["step", "--hidden", "0"], ["step", "--input", "-1"], ["step", "--batch", "x"],
        ["step", "--steps", "1"],
        ["sequence", "--steps", "-1"], ["sequence", "--hidden", "65536", "--steps", "65536"],
        ["train", "--batch", "0"],
        ["train", "--hidden", "99999999999999999999"], ["optimizer", "--parameters", "0"],
        ["optimizer", "--parameters", "400000000"],
        ["optimizer", "--optimizer", "newton"], ["optimizer", "--hidden", "3"],
        ["step", "--weights", "float16"], ["step", "--threads", "0"], ["step", "--threads", "2"],
        ["step", "--isa", "neon"],
        ["step", "--seconds", "0"], ["limits", "--threads", "0"], ["limits", "--isa", "neon"],
        ["all", "--svg", ""], ["all", "--threads", "1000"], ["step", "--seconds", "nan"],
        ["train", "--seconds", "1e9"],
    ])
    func aBadArgumentIsOneLineAndExitCode64(arguments: [String]) async throws {
        let run = try await recurrent(["bench"] + arguments + ["--json"])
        #expect(run.exitCode == 64 && run.output.isEmpty)
        #expect(
            run.error.hasPrefix("recurrent: ") && run.error.hasSuffix("\n")
                && run.error.split(separator: "\n").count == 1, "\(run.error)")
    }

    /// Gives what it is told to give.
    private struct Fixed: Work {
        let values: [Float]
        func run(calls: Int) {}
        func results() -> [(name: String, values: [Float])] { [("values", values)] }
    }

    @Test func resultsThatDifferAreSeen() {
        func agree(_ ours: [Float], _ theirs: [Float]) throws {
            var (a, b) = (Fixed(values: ours), Fixed(values: theirs))
            try checkAgreement(&a, &b, calls: 1, tolerance: 1e-4)
        }
        #expect(throws: Never.self) { try agree([1, 200, 0], [1.00005, 200.01, -0.00005]) }
        #expect(throws: Failure.self) { try agree([1, 2], [1, 2.0003]) }
        #expect(throws: Failure.self) { try agree([.nan], [0]) }
        #expect(throws: Failure.self) { try agree([0], [.nan]) }
    }
}
