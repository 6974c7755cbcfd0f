import Foundation
import Recurrent
import Testing

@testable import recurrent_cli

#if canImport(FoundationXML)
    import FoundationXML
#endif

@Suite struct LearnTests {
    private func runs(_ arguments: [String], in folder: Folder? = nil) async throws -> [[String:
        Any]]
    {
        let run = try await recurrent(
            ["learn"] + arguments + ["--json", "--threads", "1"], in: folder)
        #expect(run.exitCode == 0 && run.error.isEmpty, "\(run.error)")
        let report = try #require(
            JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
        return try #require(report["runs"] as? [[String: Any]])
    }

    private func points(_ run: [String: Any]) throws -> [[String: Double]] {
        try #require(run["points"] as? [[String: Double]])
    }

    /// Two numbers out of four: little is asked of the memory, so all cells come far below the loss
    /// of who has none.
    @Test func sumsAreLearned() async throws {
        let folder = try Folder()
        let runs = try await runs(
            [
                "adding", "--length", "4", "--hidden", "8", "--batch", "16", "--updates", "300",
                "--learning-rate", "0.02",
                "--svg", "curves.svg",
            ], in: folder)
        #expect(runs.map { $0["cell"] as? String } == ["rnn", "gru", "lstm"])
        for run in runs {
            let points = try points(run)
            #expect(
                points.map { $0["updates"] } == [100, 200, 300]
                    && points[2]["loss"]! < points[0]["loss"]!)
            #expect(points[2]["loss"]! < 1.0 / 6 / 4, "\(run["cell"]!): \(points)")
        }
        let curves = Curves()
        let parser = XMLParser(data: Data(try folder.read("curves.svg")))
        parser.delegate = curves
        #expect(parser.parse() && curves.count == 4 + 3)
    }

    @Test func grammarIsLearned() async throws {
        let run = try await runs([
            "reber", "--length", "12", "--cell", "gru", "--updates", "100000000000",
        ])[0]
        let last = try #require(points(run).last)
        #expect(
            last["accuracy"]! >= 0.99 && last["updates"]! < 400, "over once it is learned: \(run)")
    }

    @Test func seedsAndThreadsDecideAsTheyShould() async throws {
        func losses(_ arguments: [String]) async throws -> [[String: Double]] {
            try await points(
                runs(
                    [
                        "copy", "--length", "3", "--cell", "lstm", "--hidden", "6", "--batch", "3",
                        "--updates", "5",
                    ] + arguments)[0])
        }
        let first = try await losses([])
        #expect(try await losses(["--seed", "1"]) == first)
        for arguments in [
            ["--seed", "2"], ["--memory", "0"], ["--memory", "500"], ["--clip", "0.01"],
            ["--learning-rate", "0.1"],
        ] {
            #expect(try await losses(arguments) != first, "\(arguments)")
        }
    }

    @Test func aTableHasARowForEachCell() async throws {
        let run = try await recurrent([
            "learn", "adding", "--length", "5", "--cell", "rnn(relu),lstm", "--hidden", "4",
            "--updates", "20",
            "--learning-rate", "1e38",
        ])
        #expect(
            run.exitCode == 70 && run.error.hasPrefix("recurrent: learn: every cell diverged; "),
            "\(run)")
        let lines = run.output.split(separator: "\n")
        #expect(
            lines.count == 3 && lines[1].hasPrefix("rnn(relu) ") && lines[2].hasPrefix("lstm "),
            "\(run.output)")
        #expect(lines[1...].allSatisfy { $0.hasSuffix("diverged") }, "\(run.output)")
    }

    @Test(arguments: [
        ["adding", "--length", "1"], ["reber", "--length", "11"], ["copy", "--length", "0"],
        ["adding", "--cell", "lstm,"],
        ["adding", "--cell", "perceptron"], ["copy", "--updates", "0"], ["copy", "--batch", "0"],
        ["copy", "--hidden", "0"],
        ["copy", "--memory", "-1"], ["copy", "--clip", "0"], ["copy", "--learning-rate", "nan"],
        ["copy", "--svg", ""],
    ])
    func badOptionsAreRefused(arguments: [String]) async throws {
        let run = try await recurrent(["learn"] + arguments)
        #expect(
            run.exitCode == 64 && run.output.isEmpty && run.error.contains(arguments[1]),
            "\(run.error)")
    }

    @Test func unknownTasksAreRefused() async throws {
        #expect(try await recurrent(["learn", "sorting"]).exitCode == 64)
    }

    private final class Curves: NSObject, XMLParserDelegate {
        var count = 0

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
            qualifiedName: String?, attributes: [String: String]
        ) {
            if name == "polyline" { count += 1 }
        }
    }
}
