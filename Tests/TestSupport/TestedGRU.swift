public import CRecurrent
public import RecurrentReference

public struct TestedGRU: TestedCell {
    public var definition = GRUDefinition.resetAfter
    public init(_ definition: GRUDefinition) { self.definition = definition }
    public init(_ shape: recurrent_cell_shape) {
        definition = GRUDefinition.allCases[Int(shape.gru.rawValue)]
    }

    public static let name = "gru"
    public static let cell = recurrent_cell.gru
    public static var plain: [any TestedCell] { GRUDefinition.allCases.map { TestedGRU($0) } }
    public var description: String { "GRU \(definition)" }
    private var isLecture: Bool { definition == .lecture }
    private var resetsAfter: Bool { definition == .resetAfter }
    public var gates: [Activation] { [.sigmoid, .sigmoid, isLecture ? .sigmoid : .tanh] }
    /// b′ of the candidate.
    public var innerGates: [Int] { resetsAfter ? [2] : [] }
    public func set(_ shape: inout recurrent_cell_shape) {
        switch definition {
        case .resetAfter: shape.gru = .reset_after
        case .resetBefore: shape.gru = .reset_before
        case .lecture: shape.gru = .lecture
        }
    }

    /// σ(0) is a half: of the lecture form's candidate, too, which is to be zero.
    public func decay(_ problem: inout CellProblem<Double>) -> Bool {
        problem.parameters = problem.parameters.map { _ in 0 }
        if isLecture {
            problem.parameters.gates[2].b = problem.parameters.gates[2].b.map { _ in -200 }
        }
        return true
    }

    public func cell<S>(_ parameters: CellParameters<S>) -> GRUCell<S> {
        let inner = parameters.inner[2]
        return GRUCell(
            gates: GRUGates(parameters.gates),
            hiddenBias: inner.isEmpty ? parameters.gates[2].b.map { _ in 0 } : inner,
            definition: definition)
    }

    private func cellTape<S>(_ tape: CellTape<S>) -> GRUTape<S> {
        GRUTape(gates: tape.gates.map { $0.map { GRUGates($0) } }, past: tape.past, h: tape.h)
    }

    public func forward<S>(_ p: CellProblem<S>) -> CellTape<S> {
        let tape = cell(p.parameters).forward(
            x: p.x, h0: p.h0, lengths: p.sizes.lengths, mask: p.mask)
        return CellTape(h: tape.h, gates: tape.gates.map { $0.map(\.all) }, past: tape.past)
    }

    public func backward<S>(_ p: CellProblem<S>, _ tape: CellTape<S>) -> CellBackward<S> {
        let found = cell(p.parameters).backward(
            tape: cellTape(tape), dy: p.dy, dh: p.dh, lengths: p.sizes.lengths, mask: p.mask)
        return CellBackward(
            dgates: found.dgates.map { $0.map(\.all) }, dpast: found.dpast, dx: found.dx,
            dh0: found.dh0)
    }

    public func gradient<S>(_ p: CellProblem<S>, _ tape: CellTape<S>, _ backward: CellBackward<S>)
        -> CellParameters<S>
    {
        var gradient = cell(p.gradient)
        gradient.addGradient(
            x: p.x, tape: cellTape(tape),
            backward: GRUBackward(
                dgates: backward.dgates.map { $0.map { GRUGates($0) } }, dpast: backward.dpast,
                dx: backward.dx, dh0: backward.dh0),
            lengths: p.sizes.lengths, mask: p.mask)
        return parameters(gradient)
    }

    public func parameters<S>(_ cell: GRUCell<S>) -> CellParameters<S> {
        CellParameters(gates: cell.gates.all, inner: [[], [], resetsAfter ? cell.hiddenBias : []])
    }

    /// Without b′ a reset before the product has the parameters of one after it.
    public var others: [any TestedCell] {
        GRUDefinition.allCases.filter { $0 != definition }.map { TestedGRU($0) }
    }

    public func mistakes(_ problem: CellProblem<Double>) -> [CellMistake] {
        let (isLecture, resetsAfter) = (isLecture, resetsAfter)
        /// What h_prev has of h.
        @Sendable func kept(_ z: Double) -> Double { isLecture ? 1 - z : z }
        return [
            .step(
                "update gate the other way round",
                after: { tape, _, row in
                    for k in tape.h[1][row].indices {
                        tape.h[1][row][k] =
                            tape.gates[0][row][2][k] + tape.h[0][row][k] - tape.h[1][row][k]
                    }
                }),
            .step(
                "other squash",
                after: { tape, _, row in
                    for k in tape.h[1][row].indices {
                        let n = tape.gates[0][row][2][k]
                        let other = isLecture ? Double.tanh(.logit(n)) : .sigmoid(.atanh(n))
                        tape.gates[0][row][2][k] = other
                        tape.h[1][row][k] += (1 - kept(tape.gates[0][row][1][k])) * (other - n)
                    }
                }),
            .backStep(
                "reset not in gradient of past",
                after: { back, _, tape, row in
                    for (k, r) in tape.gates[0][row][0].enumerated() {
                        if resetsAfter {
                            back.dpast[0][row][k] /= r
                        } else {
                            back.dh0[row][k] += back.dpast[0][row][k] * (1 - r)
                        }
                    }
                }),
            .backStep(
                "dh not kept",
                after: { back, step, tape, row in
                    for (k, z) in tape.gates[0][row][1].enumerated() {
                        back.dh0[row][k] -= step.total(row)[k] * kept(z)
                    }
                }),
            .gradient("state for past") { _, tape, backward in
                tape.past = Array(tape.h.dropLast())
                if resetsAfter { backward.dpast = backward.dgates.map { $0.map { $0[2] } } }
            },
        ]
    }
}

extension GRUGates {
    init(_ all: [Value]) { self.init(r: all[0], z: all[1], n: all[2]) }
}
extension Double {
    /// The x whose σ(x) is y.
    static func logit(_ y: Double) -> Double { -log(onePlus: 1 / y - 2) }
    /// The x whose tanh(x) is y.
    static func atanh(_ y: Double) -> Double { logit((1 + y) / 2) / 2 }
}
