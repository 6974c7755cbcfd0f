import Foundation
import Recurrent
import Testing

/// `train --from` starts from a model, with its vocabulary, its cell and its sizes.
@Suite struct FineTuneTests {
    private let folder: Folder
    /// What says nothing of the model.
    private let options = [
        "--text", "other", "--batch", "4", "--steps", "8", "--threads", "1", "--epochs", "1",
    ]

    init() throws {
        folder = try Folder()
        try folder.write("text", sampleText)
        try folder.write(
            "other",
            sampleText.replacingOccurrences(of: "cat", with: "cow").replacingOccurrences(
                of: "mat", with: "zoo"))
    }

    private func train(_ arguments: [String]) async throws -> Outcome {
        try await recurrent(["train"] + arguments, in: folder)
    }

    private func perplexity(_ model: String) async throws -> String {
        let lines = try String(decoding: folder.read("other"), as: UTF8.self).split(separator: "\n")
            .suffix(12)
        try folder.write("development", lines.joined(separator: "\n"))
        return try await recurrent(["evaluate", model, "--text", "development"], in: folder).output
    }

    @Test func goesOnWithTheVocabularyAndTheWeights() async throws {
        #expect(
            try await train(
                smallModel + [
                    "--cell", "gru", "--layers", "2", "--epochs", "2", "--learning-rate", "0.02",
                    "--out", "base",
                ]
            ).exitCode == 0)
        let base = try folder.read("base")
        // A rate so small that no weight changes: the model is the same.
        let same = try await train(
            options + [
                "--from", "base", "--out", "same", "--optimizer", "sgd", "--learning-rate", "1e-30",
            ])
        #expect(same.exitCode == 0, "\(same.error)")
        let first = try Model(contentsOf: folder.path + "/base")
        let second = try Model(contentsOf: folder.path + "/same")
        let (shape, metadata) = (first.shape, first.metadata)
        #expect(second.shape == shape && second.metadata == metadata)
        #expect(try await perplexity("same") == perplexity("base"))

        let tuned = try await train(
            options + [
                "--from", "base", "--cell", "gru", "--layers", "2", "--hidden", "12", "--embedding",
                "6", "--json",
            ])
        let report = try #require(
            JSONSerialization.jsonObject(with: Data(tuned.output.utf8)) as? [String: Any],
            "\(tuned.error)")
        #expect(
            report["cell"] as? String == "gru" && report["hidden"] as? Int == 12
                && report["layers"] as? Int == 2)
        #expect(report["embedding"] as? Int == 6 && report["from"] as? String == "base")
        #expect(try await perplexity("model.safetensors") != perplexity("base"))
        #expect(try folder.read("base") == base)

        let resumed = try await train(options + ["--from", "base", "--resume", "--epochs", "2"])
        #expect(resumed.exitCode == 0, "\(resumed.error)")
        #expect(try await train(options + ["--from", "base", "--out", "next"]).exitCode == 0)
        for other in [[], ["--from", "next"]] {
            let run = try await train(
                options + other + ["--resume", "--epochs", "3", "--out", "model.safetensors"])
            #expect(
                run.exitCode == 65
                    && run.error.contains(": a checkpoint of another training; expected "),
                "\(run.error)")
        }
    }

    /// A penalty so strong that each update overshoots by more than the last: in the third, the
    /// gradient is not finite, and nothing is learned.
    @Test func whoseUpdatesAreAllSkippedFailsAndNamesTheWayOn() async throws {
        let options = [
            "--batch", "all", "--optimizer", "sgd", "--learning-rate", "1e-34", "--clip", "3e38",
            "--epochs", "100", "--patience", "100", "--out", "m o",
        ]
        let run = try await train(smallModel + options + ["--l2", "3e35"])
        #expect(run.exitCode == 70)
        let pattern =
            #/
            recurrent:\ training:\ diverged:\ no\ update\ in\ epoch\ [0-9]+:
            \ no\ gradient\ is\ finite;
            \ expected\ a\ smaller\ --learning-rate,\ --l1\ or\ --l2,\ found\ a\ rate\ of\ 1e-34;
            \ (.*)\n
            /#
        let match = try #require(run.error.wholeMatch(of: pattern), "\(run.error)")
        #expect(match.1 == "the best model so far is in m o; train --from 'm o' starts from it")
        let next = try await shell(
            """
            \"$RECURRENT\" train --from 'm o' --learning-rate 0.001 \
            \(smallModel.joined(separator: " ")) --epochs 1
            """,
            in: folder)
        #expect(next.exitCode == 0, "\(next.error)")
        // From the first one on.
        let first = try await train(smallModel + options + ["--l2", "3e38", "--overwrite"])
        #expect(
            first.exitCode == 70 && first.error.hasSuffix("; no model yet\n")
                && first.error.contains("no update in epoch 1:"), "\(first.error)")
    }

    /// What is written beside the new model is no place for the old one either.
    @Test func aModelUnderTheNameOfTheCheckpointIsRefused() async throws {
        let base = smallModel + ["--epochs", "1", "--out", "new.checkpoint"]
        #expect(try await train(base).exitCode == 0)
        let before = try folder.read("new.checkpoint")
        let run = try await train(
            options + ["--from", "new.checkpoint", "--out", "new", "--overwrite"])
        #expect(run.exitCode == 64, "\(run)")
        #expect(try folder.read("new.checkpoint") == before)
    }

    @Test func whatContradictsTheModelIsRefused() async throws {
        #expect(try await train(smallModel + ["--epochs", "1", "--out", "base"]).exitCode == 0)
        let names = folder.names
        for (option, value, expected) in [
            ("--hidden", "13", "12"), ("--embedding", "7", "6"), ("--layers", "2", "1"),
            ("--cell", "gru", "lstm"),
        ] {
            let run = try await train(options + ["--from", "base", "--out", "new", option, value])
            #expect(run.exitCode == 64)
            #expect(
                run.error
                    == """
                    recurrent: \(option): the model of --from has another; expected \
                    \(expected), or no \(option), found \(value)\n
                    """
            )
        }
        let itself = try await train(
            options + ["--from", "./base", "--out", "base", "--overwrite"])
        #expect(
            itself.exitCode == 64
                && itself.error
                    == """
                    recurrent: --from: ./base is base, which --out writes; expected another \
                    file\n
                    """
        )
        #expect(try await train(options + ["--from", "none", "--out", "new"]).exitCode == 66)
        #expect(try await train(options + ["--from", "other", "--out", "new"]).exitCode == 65)
        let values = Model(
            ModelShape(
                input: .values(size: 1), layers: [.lstm(2)], outputSize: 1,
                loss: .meanSquaredError),
            seed: 1)
        try values.save(to: folder.path + "/values")
        let run = try await train(options + ["--from", "values", "--out", "new"])
        #expect(
            run.exitCode == 65
                && run.error.hasPrefix("recurrent: values: no language model; expected "),
            "\(run.error)")
        #expect(folder.names == (names + ["values"]).sorted())
    }
}
