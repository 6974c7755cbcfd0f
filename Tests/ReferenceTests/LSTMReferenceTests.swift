import ComplexModule
import RealModule
import RecurrentReference
import TestSupport
import Testing

/// What the gradients are tested for: every kind of end that a row may have, and more than one step
/// to carry a gradient over.
private let problems: [LSTMProblem<Double>] = [
    LSTMSizes(1, 1, batch: 1, steps: 1),
    LSTMSizes(3, 2, batch: 1, steps: 5),
    LSTMSizes(2, 4, batch: 3, steps: 4, lengths: [4, 0, 2]),
    LSTMSizes(5, 7, batch: 2, steps: 6),
].map { LSTMProblem($0, seed: 11) }

/// Every variant, and none of them.
private let variantProblems: [LSTMProblem<Double>] = (0..<32).map { parts in
    let variant = LSTMVariant(
        sigmoid: parts & 1 != 0, peepholes: parts & 2 != 0, coupled: parts & 4 != 0,
        clip: parts & 8 != 0 ? 0.5 : nil,
        projection: parts & 16 != 0 ? 3 : nil)
    return LSTMProblem(
        LSTMSizes(2, 4, batch: 3, steps: 5, lengths: [5, 0, 3], variant: variant), seed: 12)
}

/// The same with recurrent dropout.
private let maskedProblems: [LSTMProblem<Double>] = variantProblems.map { problem in
    var sizes = problem.sizes
    sizes.dropout = true
    return LSTMProblem(sizes, seed: 14)
}

@Suite struct LSTMReferenceTests {
    @Test(arguments: problems) func backwardAgainstComplexStep(problem: LSTMProblem<Double>) {
        expectClose(
            problem.gradientByBackpropagation(), problem.derivativesByComplexStep(), relative: 1e-12
        )
    }

    @Test(arguments: variantProblems) func variantsAgainstComplexStep(problem: LSTMProblem<Double>)
    {
        expectClose(
            problem.gradientByBackpropagation(), problem.derivativesByComplexStep(), relative: 1e-12
        )
    }

    @Test(arguments: maskedProblems) func maskedAgainstComplexStep(problem: LSTMProblem<Double>) {
        expectClose(
            problem.gradientByBackpropagation(), problem.derivativesByComplexStep(), relative: 1e-12
        )
    }

    /// The test of that test: a mask that is forgotten in one of the passes is further off
    /// somewhere.
    @Test(arguments: MaskedPart.allCases) func forgottenMaskIsRejectedByComplexStep(
        part: MaskedPart
    ) {
        var problem = LSTMProblem(
            LSTMSizes(5, 5, batch: 3, steps: 4, lengths: [4, 2, 3], dropout: true), seed: 22)
        problem.gradient = problem.gradient.map { _ in 0 }
        #expect(
            firstFar(
                problem.flat(problem.solved(unmasked: part)), problem.derivativesByComplexStep(),
                relative: 1e-12) != nil)
    }

    /// What the data has to have for that to say anything of the clip: states at both ends, and
    /// between them.
    @Test func someStatesAreClipped() {
        let states = variantProblems.filter { $0.sizes.variant.clip != nil }.flatMap {
            $0.solved().tape.c.dropFirst().joined().joined()
        }
        for isSo: (Double) -> Bool in [{ $0 == 0.5 }, { $0 == -0.5 }, { $0.magnitude < 0.5 }] {
            #expect(states.count(where: isSo) > 40)
        }
    }

    /// The test of that test: every mistake of `LSTMMistake` is further off somewhere, and no
    /// mistake is not. Inputs as wide as the layer, so that a transposed matrix still fits, rows
    /// that end, and a gradient that is added to.
    @Test func plantedMistakesAreRejectedByComplexStep() {
        func missed(_ mistakes: [LSTMMistake], _ variant: LSTMVariant) -> [LSTMMistake] {
            let inputs = variant == LSTMVariant() ? 5 : 3
            let problem = LSTMProblem(
                LSTMSizes(inputs, 5, batch: 3, steps: 4, lengths: [4, 2, 3], variant: variant),
                seed: 21)
            let start = problem.flat(problem.gradient)
            let derivatives = problem.derivativesByComplexStep()
            let expected = derivatives.indices.map {
                derivatives[$0] + ($0 < start.count ? start[$0] : 0)
            }
            func isRejected(_ mistake: LSTMMistake?) -> Bool {
                firstFar(
                    problem.flat(FaultyLSTM(mistake: mistake, problem: problem).solution()),
                    expected, relative: 1e-12, absolute: 1e-15) != nil
            }
            #expect(!isRejected(nil))
            return mistakes.filter { !isRejected($0) }
        }
        let missedOfPlain = missed(LSTMMistake.ofPlain, LSTMVariant())
        let missedOfVariants = LSTMMistake.variants.reduce(LSTMMistake.ofVariants) {
            missed($0, $1)
        }
        #expect(missedOfPlain.isEmpty)
        #expect(missedOfVariants.isEmpty)
        #expect(LSTMMistake.ofPlain.count >= 30)
        let rejected = LSTMMistake.allCases.count - missedOfPlain.count - missedOfVariants.count
        print(
            """
            planted mistakes rejected by complex step: \(rejected) of \
            \(LSTMMistake.allCases.count)
            """
        )
    }

    /// The error of a central difference is h²/6 of the third derivative, and an ulp of the loss
    /// divided by h: with h = 2^-17 both are near 1e-11.
    @Test(arguments: problems) func backwardAgainstCentralDifferences(problem: LSTMProblem<Double>)
    {
        let step = 0x1p-17
        var moved = problem
        var derivatives: [Double] = []
        problem.forEachCoordinate { coordinate in
            let value = problem[keyPath: coordinate]
            moved[keyPath: coordinate] = value + step
            let above = moved.loss()
            moved[keyPath: coordinate] = value - step
            derivatives.append((above - moved.loss()) / (2 * step))
            moved[keyPath: coordinate] = value
        }
        expectClose(
            problem.gradientByBackpropagation(), derivatives, relative: 1e-9, absolute: 1e-9)
    }

    @Test(arguments: problems) func backwardAgainstForwardInTime(problem: LSTMProblem<Double>) {
        for row in problem.h0.indices {
            let row = problem.row(row)
            let live = row.sizes.lengths?[0] ?? row.sizes.steps
            let forward = row.cell.gradientForwardInTime(
                x: row.x.prefix(live).map { $0[0] }, h0: row.h0[0], c0: row.c0[0],
                dy: row.dy.prefix(live).map { $0[0] }, dh: row.dh[0],
                dc: row.dc[0])
            expectClose(row.gradientByBackpropagation(), forward, relative: 1e-12)
        }
    }

    /// The one-step Jacobians themselves, every element, by complex step through `step`.
    @Test func stepJacobians() {
        let problem = LSTMProblem(LSTMSizes(3, 4), seed: 5)
        let step = 1e-30
        let (x, h_prev, c_prev) = (problem.x[0][0], problem.h0[0], problem.c0[0])
        let next = problem.cell.step(x: x, h_prev: h_prev, c_prev: c_prev)
        let jacobians = problem.cell.jacobians(gates: next.gates, c: next.c, c_prev: c_prev)
        let complex = problem.map { Complex($0) }
        func derivatives(_ move: (inout LSTMProblem<Complex<Double>>) -> Void) -> (
            c: [Double], h: [Double]
        ) {
            var moved = complex
            move(&moved)
            let next = moved.cell.step(x: moved.x[0][0], h_prev: moved.h0[0], c_prev: moved.c0[0])
            return (next.c.map { $0.imaginary / step }, next.h.map { $0.imaginary / step })
        }
        func check(
            _ found: (c: [Double], h: [Double]), _ element: (LSTMStateJacobians, Int) -> Double
        ) {
            expectClose(
                problem.cell.gates.i.b.indices.map { element(jacobians.c, $0) }, found.c,
                relative: 1e-12)
            expectClose(
                problem.cell.gates.i.b.indices.map { element(jacobians.h, $0) }, found.h,
                relative: 1e-12)
        }
        for k in x.indices { check(derivatives { $0.x[0][0][k].imaginary = step }) { $0.x[$1][k] } }
        for m in h_prev.indices {
            check(derivatives { $0.h0[0][m].imaginary = step }) { $0.h_prev[$1][m] }
            check(derivatives { $0.c0[0][m].imaginary = step }) { $1 == m ? $0.c_prev[m] : 0 }
        }
        typealias Gates = WritableKeyPath<
            LSTMGates<GateParameters<Complex<Double>>>, GateParameters<Complex<Double>>
        >
        for (index, gate) in ([\.i, \.f, \.g, \.o] as [Gates]).enumerated() {
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
                check(derivatives { $0.cell.gates[keyPath: gate].b[m].imaginary = step }) {
                    own(parameters($0, $1), $1) { $0.b }
                }
                for k in x.indices {
                    check(derivatives { $0.cell.gates[keyPath: gate].W[m][k].imaginary = step }) {
                        own(parameters($0, $1), $1) { $0.W[k] }
                    }
                }
                for j in h_prev.indices {
                    check(derivatives { $0.cell.gates[keyPath: gate].U[m][j].imaginary = step }) {
                        own(parameters($0, $1), $1) { $0.U[j] }
                    }
                }
            }
        }
    }

    /// A row that ends after n steps is the same as a sequence of n steps: states, gradients, and
    /// nothing from behind its end.
    @Test func lengthsAreTruncation() {
        let problem = LSTMProblem(
            LSTMSizes(3, 4, batch: 4, steps: 5, lengths: [5, 0, 3, 1]), seed: 3)
        let solution = problem.solved()
        var gradient = problem.gradient.parameters
        for (row, length) in problem.sizes.lengths!.enumerated() {
            var sizes = problem.sizes
            (sizes.batch, sizes.steps, sizes.lengths) = (1, length, nil)
            let alone = problem.row(row)
            let tape = alone.cell.forward(
                x: Array(alone.x.prefix(length)), h0: alone.h0, c0: alone.c0)
            let backward = alone.cell.backward(
                tape: tape, dy: Array(alone.dy.prefix(length)), dh: alone.dh, dc: alone.dc)
            #expect(solution.tape.h.last![row] == tape.h.last![0])
            #expect(solution.tape.c.last![row] == tape.c.last![0])
            #expect(solution.backward.dh0[row] == backward.dh0[0])
            #expect(solution.backward.dc0[row] == backward.dc0[0])
            var own = problem.cell.map { _ in 0.0 }
            own.addGradient(x: Array(alone.x.prefix(length)), tape: tape, backward: backward)
            gradient = zip(gradient, own.parameters).map(+)
        }
        expectClose(solution.gradient.parameters, gradient, relative: 1e-12, absolute: 1e-15)
        #expect(solution.backward.dx[4][2] == [0, 0, 0])
    }

    /// Two segments, the state carried forward and its gradient carried back, are one long
    /// sequence.
    @Test func segmentsAreOneSequence() {
        let problem = LSTMProblem(LSTMSizes(3, 4, batch: 2, steps: 6), seed: 9)
        let cell = problem.cell
        let whole = problem.solved()
        let x = (first: Array(problem.x.prefix(2)), second: Array(problem.x.suffix(4)))
        let first = cell.forward(x: x.first, h0: problem.h0, c0: problem.c0)
        let second = cell.forward(x: x.second, h0: first.h.last!, c0: first.c.last!)
        #expect(first.h + second.h.dropFirst() == whole.tape.h)
        #expect(first.c + second.c.dropFirst() == whole.tape.c)
        let secondBack = cell.backward(
            tape: second, dy: Array(problem.dy.suffix(4)), dh: problem.dh, dc: problem.dc)
        let firstBack = cell.backward(
            tape: first, dy: Array(problem.dy.prefix(2)), dh: secondBack.dh0, dc: secondBack.dc0)
        #expect(firstBack.dh0 == whole.backward.dh0)
        #expect(firstBack.dc0 == whole.backward.dc0)
        #expect(firstBack.dx + secondBack.dx == whole.backward.dx)
    }

    /// With i = o = 1 and f = 0 each step is one of the plain recurrent layer, c = f(W x + U h_prev
    /// + b), and h = f(c): forward bit for bit, and back through time what the plain layer gives
    /// for each step by itself, dc = dh f'(c).
    @Test(arguments: [false, true]) func withGatesAtOneItIsThePlainLayer(sigmoid: Bool) {
        var problem = LSTMProblem(
            LSTMSizes(3, 4, batch: 2, steps: 5, variant: LSTMVariant(sigmoid: sigmoid)), seed: 1)
        let open = [1e4, 1e4, 1e4, 1e4]
        let f: Activation = sigmoid ? .sigmoid : .tanh
        (problem.cell.gates.i.b, problem.cell.gates.o.b, problem.cell.gates.f.b) = (
            open, open, open.map { -$0 }
        )
        let solution = problem.solved()
        let plain = RNNCell(parameters: problem.cell.gates.g, f: f)
        var gradient = RNNCell(parameters: problem.gradient.gates.g, f: f)
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
                    (dh[row][n] + problem.dy[t][row][n]) * f.derivative(y: h[row][n])
                        + (t == problem.x.count - 1 ? problem.dc[row][n] : 0)
                }
            }
            let states = [solution.tape.h[t], c]
            let step = plain.backward(h: states, dy: nil, dh: dc)
            expectClose(
                solution.backward.dgates[t].flatMap(\.g), step.dz[0].flatMap { $0 }, relative: 1e-14
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
            solution.gradient.gates.g.W + solution.gradient.gates.g.U,
            gradient.parameters.W + gradient.parameters.U)
        {
            expectClose(found, expected, relative: 1e-12, absolute: 1e-14)
        }
    }

    /// With the forget gate at one and the input gate at zero the cell state stays what it was, and
    /// so does its gradient.
    @Test func openForgetGateKeepsTheState() {
        var problem = LSTMProblem(LSTMSizes(2, 3, steps: 4), seed: 1)
        problem.cell.gates.f.b = [1e4, 1e4, 1e4]
        problem.cell.gates.i.b = [-1e4, -1e4, -1e4]
        problem.dy = problem.dy.map { $0.map { $0.map { _ in 0 } } }
        problem.dh = [[0, 0, 0]]
        let solution = problem.solved()
        for c in solution.tape.c { #expect(c == problem.c0) }
        #expect(solution.backward.dc0 == problem.dc)
    }
}
