import Foundation
import Recurrent
import Testing

/// What `train --json` and `evaluate --json` print, as far as it is needed here.
private struct Report: Decodable {
    let dev_perplexity: Double, train_perplexity: Double, epochs: Int, best_epoch: Int
    let known_train_perplexity: Double?, known_dev_perplexity: Double?
    let train_unknown_share: Double, dev_unknown_share: Double, split_between_lines: Bool
    let tokens_per_second: Double, parameters: Int, isa: String, seconds: Double, threads: Int
}

private struct Measure: Decodable {
    let perplexity: Double, known_perplexity: Double, tokens: Int, unknown_tokens: Int
}

private func decode<Value: Decodable>(_ text: String) throws -> Value {
    #expect(text.split(separator: "\n").count == 1, "one object and nothing else")
    return try JSONDecoder().decode(Value.self, from: Data(text.utf8))
}

@Suite struct TrainTests {
    private let folder: Folder

    init() throws {
        folder = try Folder()
        try folder.write("text", sampleText)
    }

    @Test func perplexityFallsAndTheLastLineContinuesAPrompt() async throws {
        let run = try await recurrent(
            ["train"] + smallModel + ["--epochs", "3", "--learning-rate", "0.02"], in: folder)
        #expect(run.exitCode == 0 && run.error.isEmpty)
        let perplexities = run.output.split(separator: "\n").filter { $0.hasPrefix("epoch") }
            .compactMap { line in
                line.firstMatch(of: /development perplexity ([0-9.]+)/).flatMap { Double($0.1) }
            }
        #expect(perplexities.count == 3)
        #expect(perplexities == perplexities.sorted(by: >) && perplexities[2] < 12)
        #expect(folder.names == ["model.safetensors", "model.safetensors.checkpoint", "text"])

        let continued = try await shell(run.lastLine, in: folder)
        #expect(continued.exitCode == 0 && continued.error.isEmpty)
        #expect(continued.output.hasPrefix("the ") && continued.output.unicodeScalars.count >= 400)
    }

    @Test func evaluateAgreesWithTheDevelopmentPerplexity() async throws {
        let report: Report = try await decode(
            recurrent(["train"] + smallModel + ["--epochs", "2", "--json"], in: folder).output)
        #expect(report.epochs == 2 && report.best_epoch == 2 && report.threads == 1)
        #expect(
            report.train_perplexity > 1 && report.tokens_per_second > 0 && report.seconds > 0
                && report.isa == "\(ISA.best)")

        let lines = sampleText.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
        try folder.write("development", lines.suffix(12).joined(separator: "\n"))
        let measure: Measure = try await decode(
            recurrent(
                [
                    "evaluate", "model.safetensors", "--text", "development", "--json", "--threads",
                    "2",
                ], in: folder
            ).output)
        #expect(measure.perplexity == report.dev_perplexity)
        #expect(measure.tokens == lines.suffix(12).reduce(0) { $0 + $1.unicodeScalars.count + 1 })
        #expect(measure.unknown_tokens == 0)

        let model = try Model(contentsOf: folder.path + "/model.safetensors")
        #expect(model.parameterCount == report.parameters)

        try folder.write("strange", "the ☃ sat\n")
        let strange: Measure = try await decode(
            recurrent(["evaluate", "model.safetensors", "--text", "strange", "--json"], in: folder)
                .output)
        #expect(strange.unknown_tokens == 1)
        let plain = try await recurrent(
            ["evaluate", "model.safetensors", "--text", "strange"], in: folder)
        #expect(strange.known_perplexity < strange.perplexity)
        func text(_ perplexity: Double) -> String { String(format: "%.2f", perplexity) }
        #expect(
            plain.output == """
                perplexity \(text(strange.perplexity)) over 10 tokens, 1 of them unknown; \
                \(text(strange.known_perplexity)) over the others

                """)
    }

    /// Characters that occur once each are learned as one, the unknown token: that is easy, and
    /// says nothing.
    @Test func whatIsUnknownIsSaid() async throws {
        let scalars = (0..<2520).map { Unicode.Scalar(0x4E00 + $0)! }
        let lines = stride(from: 0, to: 2520, by: 28).map {
            String(String.UnicodeScalarView(scalars[$0..<$0 + 28]))
        }
        try folder.write("text", lines.joined(separator: "\n"))
        let options = smallModel + ["--epochs", "3", "--learning-rate", "0.02"]
        let report: Report = try await decode(
            recurrent(["train"] + options + ["--json"], in: folder).output)
        #expect(report.train_unknown_share == 28 / 29.0 && report.dev_unknown_share == 28 / 29.0)
        let known = try #require(report.known_dev_perplexity)
        #expect(report.dev_perplexity < 1.5 && known > 10, "ends of lines alone are known")
        #expect(report.known_train_perplexity.map { $0 > 10 } == true && report.split_between_lines)

        let plain = try await recurrent(["train"] + options + ["--out", "again"], in: folder)
        #expect(
            plain.output.hasPrefix(
                """
                2,088 tokens to learn (96.6 % unknown), 522 tokens to measure on (96.6 % unknown), \
                vocabulary of 2

                """), "\(plain.output)")
        let last = /epoch [1-3], development perplexity 1\.\d+ \(\d\d\.\d+ of known tokens\);/
        #expect(plain.output.firstMatch(of: last) != nil, "\(plain.output)")
        let measured: Measure = try await decode(
            recurrent(["evaluate", "model.safetensors", "--text", "text", "--json"], in: folder)
                .output)
        #expect(measured.unknown_tokens == 2520 && measured.known_perplexity > 10)
    }

    /// One line, whatever ends it: as much is learned as is asked for, and that it is divided
    /// within a line is said.
    @Test func aTextOfOneLineIsDividedWithinIt() async throws {
        try folder.write("text", String(repeating: "acgtta", count: 500))
        for command in ["train", "compare", "tune"] {
            let more =
                command == "compare"
                ? ["--optimizers", "sgd"]
                : command == "tune" ? ["--lowest", "0.01", "--highest", "0.01"] : []
            let run = try await recurrent(
                [command] + smallModel + ["--epochs", "1"] + more, in: folder)
            #expect(run.exitCode == 0 && run.error.isEmpty)
            #expect(
                run.output.contains(
                    """
                    2,401 tokens to learn (0.0 % unknown), 600 tokens to measure on (0.0 % \
                    unknown), vocabulary of 6
                    few or uneven lines: divided within a line

                    """), "\(run.output)")
            let json = try await recurrent(
                [command] + smallModel + ["--epochs", "1", "--json"] + more, in: folder)
            #expect(
                json.output.contains("\"split_between_lines\":false")
                    && json.output.contains("\"dev_unknown_share\":0,"))
        }
        // Text with the line ends of old Macintoshes is text of as many lines.
        try folder.write("text", sampleText.replacing("\n", with: "\r"))
        let old = try await recurrent(
            ["train"] + smallModel + ["--epochs", "1", "--out", "old"], in: folder)
        try folder.write("text", sampleText)
        let new = try await recurrent(
            ["train"] + smallModel + ["--epochs", "1", "--out", "new"], in: folder)
        #expect(old.exitCode == 0 && new.exitCode == 0)
        #expect(try folder.read("old") == folder.read("new"))
    }

    /// One model and one text have one perplexity, whatever the batch that it would be trained
    /// with: rates that change no weight.
    @Test func thePerplexityDoesNotDependOnTheBatch() async throws {
        var perplexities: Set<Double> = []
        for batch in ["1", "4", "32"] {
            let options =
                smallModel + [
                    "--batch", batch, "--optimizer", "sgd", "--learning-rate", "1e-30", "--epochs",
                    "1", "--json",
                ]
            perplexities.insert(
                (try await decode(recurrent(["train"] + options, in: folder).output) as Report)
                    .dev_perplexity)
        }
        #expect(perplexities.count == 1, "\(perplexities)")
    }

    @Test(arguments: ["lstm", "gru", "gru(resetBefore)", "gru(lecture)", "rnn", "rnn(relu)"])
    func everyCellLearnsIsMeasuredAndContinuesAPrompt(cell: String) async throws {
        let report: Report = try await decode(
            recurrent(
                ["train"] + smallModel + [
                    "--cell", cell, "--epochs", "3", "--learning-rate", "0.02", "--json",
                ], in: folder
            ).output)
        #expect(report.dev_perplexity < 12)
        let inspected = try await recurrent(["inspect", "model.safetensors"], in: folder)
        #expect(inspected.output.contains("\n\(cell) 0 "))
        let continued = try await recurrent(
            ["generate", "model.safetensors", "--prompt", "the ", "--length", "20"], in: folder)
        #expect(
            continued.exitCode == 0 && continued.output.hasPrefix("the ")
                && continued.output.unicodeScalars.count >= 24)
        if cell != "lstm" {
            let rounded = try await recurrent(
                ["generate", "model.safetensors", "--prompt", "the ", "--weights", "bfloat16"],
                in: folder)
            #expect(rounded.exitCode == 65)
            #expect(
                rounded.error
                    == """
                    recurrent: model.safetensors: weights cannot be rounded to bfloat16; \
                    expected lstm alone, found \(cell)\n
                    """
            )
        }
    }

    @Test func aSeedGivesTheSameModelOnEveryInstructionSetAndNumberOfThreads() async throws {
        func train(_ name: String, _ options: [String], environment: [String: String] = [:])
            async throws -> [UInt8]
        {
            let run = try await recurrent(
                ["train"] + smallModel + [
                    "--epochs", "1", "--layers", "2", "--dropout", "0.3", "--quiet", "--overwrite",
                    "--out", name,
                ] + options,
                in: folder, environment: environment)
            #expect(run.exitCode == 0 && run.error.isEmpty)
            #expect(run.output.split(separator: "\n").count == 3, "--quiet shows no epochs")
            return try folder.read(name)
        }
        let expected = try await train("a", ["--seed", "5"])
        #expect(try await train("b", ["--seed", "5", "--threads", "3"]) == expected)
        for isa in ISA.available {
            #expect(try await train("c", ["--seed", "5", "--isa", isa.rawValue]) == expected)
        }
        #expect(
            try await train("d", ["--seed", "5"], environment: ["RECURRENT_ISA": "generic"])
                == expected)
        #expect(try await train("e", ["--seed", "6"]) != expected)
    }

    @Test func theBestModelIsKeptAndTrainingEndsEarly() async throws {
        // So large a learning rate soon makes the model worse than it was.
        let options = [
            "--epochs", "50", "--patience", "2", "--optimizer", "rmsprop", "--learning-rate", "0.4",
            "--json",
        ]
        let report: Report = try await decode(
            recurrent(["train"] + smallModel + options, in: folder).output)
        #expect(report.epochs < 50 && report.epochs == report.best_epoch + 2)
        let lines = sampleText.split(separator: "\n").suffix(12)
        try folder.write("development", lines.joined(separator: "\n"))
        let measure: Measure = try await decode(
            recurrent(
                ["evaluate", "model.safetensors", "--text", "development", "--json"], in: folder
            ).output)
        #expect(measure.perplexity == report.dev_perplexity)
    }

    /// One that stays at one changes nothing; the others do.
    @Test func schedulesAndPenaltiesChangeTheModel() async throws {
        func train(_ options: String...) async throws -> [UInt8] {
            let run = try await recurrent(
                ["train"] + smallModel + ["--epochs", "2", "--quiet", "--overwrite"] + options,
                in: folder)
            #expect(run.exitCode == 0 && run.error.isEmpty)
            return try folder.read("model.safetensors")
        }
        let constant = try await train("--learning-rate", "0.01")
        #expect(
            try await train("--learning-rate", "0.01", "--schedule", "linear:1000:1") == constant)
        var models = [constant]
        for options in [
            ["--schedule", "linear:2"], ["--schedule", "warm-up:1"], ["--schedule", "step:1:0.5"],
            ["--l1", "0.001"], ["--l2", "0.001"],
        ] {
            let model = try await train("--learning-rate", "0.01", options[0], options[1])
            #expect(!models.contains(model), "\(options)")
            models.append(model)
        }
    }

    /// One option chooses between full batch, mini-batches and single segments: an update for each
    /// epoch, for each segment of 4 streams, or of one.
    @Test func batchSaysWhatAnUpdateLearnsFrom() async throws {
        let options =
            smallModel.filter { !["--batch", "4"].contains($0) } + [
                "--optimizer", "sgd", "--json", "--epochs", "1",
            ]
        var perplexities: [Double] = []
        for batch in ["all", "16", "4", "1"] {
            let run = try await recurrent(
                ["train"] + options + ["--batch", batch, "--learning-rate", "0.5"], in: folder)
            #expect(run.exitCode == 0 && run.error.isEmpty, "\(run.error)")
            perplexities.append(try (decode(run.output) as Report).dev_perplexity)
        }
        #expect(
            perplexities == perplexities.sorted(by: >) && Set(perplexities).count == 4,
            "more updates, lower perplexity: \(perplexities)")
        let whole =
            ["train"] + options + [
                "--batch", "all", "--learning-rate", "1", "--epochs", "20", "--patience", "20",
            ]
        let learned: Report = try await decode(recurrent(whole, in: folder).output)
        #expect(learned.dev_perplexity < perplexities[0])
    }

    @Test func generateIsTheSameForASeed() async throws {
        _ = try await recurrent(["train"] + smallModel + ["--epochs", "1"], in: folder)
        func generate(_ options: String...) async throws -> String {
            let run = try await recurrent(["generate", "model.safetensors"] + options, in: folder)
            #expect(run.exitCode == 0 && run.error.isEmpty && run.output.hasSuffix("\n"))
            return run.output
        }
        let text = try await generate("--seed", "3", "--length", "50", "--temperature", "1")
        #expect(try await generate("--seed", "3", "--length", "50", "--temperature", "1") == text)
        #expect(try await generate("--seed", "4", "--length", "50", "--temperature", "1") != text)
        #expect((50...51).contains(text.unicodeScalars.count))
        #expect(
            try await generate("--seed", "3", "--temperature", "0")
                == generate("--seed", "4", "--temperature", "0"))
        #expect(
            try await generate("--weights", "bfloat16", "--temperature", "0").unicodeScalars.count
                >= 400)
        #expect(try await generate("--prompt", "the ", "--length", "0") == "the \n")
        // What is not in the vocabulary is said, once each.
        let options = [
            "generate", "model.safetensors", "--length", "0", "--prompt", "-the ☃\u{1B}☃\r\n",
        ]
        let unknown = try await recurrent(options, in: folder)
        #expect(unknown.exitCode == 0 && unknown.output == "-the ☃\\u{1B}☃\n")
        #expect(
            unknown.error
                == "recurrent: --prompt: not in the vocabulary, taken as unknown: \\u{1B} - ☃\n")
        let quiet = try await recurrent(options + ["--quiet"], in: folder)
        #expect(quiet.exitCode == 0 && quiet.output == unknown.output && quiet.error.isEmpty)
    }

    @Test func tellsItsVersion() async throws {
        let run = try await recurrent(["--version"])
        #expect(
            run.exitCode == 0 && run.error.isEmpty
                && run.output.wholeMatch(of: /recurrent \d+\.\d+\.\d+\n/) != nil, "\(run.output)")
    }

    @Test func aReaderThatGoesAwayEndsGenerateQuietly() async throws {
        _ = try await recurrent(["train"] + smallModel + ["--epochs", "1"], in: folder)
        let run = try await shell(
            "\"$RECURRENT\" generate model.safetensors --length 100000000 | head -c 5", in: folder)
        #expect(run.exitCode == 0 && run.error.isEmpty && run.output.utf8.count == 5)
    }

    @Test func neitherTheModelNorItsCheckpointIsWrittenOverTheText() async throws {
        try folder.write("model.checkpoint", sampleText)
        for (text, out) in [("text", "./text"), ("model.checkpoint", "model")] {
            let before = folder.names
            let run = try await recurrent(
                ["train"] + smallModel + ["--text", text, "--out", out, "--epochs", "1"], in: folder
            )
            #expect(
                run.exitCode == 64 && run.error.hasSuffix("is the text; expected another file\n"),
                "\(run.error)")
            #expect(folder.names == before)
        }
    }

    /// Threads that wait for each other cost a small model more than they bring; bits do not depend
    /// on them.
    @Test func aSmallModelTakesOneThread() async throws {
        let options =
            smallModel.filter { !["--threads", "1"].contains($0) } + ["--epochs", "1", "--json"]
        let run = try await recurrent(["train"] + options, in: folder)
        let report = try #require(
            JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
        #expect(report["threads"] as? Int == 1)
    }
}
