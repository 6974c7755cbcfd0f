import CRecurrent
import RecurrentReference
import TestSupport
import Testing

/// A dense layer's sizes: `outputs` units for each of `groups` groups.
struct ProductSizes: Sendable, CustomStringConvertible {
    var rows: Int
    let inputs, outputs, groups: Int
    var gap = 0
    var awkward = false

    var description: String {
        "M \(rows) K \(inputs) N \(outputs) G \(groups)\(awkward ? " awkward" : "")"
    }

    /// Every size of `TestSizes` in each place, every number of rows that a register tile has, and
    /// each number of groups.
    static let all: [ProductSizes] = {
        var all: [ProductSizes] = []
        let sizes = TestSizes.few
        for (index, size) in sizes.enumerated() {
            for groups in [1, 3, 4] {
                let other = sizes[(index + groups) % sizes.count]
                all.append(
                    ProductSizes(
                        rows: index + 1, inputs: size, outputs: other, groups: groups,
                        gap: index % 3))
                all.append(
                    ProductSizes(
                        rows: other, inputs: sizes[(index + 2 * groups) % sizes.count],
                        outputs: size, groups: groups))
            }
        }
        for groups in [1, 3, 4] {
            all.append(ProductSizes(rows: 3, inputs: TestSizes.large, outputs: 17, groups: groups))
            all.append(ProductSizes(rows: TestSizes.large, inputs: 5, outputs: 3, groups: groups))
            all.append(
                ProductSizes(
                    rows: 5, inputs: 21, outputs: 35, groups: groups, gap: 4, awkward: true))
        }
        all.append(ProductSizes(rows: 2, inputs: 7, outputs: TestSizes.large, groups: 1))
        all.append(ProductSizes(rows: 1, inputs: 7, outputs: 4 * TestSizes.large, groups: 1))
        return all
    }()
}

/// The product kernels of one instruction set over generated data. Output g × `outputs` + n of the
/// textbook's layer is unit n of group g.
struct ProductRun {
    let kernels: recurrent_kernels
    private(set) var sizes: ProductSizes
    private var shape: recurrent_product_shape
    let order: KernelOrder
    let layer, gradient: Dense<Double>
    private(set) var x, dy: [[Double]]
    private var packedX, packedDy: [Float]
    private var packedLayer: [Float]
    let packedGradient, packedTransposed: [Float]
    var partitions = [recurrent_partition(index: 0, count: 1)]

    init(_ isa: KernelTable, _ sizes: ProductSizes) {
        var generator = Generator(
            seed: UInt64(sizes.rows * 10_000 + sizes.inputs * 100 + sizes.groups))
        func matrix(_ rows: Int, _ columns: Int) -> [[Double]] {
            (0..<rows).map { _ in
                (sizes.awkward ? generator.awkwardFloats(columns) : generator.floats(columns)).map {
                    Double($0)
                }
            }
        }
        kernels = isa.kernels
        self.sizes = sizes
        let outputs = sizes.groups * sizes.outputs
        shape = recurrent_product_shape(
            rows: sizes.rows, inputs: sizes.inputs, outputs: sizes.outputs, groups: sizes.groups,
            x_stride: sizes.inputs + sizes.gap)
        order = KernelOrder(units: sizes.outputs, groups: sizes.groups, columns: 1 + sizes.inputs)
        layer = Dense(W: matrix(outputs, sizes.inputs), b: matrix(1, outputs)[0])
        gradient = Dense(W: matrix(outputs, sizes.inputs), b: matrix(1, outputs)[0])
        x = matrix(sizes.rows, sizes.inputs)
        dy = matrix(sizes.rows, outputs)

        let (order, layer, gradient, dy) = (order, layer, gradient, dy)
        func pack(_ layer: Dense<Double>) -> [Float] {
            order.matrix { group, unit, column in
                let n = group * sizes.outputs + unit
                return column == 0 ? layer.b[n] : layer.W[n][column - 1]
            }
        }
        packedX = x.flatMap { $0.map { Float($0) } + [Float](repeating: .nan, count: sizes.gap) }
        packedDy = order.rows(sizes.rows) { row, group, unit in
            dy[row][group * sizes.outputs + unit]
        }
        packedLayer = pack(layer)
        packedGradient = pack(gradient)
        // transposed[q][j][l] = W[j][16 q + l]
        var transposed = [Float](
            repeating: 0, count: KernelOrder.padded(sizes.inputs) * order.rowCount)
        for group in 0..<sizes.groups {
            for unit in 0..<sizes.outputs {
                let row = order.rowIndex(row: 0, group: group, unit: unit)
                for k in 0..<sizes.inputs {
                    transposed[(k / 16 * order.rowCount + row) * 16 + k % 16] = Float(
                        layer.W[group * sizes.outputs + unit][k])
                }
            }
        }
        packedTransposed = transposed
    }

    /// One row by itself.
    func row(_ row: Int) -> ProductRun {
        var alone = self
        alone.sizes.rows = 1
        alone.shape.rows = 1
        (alone.x, alone.dy) = ([x[row]], [dy[row]])
        alone.packedX = Array(packedX[row * shape.x_stride..<(row + 1) * shape.x_stride])
        alone.packedDy = Array(packedDy[row * order.rowCount..<(row + 1) * order.rowCount])
        return alone
    }

    private func output(
        _ name: String, _ values: [Float], padding: [Int],
        _ call: (
            UnsafePointer<recurrent_product_shape>, UnsafeMutablePointer<Float>, recurrent_partition
        ) -> Void
    ) throws -> [Float] {
        let buffer = GuardedBuffer(values)
        withUnsafePointer(to: shape) { shape in
            for partition in partitions { call(shape, buffer.pointer, partition) }
        }
        let found = try buffer.checkedValues(name)
        try Comparer.checkZeros(name, found, at: padding)
        return found
    }

    private func unassigned(_ count: Int) -> [Float] { [Float](repeating: .nan, count: count) }

    func forward() throws -> [Float] {
        try output(
            "y", unassigned(sizes.rows * order.rowCount), padding: order.rowPadding(sizes.rows)
        ) {
            kernels.product_forward($0, packedX, packedLayer, $1, $2)
        }
    }

    func forwardBFloat16() throws -> [Float] {
        let words = order.bfloat16(packedLayer)
        return try output(
            "y", unassigned(sizes.rows * order.rowCount), padding: order.rowPadding(sizes.rows)
        ) {
            kernels.product_forward_bfloat16($0, packedX, words, $1, $2)
        }
    }

    /// The same layer with rounded weights, as floats.
    func roundedToBFloat16() -> ProductRun {
        var rounded = self
        rounded.packedLayer = order.bfloat16Rounded(packedLayer)
        return rounded
    }

    func transposed() throws -> [Float] {
        try output("transposed", unassigned(packedTransposed.count), padding: []) {
            kernels.product_transpose($0, packedLayer, $1, $2)
        }
    }

    func backwardInput() throws -> [Float] {
        let padding = KernelOrder(units: sizes.inputs, groups: 1, columns: 1).rowPadding(sizes.rows)
        return try output(
            "dx", unassigned(sizes.rows * KernelOrder.padded(sizes.inputs)), padding: padding
        ) {
            kernels.product_backward_input($0, packedDy, packedTransposed, $1, $2)
        }
    }

    func backwardWeights() throws -> [Float] {
        try output("dw", packedGradient, padding: order.matrixPadding) {
            kernels.product_backward_weights($0, packedX, packedDy, $1, $2)
        }
    }

    func outputs(_ y: [Float]) -> [Float] {
        (0..<sizes.rows).flatMap { row in
            (0..<sizes.groups).flatMap { group in
                (0..<sizes.outputs).map { y[order.rowIndex(row: row, group: group, unit: $0)] }
            }
        }
    }

    func column(_ column: Int, of matrix: [Float]) -> [Float] {
        (0..<sizes.groups).flatMap { group in
            (0..<sizes.outputs).map {
                matrix[order.matrixIndex(group: group, unit: $0, column: column)]
            }
        }
    }
}

func exact(_ matrix: [[Double]]) -> [[RunningError]] { matrix.map { $0.map(exact) } }
func exact(_ layer: Dense<Double>) -> Dense<RunningError> {
    Dense(W: exact(layer.W), b: layer.b.map(exact))
}

private func forEachProduct(_ isa: KernelTable, _ test: (ProductRun) throws -> Void) throws {
    for sizes in ProductSizes.all {
        do { try test(ProductRun(isa, sizes)) } catch {
            throw AtSizes(sizes: "\(sizes)", error: error)
        }
    }
}

@Sendable func checkProductForward(_ isa: KernelTable) throws {
    try forEachProduct(isa) { run in
        try Comparer.check(
            "y", run.outputs(run.forward()),
            exact(run.layer).forward(x: exact(run.x)).flatMap { $0 })
    }
}

@Sendable func checkProductTranspose(_ isa: KernelTable) throws {
    try forEachProduct(isa) { run in
        try Comparer.checkSameBits("transposed", run.transposed(), run.packedTransposed)
    }
}

@Sendable func checkProductBackwardInput(_ isa: KernelTable) throws {
    try forEachProduct(isa) { run in
        let dx = try KernelOrder.unpadded(
            run.backwardInput(), rows: run.sizes.rows, units: run.sizes.inputs)
        let expected = exact(run.layer).backwardInput(dy: exact(run.dy))
        try Comparer.check("dx", dx.flatMap { $0.map { Float($0) } }, expected.flatMap { $0 })
    }
}

@Sendable func checkProductBackwardWeights(_ isa: KernelTable) throws {
    try forEachProduct(isa) { run in
        let dw = try run.backwardWeights()
        var expected = exact(run.gradient)
        expected.addGradient(x: exact(run.x), dy: exact(run.dy))
        try Comparer.check("db", run.column(0, of: dw), expected.b)
        for k in 0..<run.sizes.inputs {
            try Comparer.check("dW[][\(k)]", run.column(1 + k, of: dw), expected.W.map { $0[k] })
        }
    }
}

extension ProductRun {
    /// What each of the four kernels gives.
    func solved() throws -> Named<Float> {
        try [
            ("y", forward()), ("transposed", transposed()), ("dx", backwardInput()),
            ("dw", backwardWeights()),
        ]
    }
}

@Suite struct ProductSameBitsTests {
    @Test(arguments: KernelTable.all.dropFirst()) func everyInstructionSet(isa: KernelTable) throws
    {
        try forEachProduct(isa) {
            try checkSameBits($0.solved(), ProductRun(KernelTable.all[0], $0.sizes).solved())
        }
    }

    @Test(arguments: KernelTable.all) func everyNumberOfPartitions(isa: KernelTable) throws {
        try forEachProduct(isa) { whole in
            let expected = try whole.solved()
            for count in partitionCounts.dropFirst() {
                var shared = whole
                shared.partitions = (0..<count).reversed().map {
                    recurrent_partition(index: $0, count: count)
                }
                try checkSameBits(shared.solved(), expected)
            }
        }
    }

    @Test(arguments: KernelTable.all) func rowAlone(isa: KernelTable) throws {
        try forEachProduct(isa) { batch in
            let y = try batch.forward()
            let dx = try batch.backwardInput()
            for row in 0..<min(batch.sizes.rows, 7) {
                let alone = batch.row(row)
                let (yWidth, dxWidth) = (y.count / batch.sizes.rows, dx.count / batch.sizes.rows)
                try Comparer.checkSameBits(
                    "y of row \(row)", alone.forward(), Array(y[row * yWidth..<(row + 1) * yWidth]))
                try Comparer.checkSameBits(
                    "dx of row \(row)", alone.backwardInput(),
                    Array(dx[row * dxWidth..<(row + 1) * dxWidth]))
            }
        }
    }

    private func checkSameBits(_ found: Named<Float>, _ expected: Named<Float>) throws {
        for (f, e) in zip(found, expected) {
            try Comparer.checkSameBits(f.name, f.values, e.values)
        }
    }
}
