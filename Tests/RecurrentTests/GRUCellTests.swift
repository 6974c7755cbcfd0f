import Recurrent
import RecurrentFormats
import RecurrentReference
import TestSupport
import Testing

@Suite struct GRUCellTests {
    private func cell(
        inputSize: Int, hiddenSize: Int, variant: Recurrent.GRUVariant = .resetAfter,
        batch: Int = 1, kernels: Kernels = .best
    ) -> Recurrent.GRUCell {
        var generator = Generator(seed: UInt64(inputSize * 1000 + hiddenSize))
        var cell = Recurrent.GRUCell(
            inputSize: inputSize, hiddenSize: hiddenSize, variant: variant, batch: batch,
            kernels: kernels)
        cell.load(
            weightIH: generator.floats(3 * hiddenSize * inputSize),
            weightHH: generator.floats(3 * hiddenSize * hiddenSize, scale: 0.5),
            biasIH: generator.floats(3 * hiddenSize, scale: 0.5),
            biasHH: generator.floats(3 * hiddenSize, scale: 0.5))
        return cell
    }

    /// Steps of a cell over [steps][batch][inputSize].
    private func run(_ cell: inout Recurrent.GRUCell, _ x: [Float]) -> [Float] {
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

    @Test(arguments: ISA.available, GRUGolden.both) func stepsAsPyTorch(isa: ISA, golden: GRUGolden)
        throws
    {
        let x = try golden.sequence("x")
        let h0 = try golden.state("h0")
        var cell = Recurrent.GRUCell(
            inputSize: x[0][0].count, hiddenSize: h0[0].count, batch: h0.count,
            kernels: try Kernels(isa: isa))
        try cell.load(
            weightIH: golden.parameter("weight_ih"), weightHH: golden.parameter("weight_hh"),
            biasIH: golden.parameter("bias_ih"),
            biasHH: golden.parameter("bias_hh"))
        cell.state = flat([h0])
        try Comparer.check(
            "h", run(&cell, flat(x)), flat(golden.sequence("h")).map(Double.init), absolute: 1e-6,
            relative: 1e-6)
    }

    private func flat(_ sequence: [[[Double]]]) -> [Float] {
        sequence.flatMap { $0.flatMap { $0.map { Float($0) } } }
    }

    /// The unsafe-pointer calls: a whole sequence, back through time, and the gradient with respect
    /// to the weights.
    @Test(arguments: ISA.available, GRUGolden.both) func learnsAsPyTorch(
        isa: ISA, golden: GRUGolden
    ) throws {
        let inputs = try golden.sequence("x")
        let h0 = try golden.state("h0")
        let hidden = h0[0].count
        let kernels = try Kernels(isa: isa)
        let shape = GRUShape(
            inputSize: inputs[0][0].count, hiddenSize: hidden, batch: h0.count, steps: inputs.count)
        func expect(_ name: String, _ found: [Float], _ expected: [Float]) throws {
            try Comparer.check(
                name, found, expected.map(Double.init), absolute: 2e-6, relative: 2e-6)
        }
        let weights = try shape.pack(
            CellWeights(
                weightIH: golden.parameter("weight_ih"), weightHH: golden.parameter("weight_hh"),
                biasIH: golden.parameter("bias_ih"), biasHH: golden.parameter("bias_hh")))
        #expect(weights.count == shape.weightCount)

        let run = LayerRun(
            shape.any, kernels: kernels, weights: weights, x: flat(inputs),
            h: padded(flat([h0]), hidden),
            outputGradient: padded(flat(try golden.sequence("dy")), hidden),
            dh: [Float](repeating: 0, count: shape.outputCount),
            weightGradient: [Float](repeating: 0, count: shape.weightCount))
        run.work()

        try expect(
            "h", unpadded(Array(run.h[shape.outputCount...]), hidden), flat(golden.sequence("h")))
        try expect("dx", unpadded(Array(run.dx), shape.inputSize), flat(golden.sequence("dx")))
        try expect("dh0", unpadded(Array(run.dh), hidden), flat([golden.state("dh0")]))
        let gradient = shape.unpack(Array(run.dw).span)
        try expect("dweight_ih", gradient.weightIH, golden.parameter("dweight_ih"))
        try expect("dweight_hh", gradient.weightHH, golden.parameter("dweight_hh"))
        try expect("dbias_ih", gradient.biasIH, golden.parameter("dbias_ih"))
        try expect(
            "dbias_hh", gradient.biasIH.prefix(2 * hidden) + gradient.biasHH.suffix(hidden),
            golden.parameter("dbias_hh"))
    }

    static let variants: [Recurrent.GRUVariant] = RecurrentCell.all.compactMap {
        if case .gru(let variant) = $0 { variant } else { nil }
    }

    /// Two steps from a state that is not zero, beside the reference; where b′ is not by itself,
    /// the biases are summed.
    @Test(arguments: variants) func stepsAsItsFormula(
        variant: Recurrent.GRUVariant
    ) throws {
        var cell = cell(inputSize: 2, hiddenSize: 1, variant: variant)
        cell.load(
            weightIH: [0.5, 1, -0.5, 0.25, 1.25, -1], weightHH: [-0.75, 1.5, -2],
            biasIH: [0.25, 0.125, 0.375], biasHH: [0.5, -0.25, 0.625])
        cell.state = [0.5]
        func gate(_ W: [Double], _ U: Double, _ b: Double) -> GateParameters<Double> {
            GateParameters(W: [W], U: [[U]], b: [b])
        }
        func ours(_ name: String) -> RecurrentReference.Activation {
            RecurrentReference.Activation.allCases.first { $0.name == name }!
        }
        let reference = RecurrentReference.GRUCell(
            gates: GRUGates(
                r: gate([0.5, 1], -0.75, 0.75), z: gate([-0.5, 0.25], 1.5, -0.125),
                n: gate([1.25, -1], -2, variant.resetsBefore ? 1 : 0.375)),
            hiddenBias: [0.625],
            variant: RecurrentReference.GRUVariant(
                resetsBefore: variant.resetsBefore, zReplaces: variant.zReplaces,
                activation: ours(variant.activation.rawValue),
                gateActivation: ours(variant.gateActivation.rawValue)))
        let h = reference.forward(x: [[[1, -0.5]], [[0.25, 2]]], h0: [[0.5]]).h.dropFirst().map {
            $0[0][0]
        }
        try Comparer.check("h", run(&cell, [1, -0.5, 0.25, 2]), h, absolute: 1e-7, relative: 1e-6)
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
        var cell = cell(inputSize: 1, hiddenSize: 20, variant: .lecture, batch: 2)
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
            var cell = Recurrent.GRUCell(inputSize: 3, hiddenSize: 4)
            var h = [Float](repeating: 0, count: 4)
            var span = h.mutableSpan
            cell.step([1, 2].span, into: &span)
        }
        await #expect(processExitsWith: .failure) {
            _ = Recurrent.GRUCell(inputSize: 0, hiddenSize: 4)
        }
        await #expect(processExitsWith: .failure) {
            var cell = Recurrent.GRUCell(inputSize: 1, hiddenSize: 4, batch: 2)
            cell.reset(stream: 2)
        }
        await #expect(processExitsWith: .failure) {
            var cell = Recurrent.GRUCell(inputSize: 1, hiddenSize: 4, batch: 2)
            cell.state = [1]
        }
        await #expect(processExitsWith: .failure) {
            var cell = Recurrent.GRUCell(inputSize: 1, hiddenSize: 4)
            cell.load(weightIH: [1], weightHH: [1], biasIH: [1], biasHH: [1])
        }
    }

    /// Weights and states that are not finite are refused; a stream that an input has spoiled says
    /// so, until it is reset.
    @Test func whatIsNotFiniteIsRefusedOrSaid() async {
        let weights = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent])
        {
            var cell = Recurrent.GRUCell(inputSize: 1, hiddenSize: 1)
            cell.load(
                weightIH: [0, 0, .nan], weightHH: [0, 0, .nan], biasIH: [0, 0, 0],
                biasHH: [0, 0, 0])
        }
        #expect(says(weights, "weightIH: expected finite numbers, found nan"))
        let bias = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var cell = Recurrent.GRUCell(inputSize: 1, hiddenSize: 1)
            let bias = [Float](repeating: .greatestFiniteMagnitude, count: 3)
            cell.load(weightIH: [0, 0, 0], weightHH: [0, 0, 0], biasIH: bias, biasHH: bias)
        }
        #expect(says(bias, "biasIH + biasHH: expected finite numbers, found inf"))
        let state = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var cell = Recurrent.GRUCell(inputSize: 1, hiddenSize: 1, batch: 2)
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
