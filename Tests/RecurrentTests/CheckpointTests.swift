import Foundation
import Recurrent
import TestSupport
import Testing

/// A training that was cut off goes on with the same bits as one that was not.
@Suite struct CheckpointTests {
    private static let shape = ModelShape(
        input: .tokens(vocabulary: 7, dimension: 5), layers: [.lstm(17), .lstm(6)], outputSize: 7,
        loss: .crossEntropy)
    private let path = FileManager.default.temporaryDirectory.appending(
        path: "checkpoint-\(UUID().uuidString)"
    ).path

    private func trainer(
        _ optimizer: Optimizer, shape: ModelShape = Self.shape, batch: Int = 3,
        dropout: Float = 0.3,
        recurrentDropout: Float = 0
    ) -> Trainer {
        Trainer(
            Model(shape, seed: 1), optimizer: optimizer, batch: batch, steps: 4,
            initialState: .carried, clip: GradientClip(norm: 1),
            dropout: dropout, recurrentDropout: recurrentDropout, seed: 9)
    }

    private func step(_ trainer: inout Trainer, _ index: Int) -> TrainingStep {
        let tokens = (0..<12).map { Int32((index * 5 + $0 * $0) % 7) }
        let targets = tokens.map { ($0 + 3) % 7 }
        return trainer.step(tokens: tokens.span, targets: targets.span)
    }

    @Test(arguments: Optimizer.names) func goesOnWithTheSameBits(name: String) throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        let rule = try #require(Optimizer.named(name))
        let count = 6
        var whole = trainer(rule)
        whole.learningRate = 0.01
        let expected = (0..<count).map { step(&whole, $0) }
        for cut in 0...count {
            var first = trainer(rule)
            first.learningRate = 0.01
            for index in 0..<cut { _ = step(&first, index) }
            try first.saveCheckpoint(to: path, metadata: ["segment": "\(cut)"])
            var second = trainer(rule)
            // What the second has done before must not show.
            _ = step(&second, 40)
            #expect(try second.restoreCheckpoint(contentsOf: path) == ["segment": "\(cut)"])
            #expect(second.learningRate == 0.01)
            for index in cut..<count {
                #expect(
                    step(&second, index) == expected[index], "\(name), cut at \(cut), step \(index)"
                )
            }
        }
    }

    /// Momentum that is no longer the rule's, and the state that the next evaluation begins with.
    @Test func momentumAndTheEvaluationStateGoOn() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        let rule = Optimizer.sgd(SGD(learningRate: 0.1, momentum: 0.9))
        let tokens = [Int32](repeating: 2, count: 12)
        let targets = [Int32](repeating: 3, count: 12)
        func evaluation(_ trainer: inout Trainer) -> Evaluation {
            trainer.evaluate(tokens: tokens.span, targets: targets.span)
        }
        var whole = trainer(rule)
        for index in 0..<3 { _ = step(&whole, index) }
        whole.momentum = 0.5
        let first = evaluation(&whole)
        try whole.saveCheckpoint(to: path)
        var resumed = trainer(rule)
        _ = try resumed.restoreCheckpoint(contentsOf: path)
        #expect(resumed.momentum == 0.5)
        let second = evaluation(&resumed)
        #expect(second == evaluation(&whole) && second != first)
        for index in 3..<6 { #expect(step(&resumed, index) == step(&whole, index)) }
    }

    /// The message of the error, and that nothing was changed.
    private func message(_ trainer: inout Trainer, _ path: String) -> String {
        let (tokens, targets) = ([Int32](repeating: 2, count: 12), [Int32](repeating: 3, count: 12))
        func evaluation() -> Evaluation {
            trainer.resetEvaluationState()
            return trainer.evaluate(tokens: tokens.span, targets: targets.span)
        }
        let before = evaluation()
        do throws(ModelFileError) {
            _ = try trainer.restoreCheckpoint(contentsOf: path)
            return "no error"
        } catch {
            #expect(evaluation() == before)
            return error.description
        }
    }

    @Test func whatDoesNotFitIsRefusedAndChangesNothing() throws {
        defer { try? FileManager.default.removeItem(atPath: path) }
        let rule = Optimizer.adam(Adam())
        var first = trainer(rule)
        var second = trainer(rule)
        _ = step(&second, 1)
        #expect(message(&second, path).hasSuffix("No such file or directory"))
        try first.model.save(to: path)
        #expect(
            message(&second, path).contains(
                "not a checkpoint; expected metadata recurrent.checkpoint, found none"))
        _ = step(&first, 0)
        try first.saveCheckpoint(to: path)
        let other = ModelShape(
            input: .tokens(vocabulary: 7, dimension: 5), layers: [.lstm(17), .lstm(7)],
            outputSize: 7, loss: .crossEntropy)
        for different in [
            DifferentTrainer.shape, .optimizer, .dropout, .recurrentDropout, .regularization,
        ] {
            var trainer =
                switch different {
                case .shape: trainer(rule, shape: other)
                case .regularization:
                    Trainer(
                        Model(Self.shape, seed: 1), optimizer: rule, batch: 3, steps: 4,
                        clip: GradientClip(norm: 1),
                        regularization: Regularization(l2: 1e-4), dropout: 0.3, seed: 9)
                case .optimizer: trainer(.adam(Adam(beta1: 0.8)))
                case .dropout: trainer(rule, dropout: 0)
                case .recurrentDropout: trainer(rule, recurrentDropout: 0.5)
                }
            #expect(
                message(&trainer, path).contains("a checkpoint of another training; expected "),
                "\(different)")
        }
    }

    /// Where a model may be read by few, its checkpoint may be as well.
    @Test func aNewCheckpointHasThePermissionsOfTheModel() throws {
        let model = path + ".model"
        defer { for file in [path, model] { try? FileManager.default.removeItem(atPath: file) } }
        let trainer = trainer(.adam(Adam()))
        try trainer.model.save(to: model)
        try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: model)
        try trainer.saveCheckpoint(to: path, permissionsOf: model)
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        #expect(attributes[.posixPermissions] as? Int == 0o640)
    }

    private enum DifferentTrainer {
        case shape, optimizer, dropout, recurrentDropout, regularization
    }
}
