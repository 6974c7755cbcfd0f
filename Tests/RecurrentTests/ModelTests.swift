import Foundation
import Recurrent
import RecurrentFormats
import TestSupport
import Testing

/// A folder that is removed when the test ends.
struct TemporaryFolder: ~Copyable {
    let url = FileManager.default.temporaryDirectory.appending(
        path: "recurrent-\(UUID().uuidString)")
    init() throws {
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }
    deinit { try? FileManager.default.removeItem(at: url) }
    func path(_ name: String) -> String { url.appending(path: name).path }
}

@Suite struct ModelTests {
    private static let shape = ModelShape(
        input: .tokens(vocabulary: 7, dimension: 5), layers: [.lstm(18), .lstm(6)], outputSize: 7,
        loss: .crossEntropy)

    private func golden(_ name: String) -> String {
        PyTorchTrainingTests.golden.appending(path: name + ".safetensors").path
    }

    private func outputs(_ model: borrowing Model, tokens: [Int32], kernels: Kernels = .best)
        -> [Float]
    {
        var state = ModelState(model)
        return tokens.flatMap { token in
            model.step(token: token, state: &state, kernels: kernels)
            return state.withOutput { output in output.indices.map { output[$0] } }
        }
    }

    /// Logits of two LSTM layers over an embedding, step by step, beside PyTorch's in float64.
    @Test(arguments: ISA.available)
    func stepsLikePyTorch(isa: ISA) throws {
        let model = try Model(contentsOf: golden("state_dict"))
        let run = try Safetensors(try readFile(golden("state_dict_run")))
        let tokens = try run.tensor(named: "tokens")
        let logits = try run.tensor(named: "logits")
        let (steps, batch, outputs) = (logits.shape[0], logits.shape[1], logits.shape[2])
        for sequence in 0..<batch {
            let sequenceTokens = (0..<steps).map { Int32(tokens.values[$0 * batch + sequence]) }
            let expected = (0..<steps).flatMap { step in
                (0..<outputs).map {
                    Double(logits.values[(step * batch + sequence) * outputs + $0])
                }
            }
            let actual = self.outputs(model, tokens: sequenceTokens, kernels: try Kernels(isa: isa))
            try Comparer.check("logits", actual, expected, absolute: 4e-7, relative: 4e-7)
        }
    }

    @Test func savedAndReadIsTheSameToTheBit() throws {
        let folder = try TemporaryFolder()
        var model = Model(Self.shape, seed: 3)
        model.metadata["note"] = "Zeile\n\"zwei\" 詩"
        try model.save(to: folder.path("model.safetensors"))
        let read = try Model(contentsOf: folder.path("model.safetensors"))
        #expect(read.shape == model.shape)
        #expect(read.metadata == model.metadata)
        #expect(read.parameterCount == 7 * 5 + 4 * 18 * 24 + 4 * 6 * 25 + 7 * 7)
        let tokens: [Int32] = [0, 6, 3, 3, 1]
        try Comparer.checkSameBits(
            "outputs", outputs(read, tokens: tokens), outputs(model, tokens: tokens))
    }

    /// A model read in bfloat16 is the model with the weights of its layers so rounded, bit for
    /// bit; it is not trained or saved.
    @Test func aStateOfAnotherShapeIsRefused() async {
        await #expect(processExitsWith: .failure) {
            func model(_ layers: [RecurrentLayer]) -> Model {
                Model(
                    ModelShape(
                        input: .tokens(vocabulary: 3, dimension: 4), layers: layers, outputSize: 2,
                        loss: .crossEntropy), seed: 1)
            }
            var state = ModelState(model([.lstm(16), .lstm(33)]))
            model([.lstm(33), .lstm(16)]).step(token: 1, state: &state)  // takes as many floats
        }
    }

    @Test func bfloat16IsRoundedWeights() async throws {
        let folder = try TemporaryFolder()
        let whole = folder.path("whole.safetensors")
        let rounded = folder.path("rounded.safetensors")
        try Model(Self.shape, seed: 3).save(to: whole)
        let file = try Safetensors(try readFile(whole))
        let tensors = try file.entries.map { entry in
            let tensor = try file.tensor(named: entry.name)
            guard entry.name.contains("weight") && !entry.name.contains("embedding") else {
                return tensor
            }
            return Tensor(
                name: entry.name, shape: tensor.shape, values: tensor.values.map(roundedToBFloat16))
        }
        try writeFile(rounded, Safetensors.encode(tensors))
        let tokens: [Int32] = [0, 6, 3, 3, 1]
        let found = outputs(try Model(contentsOf: whole, weightFormat: .bfloat16), tokens: tokens)
        try Comparer.checkSameBits(
            "outputs", found, outputs(try Model(contentsOf: rounded), tokens: tokens))
        #expect(found != outputs(try Model(contentsOf: whole), tokens: tokens))

        await #expect(processExitsWith: .failure) { [whole = whole as String] in
            _ = Trainer(
                try Model(contentsOf: whole, weightFormat: .bfloat16), optimizer: .sgd(SGD()),
                batch: 1, steps: 1)
        }
        await #expect(processExitsWith: .failure) { [whole = whole as String] in
            try Model(contentsOf: whole, weightFormat: .bfloat16).save(to: whole)
        }
    }

    @Test func oneSeedGivesOneModel() throws {
        let tokens: [Int32] = [1, 2, 3]
        let first = outputs(Model(Self.shape, seed: 5), tokens: tokens)
        try Comparer.checkSameBits(
            "outputs", outputs(Model(Self.shape, seed: 5), tokens: tokens), first)
        #expect(outputs(Model(Self.shape, seed: 6), tokens: tokens) != first)
    }

    /// The sum of -log softmax over the outputs, step by step, is what the trainer evaluates over
    /// the whole sequence.
    @Test func stepByStepAgreesWithEvaluation() throws {
        let tokens: [Int32] = [0, 6, 3, 3, 1, 2]
        let targets: [Int32] = [6, 3, 3, 1, 2, 5]
        let logits = outputs(Model(Self.shape, seed: 3), tokens: tokens)
        let losses = targets.enumerated().map { step, target in
            let row = logits[step * 7..<(step + 1) * 7].map(Double.init)
            return log(row.reduce(0) { $0 + exp($1) }) - row[Int(target)]
        }
        var trainer = Trainer(
            Model(Self.shape, seed: 3), optimizer: .adam(Adam()), batch: 1, steps: 3,
            initialState: .carried,
            dropout: 0.5)
        var sum = 0.0
        for first in [0, 3] {
            let result = trainer.evaluate(
                tokens: Array(tokens[first..<first + 3]).span,
                targets: Array(targets[first..<first + 3]).span)
            #expect(result.count == 3)
            sum += result.lossSum
        }
        #expect(abs(sum - losses.reduce(0, +)) < 1e-6 * sum)
    }

    @Test(arguments: [
        ("state_dict_run", "missing tensor"), ("bare_lstm", "expected a dense layer"),
        ("absent", "No such file"),
    ])
    func refusesWhatIsNotAModel(name: String, message: String) throws {
        let path = golden(name)
        let error = #expect(throws: ModelFileError.self) { _ = try Model(contentsOf: path) }
        let description = try #require(error?.description)
        #expect(
            description.hasPrefix(path + ": ") && description.contains(message)
                && !description.contains("\n"), "\(description)")
    }

    /// A model, and a layer alone.
    @Test func refusesWeightsThatAreNotFinite() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("model.safetensors")
        let shapes = [
            ("lstm.weight_ih_l0", [4, 2]), ("lstm.weight_hh_l0", [4, 1]), ("lstm.bias_ih_l0", [4]),
            ("lstm.bias_hh_l0", [4]),
            ("dense.weight", [1, 1]), ("dense.bias", [1]),
        ]
        let tensors = shapes.map { name, shape in
            Tensor(
                name: name, shape: shape,
                values: Array(
                    repeating: name.contains("weight_hh") ? .nan : 0.5, count: shape.reduce(1, *)))
        }
        try writeFile(path, Safetensors.encode(tensors))
        let model = #expect(throws: ModelFileError.self) { _ = try Model(contentsOf: path) }
        let cell = #expect(throws: ModelFileError.self) {
            _ = try LSTMCell(contentsOf: path, layer: 0)
        }
        for error in [model, cell] {
            let message =
                """
                lstm.weight_hh_l0: not a number that can be computed with; expected finite \
                floats, found nan at index 0
                """
            #expect(error?.code == nil && error?.description == path + ": " + message)
        }
    }

    /// Nothing is written that could not be read again.
    @Test func refusesToSaveWeightsThatAreNotFinite() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("model.safetensors")
        let shape = ModelShape(
            input: .values(size: 1), layers: [.lstm(3)], outputSize: 1, loss: .meanSquaredError)
        try Model(shape, seed: 1).save(to: path)
        let before = try readFile(path)
        // The gradient is finite, the rate makes the step infinite.
        var trainer = Trainer(
            Model(shape, seed: 1), optimizer: .sgd(SGD(learningRate: 3e38)), batch: 1, steps: 1)
        #expect(trainer.step(values: [1].span, targets: [1e3].span).updated)
        let error = #expect(throws: ModelFileError.self) { try trainer.model.save(to: path) }
        #expect(
            error?.code == nil
                && error?.description.contains("not a number that can be computed with") == true)
        #expect(try readFile(path) == before)
    }

    /// Files that are cheap on disk: half a byte an element, and all of it a hole. A size that no
    /// layer has is refused before the elements are looked at, whichever dimension it is.
    @Test(arguments: ["hidden units", "outputs", "vocabulary", "features"])
    func refusesDimensionsThatAreTooLarge(dimension: String) throws {
        let folder = try TemporaryFolder()
        let path = folder.path("large")
        let large = ModelShape.largestDimension + 2
        func size(_ name: String) -> Int { name == dimension ? large : 2 }
        let rows = 4 * size("hidden units")
        let units = 2
        let tensors = [
            ("embedding.weight", [size("vocabulary"), size("features")]),
            ("lstm.weight_ih_l0", [rows, size("features")]), ("lstm.weight_hh_l0", [rows, units]),
            ("lstm.bias_ih_l0", [rows]), ("lstm.bias_hh_l0", [rows]),
            ("lstm.weight_hr_l0", [units, size("hidden units")]),
            ("dense.weight", [size("outputs"), units]), ("dense.bias", [size("outputs")]),
        ]
        var end = 0
        let entries = tensors.map { name, shape in
            let begin = end
            end += shape.reduce(1, *) / 2
            return
                """
                \"\(name)\":{\"dtype\":\"F4\",\"shape\":\(shape),\"data_offsets\":[\(begin),\(end)]}
                """
        }
        let header = Data("{\(entries.joined(separator: ","))}".utf8)
        let length = withUnsafeBytes(of: UInt64(header.count).littleEndian) { Data($0) }
        try (length + header).write(to: URL(fileURLWithPath: path))
        #expect(truncate(path, off_t(8 + header.count + end)) == 0)
        let sizes = "expected sizes up to \(ModelShape.largestDimension), found \(large)"
        let model = #expect(throws: ModelFileError.self) { _ = try Model(contentsOf: path) }
        #expect(model?.description == "\(path): not a model; \(sizes)")
        let cell = #expect(throws: ModelFileError.self) {
            _ = try LSTMCell(contentsOf: path, layer: 0)
        }
        #expect(cell?.description == "\(path): not a model; \(sizes)")
    }

    @Test func refusesToWriteIntoNowhere() throws {
        let folder = try TemporaryFolder()
        let model = Model(Self.shape, seed: 3)
        let path = folder.path("no/such/folder/model.safetensors")
        let error = #expect(throws: ModelFileError.self) { try model.save(to: path) }
        #expect(error?.code != nil)
    }
}
