import RecurrentReference
import TestSupport
import Testing

@Suite struct RNNReferenceTests {
    /// Without an input, and with a recurrent matrix that is the identity, max(·, 0) leaves a
    /// positive state, and its gradient, as they are: Le, Jaitly and Hinton 2015.
    @Test func identityKeepsAPositiveState() {
        var problem = CellProblem(CellCase(2, 3, steps: 4, cell: TestedRNN(.relu)), seed: 1)
        problem.parameters.gates[0] = GateParameters(
            W: [[0, 0], [0, 0], [0, 0]], U: [[1, 0, 0], [0, 1, 0], [0, 0, 1]], b: [0, 0, 0])
        problem.h0 = [[0.5, 1, 2]]
        problem.dy = nil
        let solution = problem.solved()
        for h in solution.tape.h { #expect(h == problem.h0) }
        #expect(solution.backward.dh0 == problem.dh)
    }
}
