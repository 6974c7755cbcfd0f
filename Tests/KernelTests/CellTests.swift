import CRecurrent
import RecurrentReference
import TestSupport
import Testing

private let cases: [CellCase] = testedCells.flatMap { $0.cases }
private let plain: [any TestedCell] = testedCells.flatMap { $0.plain }

/// All kernels of all cells: forward, backward and the gradient with respect to the weights, whole,
/// against the reference, and byte for byte against themselves.
@Suite struct CellTests {
    /// A cell of C that is not tested fails here.
    @Test func everyCellIsTested() {
        for (index, cell) in testedCells.enumerated() { #expect(cell.cell.rawValue == index) }
        #expect(
            KernelTable.names.filter { $0.hasSuffix("_step") }
                == testedCells.map { "\($0.name)_step" })
    }

    /// The whole chain, its errors carried from the first step to the gradient.
    @Test(arguments: cases, KernelTable.all) func endToEnd(sizes: CellCase, isa: KernelTable) throws
    {
        let problem = sizes.problem
        try Comparer.check(
            sizes.promised(CellRun(isa, problem).solved()), sizes.flat(problem.map(exact).solved()))
    }

    @Test(arguments: cases, KernelTable.all.dropFirst()) func everyInstructionSet(
        sizes: CellCase, isa: KernelTable
    ) throws {
        try Comparer.checkSameBits(
            CellRun(isa, sizes.problem).solved(),
            CellRun(KernelTable.all[0], sizes.problem).solved())
    }

    @Test(arguments: cases, KernelTable.all) func everyNumberOfPartitions(
        sizes: CellCase, isa: KernelTable
    ) throws {
        var run = CellRun(isa, sizes.problem)
        let expected = try run.solved()
        for count in partitionCounts.dropFirst() {
            // Backwards, because no part may wait for another.
            run.partitions = (0..<count).reversed().map {
                recurrent_partition(index: $0, count: count)
            }
            try Comparer.checkSameBits(run.solved(), expected)
        }
    }

    /// Each element of the copies is written by one partition alone, so that no two threads write
    /// to one place.
    @Test func transposedPartitionsAreDisjoint() throws {
        for sizes in cases {
            var run = CellRun(KernelTable.all.last!, sizes.problem)
            for count in partitionCounts {
                var writes = try run.transposed().map { _ in 0 }
                for index in 0..<count {
                    run.partitions = [recurrent_partition(index: index, count: count)]
                    let written = try run.transposed()
                    for at in written.indices where !written[at].isNaN { writes[at] += 1 }
                }
                #expect(writes.allSatisfy { $0 == 1 }, "\(sizes), \(count) partitions")
            }
        }
    }

    @Test(arguments: cases, KernelTable.all) func stepIsForward(sizes: CellCase, isa: KernelTable)
        throws
    {
        let run = CellRun(isa, sizes.bare.problem)
        let (steps, tape) = try (run.steps(), run.forward())
        try Comparer.checkSameBits("c", steps.c, tape.c)
        try Comparer.checkSameBits("h", steps.h, tape.h)
    }

    @Test(arguments: cases, KernelTable.all) func rowAlone(sizes: CellCase, isa: KernelTable) throws
    {
        try checkRows(Array(0..<sizes.batch), sizes.problem, isa)
    }

    /// What is wrong in one row is no business of the others.
    @Test(arguments: KernelTable.all) func nanStaysInItsRow(isa: KernelTable) throws {
        let wide = TestedLSTM.variants(projection: 32).map {
            CellCase(16, 16, batch: 5, steps: 3, cell: $0)
        }
        for sizes in plain.flatMap({ cell in
            [
                CellCase(16, 16, batch: 7, steps: 3, cell: cell),
                CellCase(16, 48, batch: 5, steps: 2, lengths: [2, 1, 2, 0, 1], cell: cell),
            ]
        }) + wide {
            var problem = sizes.problem
            problem.x[0][0][0] = .nan
            try checkRows(Array(1..<sizes.batch), problem, isa)
        }
    }

    /// A row that ends is a shorter sequence.
    @Test(arguments: KernelTable.all) func endedRowIsAShorterSequence(isa: KernelTable) throws {
        for sizes in cases {
            for (row, length) in (sizes.lengths ?? []).enumerated() {
                let problem = sizes.problem.row(row)
                let ended = try CellRun(isa, problem).solved()
                let short = try CellRun(isa, problem.segment(0..<length)).solved()
                for field in Solved<Float>.ofStates {
                    let (ended, short) = (ended[keyPath: field.path], short[keyPath: field.path])
                    try Comparer.checkSameBits(
                        field.name, Array(ended.prefix(short.count)), short)
                    let width = short.count / (length + 1)
                    try Comparer.checkSameBits(
                        "last \(field.name)", Array(ended.suffix(width)),
                        Array(short.suffix(width)))
                }
                try Comparer.checkSameBits("dh", ended.dh, short.dh)
                try Comparer.checkSameBits("dc", ended.dc, short.dc)
                try Comparer.checkSameBits("gradient", ended.gradient, short.gradient)
            }
        }
    }

    /// Segments whose states are carried forward and whose gradients are carried back are one
    /// sequence.
    @Test(arguments: KernelTable.all) func segmentsAreOneSequence(isa: KernelTable) throws {
        for sizes in cases where sizes.steps > 1 && sizes.lengths == nil {
            let whole = try CellRun(isa, sizes.problem).solved()
            var first = CellRun(isa, sizes.problem.segment(0..<1))
            var second = CellRun(isa, sizes.problem.segment(1..<sizes.steps))
            let tape = try first.forward()
            second.h0 = Array(tape.h.suffix(first.h0.count))
            second.c0 = Array(tape.c.suffix(first.c0.count))
            let later = try second.solved()
            (first.dh, first.dc) = (later.dh, later.dc)
            var joined = try first.solved()
            // The gradient with respect to the weights starts from what is there, so the later
            // segment adds to the earlier one's.
            second.gradient = joined.gradient
            joined.gradient = try second.weights(later)
            joined.h += later.h.dropFirst(first.h0.count)
            joined.c += later.c.dropFirst(first.c0.count)
            for field in Solved<Float>.ofSteps {
                joined[keyPath: field.path] += later[keyPath: field.path]
            }
            try Comparer.checkSameBits(joined, whole)
        }
    }

    /// Without an input, and with a gate that lets go of half, a state comes to rest at zero, not
    /// at the smallest subnormal number.
    @Test(arguments: plain, KernelTable.all) func silenceComesToRest(
        cell: any TestedCell, isa: KernelTable
    ) throws {
        var problem = CellProblem(CellCase(1, 3, steps: 200, cell: cell), seed: 5)
        problem.x = problem.x.map { _ in [[0]] }
        guard cell.decay(&problem) else { return }
        let steps = try CellRun(isa, problem).steps()
        for states in [steps.h, steps.c] where !states.isEmpty {
            #expect(Array(states.suffix(16)) == [Float](repeating: 0, count: 16))
            #expect(states[100 * 16] != 0)
        }
        // What is below the smallest normal number is zero from the next step on; of a GRU, at
        // once. Of the plain layer, whose state nothing keeps, kernel_list.h promises nothing.
        let states = steps.c.isEmpty ? steps.h : steps.c
        for at in states.indices where states[at].isSubnormal && !(cell is TestedRNN) {
            #expect(states[at + 16] == 0 && !(cell is TestedGRU))
        }
    }

    /// The kernels of a cell's variants differ too, from the first of two steps on.
    @Test(arguments: testedCells.indices, KernelTable.all) func theVariantsAreToldApart(
        cell: Int, isa: KernelTable
    ) throws {
        let all = testedCells[cell].toldApart
        let problem = CellProblem(CellCase(2, 3, steps: 2, cell: all.last!), seed: 5)
        let states = try all.map { variant in
            var problem = problem
            problem.sizes.cell = variant
            problem.parameters.inner = variant.gates.indices.map {
                variant.innerGates.contains($0) ? [0, 0, 0] : []
            }
            return try CellRun(isa, problem).steps().h
        }
        for (index, a) in states.enumerated() {
            for b in states[..<index] {
                for at in [16, 32].flatMap({ $0..<$0 + 3 }) {
                    #expect((a[at] - b[at]).magnitude > 1e-4)
                }
            }
        }
    }

    // MARK: Planted mistakes

    /// The bounds of these tests reject every mistake.
    @Test(arguments: testedCells.flatMap { $0.planted }) func plantedMistakesAreRejected(
        sizes: CellCase
    ) throws {
        let problem = CellProblem(sizes, seed: 21)
        let expected = sizes.flat(problem.map(exact).solved())
        func check(_ mistake: CellMistake) throws {
            try Comparer.check(
                sizes.flat(mistake.solution(problem)).map { Float($0) }, expected)
        }
        try check(.none)
        let mistakes = CellMistake.all(problem)
        #expect(mistakes.count >= 30)
        let missed = mistakes.filter { (try? check($0)) != nil }
        #expect(missed.map(\.name) == [])
        print("planted mistakes rejected: \(mistakes.count - missed.count) of \(sizes)")
    }

    // MARK: The same bits

    /// Rows by themselves against those of a batch: each time step of a batch holds a slot for each
    /// row.
    private func checkRows(_ rows: [Int], _ problem: CellProblem<Double>, _ isa: KernelTable) throws
    {
        let (steps, count) = (problem.sizes.steps, problem.sizes.batch)
        let batch = try CellRun(isa, problem).solved()
        for row in rows {
            let alone = try CellRun(isa, problem.row(row)).solved()
            func check(_ fields: [Solved<Float>.Field], slots: Int) throws {
                for field in fields where slots > 0 {
                    let floats = alone[keyPath: field.path]
                    let width = floats.count / slots
                    let whole = batch[keyPath: field.path]
                    let own = (0..<slots).flatMap {
                        whole[(($0 * count + row) * width)...].prefix(width)
                    }
                    try Comparer.checkSameBits("\(field.name) of row \(row)", floats, own)
                }
            }
            try check(Solved<Float>.ofStates, slots: steps + 1)
            try check(Solved<Float>.ofSteps, slots: steps)
            try check(Solved<Float>.ofStart, slots: 1)
        }
    }
}
