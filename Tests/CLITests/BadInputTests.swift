import Foundation
import Recurrent
import RecurrentFormats
import Testing

/// A command line that must fail, with its exit code and what its message must name.
struct BadInput: CustomStringConvertible, Sendable {
    let arguments: [String]
    let exitCode: Int
    let names: [String]
    var environment: [String: String] = [:]

    var description: String { arguments.joined(separator: " ") }

    init(_ line: String, _ exitCode: Int, _ names: String..., environment: [String: String] = [:]) {
        arguments = line.split(separator: " ").map(String.init)
        self.exitCode = exitCode
        self.names = names
        self.environment = environment
    }
}

@Suite struct BadInputTests {
    static let usage = [
        BadInput("train --hidden 0", 64, "--hidden", "found 0"),
        BadInput("train --hidden 100000000", 64, "--hidden", "found 100000000"),
        BadInput("train --text text --hidden 16000000", 64, "memory", "GB"),
        BadInput("train --text text --embedding 16000000 --hidden 16000000", 64, "memory", "GB"),
        BadInput("train --steps -1", 64, "--steps", "found -1"),
        BadInput("train --batch 0", 64, "--batch", "found 0"),
        BadInput("train --batch some", 64, "--batch", "some"),
        BadInput("train --optimizer momentum --momentum 1", 64, "--momentum", "found 1.0"),
        BadInput("train --momentum 0.5", 64, "--momentum", "adam"),
        BadInput("train --batch 99999999999999999999", 64, "--batch", "99999999999999999999"),
        BadInput("train --layers 1000000000", 64, "--layers"),
        BadInput("train --epochs 0", 64, "--epochs"),
        BadInput("train --patience 0", 64, "--patience"),
        BadInput("train --dev-fraction 1.5", 64, "--dev-fraction", "found 1.5"),
        BadInput("train --dev-fraction nan", 64, "--dev-fraction", "found nan"),
        BadInput("train --dropout 1", 64, "--dropout", "found 1.0"),
        BadInput("train --dropout 0.999999999999", 64, "--dropout"),
        BadInput("train --recurrent-dropout 1", 64, "--recurrent-dropout", "found 1.0"),
        BadInput("compare --recurrent-dropout -0.5", 64, "--recurrent-dropout", "found -0.5"),
        BadInput("train --learning-rate nan", 64, "--learning-rate", "found nan"),
        BadInput("train --learning-rate -0.1", 64, "--learning-rate", "found -0.1"),
        BadInput("train --learning-rate inf", 64, "--learning-rate", "found inf"),
        BadInput("train --clip nan", 64, "--clip", "found nan"),
        BadInput("train --steps 9223372036854775807", 64, "--steps"),
        BadInput("train --text text --batch 16777216 --steps 16777216", 65, "text: too short"),
        BadInput("bench step --hidden 9223372036854775807", 64, "--hidden"),
        BadInput(
            "bench sequence --steps 65536 --batch 65536 --hidden 65536", 64, "sizes: too large"),
        BadInput("bench train --input -9223372036854775808", 64, "--input"),
        BadInput("bench optimizer --parameters 9223372036854775807", 64, "--parameters"),
        BadInput("train --learning-rate fast", 64, "--learning-rate", "fast"),
        BadInput("train --clip 0", 64, "--clip"),
        BadInput("train --optimizer newton", 64, "--optimizer", "rmsprop", "found newton"),
        BadInput("train --l1 -0.1", 64, "--l1", "found -0.1"),
        BadInput("train --l2 1e39", 64, "--l2", "in a float's range"),
        BadInput("train --learning-rate 1e39", 64, "--learning-rate", "found 1e+39"),
        BadInput("train --learning-rate 1e-60", 64, "--learning-rate", "found 1e-60"),
        BadInput("train --clip 1e-60", 64, "--clip", "found 1e-60"),
        BadInput("train --clip 1e39", 64, "--clip", "found 1e+39"),
        BadInput("train --l1 1e-60", 64, "--l1", "found 1e-60"),
        BadInput("train --dropout 1e-60", 64, "--dropout", "found 1e-60"),
        BadInput(
            "train --optimizer momentum --momentum 0.999999999", 64, "--momentum",
            "found 0.999999999"),
        BadInput("learn adding --learning-rate 1e39", 64, "--learning-rate", "found 1e+39"),
        BadInput("learn adding --clip 1e-60", 64, "--clip", "found 1e-60"),
        BadInput("compare --optimizers sgd,adam:1e39", 64, "--optimizers", "found 1e+39"),
        BadInput("compare --optimizers sgd:1e-60", 64, "--optimizers", "found 1e-60"),
        BadInput("tune --lowest 1e39 --highest 1e39", 64, "--lowest", "found 1e+39"),
        BadInput("tune --lowest 1e-60 --highest 1e-50", 64, "--lowest", "found 1e-60"),
        BadInput("flow --gain 1e39", 64, "--gain", "found 1e+39"),
        BadInput("flow --gain 10 --steps 400 --hidden 4", 64, "--gain", "found a bound of inf"),
        BadInput(
            "train --text text --cell lstm(projection:16777216) --hidden 8", 64, "the model",
            "memory", "GB"),
        BadInput("learn adding --batch 16777216 --length 100", 64, "the model", "memory", "GB"),
        BadInput(
            "learn copy --batch 16777216 --length 1000000", 64, "batch × steps",
            "found 16777216 × 1000020"),
        BadInput(
            "train --schedule sine:3", 64, "--schedule: unknown", "one-cycle:EPOCHS", "found sine:3"
        ),
        BadInput("train --cell transformer", 64, "--cell", "gru(resetBefore)", "found transformer"),
        BadInput("train --threads 0", 64, "--threads"),
        BadInput("train --threads 100000", 64, "--threads"),
        BadInput("train --seed -1", 64, "--seed"),
        BadInput("train --isa neon", 64, "--isa", "generic", "found neon"),
        BadInput(
            "train", 64, "RECURRENT_ISA", "generic", "found sse9",
            environment: ["RECURRENT_ISA": "sse9"]),
        BadInput("train --steps", 64, "--steps"),
        BadInput("train --what", 64, "--what"),
        BadInput("fly", 64, "fly"),
        BadInput("generate", 64, "model"),
        BadInput("generate model --temperature -1", 64, "--temperature", "found -1"),
        BadInput("generate model --temperature inf", 64, "--temperature", "found inf"),
        BadInput("generate model --length -1", 64, "--length"),
        BadInput("evaluate model", 64, "--text"),
    ]

    static let texts = [
        BadInput("train --text missing", 66, "missing: No such file"),
        BadInput("train --text folder", 66, "folder: Is a directory"),
        BadInput("train --text text/text", 66, "text/text: Not a directory"),
        BadInput("train --text empty", 65, "empty:", "an empty file"),
        BadInput(
            "train --text line", 65, "line:", "at least --batch 16 × --steps 64 tokens",
            "found 22"),
        BadInput(
            "train --text short", 65, "short:", "at least --batch 16 × --steps 64 tokens", "found 5"
        ),
        BadInput(
            "train --text latin1", 65, "latin1:", "expected UTF-8", "found 0xe9 at byte offset 3"),
        BadInput("train", 66, "not in the package", "--text"),
        BadInput("evaluate model --text missing", 66, "missing: No such file"),
        BadInput("evaluate model --text folder", 66, "folder: Is a directory"),
        BadInput("evaluate model --text empty", 65, "empty:", "an empty file"),
        BadInput("evaluate model --text latin1", 65, "latin1:", "found 0xe9 at byte offset 3"),
    ]

    static let models = ["generate", "evaluate --text text"].flatMap { command in
        [
            BadInput("\(command) missing", 66, "missing: No such file"),
            BadInput("\(command) folder", 66, "folder: Is a directory"),
            BadInput("\(command) empty", 65, "empty: file cut short"),
            BadInput("\(command) cut", 65, "cut: ", "bytes"),
            BadInput("\(command) cut-header", 65, "cut-header: header reaches past the end"),
            BadInput("\(command) lying", 65, "lying: header too long"),
            BadInput("\(command) text", 65, "text: header"),
            BadInput(
                "\(command) nan", 65,
                "nan: lstm.weight_hh_l0: not a number that can be computed with",
                "found nan at index 17"),
            BadInput(
                "\(command) infinite", 65, "infinite: dense.weight: ", "found -inf at index 17"),
            BadInput(
                "\(command) no-vocabulary", 65, "no-vocabulary:", "recurrent.vocabulary, found none"
            ),
            BadInput("\(command) other-vocabulary", 65, "other-vocabulary:", "expected 3 tokens"),
        ]
    }

    static let outputs = [
        BadInput(
            "train --text text --out missing/model", 73, "missing/model: cannot be written",
            "No such file"),
        BadInput("train --text text --out text/model", 73, "text/model: cannot be written"),
        BadInput("train --text text --out folder", 73, "folder: cannot be written", "a folder"),
        BadInput("train --text text --out /dev/full", 73, "/dev/full: cannot be written"),
        BadInput(
            "train --text text --out \u{1}\n/model", 73, "\\u{01}\\n/model: cannot be written"),
    ]

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

    @Test(arguments: usage) func usageIsOneLine(input: BadInput) async throws {
        try await check(input)
    }
    @Test(arguments: texts) func textIsOneLine(input: BadInput) async throws {
        try await check(input)
    }
    @Test(arguments: models) func modelIsOneLine(input: BadInput) async throws {
        try await check(input)
    }
    @Test(arguments: outputs) func outputIsOneLine(input: BadInput) async throws {
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
