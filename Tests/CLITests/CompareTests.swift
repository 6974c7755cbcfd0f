import Foundation
import Testing

@testable import recurrent_cli

#if canImport(FoundationXML)
    import FoundationXML
#endif

@Suite struct CompareTests {
    private static let arguments = ["compare"] + smallModel + ["--epochs", "2"]

    private func compare(_ arguments: [String], in folder: Folder) async throws -> Outcome {
        try folder.write("text", sampleText)
        return try await recurrent(Self.arguments + arguments, in: folder)
    }

    @Test func everyOptimizerStartsAtTheSamePlace() async throws {
        let folder = try Folder()
        let run = try await compare(
            ["--optimizers", "sgd:0.5,adam,adam:0.002", "--json", "--svg", "curves.svg"], in: folder
        )
        #expect(run.exitCode == 0 && run.error.isEmpty, "\(run.error)")
        let report = try #require(
            JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
        let runs = try #require(report["runs"] as? [[String: Any]])
        #expect(runs.map { $0["name"] as? String } == ["sgd:0.5", "adam", "adam:0.002"])
        #expect(runs.map { $0["learning_rate"] as? Double } == [0.5, 0.002, 0.002])
        let losses = try runs.map { try #require($0["losses"] as? [[String: Double]]) }
        let perplexities = try runs.map { try #require($0["perplexities"] as? [Double]) }
        #expect(
            perplexities.allSatisfy { $0.count == 2 }
                && losses.allSatisfy { $0.count >= 2 && $0.last!["epoch"]! <= 2 })
        #expect(
            losses[1] == losses[2] && perplexities[1] == perplexities[2],
            "one rule at one rate, twice")
        #expect(
            losses[0][0]["loss"] != losses[1].last!["loss"] && perplexities[0] != perplexities[1])

        let curves = Curves()
        let parser = XMLParser(data: Data(try folder.read("curves.svg")))
        parser.delegate = curves
        #expect(parser.parse(), "\(String(describing: parser.parserError))")
        #expect(curves.count == 2 * 3)
    }

    /// So many epochs that their product with the optimizers overflows; what has diverged is over.
    @Test func theMostEpochsAreCounted() async throws {
        let run = try await compare(
            ["--epochs", "9223372036854775807", "--optimizers", "sgd:1e30,momentum:1e30"],
            in: Folder())
        #expect(
            run.exitCode == 70
                && run.error.hasPrefix("recurrent: compare: every optimizer diverged; "), "\(run)")
        #expect(run.output.components(separatedBy: "diverged").count == 3, "\(run.output)")
    }

    @Test func aTableHasARowForEach() async throws {
        let run = try await compare(["--optimizers", "momentum,sgd:1e30"], in: Folder())
        #expect(run.exitCode == 0 && run.error.isEmpty)
        let lines = run.output.split(separator: "\n")
        #expect(
            lines.count == 4 && lines[0].hasSuffix(", vocabulary of 21")
                && lines[2].hasPrefix("momentum "), "\(run.output)")
        #expect(lines[3].hasPrefix("sgd:1e30 ") && lines[3].hasSuffix("diverged"))
    }

    @Test(arguments: ["", "sgd,", "newton", "adam:", "adam:-1", "adam:nan", "adam:x"])
    func badOptimizersAreNamed(optimizers: String) async throws {
        let run = try await compare(["--optimizers", optimizers], in: Folder())
        #expect(
            run.exitCode == 64 && run.output.isEmpty
                && run.error.hasPrefix("recurrent: --optimizers: "), "\(run.error)")
    }

    @Test func theTextIsNotDrawnOver() async throws {
        let folder = try Folder()
        let run = try await compare(["--svg", "./text"], in: folder)
        #expect(
            run.exitCode == 64
                && run.error == "recurrent: --svg: ./text is the text; expected another file\n")
        #expect(try folder.read("text") == Array(sampleText.utf8))
    }

    @Test func aPictureThatCannotBeWrittenIsKnownAtOnce() async throws {
        let run = try await compare(["--svg", "/"], in: Folder())
        #expect(run.exitCode == 73 && run.output.isEmpty)
    }

    /// Round numbers around all that is drawn, and no curve beyond them, whatever the values.
    @Test(arguments: [
        [1.0, 2], [5, 5], [0, 0], [1e-9, 3e-9], [-3, 700], [1e-12, 3], [.nan, 1], [],
    ])
    func curvesStayOnThePaper(values: [Double]) throws {
        for isLogarithmic in [false, true]
        where !isLogarithmic || values.allSatisfy({ $0 > 0 || $0.isNaN }) {
            let points = values.enumerated().map { (x: Double($0), y: $1) }
            let panel = LineChart.Panel(
                title: "a < b", isLogarithmic: isLogarithmic,
                curves: [LineChart.Curve(name: "x & y", points: points)])
            let curves = Curves()
            let parser = XMLParser(
                data: Data(
                    LineChart(title: "t", subtitle: "s", axis: "x", panels: [panel]).svg.utf8))
            parser.delegate = curves
            #expect(parser.parse() && curves.count == 1)
            #expect(curves.heights.allSatisfy { $0 >= 84 && $0 <= 334 }, "\(curves.heights)")
        }
    }

    private final class Curves: NSObject, XMLParserDelegate {
        var count = 0
        var heights: [Double] = []

        func parser(
            _ parser: XMLParser, didStartElement name: String, namespaceURI: String?,
            qualifiedName: String?, attributes: [String: String]
        ) {
            guard name == "polyline" else { return }
            count += 1
            heights += attributes["points"]!.split(separator: " ").map {
                Double($0.split(separator: ",")[1]) ?? .nan
            }
        }
    }
}
