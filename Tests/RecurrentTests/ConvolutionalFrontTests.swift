import Recurrent
import RecurrentFormats
import RecurrentReference
import TestSupport
import Testing

/// A convolution over time in front of an LSTM layer. Sequences lie side by side,
/// [time][sequence][channel], as recurrent layers have them: time is the rows of one image, and
/// sequences are its columns, with windows of one.
@Suite struct ConvolutionalFrontTests {
    @Test(arguments: ISA.available) func gradientIsTheReferences(isa: ISA) throws {
        let kernels = try Kernels(isa: isa)
        let (batch, inputs, channels, hidden) = (3, 2, 5, 4)
        let time = RecurrentReference.WindowAxis(size: 9, taps: 3, stride: 2, padding: 1)
        let sequences = RecurrentReference.WindowAxis(size: batch, taps: 1)
        let problem = ConvolutionProblem(
            ConvolutionSizes(inputs, channels, rows: time, columns: sequences), seed: 31
        ).map { RunningError($0) }
        var layer = CellProblem(
            CellCase(channels, hidden, batch: batch, steps: time.windows), seed: 32
        ).map { RunningError($0) }
        let relu = RecurrentReference.Activation.relu

        // The reference.
        let y = problem.layer.forward(x: problem.x)[0].map { $0.map { $0.map { relu($0) } } }
        layer.x = y
        let tape = layer.forward()
        let backward = layer.backward(tape)
        let dy = zip(backward.dx, y).map {
            zip($0, $1).map { zip($0, $1).map { $0 * relu.derivative(y: $1) } }
        }
        var gradient = problem.gradient
        gradient.addGradient(x: problem.x, dy: [dy])

        // The kernels.
        func floats(_ values: [RunningError]) -> [Float] { values.map { Float($0.value) } }
        func padded(_ rows: [[RunningError]]) -> [Float] {
            RecurrentTests.padded(floats(rows.flatMap { $0 }), rows[0].count)
        }
        // One input channel after the other, each tap of it.
        let order = DenseShape(rows: 1, inputSize: 3 * inputs, outputSize: channels)
        func matrix(_ convolution: Convolution<RunningError>) -> [Float] {
            order.pack(
                AffineWeights(
                    weight: floats(flat(convolution.W)), bias: floats(convolution.b)))
        }
        let front = ConvolutionShape(
            rows: WindowAxis(size: 9, kernelSize: 3, stride: 2, padding: 1),
            columns: WindowAxis(size: batch, kernelSize: 1),
            inputChannels: inputs, outputChannels: channels, inputStride: inputs)
        let rows = RowsShape(rows: time.windows * batch, units: channels)
        let shape = LSTMShape(
            inputSize: channels, hiddenSize: hidden, batch: batch, steps: time.windows,
            inputStride: front.paddedOutputChannels)
        let gates = layer.parameters.gates
        let (weightIH, weightHH) = (
            gates.flatMap { $0.W.flatMap { $0 } }, gates.flatMap { $0.U.flatMap { $0 } }
        )
        let weights = shape.pack(
            CellWeights(
                weightIH: floats(weightIH), weightHH: floats(weightHH),
                biasIH: floats(gates.flatMap(\.b))))
        let x = floats(flat(problem.x))
        let w = matrix(problem.layer)
        var activated = [Float](repeating: .nan, count: front.outputCount)
        var frontTransposed = [Float](repeating: .nan, count: front.transposedCount)
        var dx = [Float](repeating: .nan, count: front.inputGradientCount)
        var dw = matrix(problem.gradient)
        kernels.convolutionForward(front, x: x, weights: w, y: &activated)
        activated.withUnsafeMutableBufferPointer {
            kernels.activationForward(rows, .relu, x: $0.baseAddress!, y: $0.baseAddress!)
        }
        let run = LayerRun(
            shape.any, kernels: kernels, weights: weights, x: activated, h: padded(layer.h0),
            c: padded(layer.c0), outputGradient: padded(Array(layer.dy!.joined())),
            dh: padded(layer.dh), dc: padded(layer.dc),
            weightGradient: [Float](repeating: 0, count: shape.weightCount))
        run.work()
        var da = Array(run.dx)
        da.withUnsafeMutableBufferPointer { da in
            kernels.activationBackward(
                rows, .relu, y: activated, outputGradient: da.baseAddress!,
                inputGradient: da.baseAddress!)
        }
        kernels.convolutionTranspose(front, weights: w, transposed: &frontTransposed)
        kernels.convolutionBackwardInput(
            front, outputGradient: da, transposed: frontTransposed, inputGradient: &dx)
        kernels.convolutionBackwardWeights(front, x: x, outputGradient: da, weightGradient: &dw)

        try Comparer.check(
            "h", unpadded(Array(run.h), hidden), tape.h.flatMap { $0.flatMap { $0 } })
        try Comparer.check(
            "dx", unpadded(dx, inputs),
            flat(problem.layer.backwardInput(dy: [dy])))
        let found = order.unpack(dw.span)
        try Comparer.check("dW", found.weight, flat(gradient.W))
        try Comparer.check("db", found.bias, gradient.b)
        #expect(flat(gradient.W).allSatisfy { $0.error < 1e-4 })
    }
}
