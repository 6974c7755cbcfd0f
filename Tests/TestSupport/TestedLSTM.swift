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

    private func with(_ edit: (inout LSTMVariant) -> Void) -> TestedLSTM {
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

// MARK: Mistakes

/// A unit of one step, to be computed again.
private struct Unit {
    var i, f, g, o, c, m: Double
    let c_prev: Double
    let peepholes: LSTMGates<Double>
    let variant: LSTMVariant

    mutating func output() { m = o * variant.activation(c) }

    /// Everything from the gates on.
    mutating func again(clip: (Double) -> Double) {
        let old = c
        c = clip(f * c_prev + i * g)
        o = .sigmoid(.logit(o) + peepholes.o * (c - old))
        output()
    }
    mutating func again() {
        again { [variant] c in variant.clip.map { .clamp(c, $0) } ?? c }
    }
}

extension TestedLSTM {
    private func unit(_ name: String, _ edit: @escaping @Sendable (inout Unit) -> Void)
        -> CellMistake
    {
        .step(
            name,
            after: { tape, step, row in
                let gates = tape.gates[0][row]
                var m: [Double] = []
                for n in gates[0].indices {
                    let p = LSTMGates(step.parameters.inner).map { $0.isEmpty ? 0 : $0[n] }
                    var unit = Unit(
                        i: gates[0][n], f: gates[1][n], g: gates[2][n], o: gates[3][n],
                        c: tape.c[1][row][n], m: 0, c_prev: tape.c[0][row][n], peepholes: p,
                        variant: variant)
                    unit.output()
                    edit(&unit)
                    for (gate, value) in [unit.i, unit.f, unit.g, unit.o].enumerated() {
                        tape.gates[0][row][gate][n] = value
                    }
                    tape.c[1][row][n] = unit.c
                    m.append(unit.m)
                }
                if projection == nil {
                    tape.h[1][row] = m
                } else {
                    tape.m[0][row] = m
                    tape.h[1][row] = step.parameters.projection.map { .sum(0, [($0, m)]) }
                }
            })
    }

    /// The backward pass of a step sees another dc, from what h says of c: dm, o, and the
    /// derivative of the squashed c.
    private func state(
        _ name: String, as other: TestedLSTM? = nil,
        _ edit:
            @escaping @Sendable (
                inout Double, _ c: Double, _ dm: Double, _ o: Double, _ y: Double, _ slope: Double
            ) -> Void
    ) -> CellMistake {
        .backStep(
            name,
            before: { step, tape, row in
                let dh = step.total(row)
                for (n, c) in tape.c[1][row].enumerated() {
                    let dm =
                        projection == nil
                        ? dh[n]
                        : dh.indices.reduce(0) { $0 + dh[$1] * step.parameters.projection[$1][n] }
                    let y = variant.activation(c)
                    edit(
                        &step.dc[row][n], c, dm, tape.gates[0][row][3][n], y,
                        variant.activation.derivative(y: y))
                }
                if let other { step.sizes.cell = other }
            })
    }

    public func mistakes(_ problem: CellProblem<Double>) -> [CellMistake] {
        // Of others than σ the sums of the gates are not known.
        guard variant.gateActivation == .sigmoid else { return always }
        return always + ofGates + (variant.activation == .sigmoid ? ofSigmoid : ofTanh)
            + (variant.peepholes ? ofPeepholes : []) + (variant.coupled ? ofCoupled : [])
            + (variant.clip.map { ofClip($0, problem) } ?? [])
            + (variant.projection == nil ? [] : ofProjection)
    }

    private var always: [CellMistake] {
        [
            .step(
                "cell state one step too old",
                before: { if !$1.c.isEmpty { $0.c0 = $1.c[max($2 - 1, 0)] } }),
            unit("tanh of cell state missing") { $0.m = $0.o * $0.c },
            .backStep("cell state after for before", before: { $1.c[0][$2] = $1.c[1][$2] }),
            .backStep(
                "dc not carried",
                after: { back, _, _, row in
                    back.dc0[row] = back.dc0[row].map { _ in 0 }
                }),
            .backStep(
                "forget gate missing in dc",
                after: { back, _, tape, row in
                    back.dc0[row] = zip(back.dc0[row], tape.gates[0][row][1]).map(/)
                }),
            state("dh missing in dc") { dc, _, dm, o, _, slope in dc -= dm * o * slope },
            state("derivative of squashed c missing") { dc, _, dm, o, _, slope in
                dc += dm * o * (1 - slope)
            },
        ]
    }

    private var ofGates: [CellMistake] {
        [
            unit("output through tanh") {
                $0.o = .tanh(.logit($0.o))
                $0.output()
            }
        ]
    }

    private var ofTanh: [CellMistake] {
        [
            unit("candidate through sigmoid") {
                $0.g = .sigmoid(.atanh($0.g))
                $0.again()
            }
        ]
    }

    private var ofSigmoid: [CellMistake] {
        [
            unit("cell state through tanh") { $0.m = $0.o * .tanh($0.c) },
            state("slope of tanh in cell") { dc, _, dm, o, y, slope in
                dc += dm * o * (1 - y * y - slope)
            },
            .dgate("slope of tanh in candidate", 2) { $0 * (1 - $1 * $1) / ($1 * (1 - $1)) },
        ]
    }

    private var ofPeepholes: [CellMistake] {
        let used = variant.coupled ? [0, 3] : [0, 1, 3]
        func gradient(
            _ name: String, _ gate: Int, _ c: @escaping @Sendable ([[[Double]]]) -> [[[Double]]]
        ) -> CellMistake {
            .afterGradient(name) { gradient, _, tape, again in
                var tape = tape
                tape.c = c(tape.c)
                gradient.inner[gate] = again(tape).inner[gate]
            }
        }
        return used.map { gate in
            .backward("peephole of gate \(gate) missing in dc") { problem, _ in
                problem.parameters.inner[gate] = problem.parameters.inner[gate].map { _ in 0 }
            }
        } + [
            .forward("peepholes swapped") { $0.parameters.inner.swapAt(0, 3) },
            unit("input peephole after for before") {
                $0.i = .sigmoid(
                    .logit($0.i) + $0.peepholes.i * ($0.f * $0.c_prev + $0.i * $0.g - $0.c_prev))
                $0.again()
            },
            unit("output peephole before for after") {
                $0.o = .sigmoid(.logit($0.o) + $0.peepholes.o * ($0.c_prev - $0.c))
                $0.output()
            },
            gradient("output peephole of old state", 3) { Array($0.prefix(1) + $0.dropLast()) },
            gradient("input peephole of new state", 0) { Array($0.dropFirst() + $0.suffix(1)) },
        ]
    }

    private var ofCoupled: [CellMistake] {
        let uncoupled = with { $0.coupled = false }
        func mixed(_ name: String, _ gate: Int) -> CellMistake {
            .afterBackward(name) { backward, problem, tape in
                let other = uncoupled.backward(problem, tape)
                for t in backward.dgates.indices {
                    for row in problem.live(t) {
                        backward.dgates[t][row][gate] = other.dgates[t][row][gate]
                    }
                }
            }
        }
        return [
            unit("coupled forget gate is input gate") {
                $0.f = $0.i
                $0.again()
            },
            mixed("coupled gate missing in di", 0), mixed("coupled gate in df", 1),
        ]
    }

    private func ofClip(_ clip: Double, _ problem: CellProblem<Double>) -> [CellMistake] {
        let isCut: @Sendable (Double) -> Bool = { $0.magnitude >= clip }
        var mistakes = [
            unit("clip of output") {
                $0.again { $0 }
                $0.m = .clamp($0.m, clip)
            },
            .dgate("clip cuts do", 3, fromState: true) { isCut($1) ? 0 : $0 },
        ]
        if problem.forward().c.joined().joined().contains(-clip) {
            mistakes.append(unit("clip one-sided") { $0.again { min($0, clip) } })
        }
        if variant.peepholes {
            mistakes.append(
                state("output peephole behind clip", as: with { $0.clip = nil }) {
                    dc, c, dm, o, _, slope in
                    if isCut(c) { dc = -dm * o * slope }
                })
        }
        return mistakes
    }

    private var ofProjection: [CellMistake] {
        func backward(
            _ name: String, _ element: @escaping @Sendable (_ P: [[Double]], Int, Int) -> Double
        ) -> CellMistake {
            .backward(name) { problem, _ in
                let P = problem.parameters.projection
                problem.parameters.projection = P.indices.map { k in
                    P[k].indices.map { element(P, k, $0) }
                }
            }
        }
        return [
            .step(
                "projection twice",
                after: { tape, _, row in
                    tape.h[1][row] = tape.h[1][row].map { 2 * $0 }
                }),
            backward("projection missing in dm") { P, k, n in n % P.count == k ? 1 : 0 },
            backward("projection transposed") { P, k, n in P[n % P.count][k % P[0].count] },
            .afterGradient("projection missing") { gradient, problem, _, _ in
                gradient.projection = problem.gradient.projection
            },
            .gradient("projection without dy") { problem, _, backward in
                for t in backward.dhs.indices {
                    for row in problem.live(t) {
                        backward.dhs[t][row] = zip(backward.dhs[t][row], problem.dy![t][row]).map(-)
                    }
                }
            },
            .gradient("projection of state for output") { _, tape, _ in
                tape.m = Array(tape.c.dropFirst())
            },
        ]
    }
}

extension LSTMGates {
    init(_ all: [Value]) { self.init(i: all[0], f: all[1], g: all[2], o: all[3]) }
}
