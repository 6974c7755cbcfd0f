import Testing

@testable import Recurrent

@Suite struct EvaluatorTests {
    private let batch = 3, steps = 7

    private func segment(_ seed: Int) -> (tokens: [Int32], targets: [Int32]) {
        let tokens = (0..<batch * steps).map { Int32(($0 * $0 + seed) % 11) }
        return (tokens, tokens.map { $0 == 5 ? -1 : ($0 * 3 + 1) % 11 })
    }

    /// Every bit as a trainer measures, the state carried, before and after the parameters have
    /// changed.
    @Test(arguments: [
        RecurrentLayer.lstm(17), .gru(20), .rnn(5),
        .lstm(9, LSTMVariant(hasPeepholes: true, projectionSize: 4)),
    ])
    func measuresAsATrainerDoes(layer: RecurrentLayer) throws {
        let shape = ModelShape(
            input: .tokens(vocabulary: 11, dimension: 6), layers: [layer, .lstm(8)], outputSize: 11,
            loss: .crossEntropy)
        var trainer = Trainer(
            Model(shape, seed: 3), optimizer: .adam(Adam(learningRate: 0.1)), batch: batch,
            steps: steps, initialState: .carried, dropout: 0.5)
        let evaluator = try Evaluator(shape, batch: batch, steps: steps, threads: 2)
        for round in 0..<3 {
            trainer.resetEvaluationState()
            evaluator.reset()
            var losses: [Double] = []
            for index in 0..<2 {
                let (tokens, targets) = segment(index)
                let expected = trainer.evaluate(tokens: tokens.span, targets: targets.span)
                let found = evaluator.evaluate(
                    trainer.model, tokens: tokens.span, targets: targets.span)
                #expect(
                    found == expected && found.count == targets.count { $0 >= 0 }, "round \(round)")
                losses.append(found.loss)
            }
            #expect(losses[0] != losses[1])
            let (tokens, targets) = segment(round)
            _ = trainer.step(tokens: tokens.span, targets: targets.span)
        }
    }

    /// Neither gradient nor moments nor scratch: less than the parameters alone, where these are
    /// most of a trainer.
    @Test func takesTheTapeAlone() {
        let shape = ModelShape(
            input: .tokens(vocabulary: 50, dimension: 16), layers: [.lstm(128)], outputSize: 50,
            loss: .crossEntropy)
        func floats(_ mode: TrainingMode) -> Int {
            TrainingLayout(
                shape, batch: 1, steps: 16, momentCount: 0, dropout: false, recurrentDropout: false,
                mode: mode
            ).memory.floats
        }
        let parameters = ParameterLayout(shape).count
        #expect(floats(.evaluation) * 4 == shape.trainingMemory(batch: 1, steps: 16).tapeBytes)
        #expect(floats(.evaluation) < parameters / 4 && floats(.training) > 2 * parameters)
    }

    @Test func wrongUseTraps() async {
        await #expect(processExitsWith: .failure) {
            let shape = ModelShape(
                input: .values(size: 1), layers: [.lstm(3)], outputSize: 2, loss: .meanSquaredError)
            _ = try Evaluator(shape, batch: 1, steps: 2)
        }
        await #expect(processExitsWith: .failure) {
            let shape = ModelShape(
                input: .tokens(vocabulary: 3, dimension: 2), layers: [.lstm(3)], outputSize: 3,
                loss: .crossEntropy)
            let evaluator = try Evaluator(shape, batch: 1, steps: 2)
            let tokens: [Int32] = [0]
            _ = evaluator.evaluate(Model(shape, seed: 1), tokens: tokens.span, targets: tokens.span)
        }
    }
}
