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

extension BadInput {
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
        BadInput("learn copy --cell lstm,copy", 64, "--cell", "lstm(peepholes)", "found copy"),
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
}
