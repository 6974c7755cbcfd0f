import ComplexModule
import RecurrentReference
import TestSupport
import Testing

/// Sequences and images, with every combination of stride, dilation and padding; windows that do
/// not reach the end, and some beyond it.
private let sizes = [
    ConvolutionSizes(1, 1, columns: WindowAxis(size: 1, taps: 1)),
    ConvolutionSizes(2, 3, columns: WindowAxis(size: 7, taps: 3, stride: 2, padding: 1)),
    ConvolutionSizes(
        1, 2, images: 2,
        columns: WindowAxis(size: 6, windows: 6, taps: 3, stride: 1, dilation: 2, padding: 4)),
    ConvolutionSizes(
        2, 2, images: 2, rows: WindowAxis(size: 4, taps: 2, padding: 1),
        columns: WindowAxis(size: 5, taps: 3, stride: 2, padding: 2)),
    ConvolutionSizes(
        3, 2, rows: WindowAxis(size: 5, taps: 2, stride: 3, dilation: 2),
        columns: WindowAxis(size: 6, taps: 2, stride: 2, dilation: 3, padding: 1)),
]

/// Where a mistake of any kind shows.
private let mistaken = ConvolutionSizes(
    3, 4, images: 2, rows: WindowAxis(size: 6, taps: 2, stride: 2, dilation: 2, padding: 1),
    columns: WindowAxis(size: 7, taps: 3, stride: 3, dilation: 2, padding: 2))

extension ConvolutionProblem {
    /// The loss whose gradient the backward pass takes: Σ dy y.
    func loss() -> S { S.sum(0, [(flat(dy), flat(layer.forward(x: x)))]) }

    /// Calls `body` with each coordinate of x, W and b, in the order of a solution's dx and
    /// gradient.
    func forEachCoordinate(_ body: (WritableKeyPath<ConvolutionProblem, S>) -> Void) {
        forEachElement(of: x) { body(\.x[$0][$1][$2][$3]) }
        forEachElement(of: layer.W) { body(\.layer.W[$0][$1][$2][$3]) }
        for m in layer.b.indices { body(\.layer.b[m]) }
    }
}

/// The indices of an array of four dimensions, in order.
func forEachElement<Element>(of array: [[[[Element]]]], _ body: (Int, Int, Int, Int) -> Void) {
    for a in array.indices {
        for b in array[a].indices {
            for c in array[a][b].indices { for d in array[a][b][c].indices { body(a, b, c, d) } }
        }
    }
}

extension ConvolutionProblem<Double> {
    func flatGradient(_ solution: ConvolutionSolution<Double>) -> [Double] {
        flat(solution.dx) + flat(solution.gradient.W) + solution.gradient.b
    }

    /// The derivative by every coordinate by complex step: Squire and Trapp 1998. Where the
    /// gradient is added to, that too.
    func expectedGradient() -> [Double] {
        let step = 1e-30
        var complex = map { Complex($0) }
        var derivatives: [Double] = []
        complex.forEachCoordinate { coordinate in
            complex[keyPath: coordinate].imaginary = step
            derivatives.append(complex.loss().imaginary / step)
            complex[keyPath: coordinate].imaginary = 0
        }
        let start = flat(x).map { _ in 0 } + flat(gradient.W) + gradient.b
        return zip(derivatives, start).map { $0 + $1 }
    }
}

@Suite struct ConvolutionReferenceTests {
    @Test(arguments: sizes) func backwardAgainstComplexStep(sizes: ConvolutionSizes) {
        let problem = ConvolutionProblem(sizes, seed: 17)
        expectClose(
            problem.flatGradient(problem.solved()), problem.expectedGradient(), relative: 1e-12,
            absolute: 1e-15)
    }

    /// Term by term, as the definition has it, and the test of that test and the one before.
    @Test func plantedMistakesAreRejected() {
        let problem = ConvolutionProblem(mistaken, seed: 18)
        let derivatives = problem.expectedGradient()
        let expected = flat(problem.solved().y) + derivatives
        func isRejected(_ mistake: ConvolutionMistake?) -> Bool {
            let solution = FaultyConvolution(mistake: mistake, problem: problem).solution()
            return firstFar(
                flat(solution.y) + problem.flatGradient(solution), expected, relative: 1e-12,
                absolute: 1e-14) != nil
        }
        #expect(!isRejected(nil))
        #expect(ConvolutionMistake.allCases.filter { !isRejected($0) } == [])
    }

    /// A kernel of one tap is a dense layer of every place.
    @Test func oneTapIsADenseLayer() {
        let sizes = ConvolutionSizes(
            3, 5, images: 2, rows: WindowAxis(size: 2, taps: 1),
            columns: WindowAxis(size: 4, taps: 1))
        let problem = ConvolutionProblem(sizes, seed: 3)
        let dense = Dense(W: problem.layer.W.map { $0[0][0] }, b: problem.layer.b)
        #expect(
            flat(problem.solved().y)
                == dense.forward(x: problem.x.flatMap { $0.flatMap { $0 } }).flatMap { $0 })
    }
}

@Suite struct PoolingReferenceTests {
    @Test(arguments: Pooling.Kind.allCases) func backwardAgainstComplexStep(kind: Pooling.Kind) {
        for (rows, columns) in [
            (
                WindowAxis(size: 4, taps: 2, stride: 2),
                WindowAxis(size: 6, taps: 3, stride: 1, padding: 1)
            ),
            (WindowAxis(size: 1, taps: 1), WindowAxis(size: 9, taps: 2, stride: 2, dilation: 3)),
        ] {
            let pooling = Pooling(rows: rows, columns: columns, kind: kind)
            let problem = ConvolutionProblem(
                ConvolutionSizes(2, 2, images: 2, rows: rows, columns: columns), seed: 19)
            var x = problem.x.map { $0.map { $0.map { $0.map { Complex($0) } } } }
            var expected: [Double] = []
            let dy = flat(problem.dy)
            let step = 1e-30
            forEachElement(of: x) {
                x[$0][$1][$2][$3].imaginary = step
                expected.append(
                    zip(dy, flat(pooling.forward(x: x))).reduce(0) { $0 + $1.0 * $1.1.imaginary }
                        / step)
                x[$0][$1][$2][$3].imaginary = 0
            }
            expectClose(
                flat(pooling.backward(x: problem.x, dy: problem.dy)), expected, relative: 1e-12,
                absolute: 1e-15)
        }
    }

    @Test func byHand() {
        let axis = WindowAxis(size: 4, taps: 2, stride: 2)
        let one = WindowAxis(size: 1, taps: 1)
        let x = [[[[1.0], [3], [2], [2]]]]
        func pooled(_ kind: Pooling.Kind) -> [[Double]] {
            let pooling = Pooling(rows: one, columns: axis, kind: kind)
            return [
                flat(pooling.forward(x: x)), flat(pooling.backward(x: x, dy: [[[[10], [20]]]])),
            ]
        }
        #expect(pooled(.max) == [[3, 2], [0, 10, 20, 0]])
        #expect(pooled(.average) == [[2, 2], [5, 5, 10, 10]])
        #expect(pooled(.sum) == [[4, 4], [10, 10, 20, 20]])
    }
}
