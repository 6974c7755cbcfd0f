import CKernels
import Reference
import Testing
import TestSupport

/// Forward, backward and the gradient by the weights, whole: against the reference, and byte for byte against themselves.
@Suite struct LSTMSameBitsTests {
    /// The whole chain, its errors carried from the first step to the gradient.
    @Test(arguments: lstmSizes, KernelTable.all) func endToEnd(sizes: LSTMSizes, isa: KernelTable) throws {
        let problem = lstmProblem(sizes), run = LSTMRun(isa, problem)
        let (tape, backward, gradient) = try run.solved()
        let found = LSTMSolution(
            tape: run.tape(tape), backward: run.backward(backward), gradient: run.order.cell(gradient, input: sizes.input))
        try Comparer.check(found.named(sizes), problem.map(exact).solved().named(sizes))
    }

    @Test(arguments: lstmSizes, KernelTable.all.dropFirst()) func everyInstructionSet(sizes: LSTMSizes, isa: KernelTable) throws {
        let problem = lstmProblem(sizes)
        try checkSameBits(LSTMRun(isa, problem).solved(), LSTMRun(KernelTable.all[0], problem).solved())
    }

    @Test(arguments: lstmSizes, KernelTable.all) func everyNumberOfShares(sizes: LSTMSizes, isa: KernelTable) throws {
        let whole = LSTMRun(isa, lstmProblem(sizes)), expected = try whole.solved()
        for count in shareCounts.dropFirst() {
            var shared = whole
            // Backwards, because no part may wait for another.
            shared.shares = (0..<count).reversed().map { recurrent_share(index: $0, count: count) }
            try checkSameBits(shared.solved(), expected)
        }
    }

    @Test(arguments: lstmSizes, KernelTable.all) func stepIsForward(sizes: LSTMSizes, isa: KernelTable) throws {
        var sizes = sizes
        sizes.lengths = nil
        let run = LSTMRun(isa, lstmProblem(sizes))
        let tape = try run.forward(), (c, h) = try run.steps()
        try Comparer.checkSameBits("c", c, tape.c)
        try Comparer.checkSameBits("h", h, tape.h)
    }

    @Test(arguments: lstmSizes, KernelTable.all) func rowAlone(sizes: LSTMSizes, isa: KernelTable) throws {
        let problem = lstmProblem(sizes), run = LSTMRun(isa, problem)
        let (tape, backward, _) = try run.solved()
        for row in 0..<sizes.batch {
            let alone = LSTMRun(isa, problem.row(row))
            let (aloneTape, aloneBackward, _) = try alone.solved()
            /// Each time step of `batch` holds a slot for each row.
            func check(_ name: String, _ floats: [Float], _ batch: [Float], slots: Int) throws {
                let width = floats.count / slots
                var rows: [Float] = []
                for slot in 0..<slots {
                    let start = (slot * sizes.batch + row) * width
                    rows += batch[start..<start + width]
                }
                try Comparer.checkSameBits("\(name) of row \(row)", floats, rows)
            }
            try check("ifgo", aloneTape.ifgo, tape.ifgo, slots: sizes.steps)
            try check("c", aloneTape.c, tape.c, slots: sizes.steps + 1)
            try check("h", aloneTape.h, tape.h, slots: sizes.steps + 1)
            try check("difgo", aloneBackward.difgo, backward.difgo, slots: sizes.steps)
            try check("dh", aloneBackward.dh, backward.dh, slots: 1)
            try check("dc", aloneBackward.dc, backward.dc, slots: 1)
            try check("dx", aloneBackward.dx, backward.dx, slots: sizes.steps)
        }
    }

    func checkSameBits(_ found: LSTMRun.Solved, _ expected: LSTMRun.Solved) throws {
        try Comparer.checkSameBits("ifgo", found.tape.ifgo, expected.tape.ifgo)
        try Comparer.checkSameBits("c", found.tape.c, expected.tape.c)
        try Comparer.checkSameBits("h", found.tape.h, expected.tape.h)
        try Comparer.checkSameBits("difgo", found.backward.difgo, expected.backward.difgo)
        try Comparer.checkSameBits("dh", found.backward.dh, expected.backward.dh)
        try Comparer.checkSameBits("dc", found.backward.dc, expected.backward.dc)
        try Comparer.checkSameBits("dx", found.backward.dx, expected.backward.dx)
        try Comparer.checkSameBits("gradient", found.gradient, expected.gradient)
    }
}
