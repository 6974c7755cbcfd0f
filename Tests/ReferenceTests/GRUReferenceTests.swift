import RecurrentReference
import TestSupport
import Testing

@Suite struct GRUReferenceTests {
    /// One unit, one input and two steps from a state that is not zero, each variant written
    /// out; with one step from zero and without biases, reset-before and reset-after would be the
    /// same.
    @Test func theVariantsAreToldApart() {
        let (Wr, Ur, br, Wz, Uz, bz, Wn, Un, bn, hiddenBias) = (
            0.5, -0.75, 0.25, -0.5, 1.5, 0.125, 1.25, -2.0, 0.375, 0.625
        )
        let x = [0.5, -1.0]
        func sigmoid(_ a: Double) -> Double { 1 / (1 + Double.exp(-a)) }
        func states(_ variant: GRUVariant, x: [Double], h0: Double, hiddenBias: Double)
            -> [Double]
        {
            let cell = GRUCell(
                gates: GRUGates(
                    r: GateParameters(W: [[Wr]], U: [[Ur]], b: [br]),
                    z: GateParameters(W: [[Wz]], U: [[Uz]], b: [bz]),
                    n: GateParameters(W: [[Wn]], U: [[Un]], b: [bn])), hiddenBias: [hiddenBias],
                variant: variant)
            return cell.forward(x: x.map { [[$0]] }, h0: [[h0]]).h.dropFirst().map { $0[0][0] }
        }
        func writtenOut(_ next: (_ x: Double, _ r: Double, _ z: Double, _ h: Double) -> Double)
            -> [Double]
        {
            var h = 0.5
            return x.map { x in
                h = next(x, sigmoid(Wr * x + Ur * h + br), sigmoid(Wz * x + Uz * h + bz), h)
                return h
            }
        }
        let all = [GRUVariant.resetAfter, .resetBefore, .lecture, lectureTanh].map {
            states($0, x: x, h0: 0.5, hiddenBias: hiddenBias)
        }
        let after = writtenOut { x, r, z, h in
            (1 - z) * Double.tanh(Wn * x + bn + r * (Un * h + hiddenBias)) + z * h
        }
        let before = writtenOut { x, r, z, h in
            z * h + (1 - z) * Double.tanh(Wn * x + Un * (r * h) + bn)
        }
        let lecture = writtenOut { x, o, i, s in
            (1 - i) * s + i * sigmoid(Wn * x + Un * (o * s) + bn)
        }
        let lastOfLectures = writtenOut { x, r, z, h in
            (1 - z) * h + z * Double.tanh(Wn * x + Un * (r * h) + bn)
        }
        for (found, expected) in zip(all, [after, before, lecture, lastOfLectures]) {
            expectClose(found, expected, relative: 1e-14)
        }
        for (a, b) in [(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3)] {
            for step in x.indices { #expect((all[a][step] - all[b][step]).magnitude > 0.01) }
        }
        // One unit is not enough to see that U (r∘h) is not r∘(U h): b′ is what tells these two
        // apart there. Several units do it without.
        var problem = CellProblem(
            CellCase(2, 3, steps: 2, cell: TestedGRU(.resetBefore)), seed: 5)
        let one = problem.forward().h
        problem.sizes.cell = TestedGRU(.resetAfter)
        let other = problem.forward().h
        for step in 1...2 {
            for unit in 0..<3 {
                #expect((one[step][0][unit] - other[step][0][unit]).magnitude > 1e-4)
            }
        }
        // What a test with one step from zero would have seen.
        #expect(
            states(.resetAfter, x: [0.5], h0: 0, hiddenBias: 0)
                == states(.resetBefore, x: [0.5], h0: 0, hiddenBias: 0))
    }

    /// The lectures' last form, h = (1 - z)∘h_prev + z∘tanh(W x + U (r∘h_prev)).
    private let lectureTanh = GRUVariant(resetsBefore: true, zReplaces: true)

    /// An update gate held open keeps the state, and its gradient, as they are, also of units that
    /// recurrent dropout hides from U.
    @Test(arguments: [GRUVariant.resetAfter, .resetBefore, .lecture], [false, true])
    func heldGateKeepsTheState(
        variant: GRUVariant, dropout: Bool
    ) {
        var problem = CellProblem(
            CellCase(2, 3, steps: 4, dropout: dropout, cell: TestedGRU(variant)), seed: 1)
        if dropout { problem.mask = [[0, 2, 0]] }
        problem.parameters.gates[1].b = [200, 200, 200].map {
            variant.zReplaces ? -10 * $0 : $0
        }
        problem.dy = nil
        let solution = problem.solved()
        for h in solution.tape.h { #expect(h == problem.h0) }
        expectClose(solution.backward.dh0[0], problem.dh[0], relative: 1e-15)
    }
}
