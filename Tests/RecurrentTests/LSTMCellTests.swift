import Recurrent
import TestSupport
import Testing

@Suite struct LSTMCellTests {
    private struct Weights {
        let weightIH: [Float], weightHH: [Float], biasIH: [Float], biasHH: [Float]
        init(inputSize: Int, hiddenSize: Int) {
            var generator = Generator(seed: UInt64(inputSize * 1000 + hiddenSize))
            weightIH = generator.floats(4 * hiddenSize * inputSize, scale: 0.5)
            weightHH = generator.floats(4 * hiddenSize * hiddenSize, scale: 0.5)
            biasIH = generator.floats(4 * hiddenSize, scale: 0.5)
            biasHH = generator.floats(4 * hiddenSize, scale: 0.5)
        }
    }

    private func cell(inputSize: Int, hiddenSize: Int, batch: Int = 1, kernels: Kernels = .best)
        -> LSTMCell
    {
        let weights = Weights(inputSize: inputSize, hiddenSize: hiddenSize)
        var cell = LSTMCell(
            inputSize: inputSize, hiddenSize: hiddenSize, batch: batch, kernels: kernels)
        cell.load(
            weightIH: weights.weightIH, weightHH: weights.weightHH, biasIH: weights.biasIH,
            biasHH: weights.biasHH)
        return cell
    }

    /// Steps of a cell over [steps][batch][inputSize].
    private func run(_ cell: inout LSTMCell, _ x: [Float]) -> [Float] {
        let (inputs, outputs) = (
            cell.shape.batch * cell.shape.inputSize, cell.shape.batch * cell.shape.hiddenSize
        )
        return (0..<x.count / inputs).flatMap { step in
            var h = Array(repeating: Float.nan, count: outputs)
            var span = h.mutableSpan
            cell.step(Array(x[step * inputs..<(step + 1) * inputs]).span, into: &span)
            return h
        }
    }

    /// Every number of streams from 1 to 33, on every instruction set: each stream's bits are those
    /// of a cell of its own. The bits of different instruction sets are compared elsewhere.
    @Test(arguments: ISA.available, [1, 8, 16, 17, 40])
    func streamsSideBySideAreAsAlone(isa: ISA, hiddenSize: Int) throws {
        var generator = Generator(seed: 9)
        let (most, steps, inputSize) = (isa == .generic ? 7 : 33, 3, 2)
        let kernels = try Kernels(isa: isa)
        let x = (0..<most).map { _ in generator.awkwardFloats(steps * inputSize) }
        let alone = x.map { x in
            var cell = cell(inputSize: inputSize, hiddenSize: hiddenSize, kernels: kernels)
            return run(&cell, x)
        }
        for batch in 1...most {
            var together = cell(
                inputSize: inputSize, hiddenSize: hiddenSize, batch: batch, kernels: kernels)
            var inputs: [Float] = []
            for step in 0..<steps {
                for stream in 0..<batch {
                    inputs += x[stream][step * inputSize..<(step + 1) * inputSize]
                }
            }
            let all = run(&together, inputs)
            for stream in 0..<batch {
                var h: [Float] = []
                for step in 0..<steps {
                    let row = step * batch + stream
                    h += all[row * hiddenSize..<(row + 1) * hiddenSize]
                }
                try Comparer.checkSameBits("stream \(stream) of \(batch)", h, alone[stream])
            }
        }
    }

    /// One stream begins anew; the others do not notice. After odd and after even numbers of steps.
    @Test(arguments: 1...2) func oneStreamIsReset(steps: Int) throws {
        let (batch, hiddenSize) = (3, 20)
        let x: [Float] = [0.3, -0.8, 2]
        var undisturbed = cell(inputSize: 1, hiddenSize: hiddenSize, batch: batch)
        let fromRest = run(&undisturbed, x)
        var resetting = cell(inputSize: 1, hiddenSize: hiddenSize, batch: batch)
        for _ in 0..<steps { _ = run(&resetting, x) }
        for _ in 1..<steps { _ = run(&undisturbed, x) }
        resetting.reset(stream: 1)
        let (found, others) = (run(&resetting, x), run(&undisturbed, x))
        try Comparer.checkSameBits(
            "h", found, Array(others[..<20] + fromRest[20..<40] + others[40...]))
        #expect(others[20..<40] != fromRest[20..<40])
    }

    /// On every instruction set: steps with weights in bfloat16 are steps with weights so rounded,
    /// bit for bit.
    @Test(arguments: ISA.available, [1, 16, 17, 32, 40, 64, 80])
    func bfloat16IsRoundedWeights(isa: ISA, hiddenSize: Int) throws {
        let weights = Weights(inputSize: 3, hiddenSize: hiddenSize)
        let kernels = try Kernels(isa: isa)
        var packed = LSTMCell(
            inputSize: 3, hiddenSize: hiddenSize, batch: 2, weightFormat: .bfloat16,
            kernels: kernels)
        packed.load(
            weightIH: weights.weightIH, weightHH: weights.weightHH, biasIH: weights.biasIH,
            biasHH: weights.biasHH)
        var rounded = LSTMCell(inputSize: 3, hiddenSize: hiddenSize, batch: 2, kernels: kernels)
        rounded.load(
            weightIH: weights.weightIH.map(roundedToBFloat16),
            weightHH: weights.weightHH.map(roundedToBFloat16),
            biasIH: weights.biasIH, biasHH: weights.biasHH)
        var generator = Generator(seed: 4)
        let x = generator.floats(4 * 2 * 3)
        try Comparer.checkSameBits("h", run(&packed, x), run(&rounded, x))
    }

    /// In silence, with no bias but the forget gate's, c decays by a factor until it is zero: no
    /// state stays subnormal, which would make every later step slow. Whole panels and halves of
    /// them, one stream and several, float32 and bfloat16.
    @Test(arguments: ISA.available, [8, 16, 40]) func silenceComesToRest(isa: ISA, hiddenSize: Int)
        throws
    {
        let weights = Weights(inputSize: 1, hiddenSize: hiddenSize)
        let kernels = try Kernels(isa: isa)
        let none = [Float](repeating: 0, count: 4 * hiddenSize)
        let bias = none.indices.map { Float($0 / hiddenSize == 1 ? 1 : 0) }
        for (batch, format) in [(1, WeightFormat.float32), (3, .float32), (1, .bfloat16)] {
            var cell = LSTMCell(
                inputSize: 1, hiddenSize: hiddenSize, batch: batch, weightFormat: format,
                kernels: kernels)
            cell.load(
                weightIH: weights.weightIH.map { $0 / 8 },
                weightHH: weights.weightHH.map { $0 / 8 }, biasIH: bias, biasHH: none)
            cell.state = [Float](repeating: 0.5, count: 2 * batch * hiddenSize)
            _ = run(&cell, [Float](repeating: 0, count: 600 * batch))
            #expect(cell.state.allSatisfy { $0 == 0 })
        }
    }

    @Test func stateIsSavedRestoredAndReset() throws {
        var cell = cell(inputSize: 1, hiddenSize: 20, batch: 2)
        let x: [Float] = [0.1, 0.9, -0.4, 2, 0.3, -0.3]
        let fromRest = run(&cell, x)
        let saved = cell.state
        let goesOn = run(&cell, x)
        cell.state = saved
        try Comparer.checkSameBits("restored", run(&cell, x), goesOn)
        cell.reset()
        try Comparer.checkSameBits("reset", run(&cell, x), fromRest)
        #expect(goesOn != fromRest)
    }

    /// Odd and even steps use different buffers for h: both must be put to rest.
    @Test(arguments: 1...4)
    func resetsAfterAnyNumberOfSteps(steps: Int) throws {
        var cell = cell(inputSize: 1, hiddenSize: 33)
        let expected = run(&cell, [0.7, 0.2])
        _ = run(&cell, Array(repeating: 1, count: steps))
        cell.reset()
        try Comparer.checkSameBits("h", run(&cell, [0.7, 0.2]), expected)
    }

    /// What `step` says of NaN: it stays in its stream, until that is reset.
    @Test(arguments: ISA.available) func aStateThatIsNotANumberStaysUntilReset(isa: ISA) throws {
        let hiddenSize = 20
        let kernels = try Kernels(isa: isa)
        var cell = cell(inputSize: 2, hiddenSize: hiddenSize, batch: 2, kernels: kernels)
        var untouched = self.cell(inputSize: 2, hiddenSize: hiddenSize, batch: 2, kernels: kernels)
        _ = run(&cell, [0.5, .nan, 1, 1])
        _ = run(&untouched, [0, 0, 1, 1])
        let after = run(&cell, [0.5, 0.5, 2, -1])
        let expected = run(&untouched, [0.5, 0.5, 2, -1])
        #expect(after[..<hiddenSize].allSatisfy { $0.isNaN })
        try Comparer.checkSameBits(
            "the other stream", Array(after[hiddenSize...]), Array(expected[hiddenSize...]))
        cell.reset(stream: 0)
        untouched.reset(stream: 0)
        try Comparer.checkSameBits("h", run(&cell, [1, 2, 3, 4]), run(&untouched, [1, 2, 3, 4]))
    }

    @Test func readsABareLSTMOfPyTorch() throws {
        let path = PyTorchTrainingTests.golden.appending(path: "bare_lstm.safetensors").path
        let cell = try LSTMCell(contentsOf: path)
        #expect(cell.shape.inputSize == 3 && cell.shape.hiddenSize == 17)
    }

    @Test func wrongCountsTrap() async {
        await #expect(processExitsWith: .failure) {
            var cell = LSTMCell(inputSize: 3, hiddenSize: 4)
            var h = [Float](repeating: 0, count: 4)
            var span = h.mutableSpan
            cell.step([1, 2].span, into: &span)
        }
        await #expect(processExitsWith: .failure) { _ = LSTMCell(inputSize: 0, hiddenSize: 4) }
        await #expect(processExitsWith: .failure) {
            var cell = LSTMCell(inputSize: 1, hiddenSize: 4, batch: 2)
            cell.reset(stream: 2)
        }
        await #expect(processExitsWith: .failure) {
            var cell = LSTMCell(inputSize: 1, hiddenSize: 4)
            cell.load(weightIH: [1], weightHH: [1], biasIH: [1], biasHH: [1])
        }
    }

    /// Weights and states that are not finite are refused; a stream that an input has spoiled says
    /// so, until it is reset.
    @Test func whatIsNotFiniteIsRefusedOrSaid() async {
        let weights = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent])
        {
            var cell = LSTMCell(inputSize: 1, hiddenSize: 1)
            cell.load(
                weightIH: [0, 0, 0, .nan], weightHH: [0, 0, 0, .nan], biasIH: [0, 0, 0, 0],
                biasHH: [0, 0, 0, 0])
        }
        #expect(says(weights, "weightIH: expected finite numbers, found nan"))
        let bias = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var cell = LSTMCell(inputSize: 1, hiddenSize: 1)
            let bias = [Float](repeating: .greatestFiniteMagnitude, count: 4)
            cell.load(weightIH: [0, 0, 0, 0], weightHH: [0, 0, 0, 0], biasIH: bias, biasHH: bias)
        }
        #expect(says(bias, "biasIH + biasHH: expected finite numbers, found inf"))
        let state = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var cell = LSTMCell(inputSize: 1, hiddenSize: 1, batch: 1)
            cell.state = [0, .nan]
        }
        #expect(says(state, "state: expected finite numbers, found nan at index 1"))
        var cell = cell(inputSize: 1, hiddenSize: 17, batch: 2)
        _ = run(&cell, [1, .nan])
        #expect(!cell.isFinite && cell.isFinite(stream: 0) && !cell.isFinite(stream: 1))
        cell.reset(stream: 1)
        #expect(cell.isFinite && cell.isFinite(stream: 1))
    }
}
