import CRecurrent
import Recurrent
import RecurrentFormats
import Testing

import struct TestSupport.KernelOrder
import enum TestSupport.TestSizes

/// The order of C against `TestSupport`'s, which is written anew, and back.
@Suite struct KernelOrderTests {
    /// Distinct values of many bits, so that rounding to bfloat16 changes them.
    static func values(_ count: Int, from first: Int) -> [Float] {
        (0..<count).map { Float(first + $0) / 16384 - 1 }
    }

    static func weights(_ gates: Int, _ hidden: Int, input: Int, output: Int) -> CellWeights {
        let rows = gates * hidden
        return CellWeights(
            weightIH: values(rows * input, from: 1), weightHH: values(rows * output, from: 20_000),
            biasIH: values(rows, from: 50_000), biasHH: values(rows, from: 60_000))
    }

    static func affine(_ weight: Int, _ bias: Int) -> AffineWeights {
        AffineWeights(weight: values(weight, from: 1), bias: values(bias, from: 20_000))
    }

    /// A row of each gate and unit: its bias, W, `inner`, which are peepholes or hidden biases, U.
    static func matrix(
        _ gates: Int, _ weights: CellWeights, inner: (_ gate: Int, _ unit: Int) -> [Float]
    ) -> (KernelOrder, [Float]) {
        let (bias, units) = (weights.biasIH, weights.biasIH.count / gates)
        let rows = bias.indices.map { row in
            func part(_ matrix: [Float]) -> ArraySlice<Float> {
                let columns = matrix.count / bias.count
                return matrix[row * columns..<(row + 1) * columns]
            }
            return [bias[row]] + part(weights.weightIH) + inner(row / units, row % units)
                + part(weights.weightHH)
        }
        let order = KernelOrder(units: units, groups: gates, columns: rows[0].count)
        return (order, order.matrix { Double(rows[$0 * units + $1][$2]) })
    }

    /// - Parameter found: what comes back.
    static func check<Shape: KernelOrdered>(
        _ shape: Shape, _ weights: Shape.Weights, _ expected: [Float],
        back found: Shape.Weights
    ) where Shape.Weights: Equatable {
        var w = [Float](repeating: .nan, count: shape.weightCount)
        var span = w.mutableSpan
        shape.pack(weights, to: &span)
        #expect(w == expected)
        #expect(shape.unpack(w.span) == found)
    }

    @Test(arguments: TestSizes.few, [false, true]) func lstm(_ hidden: Int, _ hasAll: Bool) {
        let shape = LSTMShape(
            inputSize: 5, hiddenSize: hidden,
            variant: LSTMVariant(hasPeepholes: hasAll, projectionSize: hasAll ? 17 : nil))
        var weights = Self.weights(4, hidden, input: 5, output: shape.outputSize)
        let given = weights
        weights.biasIH = zip(given.biasIH, given.biasHH).map(+)
        weights.biasHH = given.biasHH.map { _ in 0 }
        guard hasAll else {
            let (order, matrix) = Self.matrix(4, weights) { _, _ in [] }
            Self.check(shape, given, matrix, back: weights)
            var words = [Float](repeating: .nan, count: shape.weightCount(.bfloat16))
            var span = words.mutableSpan
            shape.pack(given, .bfloat16, to: &span)
            #expect(words.map(\.bitPattern) == order.bfloat16(matrix).map(\.bitPattern))
            return
        }
        let peepholes = Self.values(3 * hidden, from: 70_000)
        weights.peepholes = peepholes
        weights.weightHR = Self.values(17 * hidden, from: 80_000)
        let (_, matrix) = Self.matrix(4, weights) { gate, unit in
            [gate == 2 ? 0 : peepholes[min(gate, 2) * hidden + unit]]
        }
        let weightHR = weights.weightHR
        let projection = KernelOrder(units: 17, groups: 1, columns: hidden).matrix {
            Double(weightHR[$1 * hidden + $2])
        }
        Self.check(shape, weights, matrix + projection, back: weights)
    }

    @Test(arguments: TestSizes.few) func rnn(_ hidden: Int) {
        let shape = RNNShape(inputSize: 5, hiddenSize: hidden)
        let given = Self.weights(1, hidden, input: 5, output: hidden)
        var weights = given
        weights.biasIH = zip(given.biasIH, given.biasHH).map(+)
        weights.biasHH = given.biasHH.map { _ in 0 }
        Self.check(shape, given, Self.matrix(1, weights) { _, _ in [] }.1, back: weights)
    }

    @Test(arguments: TestSizes.few, [GRUVariant.resetAfter, .resetBefore])
    func gru(_ hidden: Int, _ variant: GRUVariant) {
        let shape = GRUShape(inputSize: 5, hiddenSize: hidden, variant: variant)
        let given = Self.weights(3, hidden, input: 5, output: hidden)
        let own = variant.resetsBefore ? 0 : hidden
        var weights = given
        for row in 0..<3 * hidden - own {
            weights.biasIH[row] += weights.biasHH[row]
            weights.biasHH[row] = 0
        }
        let (_, matrix) = Self.matrix(3, weights) { gate, unit in
            own == 0 ? [] : [gate == 2 ? given.biasHH[2 * hidden + unit] : 0]
        }
        Self.check(shape, given, matrix, back: weights)
    }

    @Test(arguments: TestSizes.few) func dense(_ outputs: Int) {
        let shape = DenseShape(rows: 1, inputSize: 17, outputSize: outputs)
        let weights = Self.affine(17 * outputs, outputs)
        let order = KernelOrder(units: outputs, groups: 1, columns: 18)
        let matrix = order.matrix {
            Double($2 == 0 ? weights.bias[$1] : weights.weight[$1 * 17 + $2 - 1])
        }
        Self.check(shape, weights, matrix, back: weights)
        var words = [Float](repeating: .nan, count: shape.weightCount(.bfloat16))
        var span = words.mutableSpan
        shape.pack(weights, .bfloat16, to: &span)
        #expect(words.map(\.bitPattern) == order.bfloat16(matrix).map(\.bitPattern))
    }

    /// A matrix of several gates, with no bias, which C alone has.
    @Test(arguments: TestSizes.few, [1, 3, 4]) func product(_ outputs: Int, _ groups: Int) {
        let shape = recurrent_product_shape(
            rows: 1, inputs: 17, outputs: outputs, groups: groups, x_stride: 17)
        let weight = Self.values(groups * outputs * 17, from: 1)
        var w = [Float](repeating: .nan, count: recurrent_product_weights_floats(shape))
        recurrent_product_pack(shape, weight, nil, &w)
        #expect(
            w
                == KernelOrder(units: outputs, groups: groups, columns: 18).matrix {
                    $2 == 0 ? 0 : Double(weight[($0 * outputs + $1) * 17 + $2 - 1])
                })
        var back = weight.map { _ in Float.nan }
        recurrent_product_unpack(shape, w, &back, nil)
        #expect(back == weight)
    }

    @Test(arguments: TestSizes.few, [1, 3, 17]) func convolution(_ outputs: Int, _ inputs: Int) {
        let taps = 6
        let shape = ConvolutionShape(
            rows: WindowAxis(size: 2, kernelSize: 2), columns: WindowAxis(size: 3, kernelSize: 3),
            inputChannels: inputs, outputChannels: outputs)
        let weights = Self.affine(outputs * inputs * taps, outputs)
        let order = KernelOrder(units: outputs, groups: 1, columns: 1 + taps * inputs)
        let matrix = order.matrix { _, unit, column in
            if column == 0 { return Double(weights.bias[unit]) }
            let (tap, channel) = (column - 1).quotientAndRemainder(dividingBy: inputs)
            return Double(weights.weight[(unit * inputs + channel) * taps + tap])
        }
        Self.check(shape, weights, matrix, back: weights)
    }

    @Test(arguments: TestSizes.few) func rows(_ units: Int) {
        let shape = RowsShape(rows: 3, units: units)
        let x = Self.values(3 * units, from: 1)
        let y = shape.pack(x)
        #expect(
            y
                == KernelOrder(units: units, groups: 1, columns: 1).rows(3) {
                    Double(x[$0 * units + $2])
                })
        #expect(shape.unpack(y.span) == x)
    }

    /// One matrix is not taken for another of the same count.
    @Test func noWeightsStandForOthers() async {
        let inputs = await #expect(
            processExitsWith: .failure, observing: [\.standardErrorContent]
        ) {
            let numbers = [Float](repeating: 0, count: 10000)
            var cell = MinGRUCell(inputSize: 1000, hiddenSize: 5)
            cell.load(
                weightIH: [], weightHH: numbers, biasIH: Array(numbers.prefix(10)), biasHH: [])
        }
        #expect(says(inputs, "weights: weight_ih: expected 10000 floats, found 0"))
        let biases = await #expect(
            processExitsWith: .failure, observing: [\.standardErrorContent]
        ) {
            let numbers = [Float](repeating: 0, count: 100)
            var lstm = LSTM<3, 5>()
            lstm.load(
                weightIH: Array(numbers.prefix(60)), weightHH: numbers,
                biasIH: Array(numbers.prefix(20)), biasHH: [])
        }
        #expect(says(biases, "weights: bias_hh: expected 20 floats, found 0"))
        let peepholes = await #expect(
            processExitsWith: .failure, observing: [\.standardErrorContent]
        ) {
            let numbers = [Float](repeating: 0, count: 100)
            var cell = LSTMCell(inputSize: 3, hiddenSize: 5)
            cell.load(
                weightIH: Array(numbers.prefix(60)), weightHH: numbers,
                biasIH: Array(numbers.prefix(20)), biasHH: [],
                peepholes: Array(numbers.prefix(20)))
        }
        #expect(says(peepholes, "weights: bias_hh: expected 20 floats, found 0"))
    }

    @Test func aBiasThatIsAloneIsFinite() async {
        await #expect(processExitsWith: .failure) {
            var cell = MinGRUCell(inputSize: 1, hiddenSize: 1)
            cell.load(weight: [1, 2], bias: [.nan, 0])
        }
    }

    @Test func wrongCountsTrap() async {
        let cell = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = LSTMShape(inputSize: 1, hiddenSize: 1).pack(
                CellWeights(weightIH: [1, 2, 3], weightHH: [1, 2, 3, 4], biasIH: [1, 2, 3, 4]))
        }
        #expect(says(cell, "weights: weight_ih: expected 4 floats, found 3"))
        let none = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = LSTMShape(
                inputSize: 1, hiddenSize: 1, variant: LSTMVariant(hasPeepholes: true)
            ).pack(
                CellWeights(weightIH: [1, 2, 3, 4], weightHH: [1, 2, 3, 4], biasIH: [1, 2, 3, 4]))
        }
        #expect(says(none, "weights: peephole: expected 3 floats, found 0"))
        let dense = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = DenseShape(rows: 1, inputSize: 2, outputSize: 1).pack(
                AffineWeights(weight: [1], bias: [1]))
        }
        #expect(says(dense, "weights: expected 2 floats and a bias of 1, found 1 and 1"))
        let back = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = RNNShape(inputSize: 1, hiddenSize: 1).unpack([1, 2, 3].span)
        }
        #expect(says(back, "kernel order: expected 48 floats, found 3"))
        let rows = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = RowsShape(rows: 2, units: 2).pack([1, 2, 3])
        }
        #expect(says(rows, "rows: expected 2 of 2 units, found 3 floats"))
    }
}
