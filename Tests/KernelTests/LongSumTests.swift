import CRecurrent
import Recurrent
import TestSupport
import Testing

/// Sums of many terms of one sign, whose error must not grow with every term. Each bound is a few
/// units in the last place; one chain of floats errs 10 to 100 times as much. The bits are the same
/// on every instruction set, which Tests/Golden holds: one suffices here.
@Suite struct LongSumTests {
    private let kernels = KernelTable.all.last!.kernels
    private let whole = recurrent_partition(index: 0, count: 1, barrier: nil)

    /// `rows` rows of `used` numbers around 1, in rows of 16 floats.
    private func ones(_ rows: Int, _ used: Int, seed: UInt64) -> [Float] {
        var generator = Generator(seed: seed)
        let floats = generator.floats(rows * used)
        var padded = [Float](repeating: 0, count: rows * 16)
        for row in 0..<rows {
            for unit in 0..<used { padded[row * 16 + unit] = 1 + floats[row * used + unit] }
        }
        return padded
    }

    /// Σ_m x[m] dy[m] over the rows that count, where column -1 of x is 1.
    private func sum(
        _ x: [Float], _ column: Int, _ dy: [Float], _ unit: Int,
        where counts: (Int) -> Bool = { _ in true }
    ) -> Double {
        var sum = 0.0
        for row in 0..<dy.count / 16 where counts(row) {
            sum += (column < 0 ? 1 : Double(x[row * 16 + column])) * Double(dy[row * 16 + unit])
        }
        return sum
    }

    private func check(_ name: String, _ found: Float, _ expected: Double, within bound: Double) {
        let error = abs(Double(found) / expected - 1)
        #expect(
            error <= bound, "\(name): found \(found), expected \(expected): off by \(error) of it")
    }

    @Test(arguments: [(20_000, 0x1p-21, 0x1p-23), (100_000, 0x1p-20, 0x1p-23)])
    func denseGradient(rows: Int, weights: Double, bias: Double) {
        let x = ones(rows, 2, seed: 1)
        let dy = ones(rows, 2, seed: 2)
        var shape = recurrent_product_shape(
            rows: rows, inputs: 2, outputs: 2, groups: 1, x_stride: 16)
        var dw = [Float](repeating: 0, count: 3 * 16)
        kernels.product_backward_weights(&shape, x, dy, &dw, whole)
        for unit in 0..<2 {
            check("db", dw[unit], sum(x, -1, dy, unit), within: bias)
            for input in 0..<2 {
                check("dW", dw[(1 + input) * 16 + unit], sum(x, input, dy, unit), within: weights)
            }
        }
    }

    /// A layer of one input and one unit; a GRU resets after the product.
    private func layer(_ cell: recurrent_cell, batch: Int, steps: Int) -> recurrent_cell_shape {
        var shape = recurrent_cell_shape()
        (shape.cell, shape.input, shape.hidden) = (cell, 1, 1)
        (shape.batch, shape.steps, shape.x_stride) = (batch, steps, 16)
        return shape
    }

    /// c is h.
    private func weightGradient(
        _ shape: recurrent_cell_shape, lengths: [Int]? = nil, x: [Float], h: [Float],
        gates: [Float], past: [Float], dgates: [Float], dpast: [Float]
    ) -> [Float] {
        var dw = [Float](repeating: 0, count: recurrent_cell_weights_floats(shape))
        var (shape, h, gates, past) = (shape, h, gates, past)
        var (dgates, dpast) = (dgates, dpast)
        h.withUnsafeMutableBufferPointer { h in
            gates.withUnsafeMutableBufferPointer { gates in
                past.withUnsafeMutableBufferPointer { past in
                    dgates.withUnsafeMutableBufferPointer { dgates in
                        dpast.withUnsafeMutableBufferPointer { dpast in
                            var tape = recurrent_cell_tape(
                                h: h.baseAddress!, c: h.baseAddress!, gates: gates.baseAddress,
                                past: past.baseAddress, masked: nil)
                            var gradients = recurrent_cell_gradients(
                                dy: nil, dgates: dgates.baseAddress!, dpast: dpast.baseAddress,
                                dh: h.baseAddress!, dc: nil, dx: nil, scratch: nil)
                            withUnsafePointer(to: kernels) { table in
                                recurrent_cell_backward_weights(
                                    table, &shape, lengths, x, &tape, &gradients, &dw, whole)
                            }
                        }
                    }
                }
            }
        }
        return dw
    }

    /// Every other row of a time step has ended from the first step on: as many runs of rows as
    /// there can be. x is NaN there.
    @Test(arguments: [false, true]) func recurrentGradient(ends: Bool) {
        let (steps, batch) = (2_500, 8)
        let rows = steps * batch
        var x = ones(rows, 1, seed: 3)
        let h = ones(rows + batch, 1, seed: 4)
        let dz = ones(rows, 1, seed: 5)
        let lengths: [Int] = (0..<batch).map { row in ends && row % 2 == 0 ? 0 : steps }
        func counts(_ row: Int) -> Bool { lengths[row % batch] > 0 }
        for row in 0..<rows where !counts(row) { x[row * 16] = .nan }
        let shape = layer(.rnn, batch: batch, steps: steps)
        let dw = weightGradient(
            shape, lengths: lengths, x: x, h: h, gates: [], past: [], dgates: dz, dpast: [])
        check("db", dw[0], sum(x, -1, dz, 0, where: counts), within: 0x1p-20)
        check("dW", dw[16], sum(x, 0, dz, 0, where: counts), within: 0x1p-20)
        check("dU", dw[32], sum(h, 0, dz, 0, where: counts), within: 0x1p-20)
    }

    /// All gates, the peepholes and the projection of an LSTM, and the candidate of a GRU.
    @Test func cellGradients() {
        let rows = 20_000
        let numbers = ones(rows + 1, 1, seed: 6)
        func gates(_ count: Int) -> [Float] {
            var gates: [Float] = []
            for row in 0..<rows {
                for _ in 0..<count { gates += numbers[row * 16..<(row + 1) * 16] }
            }
            return gates
        }
        var square = 0.0
        var plain = 0.0
        var next = 0.0
        for row in 0..<rows {
            let number = Double(numbers[row * 16])
            plain += number
            square += number * number
            next += number * Double(numbers[(row + 1) * 16])
        }
        var lstm = layer(.lstm, batch: 1, steps: rows)
        lstm.lstm.peepholes = 1
        lstm.lstm.projection = 1
        let tape = gates(4) + numbers
        var dw = weightGradient(
            lstm, x: numbers, h: numbers, gates: tape, past: [], dgates: tape, dpast: [])
        for gate in 0..<4 {
            check("db of gate \(gate)", dw[gate * 16], plain, within: 0x1p-20)
            check("dW of gate \(gate)", dw[64 + gate * 16], square, within: 0x1p-20)
            if gate != 2 {
                check(
                    "dp of gate \(gate)", dw[128 + gate * 16], gate == 3 ? next : square,
                    within: 0x1p-20)
            }
            check("dU of gate \(gate)", dw[192 + gate * 16], square, within: 0x1p-20)
        }
        check("dP", dw[256], square, within: 0x1p-20)

        dw = weightGradient(
            layer(.gru, batch: 1, steps: rows), x: numbers, h: numbers, gates: [], past: numbers,
            dgates: gates(3), dpast: numbers)
        check("db′", dw[2 * 48 + 32], plain, within: 0x1p-20)
        check("dU of n", dw[3 * 48 + 32], square, within: 0x1p-20)
    }

    @Test func convolutionGradient() {
        let places = 20_000
        let x = ones(places, 1, seed: 7)
        let dy = ones(places, 1, seed: 8)
        let one = recurrent_axis(size: 1, windows: 1, taps: 1, stride: 1, dilation: 1, padding: 0)
        let columns = recurrent_axis(
            size: places, windows: places, taps: 1, stride: 1, dilation: 1, padding: 0)
        var shape = recurrent_convolution_shape(
            images: 1, rows: one, columns: columns, inputs: 1, outputs: 1, x_stride: 16)
        var dw = [Float](repeating: 0, count: 2 * 16)
        kernels.convolution_backward_weights(&shape, x, dy, &dw, whole)
        check("db", dw[0], sum(x, -1, dy, 0), within: 0x1p-23)
        check("dW", dw[16], sum(x, 0, dy, 0), within: 0x1p-20)
    }

    /// One index has three rows in four.
    @Test func embeddingGradient() {
        let rows = 20_000
        let dy = ones(rows, 1, seed: 9)
        let indices: [Int32] = (0..<rows).map { row in
            row % 4 == 3 ? Int32(1 + row % 67) : 0
        }
        var shape = recurrent_embedding_shape(vocabulary: 68, dimension: 1, rows: rows)
        var table = [Float](repeating: 0, count: 68 * 16)
        kernels.embedding_backward(&shape, indices, dy, &table, whole)
        for index in 0..<68 {
            check(
                "index \(index)", table[index * 16],
                sum(dy, -1, dy, 0) { indices[$0] == Int32(index) }, within: 0x1p-20)
        }
    }

    @Test func poolingOfAllPlaces() {
        let places = 100_000
        let x = ones(places, 1, seed: 10)
        let one = recurrent_axis(size: 1, windows: 1, taps: 1, stride: 1, dilation: 1, padding: 0)
        let columns = recurrent_axis(
            size: places, windows: 1, taps: places, stride: 1, dilation: 1, padding: 0)
        var shape = recurrent_pooling_shape(
            images: 1, rows: one, columns: columns, channels: 1, pooling: recurrent_pooling_average)
        var y = [Float](repeating: 0, count: 16)
        kernels.pooling_forward(&shape, x, &y, whole)
        check("mean", y[0], sum(x, -1, x, 0) / Double(places), within: 0x1p-20)
    }

    /// 10^7 times the same number, whose mean it is. A stride of zero has all steps read one row.
    @Test func meanOverTime() {
        var shape = recurrent_sequence_shape(
            steps: 10_000_000, batch: 1, units: 16, width: 16, x_stride: 0, y_stride: 16,
            reversed: 0)
        let x = [Float](repeating: -0.26799, count: 16)
        var y = [Float](repeating: 0, count: 16)
        kernels.sequence_pool(&shape, recurrent_sequence_mean, nil, x, &y, whole)
        #expect(y == x)
    }

    /// Logits that are equal: every class has the same probability, and a loss of log N.
    @Test func manyClasses() {
        let classes = 1_000_000
        let logits = [Float](repeating: 0.3, count: classes)
        var shape = recurrent_rows_shape(rows: 1, units: classes)
        var p = logits
        var loss: Float = 0
        kernels.softmax(&shape, logits, &p, whole)
        check("p", p[classes / 2], 1e-6, within: 0x1p-23)
        kernels.softmax_cross_entropy(&shape, logits, [7], 1, &loss, nil, whole)
        check("loss", loss, 13.815510557964274, within: 0x1p-22)
        let dp = [Float](repeating: 0.1, count: classes)
        kernels.softmax_backward(&shape, p, dp, &p, whole)
        #expect(
            abs(p[0]) <= 0.1 * 1e-6 * 0x1p-18,
            "the Jacobian times a constant is zero; found \(p[0])")
    }

    @Test func lossOfManyUnits() {
        let units = 1_600_000
        let y = [Float](repeating: 0.1, count: units)
        let targets = [Float](repeating: 0, count: units)
        var shape = recurrent_rows_shape(rows: 1, units: units)
        var loss: Float = 0
        kernels.mean_absolute_error(&shape, y, targets, nil, 1, &loss, nil, whole)
        check("mean absolute error", loss, Double(Float(0.1)), within: 0x1p-17)
        kernels.mean_squared_error(&shape, y, targets, nil, 1, &loss, nil, whole)
        check("mean squared error", loss, Double(Float(0.1)) * Double(Float(0.1)), within: 0x1p-17)
    }
}
