import Foundation
import RecurrentFormats
import Testing

struct StateDictTests {
    static let lstm = StateDictLayer(.lstm(), hiddenSize: 17)
    static let shape = StateDictShape(
        vocabularySize: 5, inputSize: 3, layers: [lstm, lstm], outputSize: 6)

    /// The network of PyTorch's equations in Double.
    static func forward(_ parameters: StateDictParameters, _ shape: StateDictShape, tokens: [Int])
        -> [[Double]]
    {
        let width = shape.inputSize
        var rows = tokens.map { token in
            parameters.embedding![token * width..<(token + 1) * width].map(Double.init)
        }
        for (weights, hidden) in zip(parameters.cells, shape.layers.map(\.hiddenSize)) {
            var (h, c) = (
                Array(repeating: 0.0, count: hidden), Array(repeating: 0.0, count: hidden)
            )
            rows = rows.map { x in
                let ofX = affine(weights.weightIH, weights.biasIH, x)
                let ifgo = zip(ofX, affine(weights.weightHH, weights.biasHH, h)).map(+)
                for unit in 0..<hidden {
                    let (i, f, g, o) = (
                        sigmoid(ifgo[unit]), sigmoid(ifgo[hidden + unit]),
                        tanh(ifgo[2 * hidden + unit]), sigmoid(ifgo[3 * hidden + unit])
                    )
                    c[unit] = f * c[unit] + i * g
                    h[unit] = o * tanh(c[unit])
                }
                return h
            }
        }
        return rows.map { affine(parameters.dense!.weight, parameters.dense!.bias, $0) }
    }

    static func affine(_ weight: [Float], _ bias: [Float], _ x: [Double]) -> [Double] {
        bias.indices.map { row in
            x.indices.reduce(Double(bias[row])) {
                $0 + Double(weight[row * x.count + $1]) * x[$1]
            }
        }
    }

    static func sigmoid(_ x: Double) -> Double { (1 + tanh(x / 2)) / 2 }
    static func tanh(_ x: Double) -> Double { Foundation.tanh(x) }

    @Test func computesWhatPyTorchComputes() throws {
        let file = try golden("state_dict")
        let parameters = try StateDictParameters(file, shape: StateDictShape(file))
        let run = try golden("state_dict_run")
        let tokens = try run.tensor(named: "tokens")
        let (steps, batch) = (tokens.shape[0], tokens.shape[1])
        let expected = try run.tensor(named: "logits").values
        // Double against float64, whose logits, under 1, are read as floats.
        let bound = 0x1p-25
        for b in 0..<batch {
            let logits = Self.forward(
                parameters, Self.shape,
                tokens: (0..<steps).map { Int(tokens.values[$0 * batch + b]) })
            for (t, row) in logits.enumerated() {
                for (o, logit) in row.enumerated() {
                    let other = Double(expected[(t * batch + b) * row.count + o])
                    #expect(
                        (logit - other).magnitude <= bound,
                        "t \(t), b \(b), o \(o): \(logit), \(other)")
                }
            }
        }
    }

    @Test func findsTheShape() throws {
        #expect(try StateDictShape(golden("state_dict")) == Self.shape)
        #expect(
            try StateDictShape(golden("bare_lstm"))
                == StateDictShape(inputSize: 3, layers: [Self.lstm]))
    }

    @Test func bareLSTM() throws {
        let file = try golden("bare_lstm")
        let parameters = try StateDictParameters(
            file, shape: StateDictShape(inputSize: 3, layers: [Self.lstm]))
        #expect(parameters.embedding == nil && parameters.dense == nil)
        let tensors = parameters.tensors(
            shape: try StateDictShape(file), names: StateDictNames(lstm: "", gru: "", rnn: ""))
        #expect(
            tensors.map(\.name) == ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"])
        for tensor in tensors { #expect(try file.tensor(named: tensor.name) == tensor) }
    }

    @Test func writesWhatItReads() throws {
        let file = try golden("state_dict")
        let parameters = try StateDictParameters(file, shape: Self.shape)
        let written = try Safetensors(Safetensors.encode(parameters.tensors(shape: Self.shape)))
        #expect(try StateDictParameters(written, shape: StateDictShape(written)) == parameters)
        #expect(Set(written.entries.map(\.name)) == Set(file.entries.map(\.name)))
        for entry in file.entries {
            #expect(try written.tensor(named: entry.name) == file.tensor(named: entry.name))
        }
    }

    @Test func aMinimalGRUHasOneBias() {
        let cell = StateDictCell(.minGRU, inputSize: 3, hiddenSize: 2)
        let weights = CellWeights(
            weightIH: Array(repeating: 1, count: 12), weightHH: [],
            biasIH: Array(repeating: 2, count: 4))
        #expect(weights.biasHH.isEmpty && cell.mismatch(weights) == nil)
    }

    /// A bare module is PyTorch's, which has no minimal GRU: before one, past one, or beside one.
    @Test func bareNamesAreOfPyTorchAlone() throws {
        func shape(_ layers: [(StateDictCell.Kind, prefix: String, layer: Int)]) throws(FormatError)
            -> StateDictShape
        {
            let tensors = layers.flatMap { kind, prefix, layer in
                StateDictCell(kind, inputSize: 4, hiddenSize: 4).parameters.map {
                    Self.zeros("\(prefix)\($0.name)_l\(layer)", $0.shape)
                }
            }
            return try StateDictShape(Safetensors(Safetensors.encode(tensors)))
        }
        #expect(try shape([(.gru, "", 0), (.gru, "", 1)]).layers.count == 2)
        let named = try shape([(.gru, "gru.", 0), (.minGRU, "minGRU.", 1)])
        #expect(named.layers.map(\.kind) == [.gru, .minGRU])
        for (bare, minGRU) in [(0, 1), (1, 0), (0, 0)] {
            let error = #expect(throws: FormatError.self) {
                try shape([(.gru, "", bare), (.minGRU, "minGRU.", minGRU)])
            }
            #expect(error?.problem == .unexpectedTensor)
        }
        let error = #expect(throws: FormatError.self) { try shape([(.minGRU, "", 0)]) }
        #expect(error?.problem == .missingTensor)
    }

    @Test func otherNames() throws {
        let names = StateDictNames(embedding: "encoder", lstm: "net.rnn", dense: "decoder")
        let parameters = try StateDictParameters(golden("state_dict"), shape: Self.shape)
        let file = try Safetensors(
            Safetensors.encode(parameters.tensors(shape: Self.shape, names: names)))
        #expect(file.entry(named: "net.rnn.weight_ih_l1") != nil)
        #expect(
            try StateDictParameters(file, shape: StateDictShape(file, names: names), names: names)
                == parameters)
        let error = #expect(throws: FormatError.self) { try StateDictShape(file) }
        #expect(error?.problem == .missingTensor)
    }

    /// The golden model's tensors without those named, with others instead.
    static func changed(without names: [String], with others: [Tensor] = []) throws -> Safetensors {
        let all = try StateDictParameters(golden("state_dict"), shape: shape).tensors(shape: shape)
        return try Safetensors(Safetensors.encode(all.filter { !names.contains($0.name) } + others))
    }

    static func zeros(_ name: String, _ shape: [Int]) -> Tensor {
        Tensor(name: name, shape: shape, values: Array(repeating: 0, count: shape.reduce(1, *)))
    }

    @Test func namesWhatIsMissingOrUnexpected() throws {
        let missing = try Self.changed(without: ["lstm.bias_hh_l0", "dense.bias"])
        let error = #expect(throws: FormatError.self) {
            try StateDictParameters(missing, shape: Self.shape)
        }
        #expect(error?.problem == .missingTensor)
        #expect(error?.tensor == "lstm.bias_hh_l0, dense.bias")
        #expect(throws: FormatError.self) { try StateDictShape(missing) }

        let unexpected = try Self.changed(
            without: [], with: [Self.zeros("gru.weight_ih_l0", [51, 3])])
        for attempt in [
            { _ = try StateDictShape(unexpected) },
            { _ = try StateDictParameters(unexpected, shape: Self.shape) },
        ] {
            let error = #expect(throws: FormatError.self) { try attempt() }
            #expect(error?.problem == .unexpectedTensor)
            #expect(error?.tensor == "gru.weight_ih_l0")
        }

        let empty = try Safetensors(Safetensors.encode([]))
        #expect(throws: FormatError.self) { try StateDictShape(empty) }
    }

    @Test(arguments: [
        ("lstm.weight_hh_l0", [68, 16]), ("lstm.weight_hh_l0", [68]),
        ("lstm.weight_hh_l0", [0, 17]), ("lstm.weight_hh_l0", [68, 0]),
        ("lstm.weight_ih_l0", [51, 3]), ("lstm.weight_ih_l0", [68, 4]),
        ("lstm.weight_ih_l1", [68, 3]), ("lstm.bias_ih_l1", [17]),
        ("embedding.weight", [5, 4]), ("embedding.weight", [0, 3]), ("dense.weight", [6, 16]),
        ("dense.bias", [1, 6]),
    ]) func namesWrongShapes(_ name: String, _ shape: [Int]) throws {
        let file = try Self.changed(without: [name], with: [Self.zeros(name, shape)])
        let found = #expect(throws: FormatError.self) {
            try StateDictParameters(file, shape: Self.shape)
        }
        #expect(found?.problem == .shape)
        #expect(found?.tensor == name)
        #expect(found?.found == "\(shape)")
        let inferred = #expect(throws: FormatError.self) { try StateDictShape(file) }
        #expect(inferred?.problem == .shape)
    }

    static let allNames =
        ["embedding.weight", "dense.weight", "dense.bias"]
        + (0..<2).flatMap { layer in
            ["weight_ih", "weight_hh", "bias_ih", "bias_hh"].map { "lstm.\($0)_l\(layer)" }
        }

    /// Every tensor is looked at, to its last value.
    @Test(arguments: allNames, [Float.nan, .infinity, -.infinity]) func weightsAreFinite(
        name: String, value: Float
    ) throws {
        let tensors = try StateDictParameters(golden("state_dict"), shape: Self.shape).tensors(
            shape: Self.shape
        ).map { tensor in
            guard tensor.name == name else { return tensor }
            return Tensor(
                name: name, shape: tensor.shape, values: tensor.values.dropLast() + [value])
        }
        let file = try Safetensors(Safetensors.encode(tensors))
        let error = #expect(throws: FormatError.self) {
            try StateDictParameters(file, shape: StateDictShape(file))
        }
        #expect(error?.problem == .notFinite && error?.tensor == name)
        #expect(error?.found.hasPrefix("\(value) at index ") == true)
    }

    @Test func aSumOfBiasesIsFinite() throws {
        let names = ["lstm.bias_ih_l1", "lstm.bias_hh_l1"]
        let most = Float.greatestFiniteMagnitude
        let file = try Self.changed(
            without: names,
            with: names.map {
                Tensor(name: $0, shape: [68], values: [0, most] + Array(repeating: 0, count: 66))
            })
        let error = #expect(throws: FormatError.self) {
            try StateDictParameters(file, shape: Self.shape)
        }
        #expect(
            error?.problem == .notFinite && error?.tensor == "lstm.bias_ih_l1 + lstm.bias_hh_l1"
                && error?.found == "inf at index 1")
    }

    @Test func integersAreNotWeights() throws {
        let members = [
            ("weight_ih_l0", "[4,1]"), ("weight_hh_l0", "[4,1]"), ("bias_ih_l0", "[4]"),
            ("bias_hh_l0", "[4]"),
        ].enumerated()
            .map { member($1.0, "I8", $1.1, "[\($0 * 4),\($0 * 4 + 4)]") }
        let file = try Safetensors(contents("{\(members.joined(separator: ","))}", dataCount: 16))
        let error = #expect(throws: FormatError.self) {
            try StateDictParameters(file, shape: StateDictShape(file))
        }
        #expect(error?.problem == .notFloats)
    }
}
