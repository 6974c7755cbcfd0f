import Foundation
import Recurrent
import Testing

/// Whether a process that trapped has said `text`.
func says(_ result: ExitTest.Result?, _ text: String) -> Bool {
    String(decoding: result?.standardErrorContent ?? [], as: UTF8.self).contains(text)
}

private func trainer(layers: [RecurrentLayer] = [.lstm(3)], batch: Int = 1) -> Trainer {
    let shape = ModelShape(
        input: .tokens(vocabulary: 4, dimension: 2), layers: layers, outputSize: 4,
        loss: .crossEntropy)
    return Trainer(Model(shape, seed: 1), optimizer: .sgd(SGD()), batch: batch, steps: 2)
}

/// Neither an array literal nor `&array` becomes a span or a buffer, so that what is left to check
/// are counts: no call reads or writes past the memory that it is given.
@Suite struct MemorySafetyTests {
    @Test func everyCountOfASegmentIsChecked() async {
        let targets = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent])
        {
            var trainer = trainer()
            _ = trainer.step(tokens: ([0, 1] as [Int32]).span, targets: ([1] as [Int32]).span)
        }
        #expect(says(targets, "targets: expected 2 elements, found 1"))
        let tokens = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent])
        {
            var trainer = trainer()
            trainer.predict(tokens: ([0] as [Int32]).span)
        }
        #expect(says(tokens, "tokens: expected 2 elements, found 1"))
        let lengths = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent])
        {
            var trainer = trainer(batch: 2)
            let tokens = [Int32](repeating: 0, count: 4)
            trainer.accumulate(tokens: tokens.span, targets: tokens.span, lengths: [2].span)
        }
        #expect(says(lengths, "lengths: expected 2 elements, found 1"))
        let values = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent])
        {
            let shape = ModelShape(
                input: .values(size: 3), layers: [.lstm(3)], outputSize: 2, loss: .meanSquaredError)
            var trainer = Trainer(Model(shape, seed: 1), optimizer: .sgd(SGD()), batch: 1, steps: 1)
            _ = trainer.evaluate(
                values: ([0, 1, 2] as [Float]).span, targets: ([0] as [Float]).span)
        }
        #expect(says(values, "targets: expected 2 elements, found 1"))
    }

    @Test func aLengthIsOneOfASegment() async {
        let long = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var trainer = trainer()
            trainer.predict(tokens: ([0, 1] as [Int32]).span, lengths: [3].span)
        }
        #expect(says(long, "lengths: expected 0 to 2, found 3 of sequence 0"))
        let negative = await #expect(
            processExitsWith: .failure, observing: [\.standardErrorContent]
        ) {
            var trainer = trainer()
            trainer.predict(tokens: ([0, 1] as [Int32]).span, lengths: [-1].span)
        }
        #expect(says(negative, "lengths: expected 0 to 2, found -1 of sequence 0"))
    }

    /// The pointer calls of the cells know how much memory there is.
    @Test func everyCountOfACellIsChecked() async {
        let lstm = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var cell = LSTMCell(inputSize: 2, hiddenSize: 3, batch: 2)
            ([0, 1, 2] as [Float]).withUnsafeBufferPointer { _ = cell.step($0) }
        }
        #expect(says(lstm, "x: expected 4 floats, found 3"))
        let gru = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var cell = GRUCell(inputSize: 2, hiddenSize: 3)
            ([0] as [Float]).withUnsafeBufferPointer { _ = cell.step($0) }
        }
        #expect(says(gru, "x: expected 2 floats, found 1"))
        let rnn = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var cell = RNNCell(inputSize: 2, hiddenSize: 3)
            ([0] as [Float]).withUnsafeBufferPointer { _ = cell.step($0) }
        }
        #expect(says(rnn, "x: expected 2 floats, found 1"))
        let convolution = await #expect(
            processExitsWith: .failure, observing: [\.standardErrorContent]
        ) {
            var cell = ConvolutionCell(inputChannels: 2, outputChannels: 3, kernelSize: 2)
            ([0] as [Float]).withUnsafeBufferPointer { _ = cell.step($0) }
        }
        #expect(says(convolution, "x: expected 2 floats, found 1"))
    }

    /// What a pointer call gives is as long as it says, padding included, and the same as the safe
    /// call's.
    @Test func pointerAndSpanAreOneStep() {
        var first = LSTMCell(inputSize: 1, hiddenSize: 17, batch: 2)
        var second = LSTMCell(inputSize: 1, hiddenSize: 17, batch: 2)
        let weightIH = (0..<68).map { Float($0 % 11 - 5) / 11 }
        let weightHH = (0..<68 * 17).map { Float($0 % 13 - 6) / 13 }
        let bias = [Float](repeating: 0.25, count: 68)
        first.load(weightIH: weightIH, weightHH: weightHH, biasIH: bias, biasHH: bias)
        second.load(weightIH: weightIH, weightHH: weightHH, biasIH: bias, biasHH: bias)
        let x: [Float] = [0.5, -0.5]
        let rows = x.withUnsafeBufferPointer { Array(first.step($0)) }
        var h = [Float](repeating: .nan, count: 34)
        var span = h.mutableSpan
        second.step(x.span, into: &span)
        let found: [Float] = Array(rows[0..<17]) + Array(rows[32..<49])
        #expect(rows.count == 64)
        #expect(found == h && found.max() != found.min())
    }

    @Test func everyCountOfNormalizationIsChecked() async {
        let rows = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var normalization = BatchNormalization(units: 2)
            let x = [Float](repeating: 0, count: 32)
            var y = [Float](repeating: 0, count: 16)
            var span = y.mutableSpan
            normalization.forward(x.span, into: &span)
        }
        #expect(says(rows, "expected rows of 16 floats, found 32 and 16 floats"))
        let gradient = await #expect(
            processExitsWith: .failure, observing: [\.standardErrorContent]
        ) {
            var normalization = BatchNormalization(units: 2)
            let x = [Float](repeating: 0, count: 32)
            let dy = [Float](repeating: 0, count: 16)
            var dx = x
            var span = dx.mutableSpan
            normalization.backward(x.span, outputGradient: dy.span, into: &span)
        }
        #expect(says(gradient, "expected an output gradient of 32 floats, found 16"))
        let valid = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var normalization = BatchNormalization(units: 2)
            let x = [Float](repeating: 0, count: 32)
            let valid: [Int32] = [1]
            var y = x
            var span = y.mutableSpan
            normalization.backward(x.span, valid: valid.span, outputGradient: x.span, into: &span)
        }
        #expect(says(valid, "expected 2 rows that are valid or not, found 1"))
    }

    @Test func everyCountOfAMinimizationIsChecked() async {
        let step = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var lbfgs = LBFGS(count: 3)
            var parameters: [Float] = [1, 2]
            var span = parameters.mutableSpan
            lbfgs.step(&span) { _, _ in 0 }
        }
        #expect(says(step, "expected 3 parameters and as many of the gradient, found 2 and 3"))
    }

    /// Sizes whose products have no number, or whose memory there cannot be: nothing is written
    /// before they are refused.
    @Test func sizesAreCheckedBeforeMemoryIsTaken() async {
        let batch = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = ConvolutionCell(inputChannels: 1, outputChannels: 1, kernelSize: 1, batch: .max)
        }
        #expect(says(batch, "convolution: expected dimensions of 1 to 16777216"))
        let negative = await #expect(
            processExitsWith: .failure, observing: [\.standardErrorContent]
        ) {
            _ = ConvolutionCell(inputChannels: 1, outputChannels: 1, kernelSize: 1, batch: -1)
        }
        #expect(says(negative, "batch -1"))
        let history = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent])
        {
            _ = LBFGS(count: 1, history: .max)
        }
        #expect(says(history, "L-BFGS: expected a positive count and history"))
        await #expect(processExitsWith: .failure) { _ = LBFGS(count: .max) }
        await #expect(processExitsWith: .failure) { _ = LBFGS(count: 1 << 60, history: 16) }
        await #expect(processExitsWith: .failure) {
            _ = LSTMCell(inputSize: 1, hiddenSize: 1, batch: .max)
        }
        await #expect(processExitsWith: .failure) { _ = LSTMCell(inputSize: .max, hiddenSize: 1) }
        await #expect(processExitsWith: .failure) { _ = GRUCell(inputSize: 1, hiddenSize: .max) }
        await #expect(processExitsWith: .failure) {
            _ = RNNCell(inputSize: 1, hiddenSize: 1, batch: 1 << 62)
        }
        await #expect(processExitsWith: .failure) { _ = BatchNormalization(units: .max) }
        await #expect(processExitsWith: .failure) { _ = ImageSize(height: .max, width: .max) }
        await #expect(processExitsWith: .failure) {
            _ = PoolingShape(
                .max, rows: .single, columns: WindowAxis(size: .max, kernelSize: 1), channels: 1)
        }
        await #expect(processExitsWith: .failure) {
            _ = ModelShape(
                input: .tokens(vocabulary: .max, dimension: .max), layers: [.lstm(1)],
                outputSize: 1, loss: .crossEntropy)
        }
        await #expect(processExitsWith: .failure) { _ = trainer(batch: .max) }
    }

    /// A closure that accumulates a full batch gets no trainer that it could replace, and what it
    /// does is what the trainer would do.
    @Test func aFullBatchAccumulatesAsItsTrainer() {
        var one = trainer()
        var other = trainer()
        var lbfgs = LBFGS(for: one)
        let tokens: [Int32] = [0, 1]
        let targets: [Int32] = [1, 2]
        var losses: [Double] = []
        let found = one.minimize(&lbfgs, gradientCalls: 2) { batch in
            batch.resetState()
            losses.append(
                batch.accumulate(tokens: tokens.span, targets: targets.span, lengths: [1].span).loss
            )
        }
        let expected = other.evaluate(tokens: tokens.span, targets: targets.span, lengths: [1].span)
        #expect(
            losses[0] == expected.loss && expected.count == 1 && found.gradientCalls == losses.count
        )
    }
}
