import CKernels
import Reference
import Testing
import TestSupport

/// Around one and two panels, one large, with every number of rows that a register tile has; rows that never start, end at once, and
/// last to the end; rows of x that lie apart; and awkward data.
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

func lstmProblem(_ sizes: LSTMSizes) -> LSTMProblem<Double> {
    LSTMProblem(sizes, seed: UInt64(sizes.input * 1000 + sizes.hidden))
}

/// An error that says at which sizes it happened.
func at<Result>(_ sizes: some CustomStringConvertible, _ body: () throws -> Result) throws -> Result {
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
    for sizes in lstmSizes {
        try at(sizes) {
            let problem = lstmProblem(sizes), run = LSTMRun(isa, problem)
            let expected = problem.map(exact)
            let tape = expected.cell.forward(x: expected.x, h0: expected.h0, c0: expected.c0, lengths: sizes.lengths)
            try Comparer.check(run.tape(run.forward()).named(sizes), tape.named(sizes))
        }
    }
}

@Sendable func checkLSTMStep(_ isa: KernelTable) throws {
    for var sizes in lstmSizes {
        sizes.lengths = nil
        try at(sizes) {
            let problem = lstmProblem(sizes), run = LSTMRun(isa, problem)
            let expected = problem.map(exact)
            let tape = expected.cell.forward(x: expected.x, h0: expected.h0, c0: expected.c0)
            let (c, h) = try run.steps()
            try Comparer.check(
                [("h", run.states(h).joined().flatMap { $0 }), ("c", run.states(c).joined().flatMap { $0 })],
                Array(tape.named(sizes).prefix(2)))
        }
    }
}

@Sendable func checkLSTMTranspose(_ isa: KernelTable) throws {
    for sizes in lstmSizes {
        try at(sizes) {
            let problem = lstmProblem(sizes), run = LSTMRun(isa, problem)
            try Comparer.checkSameBits("transposed", run.transposed(), run.expectedTransposed(problem.cell))
        }
    }
}

/// From a tape that is exact by definition, so that the bound holds the errors of the backward pass alone.
@Sendable func checkLSTMBackwardData(_ isa: KernelTable) throws {
    for sizes in lstmSizes {
        try at(sizes) {
            let problem = lstmProblem(sizes), run = LSTMRun(isa, problem)
            let tape = problem.cell.forward(x: problem.x, h0: problem.h0, c0: problem.c0, lengths: sizes.lengths).map { Double(Float($0)) }
            let expected = problem.map(exact)
            let transposed = run.expectedTransposed(problem.cell)
            // What the tape says of ended steps must not matter.
            let ifgo = run.order.rows(sizes.steps * sizes.batch) { row, group, unit in
                sizes.isLive(row: row % sizes.batch, step: row / sizes.batch)
                    ? tape.gates[row / sizes.batch][row % sizes.batch].all[group][unit] : .nan
            }
            let c = KernelOrder.padded(Array(tape.c.joined()))
            for withDy in [true, false] {
                let found = try run.backward(ifgo: ifgo, c: c, transposed: transposed, withDy: withDy)
                let backward = expected.cell.backward(
                    tape: tape.map(exact), dy: withDy ? expected.dy : nil, dh: expected.dh, dc: expected.dc, lengths: sizes.lengths)
                try Comparer.check(run.backward(found).named, backward.named)
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
    for sizes in lstmSizes {
        try at(sizes) {
            let problem = lstmProblem(sizes), run = LSTMRun(isa, problem)
            // Any h and difgo will do; that of ended steps must not matter.
            var generator = Generator(seed: 7)
            func floats(_ live: Bool) -> [Double] {
                live ? generator.floats(sizes.hidden).map { Double($0) } : [Double](repeating: .nan, count: sizes.hidden)
            }
            let h = (0...sizes.steps).map { t in (0..<sizes.batch).map { floats(sizes.isLive(row: $0, step: t)) } }
            let dgates = (0..<sizes.steps).map { t in
                (0..<sizes.batch).map { row in
                    let live = sizes.isLive(row: row, step: t)
                    return LSTMGates(i: floats(live), f: floats(live), g: floats(live), o: floats(live))
                }
            }
            let difgo = run.order.rows(sizes.steps * sizes.batch) { row, group, unit in
                dgates[row / sizes.batch][row % sizes.batch].all[group][unit]
            }
            var gradient = problem.gradient.map(exact)
            gradient.addGradient(
                x: problem.map(exact).x, h: h.map { $0.map { $0.map(exact) } },
                dgates: dgates.map { $0.map { $0.map { $0.map(exact) } } }, lengths: sizes.lengths)
            let found = try run.weights(h: KernelOrder.padded(Array(h.joined())), difgo: difgo)
            try Comparer.check(run.order.cell(found, input: sizes.input).named, gradient.named)
        }
    }
}

extension LSTMRun {
    typealias Solved = (tape: Tape, backward: Backward, gradient: [Float])

    /// Forward, transpose, backward and the gradient by the weights, one after the other.
    func solved() throws -> Solved {
        let tape = try forward()
        let backward = try backward(ifgo: tape.ifgo, c: tape.c, transposed: transposed())
        return try (tape, backward, weights(h: tape.h, difgo: backward.difgo))
    }

    /// transposed[q][j][l] = W[j][16 q + l], the input columns and then the hidden columns; rows j as gates lie in a row.
    func expectedTransposed(_ cell: LSTMCell<Double>) -> [Float] {
        var floats = [Float](repeating: 0, count: transposedCount)
        let gates = cell.gates.all
        for group in 0..<4 {
            for unit in 0..<sizes.hidden {
                let row = order.rowIndex(row: 0, group: group, unit: unit)
                func index(_ column: Int) -> Int { (column / 16 * order.rowCount + row) * 16 + column % 16 }
                for column in 0..<sizes.input { floats[index(column)] = Float(gates[group].W[unit][column]) }
                for column in 0..<sizes.hidden {
                    floats[index(KernelOrder.padded(sizes.input) + column)] = Float(gates[group].U[unit][column])
                }
            }
        }
        return floats
    }
}

extension LSTMTape {
    func map<Other>(_ transform: (S) -> Other) -> LSTMTape<Other> {
        func map(_ sequence: [[[S]]]) -> [[[Other]]] { sequence.map { $0.map { $0.map(transform) } } }
        return LSTMTape<Other>(gates: gates.map { $0.map { $0.map { $0.map(transform) } } }, c: map(c), h: map(h))
    }
}
