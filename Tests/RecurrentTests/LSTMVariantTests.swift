import Recurrent
import RecurrentFormats
import TestSupport
import Testing

@Suite struct LSTMVariantTests {
    /// Parameters in PyTorch's layout, and peepholes.
    private struct Weights {
        var weightIH, weightHH, biasIH, biasHH, weightHR, peepholes: [Float]

        init(inputSize: Int, hiddenSize: Int, _ variant: LSTMVariant) {
            var generator = Generator(seed: UInt64(inputSize * 1000 + hiddenSize))
            weightIH = generator.floats(4 * hiddenSize * inputSize, scale: 0.5)
            weightHH = generator.floats(
                4 * hiddenSize * (variant.projectionSize ?? hiddenSize), scale: 0.5)
            biasIH = generator.floats(4 * hiddenSize, scale: 0.5)
            biasHH = generator.floats(4 * hiddenSize, scale: 0.5)
            weightHR = generator.floats((variant.projectionSize ?? 0) * hiddenSize, scale: 0.5)
            peepholes = generator.floats(variant.hasPeepholes ? 3 * hiddenSize : 0)
        }

        /// Every pre-activation of a gate (i f g o) far on one side of zero, whatever x, h and c
        /// are.
        mutating func saturate(_ gate: Int, _ bias: Float) {
            let hiddenSize = biasIH.count / 4
            for index in gate * hiddenSize..<(gate + 1) * hiddenSize { biasIH[index] = bias }
        }
    }

    private static let everything = LSTMVariant(
        activation: .sigmoid, hasPeepholes: true, hasCoupledGates: true, cellClip: 0.4,
        projectionSize: 6)
    private static let variants = [
        .plain, LSTMVariant(activation: .sigmoid), LSTMVariant(hasPeepholes: true),
        LSTMVariant(hasCoupledGates: true), LSTMVariant(cellClip: 0.4),
        LSTMVariant(projectionSize: 6), everything,
    ]

    private func cell(
        inputSize: Int, hiddenSize: Int, _ variant: LSTMVariant, batch: Int = 1,
        kernels: Kernels = .best, _ change: (inout Weights) -> Void = { _ in }
    ) -> LSTMCell {
        var weights = Weights(inputSize: inputSize, hiddenSize: hiddenSize, variant)
        change(&weights)
        var cell = LSTMCell(
            inputSize: inputSize, hiddenSize: hiddenSize, variant: variant, batch: batch,
            kernels: kernels)
        cell.load(
            weightIH: weights.weightIH, weightHH: weights.weightHH, biasIH: weights.biasIH,
            biasHH: weights.biasHH,
            weightHR: weights.weightHR, peepholes: weights.peepholes)
        return cell
    }

    /// Steps of a cell over [steps][batch][inputSize].
    private func run(_ cell: inout LSTMCell, _ x: [Float]) -> [Float] {
        let (inputs, outputs) = (
            cell.shape.batch * cell.shape.inputSize, cell.shape.batch * cell.shape.outputSize
        )
        return (0..<x.count / inputs).flatMap { step in
            var h = Array(repeating: Float.nan, count: outputs)
            var span = h.mutableSpan
            cell.step(Array(x[step * inputs..<(step + 1) * inputs]).span, into: &span)
            return h
        }
    }

    // MARK: One cell

    /// Every variant does something, and its streams are as they would be alone.
    @Test(arguments: variants, ISA.available) func streamsSideBySideAreAsAlone(
        variant: LSTMVariant, isa: ISA
    ) throws {
        let (inputSize, hiddenSize, batch, kernels) = (2, 20, 7, try Kernels(isa: isa))
        var generator = Generator(seed: 3)
        let x = (0..<batch).map { _ in generator.floats(3 * inputSize, scale: 3) }
        var together = cell(
            inputSize: inputSize, hiddenSize: hiddenSize, variant, batch: batch, kernels: kernels)
        var inputs: [Float] = []
        for step in 0..<3 {
            for stream in x { inputs += stream[step * inputSize..<(step + 1) * inputSize] }
        }
        let all = run(&together, inputs)
        let outputs = together.shape.outputSize
        for stream in 0..<batch {
            var alone = cell(
                inputSize: inputSize, hiddenSize: hiddenSize, variant, kernels: kernels)
            var own: [Float] = []
            for step in 0..<3 { own += all[((step * batch + stream) * outputs)...].prefix(outputs) }
            try Comparer.checkSameBits("stream \(stream)", own, run(&alone, x[stream]))
            if variant != .plain, variant.projectionSize == nil {
                var plain = cell(
                    inputSize: inputSize, hiddenSize: hiddenSize, .plain, kernels: kernels)
                #expect(run(&plain, x[stream]) != own)
            }
        }
    }

    @Test(arguments: variants) func stateIsSavedRestoredAndReset(variant: LSTMVariant) throws {
        var cell = cell(inputSize: 1, hiddenSize: 20, variant, batch: 2)
        let x: [Float] = [0.1, 0.9, -0.4, 2, 0.3, -0.3]
        let fromRest = run(&cell, x)
        let saved = cell.state
        let goesOn = run(&cell, x)
        #expect(saved.count == 2 * (cell.shape.outputSize + 20))
        cell.state = saved
        try Comparer.checkSameBits("restored", run(&cell, x), goesOn)
        cell.reset()
        try Comparer.checkSameBits("reset", run(&cell, x), fromRest)
        #expect(goesOn != fromRest)
        let last = cell.state
        cell.reset(stream: 1)
        var expected = last
        let units = cell.shape.outputSize
        for index in units..<2 * units { expected[index] = 0 }
        for index in 2 * units + 20..<2 * units + 40 { expected[index] = 0 }
        try Comparer.checkSameBits("one stream", cell.state, expected)
    }

    @Test func wrongUseTraps() async {
        await #expect(processExitsWith: .failure) { _ = LSTMVariant(cellClip: 0) }
        await #expect(processExitsWith: .failure) { _ = LSTMVariant(cellClip: .infinity) }
        await #expect(processExitsWith: .failure) { _ = LSTMVariant(projectionSize: 0) }
        await #expect(processExitsWith: .failure) {
            _ = LSTMCell(
                inputSize: 1, hiddenSize: 4, variant: LSTMVariant(hasPeepholes: true),
                weightFormat: .bfloat16)
        }
        await #expect(processExitsWith: .failure) {
            var cell = LSTMCell(
                inputSize: 1, hiddenSize: 1, variant: LSTMVariant(hasPeepholes: true))
            cell.load(
                weightIH: [1, 1, 1, 1], weightHH: [1, 1, 1, 1], biasIH: [1, 1, 1, 1],
                biasHH: [1, 1, 1, 1])
        }
    }

    // MARK: PyTorch

    /// nn.LSTM of PyTorch with proj_size: Tests/Golden/make_lstm_projection.py.
    private struct Golden {
        let file: Safetensors
        init() throws {
            file = try Safetensors(
                try readFile(
                    PyTorchTrainingTests.golden.appending(path: "lstm_projection.safetensors").path)
            )
        }
        func shape(_ name: String) throws -> [Int] { try file.tensor(named: name).shape }
        func floats(_ name: String) throws -> [Float] { try file.tensor(named: name).values }

        func lstmShape() throws -> LSTMShape {
            let (x, h0, c0) = (try shape("x"), try shape("h0"), try shape("c0"))
            return LSTMShape(
                inputSize: x[2], hiddenSize: c0[2], variant: LSTMVariant(projectionSize: h0[2]),
                batch: x[1], steps: x[0])
        }
        /// The parameters, or their gradient, of which the two biases have the same.
        func kernelOrder(_ prefix: String = "") throws -> [Float] {
            // The gradients with respect to the two biases are one.
            let biasHH = prefix == "" ? try floats("bias_hh_l0") : nil
            return try lstmShape().pack(
                CellWeights(
                    weightIH: floats(prefix + "weight_ih_l0"),
                    weightHH: floats(prefix + "weight_hh_l0"),
                    biasIH: floats(prefix + "bias_ih_l0"), biasHH: biasHH,
                    weightHR: floats(prefix + "weight_hr_l0")))
        }
    }

    @Test(arguments: ISA.available) func stepsAsPyTorch(isa: ISA) throws {
        let golden = try Golden()
        let shape = try golden.lstmShape()
        var cell = LSTMCell(
            inputSize: shape.inputSize, hiddenSize: shape.hiddenSize, variant: shape.variant,
            batch: shape.batch,
            kernels: try Kernels(isa: isa))
        try cell.load(
            weightIH: golden.floats("weight_ih_l0"), weightHH: golden.floats("weight_hh_l0"),
            biasIH: golden.floats("bias_ih_l0"),
            biasHH: golden.floats("bias_hh_l0"), weightHR: golden.floats("weight_hr_l0"))
        cell.state = try golden.floats("h0") + golden.floats("c0")
        let h = try golden.floats("h")
        try Comparer.check(
            "h", run(&cell, golden.floats("x")), h.map(Double.init), absolute: 1e-6, relative: 1e-6)
        try Comparer.check(
            "state", cell.state,
            (h.suffix(shape.batch * shape.outputSize) + golden.floats("c")).map(Double.init),
            absolute: 1e-6, relative: 1e-6)
    }

    /// The unsafe-pointer calls: a whole sequence, back through time, and the gradient with respect
    /// to the weights.
    @Test(arguments: ISA.available) func learnsAsPyTorch(isa: ISA) throws {
        let golden = try Golden()
        let shape = try golden.lstmShape()
        let kernels = try Kernels(isa: isa)
        func padded(_ name: String, _ units: Int) throws -> [Float] {
            RecurrentTests.padded(try golden.floats(name), units)
        }
        func expect(_ name: String, _ found: [Float], _ expected: [Float]) throws {
            try Comparer.check(
                name, found, expected.map(Double.init), absolute: 2e-6, relative: 2e-6)
        }
        let x = try golden.floats("x")
        let weights = try golden.kernelOrder()
        let (units, outputs) = (shape.hiddenSize, shape.outputSize)
        #expect(weights.count == shape.weightCount)
        let run = try LayerRun(
            shape.any, kernels: kernels, weights: weights, x: x, h: padded("h0", outputs),
            c: padded("c0", units), outputGradient: padded("dy", outputs),
            dh: [Float](repeating: 0, count: shape.outputCount), dc: padded("dc", units),
            weightGradient: [Float](repeating: 0, count: shape.weightCount))
        run.work()
        try expect("h", Array(run.h.dropFirst(shape.outputCount)), padded("h", outputs))
        try expect("c", Array(run.c.suffix(shape.stateCount)), padded("c", units))
        try expect("dx", Array(run.dx), padded("dx", shape.inputSize))
        try expect("dh0", Array(run.dh), padded("dh0", outputs))
        try expect("dc0", Array(run.dc), padded("dc0", units))
        try expect("dw", Array(run.dw), golden.kernelOrder("d"))
    }
}
