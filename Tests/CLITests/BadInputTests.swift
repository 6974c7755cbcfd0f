import Foundation
import Recurrent
import RecurrentFormats
import Testing

@Suite struct BadInputTests {
    private let folder: Folder

    init() throws {
        folder = try Folder()
        try FileManager.default.createDirectory(
            atPath: folder.path + "/folder", withIntermediateDirectories: false)
        try folder.write("text", sampleText)
        try folder.write("empty", "")
        try folder.write("line", "only one line, with no end")
        try folder.write("short", "hi\nhi\n")
        try folder.write("latin1", [0x61, 0x62, 0x63, 0xE9, 0x0A, 0x61, 0x0A])

        let shape = ModelShape(
            input: .tokens(vocabulary: 4, dimension: 3), layers: [.lstm(5)], outputSize: 4,
            loss: .crossEntropy)
        func save(_ name: String, _ metadata: [String: String]) throws {
            var model = Model(shape, seed: 1)
            model.metadata = metadata
            try model.save(to: folder.path + "/" + name)
        }
        try save("no-vocabulary", [:])
        try save("other-vocabulary", ["recurrent.vocabulary": "a"])
        try save("model", ["recurrent.vocabulary": "ab"])
        try save("lying-batch", ["recurrent.vocabulary": "ab", "recurrent.batch": "-3"])
        try save(
            "enormous-rows",
            ["recurrent.vocabulary": "ab", "recurrent.batch": "65536", "recurrent.steps": "1024"])
        for (name, layer, head) in [
            ("many-to-one", RecurrentLayer.lstm(5), ModelShape.Head.mean),
            ("both-ways", .lstm(5, isBidirectional: true), .everyStep),
        ] {
            var model = Model(
                ModelShape(
                    input: .tokens(vocabulary: 4, dimension: 3), layers: [layer], head: head,
                    outputSize: 4,
                    loss: .crossEntropy), seed: 1)
            model.metadata = ["recurrent.vocabulary": "ab"]
            try model.save(to: folder.path + "/" + name)
        }
        try save(
            "lying-rows",
            [
                "recurrent.vocabulary": "ab", "recurrent.batch": "16777216",
                "recurrent.steps": "16777216",
            ])
        try spoil("model", as: "nan", tensor: "lstm.weight_hh_l0", .nan)
        try spoil("model", as: "infinite", tensor: "dense.weight", -.infinity)
        try spoil("model", as: "enormous-bias", tensor: "dense.bias", 3e38)
        try spoil("enormous-bias", as: "enormous", tensor: "dense.weight", 3e38)
        try spoil("model", as: "large", tensor: "dense.bias", 2e3)
        let model = try folder.read("model")
        try folder.write("cut", model.dropLast(4))
        try folder.write("cut-header", model.prefix(40))
        try folder.write("lying", model.prefix(7) + [0x7F] + model.dropFirst(8))
    }

    /// Another file, the same model but for one number of a tensor: of the dense layer's, one of
    /// the last class.
    private func spoil(_ name: String, as other: String, tensor spoiled: String, _ value: Float)
        throws
    {
        let file = try Safetensors(folder.read(name))
        let tensors = try file.entries.map { entry in
            let tensor = try file.tensor(named: entry.name)
            guard entry.name == spoiled else { return tensor }
            var values = tensor.values
            values[min(17, values.count - 1)] = value
            return Tensor(name: tensor.name, shape: tensor.shape, values: values)
        }
        try folder.write(other, Safetensors.encode(tensors, metadata: file.metadata))
    }

    private func check(_ input: BadInput) async throws {
        let before = folder.names
        let run = try await recurrent(input.arguments, in: folder, environment: input.environment)
        #expect(run.exitCode == input.exitCode)
        #expect(run.output.isEmpty)
        #expect(
            run.error.hasPrefix("recurrent: ") && run.error.hasSuffix("\n")
                && run.error.count { $0 == "\n" } == 1, "\(run.error)")
        for name in input.names { #expect(run.error.contains(name), "\(run.error)") }
        #expect(folder.names == before, "nothing is left behind")
    }

    @Test(arguments: BadInput.usage) func usageIsOneLine(input: BadInput) async throws {
        try await check(input)
    }
    @Test(arguments: BadInput.texts) func textIsOneLine(input: BadInput) async throws {
        try await check(input)
    }
    @Test(arguments: BadInput.models) func modelIsOneLine(input: BadInput) async throws {
        try await check(input)
    }
    @Test(arguments: BadInput.outputs) func outputIsOneLine(input: BadInput) async throws {
        try await check(input)
    }

    @Test func emptyPathsAreNamed() async throws {
        for (arguments, name) in [
            (["train", "--text", ""], "--text"), (["evaluate", "model", "--text", ""], "--text"),
            (["evaluate", "", "--text", "text"], "<model>"),
            (["generate", ""], "<model>"), (["train", "--text", "text", "--out", ""], "--out"),
        ] {
            let run = try await recurrent(arguments, in: folder)
            #expect(
                run.exitCode == 64
                    && run.error == "recurrent: \(name): expected a path, found none\n",
                "\(run.error)")
        }
    }

    /// Weights that are finite but too large to compute with, and a loss that has no perplexity: no
    /// JSON that is none.
    @Test func aLossThatIsNotFiniteIsNotJSON() async throws {
        try await check(
            BadInput("evaluate enormous --text text --json", 65, "enormous: the loss is not finite")
        )
        let run = try await recurrent(
            ["evaluate", "large", "--text", "text", "--json"], in: folder)
        #expect(
            run.exitCode == 0 && run.output.contains("\"perplexity\":null"),
            "\(run.output)\(run.error)")
        let report = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
        #expect((report?["loss"] as? Double).map { $0 > 709 && $0 < 2100 } == true)
    }

    /// What the metadata say of a training's batch has no part in how a text is measured: neither
    /// in the perplexity nor in the memory, of which the whole tool gets a gigabyte here.
    @Test(arguments: ["model", "lying-batch", "lying-rows", "enormous-rows"])
    func metadataDoNotChangeAPerplexity(model: String) async throws {
        let line = "ulimit -v 1000000; \"$RECURRENT\" evaluate \(model) --text text --threads 1"
        let run = try await shell(line, in: folder)
        let expected = try await shell(line.replacing(model, with: "model"), in: folder)
        #expect(
            run.exitCode == 0 && run.error.isEmpty && run.output.hasPrefix("perplexity "),
            "\(run.error)")
        #expect(run.output == expected.output)
    }

    @Test func metadataThatLieAreRefused() async throws {
        try await check(
            BadInput("inspect lying-batch", 65, "lying-batch: metadata recurrent.batch", "found -3")
        )
        try await check(
            BadInput(
                "inspect lying-rows", 65, "lying-rows: metadata recurrent.batch × recurrent.steps",
                "found 281474976710656"))
    }

    /// A model file with another head, or with a layer that reads backward, has a vocabulary too.
    @Test(arguments: ["many-to-one", "both-ways"])
    func aModelThatReadsWholeSequencesIsNoLanguageModel(model: String) async throws {
        for command in ["generate \(model)", "evaluate \(model) --text text"] {
            try await check(
                BadInput(
                    command, 65, "\(model): no language model; expected an output for every step"))
        }
    }

    /// The memory that a process may have is less than this model takes: it says so and is not
    /// killed.
    @Test func aLimitOfTheMemoryIsRespected() async throws {
        let limited = try await shell(
            "ulimit -v 600000; \"$RECURRENT\" train --text text --batch 4 --steps 8 --hidden 3000",
            in: folder)
        #expect(
            limited.exitCode == 64
                && limited.error.hasPrefix(
                    "recurrent: the model: too large for the memory; expected at most 0."),
            "\(limited.error)")
        let large = try await shell(
            """
            ulimit -v 600000; head -c 100000000 /dev/zero >zeros; \"$RECURRENT\" train --text \
            zeros
            """,
            in: folder)
        #expect(
            large.exitCode == 65
                && large.error.hasPrefix(
                    "recurrent: zeros: too large for the memory; expected at most 0."),
            "\(large.error)")
        // A pipe has no size: it is read as far as there is memory for it.
        let letters = "head -c 100000000 /dev/zero | tr '\\0' a"
        for (line, message) in [
            ("\(letters) | \"$RECURRENT\" train --text -", "standard input: too long; expected"),
            ("\(letters) | \"$RECURRENT\" train --text /dev/stdin", "/dev/stdin: file too large"),
            ("\(letters) | \"$RECURRENT\" inspect /dev/stdin", "/dev/stdin: file too large"),
        ] {
            let piped = try await shell("ulimit -v 600000; \(line)", in: folder)
            #expect(
                piped.exitCode == 65 && piped.error.hasPrefix("recurrent: \(message)"),
                "\(line): \(piped.error)")
        }
        let flow = try await shell(
            "ulimit -v 600000; \"$RECURRENT\" flow --hidden 128 --steps 10000", in: folder)
        #expect(
            flow.exitCode == 64
                && flow.error.hasPrefix("recurrent: --hidden, --steps: too large for the memory;"),
            "\(flow.error)")
        let model = try await shell("ulimit -v 600000; \"$RECURRENT\" generate zeros", in: folder)
        #expect(
            model.exitCode == 65 && model.error.hasPrefix("recurrent: zeros: "), "\(model.error)")
    }

    /// Stacks of 500 MB: the system has none for 64 threads, and the training goes on with fewer,
    /// to the same bits.
    @Test func threadsThatAreRefusedAreFewerThreads() async throws {
        let options = "train \(smallModel.joined(separator: " ")) --epochs 1 --json --quiet"
        let limited = try await shell(
            "ulimit -s 500000; ulimit -v 3000000; \"$RECURRENT\" \(options) --threads 64 --out few",
            in: folder)
        #expect(limited.exitCode == 0 && limited.error.isEmpty, "\(limited.error)")
        let report = try #require(
            JSONSerialization.jsonObject(with: Data(limited.output.utf8)) as? [String: Any])
        let threads = try #require(report["threads"] as? Int)
        #expect((1...6).contains(threads))
        _ = try await shell("\"$RECURRENT\" \(options) --out one", in: folder)
        #expect(try folder.read("few") == folder.read("one"))
        #if !OpenBLAS  // whose threads wait for ever for address space
            // The heaps of threads take address space as well.
            for limit in [250_000, 400_000] {
                let run = try await shell(
                    """
                    ulimit -v \(limit); "$RECURRENT" \(options) --threads 8 --overwrite --out less
                    """, in: folder)
                #expect(run.exitCode == 0, "\(limit): \(run)")
            }
        #endif
    }

    @Test(.enabled(if: getuid() != 0, "everything is readable to root"))
    func whatIsNotPermittedIsOneLine() async throws {
        try FileManager.default.setAttributes(
            [.posixPermissions: 0], ofItemAtPath: folder.path + "/text")
        try await check(BadInput("train --text text", 66, "text: Permission denied"))
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o400], ofItemAtPath: folder.path + "/model")
        try await check(BadInput("train --text short --out model", 73, "model: cannot be written"))
    }

    @Test func aFullDiskIsOneLine() async throws {
        let run = try await shell("\"$RECURRENT\" generate model >/dev/full", in: folder)
        #expect(run.exitCode == 74)
        #expect(run.error == "recurrent: standard output: No space left on device\n")
        let closed = try await shell("\"$RECURRENT\" generate model >&-", in: folder)
        #expect(
            closed.exitCode == 74
                && closed.error == "recurrent: standard output: Bad file descriptor\n")
    }

    @Test(arguments: ["text", "./text", "link", "folder/../text"]) func aTextIsNotOverwritten(
        by out: String
    ) async throws {
        try FileManager.default.createSymbolicLink(
            atPath: folder.path + "/link", withDestinationPath: "text")
        try await check(BadInput("train --text text --out \(out)", 64, "--out: \(out) is the text"))
        try await check(BadInput("train --text \(out) --out text", 64, "--out: text is the text"))
        #expect(try folder.read("text") == Array(sampleText.utf8))
    }

    @Test func aModelThatWasThereSurvivesAFailure() async throws {
        let model = try folder.read("model")
        // The first step throws the weights so far that the probabilities of the text are zero, or
        // that no loss is a number.
        for (learningRate, message) in [
            ("1e6", "no perplexity is finite after 2 epochs"),
            ("1e38", "the loss is not finite in epoch 1"),
        ] {
            for form in ["--quiet", "--json"] {
                let options = [
                    "--optimizer", "sgd", "--learning-rate", learningRate, "--clip", "3e38", form,
                    "--overwrite", "--out", "model",
                ]
                let run = try await recurrent(["train"] + smallModel + options, in: folder)
                #expect(run.exitCode == 70 && run.output.isEmpty)
                #expect(
                    run.error.hasPrefix(
                        """
                        recurrent: training: diverged: \(message); expected a smaller \
                        --learning-rate, found
                        """
                    ), "\(run.error)")
                #expect(run.error.hasSuffix("; no model yet\n"), "\(run.error)")
                #expect(try folder.read("model") == model)
            }
        }
    }
}
