import CRecurrent
import RecurrentReference
import TestSupport

extension WindowAxis {
    var cValue: recurrent_axis {
        recurrent_axis(
            size: size, windows: windows, taps: taps, stride: stride, dilation: dilation,
            padding: padding)
    }
}

/// The places of images, in the order in which they lie in memory, with a number of floats for
/// each; `behind` the channels there is a filler.
func places(_ images: [[[[Double]]]], stride: Int, behind: Float) -> [Float] {
    images.flatMap { $0.flatMap { $0 } }.flatMap { channels in
        channels.map { Float($0) } + [Float](repeating: behind, count: stride - channels.count)
    }
}

/// The convolution kernels of one instruction set over the data of a problem, in guarded buffers.
struct ConvolutionRun {
    let kernels: recurrent_kernels
    let sizes: ConvolutionSizes
    let shape: recurrent_convolution_shape
    /// Of the matrix whose columns are the bias and the taps' channels.
    let order: KernelOrder
    let x, w, dy: [Float]
    var gradient: [Float]
    /// Each kernel is called once for each partition, in this order.
    var partitions = [recurrent_partition(index: 0, count: 1)]

    init(_ isa: KernelTable, _ problem: ConvolutionProblem<Double>) {
        kernels = isa.kernels
        sizes = problem.sizes
        shape = recurrent_convolution_shape(
            images: sizes.images, rows: sizes.rows.cValue, columns: sizes.columns.cValue,
            inputs: sizes.inputs, outputs: sizes.outputs,
            x_stride: sizes.inputs + sizes.gap)
        order = KernelOrder(
            units: sizes.outputs, groups: 1,
            columns: 1 + sizes.rows.taps * sizes.columns.taps * sizes.inputs)
        x = places(problem.x, stride: shape.x_stride, behind: .nan)
        dy = places(problem.dy, stride: KernelOrder.padded(sizes.outputs), behind: 0)
        w = order.matrix(problem.layer)
        gradient = order.matrix(problem.gradient)
    }

    private var taps: Int { sizes.rows.taps * sizes.columns.taps }
    private var inputRows: KernelOrder { KernelOrder(units: sizes.inputs, groups: 1, columns: 1) }
    var yPlaces: Int { sizes.images * sizes.rows.windows * sizes.columns.windows }
    var xPlaces: Int { sizes.images * sizes.rows.size * sizes.columns.size }

    private func result(
        _ name: String, _ values: [Float], zeros: [Int],
        _ call: (
            UnsafePointer<recurrent_convolution_shape>, UnsafeMutablePointer<Float>,
            recurrent_partition
        ) -> Void
    ) throws -> [Float] {
        let buffer = GuardedBuffer(values)
        withUnsafePointer(to: shape) { shape in
            for partition in partitions { call(shape, buffer.pointer, partition) }
        }
        let found = try buffer.checkedValues(name)
        try Comparer.checkZeros(name, found, at: zeros)
        return found
    }

    private func unassigned(_ count: Int) -> [Float] { [Float](repeating: .nan, count: count) }

    func forward() throws -> [Float] {
        try result(
            "y", unassigned(recurrent_convolution_y_floats(shape)), zeros: order.rowPadding(yPlaces)
        ) {
            kernels.convolution_forward($0, x, w, $1, $2)
        }
    }

    /// transposed[tap][q][m][lane] = W[m][tap][16 q + lane]
    var packedTransposed: [Float] {
        var transposed = [Float](repeating: 0, count: taps * inputRows.rowCount * order.rowCount)
        for m in 0..<sizes.outputs {
            for tap in 0..<taps {
                for c in 0..<sizes.inputs {
                    let index =
                        ((tap * inputRows.rowCount / 16 + c / 16) * order.rowCount + m) * 16 + c
                        % 16
                    transposed[index] =
                        w[order.matrixIndex(group: 0, unit: m, column: 1 + tap * sizes.inputs + c)]
                }
            }
        }
        return transposed
    }

    func transposed() throws -> [Float] {
        try result(
            "transposed", unassigned(recurrent_convolution_transposed_floats(shape)), zeros: []
        ) {
            kernels.convolution_transpose($0, w, $1, $2)
        }
    }

    func backwardInput() throws -> [Float] {
        let transposed = packedTransposed
        return try result(
            "dx", unassigned(recurrent_convolution_dx_floats(shape)),
            zeros: inputRows.rowPadding(xPlaces)
        ) {
            kernels.convolution_backward_input($0, dy, transposed, $1, $2)
        }
    }

    func backwardWeights() throws -> [Float] {
        try result("dw", gradient, zeros: order.matrixPadding) {
            kernels.convolution_backward_weights($0, x, dy, $1, $2)
        }
    }

    /// What each of the four kernels gives.
    func solved() throws -> Named<Float> {
        try [
            ("y", forward()), ("transposed", transposed()), ("dx", backwardInput()),
            ("dw", backwardWeights()),
        ]
    }

    // MARK: The textbook's layout

    private func flat(_ floats: [Float], places: Int, channels: Int) -> [Float] {
        let stride = KernelOrder.padded(channels)
        return (0..<places).flatMap { floats[$0 * stride..<$0 * stride + channels] }
    }

    func outputs(_ y: [Float]) -> [Float] { flat(y, places: yPlaces, channels: sizes.outputs) }
    func inputs(_ dx: [Float]) -> [Float] { flat(dx, places: xPlaces, channels: sizes.inputs) }

    /// A matrix as `Convolution.named` has it.
    func named(_ matrix: [Float]) -> Named<Double> {
        func column(_ unit: Int, _ column: Int) -> Double {
            Double(matrix[order.matrixIndex(group: 0, unit: unit, column: column)])
        }
        let units = 0..<sizes.outputs
        return [
            ("dW", units.flatMap { unit in (1..<order.columns).map { column(unit, $0) } }),
            ("db", units.map { column($0, 0) }),
        ]
    }
}

extension KernelOrder {
    func matrix(_ layer: Convolution<Double>) -> [Float] {
        let taps = layer.W.map { $0.flatMap { $0.flatMap { $0 } } }
        return matrix { _, unit, column in column == 0 ? layer.b[unit] : taps[unit][column - 1] }
    }
}
