import Recurrent
import Testing

/// What a trap says, in debug and in release: what was expected, what was found.
@Suite struct RequireTests {
    private static func said(_ result: ExitTest.Result?) -> String {
        String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    }

    @Test func targetsOfTheOtherKind() async {
        let classes = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent])
        {
            let shape = ModelShape(
                input: .values(size: 1), layers: [.rnn(2)], outputSize: 1, loss: .meanSquaredError)
            var trainer = Trainer(Model(shape, seed: 1), optimizer: .sgd(SGD()), batch: 1, steps: 1)
            _ = trainer.step(values: [1].span, targets: [Int32(0)].span)
        }
        #expect(
            Self.said(classes).contains(
                """
                trainer: the model's loss is meanSquaredError; expected targets as values \
                (Float), found classes (Int32)
                """
            ))
        let values = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent])
        {
            let shape = ModelShape(
                input: .values(size: 1), layers: [.rnn(2)], outputSize: 1, loss: .crossEntropy)
            var trainer = Trainer(Model(shape, seed: 1), optimizer: .sgd(SGD()), batch: 1, steps: 1)
            _ = trainer.step(values: [1].span, targets: [Float(0)].span)
        }
        #expect(
            Self.said(values).contains(
                """
                trainer: the model's loss is crossEntropy; expected targets as classes \
                (Int32), found values (Float)
                """
            ))
        #expect(Self.said(values).contains("Model(contentsOf:loss:)"))
    }

    @Test func inputOfTheOtherKind() async {
        let tokens = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent])
        {
            let shape = ModelShape(
                input: .values(size: 1), layers: [.rnn(2)], outputSize: 2, loss: .crossEntropy)
            var trainer = Trainer(Model(shape, seed: 1), optimizer: .sgd(SGD()), batch: 1, steps: 1)
            trainer.predict(tokens: [Int32(0)].span)
        }
        #expect(
            Self.said(tokens).contains(
                "trainer: the model's input is values(size: 1); expected values, found tokens"))
        let values = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent])
        {
            let shape = ModelShape(
                input: .tokens(vocabulary: 2, dimension: 3), layers: [.rnn(2)], outputSize: 2,
                loss: .crossEntropy)
            let model = Model(shape, seed: 1)
            var state = ModelState(model)
            model.step(values: [1].span, state: &state)
        }
        #expect(
            Self.said(values).contains(
                """
                model: the input is tokens(vocabulary: 2, dimension: 3); expected a token, \
                found values
                """
            ))
    }

    @Test func counts() async {
        let input = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var cell = LSTMCell(inputSize: 2, hiddenSize: 3)
            var h: [Float] = [0, 0, 0]
            var span = h.mutableSpan
            cell.step([1].span, into: &span)
        }
        #expect(Self.said(input).contains("x: expected 2 floats, found 1"))
        let targets = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent])
        {
            let shape = ModelShape(
                input: .values(size: 1), layers: [.rnn(2)], outputSize: 2, loss: .crossEntropy)
            var trainer = Trainer(Model(shape, seed: 1), optimizer: .sgd(SGD()), batch: 1, steps: 2)
            _ = trainer.step(values: [1, 2].span, targets: [Int32(0)].span)
        }
        #expect(Self.said(targets).contains("targets: expected 2 elements, found 1"))
        let size = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = ModelShape(
                input: .values(size: 0), layers: [.rnn(2)], outputSize: 2, loss: .crossEntropy)
        }
        #expect(Self.said(size).contains("model shape: expected sizes of 1 to 16777216, found 0"))
        let dense = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = DenseShape(rows: 1, inputSize: .min, outputSize: 2, inputStride: 3)
        }
        #expect(
            Self.said(dense).contains(
                """
                product shape: expected inputs and outputs of 1 to 16777216, found \
                DenseShape(rows: 1, inputSize: \(Int.min), outputSize: 2, inputStride: 3)
                """))
    }
}
