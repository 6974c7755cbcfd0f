import Recurrent
import TestSupport
import Testing

/// What the sequences of a segment start from, and what is left of one whose numbers are not
/// finite.
@Suite struct InitialStateTests {
    /// A layer of each kind, one value in and two out. Updates change nothing: the learning rate is
    /// zero.
    private func trainer(
        _ initialState: InitialState = .zero, head: ModelShape.Head = .everyStep, batch: Int = 3
    ) -> Trainer {
        let shape = ModelShape(
            input: .values(size: 1),
            layers: [.lstm(17), .gru(5), .rnn(9), .lstm(6, LSTMVariant(projectionSize: 4))],
            head: head, outputSize: 2, loss: .crossEntropy)
        return Trainer(
            Model(shape, seed: 3), optimizer: .sgd(SGD(learningRate: 0)), batch: batch, steps: 4,
            initialState: initialState)
    }

    private func values(_ seed: UInt64) -> [Float] {
        var generator = Generator(seed: seed)
        return generator.floats(4 * 3, scale: 2)
    }

    private func outputs(_ trainer: borrowing Trainer) -> [Float] {
        var answers: [Float] = []
        for sequence in 0..<trainer.batch {
            answers += trainer.withOutput(sequence: sequence) { [$0[0], $0[1]] }
        }
        return answers
    }

    /// The answers to independent sequences do not depend on what was asked before: neither in
    /// training nor afterwards.
    @Test(arguments: ModelShape.Head.allCases) func sequencesAreIndependentUnlessCarried(
        head: ModelShape.Head
    ) throws {
        let first = values(1)
        let second = values(2)
        let targets = [Int32](repeating: 1, count: head == .everyStep ? 12 : 3)
        for state in InitialState.allCases {
            var used = trainer(state, head: head)
            var new = trainer(state, head: head)
            let before = used.step(values: first.span, targets: targets.span)
            let after = used.step(values: second.span, targets: targets.span)
            let alone = new.step(values: second.span, targets: targets.span)
            #expect((after == alone) == (state == .zero) && before.updated, "\(head), \(state)")
            used.predict(values: first.span)
            used.predict(values: second.span)
            new.predict(values: second.span)
            #expect((outputs(used) == outputs(new)) == (state == .zero), "\(head), \(state)")
            // As if it were the first: after a reset.
            used.resetState()
            used.resetEvaluationState()
            new.resetState()
            new.resetEvaluationState()
            #expect(
                used.step(values: second.span, targets: targets.span)
                    == new.step(values: second.span, targets: targets.span))
            used.predict(values: first.span)
            new.predict(values: first.span)
            try Comparer.checkSameBits("\(head), \(state)", outputs(used), outputs(new))
        }
    }

    @Test func zeroIsTheDefault() {
        let shape = ModelShape(
            input: .values(size: 1), layers: [.rnn(2)], outputSize: 1, loss: .meanSquaredError)
        #expect(
            Trainer(Model(shape, seed: 1), optimizer: .sgd(SGD()), batch: 1, steps: 1).initialState
                == .zero)
    }

    /// One NaN in a sequence stops the learning of all, says which it is, and is over when that one
    /// is reset.
    @Test func oneSequenceThatIsNotFiniteIsFoundAndReset() {
        var bad = values(1)
        bad[1 * 3 + 1] = .nan
        let good = values(1)
        let next = values(2)
        let targets: [Int32] = (0..<12).map { $0 % 2 }
        var hurt = trainer(.carried)
        var whole = trainer(.carried)
        #expect(!hurt.step(values: bad.span, targets: targets.span).updated)
        #expect(
            (0..<3).map { hurt.isStateFinite(sequence: $0) } == [true, false, true]
                && !hurt.isStateFinite)
        #expect(!hurt.step(values: good.span, targets: targets.span).updated)
        _ = whole.step(values: good.span, targets: targets.span)
        _ = whole.step(values: good.span, targets: targets.span)
        hurt.resetState(sequence: 1)
        whole.resetState(sequence: 1)
        #expect(hurt.isStateFinite && hurt.isStateFinite(sequence: 1))
        let step = hurt.step(values: next.span, targets: targets.span)
        #expect(step.updated && step == whole.step(values: next.span, targets: targets.span))
    }

    @Test func oneSequenceOfAnEvaluationIsFoundAndReset() throws {
        var bad = values(1)
        bad[2] = .infinity
        bad[5] = .nan
        var hurt = trainer(.carried)
        var whole = trainer(.carried)
        hurt.predict(values: bad.span)
        whole.predict(values: values(1).span)
        #expect(
            (0..<3).map { hurt.isEvaluationStateFinite(sequence: $0) } == [true, true, false]
                && hurt.isStateFinite)
        hurt.resetEvaluationState(sequence: 2)
        whole.resetEvaluationState(sequence: 2)
        hurt.predict(values: values(2).span)
        whole.predict(values: values(2).span)
        try Comparer.checkSameBits("outputs", outputs(hurt), outputs(whole))
        // With a state of zero, the last segment alone decides.
        var zero = trainer()
        zero.predict(values: bad.span)
        #expect(zero.isEvaluationStateFinite(sequence: 2) == false)
        zero.predict(values: values(2).span)
        #expect(zero.isEvaluationStateFinite(sequence: 2) == true)
    }

    @Test func aSequenceThatIsNoneTraps() async {
        let result = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent])
        {
            let shape = ModelShape(
                input: .values(size: 1), layers: [.rnn(2)], outputSize: 1, loss: .meanSquaredError)
            var trainer = Trainer(Model(shape, seed: 1), optimizer: .sgd(SGD()), batch: 2, steps: 1)
            trainer.resetState(sequence: 2)
        }
        #expect(says(result, "sequence: expected 0 ≤ sequence < 2, found 2"))
    }

    /// What is left of a model's stream: nothing, after a reset.
    @Test(arguments: 1...3) func aModelsStreamIsReset(steps: Int) throws {
        let shape = ModelShape(
            input: .values(size: 1),
            layers: [.lstm(17), .gru(5), .lstm(6, LSTMVariant(projectionSize: 4))], head: .mean,
            outputSize: 2, loss: .crossEntropy)
        let model = Model(shape, seed: 3)
        func run(_ state: inout ModelState) -> [Float] {
            var outputs: [Float] = []
            for x in [0.5, -1, 2] as [Float] {
                model.step(values: [x].span, state: &state)
                outputs += state.withOutput { [$0[0], $0[1]] }
            }
            return outputs
        }
        var used = ModelState(model)
        var new = ModelState(model)
        let fromZero = run(&new)
        for _ in 0..<steps { model.step(values: [3].span, state: &used) }
        used.reset()
        try Comparer.checkSameBits("after a reset", run(&used), fromZero)
        #expect(used.isFinite == true)
        model.step(values: [.nan].span, state: &used)
        #expect(used.isFinite == false)
        used.reset()
        #expect(used.isFinite == true)
        try Comparer.checkSameBits("after NaN and a reset", run(&used), fromZero)
    }

    // MARK: What counts for nothing is counted

    @Test func tokensAndTargetsOutOfRangeAreCounted() {
        let shape = ModelShape(
            input: .tokens(vocabulary: 4, dimension: 2), layers: [.lstm(3)], outputSize: 4,
            loss: .crossEntropy)
        var trainer = Trainer(Model(shape, seed: 1), optimizer: .sgd(SGD()), batch: 2, steps: 3)
        let tokens: [Int32] = [0, 4, -1, 3, .max, 2]
        let targets: [Int32] = [3, 4, -1, .max, 0, .min]
        let step = trainer.step(tokens: tokens.span, targets: targets.span)
        #expect(step.unknownTokens == 3 && step.invalidTargets == 2 && step.updated)
        // What lies past the end of a sequence is no one's.
        let evaluation = trainer.evaluate(
            tokens: tokens.span, targets: targets.span, lengths: [3, 0].span)
        #expect(
            evaluation.unknownTokens == 2 && evaluation.invalidTargets == 0 && evaluation.count == 2
        )
        var sum = trainer.accumulate(tokens: tokens.span, targets: targets.span)
        sum += trainer.accumulate(tokens: tokens.span, targets: targets.span, lengths: [1, 1].span)
        let update = trainer.update()
        #expect(sum.unknownTokens == 4 && sum.invalidTargets == 3 && sum.count == 3)
        #expect(update.unknownTokens == 4 && update.invalidTargets == 3 && update.loss == sum.loss)
        #expect(
            trainer.evaluate(tokens: [0, 1, 2, 3, 0, 1].span, targets: [0, 1, 2, 3, 0, -1].span)
                .unknownTokens == 0)
    }
}
