import Foundation
import Recurrent
import Testing

@Suite struct InspectTests {
    /// 5 tokens of 3 features, layers of 17 and 4 units, 5 outputs.
    private func model(in folder: Folder) throws {
        let shape = ModelShape(
            input: .tokens(vocabulary: 5, dimension: 3), layers: [.lstm(17), .lstm(4)],
            outputSize: 5, loss: .crossEntropy)
        var model = Model(shape, seed: 1)
        model.metadata = ["recurrent.batch": "2", "note": "two\nlines"]
        try model.save(to: folder.path + "/model")
    }

    @Test func countsParametersAndMultiplyAdds() async throws {
        let folder = try Folder()
        try model(in: folder)
        let run = try await recurrent(["inspect", "model", "--steps", "7", "--json"], in: folder)
        #expect(run.exitCode == 0 && run.error.isEmpty)
        let report = try #require(
            JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any])
        let layers = try #require(report["layers"] as? [[String: Any]])
        #expect(layers.map { $0["name"] as? String } == ["embedding", "lstm 0", "lstm 1", "dense"])
        #expect(layers.map { $0["parameters"] as? Int } == [15, 4 * 17 * 21, 4 * 4 * 22, 5 * 5])
        #expect(layers.map { $0["multiply_adds"] as? Int } == [0, 4 * 17 * 20, 4 * 4 * 21, 20])
        let parts = try #require(layers[1]["parts"] as? [[String: Any]])
        #expect(
            parts.map { $0["name"] as? String } == ["i", "f", "g", "o"]
                && parts.allSatisfy { $0["parameters"] as? Int == 357 })
        #expect(layers[3]["parts"] == nil)
        #expect(
            report["parameters"] as? Int == 15 + 1428 + 352 + 25
                && report["multiply_adds"] as? Int == 1360 + 336 + 20)
        #expect(report["batch"] as? Int == 2 && report["steps"] as? Int == 7)
        // In panels of 16: parameters 5·16, 2·21·64, 1·22·64, 1·5·16.
        #expect(report["parameter_bytes"] as? Int == 4 * (80 + 2688 + 1408 + 80))
        #expect(report["gradient_bytes"] as? Int == report["moment_bytes"] as? Int)
        // 14 rows of features and outputs, losses and targets; gates of 32 and 16 units; c and h
        // with a slot more, and two copies of them.
        let ends = 14 * (16 + 16) + 2 * 16
        let gates = 14 * 4 * (32 + 16)
        let states = 2 * 16 * (32 + 16)
        let carried = 2 * 2 * 2 * (32 + 16)
        #expect(report["tape_bytes"] as? Int == 4 * (ends + gates + states + carried))
        // Of the wider layer: the gradient with respect to gates and state, and the transposed
        // weights; those of the dense layer; rows between two layers, twice; partial sums.
        let gradients = 14 * 4 * 32 + 2 * 2 * 32
        let transposed = (16 + 32) * 4 * 32 + 16 * 16
        let between = 2 * 14 * 32
        let sums = 2 * 16
        #expect(report["scratch_bytes"] as? Int == 4 * (gradients + transposed + between + sums))
        #expect(report["state_bytes"] as? Int == 704)
        #expect((report["metadata"] as? [String: String])?["note"] == "two\nlines")
    }

    @Test func textHasARowForEachLayer() async throws {
        let folder = try Folder()
        try model(in: folder)
        let run = try await recurrent(["inspect", "model"], in: folder)
        #expect(run.exitCode == 0 && run.error.isEmpty)
        for part in [
            "lstm 0", "3 → 17", "1,428", "1,820", "batch 2, 64 steps", "note: two\\nlines",
        ] { #expect(run.output.contains(part), "\(run.output)") }
    }

    /// Of every cell: the gates, in each direction, are all there is.
    @Test func everyCellIsTakenApart() async throws {
        let folder = try Folder()
        let layers: [RecurrentLayer] = [
            .lstm(
                5, LSTMVariant(hasPeepholes: true, hasCoupledGates: true, projectionSize: 3),
                isBidirectional: true), .gru(4), .gru(4, .lecture), .rnn(2),
        ]
        let model = Model(
            ModelShape(
                input: .values(size: 2), layers: layers, head: .mean, outputSize: 1,
                loss: .meanSquaredError), seed: 1)
        try model.save(to: folder.path + "/model")
        let run = try await recurrent(["inspect", "model"], in: folder)
        for line in [
            """
            lstm(peepholes+coupled+projection:3), both ways 0: parameters of i 35, f 0, g 30, \
            o 35, projection 15
            """,
            "gru 1: parameters of r 44, z 44, n 48",
            "gru(lecture) 2: parameters of r 36, z 36, n 36", "rnn 3: parameters of z 14",
        ] {
            #expect(run.output.contains(line + "\n"), "\(run.output)")
        }
        #expect(model.parameterCount == 2 * 115 + 136 + 108 + 14 + 3)
        #expect(run.output.contains("meanSquaredError, mean") && run.output.contains(" 491 "))
    }

    @Test(arguments: [
        ["--batch", "0"], ["--steps", "99999999"], ["--batch", "16777216", "--steps", "16777216"],
    ])
    func badSizesAreRefused(arguments: [String]) async throws {
        let folder = try Folder()
        try model(in: folder)
        let run = try await recurrent(["inspect", "model"] + arguments, in: folder)
        #expect(run.exitCode == 64 && run.output.isEmpty && run.error.hasPrefix("recurrent: --"))
    }

    @Test func aMissingModelIsNamed() async throws {
        let run = try await recurrent(["inspect", "nowhere"])
        #expect(
            run.exitCode == 66 && run.output.isEmpty && run.error.hasPrefix("recurrent: nowhere: "))
    }
}
