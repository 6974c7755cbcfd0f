import Recurrent
import RecurrentFormats
import TestSupport
import Testing

/// Layers whose sizes are part of their type beside those that have them at run time.
@Suite struct FixedCellTests {
    private static let (inputs, units) = (3, 19)

    private func weights(_ shape: some CellShape) -> CellWeights {
        var generator = Generator(seed: 3)
        let rows = shape.gateCount * Self.units
        return CellWeights(
            weightIH: generator.floats(rows * Self.inputs),
            weightHH: generator.floats(rows * Self.units), biasIH: generator.floats(rows),
            biasHH: generator.floats(rows))
    }

    /// A NaN stays until the state is reset; then the first step is the first step again.
    private func check<Shape>(
        _ fixed: consuming FixedCell<Shape, 3, 19>, _ cell: consuming StreamingCell<Shape>
    ) throws {
        let weights = weights(cell.shape)
        fixed.load(
            weightIH: weights.weightIH, weightHH: weights.weightHH, biasIH: weights.biasIH,
            biasHH: weights.biasHH)
        cell.load(
            weightIH: weights.weightIH, weightHH: weights.weightHH, biasIH: weights.biasIH,
            biasHH: weights.biasHH)
        let inputs: [InlineArray<3, Float>] = [[0.5, -1, 2], [0, 0.25, -3]]
        var first: [Float] = []
        for (step, x) in inputs.enumerated() {
            let found = fixed.step(x)
            var h = [Float](repeating: .nan, count: Self.units)
            var span = h.mutableSpan
            cell.step(x.span, into: &span)
            try Comparer.checkSameBits("h of step \(step)", h.indices.map { found[$0] }, h)
            if step == 0 { first = h }
        }
        _ = fixed.step([.nan, 0, 0])
        #expect(fixed.isFinite == false)
        fixed.reset()
        #expect(fixed.isFinite == true)
        let again = fixed.step(inputs[0])
        try Comparer.checkSameBits("h after a reset", first.indices.map { again[$0] }, first)
    }

    @Test func lstm() throws {
        try check(LSTM<3, 19>(), LSTMCell(inputSize: 3, hiddenSize: 19))
        try check(
            LSTM<3, 19>(weightFormat: .bfloat16),
            LSTMCell(inputSize: 3, hiddenSize: 19, weightFormat: .bfloat16))
    }

    @Test(arguments: GRUCellTests.variants) func gru(variant: GRUVariant) throws {
        try check(
            GRU<3, 19>(variant: variant),
            GRUCell(inputSize: 3, hiddenSize: 19, variant: variant))
    }

    @Test(arguments: Activation.ofCells) func rnn(activation: Activation) throws {
        try check(
            RNN<3, 19>(activation: activation),
            RNNCell(inputSize: 3, hiddenSize: 19, activation: activation))
    }
}
