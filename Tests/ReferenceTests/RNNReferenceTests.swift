import ComplexModule
import RecurrentReference
import TestSupport
import Testing

/// Every activation, at sizes with every kind of end that a row may have, and more than one step to
/// carry a gradient over.
private let problems: [RNNProblem<Double>] = Activation.ofCells.flatMap { f in
    [
        LSTMSizes(1, 1, batch: 1, steps: 1),
        LSTMSizes(3, 2, batch: 1, steps: 5),
        LSTMSizes(2, 4, batch: 3, steps: 4, lengths: [4, 0, 2]),
        LSTMSizes(5, 7, batch: 2, steps: 6),
        LSTMSizes(2, 5, batch: 3, steps: 4, lengths: [4, 0, 2], dropout: true),
    ].map { RNNProblem($0, f: f, seed: 13) }
}

extension RNNProblem {
    /// The loss whose gradient the backward pass takes: Σ_t dy[t] · h_t over the steps that are
    /// live, + dh · h_T.
    func loss() -> S {
        let h = cell.forward(x: x, h0: h0, lengths: sizes.lengths, mask: mask)
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
    func forEachCoordinate(_ body: (WritableKeyPath<RNNProblem, S>) -> Void) {
        for n in h0[0].indices { for k in x[0][0].indices { body(\.cell.parameters.W[n][k]) } }
        for n in h0[0].indices { for m in h0[0].indices { body(\.cell.parameters.U[n][m]) } }
        for n in h0[0].indices { body(\.cell.parameters.b[n]) }
        for row in h0.indices { for n in h0[row].indices { body(\.h0[row][n]) } }
        for t in x.indices {
            for row in h0.indices where sizes.isLive(row: row, step: t) {
                for k in x[t][row].indices { body(\.x[t][row][k]) }
            }
        }
    }
}

extension RNNProblem<Double> {
    /// The gradients of a solution, in the order of `forEachCoordinate`.
    func flat(_ solution: RNNSolution<Double>) -> [Double] {
        let parameters = solution.gradient.parameters
        var gradient =
            parameters.W.flatMap { $0 } + parameters.U.flatMap { $0 } + parameters.b
            + solution.backward.dh0.flatMap { $0 }
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

@Suite struct RNNReferenceTests {
    @Test(arguments: problems) func backwardAgainstComplexStep(problem: RNNProblem<Double>) {
        var problem = problem
        problem.gradient = problem.gradient.map { _ in 0 }
        expectClose(problem.flat(problem.solved()), problem.expectedGradient(), relative: 1e-12)
    }

    /// The test of that test: every mistake of `RNNMistake` is further off somewhere, and no
    /// mistake is not.
    @Test(arguments: Activation.ofCells) func plantedMistakesAreRejectedByComplexStep(
        f: Activation
    ) {
        let problem = RNNProblem(
            LSTMSizes(5, 5, batch: 3, steps: 4, lengths: [4, 2, 3]), f: f, seed: 22)
        let expected = problem.expectedGradient()
        func isRejected(_ mistake: RNNMistake?) -> Bool {
            firstFar(
                problem.flat(FaultyRNN(mistake: mistake, problem: problem).solution()), expected,
                relative: 1e-12) != nil
        }
        #expect(!isRejected(nil))
        #expect(RNNMistake.allCases.filter { !isRejected($0) } == [])
    }

    /// So is a mask that is forgotten in one of the passes.
    @Test(arguments: MaskedPart.allCases) func forgottenMaskIsRejectedByComplexStep(
        part: MaskedPart
    ) {
        let problem = RNNProblem(
            LSTMSizes(5, 5, batch: 3, steps: 4, lengths: [4, 2, 3], dropout: true), f: .tanh,
            seed: 22)
        #expect(
            firstFar(
                problem.flat(problem.solved(unmasked: part)), problem.expectedGradient(),
                relative: 1e-12) != nil)
    }

    /// A row that ends after n steps is a sequence of n steps: states, gradients, and nothing from
    /// behind its end.
    @Test func lengthsAreTruncation() {
        let problem = RNNProblem(
            LSTMSizes(3, 4, batch: 4, steps: 5, lengths: [5, 0, 3, 1]), f: .tanh, seed: 3)
        let whole = problem.solved()
        for (row, length) in problem.sizes.lengths!.enumerated() {
            let alone = problem.row(row).segment(0..<length).solved()
            #expect(whole.h.last![row] == alone.h.last![0])
            #expect(whole.backward.dh0[row] == alone.backward.dh0[0])
        }
        #expect(whole.backward.dx[4][2] == [0, 0, 0])
    }

    /// Without an input, and with a recurrent matrix that is the identity, max(·, 0) leaves a
    /// positive state, and its gradient, as they are: Le, Jaitly and Hinton 2015.
    @Test func identityKeepsAPositiveState() {
        var problem = RNNProblem(LSTMSizes(2, 3, steps: 4), f: .relu, seed: 1)
        problem.cell.parameters = GateParameters(
            W: [[0, 0], [0, 0], [0, 0]], U: [[1, 0, 0], [0, 1, 0], [0, 0, 1]], b: [0, 0, 0])
        problem.h0 = [[0.5, 1, 2]]
        problem.dy = problem.dy.map { $0.map { $0.map { _ in 0 } } }
        let solution = problem.solved()
        for h in solution.h { #expect(h == problem.h0) }
        #expect(solution.backward.dh0 == problem.dh)
    }
}
