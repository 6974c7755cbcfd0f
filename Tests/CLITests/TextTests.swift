import Foundation
import Testing

@testable import recurrent_cli

private func scalars(_ text: String) -> [Unicode.Scalar] { Array(text.unicodeScalars) }
private func string(_ scalars: some Sequence<Unicode.Scalar>) -> String {
    var text = String.UnicodeScalarView()
    text.append(contentsOf: scalars)
    return String(text)
}

@Suite struct TextTests {
    @Test(arguments: [
        ("a\nb\n", "a\nb\n"), ("a\r\nb", "a\nb\n"), ("a\n\n", "a\n\n"), ("\n", "\n"), ("", ""),
        ("a\rb\r", "a\nb\n"), ("a\r\r\nb\n\rc", "a\n\nb\n\nc\n"), ("a\u{2028}b\u{2029}", "a\nb\n"),
        ("a\u{B}b\u{C}c\u{85}d\te", "a\u{B}b\u{C}c\u{85}d\te\n"),
    ]) func everyLineEndsWithOneLineFeed(text: String, expected: String) {
        #expect(string(endLines(scalars(text))) == expected)
    }

    @Test(arguments: [(10, 0.2, 2), (10, 0.95, 9), (10, 0.08, 1), (2, 0.5, 1), (966, 0.2, 193)])
    func theLastLinesAreForDevelopment(count: Int, fraction: Double, expected: Int) {
        let lines = (0..<count).map { String(format: "%3d\n", $0) }
        let text = scalars(lines.joined())
        let split = TextSplit(text, devFraction: fraction)
        #expect(split.isBetweenLines)
        #expect(string(text[split.start...]) == lines.suffix(expected).joined())
    }

    /// JSON, DNA, and a text of which the last fifth of the lines is nearly all: as many tokens are
    /// for development as are asked for.
    @Test(arguments: [
        (String(repeating: "acgt", count: 250), 0.2, 200),
        (String(repeating: "acgt", count: 250), 0.001, 1),
        ("a\nb\nc\nd\n" + String(repeating: "{}", count: 500), 0.2, 202), ("ab", 0.9, 2),
        ("a", 0.5, 1),
        (String(repeating: "a", count: 99) + "\n\n\n\n\n", 0.5, 52),
        (String(repeating: "ab\n", count: 10), 0.001, 1),
    ]) func fewOrUnevenLinesAreDividedByTokens(line: String, fraction: Double, expected: Int) throws
    {
        let text = endLines(scalars(line))
        let split = TextSplit(text, devFraction: fraction)
        #expect(!split.isBetweenLines && text.count - split.start == expected)
        let prepared = try TrainingText(
            text, name: "text", devFraction: fraction, batch: 1, steps: 1)
        #expect(prepared.training.tokenCount == split.start && !prepared.isSplitBetweenLines)
        #expect(prepared.development.tokenCount == expected)
        #expect(prepared.summary.hasSuffix("few or uneven lines: divided within a line\n"))
    }

    @Test func vocabularyHasTheScalarsThatOccurTwice() {
        // e with a combining accent is two scalars, and not the same as é.
        let vocabulary = Vocabulary(training: scalars("ba\nab\ne\u{301}é\ne\u{301}\n"))
        #expect(vocabulary.scalars == ["a", "b", "e", "\u{301}"])
        #expect(vocabulary.count == 6)
        #expect(vocabulary.tokens(scalars("aéb\n\nz𝄞\n")) == [2, 0, 3, 1, 1, 0, 0, 1])
        #expect((0..<6).map { vocabulary.scalar($0) } == [nil, "\n", "a", "b", "e", "\u{301}"])
        #expect(vocabulary.token("\n") == Vocabulary.endOfLine)
        #expect(Vocabulary(scalars: vocabulary.scalars) == vocabulary)
        #expect(Vocabulary(training: scalars("")).tokens(scalars("a\n")) == [0, 1])
        #expect(Vocabulary(scalars: ["b", "a", "b"]).tokens(scalars("ab")) == [3, 2])
    }

    @Test func vocabularyDoesNotKnowTheDevelopmentText() throws {
        let text = try TrainingText(
            scalars("aaaa\naaaa\naaab\n  zz\n"), name: "text", devFraction: 0.25, batch: 2, steps: 3
        )
        #expect(text.vocabulary.scalars == ["a"])
        #expect(text.training.tokenCount == 15 && text.training.unknownShare == 1 / 15.0)
        #expect(text.development.tokenCount == 5 && text.development.unknownShare == 4 / 5.0)
        #expect(
            text.summary == """
                15 tokens to learn (6.7 % unknown), 5 tokens to measure on (80.0 % unknown), \
                vocabulary of 3

                """)
        #expect(text.prompt == "zz")
        #expect(
            text.metadata == [
                "recurrent.vocabulary": "a", "recurrent.batch": "2", "recurrent.steps": "3",
            ])
    }

    @Test func aTextShorterThanASegmentIsRefused() {
        func make(_ text: String, batch: Int, steps: Int) throws -> TrainingText {
            try TrainingText(
                scalars(text), name: "text", devFraction: 0.5, batch: batch, steps: steps)
        }
        #expect(throws: Never.self) { try make("abc\nabc\n", batch: 2, steps: 2) }
        #expect(throws: Never.self) { try make("abc", batch: 1, steps: 2) }
        #expect(throws: Failure.self) { try make("abc\nabc\n", batch: 5, steps: 1) }
        #expect(throws: Failure.self) { try make("abc\nabc\n", batch: .max, steps: 2) }
        #expect(throws: Failure.self) { try make("\n", batch: 1, steps: 1) }
    }

    @Test(arguments: [
        (20, 4, 2), (21, 4, 2), (1, 4, 3), (7, 1, 7), (7, 1, 8), (100, 7, 5), (5, 9, 2),
    ])
    func everyTokenIsATargetOnceBehindTheOneInFrontOfIt(count: Int, batch: Int, steps: Int) {
        let tokens = (0..<count).map { Int32($0 + 10) }
        let batches = Batches(tokens, batch: batch, steps: steps)
        #expect(batches.tokenCount == count)
        var streams = Array(repeating: [Int32](), count: batch)
        for segment in 0..<batches.segmentCount {
            batches.withSegment(segment) { inputs, targets in
                #expect(inputs.count == batch * steps && targets.count == batch * steps)
                #expect(targets.indices.count { targets[$0] >= 0 } == batches.targetCounts[segment])
                for row in targets.indices where targets[row] >= 0 {
                    #expect(
                        inputs[row]
                            == (targets[row] == 10 ? Vocabulary.endOfLine : targets[row] - 1))
                    streams[row % batch].append(targets[row])
                }
            }
        }
        #expect(streams.flatMap(\.self) == tokens)
        #expect(batches.segmentCount == (streams[0].count + steps - 1) / steps)
    }

    @Test func trainingEndsAfterEpochsWithoutImprovement() {
        var stopping = EarlyStopping(patience: 2)
        let perplexities = [9.0, 7, 8, 6.5, 6.5, .nan]
        let improved = perplexities.enumerated().map { index, perplexity in
            #expect(!stopping.isOver)
            return stopping.improves(epoch: index + 1, perplexity: perplexity)
        }
        #expect(improved == [true, true, false, true, false, false])
        #expect(stopping.isOver && stopping.bestEpoch == 4 && stopping.bestPerplexity == 6.5)
    }
}
