import Recurrent
import RecurrentFormats
import TestSupport
import Testing

/// A layer of Tests/Golden/make_convolution.py, and its windows.
private struct Golden: Sendable, CustomStringConvertible {
    let name: String
    let rows, columns: (kernel: Int, stride: Int, dilation: Int, padding: Int)
    var description: String { name }

    static let convolutions = [
        Golden(name: "conv1d", rows: (1, 1, 1, 0), columns: (4, 2, 2, 3)),
        Golden(name: "conv2d", rows: (3, 2, 1, 1), columns: (2, 1, 2, 2)),
    ]
    static let pooling = [
        Golden(name: "max1d", rows: (1, 1, 1, 0), columns: (3, 2, 2, 1)),
        Golden(name: "max2d", rows: (2, 2, 1, 0), columns: (3, 1, 1, 1)),
        Golden(name: "average1d", rows: (1, 1, 1, 0), columns: (3, 2, 1, 1)),
        Golden(name: "average2d", rows: (3, 1, 1, 1), columns: (2, 2, 1, 1)),
        Golden(name: "sum2d", rows: (2, 2, 1, 0), columns: (2, 2, 1, 0)),
    ]

    private static let file = Result {
        try Safetensors(
            try readFile(
                PyTorchTrainingTests.golden.appending(path: "convolution.safetensors").path))
    }

    func floats(_ tensor: String) throws -> [Float] {
        try Self.file.get().tensor(named: "\(name).\(tensor)").values
    }
    /// [images][rows][columns][channels]; sequences have no rows.
    func sizes(_ tensor: String) throws -> [Int] {
        let shape = try Self.file.get().tensor(named: "\(name).\(tensor)").shape
        return shape.count == 4 ? shape : [shape[0], 1, shape[1], shape[2]]
    }
    func axes() throws -> (rows: WindowAxis, columns: WindowAxis) {
        let sizes = try sizes("x")
        func axis(_ size: Int, _ axis: (kernel: Int, stride: Int, dilation: Int, padding: Int))
            -> WindowAxis
        {
            WindowAxis(
                size: size, kernelSize: axis.kernel, stride: axis.stride, dilation: axis.dilation,
                padding: axis.padding)
        }
        return (axis(sizes[1], rows), axis(sizes[2], columns))
    }
    /// Sums of `terms` products of normal numbers: partial sums of up to 3 √terms, of whose
    /// roundings about √terms add up.
    func check(_ tensor: String, _ found: [Float], terms: Int) throws {
        try Comparer.check(
            "\(name).\(tensor)", found, floats(tensor).map(Double.init),
            absolute: 3 * Double(terms) * 0x1p-24, relative: 0x1p-23)
    }
}

@Suite struct ConvolutionGoldenTests {
    /// nn.Conv1d and nn.Conv2d, with the channels of a place side by side and padded.
    @Test(arguments: ISA.available, [false, true]) func convolutionsArePyTorchs(
        isa: ISA, isPadded: Bool
    ) throws {
        let kernels = try Kernels(isa: isa)
        for golden in Golden.convolutions {
            let (rows, columns) = try golden.axes()
            let sizes = try golden.sizes("x")
            let outputs = try golden.sizes("y")[3]
            let shape = ConvolutionShape(
                images: sizes[0], rows: rows, columns: columns, inputChannels: sizes[3],
                outputChannels: outputs,
                inputStride: isPadded ? nil : sizes[3])
            let x = isPadded ? padded(try golden.floats("x"), sizes[3]) : try golden.floats("x")
            let dy = padded(try golden.floats("dy"), outputs)
            let weights = try shape.pack(
                AffineWeights(weight: golden.floats("weight"), bias: golden.floats("bias")))
            #expect(
                x.count == shape.inputCount && weights.count == shape.weightCount
                    && dy.count == shape.outputCount)
            var y = [Float](repeating: .nan, count: shape.outputCount)
            var transposed = [Float](repeating: .nan, count: shape.transposedCount)
            var dx = [Float](repeating: .nan, count: shape.inputGradientCount)
            var dw = [Float](repeating: 0, count: shape.weightCount)
            kernels.convolutionForward(shape, x: x, weights: weights, y: &y)
            kernels.convolutionTranspose(shape, weights: weights, transposed: &transposed)
            kernels.convolutionBackwardInput(
                shape, outputGradient: dy, transposed: transposed, inputGradient: &dx)
            kernels.convolutionBackwardWeights(shape, x: x, outputGradient: dy, weightGradient: &dw)
            let taps = rows.kernelSize * columns.kernelSize
            let windows = sizes[0] * rows.windows * columns.windows
            try golden.check("y", unpadded(y, outputs), terms: taps * sizes[3])
            try golden.check("dx", unpadded(dx, sizes[3]), terms: taps * outputs)
            let gradient = shape.unpack(dw.span)
            try golden.check("dweight", gradient.weight, terms: windows)
            try golden.check("dbias", gradient.bias, terms: windows)
        }
    }

    /// torch.nn.functional's pooling of one and two dimensions.
    @Test(arguments: ISA.available) func poolingIsPyTorchs(isa: ISA) throws {
        let kernels = try Kernels(isa: isa)
        for golden in Golden.pooling {
            let (rows, columns) = try golden.axes()
            let sizes = try golden.sizes("x")
            let shape = PoolingShape(
                Pooling(rawValue: String(golden.name.dropLast(2)))!, images: sizes[0], rows: rows,
                columns: columns,
                channels: sizes[3])
            let x = padded(try golden.floats("x"), sizes[3])
            let dy = padded(try golden.floats("dy"), sizes[3])
            #expect(x.count == shape.inputCount && dy.count == shape.outputCount)
            var y = [Float](repeating: .nan, count: shape.outputCount)
            var dx = [Float](repeating: .nan, count: shape.inputCount)
            kernels.poolingForward(shape, x: x, y: &y)
            kernels.poolingBackward(shape, x: x, y: y, outputGradient: dy, inputGradient: &dx)
            try golden.check(
                "y", unpadded(y, sizes[3]), terms: rows.kernelSize * columns.kernelSize)
            try golden.check(
                "dx", unpadded(dx, sizes[3]), terms: rows.kernelSize * columns.kernelSize)
        }
    }

    @Test func impossibleShapesTrap() async {
        let dimension = ModelShape.largestDimension
        #expect(WindowAxis(size: dimension, kernelSize: dimension).windows == 1)
        #expect(WindowAxis.causal(size: 5, kernelSize: 3, dilation: 4).windows == 5)
        await #expect(processExitsWith: .failure) {
            _ = WindowAxis(size: 3, kernelSize: 2, dilation: 3)
        }
        await #expect(processExitsWith: .failure) {
            _ = WindowAxis(size: 3, kernelSize: 2, stride: 0)
        }
        await #expect(processExitsWith: .failure) {
            _ = WindowAxis(size: 3, kernelSize: 2, padding: -1)
        }
        await #expect(processExitsWith: .failure) {
            _ = WindowAxis.causal(size: 3, kernelSize: .max, dilation: .max)
        }
        await #expect(processExitsWith: .failure) {
            let axis = WindowAxis(size: ModelShape.largestDimension, kernelSize: 1)
            _ = ConvolutionShape(
                images: ModelShape.largestDimension, rows: axis, columns: axis, inputChannels: 1,
                outputChannels: 1)
        }
        await #expect(processExitsWith: .failure) {
            _ = ConvolutionShape(
                columns: WindowAxis(size: 3, kernelSize: 2), inputChannels: 4, outputChannels: 1,
                inputStride: 3)
        }
        await #expect(processExitsWith: .failure) {
            let axis = WindowAxis(size: ModelShape.largestDimension, kernelSize: 1)
            _ = PoolingShape(.max, images: 1, rows: axis, columns: axis, channels: 1)
        }
    }
}

@Suite struct ConvolutionCellTests {
    private func cell(
        _ inputs: Int, _ outputs: Int, kernelSize: Int, dilation: Int = 1, batch: Int = 1,
        kernels: Kernels = .best
    ) -> ConvolutionCell {
        var generator = Generator(seed: UInt64(outputs))
        var cell = ConvolutionCell(
            inputChannels: inputs, outputChannels: outputs, kernelSize: kernelSize,
            dilation: dilation, batch: batch,
            kernels: kernels)
        cell.load(
            weight: generator.awkwardFloats(outputs * inputs * kernelSize),
            bias: generator.awkwardFloats(outputs))
        return cell
    }

    /// Steps of a cell over [steps][batch][channels].
    private func run(_ cell: inout ConvolutionCell, _ x: [Float]) -> [Float] {
        let inputs = cell.batch * cell.inputChannels
        return (0..<x.count / inputs).flatMap { step in
            var y = Array(repeating: Float.nan, count: cell.batch * cell.outputChannels)
            var span = y.mutableSpan
            cell.step(Array(x[step * inputs..<(step + 1) * inputs]).span, into: &span)
            return y
        }
    }

    /// A stream, step by step, has the bits of the whole sequence, from its first step on: around
    /// once in the ring and more, with -0 before a sum.
    @Test(arguments: ISA.available) func stepsAreTheWholeSequence(isa: ISA) throws {
        let kernels = try Kernels(isa: isa)
        let steps = 23
        for (inputs, outputs, kernelSize, dilation) in [
            (1, 1, 1, 1), (1, 16, 3, 1), (2, 5, 2, 7), (17, 33, 3, 4), (3, 64, 5, 2), (1, 2, 4, 30),
        ] {
            var generator = Generator(seed: 5)
            let weight = generator.awkwardFloats(outputs * inputs * kernelSize)
            let bias = [Float](repeating: -0.0, count: outputs)
            let x = generator.awkwardFloats(steps * inputs)
            let shape = ConvolutionShape(
                columns: .causal(size: steps, kernelSize: kernelSize, dilation: dilation),
                inputChannels: inputs,
                outputChannels: outputs, inputStride: inputs)
            var y = [Float](repeating: .nan, count: shape.outputCount)
            kernels.convolutionForward(
                shape, x: x,
                weights: shape.pack(AffineWeights(weight: weight, bias: bias)),
                y: &y)
            var cell = ConvolutionCell(
                inputChannels: inputs, outputChannels: outputs, kernelSize: kernelSize,
                dilation: dilation, kernels: kernels)
            cell.load(weight: weight, bias: bias)
            try Comparer.checkSameBits(
                "\(inputs) to \(outputs)", run(&cell, x), unpadded(y, outputs))
            cell.reset()
            try Comparer.checkSameBits("after reset", run(&cell, x), unpadded(y, outputs))
        }
    }

    /// nn.Conv1d's first windows, with zeros in front.
    @Test func lastTapIsNow() {
        var cell = ConvolutionCell(inputChannels: 2, outputChannels: 1, kernelSize: 2, dilation: 2)
        cell.load(weight: [1, 10, 100, 1000], bias: [0.5])
        #expect(run(&cell, [1, 2, 3, 4, 5, 6, 7, 8]) == [2010.5, 4030.5, 6251.5, 8473.5])
    }

    @Test(arguments: ISA.available) func streamsSideBySideAreAsAlone(isa: ISA) throws {
        var generator = Generator(seed: 9)
        let (most, steps, inputs, outputs) = (9, 7, 2, 18)
        let kernels = try Kernels(isa: isa)
        let x = (0..<most).map { _ in generator.awkwardFloats(steps * inputs) }
        let alone = x.map { x in
            var cell = cell(inputs, outputs, kernelSize: 3, dilation: 2, kernels: kernels)
            return run(&cell, x)
        }
        for batch in 1...most {
            var together = cell(
                inputs, outputs, kernelSize: 3, dilation: 2, batch: batch, kernels: kernels)
            let all = run(
                &together,
                (0..<steps).flatMap { step in
                    x[..<batch].flatMap { $0[(step * inputs)...].prefix(inputs) }
                })
            for stream in 0..<batch {
                let y = (0..<steps).flatMap {
                    all[(($0 * batch + stream) * outputs)...].prefix(outputs)
                }
                try Comparer.checkSameBits("stream \(stream) of \(batch)", y, alone[stream])
            }
        }
    }

    /// A stream that begins anew is as at its first step, the others go on; states are saved and
    /// restored, at any place of the ring.
    @Test(arguments: 1...6) func streamsAreResetSavedAndRestored(steps: Int) throws {
        var together = cell(1, 3, kernelSize: 3, dilation: 2, batch: 3)
        var alone = cell(1, 3, kernelSize: 3, dilation: 2)
        var undisturbed = cell(1, 3, kernelSize: 3, dilation: 2, batch: 3)
        let x = (0..<3 * steps).map { Float($0) * 0.7 - 2 }
        let later: [Float] = [0.3, -0.8, 2, 0.4, 0.1, -0.6, 0, 0.9, 1]
        _ = run(&together, x)
        _ = run(&undisturbed, x)
        together.reset(stream: 1)
        let saved = together.state
        #expect(saved.map(\.count) == [min(steps, 4), 0, min(steps, 4)])
        let goesOn = run(&together, later)
        let others = run(&undisturbed, later)
        let anew = run(&alone, [later[1], later[4], later[7]])
        for step in 0..<3 {
            let all = goesOn[(step * 9)...].prefix(9)
            try Comparer.checkSameBits(
                "anew", Array(all.dropFirst(3).prefix(3)), Array(anew[(step * 3)...].prefix(3)))
            try Comparer.checkSameBits(
                "first", Array(all.prefix(3)), Array(others[(step * 9)...].prefix(3)))
            try Comparer.checkSameBits(
                "last", Array(all.suffix(3)), Array(others[(step * 9 + 6)...].prefix(3)))
        }
        together.state = saved
        #expect(together.state == saved)
        try Comparer.checkSameBits("restored", run(&together, later), goesOn)
    }

    @Test func wrongCountsTrap() async {
        await #expect(processExitsWith: .failure) {
            _ = ConvolutionCell(inputChannels: 0, outputChannels: 4, kernelSize: 1)
        }
        await #expect(processExitsWith: .failure) {
            _ = ConvolutionCell(inputChannels: 1, outputChannels: 4, kernelSize: .max, dilation: 2)
        }
        await #expect(processExitsWith: .failure) {
            var cell = ConvolutionCell(inputChannels: 2, outputChannels: 4, kernelSize: 2)
            var y = [Float](repeating: 0, count: 4)
            var span = y.mutableSpan
            cell.step([1].span, into: &span)
        }
        await #expect(processExitsWith: .failure) {
            var cell = ConvolutionCell(inputChannels: 1, outputChannels: 4, kernelSize: 2)
            cell.load(weight: [1], bias: [1])
        }
        await #expect(processExitsWith: .failure) {
            var cell = ConvolutionCell(inputChannels: 1, outputChannels: 4, kernelSize: 2)
            cell.reset(stream: 1)
        }
        await #expect(processExitsWith: .failure) {
            var cell = ConvolutionCell(inputChannels: 1, outputChannels: 4, kernelSize: 2)
            cell.state = [[1, 2]]
        }
    }

    /// Weights and states that are not finite are refused; an input that is not is remembered for
    /// as long as a window reaches back.
    @Test func whatIsNotFiniteIsRefusedOrSaid() async {
        let weights = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent])
        {
            var cell = ConvolutionCell(inputChannels: 1, outputChannels: 1, kernelSize: 2)
            cell.load(weight: [0, .infinity], bias: [0])
        }
        #expect(says(weights, "weight: expected finite numbers, found inf"))
        let state = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            var cell = ConvolutionCell(inputChannels: 1, outputChannels: 1, kernelSize: 2)
            cell.state = [[.nan]]
        }
        #expect(says(state, "state: expected finite numbers, found nan at index 0"))
        var cell = self.cell(1, 2, kernelSize: 3, batch: 2)
        _ = run(&cell, [1, .nan, 2, 2])
        #expect(!cell.isFinite && cell.isFinite(stream: 0) && !cell.isFinite(stream: 1))
        var gone = self.cell(1, 2, kernelSize: 3, batch: 2)
        _ = run(&gone, [1, .nan, 2, 2, 3, 3])
        #expect(gone.isFinite == true)
        cell.reset(stream: 1)
        #expect(cell.isFinite == true)
    }
}
