import CRecurrent
import RecurrentReference
import TestSupport
import Testing

/// Around one and two panels, one large, with every number of rows that a register tile has; rows
/// that never start, end at once, and last to the end; rows of x that lie apart; and awkward data.
let lstmSizes: [LSTMSizes] = [
    LSTMSizes(1, 1),
    LSTMSizes(1, 15, batch: 2, steps: 3),
    LSTMSizes(15, 16, batch: 3, steps: 4, gap: 3),
    LSTMSizes(3, 16, batch: 7, steps: 3, lengths: [0, 1, 2, 3, 3, 0, 1]),
    LSTMSizes(16, 17, batch: 4, steps: 2),
    LSTMSizes(17, 31, batch: 5, steps: 3, lengths: [3, 2, 0, 1, 3]),
    LSTMSizes(31, 33, batch: 6, steps: 2, gap: 1),
    LSTMSizes(2, 33, batch: 1, steps: 5, lengths: [4]),
    LSTMSizes(33, 64, batch: 7, steps: 2),
    LSTMSizes(64, 1, batch: 1, steps: 6),
    LSTMSizes(5, 64, batch: 13, steps: 1),
    LSTMSizes(7, 65, batch: 2, steps: 2),
    LSTMSizes(9, 131, batch: 2, steps: 2),
    LSTMSizes(131, 3, batch: 3, steps: 2),
    LSTMSizes(3, 4, batch: 2, steps: 0),
    LSTMSizes(4, 5, batch: 4, steps: 20, lengths: [20, 19, 7, 0]),
    LSTMSizes(6, 7, batch: 5, steps: 6, gap: 2, lengths: [6, 0, 3, 5, 1], awkward: true),
    LSTMSizes(5, 18, batch: 3, steps: 4, awkward: true),
    LSTMSizes(3, 50, batch: 4, steps: 3, awkward: true),
]

/// One variant of each kind.
func lstmVariants(projection: Int) -> [LSTMVariant] {
    [
        LSTMVariant(sigmoid: true), LSTMVariant(peepholes: true), LSTMVariant(coupled: true),
        LSTMVariant(clip: 0.5),
        LSTMVariant(projection: projection),
        LSTMVariant(
            sigmoid: true, peepholes: true, coupled: true, clip: 0.5, projection: projection),
    ]
}

/// Every variant in a small layer, with rows that end; each part and all of them around one and
/// more panels, with every number of chains that a sum over the units of h, projected or not, may
/// have, and with more of them than hidden units.
let lstmVariantSizes: [LSTMSizes] =
    (1..<32).map { parts in
        LSTMSizes(
            3, 5, batch: 4, steps: 3, gap: 1, lengths: [3, 0, 2, 1],
            variant: LSTMVariant(
                sigmoid: parts & 1 != 0, peepholes: parts & 2 != 0, coupled: parts & 4 != 0,
                clip: parts & 8 != 0 ? 0.5 : nil,
                projection: parts & 16 != 0 ? 3 : nil))
    }
    + [
        LSTMSizes(2, 16, batch: 7, steps: 3), LSTMSizes(5, 18, batch: 3, steps: 4, awkward: true),
        LSTMSizes(17, 33, batch: 1, steps: 3),
        LSTMSizes(4, 70, batch: 8, steps: 2, lengths: [2, 2, 0, 2, 1, 2, 2, 1]),
    ].flatMap { sizes in
        lstmVariants(projection: sizes.hidden / 2 + 3).map {
            var sizes = sizes
            sizes.variant = $0
            return sizes
        }
    }
    + [17, 40, 64, 81].map {
        LSTMSizes(3, 20, batch: 5, steps: 2, variant: LSTMVariant(projection: $0))
    }

/// With a mask of recurrent dropout, in one panel and in several, for every variant.
let lstmMaskedSizes: [LSTMSizes] =
    [
        LSTMSizes(1, 1, steps: 3, dropout: true),
        LSTMSizes(3, 16, batch: 7, steps: 3, lengths: [0, 1, 2, 3, 3, 0, 1], dropout: true),
        LSTMSizes(5, 33, batch: 1, steps: 5, gap: 2, lengths: [4], dropout: true),
        LSTMSizes(5, 18, batch: 3, steps: 4, awkward: true, dropout: true),
        LSTMSizes(9, 70, batch: 8, steps: 2, dropout: true),
        LSTMSizes(3, 4, batch: 2, steps: 0, dropout: true),
    ]
    + lstmVariants(projection: 7).map {
        LSTMSizes(4, 20, batch: 5, steps: 4, lengths: [4, 2, 0, 3, 4], dropout: true, variant: $0)
    }

let allLSTMSizes = lstmSizes + lstmVariantSizes + lstmMaskedSizes

func lstmProblem(_ sizes: LSTMSizes) -> LSTMProblem<Double> {
    LSTMProblem(sizes, seed: UInt64(sizes.input * 1000 + sizes.hidden))
}

/// An error that says at which sizes it happened.
func at<Result>(_ sizes: some CustomStringConvertible, _ body: () throws -> Result) throws -> Result
{
    do { return try body() } catch { throw AtSizes(sizes: "\(sizes)", error: error) }
}
struct AtSizes: Error, CustomStringConvertible {
    let sizes: String
    let error: any Error
    var description: String { "\(sizes): \(error)" }
}

func exact(_ value: Double) -> RunningError { RunningError(value) }

// MARK: Against the reference

@Sendable func checkLSTMForward(_ isa: KernelTable) throws {
    for sizes in allLSTMSizes {
        try at(sizes) {
            let problem = lstmProblem(sizes)
            let run = LSTMRun(isa, problem)
            let expected = problem.map(exact)
            let tape = expected.cell.forward(
                x: expected.x, h0: expected.h0, c0: expected.c0, lengths: sizes.lengths,
                mask: expected.mask)
            try Comparer.check(run.tape(run.forward()).named(sizes), tape.named(sizes))
        }
    }
}

@Sendable func checkLSTMStep(_ isa: KernelTable) throws {
    for var sizes in allLSTMSizes {
        (sizes.lengths, sizes.dropout) = (nil, false)
        try at(sizes) {
            let problem = lstmProblem(sizes)
            let run = LSTMRun(isa, problem)
            let expected = problem.map(exact)
            let tape = expected.cell.forward(x: expected.x, h0: expected.h0, c0: expected.c0)
            let (c, h) = try run.steps()
            try Comparer.check(
                [
                    ("h", run.outputs(h).joined().flatMap { $0 }),
                    ("c", run.states(c).joined().flatMap { $0 }),
                ],
                Array(tape.named(sizes).prefix(2)))
        }
    }
}

@Sendable func checkLSTMTranspose(_ isa: KernelTable) throws {
    for sizes in allLSTMSizes {
        try at(sizes) {
            let problem = lstmProblem(sizes)
            let run = LSTMRun(isa, problem)
            try Comparer.checkSameBits(
                "transposed", run.transposed(), run.expectedTransposed(problem.cell))
        }
    }
}

/// From a tape that is exact by definition, so that the bound holds the errors of the backward pass
/// alone.
@Sendable func checkLSTMBackwardData(_ isa: KernelTable) throws {
    for sizes in allLSTMSizes {
        try at(sizes) {
            let problem = lstmProblem(sizes)
            let run = LSTMRun(isa, problem)
            let tape = problem.cell.forward(
                x: problem.x, h0: problem.h0, c0: problem.c0, lengths: sizes.lengths,
                mask: problem.mask
            )
            .map { Double(Float($0)) }
            let expected = problem.map(exact)
            let transposed = run.expectedTransposed(problem.cell)
            // What the tape says of ended steps must not matter.
            let ifgo = run.order.rows(sizes.steps * sizes.batch) { row, group, unit in
                sizes.isLive(row: row % sizes.batch, step: row / sizes.batch)
                    ? tape.gates[row / sizes.batch][row % sizes.batch].all[group][unit] : .nan
            }
            let c = KernelOrder.padded(Array(tape.c.joined()))
            for withDy in [true, false] {
                let found = try run.backward(
                    ifgo: ifgo, c: c, transposed: transposed, withDy: withDy)
                let backward = expected.cell.backward(
                    tape: tape.map(exact), dy: withDy ? expected.dy : nil, dh: expected.dh,
                    dc: expected.dc, lengths: sizes.lengths,
                    mask: expected.mask)
                try Comparer.check(run.backward(found).named(sizes), backward.named(sizes))
            }
            let (with, without) = try (
                run.backward(ifgo: ifgo, c: c, transposed: transposed),
                run.backward(ifgo: ifgo, c: c, transposed: transposed, withDx: false)
            )
            try Comparer.checkSameBits("difgo without dx", without.difgo, with.difgo)
            try Comparer.checkSameBits("dh without dx", without.dh, with.dh)
        }
    }
}

@Sendable func checkLSTMBackwardWeights(_ isa: KernelTable) throws {
    for sizes in allLSTMSizes {
        try at(sizes) {
            let problem = lstmProblem(sizes)
            let run = LSTMRun(isa, problem)
            // Any tape and gradients will do; those of ended steps must not matter.
            var generator = Generator(seed: 7)
            func floats(_ units: Int) -> [Double] { generator.floats(units).map { Double($0) } }
            func sequence(_ units: Int) -> [[[Double]]] {
                (0..<sizes.steps).map { t in
                    (0..<sizes.batch).map {
                        sizes.isLive(row: $0, step: t)
                            ? floats(units) : [Double](repeating: .nan, count: units)
                    }
                }
            }
            func exactly(_ sequence: [[[Double]]]) -> [[[RunningError]]] {
                sequence.map { $0.map { $0.map(exact) } }
            }
            func padded(_ sequence: [[[Double]]]) -> [Float] {
                KernelOrder.padded(Array(sequence.joined()))
            }
            let m = sequence(sizes.hidden)
            let dh = sequence(sizes.outputs)
            let c = (0...sizes.steps).map { _ in (0..<sizes.batch).map { _ in floats(sizes.hidden) }
            }
            let h = sequence(sizes.outputs) + [(0..<sizes.batch).map { _ in floats(sizes.outputs) }]
            let (i, f, g, o) = (
                sequence(sizes.hidden), sequence(sizes.hidden), sequence(sizes.hidden),
                sequence(sizes.hidden)
            )
            let dgates = i.indices.map { t in
                i[t].indices.map { LSTMGates(i: i[t][$0], f: f[t][$0], g: g[t][$0], o: o[t][$0]) }
            }
            let difgo = run.order.rows(sizes.steps * sizes.batch) { row, group, unit in
                dgates[row / sizes.batch][row % sizes.batch].all[group][unit]
            }
            var gradient = problem.gradient.map(exact)
            gradient.addGradient(
                x: problem.map(exact).x,
                tape: LSTMTape(gates: [], c: exactly(c), m: exactly(m), h: exactly(h)),
                backward: LSTMBackward(
                    dgates: dgates.map { $0.map { $0.map { $0.map(exact) } } }, dh: exactly(dh),
                    dx: [], dh0: [], dc0: []),
                lengths: sizes.lengths, mask: problem.mask?.map { $0.map(exact) })
            // The gates themselves are not read.
            let tape = LSTMRun.Tape(
                ifgo: [Float](repeating: .nan, count: difgo.count), m: padded(m), c: padded(c),
                h: padded(h))
            let found = try run.weights(tape, difgo: difgo, dhs: padded(dh))
            try Comparer.check(run.cell(found).named, gradient.named)
        }
    }
}

extension LSTMRun {
    typealias Solved = (tape: Tape, backward: Backward, gradient: [Float])

    /// Forward, transpose, backward and the gradient with respect to the weights, one after the
    /// other.
    func solved() throws -> Solved {
        let tape = try forward()
        let backward = try backward(ifgo: tape.ifgo, c: tape.c, transposed: transposed())
        return try (tape, backward, weights(tape, difgo: backward.difgo, dhs: backward.dhs))
    }

    /// transposed[q][j][l] = W[j][16 q + l], the input columns and then the hidden columns, rows j
    /// as gates lie in a row; then the peepholes as they are, and P in the same way.
    func expectedTransposed(_ cell: LSTMCell<Double>) -> [Float] {
        var floats = [Float](repeating: 0, count: transposedCount)
        let gates = cell.gates.all
        for group in 0..<4 {
            for unit in 0..<sizes.hidden {
                let row = order.rowIndex(row: 0, group: group, unit: unit)
                func index(_ column: Int) -> Int {
                    (column / 16 * order.rowCount + row) * 16 + column % 16
                }
                for column in 0..<sizes.input {
                    floats[index(column)] = Float(gates[group].W[unit][column])
                }
                for column in 0..<sizes.outputs {
                    floats[index(KernelOrder.padded(sizes.input) + column)] = Float(
                        gates[group].U[unit][column])
                }
                if sizes.variant.peepholes && group != 2 {
                    floats[transposedPeepholes + row] = Float(cell.peepholes.all[group][unit])
                }
            }
        }
        for (unit, weights) in cell.projection.enumerated() {
            for (column, weight) in weights.enumerated() {
                floats[
                    transposedProjection + (column / 16 * KernelOrder.padded(sizes.outputs) + unit)
                        * 16 + column % 16] = Float(weight)
            }
        }
        return floats
    }
}

extension LSTMTape {
    func map<Other>(_ transform: (S) -> Other) -> LSTMTape<Other> {
        func map(_ sequence: [[[S]]]) -> [[[Other]]] {
            sequence.map { $0.map { $0.map(transform) } }
        }
        return LSTMTape<Other>(
            gates: gates.map { $0.map { $0.map { $0.map(transform) } } }, c: map(c), m: map(m),
            h: map(h))
    }
}
