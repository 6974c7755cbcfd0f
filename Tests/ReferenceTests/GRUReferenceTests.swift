import ComplexModule
import RecurrentReference
import TestSupport
import Testing

/// Every definition, at sizes with every kind of end that a row may have, and more than one step to
/// carry a gradient over.
private let problems: [GRUProblem<Double>] = GRUDefinition.allCases.flatMap { definition in
    [
        LSTMSizes(1, 1, batch: 1, steps: 1),
        LSTMSizes(3, 2, batch: 1, steps: 5),
        LSTMSizes(2, 4, batch: 3, steps: 4, lengths: [4, 0, 2]),
        LSTMSizes(5, 7, batch: 2, steps: 6),
        LSTMSizes(2, 5, batch: 3, steps: 4, lengths: [4, 0, 2], dropout: true),
    ].map { GRUProblem($0, definition: definition, seed: 17) }
}

extension GRUProblem {
    /// The loss whose gradient the backward pass takes: Σ_t dy[t] · h_t over the steps that are
    /// live, + dh · h_T.
    func loss() -> S {
        let h = cell.forward(x: x, h0: h0, lengths: sizes.lengths, mask: mask).h
        var loss: S = 0
        for row in h0.indices {
            for t in x.indices where sizes.isLive(row: row, step: t) {
                loss += S.sum(0, [(dy[t][row], h[t + 1][row])])
            }
            loss += S.sum(0, [(dh[row], h[x.count][row])])
        }
        return loss
    }

    /// Calls `body` with each coordinate of every parameter, of h0, and of every x that is live, in
    /// the order of `flat`.
    func forEachCoordinate(_ body: (WritableKeyPath<GRUProblem, S>) -> Void) {
        typealias Gate = GateParameters<S>
        let gates: WritableKeyPath<GRUProblem, GRUGates<Gate>> = \.cell.gates
        for gate: WritableKeyPath<GRUGates<Gate>, Gate> in [\.r, \.z, \.n] {
            func visit(_ parameter: WritableKeyPath<Gate, S>) {
                body(gates.appending(path: gate).appending(path: parameter))
            }
            for n in h0[0].indices { for k in x[0][0].indices { visit(\.W[n][k]) } }
            for n in h0[0].indices { for m in h0[0].indices { visit(\.U[n][m]) } }
            for n in h0[0].indices { visit(\.b[n]) }
        }
        for n in h0[0].indices { body(\.cell.hiddenBias[n]) }
        for row in h0.indices { for n in h0[row].indices { body(\.h0[row][n]) } }
        for t in x.indices {
            for row in h0.indices where sizes.isLive(row: row, step: t) {
                for k in x[t][row].indices { body(\.x[t][row][k]) }
            }
        }
    }
}

extension GRUProblem<Double> {
    /// The gradients of a solution, in the order of `forEachCoordinate`.
    func flat(_ solution: GRUSolution<Double>) -> [Double] {
        var gradient =
            solution.gradient.named.flatMap(\.values) + solution.backward.dh0.flatMap { $0 }
        for t in x.indices {
            for row in h0.indices where sizes.isLive(row: row, step: t) {
                gradient += solution.backward.dx[t][row]
            }
        }
        return gradient
    }

    /// The derivative of the loss by every coordinate by complex step: Squire and Trapp 1998. Where
    /// `gradient` is added to, that too.
    func expectedGradient() -> [Double] {
        let step = 1e-30
        var complex = map { Complex($0) }
        var derivatives: [Double] = []
        complex.forEachCoordinate { coordinate in
            complex[keyPath: coordinate].imaginary = step
            derivatives.append(complex.loss().imaginary / step)
            complex[keyPath: coordinate].imaginary = 0
        }
        let start = gradient.named.flatMap(\.values)
        return derivatives.indices.map { derivatives[$0] + ($0 < start.count ? start[$0] : 0) }
    }
}

@Suite struct GRUReferenceTests {
    @Test(arguments: problems) func backwardAgainstComplexStep(problem: GRUProblem<Double>) {
        var problem = problem
        problem.gradient = problem.gradient.map { _ in 0 }
        expectClose(
            problem.flat(problem.solved()), problem.expectedGradient(), relative: 1e-11,
            absolute: 1e-15)
    }

    /// The test of that test: every mistake of `GRUMistake` is further off somewhere, and no
    /// mistake is not.
    @Test(arguments: GRUDefinition.allCases) func plantedMistakesAreRejectedByComplexStep(
        definition: GRUDefinition
    ) {
        let problem = GRUProblem(
            LSTMSizes(5, 5, batch: 3, steps: 4, lengths: [4, 2, 3]), definition: definition,
            seed: 22)
        let expected = problem.expectedGradient()
        func isRejected(_ mistake: GRUMistake?) -> Bool {
            firstFar(
                problem.flat(FaultyGRU(mistake: mistake, problem: problem).solution()), expected,
                relative: 1e-11, absolute: 1e-15) != nil
        }
        #expect(!isRejected(nil))
        #expect(GRUMistake.allCases.filter { !isRejected($0) } == [])
    }

    /// So is a mask that is forgotten in one of the passes.
    @Test(arguments: MaskedPart.allCases, GRUDefinition.allCases)
    func forgottenMaskIsRejectedByComplexStep(part: MaskedPart, definition: GRUDefinition) {
        let problem = GRUProblem(
            LSTMSizes(5, 5, batch: 3, steps: 4, lengths: [4, 2, 3], dropout: true),
            definition: definition, seed: 22)
        #expect(
            firstFar(
                problem.flat(problem.solved(unmasked: part)), problem.expectedGradient(),
                relative: 1e-11, absolute: 1e-15) != nil)
    }

    /// One unit, one input and two steps from a state that is not zero, each definition written
    /// out; with one step from zero and without biases, reset-before and reset-after would be the
    /// same.
    @Test func theDefinitionsAreToldApart() {
        let (Wr, Ur, br, Wz, Uz, bz, Wn, Un, bn, hiddenBias) = (
            0.5, -0.75, 0.25, -0.5, 1.5, 0.125, 1.25, -2.0, 0.375, 0.625
        )
        let x = [0.5, -1.0]
        func sigmoid(_ a: Double) -> Double { 1 / (1 + Double.exp(-a)) }
        func states(_ definition: GRUDefinition, x: [Double], h0: Double, hiddenBias: Double)
            -> [Double]
        {
            let cell = GRUCell(
                gates: GRUGates(
                    r: GateParameters(W: [[Wr]], U: [[Ur]], b: [br]),
                    z: GateParameters(W: [[Wz]], U: [[Uz]], b: [bz]),
                    n: GateParameters(W: [[Wn]], U: [[Un]], b: [bn])), hiddenBias: [hiddenBias],
                definition: definition)
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
        let all = GRUDefinition.allCases.map { states($0, x: x, h0: 0.5, hiddenBias: hiddenBias) }
        let after = writtenOut { x, r, z, h in
            (1 - z) * Double.tanh(Wn * x + bn + r * (Un * h + hiddenBias)) + z * h
        }
        let before = writtenOut { x, r, z, h in
            z * h + (1 - z) * Double.tanh(Wn * x + Un * (r * h) + bn)
        }
        let lecture = writtenOut { x, o, i, s in
            (1 - i) * s + i * sigmoid(Wn * x + Un * (o * s) + bn)
        }
        for (found, expected) in zip(all, [after, before, lecture]) {
            expectClose(found, expected, relative: 1e-14)
        }
        for (a, b) in [(0, 1), (0, 2), (1, 2)] {
            for step in x.indices { #expect((all[a][step] - all[b][step]).magnitude > 0.01) }
        }
        // One unit is not enough to see that U (r∘h) is not r∘(U h): b′ is what tells these two
        // apart there. Several units do it without.
        let problem = GRUProblem(LSTMSizes(2, 3, steps: 2), definition: .resetBefore, seed: 5)
        var cell = problem.cell
        let one = cell.forward(x: problem.x, h0: problem.h0).h
        cell.definition = .resetAfter
        let other = cell.forward(x: problem.x, h0: problem.h0).h
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

    /// A row that ends after n steps is a sequence of n steps: states, gradients, and nothing from
    /// behind its end.
    @Test(arguments: GRUDefinition.allCases) func lengthsAreTruncation(definition: GRUDefinition) {
        let problem = GRUProblem(
            LSTMSizes(3, 4, batch: 4, steps: 5, lengths: [5, 0, 3, 1]), definition: definition,
            seed: 3)
        let whole = problem.solved()
        for (row, length) in problem.sizes.lengths!.enumerated() {
            let alone = problem.row(row).segment(0..<length).solved()
            #expect(whole.tape.h.last![row] == alone.tape.h.last![0])
            #expect(whole.backward.dh0[row] == alone.backward.dh0[0])
        }
        #expect(whole.backward.dx[4][2] == [0, 0, 0])
    }

    /// An update gate held open keeps the state, and its gradient, as they are, also of units that
    /// recurrent dropout hides from U.
    @Test(arguments: GRUDefinition.allCases, [false, true]) func heldGateKeepsTheState(
        definition: GRUDefinition, dropout: Bool
    ) {
        var problem = GRUProblem(
            LSTMSizes(2, 3, steps: 4, dropout: dropout), definition: definition, seed: 1)
        if dropout { problem.mask = [[0, 2, 0]] }
        problem.cell.gates.z.b = [200, 200, 200].map { definition == .lecture ? -10 * $0 : $0 }
        problem.dy = problem.dy.map { $0.map { $0.map { _ in 0 } } }
        let solution = problem.solved()
        for h in solution.tape.h { #expect(h == problem.h0) }
        expectClose(solution.backward.dh0[0], problem.dh[0], relative: 1e-15)
    }
}
