import RecurrentReference
import TestSupport
import Testing

/// Tests of the tests: mistakes planted on purpose, which the comparisons of the kernel tests, with
/// the very same bounds, must reject.
@Suite struct PlantedErrorTests {
    /// Inputs as wide as the layer, so that a transposed matrix still fits; rows that end; one and
    /// two panels. And variants.
    private static let sizes =
        [
            LSTMSizes(5, 5, batch: 3, steps: 4, lengths: [4, 2, 3]),
            LSTMSizes(18, 18, batch: 2, steps: 3, lengths: [3, 2]),
        ]
        + LSTMMistake.variants.map {
            LSTMSizes(4, 5, batch: 3, steps: 4, lengths: [4, 2, 3], variant: $0)
        }
    private static let problems = sizes.map {
        (
            problem: LSTMProblem($0, seed: 21),
            expected: LSTMProblem($0, seed: 21).map(exact).solved().named($0)
        )
    }

    private func check(_ solution: LSTMSolution<Double>, _ index: Int) throws(Mismatch) {
        let (problem, expected) = Self.problems[index]
        try Comparer.check(solution.named(problem.sizes), expected)
    }

    private func solution(_ mistake: LSTMMistake?, _ index: Int) -> LSTMSolution<Double> {
        FaultyLSTM(mistake: mistake, problem: Self.problems[index].problem).solution()
    }

    @Test(arguments: Self.problems.indices) func noMistakeIsAccepted(problem: Int) throws {
        try check(solution(nil, problem), problem)
    }

    /// In both layers of the plain variant; in one or the other of the variants.
    @Test func plantedMistakesAreRejected() {
        func missed(_ mistakes: [LSTMMistake], _ problem: Int) -> [LSTMMistake] {
            mistakes.filter { mistake in
                do { try check(solution(mistake, problem), problem) } catch { return false }
                return true
            }
        }
        let ofPlain = [missed(LSTMMistake.ofPlain, 0), missed(LSTMMistake.ofPlain, 1)].flatMap {
            $0
        }
        let ofVariants = missed(missed(LSTMMistake.ofVariants, 2), 3)
        #expect(ofPlain.isEmpty)
        #expect(ofVariants.isEmpty)
        let rejected = LSTMMistake.allCases.count - Set(ofPlain).count - ofVariants.count
        print(
            """
            planted mistakes rejected by the kernels' bounds: \(rejected) of \
            \(LSTMMistake.allCases.count)
            """
        )
    }

    /// Each array of a solution in turn: all zeros, NaN, the sign of one element, one element off
    /// by one part in a thousand, two elements exchanged, all elements rounded to eight bits.
    @Test(arguments: ElementMistake.allCases) func mistakeInOneArrayIsRejected(
        mistake: ElementMistake
    ) {
        let (problem, expected) = Self.problems[0]
        let right = solution(nil, 0).named(problem.sizes)
        for index in right.indices {
            var wrong = right
            mistake.plant(in: &wrong[index].values)
            #expect(throws: Mismatch.self, "\(right[index].name)") {
                try Comparer.check(wrong, expected)
            }
        }
    }

    enum ElementMistake: CaseIterable {
        case zeros, nan, infinity, sign, oneElement, exchanged, eightBits

        /// In the element of the largest magnitude, or in all of them.
        func plant(in values: inout [Double]) {
            let largest = values.indices.max { values[$0].magnitude < values[$1].magnitude }!
            let smallest = values.indices.min { values[$0].magnitude < values[$1].magnitude }!
            switch self {
            case .zeros: values = values.map { _ in 0 }
            case .nan: values[smallest] = .nan
            case .infinity: values[largest] = .infinity
            case .sign: values[largest].negate()
            case .oneElement: values[largest] *= 1.001
            case .exchanged: values.swapAt(largest, smallest)
            case .eightBits:
                values = values.map {
                    Double(Float(bitPattern: Float($0).bitPattern & 0xFFFF_0000))
                }
            }
        }
    }

    /// A sum of one product is right to its last places: an error of four is seen.
    @Test func fourUnitsInTheLastPlaceAreRejected() throws {
        let run = ProductRun(
            KernelTable.all[0], ProductSizes(rows: 3, inputs: 1, outputs: 17, groups: 1))
        let positive = Dense(
            W: run.layer.W.map { $0.map(\.magnitude) }, b: run.layer.b.map(\.magnitude))
        let x = run.x.map { $0.map(\.magnitude) }
        let right = positive.forward(x: x).flatMap { $0.map { Float($0) } }
        let expected = exact(positive).forward(x: exact(x)).flatMap { $0 }
        try Comparer.check("y", right, expected)
        for index in right.indices {
            var wrong = right
            wrong[index] += 4 * wrong[index].ulp
            #expect(throws: Mismatch.self) { try Comparer.check("y", wrong, expected) }
        }
    }

    @Test(arguments: ProductMistake.allCases) func mistakeInProductIsRejected(
        mistake: ProductMistake
    ) throws {
        let run = ProductRun(
            KernelTable.all[0], ProductSizes(rows: 4, inputs: 17, outputs: 17, groups: 1))
        var layer = run.layer
        var gradient = run.gradient
        var (x, dy) = (run.x, run.dy)
        switch mistake {
        case .biasMissing: layer.b = layer.b.map { _ in 0 }
        case .transposed: layer.W = layer.W.indices.map { n in layer.W.map { $0[n] } }
        case .lastColumnMissing: layer.W = layer.W.map { $0.dropLast() + [0] }
        case .lastUnitMissing: layer.W[16] = layer.W[16].map { _ in 0 }
        case .rowsExchanged: (x, dy) = (x.reversed(), dy.reversed())
        case .notAccumulated:
            gradient = Dense(W: gradient.W.map { $0.map { _ in 0 } }, b: gradient.b.map { _ in 0 })
        case .lastRowMissing:
            (x, dy) = (x.dropLast() + [x[3].map { _ in 0 }], dy.dropLast() + [dy[3].map { _ in 0 }])
        }
        gradient.addGradient(x: x, dy: dy)
        var expected = exact(run.gradient)
        expected.addGradient(x: exact(run.x), dy: exact(run.dy))
        func floats(_ values: [[Double]]) -> [Float] { values.flatMap { $0.map { Float($0) } } }
        #expect(throws: Mismatch.self) {
            try Comparer.check(
                "y", floats(layer.forward(x: x)),
                exact(run.layer).forward(x: exact(run.x)).flatMap { $0 })
            try Comparer.check(
                "dx", floats(layer.backwardInput(dy: dy)),
                exact(run.layer).backwardInput(dy: exact(run.dy)).flatMap { $0 })
            try Comparer.check("dW", floats(gradient.W), expected.W.flatMap { $0 })
            try Comparer.check("db", floats([gradient.b]), expected.b)
        }
    }

    enum ProductMistake: CaseIterable {
        case biasMissing, transposed, lastColumnMissing, lastUnitMissing, rowsExchanged,
            notAccumulated, lastRowMissing
    }

    /// A weight that moves past the last unit, and a write outside of a buffer.
    @Test func paddingAndGuardsAreWatched() throws {
        let order = KernelOrder(units: 5, groups: 4, columns: 3)
        var matrix = order.matrix { _, _, _ in 1 }
        try Comparer.checkZeros("w", matrix, at: order.matrixPadding)
        #expect(matrix.count(where: { $0 == 0 }) == order.matrixPadding.count)
        matrix[order.matrixIndex(group: 3, unit: 4, column: 2) + 1] = 0x1p-149
        #expect(throws: Mismatch.self) {
            try Comparer.checkZeros("w", matrix, at: order.matrixPadding)
        }
        for offset in [-1, 7] {
            let buffer = GuardedBuffer([Float](repeating: 0, count: 7))
            try buffer.checkGuards("buffer")
            buffer.pointer[offset] = 0
            #expect(throws: Mismatch.self) { try buffer.checkGuards("buffer") }
        }
    }
}
