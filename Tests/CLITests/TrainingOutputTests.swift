import Foundation
import Testing

@testable import recurrent_cli

/// Where `train` writes: nothing that is there is lost.
@Suite struct TrainingOutputTests {
    private let folder: Folder

    init() throws {
        folder = try Folder()
        try folder.write("text", sampleText)
    }

    private func train(_ options: String...) async throws -> Outcome {
        try await recurrent(["train"] + smallModel + ["--epochs", "1"] + options, in: folder)
    }

    @Test func aModelThatIsThereIsNotLearnedOver() async throws {
        #expect(try await train("--out", "m").exitCode == 0)
        let model = try folder.read("m")
        let checkpoint = try folder.read("m.checkpoint")
        for (gone, exists) in [(nil, "m"), ("m", "m.checkpoint")] {
            if let gone { try FileManager.default.removeItem(atPath: folder.path + "/" + gone) }
            let names = folder.names
            let run = try await train("--out", "m", "--seed", "2")
            #expect(run.exitCode == 73 && run.output.isEmpty)
            #expect(
                run.error == """
                    recurrent: \(exists): exists; expected --resume to go on with its training, \
                    --overwrite to start over, or another --out

                    """)
            #expect(try folder.names == names && folder.read("m.checkpoint") == checkpoint)
        }
        try folder.write("m", model)
        let both = try await train("--out", "m", "--overwrite", "--resume")
        #expect(
            both.exitCode == 64
                && both.error
                    == "recurrent: --overwrite: starts over; expected it without --resume\n"
        )
        #expect(try await train("--out", "m", "--seed", "2", "--overwrite").exitCode == 0)
        #expect(try folder.read("m") != model && folder.names == ["m", "m.checkpoint", "text"])
    }

    @Test func withoutOutTheNextFreeNameIsTaken() async throws {
        let first = try await train()
        #expect(first.exitCode == 0 && !first.output.contains("is taken"))
        let second = try await train()
        #expect(
            second.exitCode == 0
                && second.output.hasPrefix(
                    "model.safetensors is taken: the model goes to model-2.safetensors\n")
        )
        #expect(second.output.contains("\nthe model is in model-2.safetensors; "))
        let third = try await train("--json", "--seed", "2")
        #expect(third.output.contains(#""out":"model-3.safetensors""#))
        let models: [String] = ["model-2", "model-3", "model"].flatMap {
            [$0 + ".safetensors", $0 + ".safetensors.checkpoint"]
        }
        #expect(folder.names == models + ["text"])
        // The last one that was written goes on, not the last name.
        let resumed = try await train("--resume", "--seed", "2", "--epochs", "2")
        #expect(
            resumed.exitCode == 0 && resumed.output.hasPrefix("goes on with model-3.safetensors\n"),
            "\(resumed.error)")
        #expect(
            try await train("--resume", "--epochs", "2", "--out", "model.safetensors").exitCode == 0
        )
        let newest = try await train("--resume", "--epochs", "3", "--json")
        #expect(newest.output.contains(#""out":"model.safetensors""#), "\(newest.error)")
    }

    /// By whatever path; the lock of a process that was killed holds nobody up, and leaves nothing.
    @Test func twoTrainingsDoNotWriteOneFile() async throws {
        try FileManager.default.createDirectory(
            atPath: folder.path + "/sub", withIntermediateDirectories: false)
        try FileManager.default.createSymbolicLink(
            atPath: folder.path + "/link", withDestinationPath: "sub")
        try folder.write(".other.lock", "mine")
        let options = smallModel.joined(separator: " ") + " --patience 1000000"
        let line = """
            "$RECURRENT" train \(options) --epochs 1000000 --out sub/m >/dev/null & tool=$!
            \(waiting(for: "sub/m"))
            "$RECURRENT" train \(options) --epochs 1 --overwrite --out sub/m 2>&1; echo $?
            "$RECURRENT" train \(options) --resume --out link/../sub/m 2>&1; echo $?
            "$RECURRENT" train \(options) --overwrite --out "$PWD/link/m" >/dev/null 2>&1; echo $?
            kill -KILL $tool; wait $tool 2>/dev/null
            "$RECURRENT" train \(options) --epochs 1 --quiet --resume --out sub/m; echo $?
            "$RECURRENT" train \(options) --epochs 1 --quiet --out other >/dev/null; echo $?
            """
        let run = try await shell(line, in: folder)
        let lines = run.output.split(separator: "\n").map(String.init)
        func refusal(_ path: String) -> String {
            """
            recurrent: \(path): another training writes it; expected none: wait for its end, \
            or choose another --out
            """
        }
        #expect(
            lines.prefix(5) == [refusal("sub/m"), "75", refusal("link/../sub/m"), "75", "75"],
            "\(run.output)")
        #expect(lines.suffix(2) == ["0", "0"], "\(run.error)")
        let left = try FileManager.default.contentsOfDirectory(atPath: folder.path + "/sub").filter
        { !$0.hasPrefix(".recurrent-") }
        #expect(left.sorted() == ["m", "m.checkpoint"])
        #expect(try folder.read(".other.lock") == Array("mine".utf8))
    }

    @Test func aModelWhoseFileCouldNotBeReadIsRefused() throws {
        let options = try TrainingOptions.parse(["--hidden", "8192"])
        let text = try TrainingText(
            Array(sampleText.unicodeScalars), name: "text", devFraction: 0.2, batch: 4, steps: 8)
        let shape = try options.shape(text, momentCount: 0)
        let bytes = 4 * (shape.parameterCount + 4 * 8192)
        let failure = #expect(throws: Failure.self) { try checkFileSize(shape) }
        #expect(failure?.cause == .usage)
        #expect(
            failure?.message
                == """
                memory: the model's file is too large; expected at most 1073741824 bytes, \
                found \(bytes + 16 << 20)
                """
        )
        try checkFileSize(shape, limit: bytes + 16 << 20)
    }
}
