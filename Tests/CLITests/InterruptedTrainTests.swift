import Foundation
import Recurrent
import Testing

/// A training that is interrupted leaves its best model, and `--resume` goes on with its
/// checkpoint.
@Suite struct InterruptedTrainTests {
    private let folder: Folder

    init() throws {
        folder = try Folder()
        try folder.write("text", sampleText)
    }

    @Test(arguments: [("TERM", 15), ("HUP", 1)]) func anInterruptedTrainingLeavesItsBestModel(
        signal: String, number: Int
    ) async throws {
        let line = """
            "$RECURRENT" train \(smallModel.joined(separator: " ")) --epochs 1000000 --patience \
            1000000 >/dev/null & tool=$!
            \(waiting(for: "model.safetensors")); kill -\(signal) $tool; wait $tool
            """
        let run = try await shell(line, in: folder)
        #expect(run.exitCode == 128 + number)
        #expect(
            run.error
                == """
                recurrent: interrupted; the best model so far is in model.safetensors; \
                --resume goes on\n
                """
        )
        #expect(folder.names == ["model.safetensors", "model.safetensors.checkpoint", "text"])
        _ = try Model(contentsOf: folder.path + "/model.safetensors")
    }

    /// Cut off in the middle of an epoch, wherever that is, and once more where it has reached its
    /// epochs. What depends on the updates done, on the epochs, or on how they went, goes on too.
    @Test(arguments: [
        [], ["--schedule", "warm-up:1,cosine:7:0.1"], ["--schedule", "step:1:0.9"],
        ["--schedule", "restarts:1:2"], ["--schedule", "one-cycle:6"],
        ["--schedule", "plateau:0.5:1", "--learning-rate", "0.2"],
        ["--schedule", "exponential:0.998"], ["--schedule", "inverse:0.5"],
        ["--schedule", "linear:8:0.5", "--l1", "0.0001", "--l2", "0.001"],
        ["--batch", "all", "--schedule", "step:2:0.5"],
        ["--optimizer", "nesterov", "--momentum", "0.8"],
    ]) func aTrainingThatWasCutOffGoesOnWithTheSameBits(more: [String]) async throws {
        let options = smallModel + ["--dropout", "0.2", "--patience", "100"] + more
        let line = """
            "$RECURRENT" train \(options.joined(separator: " ")) --epochs 1000000 >/dev/null 2>&1 \
            & tool=$!
            \(waiting(for: "model.safetensors.checkpoint")); kill -INT $tool; \
            wait $tool
            """
        let cut = try await shell(line, in: folder)
        #expect(cut.exitCode == 128 + 2)
        let done = try await recurrent(
            ["train"] + options + ["--resume", "--epochs", "1", "--json"], in: folder)
        let object = try #require(
            JSONSerialization.jsonObject(with: Data(done.output.utf8)) as? [String: Any])
        let epochs = try #require(object["epochs"] as? Int) + 3
        for rest in [epochs - 1, epochs] {
            let run = try await recurrent(
                ["train"] + options + ["--resume", "--epochs", String(rest), "--threads", "2"],
                in: folder)
            #expect(run.exitCode == 0 && run.error.isEmpty, "\(run.error)")
        }
        let whole = try Folder()
        try whole.write("text", folder.read("text"))
        _ = try await recurrent(["train"] + options + ["--epochs", String(epochs)], in: whole)
        #expect(try whole.read("model.safetensors") == folder.read("model.safetensors"))
    }

    /// A rate so large that it comes down before the cut.
    @Test func aPlateauGoesOnToo() async throws {
        let options =
            smallModel + [
                "--patience", "100", "--optimizer", "rmsprop", "--learning-rate", "0.4",
                "--schedule", "plateau", "--out",
            ]
        let whole = try await recurrent(
            ["train"] + options + ["whole", "--epochs", "9"], in: folder)
        let worse = whole.output.split(separator: "\n").filter { $0.hasPrefix("epoch") }.map {
            $0.contains("(no better)")
        }
        #expect(worse.count == 9 && worse[..<5].contains(true), "\(whole.output)")
        _ = try await recurrent(["train"] + options + ["cut", "--epochs", "5"], in: folder)
        _ = try await recurrent(
            ["train"] + options + ["cut", "--epochs", "9", "--resume"], in: folder)
        // Moments and parameters after the last epoch, between what is said of the time that it
        // took and the checksum of all.
        let tensors = try ["whole", "cut"].map {
            try folder.read($0 + ".checkpoint").dropLast(8).suffix(10_000)
        }
        let areTheSame = tensors[0] == tensors[1]
        #expect(areTheSame && tensors[0].count == 10_000)
    }

    @Test(arguments: [
        ["--steps", "7"], ["--optimizer", "sgd"], ["--learning-rate", "0.5"], ["--seed", "2"],
        ["--dev-fraction", "0.5"], ["--l2", "0.1"],
        ["--schedule", "linear:3"], ["--batch", "all"],
        ["--optimizer", "momentum", "--momentum", "0.8"],
    ])
    func aCheckpointOfAnotherTrainingIsRefused(options: [String]) async throws {
        _ = try await recurrent(["train"] + smallModel + ["--epochs", "1"], in: folder)
        let run = try await recurrent(["train"] + smallModel + options + ["--resume"], in: folder)
        #expect(
            run.exitCode == 65
                && run.error.hasPrefix(
                    """
                    recurrent: model.safetensors.checkpoint: a checkpoint of another training; \
                    expected 
                    """
                ),
            "\(run.error)")
    }

    @Test func withoutACheckpointThereIsNothingToResume() async throws {
        let run = try await recurrent(["train"] + smallModel + ["--resume"], in: folder)
        #expect(
            run.exitCode == 66
                && run.error
                    == "recurrent: model.safetensors.checkpoint: No such file or directory\n"
        )
    }
}
