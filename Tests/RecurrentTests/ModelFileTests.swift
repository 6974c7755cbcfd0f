import RecurrentFormats
import TestSupport
import Testing

@testable import Recurrent

/// What a model file says, what its reader says, and what neither may say of the other.
@Suite struct ModelFileTests {
    /// Writes a file anew with other metadata, or other tensors.
    static func change(
        _ path: String, tensors: (Tensor) -> Tensor? = { $0 },
        metadata: (inout [String: String]) -> Void = { _ in }
    ) throws {
        let file = try Safetensors(try readFile(path), headerLimit: modelHeaderLimit)
        var changed = file.metadata
        metadata(&changed)
        let kept = try file.entries.compactMap { tensors(try file.tensor(named: $0.name)) }
        try writeFile(
            path, Safetensors.encode(kept, metadata: changed, headerLimit: modelHeaderLimit))
    }

    static func renamed(_ tensor: Tensor, _ name: String) -> Tensor {
        Tensor(name: name, shape: tensor.shape, values: tensor.values)
    }

    static func names(_ path: String) throws -> [String] {
        try Safetensors(try readFile(path), headerLimit: modelHeaderLimit).entries.map(\.name)
    }

    static func shape(
        _ layers: [RecurrentLayer] = [.lstm(3)], head: ModelShape.Head = .everyStep,
        loss: ModelShape.Loss = .meanSquaredError
    ) -> ModelShape {
        ModelShape(input: .values(size: 2), layers: layers, head: head, outputSize: 1, loss: loss)
    }

    private static func error(
        _ path: String, loss: ModelShape.Loss? = nil, head: ModelShape.Head? = nil,
        cells: [RecurrentCell]? = nil
    ) -> String {
        do {
            _ = try Model(contentsOf: path, loss: loss, head: head, cells: cells)
            return "none"
        } catch {
            return error.description
        }
    }

    // MARK: Metadata

    @Test func anOwnerCannotSayWhatTheModelIs() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent])
        {
            var model = Model(
                ModelShape(
                    input: .values(size: 1), layers: [.rnn(2)], outputSize: 1,
                    loss: .meanSquaredError), seed: 1)
            model.metadata["recurrent.head"] = "mean"
        }
        let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
        #expect(
            text.contains(
                "model: metadata recurrent.head; expected keys that do not begin with recurrent."))
        await #expect(processExitsWith: .failure) {
            var model = Model(
                ModelShape(
                    input: .values(size: 1), layers: [.rnn(2)], outputSize: 1,
                    loss: .meanSquaredError), seed: 1)
            model.metadata = ["note": "a", "recurrent.colour": "b"]
        }
    }

    @Test func anOwnersNotesComeBackAsTheyWere() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("model")
        var model = Model(Self.shape(), seed: 1)
        // The last is what save_model writes for weights that are tied: in a file of this package
        // it is a note.
        model.metadata = [
            "recurrent": "1", "head": "mean", "recurrent.vocabulary": "ab",
            "embedding.weight": "dense.weight",
        ]
        try model.save(to: path)
        let read = try Model(contentsOf: path)
        #expect(read.metadata == model.metadata && read.shape == model.shape)
    }

    @Test func whatTheFileSaysAndWeDoNotKnowIsRefused() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("model")
        try Model(Self.shape(), seed: 1).save(to: path)
        try Self.change(path, metadata: { $0["recurrent.colour"] = "red" })
        let expected = """
            \(path): metadata recurrent.colour; expected none but recurrent.batch, \
            recurrent.cells, recurrent.delta, recurrent.head, recurrent.loss, recurrent.steps, \
            recurrent.vocabulary, found what this version does not know
            """
        #expect(Self.error(path) == expected)
        let cell = #expect(throws: ModelFileError.self) {
            _ = try LSTMCell(contentsOf: path, layer: 0)
        }
        #expect(cell?.description == expected)
        try Self.change(
            path, metadata: { $0 = ["recurrent.loss": "crossEntropy", "recurrent.delta": "2"] })
        #expect(
            Self.error(path).contains(
                "metadata recurrent.delta; expected recurrent.loss huber with it, or none, found 2")
        )
    }

    // MARK: Names

    /// The keys of the state_dict of nn.LSTM, nn.GRU and nn.RNN, that its strict loading compares.
    private static func namesOfPyTorch(_ cell: RecurrentCell) -> Set<String> {
        var parameters = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"]
        if case .lstm(let variant) = cell, variant.projectionSize != nil {
            parameters.append("weight_hr")
        }
        if !["lstm", "gru", "rnn"].contains(cell.kindName) { parameters = [] }
        return Set(parameters.map { "\(cell.kindName).\($0)_l0" } + ["dense.weight", "dense.bias"])
    }

    @Test(arguments: RecurrentCell.all) func aCellThatPyTorchDoesNotHaveHasOtherNames(
        cell: RecurrentCell
    ) throws {
        let folder = try TemporaryFolder()
        let path = folder.path("model")
        let model = Model(Self.shape([RecurrentLayer(cell, hiddenSize: 5)]), seed: 2)
        try model.save(to: path)
        let ofPyTorch: [RecurrentCell] = [
            .lstm(.plain), .lstm(LSTMVariant(projectionSize: 32)), .gru(.resetAfter), .rnn(.tanh),
            .rnn(.relu),
        ]
        let found = Set(try Self.names(path))
        let shared = found.intersection(Self.namesOfPyTorch(cell))
        if ofPyTorch.contains(cell) {
            #expect(found == Self.namesOfPyTorch(cell))
        } else {
            #expect(shared == ["dense.weight", "dense.bias"])
            #expect(found.contains("\(cell.name).weight_ih_l0"))
        }
        let read = try Model(contentsOf: path)
        #expect(read.shape == model.shape && read.stateDictParameters == model.stateDictParameters)
    }

    @Test(arguments: RecurrentCell.all) func theLengthIsKnownBefore(cell: RecurrentCell) throws {
        let layers = [RecurrentLayer(cell, hiddenSize: 5, isBidirectional: true), .gru(4)]
        let shape = ModelShape(
            input: .tokens(vocabulary: 3, dimension: 2), layers: layers, outputSize: 3,
            loss: .crossEntropy)
        let bytes = try Model(shape, seed: 2).fileContents("model")
        let header = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        #expect(shape.fileLength - modelHeaderLimit == bytes.count - 8 - header)
    }

    /// Files of earlier versions have PyTorch's names for all cells, and name the cells in their
    /// metadata.
    @Test(arguments: RecurrentCell.all) func filesOfEarlierVersionsAreRead(cell: RecurrentCell)
        throws
    {
        let folder = try TemporaryFolder()
        let path = folder.path("model")
        let layers = [RecurrentLayer(cell, hiddenSize: 5, isBidirectional: true), .gru(4)]
        let model = Model(Self.shape(layers), seed: 2)
        try model.save(to: path)
        try Self.change(
            path,
            tensors: { tensor in
                Self.renamed(
                    tensor, tensor.name.replacing("\(cell.name).", with: "\(cell.kindName)."))
            }, metadata: { $0["recurrent.cells"] = "\(cell.name) gru" })
        let read = try Model(contentsOf: path)
        #expect(read.shape == model.shape && read.stateDictParameters == model.stateDictParameters)
    }

    @Test func namesAndMetadataAgree() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("model")
        try Model(Self.shape([.lstm(3, LSTMVariant(hasCoupledGates: true))]), seed: 1).save(
            to: path)
        try Self.change(path, metadata: { $0["recurrent.cells"] = "lstm(coupled)" })
        #expect(Self.error(path) == "none")
        try Self.change(path, metadata: { $0["recurrent.cells"] = "lstm(sigmoid)" })
        #expect(
            Self.error(path)
                == "\(path): metadata recurrent.cells; "
                + "expected cells lstm(coupled), found lstm(sigmoid)"
        )
        // No cell, another order than its own name has, and a variant that is PyTorch's.
        for name in [
            "lstm(round)", "lstm()", "lstm(coupled+sigmoid)", "lstm(clip:1e400)",
            "lstm(projection:3)",
        ] {
            try Model(Self.shape(), seed: 1).save(to: path)
            try Self.change(
                path, tensors: { Self.renamed($0, $0.name.replacing("lstm.", with: name + ".")) })
            #expect(Self.error(path).contains("expected"), "\(name)")
        }
    }

    // MARK: What the reader says

    /// A file of PyTorch says nothing of loss, head and activation.
    @Test func theReaderSaysWhatTheFileCannot() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("model")
        let shape = Self.shape([.rnn(4), .rnn(3)])
        try Model(shape, seed: 1).save(to: path)
        try Self.change(path, metadata: { $0 = ["format": "pt"] })
        let usual = try Model(contentsOf: path)
        #expect(
            usual.shape == Self.shape([.rnn(4), .rnn(3)], loss: .crossEntropy)
                && usual.metadata == ["format": "pt"])
        let cells = [RecurrentCell.rnn(.relu), .rnn(.tanh)]
        let read = try Model(contentsOf: path, loss: .huber(delta: 2), head: .mean, cells: cells)
        #expect(
            read.shape
                == Self.shape([.rnn(4, .relu), .rnn(3)], head: .mean, loss: .huber(delta: 2)))
        // Now that it is saved it says so itself.
        try read.save(to: path)
        #expect(try Model(contentsOf: path).shape == read.shape)
        #expect(
            try Model(contentsOf: path, loss: .huber(delta: 2), head: .mean, cells: cells).shape
                == read.shape)
    }

    @Test func fileAndReaderDoNotSayDifferentThings() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("model")
        try Model(Self.shape([.rnn(4)]), seed: 1).save(to: path)
        #expect(
            Self.error(path, loss: .crossEntropy)
                == "\(path): another loss than the file's own; "
                + "expected crossEntropy, found meanSquaredError"
        )
        #expect(
            Self.error(path, head: .mean)
                == "\(path): another head than the file's own; expected mean, found everyStep")
        let cells = "\(path): other cells than the file's own; expected "
        #expect(Self.error(path, cells: [.rnn(.relu)]) == cells + "rnn(relu), found rnn")
        try Self.change(path, metadata: { $0 = [:] })
        #expect(
            Self.error(path, cells: [.rnn(.relu), .rnn(.relu)]) == cells
                + "rnn(relu) rnn(relu), found rnn")
        #expect(Self.error(path, cells: []) == cells + ", found rnn")
        #expect(Self.error(path, cells: [.gru(.lecture)]) == cells + "gru(lecture), found rnn")
        #expect(Self.error(path, cells: [.rnn(.sigmoid)]) == "none")
    }

    // MARK: Tied weights

    /// safetensors.torch.save_model keeps one of the tensors that share their memory, and the names
    /// of the others.
    @Test func tiedWeightsAreReadAsEqualOnes() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("model")
        let shape = ModelShape(
            input: .tokens(vocabulary: 6, dimension: 4), layers: [.lstm(4)], outputSize: 6,
            loss: .crossEntropy)
        try Model(shape, seed: 1).save(to: path)
        try Self.change(
            path, tensors: { $0.name == "embedding.weight" ? nil : $0 },
            metadata: {
                $0 = ["embedding.weight": "dense.weight", "format": "pt"]
            })
        let model = try Model(contentsOf: path)
        #expect(model.shape == shape && model.metadata == ["format": "pt"])
        try model.save(to: path)
        let file = try Safetensors(try readFile(path))
        let embedding = try file.tensor(named: "embedding.weight")
        let dense = try file.tensor(named: "dense.weight")
        #expect(embedding.values == dense.values && embedding.shape == [6, 4])
    }

    @Test func tiedWeightsFit() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("model")
        func write(_ alias: String, inputSize: Int) throws {
            let shape = ModelShape(
                input: .values(size: inputSize), layers: [.lstm(4)], outputSize: 6,
                loss: .crossEntropy)
            try Model(shape, seed: 1).save(to: path)
            try Self.change(path, metadata: { $0 = [alias: "dense.weight"] })
        }
        try write("embedding.weight", inputSize: 3)
        #expect(Self.error(path).contains("embedding.weight"))
        #expect(Self.error(path).contains("expected [6, 3], found [6, 4]"))
        try write("decoder.weight", inputSize: 4)
        #expect(
            Self.error(path).contains("decoder.weight")
                && Self.error(path).contains("expected only those of the model"))
        try write("embedding.weight", inputSize: 4)
        #expect(Self.error(path) == "none")
    }
}
