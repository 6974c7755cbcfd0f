public import CRecurrent
public import RecurrentReference

public struct TestedGRU: TestedCell {
    public var variant = GRUVariant.resetAfter
    public init(_ variant: GRUVariant) { self.variant = variant }
    public init(_ shape: recurrent_cell_shape) {
        variant = GRUVariant(
            resetsBefore: shape.gru.reset_before != 0, zReplaces: shape.gru.z_replaces != 0,
            activation: Activation(shape), gateActivation: .gate(shape))
    }

    public static let name = "gru"
    public static let cell = recurrent_cell.gru
    public static var plain: [any TestedCell] {
        [GRUVariant.resetAfter, .resetBefore, .lecture].map { TestedGRU($0) }
    }
    /// Those without code of their own: each part, alone and with others.
    public static var cases: [CellCase] {
        let others = [
            GRUVariant(zReplaces: true), GRUVariant(resetsBefore: true, zReplaces: true),
            GRUVariant(activation: .sigmoid), GRUVariant(gateActivation: .hardSigmoidSixth),
            GRUVariant(activation: .relu, gateActivation: .hardSigmoidFifth),
            GRUVariant(resetsBefore: true, activation: .hardTanh, gateActivation: .tanh),
            GRUVariant(
                resetsBefore: true, zReplaces: true, activation: .leakyReLU(slope: 0.25),
                gateActivation: .relu),
        ]
        return CellCase.sizes
            + [
                CellCase(3, 5, batch: 4, steps: 3, gap: 1, lengths: [3, 0, 2, 1]),
                CellCase(5, 33, batch: 1, steps: 5, gap: 2, lengths: [4], dropout: true),
                CellCase(5, 18, batch: 9, steps: 2, awkward: true),
            ].flatMap { sizes in others.map { sizes.of(TestedGRU($0)) } }
    }
    public var description: String {
        let parts = [
            (!resetsAfter, "reset before"), (variant.zReplaces, "z replaces"),
            (variant.activation != .tanh, "\(variant.activation)"),
            (variant.gateActivation != .sigmoid, "gates \(variant.gateActivation)"),
        ]
        return (["GRU"] + parts.filter(\.0).map(\.1)).joined(separator: " ")
    }
    private var resetsAfter: Bool { !variant.resetsBefore }
    public var gates: [Activation] {
        [variant.gateActivation, variant.gateActivation, variant.activation]
    }
    /// b′ of the candidate.
    public var innerGates: [Int] { resetsAfter ? [2] : [] }
    public func set(_ shape: inout recurrent_cell_shape) {
        shape.gru = recurrent_gru_variant(
            reset_before: resetsAfter ? 0 : 1, z_replaces: variant.zReplaces ? 1 : 0)
        variant.activation.set(&shape, gates: variant.gateActivation)
    }

    /// σ(0) is a half: of a candidate, too, which is to be zero.
    public func decay(_ problem: inout CellProblem<Double>) -> Bool {
        problem.parameters = problem.parameters.map { _ in 0 }
        if variant.activation == .sigmoid {
            problem.parameters.gates[2].b = problem.parameters.gates[2].b.map { _ in -200 }
        }
        return true
    }

    public func cell<S>(_ parameters: CellParameters<S>) -> GRUCell<S> {
        let inner = parameters.inner[2]
        return GRUCell(
            gates: GRUGates(parameters.gates),
            hiddenBias: inner.isEmpty ? parameters.gates[2].b.map { _ in 0 } : inner,
            variant: variant)
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
        var others = [variant, variant, variant, variant]
        others[0].resetsBefore.toggle()
        others[1].zReplaces.toggle()
        others[2].activation = variant.activation == .sigmoid ? .tanh : .sigmoid
        others[3].gateActivation = variant.gateActivation == .tanh ? .sigmoid : .tanh
        return others.map { TestedGRU($0) }
    }

    public func mistakes(_ problem: CellProblem<Double>) -> [CellMistake] {
        let (zReplaces, resetsAfter) = (variant.zReplaces, resetsAfter)
        /// What h_prev has of h.
        @Sendable func kept(_ z: Double) -> Double { zReplaces ? 1 - z : z }
        return [
            .step(
                "update gate the other way round",
                after: { tape, _, row in
                    for k in tape.h[1][row].indices {
                        tape.h[1][row][k] =
                            tape.gates[0][row][2][k] + tape.h[0][row][k] - tape.h[1][row][k]
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
