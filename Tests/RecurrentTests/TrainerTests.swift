import Foundation
import Testing

@testable import Recurrent

@Suite struct TrainerTests {
    /// Tokens that repeat with a period, and the tokens that follow them: [T][B].
    private func periodicText(batch: Int, steps: Int, vocabulary: Int) -> (
        tokens: [Int32], targets: [Int32]
    ) {
        func token(_ step: Int, _ sequence: Int) -> Int32 {
            Int32((step * step + 3 * sequence) % vocabulary)
        }
        let places = (0..<steps).flatMap { step in (0..<batch).map { (step, $0) } }
        return (places.map { token($0.0, $0.1) }, places.map { token($0.0 + 1, $0.1) })
    }

    private func losses(
        _ optimizer: Optimizer, steps: Int, threads: Int = 1, dropout: Float = 0,
        layers: [RecurrentLayer] = [.lstm(24), .lstm(17)],
        isa: ISA = .best
    ) throws -> [Double] {
        let shape = ModelShape(
            input: .tokens(vocabulary: 11, dimension: 9), layers: layers, outputSize: 11,
            loss: .crossEntropy)
        var trainer = Trainer(
            Model(shape, seed: 1), optimizer: optimizer, batch: 5, steps: 7,
            clip: GradientClip(norm: 5), dropout: dropout,
            threads: threads, kernels: try Kernels(isa: isa))
        let (tokens, targets) = periodicText(batch: 5, steps: 7, vocabulary: 11)
        return (0..<steps).map { _ in
            trainer.resetState()
            return trainer.step(tokens: tokens.span, targets: targets.span).loss
        }
    }

    @Test func overfitsOneBatch() throws {
        let losses = try losses(.adam(Adam(learningRate: 0.02)), steps: 150)
        #expect(abs(losses[0] - 2.4) < 0.3, "the first loss is near log(11)")
        #expect(losses.last! < 0.02)
    }

    @Test(arguments: [
        "sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam", "adamw", "amsgrad",
    ])
    func everyOptimizerLowersTheLoss(name: String) throws {
        let optimizer = try #require(Optimizer.named(name))
        let losses = try losses(optimizer, steps: 60)
        #expect(losses.last! < losses[0] - 0.02, "\(losses[0]) → \(losses.last!)")
    }

    @Test func threadsAndInstructionSetsChangeNoBit() throws {
        let expected = try losses(.adam(Adam()), steps: 6, dropout: 0.3)
        for isa in ISA.available {
            for threads in [1, 2, 3, 5] {
                #expect(
                    try losses(.adam(Adam()), steps: 6, threads: threads, dropout: 0.3, isa: isa)
                        == expected, "\(isa), \(threads) threads")
            }
        }
    }

    /// Each row's own, in training and in evaluation alike; rows without a target have none.
    @Test func lossesOfTheRowsAddUp() {
        let shape = ModelShape(
            input: .tokens(vocabulary: 11, dimension: 9), layers: [.lstm(17)], outputSize: 11,
            loss: .crossEntropy)
        var trainer = Trainer(Model(shape, seed: 1), optimizer: .sgd(SGD()), batch: 5, steps: 7)
        var (tokens, targets) = periodicText(batch: 5, steps: 7, vocabulary: 11)
        targets[3] = -1
        func rows() -> [Float] {
            trainer.withLosses { losses in losses.indices.map { losses[$0] } }
        }
        let evaluation = trainer.evaluate(tokens: tokens.span, targets: targets.span)
        let evaluated = rows()
        #expect(evaluated.count == 35 && evaluated[3] == 0 && evaluated.count { $0 > 0 } == 34)
        #expect(
            abs(evaluated.reduce(0) { $0 + Double($1) } - evaluation.lossSum) < 1e-12
                * evaluation.lossSum)
        trainer.withOutput(step: 1, sequence: 2) { logits in
            let exponentials = logits.indices.map { exp(Double(logits[$0])) }
            let expected = log(exponentials.reduce(0, +)) - Double(logits[Int(targets[7])])
            #expect(abs(Double(evaluated[7]) - expected) < 1e-6)
        }
        let step = trainer.step(tokens: tokens.span, targets: targets.span)
        #expect(
            rows() == evaluated
                && abs(step.loss * 34 - evaluation.lossSum) < 1e-12 * evaluation.lossSum)
    }

    /// A mean-squared-error model of values: [T][B][1] in, [T][B][2] out.
    private func valueTrainer(
        batch: Int, steps: Int, optimizer: Optimizer = .sgd(SGD(learningRate: 0.1)),
        initialState: InitialState = .zero
    ) -> Trainer {
        let shape = ModelShape(
            input: .values(size: 1), layers: [.lstm(17)], outputSize: 2, loss: .meanSquaredError)
        return Trainer(
            Model(shape, seed: 2), optimizer: optimizer, batch: batch, steps: steps,
            initialState: initialState)
    }

    @Test func learnsValuesFromValues() {
        var trainer = valueTrainer(batch: 3, steps: 6, optimizer: .adam(Adam(learningRate: 0.02)))
        let values = (0..<18).map { Float($0 % 5) / 5 }
        let targets = values.flatMap { [$0 * 0.5, 0.3 - $0] }
        var losses: [Double] = []
        for _ in 0..<200 {
            trainer.resetState()
            losses.append(trainer.step(values: values.span, targets: targets.span).loss)
        }
        #expect(losses.last! < losses[0] / 10)
        trainer.resetEvaluationState()
        let evaluated = trainer.evaluate(values: values.span, targets: targets.span)
        #expect(evaluated.count == 18 && evaluated.loss <= losses.last!)
    }

    /// What stands behind the end of a sequence changes nothing, not even as NaN.
    @Test func endedSequencesChangeNothing() throws {
        let lengths = [6, 0, 2]
        func train(padding: Float) -> [TrainingStep] {
            var trainer = valueTrainer(batch: 3, steps: 6)
            let ended = (0..<18).map { $0 / 3 >= lengths[$0 % 3] }
            let values = (0..<18).map { ended[$0] ? padding : Float($0 % 5) / 5 }
            let targets = (0..<36).map { ended[$0 / 2] ? padding : Float($0 % 7) / 7 }
            return (0..<5).map { _ in
                trainer.step(values: values.span, targets: targets.span, lengths: lengths.span)
            }
        }
        let steps = train(padding: 0)
        #expect(train(padding: .nan) == steps)
        #expect(steps.allSatisfy { $0.updated && $0.loss > 0 })
    }

    @Test func aGradientThatIsNotFiniteChangesNothing() {
        var trainer = valueTrainer(batch: 1, steps: 4)
        var untouched = valueTrainer(batch: 1, steps: 4)
        let good: [Float] = [0.1, 0.2, 0.3, 0.4]
        let bad: [Float] = [0.1, .infinity, 0.3, .nan]
        let targets = [Float](repeating: 0.5, count: 8)
        let refused = trainer.step(values: bad.span, targets: targets.span)
        #expect(!refused.updated && !refused.gradientNorm.isFinite)
        trainer.resetState()
        let after = trainer.step(values: good.span, targets: targets.span)
        #expect(after == untouched.step(values: good.span, targets: targets.span))
        #expect(after.updated)
    }

    /// Neither momentum nor weight decay moves the parameters in a segment without a target; the
    /// state goes on.
    @Test(arguments: ["momentum", "adamw"]) func aSegmentWithoutATargetChangesNoParameter(
        name: String
    ) throws {
        let shape = ModelShape(
            input: .tokens(vocabulary: 5, dimension: 3), layers: [.lstm(17)], outputSize: 5,
            loss: .crossEntropy)
        let optimizer = try #require(Optimizer.named(name))
        var trainer = Trainer(
            Model(shape, seed: 2), optimizer: optimizer, batch: 2, steps: 3, initialState: .carried)
        var untouched = Trainer(
            Model(shape, seed: 2), optimizer: optimizer, batch: 2, steps: 3, initialState: .carried)
        let tokens: [Int32] = [0, 1, 2, 3, 4, 0]
        let targets: [Int32] = [1, 2, 3, 4, 0, 1]
        let none: [Int32] = [-1, -1, 5, -7, .max, .min]
        #expect(
            trainer.step(tokens: tokens.span, targets: targets.span)
                == untouched.step(tokens: tokens.span, targets: targets.span))
        trainer.resetState()
        untouched.resetState()
        let empty = trainer.step(tokens: tokens.span, targets: none.span)
        #expect(!empty.updated && empty.loss.isNaN && empty.gradientNorm == 0)
        // The state has moved on; the parameters and moments are those of before.
        #expect(
            trainer.step(tokens: tokens.span, targets: targets.span).loss
                != untouched.step(tokens: tokens.span, targets: targets.span).loss)
        var rested = Trainer(
            Model(shape, seed: 2), optimizer: optimizer, batch: 2, steps: 3, initialState: .carried)
        var paused = Trainer(
            Model(shape, seed: 2), optimizer: optimizer, batch: 2, steps: 3, initialState: .carried)
        for _ in 0..<3 {
            rested.resetState()
            _ = paused.step(tokens: tokens.span, targets: none.span)
            paused.resetState()
            #expect(
                paused.step(tokens: tokens.span, targets: targets.span)
                    == rested.step(tokens: tokens.span, targets: targets.span))
        }
    }

    /// Two segments with the state carried give the loss of the second half of one long sequence.
    @Test func carriesTheStateFromSegmentToSegment() {
        let values = (0..<8).map { Float($0 * $0 % 7) / 7 }
        let targets = (0..<16).map { Float($0 % 3) / 3 }
        var long = valueTrainer(batch: 1, steps: 8)
        var short = valueTrainer(batch: 1, steps: 4, initialState: .carried)
        let whole = long.evaluate(values: values.span, targets: targets.span)
        let first = short.evaluate(
            values: values.span.extracting(..<4), targets: targets.span.extracting(..<8))
        let second = short.evaluate(
            values: values.span.extracting(4...), targets: targets.span.extracting(8...))
        #expect(abs(first.lossSum + second.lossSum - whole.lossSum) < 1e-12)
    }

    /// The ends of every range, and what lies beyond them.
    @Test func hyperparametersHaveRanges() {
        let within: [Optimizer] =
            [
                .sgd(SGD(learningRate: 0, momentum: 0.999, dampening: 1)),
                .sgd(SGD(learningRate: 3e38)), .adaGrad(AdaGrad(epsilon: 0)),
                .rmsProp(RMSProp(decay: 0, epsilon: 0)),
                .adaDelta(AdaDelta(decay: 0, epsilon: 1.5e-38)),
                .adam(Adam(beta1: 0, beta2: 0, epsilon: 0)),
                .nAdam(NAdam(beta1: 0, beta2: 0, epsilon: 0, momentumDecay: 0)),
                .rAdam(RAdam(beta1: 0, beta2: 0, epsilon: 0)),
                .adamax(Adamax(beta1: 0, beta2: 0, epsilon: 0)), .lion(Lion(beta1: 0, beta2: 0)),
            ] + Optimizer.names.map { Optimizer.named($0)! }
        #expect(within.allSatisfy { $0.rangeError == nil })
        let beyond: [(Optimizer, String)] = [
            (.sgd(SGD(learningRate: .nan)), "learning rate"),
            (.sgd(SGD(learningRate: 1e-60)), "learning rate"),
            (.sgd(SGD(weightDecay: 1e-39)), "weight decay"),
            (.sgd(SGD(momentum: 1 - 1e-12)), "momentum"), (.adam(Adam(beta2: 1 - 1e-9)), "beta2"),
            (.adam(Adam(epsilon: 1e-50)), "epsilon"), (.rmsProp(RMSProp(decay: 1e-46)), "decay"),
            (.sgd(SGD(learningRate: .infinity)), "learning rate"),
            (.sgd(SGD(learningRate: 1e39)), "learning rate"),
            (.sgd(SGD(momentum: 1)), "momentum"), (.sgd(SGD(momentum: -0.1)), "momentum"),
            (.sgd(SGD(dampening: 1.1)), "dampening"),
            (.sgd(SGD(weightDecay: -1e-9)), "weight decay"),
            (.adaGrad(AdaGrad(learningRateDecay: -1)), "learning rate decay"),
            (.adaGrad(AdaGrad(epsilon: -1e-9)), "epsilon"),
            (.adaGrad(AdaGrad(initialAccumulator: .nan)), "initial accumulator"),
            (.adaGrad(AdaGrad(weightDecay: .infinity)), "weight decay"),
            (.rmsProp(RMSProp(learningRate: .nan)), "learning rate"),
            (.rmsProp(RMSProp(decay: 1)), "decay"),
            (.rmsProp(RMSProp(epsilon: -1)), "epsilon"),
            (.rmsProp(RMSProp(momentum: 1)), "momentum"),
            (.rmsProp(RMSProp(weightDecay: -1)), "weight decay"),
            (.adaDelta(AdaDelta(decay: .nan)), "decay"),
            (.adaDelta(AdaDelta(epsilon: 0)), "epsilon"),
            (.adaDelta(AdaDelta(weightDecay: -1)), "weight decay"),
            (.adam(Adam(learningRate: -1)), "learning rate"), (.adam(Adam(beta1: 1)), "beta1"),
            (.adam(Adam(beta1: .nan)), "beta1"),
            (.adam(Adam(beta2: 1)), "beta2"), (.adam(Adam(epsilon: -1e-9)), "epsilon"),
            (.adam(Adam(weightDecay: -1)), "weight decay"),
            (.nAdam(NAdam(beta1: 1)), "beta1"), (.nAdam(NAdam(beta2: .nan)), "beta2"),
            (.nAdam(NAdam(epsilon: -1)), "epsilon"),
            (.nAdam(NAdam(momentumDecay: -1)), "momentum decay"),
            (.nAdam(NAdam(weightDecay: -1)), "weight decay"),
            (.rAdam(RAdam(learningRate: 1e39)), "learning rate"),
            (.rAdam(RAdam(beta1: -1)), "beta1"), (.rAdam(RAdam(beta2: 1)), "beta2"),
            (.rAdam(RAdam(epsilon: .nan)), "epsilon"),
            (.rAdam(RAdam(weightDecay: 1e-39)), "weight decay"),
            (.adamax(Adamax(beta1: 1)), "beta1"), (.adamax(Adamax(beta2: -1)), "beta2"),
            (.adamax(Adamax(epsilon: -1)), "epsilon"),
            (.adamax(Adamax(weightDecay: .infinity)), "weight decay"),
            (.lion(Lion(beta1: 1)), "beta1"), (.lion(Lion(beta2: -1)), "beta2"),
            (.lion(Lion(weightDecay: .nan)), "weight decay"),
        ]
        let negative = Optimizer.names.map { name in
            var optimizer = Optimizer.named(name)!
            optimizer.learningRate = -1
            return (optimizer, "learning rate")
        }
        for (optimizer, name) in beyond + negative {
            #expect(
                optimizer.rangeError?.hasPrefix("optimizer: \(name) out of range; expected ")
                    == true, "\(optimizer)")
        }
    }

    /// Dimensions whose products would overflow in C.
    @Test func dimensionsThatAreTooLargeTrap() async {
        await #expect(processExitsWith: .failure) {
            _ = LSTMShape(inputSize: 1 << 60, hiddenSize: 1)
        }
        await #expect(processExitsWith: .failure) {
            _ = LSTMShape(inputSize: 1, hiddenSize: 1, batch: 1 << 16, steps: 1 << 16)
        }
        await #expect(processExitsWith: .failure) {
            _ = LSTMShape(inputSize: 1, hiddenSize: 1, inputStride: 1 << 60)
        }
        await #expect(processExitsWith: .failure) {
            _ = DenseShape(rows: 1 << 60, inputSize: 1, outputSize: 1)
        }
        await #expect(processExitsWith: .failure) { _ = RowsShape(rows: 1, units: 1 << 60) }
        await #expect(processExitsWith: .failure) {
            _ = EmbeddingShape(vocabulary: 1 << 60, dimension: 1, rows: 1)
        }
        let largest = ModelShape.largestDimension
        let most = LSTMShape(inputSize: largest, hiddenSize: largest, batch: 1 << 7, steps: largest)
        #expect(
            most.gatesCount == 1 << 57 && most.weightCount > 0 && most.stateTapeCount > 0
                && most.transposedCount > 0)
    }

    /// A schedule may come down to what no float holds; the rate is then zero.
    @Test func aRateBelowTheFloatsBecomesZero() {
        let shape = ModelShape(
            input: .values(size: 1), layers: [.lstm(3)], outputSize: 2, loss: .meanSquaredError)
        var trainer = Trainer(Model(shape, seed: 1), optimizer: .sgd(SGD()), batch: 1, steps: 2)
        for (rate, kept) in [(0.5, 0.5), (1e-39, 0), (1e-300, 0), (1.5e-38, 1.5e-38), (0, 0)] {
            trainer.learningRate = rate
            #expect(trainer.learningRate == kept)
        }
    }

    /// Petabytes: refused, and the model is still there.
    @Test func memoryThatTheSystemRefusesIsAnError() throws {
        let shape = ModelShape(
            input: .values(size: 1), layers: [.lstm(16)], outputSize: 1 << 16, loss: .crossEntropy)
        let model = Model(shape, seed: 1)
        let adam = Optimizer.adam(Adam())
        let most = ModelShape.largestDimension
        do {
            _ = try TrainingPlan(for: model.shape, optimizer: adam, batch: most, steps: 128)
            Issue.record("no machine has so much")
        } catch {
            #expect(error.bytes > 1 << 48)
            #expect(
                error.description
                    == "memory: refused by the system; expected \(error.bytes) bytes, found fewer")
        }
        let trainer = Trainer(
            model, try TrainingPlan(for: shape, optimizer: adam, batch: 1, steps: 2))
        #expect(trainer.batch == 1 && trainer.steps == 2 && trainer.threadCount == 1)
    }

    /// What is estimated is what is allocated; of what no number can count, the largest number.
    @Test func theEstimateIsWhatIsAllocated() throws {
        let layers: [RecurrentLayer] = [
            .lstm(17, LSTMVariant(projectionSize: 5), isBidirectional: true), .gru(3),
        ]
        let shape = ModelShape(
            input: .tokens(vocabulary: 5, dimension: 3), layers: layers, outputSize: 5,
            loss: .crossEntropy)
        for (optimizer, dropout, recurrentDropout) in [
            (Optimizer.sgd(SGD()), Float(0), Float(0)), (.adam(Adam(amsgrad: true)), 0.5, 0),
            (.adam(Adam()), 0, 0.5),
        ] {
            let trainer = Trainer(
                Model(shape, seed: 1), optimizer: optimizer, batch: 3, steps: 7, dropout: dropout,
                recurrentDropout: recurrentDropout)
            let memory = shape.trainingMemory(
                batch: 3, steps: 7, momentCount: optimizer.momentCount, dropout: dropout > 0,
                recurrentDropout: recurrentDropout > 0)
            let floats = trainer.pass.pointee.layout.memory.floats
            #expect(memory.bytes == 4 * floats)
            let parts =
                (1 + optimizer.momentCount) * memory.gradientBytes + memory.tapeBytes
                + memory.scratchBytes
            #expect(memory.bytes == parts)
        }
        let largest = ModelShape.largestDimension
        let most = ModelShape(
            input: .tokens(vocabulary: largest, dimension: largest),
            layers: Array(repeating: .lstm(largest), count: 256), outputSize: largest,
            loss: .crossEntropy)
        let bytes = most.trainingMemory(
            batch: largest, steps: 128, momentCount: 3, dropout: true, recurrentDropout: true
        ).bytes
        #expect(bytes > Int.max / 2)
    }

    @Test func wrongUseTraps() async {
        await #expect(processExitsWith: .failure) {
            let shape = ModelShape(
                input: .values(size: 1), layers: [.lstm(3)], outputSize: 2, loss: .meanSquaredError)
            _ = Trainer(Model(shape, seed: 1), optimizer: .adam(Adam(beta2: 1)), batch: 1, steps: 2)
        }
        await #expect(processExitsWith: .failure) {
            let shape = ModelShape(
                input: .values(size: 1), layers: [.lstm(3)], outputSize: 2, loss: .meanSquaredError)
            var trainer = Trainer(Model(shape, seed: 1), optimizer: .sgd(SGD()), batch: 1, steps: 2)
            trainer.learningRate = -1
        }
        await #expect(processExitsWith: .failure) {
            let shape = ModelShape(
                input: .values(size: 1), layers: [.lstm(3)], outputSize: 2, loss: .meanSquaredError)
            _ = Trainer(
                Model(shape, seed: 1), optimizer: .sgd(SGD()), batch: 1 << 20, steps: 1 << 20)
        }
        await #expect(processExitsWith: .failure) {
            let shape = ModelShape(
                input: .values(size: 1), layers: [.lstm(3)], outputSize: 2, loss: .meanSquaredError)
            var trainer = Trainer(Model(shape, seed: 1), optimizer: .sgd(SGD()), batch: 1, steps: 2)
            _ = trainer.step(tokens: [0, 1].span, targets: [0, 1].span)
        }
        await #expect(processExitsWith: .failure) {
            _ = ModelShape(
                input: .values(size: 0), layers: [.lstm(3)], outputSize: 2, loss: .meanSquaredError)
        }
    }
}
