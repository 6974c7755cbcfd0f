public import RecurrentReference

/// A small model to minimize in full batch: an LSTM of one layer with a dense layer on top, and the
/// mean squared error over all steps of all sequences. Its parameters are one flat array: W, U and
/// b of the gates i f g o, then W and b of the dense layer.
public struct SequenceRegression: Sendable {
    public let inputSize: Int, hiddenSize: Int, outputSize: Int
    public let x: [[[Double]]], targets: [[[Double]]]  // [steps][batch][units]
    /// Parameters whose loss is zero.
    public let teacher: [Double]

    /// Random inputs, and as targets what other random parameters make of them.
    public init(hiddenSize: Int, seed: UInt64) {
        (inputSize, outputSize) = (2, 2)
        self.hiddenSize = hiddenSize
        var generator = Generator(seed: seed)
        x = (0..<10).map { _ in (0..<6).map { _ in generator.floats(2).map(Double.init) } }
        teacher = generator.floats(
            4 * hiddenSize * (inputSize + hiddenSize + 1) + outputSize * (hiddenSize + 1),
            scale: 1.5
        ).map(Double.init)
        let (cell, dense) = Self.layers(teacher, inputSize, hiddenSize, outputSize)
        let rest = x[0].map { _ in [Double](repeating: 0, count: hiddenSize) }
        targets = cell.forward(x: x, h0: rest, c0: rest).h.dropFirst().map { dense.forward(x: $0) }
    }

    public var count: Int { teacher.count }

    /// Uniform in ±1/√H.
    public func initialParameters(seed: UInt64) -> [Float] {
        var generator = Generator(seed: seed)
        return generator.floats(count, scale: 1 / Float(hiddenSize).squareRoot())
    }

    /// - Parameter constant: makes a number of data.
    public func lossAndGradient<S: Scalar>(_ parameters: [S], constant: (Double) -> S) -> (
        loss: S, gradient: [S]
    ) {
        let (cell, dense) = Self.layers(parameters, inputSize, hiddenSize, outputSize)
        let zeros = Self.layers([S](repeating: 0, count: count), inputSize, hiddenSize, outputSize)
        let batch = x[0].count
        let rest = (0..<batch).map { _ in [S](repeating: 0, count: hiddenSize) }
        let x = x.map { $0.map { $0.map(constant) } }
        let scale = constant(1 / Double(x.count * batch * outputSize))
        let tape = cell.forward(x: x, h0: rest, c0: rest)
        var loss: S = 0
        var denseGradient = zeros.dense
        var dy: [[[S]]] = []
        for t in x.indices {
            let h = tape.h[t + 1]
            let errors = zip(dense.forward(x: h), targets[t]).map { y, target in
                zip(y, target).map { $0 - constant($1) }
            }
            loss = S.sum(loss, errors.map { ($0, $0) })
            let dz = errors.map { $0.map { 2 * scale * $0 } }
            denseGradient.addGradient(x: h, dy: dz)
            dy.append(dense.backwardInput(dy: dz))
        }
        let backward = cell.backward(tape: tape, dy: dy, dh: rest, dc: rest)
        var cellGradient = zeros.cell
        cellGradient.addGradient(x: x, tape: tape, backward: backward)
        let gates = cellGradient.gates.all.flatMap {
            $0.W.flatMap { $0 } + $0.U.flatMap { $0 } + $0.b
        }
        return (loss * scale, gates + denseGradient.W.flatMap { $0 } + denseGradient.b)
    }

    public func lossAndGradient(_ parameters: [Double]) -> (loss: Double, gradient: [Double]) {
        lossAndGradient(parameters) { $0 }
    }

    private static func layers<S: Scalar>(
        _ parameters: [S], _ inputSize: Int, _ hiddenSize: Int, _ outputSize: Int
    ) -> (cell: LSTMCell<S>, dense: Dense<S>) {
        var at = 0
        func vector(_ count: Int) -> [S] {
            defer { at += count }
            return Array(parameters[at..<(at + count)])
        }
        func matrix(_ rows: Int, _ columns: Int) -> [[S]] {
            (0..<rows).map { _ in vector(columns) }
        }
        func gate() -> GateParameters<S> {
            GateParameters(
                W: matrix(hiddenSize, inputSize), U: matrix(hiddenSize, hiddenSize),
                b: vector(hiddenSize))
        }
        let cell = LSTMCell(gates: LSTMGates(i: gate(), f: gate(), g: gate(), o: gate()))
        return (cell, Dense(W: matrix(outputSize, hiddenSize), b: vector(outputSize)))
    }
}
