import CRecurrent
import RecurrentReference
import TestSupport
import Testing

/// Forward, backward and the gradient with respect to the weights, whole: against the reference,
/// and byte for byte against themselves.
@Suite struct LSTMSameBitsTests {
    /// The whole chain, its errors carried from the first step to the gradient.
    @Test(arguments: allLSTMSizes, KernelTable.all) func endToEnd(
        sizes: LSTMSizes, isa: KernelTable
    ) throws {
        let problem = lstmProblem(sizes)
        let run = LSTMRun(isa, problem)
        let (tape, backward, gradient) = try run.solved()
        let found = LSTMSolution(
            tape: run.tape(tape), backward: run.backward(backward), gradient: run.cell(gradient))
        try Comparer.check(found.named(sizes), problem.map(exact).solved().named(sizes))
    }

    @Test(arguments: allLSTMSizes, KernelTable.all.dropFirst()) func everyInstructionSet(
        sizes: LSTMSizes, isa: KernelTable
    ) throws {
        let problem = lstmProblem(sizes)
        try checkSameBits(
            LSTMRun(isa, problem).solved(), LSTMRun(KernelTable.all[0], problem).solved())
    }

    @Test(arguments: allLSTMSizes, KernelTable.all) func everyNumberOfShares(
        sizes: LSTMSizes, isa: KernelTable
    ) throws {
        let whole = LSTMRun(isa, lstmProblem(sizes))
        let expected = try whole.solved()
        for count in shareCounts.dropFirst() {
            var shared = whole
            // Backwards, because no part may wait for another.
            shared.shares = (0..<count).reversed().map { recurrent_share(index: $0, count: count) }
            try checkSameBits(shared.solved(), expected)
        }
    }

    /// Each element of the copies is written by one share alone, so that no two threads write to
    /// one place.
    @Test func transposedSharesAreDisjoint() throws {
        for sizes in allLSTMSizes {
            let whole = LSTMRun(KernelTable.all.last!, lstmProblem(sizes))
            for count in shareCounts {
                var writes = [Int](repeating: 0, count: whole.transposedCount)
                for index in 0..<count {
                    var one = whole
                    one.shares = [recurrent_share(index: index, count: count)]
                    let written = try one.transposed()
                    for at in 0..<written.count where !written[at].isNaN { writes[at] += 1 }
                }
                #expect(writes.allSatisfy { $0 == 1 }, "\(sizes), \(count) shares")
            }
        }
    }

    @Test(arguments: allLSTMSizes, KernelTable.all) func stepIsForward(
        sizes: LSTMSizes, isa: KernelTable
    ) throws {
        var sizes = sizes
        (sizes.lengths, sizes.dropout) = (nil, false)
        let run = LSTMRun(isa, lstmProblem(sizes))
        let tape = try run.forward()
        let (c, h) = try run.steps()
        try Comparer.checkSameBits("c", c, tape.c)
        try Comparer.checkSameBits("h", h, tape.h)
    }

    @Test(arguments: allLSTMSizes, KernelTable.all) func rowAlone(
        sizes: LSTMSizes, isa: KernelTable
    ) throws {
        let problem = lstmProblem(sizes)
        let batch = try LSTMRun(isa, problem).solved()
        for row in 0..<sizes.batch {
            try checkSameBits(LSTMRun(isa, problem.row(row)).solved(), batch, row: row, of: sizes)
        }
    }

    /// What is wrong in one row is no business of the others. (In its own row it fills the padding
    /// too, so there is none here.)
    @Test(arguments: KernelTable.all) func nanStaysInItsRow(isa: KernelTable) throws {
        for sizes in [
            LSTMSizes(16, 16, batch: 7, steps: 3),
            LSTMSizes(16, 48, batch: 5, steps: 2, lengths: [2, 1, 2, 0, 1]),
        ]
            + lstmVariants(projection: 32).map({
                LSTMSizes(16, 16, batch: 5, steps: 3, variant: $0)
            })
        {
            var problem = lstmProblem(sizes)
            problem.x[0][0][0] = .nan
            let batch = try LSTMRun(isa, problem).solved()
            for row in 1..<sizes.batch {
                try checkSameBits(
                    LSTMRun(isa, problem.row(row)).solved(), batch, row: row, of: sizes)
            }
        }
    }

    /// A row that ends is a shorter sequence.
    @Test(arguments: KernelTable.all) func endedRowIsAShorterSequence(isa: KernelTable) throws {
        for sizes in allLSTMSizes {
            guard let lengths = sizes.lengths else { continue }
            for (row, length) in lengths.enumerated() {
                let problem = lstmProblem(sizes).row(row)
                let ended = try LSTMRun(isa, problem).solved()
                let short = try LSTMRun(isa, problem.segment(0..<length)).solved()
                try Comparer.checkSameBits(
                    "h", Array(ended.tape.h.prefix(short.tape.h.count)), short.tape.h)
                try Comparer.checkSameBits(
                    "c", Array(ended.tape.c.prefix(short.tape.c.count)), short.tape.c)
                func last(_ states: [Float], of slots: Int) -> [Float] {
                    Array(states.suffix(states.count / slots))
                }
                try Comparer.checkSameBits(
                    "last h", last(ended.tape.h, of: sizes.steps + 1),
                    last(short.tape.h, of: length + 1))
                try Comparer.checkSameBits(
                    "last c", last(ended.tape.c, of: sizes.steps + 1),
                    last(short.tape.c, of: length + 1))
                try Comparer.checkSameBits("dh", ended.backward.dh, short.backward.dh)
                try Comparer.checkSameBits("dc", ended.backward.dc, short.backward.dc)
                try Comparer.checkSameBits("gradient", ended.gradient, short.gradient)
            }
        }
    }

    /// Segments whose states are carried forward and whose gradients are carried back are one
    /// sequence.
    @Test(arguments: KernelTable.all) func segmentsAreOneSequence(isa: KernelTable) throws {
        for sizes in allLSTMSizes where sizes.steps > 1 && sizes.lengths == nil {
            let problem = lstmProblem(sizes)
            let whole = try LSTMRun(isa, problem).solved()
            var first = LSTMRun(isa, problem.segment(0..<1))
            var second = LSTMRun(isa, problem.segment(1..<sizes.steps))
            let tape = try first.forward()
            (second.h0, second.c0) = (
                Array(tape.h.suffix(first.outputCount)), Array(tape.c.suffix(first.stateCount))
            )
            // The gradient with respect to the weights starts from what is there, so the later
            // segment adds to the earlier one's.
            let later = try second.solved()
            (first.dh, first.dc) = (later.backward.dh, later.backward.dc)
            let earlier = try first.solved()
            second.gradient = earlier.gradient
            let joined = try LSTMRun.Solved(
                tape: LSTMRun.Tape(
                    ifgo: earlier.tape.ifgo + later.tape.ifgo, m: earlier.tape.m + later.tape.m,
                    c: earlier.tape.c + later.tape.c.dropFirst(first.stateCount),
                    h: earlier.tape.h + later.tape.h.dropFirst(first.outputCount)),
                backward: LSTMRun.Backward(
                    difgo: earlier.backward.difgo + later.backward.difgo,
                    dhs: earlier.backward.dhs + later.backward.dhs,
                    dh: earlier.backward.dh, dc: earlier.backward.dc,
                    dx: earlier.backward.dx + later.backward.dx),
                gradient: second.weights(
                    later.tape, difgo: later.backward.difgo, dhs: later.backward.dhs))
            try checkSameBits(joined, whole)
        }
    }

    /// A row by itself against that row of a batch: each time step of a batch holds a slot for each
    /// row.
    private func checkSameBits(
        _ alone: LSTMRun.Solved, _ batch: LSTMRun.Solved, row: Int, of sizes: LSTMSizes
    ) throws {
        func check(_ name: String, _ floats: [Float], _ batch: [Float], slots: Int) throws {
            var rows: [Float] = []
            for slot in 0..<slots {
                let width = floats.count / slots
                let start = (slot * sizes.batch + row) * width
                rows += batch[start..<start + width]
            }
            try Comparer.checkSameBits("\(name) of row \(row)", floats, rows)
        }
        try check("ifgo", alone.tape.ifgo, batch.tape.ifgo, slots: sizes.steps)
        try check("m", alone.tape.m, batch.tape.m, slots: sizes.steps)
        try check("c", alone.tape.c, batch.tape.c, slots: sizes.steps + 1)
        try check("h", alone.tape.h, batch.tape.h, slots: sizes.steps + 1)
        try check("difgo", alone.backward.difgo, batch.backward.difgo, slots: sizes.steps)
        try check("dhs", alone.backward.dhs, batch.backward.dhs, slots: sizes.steps)
        try check("dh", alone.backward.dh, batch.backward.dh, slots: 1)
        try check("dc", alone.backward.dc, batch.backward.dc, slots: 1)
        try check("dx", alone.backward.dx, batch.backward.dx, slots: sizes.steps)
    }

    private func checkSameBits(_ found: LSTMRun.Solved, _ expected: LSTMRun.Solved) throws {
        try Comparer.checkSameBits("ifgo", found.tape.ifgo, expected.tape.ifgo)
        try Comparer.checkSameBits("m", found.tape.m, expected.tape.m)
        try Comparer.checkSameBits("c", found.tape.c, expected.tape.c)
        try Comparer.checkSameBits("h", found.tape.h, expected.tape.h)
        try Comparer.checkSameBits("difgo", found.backward.difgo, expected.backward.difgo)
        try Comparer.checkSameBits("dhs", found.backward.dhs, expected.backward.dhs)
        try Comparer.checkSameBits("dh", found.backward.dh, expected.backward.dh)
        try Comparer.checkSameBits("dc", found.backward.dc, expected.backward.dc)
        try Comparer.checkSameBits("dx", found.backward.dx, expected.backward.dx)
        try Comparer.checkSameBits("gradient", found.gradient, expected.gradient)
    }
}
