import RecurrentFormats
import Testing

struct KernelOrderTests {
    static let sizes = [1, 15, 16, 17, 31, 33, 64]
    static let lanes = 16

    /// Distinct values, none of them zero.
    static func counted(_ count: Int, from first: Int) -> [Float] {
        (first..<first + count).map { Float($0) }
    }

    @Test(arguments: sizes, [1, 5, 17]) func lstm(_ hidden: Int, _ input: Int) {
        check(gates: 4, hidden, input, KernelOrder.lstm) {
            KernelOrder.lstm($0, inputSize: input, hiddenSize: hidden)
        }
    }

    /// Peepholes are one more input column, zero in g; a projection lies behind the gates as a
    /// matrix without a bias.
    @Test(arguments: sizes, [1, 17]) func lstmVariants(_ hidden: Int, _ projected: Int) {
        let (rows, input) = (4 * hidden, 3)
        let weightIH = Self.counted(rows * input, from: 1)
        let peepholes = Self.counted(3 * hidden, from: 5000)
        let weightHH = Self.counted(rows * projected, from: 10_000)
        let bias = Self.counted(rows, from: 40_000)
        let weightHR = Self.counted(projected * hidden, from: 50_000)
        var wider: [Float] = []
        for row in 0..<rows {
            let (gate, unit) = row.quotientAndRemainder(dividingBy: hidden)
            wider += weightIH[row * input..<(row + 1) * input]
            wider.append(gate == 2 ? 0 : peepholes[(gate == 3 ? 2 : gate) * hidden + unit])
        }
        let gates = KernelOrder.lstm(weightIH: wider, weightHH: weightHH, bias: bias)
        var projection = [Float](repeating: 0, count: KernelOrder.padded(projected) * hidden)
        for unit in 0..<projected {
            for k in 0..<hidden {
                projection[(unit / 16 * hidden + k) * 16 + unit % 16] = weightHR[unit * hidden + k]
            }
        }
        let kernel = KernelOrder.lstm(
            weightIH: weightIH, weightHH: weightHH, bias: bias, peepholes: peepholes,
            weightHR: weightHR)
        #expect(kernel == gates + projection)
        let back = KernelOrder.lstm(
            kernel, inputSize: input, hiddenSize: hidden, hasPeepholes: true,
            projectionSize: projected)
        #expect(
            back == (
                weightIH: weightIH, weightHH: weightHH, bias: bias, peepholes: peepholes,
                weightHR: weightHR
            ))
    }

    @Test(arguments: sizes, [1, 5, 17]) func rnn(_ hidden: Int, _ input: Int) {
        check(gates: 1, hidden, input, KernelOrder.rnn) {
            KernelOrder.rnn($0, inputSize: input, hiddenSize: hidden)
        }
    }

    /// Without a hidden bias, one more input column is where it would be; with it, that column is
    /// b′ in n and zero in r and z.
    @Test(arguments: sizes, [1, 5, 17]) func gru(_ hidden: Int, _ input: Int) {
        check(
            gates: 3, hidden, input,
            { KernelOrder.gru(weightIH: $0, weightHH: $1, bias: $2, hiddenBias: []) }
        ) {
            let parts = KernelOrder.gru(
                $0, inputSize: input, hiddenSize: hidden, hasHiddenBias: false)
            #expect(parts.hiddenBias == [])
            return (weightIH: parts.weightIH, weightHH: parts.weightHH, bias: parts.bias)
        }
        let rows = 3 * hidden
        let weightIH = Self.counted(rows * input, from: 1)
        let hiddenBias = Self.counted(hidden, from: 5000)
        let weightHH = Self.counted(rows * hidden, from: 10_000)
        let bias = Self.counted(rows, from: 40_000)
        var wider: [Float] = []
        for row in 0..<rows {
            wider += weightIH[row * input..<(row + 1) * input]
            wider.append(row < 2 * hidden ? 0 : hiddenBias[row - 2 * hidden])
        }
        let kernel = KernelOrder.gru(
            weightIH: weightIH, weightHH: weightHH, bias: bias, hiddenBias: hiddenBias)
        #expect(
            kernel
                == KernelOrder.gru(weightIH: wider, weightHH: weightHH, bias: bias, hiddenBias: []))
        let back = KernelOrder.gru(
            kernel, inputSize: input, hiddenSize: hidden, hasHiddenBias: true)
        #expect(
            back == (weightIH: weightIH, weightHH: weightHH, bias: bias, hiddenBias: hiddenBias))
    }

    /// A recurrent layer, there and back.
    private func check(
        gates: Int, _ hidden: Int, _ input: Int,
        _ pack: (_ weightIH: [Float], _ weightHH: [Float], _ bias: [Float]) -> [Float],
        _ unpack: ([Float]) -> (weightIH: [Float], weightHH: [Float], bias: [Float])
    ) {
        let rows = gates * hidden
        let weightIH = Self.counted(rows * input, from: 1)
        let weightHH = Self.counted(rows * hidden, from: 1 + rows * input)
        let bias = Self.counted(rows, from: 1 + rows * (input + hidden))
        let kernel = pack(weightIH, weightHH, bias)

        let columns = 1 + input + hidden
        let panels = (hidden + Self.lanes - 1) / Self.lanes
        #expect(kernel.count == panels * columns * gates * Self.lanes)
        var wrong = 0
        for (index, value) in kernel.enumerated() {
            let (lane, gate, column, panel) = (
                index % 16, index / 16 % gates, index / 16 / gates % columns,
                index / 16 / gates / columns
            )
            let unit = panel * 16 + lane
            let row = gate * hidden + unit
            let expected: Float =
                if unit >= hidden {
                    0
                } else if column == 0 {
                    bias[row]
                } else if column <= input {
                    weightIH[row * input + column - 1]
                } else {
                    weightHH[row * hidden + column - 1 - input]
                }
            wrong += value == expected ? 0 : 1
        }
        #expect(wrong == 0)

        let back = unpack(kernel)
        #expect(back == (weightIH: weightIH, weightHH: weightHH, bias: bias))
    }

    @Test(arguments: sizes, [1, 17, 64]) func dense(_ outputs: Int, _ inputs: Int) {
        let weight = Self.counted(outputs * inputs, from: 1)
        let bias = Self.counted(outputs, from: 1 + outputs * inputs)
        let kernel = KernelOrder.dense(weight: weight, bias: bias)
        #expect(kernel.count == KernelOrder.padded(outputs) * (1 + inputs))
        var wrong = 0
        for (index, value) in kernel.enumerated() {
            let (lane, column, panel) = (
                index % 16, index / 16 % (1 + inputs), index / 16 / (1 + inputs)
            )
            let unit = panel * 16 + lane
            let expected =
                unit >= outputs ? 0 : column == 0 ? bias[unit] : weight[unit * inputs + column - 1]
            wrong += value == expected ? 0 : 1
        }
        #expect(wrong == 0)
        #expect(
            KernelOrder.dense(kernel, inputSize: inputs, outputSize: outputs) == (
                weight: weight, bias: bias
            ))
    }

    @Test(arguments: sizes, [1, 3, 17]) func convolution(_ outputs: Int, _ inputs: Int) {
        let taps = 6
        let weight = Self.counted(outputs * inputs * taps, from: 1)
        let bias = Self.counted(outputs, from: 1 + weight.count)
        let kernel = KernelOrder.convolution(weight: weight, bias: bias, inputChannels: inputs)
        #expect(kernel.count == KernelOrder.padded(outputs) * (1 + taps * inputs))
        var wrong = 0
        for (index, value) in kernel.enumerated() {
            let (lane, column, panel) = (
                index % 16, index / 16 % (1 + taps * inputs), index / 16 / (1 + taps * inputs)
            )
            let unit = panel * 16 + lane
            let (tap, channel) = (column - 1).quotientAndRemainder(dividingBy: inputs)
            let expected =
                unit >= outputs
                ? 0 : column == 0 ? bias[unit] : weight[(unit * inputs + channel) * taps + tap]
            wrong += value == expected ? 0 : 1
        }
        #expect(wrong == 0)
        #expect(
            KernelOrder.convolution(
                kernel, inputChannels: inputs, taps: taps, outputChannels: outputs) == (
                    weight: weight, bias: bias
                ))
    }

    @Test(arguments: sizes) func embedding(_ width: Int) {
        let weight = Self.counted(3 * width, from: 1)
        let kernel = KernelOrder.embedding(weight: weight, width: width)
        #expect(kernel.count == 3 * KernelOrder.padded(width))
        for row in 0..<3 {
            let stored = kernel[(row * KernelOrder.padded(width))...].prefix(
                KernelOrder.padded(width))
            #expect(Array(stored.prefix(width)) == Array(weight[(row * width)...].prefix(width)))
            #expect(stored.dropFirst(width).allSatisfy { $0 == 0 })
        }
        #expect(KernelOrder.embedding(kernel, width: width) == weight)
    }

    @Test func wrongCountsTrap() async {
        await #expect(processExitsWith: .failure) {
            _ = KernelOrder.lstm(weightIH: [1, 2, 3], weightHH: [1, 2, 3, 4], bias: [1, 2, 3, 4])
        }
        await #expect(processExitsWith: .failure) {
            _ = KernelOrder.rnn([1, 2, 3], inputSize: 1, hiddenSize: 1)
        }
        await #expect(processExitsWith: .failure) {
            _ = KernelOrder.gru([1, 2, 3], inputSize: 1, hiddenSize: 1, hasHiddenBias: true)
        }
        await #expect(processExitsWith: .failure) {
            _ = KernelOrder.dense([1, 2, 3], inputSize: 1, outputSize: 1)
        }
        await #expect(processExitsWith: .failure) {
            _ = KernelOrder.convolution(weight: [1, 2, 3], bias: [1], inputChannels: 2)
        }
        await #expect(processExitsWith: .failure) {
            _ = KernelOrder.embedding(weight: [1, 2, 3], width: 2)
        }
    }
}
