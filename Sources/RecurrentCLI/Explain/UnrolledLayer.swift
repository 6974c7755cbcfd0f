import Recurrent
import RecurrentFormats

/// A recurrent cell.
enum Cell: String, CaseIterable {
    case rnn, gru, lstm

    /// Gates of each unit; in the GRU and the LSTM the second, z or f, says how much of the old
    /// state stays.
    var gates: Int {
        switch self {
        case .rnn: 1
        case .gru: 3
        case .lstm: 4
        }
    }

    var name: String { rawValue.uppercased() }

    func shape(inputSize: Int, hiddenSize: Int, batch: Int, steps: Int) -> AnyCellShape {
        switch self {
        case .rnn:
            RNNShape(inputSize: inputSize, hiddenSize: hiddenSize, batch: batch, steps: steps).any
        case .gru:
            GRUShape(inputSize: inputSize, hiddenSize: hiddenSize, batch: batch, steps: steps).any
        case .lstm:
            LSTMShape(inputSize: inputSize, hiddenSize: hiddenSize, batch: batch, steps: steps).any
        }
    }
}

/// The weights of a layer; its second bias is zero.
struct LayerWeights {
    let inputSize: Int, hiddenSize: Int
    let all: CellWeights

    /// Scaled normal numbers for the inputs, orthogonal matrices times `gain` for the hidden units,
    /// so that `gain` is each of their singular values; biases of zero, but `openness` for the gate
    /// through which the old state stays.
    init(
        _ cell: Cell, inputSize: Int, hiddenSize: Int, gain: Double, openness: Double, seed: UInt64
    ) {
        var generator = SplitMix64(seed: seed)
        func draw(_ weights: InitialWeights, inputs: Int) -> [Float] {
            weights.draw(
                gates: cell.gates, units: hiddenSize, inputs: inputs, hidden: hiddenSize,
                using: &generator)
        }
        self.inputSize = inputSize
        self.hiddenSize = hiddenSize
        all = CellWeights(
            weightIH: draw(.lecunNormal, inputs: inputSize),
            weightHH: draw(.orthogonal(gain: gain), inputs: hiddenSize),
            biasIH: (0..<cell.gates * hiddenSize).map {
                cell != .rnn && $0 / hiddenSize == 1 ? Float(openness) : 0
            })
    }

    /// U of one gate.
    func recurrentMatrix(gate: Int) -> SquareMatrix {
        SquareMatrix(size: hiddenSize) {
            Double(all.weightHH[(gate * hiddenSize + $0) * hiddenSize + $1])
        }
    }
}

/// A layer that has run over one sequence, from a state of zero on, and goes back over it, one
/// step at a time, from the unit vectors: as many copies of the sequence as there are units lie
/// side by side in a batch, and row n carries the derivatives of h_T[n]. The kernels do the work.
final class UnrolledLayer {
    let cell: Cell
    let steps: Int, units: Int
    private let kernels: Kernels
    /// Of one step: the whole sequence is forward's alone.
    private let shape: AnyCellShape
    private let memory = Blocks()
    private let transposed: UnsafeMutablePointer<Float>
    /// Slot t of h and c is the state before step t, counted from 0.
    private let tape: CellTape
    /// With ∂h_T/∂h_t and ∂h_T/∂c_t, [n][padded units].
    private let gradients: CellGradients

    /// - Parameter x: [T][I].
    init(_ cell: Cell, _ weights: LayerWeights, x: [Float], kernels: Kernels) {
        let (inputs, units) = (weights.inputSize, weights.hiddenSize)
        let steps = x.count / inputs
        let all = cell.shape(inputSize: inputs, hiddenSize: units, batch: units, steps: steps)
        self.cell = cell
        self.steps = steps
        self.units = units
        self.kernels = kernels
        shape = cell.shape(inputSize: inputs, hiddenSize: units, batch: units, steps: 1)
        let copies = (0..<steps).flatMap { step in
            (0..<units).flatMap { _ in x[step * inputs..<(step + 1) * inputs] }
        }
        let packed = shape.pack(weights.all)
        transposed = memory(shape.transposedCount)
        tape = CellTape(
            h: memory(all.outputTapeCount), c: memory(all.stateTapeCount),
            gates: memory(all.gatesCount), past: memory(all.pastCount))
        gradients = CellGradients(
            preActivation: memory(shape.preActivationGradientCount), past: memory(shape.pastCount),
            h: memory(shape.outputCount), c: memory(shape.stateCount))
        kernels.cellTranspose(shape, weights: packed, transposed: transposed)
        kernels.cellForward(all, lengths: nil, x: copies, weights: packed, tape: tape)
        for unit in 0..<units { gradients.h[unit * shape.paddedHiddenSize + unit] = 1 }
    }

    /// ∂h_T/∂h_t where the way back has come to, an element of h_T in each row.
    var jacobian: SquareMatrix {
        SquareMatrix(size: units) { Double(gradients.h[$0 * shape.paddedHiddenSize + $1]) }
    }

    /// Goes back over step `step`, from the state behind it to the state in front of it.
    func goBack(step: Int) {
        let before = CellTape(
            h: tape.h + step * shape.outputCount, c: tape.c! + step * shape.stateCount,
            gates: tape.gates! + step * shape.gatesCount, past: tape.past! + step * shape.pastCount)
        kernels.cellBackwardData(
            shape, lengths: nil, transposed: transposed, tape: before, gradients: gradients)
    }

    /// h, or c, behind the first `count` steps.
    func hidden(after count: Int) -> [Double] { state(tape.h + count * shape.outputCount) }
    func memory(after count: Int) -> [Double] { state(tape.c! + count * shape.stateCount) }

    private func state(_ floats: UnsafePointer<Float>) -> [Double] {
        (0..<units).map { Double(floats[$0]) }
    }

    /// The activated gate number `gate` at a step.
    func gate(_ gate: Int, step: Int) -> [Double] {
        let gates = tape.gates! + step * shape.gatesCount
        return (0..<units).map {
            Double(gates[($0 / panel * cell.gates + gate) * panel + $0 % panel])
        }
    }
}
