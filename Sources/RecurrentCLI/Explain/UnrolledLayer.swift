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
struct UnrolledLayer {
    let cell: Cell
    let steps: Int, units: Int
    private let kernels: Kernels
    private let rnn: RNNShape, gru: GRUShape, lstm: LSTMShape
    private let transposed: [Float]
    /// The tape; slot t of `h` and `c` is the state before step t, counted from 0.
    private var gates: [Float] = [], past: [Float] = [], c: [Float] = [], h: [Float]
    /// ∂h_T/∂h_t and ∂h_T/∂c_t, [n][padded units].
    private var dh: [Float], dc: [Float]
    private var scratch: [Float], pastScratch: [Float]

    private var stateCount: Int { lstm.stateCount }
    private var padded: Int { lstm.paddedHiddenSize }

    /// - Parameter x: [T][I].
    init(_ cell: Cell, _ weights: LayerWeights, x: [Float], kernels: Kernels) {
        let (inputs, units) = (weights.inputSize, weights.hiddenSize)
        let steps = x.count / inputs
        self.cell = cell
        self.steps = steps
        self.units = units
        self.kernels = kernels
        // Of one step: the whole sequence is forward's alone.
        rnn = RNNShape(inputSize: inputs, hiddenSize: units, batch: units)
        gru = GRUShape(inputSize: inputs, hiddenSize: units, batch: units)
        lstm = LSTMShape(inputSize: inputs, hiddenSize: units, batch: units)
        func zeros(_ count: Int) -> [Float] { [Float](repeating: 0, count: count) }
        (dh, dc, h) = (
            zeros(lstm.stateCount), zeros(lstm.stateCount), zeros((steps + 1) * lstm.stateCount)
        )
        let copies = (0..<steps).flatMap { step in
            (0..<units).flatMap { _ in x[step * inputs..<(step + 1) * inputs] }
        }
        switch cell {
        case .rnn:
            let all = RNNShape(inputSize: inputs, hiddenSize: units, batch: units, steps: steps)
            let packed = rnn.pack(weights.all)
            var transposed = zeros(rnn.transposedCount)
            (scratch, pastScratch) = (zeros(rnn.preActivationGradientCount), [])
            kernels.rnnTranspose(rnn, weights: packed, transposed: &transposed)
            self.transposed = transposed
            kernels.rnnForward(all, lengths: nil, x: copies, weights: packed, h: &h)
        case .gru:
            let all = GRUShape(inputSize: inputs, hiddenSize: units, batch: units, steps: steps)
            let packed = gru.pack(weights.all)
            var transposed = zeros(gru.transposedCount)
            (scratch, pastScratch) = (zeros(gru.gatesCount), zeros(gru.pastCount))
            (gates, past) = (zeros(all.gatesCount), zeros(all.pastCount))
            kernels.gruTranspose(gru, weights: packed, transposed: &transposed)
            self.transposed = transposed
            kernels.gruForward(
                all, lengths: nil, x: copies, weights: packed, gates: &gates, past: &past, h: &h)
        case .lstm:
            let all = LSTMShape(inputSize: inputs, hiddenSize: units, batch: units, steps: steps)
            let packed = lstm.pack(weights.all)
            var transposed = zeros(lstm.transposedCount)
            (scratch, pastScratch) = (zeros(lstm.gatesCount), [])
            (gates, c) = (zeros(all.gatesCount), zeros(all.statesCount))
            kernels.lstmTranspose(lstm, weights: packed, transposed: &transposed)
            self.transposed = transposed
            kernels.lstmForward(
                all, lengths: nil, x: copies, weights: packed, gates: &gates, c: &c, h: &h)
        }
        for unit in 0..<units { dh[unit * padded + unit] = 1 }
    }

    /// ∂h_T/∂h_t where the way back has come to, an element of h_T in each row.
    var jacobian: SquareMatrix { SquareMatrix(size: units) { Double(dh[$0 * padded + $1]) } }

    /// Goes back over step `step`, from the state behind it to the state in front of it.
    mutating func goBack(step: Int) {
        let state = step * stateCount
        h.withUnsafeBufferPointer { h in
            gates.withUnsafeBufferPointer { gates in
                let (h, gates) = (
                    h.baseAddress! + state, gates.baseAddress.map { $0 + step * scratch.count }
                )
                switch cell {
                case .rnn:
                    kernels.rnnBackwardData(
                        rnn, lengths: nil, transposed: transposed, h: h, outputGradient: nil,
                        preActivationGradient: &scratch,
                        dh: &dh, inputGradient: nil)
                case .gru:
                    past.withUnsafeBufferPointer { past in
                        kernels.gruBackwardData(
                            gru, lengths: nil, transposed: transposed, gates: gates!,
                            past: past.baseAddress! + step * pastScratch.count,
                            h: h, outputGradient: nil, gateGradient: &scratch,
                            pastGradient: &pastScratch, dh: &dh, inputGradient: nil)
                    }
                case .lstm:
                    c.withUnsafeBufferPointer { c in
                        kernels.lstmBackwardData(
                            lstm, lengths: nil, transposed: transposed, gates: gates!,
                            c: c.baseAddress! + state, outputGradient: nil,
                            gatesGradient: &scratch, dh: &dh, dc: &dc, inputGradient: nil)
                    }
                }
            }
        }
    }

    /// h, or c, behind the first `count` steps.
    func hidden(after count: Int) -> [Double] {
        h[count * stateCount..<count * stateCount + units].map(Double.init)
    }
    func memory(after count: Int) -> [Double] {
        c[count * stateCount..<count * stateCount + units].map(Double.init)
    }

    /// The activated gate number `gate` at a step.
    func gate(_ gate: Int, step: Int) -> [Double] {
        let start = step * scratch.count
        return (0..<units).map {
            Double(gates[start + ($0 / panel * cell.gates + gate) * panel + $0 % panel])
        }
    }
}
