import CRecurrent
import RecurrentReference
import TestSupport
import Testing

/// A layer and its activation: all sizes with one activation after the other, and some with all of
/// them.
struct RNNCase: Sendable, CustomStringConvertible {
    let sizes: LSTMSizes
    let f: Activation
    var description: String { "\(sizes) \(f)" }
    var problem: RNNProblem<Double> {
        RNNProblem(sizes, f: f, seed: UInt64(sizes.input * 1000 + sizes.hidden))
    }

    func withoutLengths() -> RNNCase {
        var sizes = sizes
        (sizes.lengths, sizes.dropout) = (nil, false)
        return RNNCase(sizes: sizes, f: f)
    }
}

/// The LSTM's sizes, and one for each number of chains and panels that a recurrent sum has.
let rnnCases: [RNNCase] =
    lstmSizes.enumerated().map {
        RNNCase(sizes: $1, f: Activation.ofCells[$0 % Activation.ofCells.count])
    }
    + [
        LSTMSizes(6, 7, batch: 5, steps: 6, gap: 2, lengths: [6, 0, 3, 5, 1], awkward: true),
        LSTMSizes(3, 16, batch: 4, steps: 3),
        LSTMSizes(4, 31, batch: 3, steps: 3), LSTMSizes(2, 48, batch: 5, steps: 2),
        LSTMSizes(5, 70, batch: 8, steps: 2),
        LSTMSizes(
            6, 7, batch: 5, steps: 6, lengths: [6, 0, 3, 5, 1], awkward: true, dropout: true),
        LSTMSizes(1, 1, steps: 3, dropout: true),
        LSTMSizes(4, 33, batch: 3, steps: 3, gap: 1, dropout: true),
        LSTMSizes(5, 70, batch: 8, steps: 2, dropout: true),
    ].flatMap { sizes in Activation.ofCells.map { RNNCase(sizes: sizes, f: $0) } }

// MARK: Against the reference

@Sendable func checkRNNForward(_ isa: KernelTable) throws {
    for rnn in rnnCases {
        try at(rnn) {
            let run = RNNRun(isa, rnn.problem)
            let expected = rnn.problem.map(exact)
            let h = expected.cell.forward(
                x: expected.x, h0: expected.h0, lengths: rnn.sizes.lengths, mask: expected.mask)
            try Comparer.check(
                [("h", run.states(run.forward()).joined().flatMap { $0 })],
                [("h", h.joined().flatMap { $0 })])
        }
    }
}

@Sendable func checkRNNStep(_ isa: KernelTable) throws {
    for rnn in rnnCases.map({ $0.withoutLengths() }) {
        try at(rnn) {
            let run = RNNRun(isa, rnn.problem)
            let expected = rnn.problem.map(exact)
            let h = expected.cell.forward(x: expected.x, h0: expected.h0)
            try Comparer.check(
                [("h", run.states(run.steps()).joined().flatMap { $0 })],
                [("h", h.joined().flatMap { $0 })])
        }
    }
}

/// transposed[q][j][l] = W[j][16 q + l], the input columns and then the hidden columns.
@Sendable func checkRNNTranspose(_ isa: KernelTable) throws {
    for rnn in rnnCases {
        try at(rnn) {
            let problem = rnn.problem
            let run = RNNRun(isa, problem)
            let parameters = problem.cell.parameters
            var expected = [Float](repeating: 0, count: run.transposedCount)
            for unit in 0..<rnn.sizes.hidden {
                func index(_ column: Int) -> Int {
                    (column / 16 * run.order.rowCount + unit) * 16 + column % 16
                }
                for column in 0..<rnn.sizes.input {
                    expected[index(column)] = Float(parameters.W[unit][column])
                }
                for column in 0..<rnn.sizes.hidden {
                    expected[index(KernelOrder.padded(rnn.sizes.input) + column)] = Float(
                        parameters.U[unit][column])
                }
            }
            try Comparer.checkSameBits("transposed", run.transposed(), expected)
        }
    }
}

/// From a tape that is exact by definition, so that the bound holds the errors of the backward pass
/// alone.
@Sendable func checkRNNBackwardData(_ isa: KernelTable) throws {
    for rnn in rnnCases {
        try at(rnn) {
            let problem = rnn.problem
            let run = RNNRun(isa, problem)
            let expected = problem.map(exact)
            let h = problem.cell.forward(
                x: problem.x, h0: problem.h0, lengths: rnn.sizes.lengths, mask: problem.mask
            ).map { $0.map { $0.map { Double(Float($0)) } } }
            let tape = KernelOrder.padded(Array(h.joined()))
            let transposed = try run.transposed()
            for withDy in [true, false] {
                let found = try run.backward(h: tape, transposed: transposed, withDy: withDy)
                let backward = expected.cell.backward(
                    h: h.map { $0.map { $0.map(exact) } }, dy: withDy ? expected.dy : nil,
                    dh: expected.dh, lengths: rnn.sizes.lengths,
                    mask: expected.mask)
                try Comparer.check(run.backward(found).named, backward.named)
            }
            let with = try run.backward(h: tape, transposed: transposed)
            let without = try run.backward(h: tape, transposed: transposed, withDx: false)
            try Comparer.checkSameBits("dz without dx", without.dz, with.dz)
            try Comparer.checkSameBits("dh without dx", without.dh, with.dh)
        }
    }
}

@Sendable func checkRNNBackwardWeights(_ isa: KernelTable) throws {
    for rnn in rnnCases {
        try at(rnn) {
            let problem = rnn.problem
            let run = RNNRun(isa, problem)
            let sizes = rnn.sizes
            // Any h and dz will do; those of ended steps must not matter.
            var generator = Generator(seed: 7)
            func floats(_ slots: Int) -> [[[Double]]] {
                (0..<slots).map { t in
                    (0..<sizes.batch).map { row in
                        sizes.isLive(row: row, step: t)
                            ? generator.floats(sizes.hidden).map { Double($0) }
                            : [Double](repeating: .nan, count: sizes.hidden)
                    }
                }
            }
            let h = floats(sizes.steps + 1)
            let dz = floats(sizes.steps)
            var gradient = problem.gradient.map(exact)
            gradient.addGradient(
                x: problem.map(exact).x, h: h.map { $0.map { $0.map(exact) } },
                dz: dz.map { $0.map { $0.map(exact) } }, lengths: sizes.lengths,
                mask: problem.mask?.map { $0.map(exact) })
            let found = try run.weights(
                h: KernelOrder.padded(Array(h.joined())), dz: KernelOrder.padded(Array(dz.joined()))
            )
            try Comparer.check(
                run.order.rnnCell(found, input: sizes.input, f: rnn.f).named, gradient.named)
        }
    }
}

@Suite struct RNNTests {
    /// The whole chain, its errors carried from the first step to the gradient.
    @Test(arguments: rnnCases, KernelTable.all) func endToEnd(rnn: RNNCase, isa: KernelTable) throws
    {
        let run = RNNRun(isa, rnn.problem)
        try Comparer.check(
            run.solution(run.solved(), f: rnn.f).named, rnn.problem.map(exact).solved().named)
    }

    // MARK: The same bits

    private func checkSameBits(_ found: RNNRun.Solved, _ expected: RNNRun.Solved) throws {
        for (found, expected) in zip(found.named, expected.named) {
            try Comparer.checkSameBits(found.name, found.floats, expected.floats)
        }
    }

    @Test(arguments: rnnCases, KernelTable.all.dropFirst()) func everyInstructionSet(
        rnn: RNNCase, isa: KernelTable
    ) throws {
        try checkSameBits(
            RNNRun(isa, rnn.problem).solved(), RNNRun(KernelTable.all[0], rnn.problem).solved())
    }

    @Test(arguments: rnnCases, KernelTable.all) func everyNumberOfShares(
        rnn: RNNCase, isa: KernelTable
    ) throws {
        var run = RNNRun(isa, rnn.problem)
        let expected = try run.solved()
        for count in shareCounts.dropFirst() {
            // Backwards, because no part may wait for another.
            run.shares = (0..<count).reversed().map { recurrent_share(index: $0, count: count) }
            try checkSameBits(run.solved(), expected)
        }
    }

    @Test(arguments: rnnCases, KernelTable.all) func stepIsForward(rnn: RNNCase, isa: KernelTable)
        throws
    {
        let run = RNNRun(isa, rnn.withoutLengths().problem)
        try Comparer.checkSameBits("h", run.steps(), run.forward())
    }

    /// A row by itself against that row of the batch, of which each time step holds a slot for each
    /// row.
    @Test(arguments: rnnCases, KernelTable.all) func rowAlone(rnn: RNNCase, isa: KernelTable) throws
    {
        let batch = try RNNRun(isa, rnn.problem).solved()
        for row in 0..<rnn.sizes.batch {
            let alone = try RNNRun(isa, rnn.problem.row(row)).solved()
            func check(_ name: String, _ array: KeyPath<RNNRun.Solved, [Float]>, slots: Int) throws
            {
                let floats = alone[keyPath: array]
                let width = floats.count / max(slots, 1)
                let rows = (0..<slots).flatMap {
                    batch[keyPath: array][(($0 * rnn.sizes.batch + row) * width)...].prefix(width)
                }
                try Comparer.checkSameBits("\(name) of row \(row)", floats, rows)
            }
            try check("h", \.h, slots: rnn.sizes.steps + 1)
            try check("dz", \.dz, slots: rnn.sizes.steps)
            try check("dh", \.dh, slots: 1)
            try check("dx", \.dx, slots: rnn.sizes.steps)
        }
    }

    /// A row that ends is a shorter sequence.
    @Test(arguments: KernelTable.all) func endedRowIsAShorterSequence(isa: KernelTable) throws {
        for rnn in rnnCases {
            for (row, length) in (rnn.sizes.lengths ?? []).enumerated() {
                let problem = rnn.problem.row(row)
                let ended = try RNNRun(isa, problem).solved()
                let short = try RNNRun(isa, problem.segment(0..<length)).solved()
                try Comparer.checkSameBits("h", Array(ended.h.prefix(short.h.count)), short.h)
                let width = short.dh.count
                try Comparer.checkSameBits(
                    "last h", Array(ended.h.suffix(width)), Array(short.h.suffix(width)))
                try Comparer.checkSameBits("dh", ended.dh, short.dh)
                try Comparer.checkSameBits("gradient", ended.gradient, short.gradient)
            }
        }
    }

    /// Segments whose states are carried forward and whose gradients are carried back are one
    /// sequence.
    @Test(arguments: KernelTable.all) func segmentsAreOneSequence(isa: KernelTable) throws {
        for rnn in rnnCases where rnn.sizes.steps > 1 && rnn.sizes.lengths == nil {
            let whole = try RNNRun(isa, rnn.problem).solved()
            var first = RNNRun(isa, rnn.problem.segment(0..<1))
            var second = RNNRun(isa, rnn.problem.segment(1..<rnn.sizes.steps))
            second.h0 = try Array(first.forward().suffix(first.stateCount))
            let later = try second.solved()
            first.dh = later.dh
            let earlier = try first.solved()
            // The gradient with respect to the weights starts from what is there, so the later
            // segment adds to the earlier one's.
            second.gradient = earlier.gradient
            let gradient = try second.weights(h: later.h, dz: later.dz)
            try checkSameBits(
                RNNRun.Solved(
                    h: earlier.h + later.h.dropFirst(first.stateCount), dz: earlier.dz + later.dz,
                    dh: earlier.dh, dx: earlier.dx + later.dx,
                    gradient: gradient), whole)
        }
    }

    // MARK: Planted mistakes

    /// The bounds of these tests reject every mistake, with every activation, in one panel and in
    /// two.
    @Test(arguments: Activation.ofCells) func plantedMistakesAreRejected(f: Activation) throws {
        for sizes in [
            LSTMSizes(5, 5, batch: 3, steps: 4, lengths: [4, 2, 3]),
            LSTMSizes(18, 18, batch: 2, steps: 3, lengths: [3, 2]),
        ] {
            let problem = RNNProblem(sizes, f: f, seed: 21)
            let expected = problem.map(exact).solved().named
            try Comparer.check(FaultyRNN(mistake: nil, problem: problem).solution().named, expected)
            let missed = RNNMistake.allCases.filter { mistake in
                do {
                    try Comparer.check(
                        FaultyRNN(mistake: mistake, problem: problem).solution().named, expected)
                } catch { return false }
                return true
            }
            #expect(missed == [])
        }
    }
}
