import RecurrentReference
import TestSupport
import Testing

/// Tests of the tests: mistakes planted on purpose, which the comparisons of the kernel tests, with
/// the very same bounds, must reject.
@Suite struct PlantedErrorTests {
    /// Each array of a solution in turn: all zeros, NaN, the sign of one element, one element off
    /// by one part in a thousand, two elements exchanged, all elements rounded to eight bits.
    @Test(arguments: ElementMistake.allCases) func mistakeInOneArrayIsRejected(
        mistake: ElementMistake
    ) {
        for sizes in testedCells.flatMap({ $0.planted }) where sizes.hidden == 5 {
            let problem = CellProblem(sizes, seed: 21)
            let expected = sizes.flat(problem.map(exact).solved())
            let right = sizes.flat(problem.solved()).map { Float($0) }
            for field in Solved<Float>.fields where !right[keyPath: field.path].isEmpty {
                var wrong = right
                mistake.plant(in: &wrong[keyPath: field.path])
                #expect(throws: Mismatch.self, "\(sizes) \(field.name)") {
                    try Comparer.check(wrong, expected)
                }
            }
        }
    }

    enum ElementMistake: CaseIterable {
        case zeros, nan, infinity, sign, oneElement, exchanged, eightBits

        /// In the element of the largest magnitude, or in all of them.
        func plant(in values: inout [Float]) {
            let places = values.indices.filter { values[$0] != 0 }
            let largest = places.max { values[$0].magnitude < values[$1].magnitude }!
            let smallest = places.min { values[$0].magnitude < values[$1].magnitude }!
            switch self {
            case .zeros: values = values.map { _ in 0 }
            case .nan: values[smallest] = .nan
            case .infinity: values[largest] = .infinity
            case .sign: values[largest].negate()
            case .oneElement: values[largest] *= 1.001
            case .exchanged: values.swapAt(largest, smallest)
            case .eightBits:
                values = values.map { Float(bitPattern: $0.bitPattern & 0xFFFF_0000) }
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
