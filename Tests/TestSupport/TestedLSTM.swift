public import CRecurrent
public import RecurrentReference

public struct TestedLSTM: TestedCell {
    public var variant = LSTMVariant()
    public init(_ variant: LSTMVariant = LSTMVariant()) { self.variant = variant }

    public init(_ shape: recurrent_cell_shape) {
        let found = shape.lstm
        variant = LSTMVariant(
            activation: Activation(shape), gateActivation: .gate(shape),
            peepholes: found.peepholes != 0,
            coupled: found.coupled != 0, clip: found.clip > 0 ? Double(found.clip) : nil,
            projection: found.projection > 0 ? found.projection : nil)
    }

    /// Those of a number in 0..<32: the bits are its parts.
    public init(parts: Int, clip: Double = 0.5, projection: Int = 3) {
        variant = LSTMVariant(
            activation: parts & 1 != 0 ? .sigmoid : .tanh, peepholes: parts & 2 != 0,
            coupled: parts & 4 != 0,
            clip: parts & 8 != 0 ? clip : nil, projection: parts & 16 != 0 ? projection : nil)
    }

    public static let name = "lstm"
    public static let cell = recurrent_cell.lstm
    public static var plain: [any TestedCell] { [TestedLSTM()] }
    public static var all: [any TestedCell] { (0..<32).map { TestedLSTM(parts: $0) } }
    public static var toldApart: [any TestedCell] { [0, 1, 4, 5].map { TestedLSTM(parts: $0) } }

    /// One of each part, and all of them.
    public static func variants(projection: Int) -> [any TestedCell] {
        [1, 2, 4, 8, 16, 31].map { TestedLSTM(parts: $0, projection: projection) }
    }

    /// Activations of each kind; with other parts, too.
    static let activations: [any TestedCell] = [
        LSTMVariant(activation: .relu, gateActivation: .hardSigmoidFifth),
        LSTMVariant(activation: .hardTanh, gateActivation: .hardSigmoidSixth),
        LSTMVariant(activation: .leakyReLU(slope: 0.25), gateActivation: .tanh),
        LSTMVariant(activation: .hardSigmoidSixth, gateActivation: .relu),
        LSTMVariant(gateActivation: .hardSigmoidSixth, peepholes: true, clip: 0.5, projection: 3),
        LSTMVariant(activation: .hardSigmoidFifth, coupled: true),
    ].map { TestedLSTM($0) }

    /// Every variant in a small layer, with rows that end; each part and all of them around one and
    /// more panels, with every number of chains that a sum over the units of h, projected or not,
    /// may have, and with more of them than hidden units. With a mask of recurrent dropout, in one
    /// panel and in several, for every variant.
    public static let cases: [CellCase] =
        CellCase.sizes
        + (1..<32).map {
            CellCase(
                3, 5, batch: 4, steps: 3, gap: 1, lengths: [3, 0, 2, 1], cell: TestedLSTM(parts: $0)
            )
        }
        + [
            CellCase(2, 16, batch: 7, steps: 3), CellCase(5, 18, batch: 3, steps: 4, awkward: true),
            CellCase(17, 33, batch: 1, steps: 3),
            CellCase(4, 70, batch: 8, steps: 2, lengths: [2, 2, 0, 2, 1, 2, 2, 1]),
        ].flatMap { sizes in variants(projection: sizes.hidden / 2 + 3).map(sizes.of) }
        + [
            CellCase(3, 5, batch: 4, steps: 3, gap: 1, lengths: [3, 0, 2, 1]),
            CellCase(5, 33, batch: 1, steps: 5, gap: 2, lengths: [4], dropout: true),
            CellCase(5, 18, batch: 9, steps: 2),
        ].flatMap { sizes in activations.map(sizes.of) }
        + [17, 40, 64, 81].map {
            CellCase(3, 20, batch: 5, steps: 2, cell: TestedLSTM(parts: 16, projection: $0))
        }
        + [
            CellCase(1, 1, steps: 3, dropout: true),
            CellCase(3, 16, batch: 7, steps: 3, lengths: [0, 1, 2, 3, 3, 0, 1], dropout: true),
            CellCase(5, 33, batch: 1, steps: 5, gap: 2, lengths: [4], dropout: true),
            CellCase(5, 18, batch: 3, steps: 4, awkward: true, dropout: true),
            CellCase(9, 70, batch: 8, steps: 2, dropout: true),
            CellCase(3, 4, batch: 2, steps: 0, dropout: true),
        ]
        + variants(projection: 7).map {
            CellCase(4, 20, batch: 5, steps: 4, lengths: [4, 2, 0, 3, 4], dropout: true, cell: $0)
        }

    /// And in variants.
    public static let planted =
        CellCase.square
        + [
            LSTMVariant(peepholes: true, clip: 0.25, projection: 4),
            LSTMVariant(
                activation: .sigmoid, peepholes: true, coupled: true, clip: 0.5, projection: 4),
            LSTMVariant(activation: .relu, gateActivation: .hardSigmoidFifth),
        ].map {
            CellCase(4, 5, batch: 3, steps: 4, lengths: [4, 2, 3], cell: TestedLSTM($0))
        }

    public var description: String {
        let parts = [
            (variant.activation != .tanh, "\(variant.activation)"),
            (variant.gateActivation != .sigmoid, "gates \(variant.gateActivation)"),
            (variant.peepholes, "peepholes"),
            (variant.coupled, "coupled"), (variant.clip != nil, "clip"),
            (variant.projection != nil, "R \(variant.projection ?? 0)"),
        ]
        return (["LSTM"] + parts.filter(\.0).map(\.1)).joined(separator: " ")
    }
    public var gates: [Activation] {
        let gate = variant.gateActivation
        return [gate, gate, variant.activation, gate]
    }
    /// The peepholes.
    public var innerGates: [Int] { variant.peepholes ? [0, 1, 3] : [] }
    public var transposesInnerRows: Bool { true }
    public var projection: Int? { variant.projection }
    public func set(_ shape: inout recurrent_cell_shape) {
        shape.lstm = recurrent_lstm_variant(
            peepholes: variant.peepholes ? 1 : 0,
            coupled: variant.coupled ? 1 : 0, clip: Float(variant.clip ?? 0),
            projection: variant.projection ?? 0)
        variant.activation.set(&shape, gates: variant.gateActivation)
    }

    public func decay(_ problem: inout CellProblem<Double>) -> Bool {
        problem.parameters = problem.parameters.map { _ in 0 }
        return variant.activation(0.0) == 0
    }

    public func cell<S>(_ parameters: CellParameters<S>) -> LSTMCell<S> {
        LSTMCell(
            gates: LSTMGates(parameters.gates), peepholes: LSTMGates(parameters.inner),
            projection: parameters.projection, variant: variant)
    }

    private func cellTape<S>(_ tape: CellTape<S>) -> LSTMTape<S> {
        LSTMTape(
            gates: tape.gates.map { $0.map { LSTMGates($0) } }, c: tape.c, m: tape.m, h: tape.h)
    }

    public func forward<S>(_ p: CellProblem<S>) -> CellTape<S> {
        let tape = cell(p.parameters).forward(
            x: p.x, h0: p.h0, c0: p.c0, lengths: p.sizes.lengths, mask: p.mask)
        return CellTape(
            h: tape.h, c: tape.c, gates: tape.gates.map { $0.map(\.all) },
            m: projection == nil ? [] : tape.m)
    }

    public func backward<S>(_ p: CellProblem<S>, _ tape: CellTape<S>) -> CellBackward<S> {
        let found = cell(p.parameters).backward(
            tape: cellTape(tape), dy: p.dy, dh: p.dh, dc: p.dc, lengths: p.sizes.lengths,
            mask: p.mask)
        return CellBackward(
            dgates: found.dgates.map { $0.map(\.all) }, dhs: projection == nil ? [] : found.dh,
            dx: found.dx, dh0: found.dh0, dc0: found.dc0)
    }

    public func gradient<S>(_ p: CellProblem<S>, _ tape: CellTape<S>, _ backward: CellBackward<S>)
        -> CellParameters<S>
    {
        var gradient = cell(p.gradient)
        gradient.addGradient(
            x: p.x, tape: cellTape(tape),
            backward: LSTMBackward(
                dgates: backward.dgates.map { $0.map { LSTMGates($0) } }, dh: backward.dhs,
                dx: backward.dx, dh0: backward.dh0, dc0: backward.dc0),
            lengths: p.sizes.lengths, mask: p.mask)
        return CellParameters(
            gates: gradient.gates.all, inner: gradient.peepholes.all,
            projection: gradient.projection)
    }

    func with(_ edit: (inout LSTMVariant) -> Void) -> TestedLSTM {
        var variant = variant
        edit(&variant)
        return TestedLSTM(variant)
    }

    /// Without a part, or with one that needs no parameters.
    public var others: [any TestedCell] {
        [
            with { $0.activation = $0.activation == .sigmoid ? .tanh : .sigmoid },
            with { $0.gateActivation = $0.gateActivation == .tanh ? .sigmoid : .tanh },
            with { $0.coupled.toggle() },
            with { $0.clip = $0.clip == nil ? 0.125 : nil },
        ] + (variant.peepholes ? [with { $0.peepholes = false }] : [])
    }
}

extension LSTMGates {
    init(_ all: [Value]) { self.init(i: all[0], f: all[1], g: all[2], o: all[3]) }
}
