import RecurrentReference
import TestSupport
import Testing

/// Every kind of end that a row may have, more than one step to carry a gradient over, dropout; of
/// cells of which there are many, some at two sizes alone.
private let problems: [CellProblem<Double>] = testedCells.flatMap { cell in
    [
        CellCase(1, 1, batch: 1, steps: 1),
        CellCase(3, 2, batch: 1, steps: 5),
        CellCase(2, 4, batch: 3, steps: 4, lengths: [4, 0, 2]),
        CellCase(5, 7, batch: 2, steps: 6),
        CellCase(2, 5, batch: 3, steps: 4, lengths: [4, 0, 2], dropout: true),
    ].flatMap { sizes in cell.plain.map { CellProblem(sizes.of($0), seed: 11) } }
        + [false, true].flatMap { dropout in
            cell.all.map {
                CellProblem(
                    CellCase(
                        2, 4, batch: 3, steps: 5, lengths: [5, 0, 3], dropout: dropout, cell: $0),
                    seed: dropout ? 14 : 12)
            }
        }
}

/// What is left of sums of about 1 that cancel: a few units in the last place of 1. The sums of a
/// plain layer do not.
private func cancellation(_ problem: CellProblem<Double>) -> Double {
    problem.sizes.cell is TestedRNN ? 0 : 1e-15
}

@Suite struct CellReferenceTests {
    @Test(arguments: problems) func backwardAgainstComplexStep(problem: CellProblem<Double>) {
        expectClose(
            problem.gradientByBackpropagation(), problem.derivativesByComplexStep(),
            relative: 1e-12, absolute: cancellation(problem))
    }

    /// The test of that test: every mistake is further off somewhere, and no mistake is not. Rows
    /// that end, and a gradient that is added to.
    @Test(arguments: testedCells.flatMap { $0.planted }.filter { $0.hidden == 5 })
    func plantedMistakesAreRejectedByComplexStep(sizes: CellCase) {
        let problem = CellProblem(sizes, seed: 22)
        let start = problem.gradient.flat
        let expected = problem.derivativesByComplexStep().enumerated().map {
            $1 + ($0 < start.count ? start[$0] : 0)
        }
        func isRejected(_ mistake: CellMistake) -> Bool {
            firstFar(
                problem.flat(mistake.solution(problem)), expected, relative: 1e-12,
                absolute: cancellation(problem)) != nil
        }
        #expect(!isRejected(.none))
        let mistakes = CellMistake.all(problem)
        #expect(mistakes.count >= 30)
        #expect(mistakes.filter { !isRejected($0) }.map(\.name) == [])
    }

    /// The error of a central difference is h²/6 of the third derivative, and an ulp of the loss
    /// divided by h: with h = 2^-17 both are near 1e-11.
    @Test(arguments: problems.filter { $0.sizes.cell.isSmooth })
    func backwardAgainstCentralDifferences(problem: CellProblem<Double>) {
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

    /// A row that ends after n steps is the same as a sequence of n steps: states, gradients, and
    /// nothing from behind its end.
    @Test(arguments: testedCells.flatMap { $0.all }) func lengthsAreTruncation(
        cell: any TestedCell
    ) {
        let problem = CellProblem(
            CellCase(3, 4, batch: 4, steps: 5, lengths: [5, 0, 3, 1], cell: cell), seed: 3)
        let whole = problem.solved()
        var gradient = problem.gradient.flat
        for (row, length) in problem.sizes.lengths!.enumerated() {
            var alone = problem.row(row).segment(0..<length)
            alone.gradient = alone.gradient.map { _ in 0 }
            let short = alone.solved()
            #expect(whole.tape.h.last![row] == short.tape.h.last![0])
            #expect(whole.tape.c.last?[row] == short.tape.c.last?[0])
            #expect(whole.backward.dh0[row] == short.backward.dh0[0])
            if !short.backward.dc0.isEmpty {
                #expect(whole.backward.dc0[row] == short.backward.dc0[0])
            }
            gradient = zip(gradient, short.gradient.flat).map(+)
        }
        expectClose(whole.gradient.flat, gradient, relative: 1e-12, absolute: 1e-15)
        #expect(whole.backward.dx[4][2] == [0, 0, 0])
    }

    /// Two segments, the state carried forward and its gradient carried back, are one long
    /// sequence.
    @Test(arguments: testedCells.flatMap { $0.all }) func segmentsAreOneSequence(
        cell: any TestedCell
    ) {
        let problem = CellProblem(CellCase(3, 4, batch: 2, steps: 6, cell: cell), seed: 9)
        let whole = problem.solved()
        var (first, second) = (problem.segment(0..<2), problem.segment(2..<6))
        var tape = first.forward()
        second.h0 = tape.h.last!
        if let c = tape.c.last { second.c0 = c }
        let later = second.forward()
        let laterBack = second.backward(later)
        (first.dh, first.dc) = (laterBack.dh0, laterBack.dc0)
        let earlierBack = first.backward(tape)
        tape.append(later)
        #expect(tape.h == whole.tape.h)
        #expect(tape.c == whole.tape.c)
        #expect(earlierBack.dh0 == whole.backward.dh0)
        #expect(earlierBack.dc0 == whole.backward.dc0)
        #expect(earlierBack.dx + laterBack.dx == whole.backward.dx)
    }
}

extension TestedCell {
    /// Whether no activation has a kink, and no state is clipped.
    var isSmooth: Bool {
        gates.allSatisfy { [.tanh, .sigmoid].contains($0) }
            && !((self as? TestedLSTM)?.clips ?? false)
    }
}

extension TestedLSTM {
    var clips: Bool { variant.clip != nil }
}
