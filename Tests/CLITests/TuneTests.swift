import Foundation
import Testing

@testable import recurrent_cli

@Suite struct TuneTests {
    /// The rates that a search tries where the perplexity is a valley around `valley`, on a
    /// logarithmic scale.
    private func search(
        _ lowest: Double, _ highest: Double, valley: Double, diverging: Double = .infinity
    ) -> (rates: [Double], best: Double?) {
        var search = RateSearch(lowest: lowest, highest: highest)
        var rates: [Double] = []
        var done = [0.0]
        while let rate = search.next {
            rates.append(rate)
            search.record(
                rate, perplexity: rate >= diverging ? .infinity : 10 + abs(log10(rate / valley)))
            done.append(search.done)
        }
        #expect(done.allSatisfy { 0...1 ~= $0 })
        return (rates, search.best?.rate)
    }

    @Test func decadesFirstThenFiner() throws {
        let (rates, best) = search(1e-4, 1, valley: 0.02)
        #expect(rates.prefix(5).map { log10($0).rounded() } == [-4, -3, -2, -1, 0])
        #expect(rates.count == 5 + 2 + 2)
        // Thirds of a decade leave the nearest rate within a sixth, ninths within less.
        #expect(abs(log10(try #require(best) / 0.02)) <= 1.0 / 6)
        #expect(rates.allSatisfy { 1e-4...1 ~= $0 })
    }

    @Test func endsOfTheRangeAreKept() {
        #expect(search(1e-3, 1e-3, valley: 1).rates == [1e-3])
        #expect(search(1e-3, 1e-1, valley: 100).best.map { $0 <= 0.1 && $0 > 0.09 } == true)
        #expect(search(1e-2, 1, valley: 1, diverging: 1e-3).best == nil)
        #expect(
            search(1e-4, 1, valley: 1, diverging: 0.5).best.map { $0 < 0.5 && $0 > 0.09 } == true)
    }

    @Test func findsARateForAText() async throws {
        let folder = try Folder()
        try folder.write("text", sampleText)
        let run = try await recurrent(
            ["tune"] + smallModel + [
                "--optimizer", "sgd", "--lowest", "0.01", "--highest", "1e4", "--json",
            ], in: folder)
        #expect(run.exitCode == 0 && run.error.isEmpty, "\(run.error)")
        let report = try #require(
            JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
        let runs = try #require(report["runs"] as? [[String: Any]])
        let rates = runs.compactMap { $0["learning_rate"] as? Double }
        let best = try #require(report["best_learning_rate"] as? Double)
        #expect(rates.count == 7 + 4 && rates == rates.sorted() && rates.contains(best))
        // At the lowest rate nothing is learned in an epoch.
        #expect(best > 0.1 && folder.names == ["text"])
        let text = try await recurrent(
            ["tune"] + smallModel + ["--optimizer", "sgd", "--lowest", "0.1", "--highest", "1"],
            in: folder)
        #expect(text.lastLine.hasPrefix("--optimizer sgd --learning-rate "), "\(text.output)")
    }

    @Test(arguments: [
        ["--lowest", "0"], ["--highest", "nan"], ["--lowest", "1", "--highest", "0.1"],
        ["--lowest", "1e-9", "--highest", "1e9"],
        ["--optimizer", "newton"], ["--epochs", "0"],
    ])
    func badOptionsAreRefused(options: [String]) async throws {
        let folder = try Folder()
        try folder.write("text", sampleText)
        let run = try await recurrent(["tune"] + smallModel + options, in: folder)
        #expect(
            run.exitCode == 64 && run.output.isEmpty && run.error.hasPrefix("recurrent: --"),
            "\(run.error)")
    }
}
