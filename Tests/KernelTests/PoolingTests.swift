import CRecurrent
import RecurrentReference
import TestSupport
import Testing

/// Pooling of generated images.
struct PoolingCase: Sendable, CustomStringConvertible {
    let images, channels: Int
    let pooling: Pooling

    static let all: [PoolingCase] = Pooling.Kind.allCases.flatMap { kind in
        typealias Axis = WindowAxis
        let one = Axis(size: 1, taps: 1)
        return (TestSizes.few + [TestSizes.large]).enumerated().map { index, channels in
            PoolingCase(
                images: 1 + index % 3, channels: channels,
                pooling: Pooling(
                    rows: Axis(size: 4 + index % 2, taps: 2, stride: 1 + index % 2),
                    columns: Axis(size: 5, taps: 3, stride: 2, padding: 1), kind: kind))
        } + [
            PoolingCase(
                images: 2, channels: 3,
                pooling: Pooling(
                    rows: one, columns: Axis(size: 11, taps: 3, dilation: 2, padding: 2), kind: kind
                )),
            // Windows that lie outside, or with one tap in each direction.
            PoolingCase(
                images: 1, channels: 20,
                pooling: Pooling(
                    rows: one,
                    columns: Axis(size: 2, windows: 7, taps: 2, stride: 1, dilation: 1, padding: 3),
                    kind: kind)),
            PoolingCase(
                images: 1, channels: 2,
                pooling: Pooling(
                    rows: Axis(size: 5, taps: 1, stride: 2),
                    columns: Axis(size: 4, taps: 1, stride: 3), kind: kind)),
        ]
    }

    var description: String {
        """
        \(pooling.kind), images \(images), channels \(channels), rows \(pooling.rows), columns \
        \(pooling.columns)
        """
    }

    /// x and dy, with many that are equal.
    func data() -> (x: [[[[Double]]]], dy: [[[[Double]]]]) {
        let problem = ConvolutionProblem(
            ConvolutionSizes(
                channels, channels, images: images, rows: pooling.rows, columns: pooling.columns),
            seed: UInt64(channels))
        func coarse(_ images: [[[[Double]]]]) -> [[[[Double]]]] {
            images.map { $0.map { $0.map { $0.map { ($0 * 3).rounded() } } } }
        }
        return (pooling.kind == .max ? coarse(problem.x) : problem.x, problem.dy)
    }

    var shape: recurrent_pooling_shape {
        recurrent_pooling_shape(
            images: images, rows: pooling.rows.cValue, columns: pooling.columns.cValue,
            channels: channels,
            pooling: pooling.kind == .max
                ? recurrent_pooling_max
                : pooling.kind == .sum ? recurrent_pooling_sum : recurrent_pooling_average)
    }

    /// y and dx, padded.
    func run(
        _ isa: KernelTable, _ data: (x: [[[[Double]]]], dy: [[[[Double]]]]), partitions: Int = 1
    )
        throws -> Named<Float>
    {
        var shape = shape
        let stride = KernelOrder.padded(channels)
        let order = KernelOrder(units: channels, groups: 1, columns: 1)
        let x = GuardedBuffer(places(data.x, stride: stride, behind: 0))
        let dy = GuardedBuffer(places(data.dy, stride: stride, behind: 0))
        let y = GuardedBuffer(repeating: .nan, count: recurrent_pooling_y_floats(shape))
        let dx = GuardedBuffer(repeating: .nan, count: recurrent_pooling_x_floats(shape))
        forPartitions(partitions) { isa.kernels.pooling_forward(&shape, x.pointer, y.pointer, $0) }
        forPartitions(partitions) {
            isa.kernels.pooling_backward(&shape, x.pointer, y.pointer, dy.pointer, dx.pointer, $0)
        }
        let named = try [("y", y.checkedValues("y")), ("dx", dx.checkedValues("dx"))]
        for (name, values) in named {
            try Comparer.checkZeros(name, values, at: order.rowPadding(values.count / stride))
        }
        return named
    }

    func unpadded(_ floats: [Float]) -> [Float] {
        let stride = KernelOrder.padded(channels)
        return floats.indices.filter { $0 % stride < channels }.map { floats[$0] }
    }
}

private func exactly(_ images: [[[[Double]]]]) -> [[[[RunningError]]]] {
    images.map { $0.map { $0.map { $0.map(exact) } } }
}

@Sendable func checkPoolingForward(_ isa: KernelTable) throws {
    for test in PoolingCase.all {
        let data = test.data()
        let y = try test.run(isa, data)[0].values
        try at(test) {
            try Comparer.check(
                "y", test.unpadded(y), flat(test.pooling.forward(x: exactly(data.x))))
        }
    }
}

@Sendable func checkPoolingBackward(_ isa: KernelTable) throws {
    for test in PoolingCase.all {
        let data = test.data()
        let dx = try test.run(isa, data)[1].values
        try at(test) {
            try Comparer.check(
                "dx", test.unpadded(dx),
                flat(test.pooling.backward(x: exactly(data.x), dy: exactly(data.dy))))
        }
    }
}

@Suite struct PoolingTests {
    @Test(arguments: KernelTable.all) func sameBits(isa: KernelTable) throws {
        for test in PoolingCase.all {
            let data = test.data()
            let expected = try test.run(KernelTable.all[0], data)
            for partitions in partitionCounts {
                for (found, expected) in zip(
                    try test.run(isa, data, partitions: partitions), expected)
                {
                    try at(test) {
                        try Comparer.checkSameBits(found.name, found.values, expected.values)
                    }
                }
            }
        }
    }

    /// The first of equal values has the gradient, the first NaN of several; one NaN is the
    /// largest; -0 and 0 are equal.
    @Test(arguments: KernelTable.all) func tiesAndNaN(isa: KernelTable) throws {
        let values: [Double] = [1, 3, 3, 2, .nan, .nan, -0.0, 0, -.infinity, -.infinity, .nan, 7]
        let axis = WindowAxis(size: values.count, taps: 3, stride: 3)
        let one = WindowAxis(size: 1, taps: 1)
        let test = PoolingCase(
            images: 1, channels: 1, pooling: Pooling(rows: one, columns: axis, kind: .max))
        let found = try test.run(
            isa, (x: [[values.map { [$0] }]], dy: [[[[10], [20], [30], [40]]]]))
        try Comparer.checkSameBits("y", test.unpadded(found[0].values), [3, .nan, -0.0, .nan])
        try Comparer.checkSameBits(
            "dx", test.unpadded(found[1].values), [0, 10, 0, 0, 20, 0, 30, 0, 0, 0, 40, 0])
    }
}
