import Foundation
import Recurrent
import Testing

@testable import recurrent_cli

#if canImport(FoundationXML)
    import FoundationXML
#endif

@Suite struct BenchLimitsTests {
    /// Small enough for a debug build, where the kernels are slow.
    private static let shape = LSTMShape(inputSize: 3, hiddenSize: 17, batch: 2, steps: 3)

    private func settings(threads: Int = 1) -> BenchSettings {
        BenchSettings(
            kernels: .best, threads: threads, seconds: 0.02, json: true,
            progress: BenchProgress(quiet: true))
    }

    @Test func limitsAreThoseOfHardware() async throws {
        let run = try await recurrent(["bench", "limits", "--threads", "2", "--json"])
        #expect(run.exitCode == 0 && run.error.isEmpty)
        let report = try #require(
            JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
        #expect(report["isa"] as? String == ISA.best.rawValue && report["threads"] as? Int == 2)
        let levels = try #require(report["levels"] as? [[String: Any]])
        let bandwidths = levels.compactMap {
            ($0["gigabytes_per_second"] as? NSNumber)?.doubleValue
        }
        #expect(
            levels.count >= 3 && bandwidths.count == levels.count
                && bandwidths.allSatisfy { $0 > 0 })
        #expect(levels.last?["name"] as? String == "memory" && levels.last?["bytes"] == nil)
        let sizes = levels.compactMap { $0["bytes"] as? Int }
        #expect(sizes.count == levels.count - 1 && sizes == sizes.sorted())
        for key in [
            "gflops", "threads_gflops", "multiply_add_latency_ns",
            "threads_memory_gigabytes_per_second",
        ] {
            #expect((report[key] as? NSNumber)?.doubleValue ?? 0 > 0, "\(key)")
        }
        #expect(
            (report["adam_stream"] as? [[String: Any]])?.compactMap { $0["parameters"] as? Int }
                == [10_000, 100_000, 1_000_000, 10_000_000])
    }

    @Test func aFloorGrowsWithTheWork() {
        let limits = HardwareLimits(.best, threads: 1)
        let twice = LSTMShape(inputSize: 3, hiddenSize: 17, batch: 4, steps: 3)
        let wide = LSTMShape(inputSize: 900, hiddenSize: 900, batch: 1, steps: 3)
        #expect(
            limits.sequence(twice, training: false) == 2
                * limits.sequence(Self.shape, training: false))
        #expect(
            limits.sequence(Self.shape, training: true)
                > limits.sequence(Self.shape, training: false))
        #expect(
            limits.step(wide, .float32) >= Double(4 * wide.weightCount)
                / limits.bandwidth(holding: 4 * wide.weightCount))
        #expect(limits.step(wide, .bfloat16) <= limits.step(wide, .float32))
        #expect(
            limits.sequence(wide, training: false) > 3 * forwardFlops(Self.shape) / limits.gflops)
        #expect(limits.bandwidth(holding: 1) == limits.levels[0].gigabytesPerSecond)
        #expect(limits.bandwidth(holding: 1 << 60) == limits.levels.last!.gigabytesPerSecond)
        #expect(
            limits.optimizer(100_000, momentCount: 2) > limits.optimizer(10_000, momentCount: 2))
    }

    @Test func theSummaryIsATableAndAPicture() throws {
        let one = HardwareLimits(.best, threads: 1)
        let two = HardwareLimits(.best, threads: 2)
        let summary = try BenchSummary(
            limits: [one, two].map(LimitsReport.init),
            reports: [
                .step(
                    LSTMShape(inputSize: 3, hiddenSize: 17, batch: 1, steps: 1), .float32,
                    settings(), one), .sequence(Self.shape, settings(), one),
                .optimizer("adam", .adam(Adam()), 100, settings(), one),
                .training(Self.shape, settings(threads: 2), two),
            ])
        let rows = ["I 3, H 17, B 1", "I 3, H 17, B 2, T 3", "n 100"]
        for row in rows { #expect(summary.text.contains(row), "\(summary.text)") }
        let picture = BenchPicture(summary).svg
        let circles = Circles()
        let parser = XMLParser(data: Data(picture.utf8))
        parser.delegate = circles
        #expect(parser.parse(), "\(String(describing: parser.parserError))")
        // A mark for each measurement, and one in the legend.
        #expect(circles.counts["fill0"] == 4 + 1)
        #expect(circles.counts["fill5"] == 1 + 1)
        for row in rows.dropLast() + ["train, 2 threads", "adam n 100"] {
            #expect(picture.contains(">\(row)<"), "\(row)")
        }
        let object = try #require(
            JSONSerialization.jsonObject(with: JSONEncoder().encode(summary))
                as? [String: [[String: Any]]])
        #expect(
            object["reports"]?.map { $0["workload"] as? String } == [
                "step", "sequence", "optimizer", "train",
            ])
        #expect(object["limits"]?.count == 2)
    }

    @Test func aPictureThatCannotBeWrittenIsKnownAtOnce() async throws {
        let run = try await recurrent(["bench", "all", "--svg", "/"])
        #expect(run.exitCode == 73 && run.output.isEmpty && run.error.hasPrefix("recurrent: /: "))
    }

    private final class Circles: NSObject, XMLParserDelegate {
        var counts: [String: Int] = [:]

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
            qualifiedName: String?, attributes: [String: String]
        ) {
            if name == "circle" { counts[attributes["class"]!, default: 0] += 1 }
        }
    }
}
