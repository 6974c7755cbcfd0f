import CRecurrent
import RecurrentReference
import TestSupport
import Testing

/// A layer and its definition: all sizes with one definition after the other, and some with all of
/// them.
struct GRUCase: Sendable, CustomStringConvertible {
    let sizes: LSTMSizes
    let definition: GRUDefinition
    var description: String { "\(sizes) \(definition)" }
    var problem: GRUProblem<Double> {
        GRUProblem(sizes, definition: definition, seed: UInt64(sizes.input * 1000 + sizes.hidden))
    }

    func withoutLengths() -> GRUCase {
        var sizes = sizes
        (sizes.lengths, sizes.dropout) = (nil, false)
        return GRUCase(sizes: sizes, definition: definition)
    }
}

/// The LSTM's sizes, and one for each number of chains and panels that a recurrent sum has.
let gruCases: [GRUCase] =
    lstmSizes.enumerated().map { GRUCase(sizes: $1, definition: GRUDefinition.allCases[$0 % 3]) }
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
    ].flatMap { sizes in GRUDefinition.allCases.map { GRUCase(sizes: sizes, definition: $0) } }

// MARK: Against the reference

@Sendable func checkGRUForward(_ isa: KernelTable) throws {
    for gru in gruCases {
        try at(gru) {
            let run = GRURun(isa, gru.problem)
            let expected = gru.problem.map(exact)
            let tape = expected.cell.forward(
                x: expected.x, h0: expected.h0, lengths: gru.sizes.lengths, mask: expected.mask)
            try Comparer.check(run.tape(run.forward()).named(gru.sizes), tape.named(gru.sizes))
        }
    }
}

@Sendable func checkGRUStep(_ isa: KernelTable) throws {
    for gru in gruCases.map({ $0.withoutLengths() }) {
        try at(gru) {
            let run = GRURun(isa, gru.problem)
            let expected = gru.problem.map(exact)
            let h = expected.cell.forward(x: expected.x, h0: expected.h0).h
            try Comparer.check(
                [("h", run.states(run.steps()).joined().flatMap { $0 })],
                [("h", h.joined().flatMap { $0 })])
        }
    }
}

/// transposed[q][j][l] = W[j][16 q + l], the input columns and then the hidden columns.
@Sendable func checkGRUTranspose(_ isa: KernelTable) throws {
    for gru in gruCases {
        try at(gru) {
            let problem = gru.problem
            let run = GRURun(isa, problem)
            var expected = [Float](repeating: 0, count: run.transposedCount)
            for (group, gate) in problem.cell.gates.all.enumerated() {
                for unit in 0..<gru.sizes.hidden {
                    let j = run.order.rowIndex(row: 0, group: group, unit: unit)
                    func index(_ column: Int) -> Int {
                        (column / 16 * run.order.rowCount + j) * 16 + column % 16
                    }
                    for column in 0..<gru.sizes.input {
                        expected[index(column)] = Float(gate.W[unit][column])
                    }
                    for column in 0..<gru.sizes.hidden {
                        expected[index(KernelOrder.padded(gru.sizes.input) + column)] = Float(
                            gate.U[unit][column])
                    }
                }
            }
            try Comparer.checkSameBits("transposed", run.transposed(), expected)
        }
    }
}

/// From a tape that is exact by definition, so that the bound holds the errors of the backward pass
/// alone.
@Sendable func checkGRUBackwardData(_ isa: KernelTable) throws {
    func rounded(_ values: [Double]) -> [Double] { values.map { Double(Float($0)) } }
    for gru in gruCases {
        try at(gru) {
            let problem = gru.problem
            let run = GRURun(isa, problem)
            let expected = problem.map(exact)
            var tape = problem.cell.forward(
                x: problem.x, h0: problem.h0, lengths: gru.sizes.lengths, mask: problem.mask)
            tape = GRUTape(
                gates: tape.gates.map { $0.map { $0.map(rounded) } },
                past: tape.past.map { $0.map(rounded) }, h: tape.h.map { $0.map(rounded) })
            let memory = GRURun.Tape(
                rzn: run.rows(tape.gates), past: KernelOrder.padded(Array(tape.past.joined())),
                h: KernelOrder.padded(Array(tape.h.joined())))
            let exactTape = GRUTape(
                gates: tape.gates.map { $0.map { $0.map { $0.map(exact) } } },
                past: tape.past.map { $0.map { $0.map(exact) } },
                h: tape.h.map { $0.map { $0.map(exact) } })
            let transposed = try run.transposed()
            for withDy in [true, false] {
                let found = try run.backward(memory, transposed: transposed, withDy: withDy)
                let backward = expected.cell.backward(
                    tape: exactTape, dy: withDy ? expected.dy : nil, dh: expected.dh,
                    lengths: gru.sizes.lengths,
                    mask: expected.mask)
                try Comparer.check(run.backward(found).named, backward.named)
            }
            let with = try run.backward(memory, transposed: transposed)
            let without = try run.backward(memory, transposed: transposed, withDx: false)
            try Comparer.checkSameBits("drzn without dx", without.drzn, with.drzn)
            try Comparer.checkSameBits("dpast without dx", without.dpast, with.dpast)
            try Comparer.checkSameBits("dh without dx", without.dh, with.dh)
        }
    }
}

@Sendable func checkGRUBackwardWeights(_ isa: KernelTable) throws {
    for gru in gruCases {
        try at(gru) {
            let problem = gru.problem
            let run = GRURun(isa, problem)
            let sizes = gru.sizes
            // Any tape and gradients will do; those of ended steps must not matter.
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
            let past = floats(sizes.steps)
            let dpast = floats(sizes.steps)
            let (dr, dz, dn) = (floats(sizes.steps), floats(sizes.steps), floats(sizes.steps))
            let dgates = dr.indices.map { t in
                dr[t].indices.map { GRUGates(r: dr[t][$0], z: dz[t][$0], n: dn[t][$0]) }
            }
            func exactly(_ sequence: [[[Double]]]) -> [[[RunningError]]] {
                sequence.map { $0.map { $0.map(exact) } }
            }
            var gradient = problem.gradient.map(exact)
            gradient.addGradient(
                x: problem.map(exact).x,
                tape: GRUTape(gates: [], past: exactly(past), h: exactly(h)),
                backward: GRUBackward(
                    dgates: dgates.map { $0.map { $0.map { $0.map(exact) } } },
                    dpast: exactly(dpast), dx: [], dh0: []),
                lengths: sizes.lengths, mask: problem.mask?.map { $0.map(exact) })
            func padded(_ sequence: [[[Double]]]) -> [Float] {
                KernelOrder.padded(Array(sequence.joined()))
            }
            let found = try run.weights(
                GRURun.Tape(rzn: [], past: padded(past), h: padded(h)), drzn: run.rows(dgates),
                dpast: padded(dpast))
            try Comparer.check(
                run.order.gruCell(found, input: sizes.input, gru.definition).named, gradient.named)
        }
    }
}

@Suite struct GRUTests {
    /// The whole chain, its errors carried from the first step to the gradient.
    @Test(arguments: gruCases, KernelTable.all) func endToEnd(gru: GRUCase, isa: KernelTable) throws
    {
        let run = GRURun(isa, gru.problem)
        try Comparer.check(
            run.solution(run.solved(), gru.definition).named(gru.sizes),
            gru.problem.map(exact).solved().named(gru.sizes))
    }

    /// The kernels' definitions differ too, from the first of two steps on.
    @Test(arguments: KernelTable.all) func theDefinitionsAreToldApart(isa: KernelTable) throws {
        let problem = GRUProblem(LSTMSizes(2, 3, steps: 2), definition: .resetBefore, seed: 5)
        let states = try GRUDefinition.allCases.map { definition in
            var problem = problem
            problem.cell.definition = definition
            return try GRURun(isa, problem).steps()
        }
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            for step in 1...2 {
                for unit in 0..<3 {
                    #expect(
                        (states[a][step * 16 + unit] - states[b][step * 16 + unit]).magnitude > 1e-4
                    )
                }
            }
        }
    }

    /// Without an input, and with a gate that lets go of half, a state comes to rest at zero, not
    /// at the smallest subnormal number.
    @Test(arguments: GRUDefinition.allCases, KernelTable.all) func silenceComesToRest(
        definition: GRUDefinition, isa: KernelTable
    ) throws {
        var problem = GRUProblem(LSTMSizes(1, 3, steps: 200), definition: definition, seed: 5)
        problem.cell = problem.cell.map { _ in 0 }
        // σ(0) is a half: of the lecture form's candidate, too, which is to be zero.
        if definition == .lecture { problem.cell.gates.n.b = [-200, -200, -200] }
        problem.x = problem.x.map { _ in [[0]] }
        let h = try GRURun(isa, problem).steps()
        #expect(Array(h.suffix(16)) == [Float](repeating: 0, count: 16))
        #expect(h.allSatisfy { $0 == 0 || $0.isNormal })
        #expect(h[100 * 16] != 0)
    }

    // MARK: The same bits

    private func checkSameBits(_ found: GRURun.Solved, _ expected: GRURun.Solved) throws {
        for (found, expected) in zip(found.named, expected.named) {
            try Comparer.checkSameBits(found.name, found.floats, expected.floats)
        }
    }

    @Test(arguments: gruCases, KernelTable.all.dropFirst()) func everyInstructionSet(
        gru: GRUCase, isa: KernelTable
    ) throws {
        try checkSameBits(
            GRURun(isa, gru.problem).solved(), GRURun(KernelTable.all[0], gru.problem).solved())
    }

    @Test(arguments: gruCases, KernelTable.all) func everyNumberOfShares(
        gru: GRUCase, isa: KernelTable
    ) throws {
        var run = GRURun(isa, gru.problem)
        let expected = try run.solved()
        for count in shareCounts.dropFirst() {
            // Backwards, because no part may wait for another.
            run.shares = (0..<count).reversed().map { recurrent_share(index: $0, count: count) }
            try checkSameBits(run.solved(), expected)
        }
    }

    @Test(arguments: gruCases, KernelTable.all) func stepIsForward(gru: GRUCase, isa: KernelTable)
        throws
    {
        let run = GRURun(isa, gru.withoutLengths().problem)
        try Comparer.checkSameBits("h", run.steps(), run.forward().h)
    }

    /// A row by itself against that row of the batch, of which each time step holds a slot for each
    /// row.
    @Test(arguments: gruCases, KernelTable.all) func rowAlone(gru: GRUCase, isa: KernelTable) throws
    {
        let batch = try GRURun(isa, gru.problem).solved()
        for row in 0..<gru.sizes.batch {
            let alone = try GRURun(isa, gru.problem.row(row)).solved()
            func check(_ name: String, _ array: KeyPath<GRURun.Solved, [Float]>, slots: Int) throws
            {
                let floats = alone[keyPath: array]
                let width = floats.count / max(slots, 1)
                let rows = (0..<slots).flatMap {
                    batch[keyPath: array][(($0 * gru.sizes.batch + row) * width)...].prefix(width)
                }
                try Comparer.checkSameBits("\(name) of row \(row)", floats, rows)
            }
            try check("h", \.tape.h, slots: gru.sizes.steps + 1)
            try check("rzn", \.tape.rzn, slots: gru.sizes.steps)
            try check("past", \.tape.past, slots: gru.sizes.steps)
            try check("drzn", \.drzn, slots: gru.sizes.steps)
            try check("dpast", \.dpast, slots: gru.sizes.steps)
            try check("dh", \.dh, slots: 1)
            try check("dx", \.dx, slots: gru.sizes.steps)
        }
    }

    /// A row that ends is a shorter sequence.
    @Test(arguments: KernelTable.all) func endedRowIsAShorterSequence(isa: KernelTable) throws {
        for gru in gruCases {
            for (row, length) in (gru.sizes.lengths ?? []).enumerated() {
                let problem = gru.problem.row(row)
                let ended = try GRURun(isa, problem).solved()
                let short = try GRURun(isa, problem.segment(0..<length)).solved()
                try Comparer.checkSameBits(
                    "h", Array(ended.tape.h.prefix(short.tape.h.count)), short.tape.h)
                let width = short.dh.count
                try Comparer.checkSameBits(
                    "last h", Array(ended.tape.h.suffix(width)), Array(short.tape.h.suffix(width)))
                try Comparer.checkSameBits("dh", ended.dh, short.dh)
                try Comparer.checkSameBits("gradient", ended.gradient, short.gradient)
            }
        }
    }

    /// Segments whose states are carried forward and whose gradients are carried back are one
    /// sequence.
    @Test(arguments: KernelTable.all) func segmentsAreOneSequence(isa: KernelTable) throws {
        for gru in gruCases where gru.sizes.steps > 1 && gru.sizes.lengths == nil {
            let whole = try GRURun(isa, gru.problem).solved()
            var first = GRURun(isa, gru.problem.segment(0..<1))
            var second = GRURun(isa, gru.problem.segment(1..<gru.sizes.steps))
            second.h0 = try Array(first.forward().h.suffix(first.stateCount))
            let later = try second.solved()
            first.dh = later.dh
            let earlier = try first.solved()
            // The gradient with respect to the weights starts from what is there, so the later
            // segment adds to the earlier one's.
            second.gradient = earlier.gradient
            let gradient = try second.weights(later.tape, drzn: later.drzn, dpast: later.dpast)
            let tape = GRURun.Tape(
                rzn: earlier.tape.rzn + later.tape.rzn, past: earlier.tape.past + later.tape.past,
                h: earlier.tape.h + later.tape.h.dropFirst(first.stateCount))
            try checkSameBits(
                GRURun.Solved(
                    tape: tape, drzn: earlier.drzn + later.drzn, dpast: earlier.dpast + later.dpast,
                    dh: earlier.dh, dx: earlier.dx + later.dx,
                    gradient: gradient), whole)
        }
    }

    // MARK: Planted mistakes

    /// The bounds of these tests reject every mistake, with every definition, in one panel and in
    /// two.
    @Test(arguments: GRUDefinition.allCases) func plantedMistakesAreRejected(
        definition: GRUDefinition
    ) throws {
        for sizes in [
            LSTMSizes(5, 5, batch: 3, steps: 4, lengths: [4, 2, 3]),
            LSTMSizes(18, 18, batch: 2, steps: 3, lengths: [3, 2]),
        ] {
            let problem = GRUProblem(sizes, definition: definition, seed: 21)
            let expected = problem.map(exact).solved().named(sizes)
            try Comparer.check(
                FaultyGRU(mistake: nil, problem: problem).solution().named(sizes), expected)
            let missed = GRUMistake.allCases.filter { mistake in
                do {
                    try Comparer.check(
                        FaultyGRU(mistake: mistake, problem: problem).solution().named(sizes),
                        expected)
                } catch { return false }
                return true
            }
            #expect(missed == [])
        }
    }
}
