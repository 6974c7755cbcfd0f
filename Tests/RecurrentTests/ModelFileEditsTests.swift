import RecurrentFormats
import TestSupport
import Testing

@testable import Recurrent

/// A model file whose parsed parts, not its bytes, are changed: numbers and names that a reader of
/// the header takes, and that the model then has to make sense of.
private struct EditedFile {
    struct Part {
        var name: String
        var type: ElementType
        var shape: [Int]
        var values: [Float]
    }

    var metadata: [String: String]
    var parts: [Part]

    init(_ path: String) throws {
        let file = try Safetensors(try readFile(path))
        metadata = file.metadata
        parts = try file.entries.map { entry in
            let values = try file.tensor(named: entry.name).values
            return Part(
                name: entry.name, type: entry.elementType, shape: entry.shape, values: values)
        }
    }

    /// The bytes of the file. Data is as long as the shape says, where that is not more than a
    /// page.
    var bytes: [UInt8] {
        var members = [
            "\"__metadata__\":{" + metadata.map { "\"\($0)\":\"\($1)\"" }.joined(separator: ",")
                + "}"
        ]
        var data: [UInt8] = []
        for part in parts {
            let count = part.shape.reduce(1) { $0.multipliedReportingOverflow(by: $1).partialValue }
            let begin = data.count
            let size = max(0, min(count, 4096))
            for index in 0..<size {
                let bits = index < part.values.count ? part.values[index].bitPattern : 0
                let lowest = part.type == .f32 ? 0 : 16
                let width = part.type == .f32 ? 32 : 16
                for shift in stride(from: 0, to: width, by: 8) {
                    data.append(UInt8(truncatingIfNeeded: bits >> (lowest + shift)))
                }
            }
            let type = part.type == .f32 ? "F32" : "BF16"
            let offsets = "[\(begin),\(data.count)]"
            members.append(
                """
                "\(part.name)":{"dtype":"\(type)","shape":\(part.shape),"data_offsets":\(offsets)}
                """
            )
        }
        let header = Array("{\(members.joined(separator: ","))}".utf8)
        return (0..<8).map { UInt8(truncatingIfNeeded: header.count >> ($0 * 8)) } + header + data
    }
}

extension EditedFile {
    private static let numbers = [
        0, 1, 2, 3, 4, 5, 16, 17, 4096, 1 << 24, 1 << 24 + 1, 1 << 31, 1 << 53, 1 << 53 + 1, .max,
        -1, .min,
    ]
    private static let texts =
        numbers.map(String.init) + [
            "", " ", "nan", "inf", "1e39", "1e400", "-0.0", "0x1p3", "crossEntropy",
            "meanSquaredError", "huber", "hinge",
            "everyStep", "lastStep", "mean", "lstm", "gru", "rnn", "lstm lstm", "gru gru",
            "rnn(relu) rnn(tanh)", "rnn(leakyReLU)",
            "lstm(peepholes) lstm", "lstm(projection:4) lstm",
            "lstm(projection:9223372036854775807)", "lstm(clip:1e39)",
            "lstm(sigmoid+coupled+clip:1.5) lstm", "gru(lecture) gru", "minGRU gru", "lstm  gru",
            "dense.weight",
            "lstm.weight_ih_l0",
        ]
    private static let keys = [
        "recurrent.loss", "recurrent.delta", "recurrent.cells", "recurrent.head", "recurrent.batch",
        "recurrent.x",
        "embedding.weight", "dense.weight", "lstm.weight_hh_l1", "note",
    ]
    private static let replacements = [
        ("_l0", "_l1"), ("_l1", "_l0"), ("_l1", "_l2"), ("_l0", "_l0_reverse"), ("lstm", "gru"),
        ("lstm", "rnn"), ("gru", "lstm"),
        ("rnn", "gru"), ("lstm.", ""), ("gru.", ""), ("rnn.", ""), ("lstm.", "lstm(coupled)."),
        ("lstm.", "lstm()."),
        ("lstm.", "lstm(peepholes)."), ("gru.", "gru(lecture)."), ("gru.", "(lecture)."),
        ("rnn.", "rnn(sigmoid)."), ("gru.", "minGRU."), ("minGRU.", "gru."), ("minGRU.", ""),
        ("minGRU.", "minGRU(lecture)."),
        ("bias_hh", "weight_hr"), ("bias_hh", "peephole"), ("embedding", "dense"),
        ("dense", "embedding"), ("weight", "bias"),
        ("(", "(("), (".", ")."),
    ]

    mutating func edit(_ random: inout SplitMix64) {
        func any<C: RandomAccessCollection>(_ choices: C) -> C.Element where C.Index == Int {
            choices[choices.startIndex + Int(random.next() % UInt64(choices.count))]
        }
        let index = parts.isEmpty ? 0 : Int(random.next() % UInt64(parts.count))
        switch random.next() % 10 {
        case 0, 1: metadata[any(Self.keys)] = any(Self.texts)
        case 2: metadata[any(Self.keys)] = nil
        case 3: metadata = [:]
        case _ where parts.isEmpty: return
        case 4:
            guard !parts[index].shape.isEmpty else { return }
            parts[index].shape[any(parts[index].shape.indices)] = any(Self.numbers)
        case 5:
            parts[index].shape =
                [
                    parts[index].shape.reversed(), parts[index].shape.dropLast(),
                    parts[index].shape + [1],
                ][any(0..<3)]
        case 6:
            // One part, or all of a layer.
            let (old, new) = any(Self.replacements)
            let one = random.next() % 4 == 0
            for other in parts.indices where !one || other == index {
                parts[other].name = parts[other].name.replacing(old, with: new)
            }
        case 7: parts.remove(at: index)
        case 8:
            var copy = parts[index]
            let (old, new) = any(Self.replacements)
            copy.name = copy.name.replacing(old, with: new)
            parts.append(copy)
        default:
            parts[index].type = any([.f32, .bf16])
            guard !parts[index].values.isEmpty else { return }
            parts[index].values[any(parts[index].values.indices)] = any([
                .nan, .infinity, .greatestFiniteMagnitude, -1e30, .leastNonzeroMagnitude,
            ])
        }
    }
}

@Suite struct ModelFileEditsTests {
    private static let shapes = [
        ModelShape(
            input: .tokens(vocabulary: 4, dimension: 4), layers: [.lstm(4), .lstm(4)],
            outputSize: 4, loss: .crossEntropy),
        ModelShape(
            input: .values(size: 3), layers: [.gru(4, isBidirectional: true), .gru(3, .lecture)],
            head: .mean, outputSize: 2,
            loss: .huber(delta: 2)),
        ModelShape(
            input: .values(size: 1), layers: [.rnn(4, .relu), .rnn(4)], outputSize: 1,
            loss: .meanSquaredError),
        ModelShape(
            input: .values(size: 2),
            layers: [
                .lstm(4, LSTMVariant(hasPeepholes: true, projectionSize: 2)), .gru(3), .rnn(2),
            ],
            head: .lastStep, outputSize: 3, loss: .binaryCrossEntropy),
        ModelShape(
            input: .values(size: 4), layers: [.minGRU(4, isBidirectional: true), .gru(8)],
            outputSize: 2, loss: .meanSquaredError),
    ]

    /// Whatever is written where a number or a name stands: a model that can be saved and read
    /// again as it is, or one line.
    @Test(arguments: shapes.indices) func everyEditIsAModelOrAnError(index: Int) throws {
        let folder = try TemporaryFolder()
        let path = folder.path("model")
        let again = folder.path("again")
        try Model(Self.shapes[index], seed: 1).save(to: path)
        let whole = try EditedFile(path)
        var random = SplitMix64(seed: UInt64(index))
        var models = 0
        var errors: Set<String> = []
        for _ in 0..<200 {
            var file = whole
            for _ in 0...random.next() % 3 { file.edit(&random) }
            try writeFile(path, file.bytes)
            do {
                let model = try Model(contentsOf: path)
                models += 1
                try model.save(to: again)
                let read = try Model(contentsOf: again)
                #expect(read.shape == model.shape && read.metadata == model.metadata)
                #expect(read.stateDictParameters == model.stateDictParameters)
            } catch {
                #expect(
                    error.description.hasPrefix(path + ": ") && !error.description.contains("\n"))
                #expect(
                    error.description.contains("expected") && error.description.contains("found"))
                errors.insert(String(error.description.dropFirst(path.count).prefix { $0 != ";" }))
            }
            for layer in [0, 2] {
                _ = try? LSTMCell(contentsOf: path, layer: layer, weightFormat: .bfloat16)
                _ = try? GRUCell(contentsOf: path, layer: layer, isReverse: true)
                _ = try? RNNCell(contentsOf: path, layer: layer, cell: .rnn(.relu))
                _ = try? MinGRUCell(contentsOf: path, layer: layer, isReverse: true)
            }
        }
        // The edits reach both.
        #expect(models > 10 && errors.count > 10, "\(models) models, \(errors.count) errors")
    }
}
