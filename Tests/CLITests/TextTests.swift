import Testing

@testable import RecurrentCLI

private func scalars(_ text: String) -> [Unicode.Scalar] { Array(text.unicodeScalars) }
private func lines(_ text: String) -> [String] { splitLines(scalars(text)).map { String(String.UnicodeScalarView($0)) } }

@Suite struct TextTests {
    @Test func linesEndWithALineFeedOrACarriageReturnAndALineFeed() {
        #expect(lines("a\nb\n") == ["a", "b"])
        #expect(lines("a\r\nb") == ["a", "b"])
        #expect(lines("a\n\n") == ["a", ""])
        #expect(lines("\n") == [""])
        #expect(lines("a\rb\n") == ["a\rb"])
        #expect(lines("") == [])
    }

    @Test(arguments: [(10, 0.2, 2), (10, 0.999, 9), (10, 0.001, 1), (2, 0.5, 1), (966, 0.2, 193)])
    func theLastLinesAreForDevelopment(count: Int, fraction: Double, expected: Int) {
        let all = (0..<count).map { Line(scalars(String($0))) }
        let (training, development) = splitDevelopment(all, devFraction: fraction)
        #expect(development.count == expected)
        #expect(Array(training) + Array(development) == all)
    }

    @Test func vocabularyHasTheScalarsThatOccurTwice() {
        // e with a combining accent is two scalars, and not the same as é.
        let vocabulary = Vocabulary(training: splitLines(scalars("ba\nab\ne\u{301}é\ne\u{301}\n")))
        #expect(vocabulary.scalars == ["a", "b", "e", "\u{301}"])
        #expect(vocabulary.count == 6)
        #expect(vocabulary.tokens(splitLines(scalars("aéb\n\nz"))) == [2, 0, 3, 1, 1, 0, 1])
        #expect((0..<6).map { vocabulary.scalar($0) } == [nil, "\n", "a", "b", "e", "\u{301}"])
        #expect(vocabulary.token("\n") == Vocabulary.endOfLine)
        #expect(Vocabulary(scalars: vocabulary.scalars) == vocabulary)
    }

    @Test func vocabularyDoesNotKnowTheDevelopmentText() throws {
        let text = try TrainingText(scalars("aaaa\naaaa\naaaa\n  zz\n"), name: "text", devFraction: 0.25, batch: 2, steps: 3)
        #expect(text.vocabulary.scalars == ["a"])
        #expect(text.training.tokenCount == 15)
        #expect(text.development.tokenCount == 5)
        #expect(text.prompt == "zz")
        #expect(text.metadata == ["recurrent.vocabulary": "a", "recurrent.batch": "2", "recurrent.steps": "3"])
    }

    @Test func aTextShorterThanASegmentIsRefused() {
        func make(_ text: String, batch: Int, steps: Int) throws -> TrainingText {
            try TrainingText(scalars(text), name: "text", devFraction: 0.5, batch: batch, steps: steps)
        }
        #expect(throws: Never.self) { try make("abc\nabc\n", batch: 2, steps: 2) }
        #expect(throws: Failure.self) { try make("abc\nabc\n", batch: 5, steps: 1) }
        #expect(throws: Failure.self) { try make("abc\nabc\n", batch: .max, steps: 2) }
        #expect(throws: Failure.self) { try make("abc\n", batch: 1, steps: 1) }
    }

    @Test(arguments: [(20, 4, 2), (21, 4, 2), (1, 4, 3), (7, 1, 7), (7, 1, 8), (100, 7, 5), (5, 9, 2)])
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
                    #expect(inputs[row] == (targets[row] == 10 ? Vocabulary.endOfLine : targets[row] - 1))
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
