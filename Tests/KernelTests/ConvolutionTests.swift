import CRecurrent
import RecurrentReference
import TestSupport
import Testing

/// Every size of `TestSizes` as the number of channels of either side, over sequences and images
/// with every stride, dilation and padding that change how places are read; every number of rows
/// and panels of a register tile; every direction in which a tile may lie.
private let convolutionSizes: [ConvolutionSizes] = {
    typealias Axis = WindowAxis
    var all: [ConvolutionSizes] = []
    let sizes = TestSizes.few
    for (index, size) in sizes.enumerated() {
        let other = sizes[(index + 3) % sizes.count]
        let along = Axis(
            size: 3 + index, taps: 1 + index % 3, stride: 1 + index % 2, dilation: 1 + index % 3,
            padding: index % 4)
        all.append(
            ConvolutionSizes(size, other, images: 1 + index % 2, columns: along, gap: index % 3))
        let down = Axis(
            size: 2 + index % 3, taps: 2, stride: 1 + index % 3, dilation: 1, padding: 1)
        let across = Axis(size: 4, taps: 2, stride: 1, dilation: 2, padding: index % 2)
        all.append(ConvolutionSizes(other % 20, size, rows: down, columns: across, gap: index % 2))
    }
    return all + [
        ConvolutionSizes(TestSizes.large, 5, columns: Axis(size: 3, taps: 2)),
        ConvolutionSizes(2, TestSizes.large, columns: Axis(size: 9, taps: 2, padding: 1)),
        // Tiles along images, rows and columns.
        ConvolutionSizes(3, 18, images: 13, columns: Axis(size: 2, taps: 2)),
        ConvolutionSizes(
            2, 20, images: 2, rows: Axis(size: 11, taps: 3, padding: 1),
            columns: Axis(size: 3, taps: 3, padding: 1)),
        // Windows that end before the image does, and some that lie beyond it; strides longer than
        // the windows; more taps than places.
        ConvolutionSizes(
            3, 4, columns: Axis(size: 9, windows: 2, taps: 2, stride: 2, dilation: 1, padding: 0)),
        ConvolutionSizes(
            3, 4, images: 2,
            columns: Axis(size: 3, windows: 12, taps: 2, stride: 1, dilation: 2, padding: 5)),
        ConvolutionSizes(
            2, 3, rows: Axis(size: 7, taps: 2, stride: 5),
            columns: Axis(size: 8, taps: 1, stride: 3)),
        ConvolutionSizes(2, 3, columns: Axis(size: 2, taps: 7, dilation: 2, padding: 6)),
        // Strides and dilations with a common divisor, and without one.
        ConvolutionSizes(
            2, 3, rows: Axis(size: 9, taps: 3, stride: 2, dilation: 4, padding: 4),
            columns: Axis(size: 13, taps: 4, stride: 4, dilation: 6, padding: 9)),
        ConvolutionSizes(
            2, 3, rows: Axis(size: 9, taps: 3, stride: 3, dilation: 2, padding: 2),
            columns: Axis(size: 12, taps: 4, stride: 2, dilation: 3, padding: 5)),
        // Taps side by side; blocks of the gradient with respect to the weights: some images, some
        // rows, a part of a row.
        ConvolutionSizes(
            3, 17, images: 2, rows: Axis(size: 5, taps: 2), columns: Axis(size: 6, taps: 3)),
        ConvolutionSizes(
            1, 2, images: 11, rows: Axis(size: 6, taps: 2),
            columns: Axis(size: 6, taps: 2, padding: 1)),
        ConvolutionSizes(
            1, 2, images: 2, rows: Axis(size: 20, taps: 2),
            columns: Axis(size: 20, taps: 2, padding: 1)),
        ConvolutionSizes(1, 3, columns: Axis(size: 600, taps: 3, stride: 2, padding: 1)),
        ConvolutionSizes(
            5, 19, images: 2, rows: Axis(size: 3, taps: 2, padding: 1),
            columns: Axis(size: 5, taps: 3, padding: 1), gap: 2, awkward: true),
    ]
}()

private func problem(_ sizes: ConvolutionSizes) -> ConvolutionProblem<Double> {
    ConvolutionProblem(sizes, seed: UInt64(sizes.inputs * 1000 + sizes.outputs))
}

private func forEachConvolution(
    _ isa: KernelTable, _ test: (ConvolutionRun, ConvolutionProblem<RunningError>) throws -> Void
) throws {
    for sizes in convolutionSizes {
        try at(sizes) { try test(ConvolutionRun(isa, problem(sizes)), problem(sizes).map(exact)) }
    }
}

@Sendable func checkConvolutionForward(_ isa: KernelTable) throws {
    try forEachConvolution(isa) {
        try Comparer.check("y", $0.outputs($0.forward()), flat($1.layer.forward(x: $1.x)))
    }
}

@Sendable func checkConvolutionTranspose(_ isa: KernelTable) throws {
    try forEachConvolution(isa) { run, _ in
        try Comparer.checkSameBits("transposed", run.transposed(), run.packedTransposed)
    }
}

@Sendable func checkConvolutionBackwardInput(_ isa: KernelTable) throws {
    try forEachConvolution(isa) {
        try Comparer.check(
            "dx", $0.inputs($0.backwardInput()), flat($1.layer.backwardInput(dy: $1.dy)))
    }
}

@Sendable func checkConvolutionBackwardWeights(_ isa: KernelTable) throws {
    try forEachConvolution(isa) { run, problem in
        var gradient = problem.gradient
        gradient.addGradient(x: problem.x, dy: problem.dy)
        try Comparer.check(run.named(run.backwardWeights()), gradient.named)
    }
}

@Suite struct ConvolutionTests {
    private func checkSameBits(_ found: Named<Float>, _ expected: Named<Float>) throws {
        for (f, e) in zip(found, expected) {
            try Comparer.checkSameBits(f.name, f.values, e.values)
        }
    }

    @Test(arguments: KernelTable.all.dropFirst()) func everyInstructionSet(isa: KernelTable) throws
    {
        for sizes in convolutionSizes {
            let expected = try ConvolutionRun(KernelTable.all[0], problem(sizes)).solved()
            try at(sizes) {
                try checkSameBits(ConvolutionRun(isa, problem(sizes)).solved(), expected)
            }
        }
    }

    @Test(arguments: KernelTable.all) func everyNumberOfPartitions(isa: KernelTable) throws {
        for sizes in convolutionSizes {
            var run = ConvolutionRun(isa, problem(sizes))
            let expected = try run.solved()
            for count in partitionCounts.dropFirst() {
                // Backwards, because no part may wait for another.
                run.partitions = (0..<count).reversed().map {
                    recurrent_partition(index: $0, count: count)
                }
                try at(sizes) { try checkSameBits(run.solved(), expected) }
            }
        }
    }

    @Test(arguments: KernelTable.all) func imageAlone(isa: KernelTable) throws {
        for sizes in convolutionSizes where sizes.images > 1 {
            let batch = ConvolutionRun(isa, problem(sizes))
            let y = try batch.forward()
            let dx = try batch.backwardInput()
            var dw = batch.gradient
            for image in 0..<sizes.images {
                var alone = ConvolutionRun(isa, problem(sizes).image(image))
                let (yCount, dxCount) = (y.count / sizes.images, dx.count / sizes.images)
                try Comparer.checkSameBits(
                    "y of image \(image)", alone.forward(),
                    Array(y[image * yCount..<(image + 1) * yCount]))
                try Comparer.checkSameBits(
                    "dx of image \(image)", alone.backwardInput(),
                    Array(dx[image * dxCount..<(image + 1) * dxCount]))
                alone.gradient = dw
                dw = try alone.backwardWeights()
            }
            // Of more places, each block has a sum of its own, where images alone go on from image
            // to image.
            if batch.yPlaces <= 256 {
                try Comparer.checkSameBits("dw", dw, batch.backwardWeights())
            }
        }
    }

    /// Taps outside are left out: an infinite weight there makes no NaN, and a bias of -0 stays
    /// one.
    @Test(arguments: KernelTable.all) func tapsOutsideAreLeftOut(isa: KernelTable) throws {
        let sizes = ConvolutionSizes(1, 1, columns: WindowAxis(size: 1, taps: 3, padding: 1))
        var problem = problem(sizes)
        problem.layer = Convolution(
            W: [[[[.infinity], [1], [-.infinity]]]], b: [-0.0], rows: sizes.rows,
            columns: sizes.columns)
        problem.x = [[[[-0.0]]]]
        #expect(try ConvolutionRun(isa, problem).forward()[0].bitPattern == Float(-0.0).bitPattern)
    }

    /// The bounds of these tests reject every mistake, with one panel of outputs and with two.
    @Test(arguments: [4, 18]) func plantedMistakesAreRejected(outputs: Int) throws {
        let sizes = ConvolutionSizes(
            3, outputs, images: 2,
            rows: WindowAxis(size: 6, taps: 2, stride: 2, dilation: 2, padding: 1),
            columns: WindowAxis(size: 7, taps: 3, stride: 3, dilation: 2, padding: 2))
        let problem = problem(sizes)
        let expected = problem.map(exact).solved().named
        func check(_ mistake: ConvolutionMistake?) throws {
            try Comparer.check(
                FaultyConvolution(mistake: mistake, problem: problem).solution().named, expected)
        }
        try check(nil)
        let missed = ConvolutionMistake.allCases.filter { mistake in
            do { try check(mistake) } catch { return false }
            return true
        }
        #expect(missed == [])
    }
}
