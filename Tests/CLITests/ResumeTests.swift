import Foundation
import Recurrent
import RecurrentFormats
import TestSupport
import Testing

/// `train --resume` goes on to the same bits wherever a training was cut off, and beside its own
/// model and text alone.
@Suite struct ResumeTests {
    private let folder: Folder

    init() throws {
        folder = try Folder()
        try folder.write("text", sampleText)
    }

    private func path(_ name: String) -> String { folder.path + "/" + name }

    private func train(_ options: String..., from start: [String] = smallModel) async throws
        -> Outcome
    {
        try await recurrent(["train"] + start + ["--out", "m"] + options, in: folder)
    }

    /// Every update is followed by a checkpoint, and the training is cut off by a signal that it
    /// hears of, or does not.
    @Test(arguments: [("HUP", 129, []), ("KILL", 137, []), ("KILL", 137, ["--batch", "all"])])
    func aCheckpointWithinAnEpochGoesOnWithTheSameBits(signal: String, code: Int, more: [String])
        async throws
    {
        let options =
            smallModel + ["--dropout", "0.2", "--patience", "9999", "--checkpoint-minutes", "1e-9"]
            + more
        // So many epochs that no signal comes too late.
        let line = """
            "$RECURRENT" train \(options.joined(separator: " ")) --epochs 9999 --out m $1 \
            >/dev/null 2>&1 & tool=$!
            \(waiting(for: "m.checkpoint")); sleep 0.$2; kill -\(signal) $tool; \
            wait $tool; echo $?
            """
        for (form, pause) in [("", "01"), ("--resume", "03"), ("--resume", "02")] {
            try folder.write("line", line)
            let cut = try await shell("sh ./line '\(form)' \(pause)", in: folder)
            #expect(cut.output == "\(code)\n")
        }
        let done = try await recurrent(
            ["train"] + options + ["--out", "m", "--resume", "--epochs", "1", "--json"], in: folder)
        let object = try #require(
            JSONSerialization.jsonObject(with: Data(done.output.utf8)) as? [String: Any],
            "\(done.error)")
        let epochs = String(try #require(object["epochs"] as? Int) + 1)
        #expect(
            try await recurrent(
                ["train"] + options + ["--out", "m", "--resume", "--epochs", epochs], in: folder
            ).exitCode == 0)
        #expect(
            try await recurrent(
                ["train"] + options + ["--out", "whole", "--epochs", epochs], in: folder
            ).exitCode == 0)
        #expect(try folder.read("m") == folder.read("whole"))
    }

    @Test func aHangUpIsIgnoredWhereNohupSaysSo() async throws {
        let line = """
            trap '' HUP; "$RECURRENT" train \(smallModel.joined(separator: " ")) --out m --epochs \
            20 --quiet & tool=$!
            \(waiting(for: "m.checkpoint")); kill -HUP $tool; wait $tool
            """
        #expect(try await shell(line, in: folder).exitCode == 0)
    }

    /// Letters that all occur, but in another case: the same tokens, another text.
    @Test func anotherTextIsRefused() async throws {
        #expect(try await train("--epochs", "1").exitCode == 0)
        let model = try folder.read("m")
        let checkpoint = try folder.read("m.checkpoint")
        try folder.write("text", sampleText.uppercased())
        let run = try await train("--resume", "--epochs", "2")
        #expect(
            run.exitCode == 65
                && run.error.hasPrefix(
                    "recurrent: m.checkpoint: a checkpoint of another training; expected "),
            "\(run.error)")
        #expect(try folder.read("m") == model && folder.read("m.checkpoint") == checkpoint)
    }

    @Test func besideAnotherModelIsRefused() async throws {
        #expect(try await train("--epochs", "1").exitCode == 0)
        var model = try folder.read("m")
        let checkpoint = try folder.read("m.checkpoint")
        model[model.count - 1] ^= 1
        try folder.write("m", model)
        let run = try await train("--resume", "--epochs", "2")
        #expect(run.exitCode == 65)
        #expect(
            run.error
                == """
                recurrent: m: another model; expected the one that m.checkpoint goes with, or \
                none of this name\n
                """
        )
        #expect(try folder.read("m") == model && folder.read("m.checkpoint") == checkpoint)
    }

    /// Cut off between the two files, the checkpoint makes the model: where there was none, and in
    /// place of the one that it knows of.
    @Test func theModelOfTheCheckpointIsMadeAgain() async throws {
        #expect(try await train("--epochs", "1").exitCode == 0)
        let before = try folder.read("m")
        #expect(try await train("--resume", "--epochs", "2").exitCode == 0)
        let model = try folder.read("m")
        #expect(model != before)
        for there in [nil, before] {
            try FileManager.default.removeItem(atPath: path("m"))
            if let there { try folder.write("m", there) }
            #expect(try await train("--resume", "--epochs", "1").exitCode == 0)
            #expect(try folder.read("m") == model)
        }
        #expect(try await train("--overwrite", "--seed", "2", "--epochs", "1").exitCode == 0)
        let over = try folder.read("m")
        try folder.write("m", model)
        #expect(try await train("--resume", "--seed", "2", "--epochs", "1").exitCode == 0)
        #expect(try folder.read("m") == over)
    }

    /// Where later epochs were no better, the checkpoint has other parameters.
    @Test func aLostModelIsRefused() async throws {
        let options = [
            "--epochs", "50", "--patience", "2", "--optimizer", "rmsprop", "--learning-rate", "0.4",
        ]
        #expect(
            try await recurrent(["train"] + smallModel + options + ["--out", "m"], in: folder)
                .exitCode == 0)
        try FileManager.default.removeItem(atPath: path("m"))
        let run = try await recurrent(
            ["train"] + smallModel + options + ["--out", "m", "--resume"], in: folder)
        #expect(
            run.exitCode == 66
                && run.error
                    == """
                    recurrent: m: no model; expected the best one so far beside its \
                    checkpoint\n
                    """
        )
    }

    /// Each number of the progress beyond what a training comes to, and numbers of the trainer that
    /// do not agree with it.
    @Test func progressThatNoTrainingMakesIsRefused() async throws {
        let options = smallModel + ["--schedule", "plateau:0.5:1"]
        #expect(try await train("--epochs", "2", from: options).exitCode == 0)
        let whole = try EditedCheckpoint(contentsOf: path("m.checkpoint"))
        let model = try folder.read("m")
        let least = "-9223372036854775808"
        let most = "9223372036854775807"
        let edits = [
            ("tokens", most), ("tokens", "-1"), ("epoch.training.count", most),
            ("epoch.training.count", "1"), ("epoch.segmentCount", most),
            ("epoch.segmentCount", "1"), ("epoch.segmentCount", "-1"), ("epoch.skippedSteps", "1"),
            ("epoch.known.count", most), ("epoch.known.count", "-1"),
            ("epoch.known.lossSum", "\"inf\""),
            ("bestKnownDevPerplexity", "-1"), ("stopping.bestEpoch", most),
            ("stopping.bestEpoch", "3"), ("stopping.bestEpoch", "0"), ("stopping.lastEpoch", least),
            ("stopping.lastEpoch", "1"),
            ("epochCount", "4611686018427387904"), ("epochCount", most), ("epochCount", least),
            ("epochCount", "1"), ("skippedSteps", least),
            ("skippedSteps", most), ("seconds", "-1"), ("stopping.bestPerplexity", "\"nan\""),
            ("stopping.bestPerplexity", "0"),
            ("bestTrainPerplexity", "\"nan\""), ("epoch.training.lossSum", "\"inf\""),
            ("plateau.current", "2"), ("plateau.worse", most),
            ("plateau.patience", most), ("plateau.factor", "1e300"), ("plateau.best", "\"nan\""),
            ("model", "null"), ("model", "1"),
            ("plateau", "null"), ("tokens", "1e300"), ("plateau.current", "0"),
            ("epoch.training.lossSum", "1"), ("epoch.known.lossSum", "-1"),
            ("epoch.training.unknownTokens", "1"), ("epoch.known.invalidTargets", least),
        ]
        for (key, value) in edits {
            var edited = whole
            let text = try #require(edited.metadata["training"])
            edited.metadata["training"] = try Self.edited(text, key, value)
            #expect(edited.metadata["training"] != text, "\(key)")
            try await refuses(edited, options, "\(key) \(value)")
        }
        for (key, value) in [
            ("recurrent.step", "281474976710656"), ("recurrent.step", "0"),
            ("recurrent.updates", "1"), ("training", "{}"), ("training", ""),
        ] {
            var edited = whole
            edited.metadata[key] = value
            if value == "0" { edited.metadata["recurrent.updates"] = "0" }
            try await refuses(edited, options, "\(key) \(value)")
        }
        // Targets that are said to be accumulated, and their gradient, in a training that
        // accumulates none.
        var edited = whole
        edited.metadata["recurrent.accumulated-targets"] = "5"
        edited.tensors.insert(
            (name: "gradient", elementType: .f32, shape: whole.tensors[0].shape), at: 2)
        edited.data.insert(
            contentsOf: [UInt8](repeating: 0, count: 4 * whole.tensors[0].shape[0]),
            at: whole.offset(of: whole.tensors[2].name))
        try await refuses(edited, options, "accumulated")
        #expect(try folder.read("m") == model)
        try whole.write(to: path("m.checkpoint"))
        #expect(try await train("--resume", "--epochs", "3", from: options).exitCode == 0)
    }

    private func refuses(_ checkpoint: EditedCheckpoint, _ options: [String], _ what: String)
        async throws
    {
        try checkpoint.write(to: path("m.checkpoint"))
        let before = try folder.read("m.checkpoint")
        let run = try await train("--resume", "--epochs", "3", from: options)
        #expect(run.exitCode == 65, "\(what): \(run.error)")
        #expect(try folder.read("m.checkpoint") == before, "\(what)")
    }

    /// JSON with another value at a path of keys.
    private static func edited(_ json: String, _ path: String, _ value: String) throws -> String {
        func set(_ object: Any?, _ keys: ArraySlice<Substring>) throws -> Any {
            guard let key = keys.first else {
                return try JSONSerialization.jsonObject(
                    with: Data(value.utf8), options: .fragmentsAllowed)
            }
            var members = try #require(object as? [String: Any])
            members[String(key)] = try set(members[String(key)], keys.dropFirst())
            return members
        }
        let object = try set(
            JSONSerialization.jsonObject(with: Data(json.utf8)), path.split(separator: ".")[...])
        return String(
            decoding: try JSONSerialization.data(withJSONObject: object, options: .sortedKeys),
            as: UTF8.self)
    }
}
