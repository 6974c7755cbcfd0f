import RecurrentFormats
import TestSupport
import Testing

@testable import Recurrent

/// Cells of their own, read from model files.
@Suite struct CellFileTests {
    /// Runs a cell over two steps.
    private static func outputs(
        _ size: Int, _ step: (Span<Float>, inout MutableSpan<Float>) -> Void
    ) -> [Float] {
        (0..<2).flatMap { t in
            var h = [Float](repeating: 0, count: size)
            var span = h.mutableSpan
            step([0.5 - Float(t), 0.25, -1, 2, 0.75, 1].span, &span)
            return h
        }
    }

    @Test func aCellIsReadWholeOrChosen() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("model")
        let layers: [RecurrentLayer] = [
            .lstm(3, isBidirectional: true), .lstm(5), .gru(4), .rnn(2), .minGRU(3),
        ]
        try Model(ModelFileTests.shape(layers), seed: 1).save(to: path)
        let message =
            "expected one layer in one direction alone, or a choice by `layer:`, "
            + "found 5 layers, two directions, a dense layer"
        let errors = [
            #expect(throws: ModelFileError.self) { _ = try LSTMCell(contentsOf: path) },
            #expect(throws: ModelFileError.self) { _ = try GRUCell(contentsOf: path) },
            #expect(throws: ModelFileError.self) { _ = try RNNCell(contentsOf: path) },
            #expect(throws: ModelFileError.self) { _ = try MinGRUCell(contentsOf: path) },
        ]
        for error in errors {
            #expect(error?.description == "\(path): more than a cell; \(message)")
        }

        let file = try Safetensors(try readFile(path))
        func values(_ name: String) throws -> [Float] { try file.tensor(named: name).values }
        for (layer, isReverse, suffix) in [
            (0, false, "l0"), (0, true, "l0_reverse"), (1, false, "l1"),
        ] {
            var read = try LSTMCell(contentsOf: path, layer: layer, isReverse: isReverse)
            #expect(
                read.shape.inputSize == [2, 6][layer] && read.shape.hiddenSize == [3, 5][layer])
            var cell = LSTMCell(inputSize: read.shape.inputSize, hiddenSize: read.shape.hiddenSize)
            cell.load(
                weightIH: try values("lstm.weight_ih_" + suffix),
                weightHH: try values("lstm.weight_hh_" + suffix),
                biasIH: try values("lstm.bias_ih_" + suffix),
                biasHH: try values("lstm.bias_hh_" + suffix))
            let (inputs, units) = (cell.shape.inputSize, cell.shape.hiddenSize)
            let expected = Self.outputs(units) {
                cell.step($0.extracting(first: inputs), into: &$1)
            }
            let found = Self.outputs(units) { read.step($0.extracting(first: inputs), into: &$1) }
            try Comparer.checkSameBits("h", found, expected)
        }
        let gru = try GRUCell(contentsOf: path, layer: 2)
        let rnn = try RNNCell(contentsOf: path, layer: 3)
        let minGRU = try MinGRUCell(contentsOf: path, layer: 4)
        #expect(
            gru.shape.inputSize == 5 && gru.shape.hiddenSize == 4 && rnn.shape.inputSize == 4
                && rnn.shape.hiddenSize == 2 && minGRU.shape.inputSize == 2
                && minGRU.shape.hiddenSize == 3)
        let others = [
            #expect(throws: ModelFileError.self) { _ = try GRUCell(contentsOf: path, layer: 3) },
            #expect(throws: ModelFileError.self) { _ = try RNNCell(contentsOf: path, layer: 4) },
            #expect(throws: ModelFileError.self) { _ = try MinGRUCell(contentsOf: path, layer: 2) },
        ]
        let kinds = ["gru, found rnn", "rnn, found minGRU", "minGRU, found gru"]
        for (error, kinds) in zip(others, kinds) {
            #expect(error?.description == "\(path): another kind of cell; expected \(kinds)")
        }

        for (layer, isReverse, message) in [
            (5, false, "no layer 5; expected a layer of 0...4, found 5"),
            (-1, false, "no layer -1"),
            (1, true, "layer 1; expected two directions, found one"),
            (2, false, "expected lstm, found gru"),
        ] {
            let error = #expect(throws: ModelFileError.self) {
                _ = try LSTMCell(contentsOf: path, layer: layer, isReverse: isReverse)
            }
            #expect(error?.description.contains(message) == true, "\(error?.description ?? "")")
        }
    }

    @Test func aCellIsWhatTheReaderSays() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("model")
        try Model(ModelFileTests.shape([.rnn(3)]), seed: 1).save(to: path)
        try ModelFileTests.change(
            path, tensors: { $0.name.hasPrefix("rnn") ? $0 : nil }, metadata: { $0 = [:] })
        var relu = try RNNCell(contentsOf: path, cell: .rnn(.relu))
        #expect(
            try RNNCell(contentsOf: path).shape.activation == .tanh
                && relu.shape.activation == .relu)
        #expect(
            Self.outputs(3) { relu.step($0.extracting(first: 2), into: &$1) }.allSatisfy { $0 >= 0 }
        )

        try Model(ModelFileTests.shape([.gru(3)]), seed: 1).save(to: path)
        try ModelFileTests.change(
            path, tensors: { $0.name.hasPrefix("gru") ? $0 : nil }, metadata: { $0 = [:] })
        #expect(
            try GRUCell(contentsOf: path, cell: .gru(.resetBefore)).shape.variant
                == .resetBefore
        )
        let other = #expect(throws: ModelFileError.self) {
            _ = try RNNCell(contentsOf: path, cell: .rnn(.relu))
        }
        #expect(
            other?.description
                == "\(path): other cells than the file's own; expected rnn(relu), found gru")

        try Model(ModelFileTests.shape([.lstm(3, LSTMVariant(hasPeepholes: true))]), seed: 1).save(
            to: path)
        #expect(try LSTMCell(contentsOf: path, layer: 0).shape.variant.hasPeepholes)
        let rounded = #expect(throws: ModelFileError.self) {
            _ = try LSTMCell(contentsOf: path, layer: 0, weightFormat: .bfloat16)
        }
        #expect(
            rounded?.description.contains("expected lstm, found lstm(peepholes)") == true)
    }
}
