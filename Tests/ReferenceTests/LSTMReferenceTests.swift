import ComplexModule
import RealModule
import RecurrentReference
import TestSupport
import Testing

@Suite struct LSTMReferenceTests {
    /// What the data has to have for a gradient to say anything of the clip: states at both ends,
    /// and between them.
    @Test func someStatesAreClipped() {
        let states = (0..<32).map { TestedLSTM(parts: $0) }.filter(\.clips).flatMap { cell in
            CellProblem(
                CellCase(2, 4, batch: 3, steps: 5, lengths: [5, 0, 3], cell: cell), seed: 12
            ).forward().c.dropFirst().joined().joined()
        }
        for isSo: (Double) -> Bool in [{ $0 == 0.5 }, { $0 == -0.5 }, { $0.magnitude < 0.5 }] {
            #expect(states.count(where: isSo) > 40)
        }
    }

    @Test(
        arguments: [
            CellCase(1, 1, batch: 1, steps: 1),
            CellCase(3, 2, batch: 1, steps: 5),
            CellCase(2, 4, batch: 3, steps: 4, lengths: [4, 0, 2]),
            CellCase(5, 7, batch: 2, steps: 6),
        ]) func backwardAgainstForwardInTime(sizes: CellCase)
    {
        let problem = CellProblem(sizes, seed: 11)
        for row in problem.h0.indices {
            let row = problem.row(row)
            let valid = row.sizes.lengths?[0] ?? row.sizes.steps
            let forward = TestedLSTM().cell(row.parameters).gradientForwardInTime(
                x: row.x.prefix(valid).map { $0[0] }, h0: row.h0[0], c0: row.c0[0],
                dy: row.dy!.prefix(valid).map { $0[0] }, dh: row.dh[0],
                dc: row.dc[0])
            expectClose(row.gradientByBackpropagation(), forward, relative: 1e-12)
        }
    }

    /// The one-step Jacobians themselves, every element, by complex step through `step`.
    @Test func stepJacobians() {
        let problem = CellProblem(CellCase(3, 4), seed: 5)
        let cell = TestedLSTM().cell(problem.parameters)
        let step = 1e-30
        let (x, h_prev, c_prev) = (problem.x[0][0], problem.h0[0], problem.c0[0])
        let next = cell.step(x: x, h_prev: h_prev, c_prev: c_prev)
        let jacobians = cell.jacobians(gates: next.gates, c: next.c, c_prev: c_prev)
        let complex = problem.map { Complex($0) }
        func derivatives(_ move: (inout CellProblem<Complex<Double>>) -> Void) -> (
            c: [Double], h: [Double]
        ) {
            var moved = complex
            move(&moved)
            let next = TestedLSTM().cell(moved.parameters).step(
                x: moved.x[0][0], h_prev: moved.h0[0], c_prev: moved.c0[0])
            return (next.c.map { $0.imaginary / step }, next.h.map { $0.imaginary / step })
        }
        func check(
            _ found: (c: [Double], h: [Double]), _ element: (LSTMStateJacobians, Int) -> Double
        ) {
            expectClose(
                cell.gates.i.b.indices.map { element(jacobians.c, $0) }, found.c,
                relative: 1e-12)
            expectClose(
                cell.gates.i.b.indices.map { element(jacobians.h, $0) }, found.h,
                relative: 1e-12)
        }
        for k in x.indices { check(derivatives { $0.x[0][0][k].imaginary = step }) { $0.x[$1][k] } }
        for m in h_prev.indices {
            check(derivatives { $0.h0[0][m].imaginary = step }) { $0.h_prev[$1][m] }
            check(derivatives { $0.c0[0][m].imaginary = step }) { $1 == m ? $0.c_prev[m] : 0 }
        }
        for index in 0..<4 {
            for m in h_prev.indices {
                func own(
                    _ value: (W: [Double], U: [Double], b: Double), _ n: Int,
                    _ element: ((W: [Double], U: [Double], b: Double)) -> Double
                ) -> Double {
                    n == m ? element(value) : 0
                }
                func parameters(_ state: LSTMStateJacobians, _ n: Int) -> (
                    W: [Double], U: [Double], b: Double
                ) {
                    state.parameters(n, x: x, h_prev: h_prev).all[index]
                }
                check(derivatives { $0.parameters.gates[index].b[m].imaginary = step }) {
                    own(parameters($0, $1), $1) { $0.b }
                }
                for k in x.indices {
                    check(derivatives { $0.parameters.gates[index].W[m][k].imaginary = step }) {
                        own(parameters($0, $1), $1) { $0.W[k] }
                    }
                }
                for j in h_prev.indices {
                    check(derivatives { $0.parameters.gates[index].U[m][j].imaginary = step }) {
                        own(parameters($0, $1), $1) { $0.U[j] }
                    }
                }
            }
        }
    }

    /// With i = o = 1 and f = 0 each step is one of the plain recurrent layer, c = f(W x + U h_prev
    /// + b), and h = f(c): forward bit for bit, and back through time what the plain layer gives
    /// for each step by itself, dc = dh f'(c).
    @Test(arguments: [false, true]) func withGatesAtOneItIsThePlainLayer(sigmoid: Bool) {
        var problem = CellProblem(
            CellCase(
                3, 4, batch: 2, steps: 5,
                cell: TestedLSTM(LSTMVariant(activation: sigmoid ? .sigmoid : .tanh))),
            seed: 1)
        let open = [1e4, 1e4, 1e4, 1e4]
        let f: Activation = sigmoid ? .sigmoid : .tanh
        for (gate, sign) in [(0, 1.0), (1, -1), (3, 1)] {
            problem.parameters.gates[gate].b = open.map { sign * $0 }
        }
        let solution = problem.solved()
        let plain = RNNCell(parameters: problem.parameters.gates[2], f: f)
        var gradient = RNNCell(parameters: problem.gradient.gates[2], f: f)
        var dh = problem.dh
        for t in problem.x.indices {
            let c = plain.forward(x: [problem.x[t]], h0: solution.tape.h[t])[1]
            #expect(solution.tape.c[t + 1] == c)
            #expect(solution.tape.h[t + 1] == c.map { $0.map { f($0) } })
        }
        for t in problem.x.indices.reversed() {
            let (c, h) = (solution.tape.c[t + 1], solution.tape.h[t + 1])
            let dc = h.indices.map { row in
                h[row].indices.map { n in
                    (dh[row][n] + problem.dy![t][row][n]) * f.derivative(y: h[row][n])
                        + (t == problem.x.count - 1 ? problem.dc[row][n] : 0)
                }
            }
            let states = [solution.tape.h[t], c]
            let step = plain.backward(h: states, dy: nil, dh: dc)
            expectClose(
                solution.backward.dgates[t].flatMap { $0[2] }, step.dz[0].flatMap { $0 },
                relative: 1e-14
            )
            expectClose(
                solution.backward.dx[t].flatMap { $0 }, step.dx[0].flatMap { $0 }, relative: 1e-12,
                absolute: 1e-15)
            gradient.addGradient(x: [problem.x[t]], h: states, dz: step.dz)
            dh = step.dh0
        }
        expectClose(
            solution.backward.dh0.flatMap { $0 }, dh.flatMap { $0 }, relative: 1e-12,
            absolute: 1e-15)
        for (found, expected) in zip(
            solution.gradient.gates[2].W + solution.gradient.gates[2].U,
            gradient.parameters.W + gradient.parameters.U)
        {
            expectClose(found, expected, relative: 1e-12, absolute: 1e-14)
        }
    }

    /// With the forget gate at one and the input gate at zero the cell state stays what it was, and
    /// so does its gradient.
    @Test func openForgetGateKeepsTheState() {
        var problem = CellProblem(CellCase(2, 3, steps: 4), seed: 1)
        problem.parameters.gates[1].b = [1e4, 1e4, 1e4]
        problem.parameters.gates[0].b = [-1e4, -1e4, -1e4]
        problem.dy = nil
        problem.dh = [[0, 0, 0]]
        let solution = problem.solved()
        for c in solution.tape.c { #expect(c == problem.c0) }
        #expect(solution.backward.dc0 == problem.dc)
    }
}
