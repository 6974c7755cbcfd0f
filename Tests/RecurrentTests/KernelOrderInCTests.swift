import CRecurrent
import RecurrentFormats
import Testing

import enum TestSupport.TestSizes

/// What C and `RecurrentFormats` each know of kernel order is one and the same.
@Suite struct KernelOrderInCTests {
    /// Distinct values of many bits, so that rounding to bfloat16 changes them.
    static func values(_ count: Int, from first: Int) -> [Float] {
        (0..<count).map { Float(first + $0) / 16384 - 1 }
    }

    /// `count` floats that `body` writes, none of which may stay as it is.
    static func written(_ count: Int, _ body: (UnsafeMutablePointer<Float>) -> Void) -> [Float] {
        var floats = [Float](repeating: .nan, count: count)
        body(&floats)
        #expect(!floats.contains { $0.isNaN })
        return floats
    }

    @Test(arguments: TestSizes.few, [false, true]) func lstm(_ hidden: Int, _ hasAll: Bool) {
        let (input, projected) = (5, hasAll ? 17 : 0)
        var shape = recurrent_cell_shape()
        (shape.input, shape.hidden, shape.lstm.projection) = (input, hidden, projected)
        shape.lstm.peepholes = hasAll ? 1 : 0
        let outputs = recurrent_cell_outputs(shape)
        let weightIH = Self.values(4 * hidden * input, from: 1)
        let weightHH = Self.values(4 * hidden * outputs, from: 20_000)
        let (biasIH, biasHH) = (
            Self.values(4 * hidden, from: 50_000), Self.values(4 * hidden, from: 60_000)
        )
        let peepholes = Self.values(hasAll ? 3 * hidden : 0, from: 70_000)
        let weightHR = Self.values(projected * hidden, from: 80_000)
        let w = Self.written(recurrent_cell_weights_floats(shape)) {
            recurrent_cell_pack(
                shape, weightIH, weightHH, biasIH, biasHH, peepholes, weightHR, $0)
        }
        let expected = KernelOrder.lstm(
            weightIH: weightIH, weightHH: weightHH, bias: zip(biasIH, biasHH).map(+),
            peepholes: peepholes, weightHR: weightHR)
        #expect(w == expected)
        if hasAll { return }
        let words = Self.written(recurrent_cell_bfloat16_floats(shape)) {
            recurrent_cell_bfloat16_pack(shape, w, $0)
        }
        #expect(
            words.map(\.bitPattern)
                == KernelOrder.bfloat16(expected, columns: 1 + input + hidden, gates: 4))
    }

    @Test(arguments: TestSizes.few) func rnn(_ hidden: Int) {
        var shape = recurrent_cell_shape()
        (shape.cell, shape.input, shape.hidden) = (.rnn, 5, hidden)
        let weightIH = Self.values(hidden * 5, from: 1)
        let weightHH = Self.values(hidden * hidden, from: 5000)
        let (biasIH, biasHH) = (
            Self.values(hidden, from: 20_000), Self.values(hidden, from: 30_000)
        )
        let w = Self.written(recurrent_cell_weights_floats(shape)) {
            recurrent_cell_pack(shape, weightIH, weightHH, biasIH, biasHH, nil, nil, $0)
        }
        let bias = zip(biasIH, biasHH).map(+)
        #expect(w == KernelOrder.rnn(weightIH: weightIH, weightHH: weightHH, bias: bias))
    }

    @Test(arguments: TestSizes.few, [recurrent_gru_definition.reset_after, .lecture])
    func gru(_ hidden: Int, _ definition: recurrent_gru_definition) {
        var shape = recurrent_cell_shape()
        (shape.cell, shape.input, shape.hidden, shape.gru) = (.gru, 5, hidden, definition)
        let weightIH = Self.values(3 * hidden * 5, from: 1)
        let weightHH = Self.values(3 * hidden * hidden, from: 10_000)
        let (biasIH, biasHH) = (
            Self.values(3 * hidden, from: 50_000), Self.values(3 * hidden, from: 60_000)
        )
        let w = Self.written(recurrent_cell_weights_floats(shape)) {
            recurrent_cell_pack(shape, weightIH, weightHH, biasIH, biasHH, nil, nil, $0)
        }
        let own = definition == .reset_after ? hidden : 0
        let bias = zip(biasIH, biasHH).map(+).dropLast(own) + biasIH.suffix(own)
        #expect(
            w
                == KernelOrder.gru(
                    weightIH: weightIH, weightHH: weightHH, bias: Array(bias),
                    hiddenBias: biasHH.suffix(own)))
    }

    @Test(arguments: TestSizes.few) func dense(_ outputs: Int) {
        var shape = recurrent_product_shape()
        (shape.inputs, shape.outputs, shape.groups) = (17, outputs, 1)
        let weight = Self.values(outputs * 17, from: 1)
        let bias = Self.values(outputs, from: 5000)
        let w = Self.written(recurrent_product_weights_floats(shape)) {
            recurrent_product_pack(shape, weight, bias, $0)
        }
        #expect(w == KernelOrder.dense(weight: weight, bias: bias))
        let words = Self.written(recurrent_product_bfloat16_floats(shape)) {
            recurrent_product_bfloat16_pack(shape, w, $0)
        }
        #expect(words.map(\.bitPattern) == KernelOrder.bfloat16(w, columns: 18, gates: 1))
    }

    @Test(arguments: TestSizes.few) func convolutionAndRows(_ outputs: Int) {
        var shape = recurrent_convolution_shape()
        (shape.rows.taps, shape.columns.taps, shape.inputs, shape.outputs) = (2, 3, 5, outputs)
        let weight = Self.values(outputs * 5 * 6, from: 1)
        let bias = Self.values(outputs, from: 20_000)
        let w = Self.written(recurrent_convolution_weights_floats(shape)) {
            recurrent_convolution_pack(shape, weight, bias, $0)
        }
        #expect(w == KernelOrder.convolution(weight: weight, bias: bias, inputChannels: 5))
        let rows = recurrent_rows_shape(rows: 30, units: outputs)
        let y = Self.written(recurrent_rows_floats(rows)) { recurrent_rows_pack(rows, weight, $0) }
        #expect(y == KernelOrder.embedding(weight: weight, width: outputs))
    }
}
