import CRecurrent
import RecurrentReference
import TestSupport
import Testing

/// What gates that are held at exactly zero or one make of an LSTM.
@Suite struct LSTMPropertyTests {
    /// A bias that closes or opens a gate for certain: σ(±200) is 0 or 1 in float.
    private static let far = 200.0

    private static func problem(_ sizes: LSTMSizes, i: Double, f: Double, o: Double? = nil)
        -> LSTMProblem<Double>
    {
        var problem = LSTMProblem<Double>(sizes, seed: 8)
        problem.cell.gates.i.b = problem.cell.gates.i.b.map { _ in i }
        problem.cell.gates.f.b = problem.cell.gates.f.b.map { _ in f }
        if let o { problem.cell.gates.o.b = problem.cell.gates.o.b.map { _ in o } }
        return problem
    }

    /// With i = o = 1 and f = 0 the cell state is its candidate, c = f(W x + U h_prev + b): a step
    /// of the plain recurrent layer from the h before it, after which the LSTM squashes once more,
    /// h = f(c). With as many panels as a sum of both is one chain for, bit for bit; and so through
    /// a whole sequence.
    @Test(arguments: [false, true], KernelTable.all) func withGatesAtOneItIsThePlainLayer(
        sigmoid: Bool, isa: KernelTable
    ) throws {
        let sizes = LSTMSizes(5, 70, batch: 3, steps: 4, variant: LSTMVariant(sigmoid: sigmoid))
        let problem = Self.problem(sizes, i: Self.far, f: -Self.far, o: Self.far)
        let tape = try LSTMRun(isa, problem).forward()
        var plain = RNNProblem<Double>(sizes, f: sigmoid ? .sigmoid : .tanh, seed: 8)
        plain.cell.parameters = problem.cell.gates.g
        let squash = sigmoid ? isa.kernels.vector_sigmoid : isa.kernels.vector_tanh
        let state = KernelOrder.padded(sizes.hidden) * sizes.batch
        var h = KernelOrder.padded(problem.h0)
        for t in 0..<sizes.steps {
            var step = plain.segment(t..<t + 1)
            step.h0 = KernelOrder.unpadded(h, rows: sizes.batch, units: sizes.hidden)
            let c = Array(try RNNRun(isa, step).steps().suffix(state))
            h = [Float](repeating: 0, count: state)
            squash(state, c, &h)
            // σ(0), past the last unit, is not zero.
            for index in KernelOrder(units: sizes.hidden, groups: 1, columns: 1).rowPadding(
                sizes.batch)
            { h[index] = 0 }
            try Comparer.checkSameBits(
                "c of step \(t)", Array(tape.c[(t + 1) * state..<(t + 2) * state]), c)
            try Comparer.checkSameBits(
                "h of step \(t)", Array(tape.h[(t + 1) * state..<(t + 2) * state]), h)
        }
    }

    /// Whatever else a cell does, but for a clip that cuts: with f = 1 and i = 0 the cell state is
    /// what it was, bit for bit, and so is its gradient, where the loss does not depend on h. In a
    /// coupled cell i = 0 is enough.
    @Test(arguments: 0..<32, KernelTable.all) func withAnOpenForgetGateTheStateStays(
        parts: Int, isa: KernelTable
    ) throws {
        let variant = LSTMVariant(
            sigmoid: parts & 1 != 0, peepholes: parts & 2 != 0, coupled: parts & 4 != 0,
            clip: parts & 8 != 0 ? 1.5 : nil,
            projection: parts & 16 != 0 ? 7 : nil)
        let sizes = LSTMSizes(3, 18, batch: 4, steps: 5, lengths: [5, 0, 3, 1], variant: variant)
        var problem = Self.problem(sizes, i: -Self.far, f: variant.coupled ? 0 : Self.far)
        problem.dh = problem.dh.map { $0.map { _ in 0 } }
        var run = LSTMRun(isa, problem)
        let tape = try run.forward()
        for t in 0...sizes.steps {
            try Comparer.checkSameBits(
                "c", Array(tape.c[t * run.stateCount..<(t + 1) * run.stateCount]), run.c0)
        }
        let backward = try run.backward(
            ifgo: tape.ifgo, c: tape.c, transposed: run.transposed(), withDy: false)
        try Comparer.checkSameBits("dc", backward.dc, run.dc)
        // A clip that cuts does so once, and nothing that comes before has a gradient.
        if variant.clip != nil {
            run.shape.lstm.clip = 0.25
            let clipped = try run.forward()
            let expected = run.c0.map { min(max($0, -0.25), 0.25) }
            try Comparer.checkSameBits(
                "clipped c",
                Array(clipped.c[run.stateCount..<run.stateCount + KernelOrder.padded(18)]),
                Array(expected.prefix(32)))
            try Comparer.checkSameBits(
                "last c of row 0", Array(clipped.c[5 * run.stateCount..<5 * run.stateCount + 32]),
                Array(expected.prefix(32)))
            let dc = try run.backward(
                ifgo: clipped.ifgo, c: clipped.c, transposed: run.transposed(), withDy: false
            ).dc
            let cut = (0..<18).filter { run.c0[$0].magnitude > 0.25 }
            #expect(cut.count > 5)
            for unit in 0..<18 { #expect(dc[unit] == (cut.contains(unit) ? 0 : run.dc[unit])) }
        }
    }
}
