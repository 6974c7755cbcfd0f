import Recurrent
import RecurrentFormats
import TestSupport
import Testing

@Suite struct RNNCellTests {
    private func cell(
        inputSize: Int, hiddenSize: Int, activation: Activation = .tanh, batch: Int = 1,
        kernels: Kernels = .best
    ) -> RNNCell {
        var generator = Generator(seed: UInt64(inputSize * 1000 + hiddenSize))
        var cell = RNNCell(
            inputSize: inputSize, hiddenSize: hiddenSize, activation: activation, batch: batch,
            kernels: kernels)
        cell.load(
            weightIH: generator.floats(hiddenSize * inputSize),
            weightHH: generator.floats(hiddenSize * hiddenSize, scale: 0.5),
            biasIH: generator.floats(hiddenSize, scale: 0.5),
            biasHH: generator.floats(hiddenSize, scale: 0.5))
        return cell
    }

    /// Steps of a cell over [steps][batch][inputSize].
    private func run(_ cell: inout RNNCell, _ x: [Float]) -> [Float] {
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

    /// nn.RNN of PyTorch: Tests/Golden/make_rnn.py.
    private struct Golden {
        let file: Safetensors, prefix: String
        init(_ activation: Activation) throws {
            file = try Safetensors(
                try readFile(PyTorchTrainingTests.golden.appending(path: "rnn.safetensors").path))
            prefix = activation.rawValue + "."
        }
        func shape(_ name: String) throws -> [Int] { try file.tensor(named: prefix + name).shape }
        func floats(_ name: String) throws -> [Float] {
            try file.tensor(named: prefix + name).values
        }
    }

    @Test(arguments: ISA.available, [Activation.tanh, .relu]) func stepsAsPyTorch(
        isa: ISA, activation: Activation
    ) throws {
        let golden = try Golden(activation)
        let shape = try golden.shape("x")
        let hiddenSize = try golden.shape("h0")[2]
        var cell = RNNCell(
            inputSize: shape[2], hiddenSize: hiddenSize, activation: activation, batch: shape[1],
            kernels: try Kernels(isa: isa))
        try cell.load(
            weightIH: golden.floats("weight_ih_l0"), weightHH: golden.floats("weight_hh_l0"),
            biasIH: golden.floats("bias_ih_l0"),
            biasHH: golden.floats("bias_hh_l0"))
        cell.state = try golden.floats("h0")
        try Comparer.check(
            "h", run(&cell, golden.floats("x")), golden.floats("h").map(Double.init),
            absolute: 1e-6, relative: 1e-6)
    }

    /// The unsafe-pointer calls: a whole sequence, back through time, and the gradient with respect
    /// to the weights.
    @Test(arguments: ISA.available, [Activation.tanh, .relu]) func learnsAsPyTorch(
        isa: ISA, activation: Activation
    ) throws {
        let golden = try Golden(activation)
        let sizes = try golden.shape("x")
        let hidden = try golden.shape("h0")[2]
        let kernels = try Kernels(isa: isa)
        let shape = RNNShape(
            inputSize: sizes[2], hiddenSize: hidden, activation: activation, batch: sizes[1],
            steps: sizes[0])
        func expect(_ name: String, _ found: [Float]) throws {
            try Comparer.check(
                name, found, golden.floats(name).map(Double.init), absolute: 2e-6, relative: 2e-6)
        }
        let x = try golden.floats("x")
        let weights = try shape.pack(
            CellWeights(
                weightIH: golden.floats("weight_ih_l0"), weightHH: golden.floats("weight_hh_l0"),
                biasIH: golden.floats("bias_ih_l0"), biasHH: golden.floats("bias_hh_l0")))
        #expect(weights.count == shape.weightCount)

        let run = try LayerRun(
            shape.any, kernels: kernels, weights: weights, x: x,
            h: padded(golden.floats("h0"), hidden),
            outputGradient: padded(golden.floats("dh"), hidden),
            dh: [Float](repeating: 0, count: shape.outputCount),
            weightGradient: [Float](repeating: 0, count: shape.weightCount))
        run.work()

        try expect("h", unpadded(Array(run.h[shape.outputCount...]), hidden))
        try expect("dx", unpadded(Array(run.dx), shape.inputSize))
        try expect("dh0", unpadded(Array(run.dh), hidden))
        let gradient = shape.unpack(Array(run.dw).span)
        try expect("dweight_ih_l0", gradient.weightIH)
        try expect("dweight_hh_l0", gradient.weightHH)
        try expect("dbias_ih_l0", gradient.biasIH)
        try expect("dbias_hh_l0", gradient.biasIH)
    }

    /// Every number of streams from 1 to 9: each stream's bits are those of a cell of its own.
    @Test(arguments: ISA.available, [1, 8, 16, 17, 40, 81]) func streamsSideBySideAreAsAlone(
        isa: ISA, hiddenSize: Int
    ) throws {
        var generator = Generator(seed: 9)
        let (most, steps, inputSize) = (9, 3, 2)
        let kernels = try Kernels(isa: isa)
        let x = (0..<most).map { _ in generator.awkwardFloats(steps * inputSize) }
        let alone = x.map { x in
            var cell = cell(inputSize: inputSize, hiddenSize: hiddenSize, kernels: kernels)
            return run(&cell, x)
        }
        for batch in 1...most {
            var together = cell(
                inputSize: inputSize, hiddenSize: hiddenSize, batch: batch, kernels: kernels)
            let all = run(
                &together,
                (0..<steps).flatMap { step in
                    x[..<batch].flatMap { $0[(step * inputSize)...].prefix(inputSize) }
                })
            for stream in 0..<batch {
                let h = (0..<steps).flatMap {
                    all[(($0 * batch + stream) * hiddenSize)...].prefix(hiddenSize)
                }
                try Comparer.checkSameBits("stream \(stream) of \(batch)", h, alone[stream])
            }
        }
    }

    @Test(arguments: 1...2) func oneStreamIsReset(steps: Int) throws {
        var together = cell(inputSize: 1, hiddenSize: 20, batch: 3)
        var alone = cell(inputSize: 1, hiddenSize: 20)
        for _ in 0..<steps { _ = run(&together, [0.3, -0.8, 2]) }
        let before = together.state
        together.reset(stream: 1)
        let after = together.state
        #expect(Array(after[20..<40]) == [Float](repeating: 0, count: 20))
        #expect(after[..<20] == before[..<20] && after[40...] == before[40...])
        try Comparer.checkSameBits(
            "h", Array(run(&together, [0.1, 0.2, 0.3])[20..<40]), run(&alone, [0.2]))
    }

    @Test func stateIsSavedRestoredAndReset() throws {
        var cell = cell(inputSize: 1, hiddenSize: 20, activation: .sigmoid, batch: 2)
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

    @Test func wrongCountsTrap() async {
        await #expect(processExitsWith: .failure) {
            var cell = RNNCell(inputSize: 3, hiddenSize: 4)
            var h = [Float](repeating: 0, count: 4)
            var span = h.mutableSpan
            cell.step([1, 2].span, into: &span)
        }
        await #expect(processExitsWith: .failure) { _ = RNNCell(inputSize: 0, hiddenSize: 4) }
        await #expect(processExitsWith: .failure) {
            var cell = RNNCell(inputSize: 1, hiddenSize: 4, batch: 2)
            cell.reset(stream: 2)
        }
        await #expect(processExitsWith: .failure) {
            var cell = RNNCell(inputSize: 1, hiddenSize: 4, batch: 2)
            cell.state = [1]
        }
        await #expect(processExitsWith: .failure) {
            var cell = RNNCell(inputSize: 1, hiddenSize: 4)
            cell.load(weightIH: [1], weightHH: [1], biasIH: [1], biasHH: [1])
        }
    }

    /// Weights and states that are not finite are refused; a stream that an input has spoiled says
    /// so, until it is reset.
    @Test func whatIsNotFiniteIsRefusedOrSaid() async {
        let weights = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent])
        {
            var cell = RNNCell(inputSize: 1, hiddenSize: 1)
            cell.load(weightIH: [.nan], weightHH: [.nan], biasIH: [0], biasHH: [0])
        }
        #expect(says(weights, "weightIH: expected finite numbers, found nan"))
        let bias = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var cell = RNNCell(inputSize: 1, hiddenSize: 1)
            let bias = [Float](repeating: .greatestFiniteMagnitude, count: 1)
            cell.load(weightIH: [0], weightHH: [0], biasIH: bias, biasHH: bias)
        }
        #expect(says(bias, "biasIH + biasHH: expected finite numbers, found inf"))
        let state = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var cell = RNNCell(inputSize: 1, hiddenSize: 1, batch: 2)
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
