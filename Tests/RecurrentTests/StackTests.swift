import Recurrent
import RecurrentFormats
import RecurrentReference
import TestSupport
import Testing

@Suite struct StackTests {
    /// Outputs, loss and the gradient with respect to every fifth parameter, against the reference
    /// in Double and its central differences; with recurrent dropout in training too, by the masks
    /// of the first step.
    @Test(arguments: StackCase.all, [0, 0.5]) func isWhatTheReferenceSays(
        test: StackCase, recurrentDropout: Double
    ) throws {
        let before = try Tensors(Model(test.shape, seed: 7))
        var trainer = test.trainer(
            Model(test.shape, seed: 7), recurrentDropout: Float(recurrentDropout))
        #expect(abs(test.evaluate(&trainer).loss - test.loss(before)) < 1e-6)
        for (row, expected) in test.outputs(before).enumerated()
        where test.isValid(row % test.batch, row / test.batch) {
            trainer.withOutput(step: row / test.batch, sequence: row % test.batch) { output in
                for unit in expected.indices {
                    #expect(
                        abs(Double(output[unit]) - expected[unit]) < 1e-6,
                        "row \(row), unit \(unit)")
                }
            }
        }
        let step = test.step(&trainer)
        #expect(step.updated)
        let loss = test.loss(before, recurrentDropout: recurrentDropout)
        #expect(abs(step.loss - loss) < 1e-6)
        #expect((abs(loss - test.loss(before)) > 1e-4) == (recurrentDropout > 0))
        let after = try Tensors(trainer.model)
        // Gradient descent at the rate 1: the gradient is the difference, to half a last place of a
        // weight under 2 and of a sum of floats.
        var checked = 0
        var differs = 0
        for (name, weights) in before.values {
            // A second bias that is part of the first one is written as zero and learns nothing.
            for index in stride(from: name.count % 5, to: weights.count, by: 5)
            where !(name.contains("bias_hh") && weights[index] == 0) {
                var nudged = before
                nudged.values[name]![index] += 1e-5
                let above = test.loss(nudged, recurrentDropout: recurrentDropout)
                nudged.values[name]![index] -= 2e-5
                let expected =
                    (above - test.loss(nudged, recurrentDropout: recurrentDropout)) / 2e-5
                let found = weights[index] - after.values[name]![index]
                #expect(
                    abs(found - expected) <= 2e-7 + 1e-5 * abs(expected),
                    "\(name)[\(index)]: \(found), not \(expected)")
                checked += 1
                if abs(expected) > 1e-4 { differs += 1 }
            }
        }
        #expect(checked > 20 && differs > checked / 3)
    }

    @Test(arguments: StackCase.all) func threadsAndInstructionSetsChangeNoBit(test: StackCase)
        throws
    {
        func losses(_ threads: Int, _ isa: ISA) throws -> [Double] {
            var trainer = test.trainer(
                Model(test.shape, seed: 7), .adam(Adam()), dropout: 0.3, recurrentDropout: 0.4,
                threads: threads,
                kernels: try Kernels(isa: isa))
            return (0..<4).flatMap { _ in [test.step(&trainer).loss, test.evaluate(&trainer).loss] }
        }
        let expected = try losses(1, .generic)
        for isa in ISA.available {
            for threads in [1, 2, 5] {
                #expect(try losses(threads, isa) == expected, "\(isa), \(threads) threads")
            }
        }
    }

    /// The state of a stream after each step is that of a whole sequence of so many steps.
    @Test(
        arguments: StackCase.all.filter {
            !$0.layers.contains(where: \.isBidirectional) && !$0.readsTokens
        })
    func stepsAreSequences(test: StackCase) throws {
        for length in 1...test.steps {
            let model = Model(test.shape, seed: 3)
            var state = ModelState(model)
            var outputs: [[Float]] = []
            let values = (0..<length * test.inputSize).map { Float($0 * 5 % 7) / 7 }
            for t in 0..<length {
                model.step(
                    values: Array(values[t * test.inputSize..<(t + 1) * test.inputSize]).span,
                    state: &state)
                outputs.append(state.withOutput { output in (0..<output.count).map { output[$0] } })
            }
            var trainer = Trainer(model, optimizer: .sgd(SGD()), batch: 1, steps: length)
            trainer.predict(values: values.span)
            let last = trainer.withOutput(
                step: test.head == .everyStep ? length - 1 : 0, sequence: 0
            ) { output in (0..<output.count).map { output[$0] } }
            #expect(outputs.last == last, "\(length) steps")
        }
    }

    @Test(arguments: StackCase.all) func aFileHoldsAll(test: StackCase) throws {
        let model = Model(test.shape, seed: 5)
        let folder = try TemporaryFolder()
        let path = folder.path("model")
        try model.save(to: path)
        let read = try Model(contentsOf: path)
        #expect(read.shape == test.shape)
        #expect(try Tensors(read) == Tensors(model))
        #expect(read.metadata.isEmpty)
    }

    /// A run that was cut off goes on with the same bits, whatever its layers carry.
    @Test(arguments: StackCase.all) func checkpointsHoldAll(test: StackCase) throws {
        let folder = try TemporaryFolder()
        let path = folder.path("checkpoint")
        var whole = test.trainer(
            Model(test.shape, seed: 7), .adam(Adam()), dropout: 0.2, recurrentDropout: 0.3)
        for _ in 0..<3 { _ = test.step(&whole) }
        try whole.saveCheckpoint(to: path)
        var resumed = test.trainer(
            Model(test.shape, seed: 8), .adam(Adam()), dropout: 0.2, recurrentDropout: 0.3)
        _ = try resumed.restoreCheckpoint(contentsOf: path)
        for _ in 0..<2 { #expect(test.step(&resumed) == test.step(&whole)) }
    }

    @Test func cellsHaveNames() {
        let mixed = RecurrentCell.lstm(
            Recurrent.LSTMVariant(
                activation: .sigmoid, hasPeepholes: true, hasCoupledGates: true, cellClip: 2.5,
                projectionSize: 8))
        #expect(mixed.name == "lstm(sigmoid+peepholes+coupled+clip:2.5+projection:8)")
        let gru = RecurrentCell.gru(
            Recurrent.GRUVariant(zReplaces: true, activation: .hardTanh, gateActivation: .tanh))
        #expect(gru.name == "gru(zReplaces+hardTanh+gates:tanh)")
        for cell in RecurrentCell.all + [mixed, gru] {
            #expect(RecurrentCell(named: cell.name) == cell)
        }
        for name in [
            "", "lstm()", "lstm(tanh)", "lstm(sigmoid+sigmoid)", "lstm(clip)", "lstm(clip:0)",
            "lstm(clip:inf)", "lstm(peepholes:2)", "lstm(projection:0)",
            "lstm(projection:99999999999999999999)", "lstm(sigmoid+)", "gru(peepholes)", "LSTM",
            "lstm(gates)", "lstm(gates:)", "lstm(gates:sigmoid)", "lstm(gates:leakyReLU)",
            "lstm(relu+sigmoid)", "gru(lecture+relu)", "gru(resetBefore+zReplaces+sigmoid)",
            "gru(resetAfter)", "rnn(tanh)", "rnn(gates:relu)", "minGRU(tanh)",
        ] {
            #expect(RecurrentCell(named: name) == nil, "\(name)")
        }
    }

    @Test(arguments: [
        "gru(lecture)", "lstm(peepholes) rnn", "lstm(projection:4) rnn", "lstm rnn lstm",
        "lstm(clip:-1) rnn", "",
    ])
    func aFileThatNamesOtherCellsIsRefused(cells: String) throws {
        let folder = try TemporaryFolder()
        let path = folder.path("model")
        let shape = ModelShape(
            input: .values(size: 1), layers: [.lstm(2), .rnn(3)], outputSize: 1,
            loss: .meanSquaredError)
        try Model(shape, seed: 1).save(to: path)
        try ModelFileTests.change(path, metadata: { $0["recurrent.cells"] = cells })
        let error = #expect(throws: ModelFileError.self) { _ = try Model(contentsOf: path) }
        #expect(
            error?.description
                == """
                \(path): metadata recurrent.cells; expected cells lstm rnn, found \
                \(cells)
                """
        )
    }

    @Test func wrongUseTraps() async {
        await #expect(processExitsWith: .failure) {
            _ = ModelState(
                Model(
                    ModelShape(
                        input: .values(size: 1), layers: [.gru(2, isBidirectional: true)],
                        outputSize: 1, loss: .meanSquaredError), seed: 1))
        }
        await #expect(processExitsWith: .failure) {
            _ = ModelShape(
                input: .values(size: 1), layers: [], outputSize: 1, loss: .meanSquaredError)
        }
        await #expect(processExitsWith: .failure) {  // the last segment was trained on
            var trainer = Trainer(
                Model(
                    ModelShape(
                        input: .values(size: 1), layers: [.rnn(2)], outputSize: 1,
                        loss: .meanSquaredError), seed: 1),
                optimizer: .sgd(SGD()), batch: 1, steps: 1)
            _ = trainer.step(values: [0.5].span, targets: [0.5].span)
            trainer.withOutput(sequence: 0) { _ in }
        }
    }
}
