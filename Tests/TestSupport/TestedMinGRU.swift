public import CRecurrent
public import RecurrentReference

public struct TestedMinGRU: TestedCell {
    public init() {}
    public init(_: recurrent_cell_shape) {}

    public static let name = "min_gru"
    public static let cell = recurrent_cell.min_gru
    public static var plain: [any TestedCell] { [TestedMinGRU()] }
    public var description: String { "minGRU" }
    /// The candidate has none.
    public var gates: [Activation] { [.sigmoid, .leakyReLU(slope: 1)] }
    public var readsHidden: Bool { false }
    public var others: [any TestedCell] { [] }
    public func set(_ shape: inout recurrent_cell_shape) {}

    /// σ(0) is a half.
    public func decay(_ problem: inout CellProblem<Double>) -> Bool {
        problem.parameters = problem.parameters.map { _ in 0 }
        return true
    }

    private func cell<S>(_ parameters: CellParameters<S>) -> MinGRUCell<S> {
        MinGRUCell(z: parameters.gates[0], n: parameters.gates[1])
    }

    private func cellTape<S>(_ tape: CellTape<S>) -> MinGRUTape<S> {
        func gate(_ index: Int) -> [[[S]]] { tape.gates.map { $0.map { $0[index] } } }
        return MinGRUTape(z: gate(0), n: gate(1), h: tape.h)
    }

    private func gates<S>(_ z: [[[S]]], _ n: [[[S]]]) -> [[[[S]]]] {
        zip(z, n).map { zip($0, $1).map { [$0, $1] } }
    }

    public func forward<S>(_ p: CellProblem<S>) -> CellTape<S> {
        let tape = cell(p.parameters).forward(x: p.x, h0: p.h0, lengths: p.sizes.lengths)
        return CellTape(h: tape.h, gates: gates(tape.z, tape.n))
    }

    public func backward<S>(_ p: CellProblem<S>, _ tape: CellTape<S>) -> CellBackward<S> {
        let found = cell(p.parameters).backward(
            tape: cellTape(tape), dy: p.dy, dh: p.dh, lengths: p.sizes.lengths)
        return CellBackward(dgates: gates(found.dz, found.dn), dx: found.dx, dh0: found.dh0)
    }

    public func gradient<S>(_ p: CellProblem<S>, _ tape: CellTape<S>, _ backward: CellBackward<S>)
        -> CellParameters<S>
    {
        func gate(_ index: Int) -> [[[S]]] { backward.dgates.map { $0.map { $0[index] } } }
        var gradient = cell(p.gradient)
        gradient.addGradient(x: p.x, dz: gate(0), dn: gate(1), lengths: p.sizes.lengths)
        return CellParameters(gates: [gradient.z, gradient.n], inner: [[], []])
    }

    public func mistakes(_ problem: CellProblem<Double>) -> [CellMistake] {
        [
            .step(
                "gate the other way round",
                after: { tape, _, row in
                    for k in tape.h[1][row].indices {
                        tape.h[1][row][k] =
                            tape.gates[0][row][1][k] + tape.h[0][row][k] - tape.h[1][row][k]
                    }
                }),
            .step(
                "tanh of the candidate",
                after: { tape, _, row in
                    for (k, n) in tape.gates[0][row][1].enumerated() {
                        tape.h[1][row][k] += tape.gates[0][row][0][k] * (Double.tanh(n) - n)
                        tape.gates[0][row][1][k] = Double.tanh(n)
                    }
                }),
            .backStep(
                "dh not kept",
                after: { back, step, tape, row in
                    for (k, z) in tape.gates[0][row][0].enumerated() {
                        back.dh0[row][k] -= step.total(row)[k] * (1 - z)
                    }
                }),
        ]
    }
}
