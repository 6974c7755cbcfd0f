import Foundation
import Testing

// ReadmeProgram.swift stands in the README word for word: these tests run it and compare the two.

@Suite struct ReadmeTests {
    @Test func programLearnsItsSignal() throws {
        let (expected, predicted) = try learnAndPredict()
        #expect(abs(predicted - expected) < 0.05)
    }

    @Test func programStandsInTheReadme() throws {
        let tests = URL(filePath: #filePath).deletingLastPathComponent()
        let readme = tests.deletingLastPathComponent().deletingLastPathComponent()
            .appending(path: "README.md")
        let program = try String(
            contentsOf: tests.appending(path: "ReadmeProgram.swift"), encoding: .utf8)
        #expect(
            try String(contentsOf: readme, encoding: .utf8).contains("```swift\n" + program + "```")
        )
    }
}
