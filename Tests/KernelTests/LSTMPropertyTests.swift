import CRecurrent
import RecurrentReference
import TestSupport
import Testing

/// What gates that are held at exactly zero or one make of an LSTM.
@Suite struct LSTMPropertyTests {
    /// A bias that closes or opens a gate for certain: σ(±200) is 0 or 1 in float.
    private static let far = 200.0

    private static func problem(_ sizes: CellCase, i: Double, f: Double, o: Double? = nil)
        -> CellProblem<Double>
    {
        var problem = CellProblem<Double>(sizes, seed: 8)
        for (gate, bias) in [(0, i), (1, f), (3, o)] {
            guard let bias else { continue }
            problem.parameters.gates[gate].b = problem.parameters.gates[gate].b.map { _ in bias }
        }
        return problem
    }

    /// With i = o = 1 and f = 0 the cell state is its candidate, c = f(W x + U h_prev + b): a step
    /// of the plain recurrent layer from the h before it, after which the LSTM takes f once
    /// more, h = f(c). With as many panels as a sum of both is one chain for, bit for bit; and so
    /// through a whole sequence.
    @Test(arguments: [false, true], KernelTable.all) func withGatesAtOneItIsThePlainLayer(
        sigmoid: Bool, isa: KernelTable
    ) throws {
        let sizes = CellCase(
            5, 70, batch: 3, steps: 4,
            cell: TestedLSTM(LSTMVariant(activation: sigmoid ? .sigmoid : .tanh)))
        let problem = Self.problem(sizes, i: Self.far, f: -Self.far, o: Self.far)
        let tape = try CellRun(isa, problem).forward()
        var plain = problem
        plain.sizes.cell = TestedRNN(sigmoid ? .sigmoid : .tanh)
        for parameters: WritableKeyPath<CellProblem<Double>, CellParameters<Double>> in [
            \.parameters, \.gradient,
        ] {
            let candidate = problem[keyPath: parameters].gates[2]
            plain[keyPath: parameters] = CellParameters(gates: [candidate], inner: [[]])
        }
        let activate = sigmoid ? isa.kernels.vector_sigmoid : isa.kernels.vector_tanh
        let state = KernelOrder.padded(sizes.hidden) * sizes.batch
        var h = KernelOrder.padded(problem.h0)
        for t in 0..<sizes.steps {
            var step = plain.segment(t..<t + 1)
            step.h0 = KernelOrder.unpadded(h, rows: sizes.batch, units: sizes.hidden)
            let c = Array(try CellRun(isa, step).steps().h.suffix(state))
            h = [Float](repeating: 0, count: state)
            activate(state, c, &h)
            // σ(0), past the last unit, is not zero.
            for index in KernelOrder(units: sizes.hidden, groups: 1, columns: 1).rowPadding(
                sizes.batch)
            { h[index] = 0 }
            let slot = (t + 1) * state..<(t + 2) * state
            try Comparer.checkSameBits("c of step \(t)", Array(tape.c[slot]), c)
            try Comparer.checkSameBits("h of step \(t)", Array(tape.h[slot]), h)
        }
    }

    /// Whatever else a cell does, but for a clip that cuts: with f = 1 and i = 0 the cell state is
    /// what it was, bit for bit, and so is its gradient, where the loss does not depend on h. In a
    /// coupled cell i = 0 is enough.
    @Test(arguments: 0..<32, KernelTable.all) func withAnOpenForgetGateTheStateStays(
        parts: Int, isa: KernelTable
    ) throws {
        let cell = TestedLSTM(parts: parts, clip: 1.5, projection: 7)
        let sizes = CellCase(3, 18, batch: 4, steps: 5, lengths: [5, 0, 3, 1], cell: cell)
        var problem = Self.problem(sizes, i: -Self.far, f: cell.variant.coupled ? 0 : Self.far)
        problem.dh = problem.dh.map { $0.map { _ in 0 } }
        problem.dy = nil
        var run = CellRun(isa, problem)
        let state = run.c0.count
        let tape = try run.forward()
        for t in 0...sizes.steps {
            try Comparer.checkSameBits("c", Array(tape.c[t * state..<(t + 1) * state]), run.c0)
        }
        let dc = try run.backward(tape, transposed: run.transposed()).dc
        try Comparer.checkSameBits("dc", dc, run.dc)
        // A clip that cuts does so once, and nothing that comes before has a gradient.
        if cell.variant.clip != nil {
            run.shape.lstm.clip = 0.25
            let clipped = try run.forward()
            let expected = Array(run.c0.map { min(max($0, -0.25), 0.25) }.prefix(32))
            for (slot, name) in [(1, "clipped c"), (5, "last c of row 0")] {
                try Comparer.checkSameBits(
                    name, Array(clipped.c[slot * state..<slot * state + 32]), expected)
            }
            let dc = try run.backward(clipped, transposed: run.transposed()).dc
            let cut = (0..<18).filter { run.c0[$0].magnitude > 0.25 }
            #expect(cut.count > 5)
            for unit in 0..<18 { #expect(dc[unit] == (cut.contains(unit) ? 0 : run.dc[unit])) }
        }
    }
}
