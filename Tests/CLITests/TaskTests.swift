import Foundation
import Recurrent
import Testing

@testable import recurrent_cli

@Suite struct TaskTests {
    @Test(arguments: [2, 3, 50, 201]) func sumsAreThoseOfTheMarkedNumbers(length: Int) {
        let count = 40
        var generator = SplitMix64(seed: 5)
        let (values, targets) = AddingProblem(length: length).batch(count, using: &generator)
        #expect(values.count == length * count * 2 && targets.count == count)
        var firstMarks: Set<Int> = []
        var lastMarks: Set<Int> = []
        for row in 0..<count {
            func value(_ step: Int, _ feature: Int) -> Float {
                values[(step * count + row) * 2 + feature]
            }
            let marked = (0..<length).filter { value($0, 1) == 1 }
            #expect(marked.count == 2 && marked[0] < length / 2 && marked[1] >= length / 2)
            for step in 0..<length {
                #expect(
                    value(step, 0) >= 0 && value(step, 0) <= 1
                        && (marked.contains(step) || value(step, 1) == 0))
            }
            #expect(targets[row] == value(marked[0], 0) + value(marked[1], 0))
            firstMarks.insert(marked[0])
            lastMarks.insert(marked[1])
        }
        #expect(length < 50 || (firstMarks.count > 10 && lastMarks.count > 10))
    }

    /// The variance of 4,000 sums is 1/6 within four standard deviations: their fourth moment about
    /// 1 is 1/15.
    @Test func theBaselineOfAddingIsTheVarianceOfTheSum() {
        var generator = SplitMix64(seed: 6)
        let targets = AddingProblem(length: 4).batch(4000, using: &generator).targets.map(
            Double.init)
        let variance = targets.reduce(0) { $0 + ($1 - 1) * ($1 - 1) } / 4000
        let deviation = ((1.0 / 15 - 1.0 / 36) / 4000).squareRoot()
        #expect(abs(variance - AddingProblem.baseline) <= 4 * deviation)
    }

    @Test(arguments: [1, 50]) func copiesRepeatWhatWasGiven(length: Int) {
        let count = 30
        let task = CopyTask(length: length)
        var generator = SplitMix64(seed: 7)
        let (symbols, targets) = task.batch(count, using: &generator)
        #expect(
            task.steps == length + 20 && symbols.count == task.steps * count
                && targets.count == symbols.count)
        var seen: Set<Int32> = []
        for row in 0..<count {
            let given = (0..<task.steps).map { symbols[$0 * count + row] }
            let asked = (0..<task.steps).map { targets[$0 * count + row] }
            let waiting =
                [Int32](repeating: 8, count: length - 1) + [9] + [Int32](repeating: 8, count: 10)
            let silence = [Int32](repeating: 8, count: length + 10)
            #expect(given[..<10].allSatisfy { (0..<8).contains($0) })
            #expect(Array(given[10...]) == waiting && asked == silence + given[..<10])
            seen.formUnion(given[..<10])
        }
        #expect(seen.count == 8)
        #expect(abs(CopyTask(length: 50).baseline - 0.29706) <= 1e-5)
    }

    @Test func grammaticalStringsAreThoseOfTheGraph() {
        func successors(_ string: String) -> [String]? {
            ReberGrammar.successors(string.map { ReberGrammar.symbols.firstIndex(of: $0)! })?.map {
                set in
                String(set.sorted().map { ReberGrammar.symbols[$0] })
            }
        }
        // Both of Reber's shortest strings, and one that takes every loop.
        #expect(successors("BTBTXSETE") == ["TP", "B", "TP", "SX", "SX", "E", "T", "E"])
        #expect(successors("BPBPVVEPE") == ["TP", "B", "TP", "TV", "PV", "E", "P", "E"])
        #expect(successors("BTBTSSXXTTVPSETE") != nil)
        for wrong in [
            "BTBTXSEPE", "BPBTXSETE", "BTBTXSET", "BTBTXSETEE", "BSBTXSESE", "BTBTSETE",
            "BTBTXVETE", "TBTXSETE", "BTBTXSTE", "BT", "", "BTTE",
        ] {
            #expect(successors(wrong) == nil, "\(wrong)")
        }
    }

    /// 12 symbols where all ways are equally likely, and as many as asked for where loops are
    /// likelier: within four standard deviations.
    @Test(arguments: [(12, 4000), (50, 2000), (200, 1000)])
    func stringsAreOfTheGrammarAndAsLongAsAsked(length: Int, count: Int) {
        let grammar = ReberGrammar(length: length, limit: 100 * length)
        var generator = SplitMix64(seed: 8)
        let strings = (0..<count).map { _ in grammar.string(using: &generator) }
        #expect(strings.allSatisfy { ReberGrammar.successors($0)?.count == $0.count - 1 })
        let lengths = strings.map { Double($0.count) }
        let mean = lengths.reduce(0, +) / Double(count)
        let variance = lengths.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
        let deviation = (variance / Double(count)).squareRoot()
        #expect(abs(mean - Double(length)) <= 4 * deviation, "\(mean)")
        #expect(length > 12 || grammar.stay == 0.5)
        #expect(strings.contains { $0[1] == 1 } && strings.contains { $0[1] == 2 })
        #expect(
            (0..<50).allSatisfy { _ in
                ReberGrammar(length: length, limit: length).string(using: &generator).count
                    <= length
            })
    }

    /// At even odds: ln 2 for each choice, and for the symbol that is forgotten.
    @Test func stringsInformAsMuchAsTheirChoices() {
        let grammar = ReberGrammar(length: 12)
        var generator = SplitMix64(seed: 9)
        for _ in 0..<50 {
            let string = grammar.string(using: &generator)
            let choices = ReberGrammar.successors(string)!.count { $0.count == 2 }
            #expect(abs(grammar.information(string) - Double(choices + 1) * log(2.0)) <= 1e-12)
        }
        // Where it is likelier to stay: T P, first way, X S and S, T P again. -ln(1 - stay) twice.
        let long = ReberGrammar(length: 100)
        let shortest = "BTBTXSETE".map { ReberGrammar.symbols.firstIndex(of: $0)! }
        #expect(abs(long.information(shortest) - 3 * log(2.0) + 2 * log(1 - long.stay)) <= 1e-12)
    }

    /// The inputs are one-hot, and the answers that are the targets are right, others wrong.
    @Test func answersAreJudged() {
        let count = 4
        var generator = SplitMix64(seed: 10)
        func judge(_ batch: SequenceBatch, _ row: Int, _ question: Int, _ output: [Float]) -> Bool {
            batch.questions[row][question].isRight(output.span)
        }

        let adding = AddingProblem(length: 6).sequences(count, using: &generator)
        guard case .values(let sums) = adding.targets else {
            Issue.record("classes")
            return
        }
        for row in 0..<count {
            #expect(
                judge(adding, row, 0, [sums[row] + 0.039])
                    && judge(adding, row, 0, [sums[row] - 0.039]))
            #expect(
                !judge(adding, row, 0, [sums[row] + 0.041])
                    && !judge(adding, row, 0, [sums[row] - 0.041]) && !judge(adding, row, 0, [.nan])
            )
        }

        func oneHot(_ place: Int, _ size: Int) -> [Float] { (0..<size).map { $0 == place ? 1 : 0 } }
        let copy = CopyTask(length: 3)
        let copied = copy.sequences(count, using: &generator)
        guard case .classes(let symbols) = copied.targets else {
            Issue.record("values")
            return
        }
        #expect(
            copied.values.count == 23 * count * 10
                && copied.questions.allSatisfy { $0.map(\.step) == Array(13..<23) })
        for row in 0..<count {
            for place in 0..<10 {
                let target = Int(symbols[(13 + place) * count + row])
                #expect(
                    Array(
                        copied.values[(place * count + row) * 10..<(place * count + row + 1) * 10])
                        == oneHot(target, 10))
                #expect(
                    judge(copied, row, place, oneHot(target, 10))
                        && !judge(copied, row, place, oneHot((target + 1) % 10, 10)))
            }
        }

        let grammar = ReberGrammar(length: 14)
        let reber = grammar.sequences(count, using: &generator)
        guard case .classes(let next) = reber.targets, let lengths = reber.lengths else {
            Issue.record("values")
            return
        }
        for row in 0..<count {
            let string = [0] + (0..<lengths[row]).map { Int(next[$0 * count + row]) }
            let legal = ReberGrammar.successors(string)!
            #expect(
                legal.count == lengths[row]
                    && (lengths[row]..<grammar.steps).allSatisfy { next[$0 * count + row] == -1 })
            for step in 0..<lengths[row] {
                #expect(
                    Array(reber.values[(step * count + row) * 7..<(step * count + row + 1) * 7])
                        == oneHot(string[step], 7))
                for symbol in 0..<7 {
                    #expect(
                        judge(reber, row, step, oneHot(symbol, 7)) == legal[step].contains(symbol))
                }
            }
        }
    }

    @Test func aSeedGivesOneBatch() {
        func draw(_ seed: UInt64) -> ([Float], [Int32], [[Int]]) {
            var generator = SplitMix64(seed: seed)
            return (
                AddingProblem(length: 9).batch(3, using: &generator).values,
                CopyTask(length: 5).batch(3, using: &generator).symbols,
                (0..<3).map { _ in ReberGrammar(length: 20).string(using: &generator) }
            )
        }
        #expect(
            draw(1) == draw(1) && draw(1).0 != draw(2).0 && draw(1).1 != draw(2).1
                && draw(1).2 != draw(2).2)
    }
}
