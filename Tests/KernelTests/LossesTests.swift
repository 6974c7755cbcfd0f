import CKernels
import Reference
import TestSupport
import Testing

@Sendable func checkMeanSquaredError(_ isa: KernelTable) throws {
    for test in SquaredErrorCase.all {
        let (losses, dy) = try test.run(isa)
        try test.shape.checkPadding("dy", dy)
        for (row, dyRow) in test.shape.rows(of: dy).enumerated() {
            let y = test.y(row).map(Double.init), target = test.target(row).map(Double.init)
            let live = test.live[row] != 0
            let (loss, gradient) = meanSquaredError(y, target: target)
            // A difference and its square err by 3 half last places; the sum, its tree and the division by as many as there are.
            try Comparer.check(
                "loss \(test)", [losses[row]], [live ? loss : 0], absolute: 0x1p-149,
                relative: Double(test.shape.units / 16 + 10) * 0x1p-24)
            try Comparer.check(
                "dy \(test)", dyRow, gradient.map { live ? $0 * Double(test.scale) : 0 }, absolute: 0x1p-149, relative: 5 * 0x1p-24)
        }
    }
}

@Sendable func checkSumLosses(_ isa: KernelTable) throws {
    for count in [0] + TestSizes.few + [TestSizes.large, 3205] {
        var generator = Generator(seed: UInt64(count))
        let losses = GuardedBuffer(generator.awkwardFloats(count))
        var sum = Double.nan
        isa.kernels.sum_losses(count, losses.pointer, &sum)
        let expected = losses.values.map(Double.init)
        let most = expected.map(\.magnitude).reduce(0, +)
        #expect((sum - expected.reduce(0, +)).magnitude <= Double(count) * 0x1p-52 * most, "\(count)")
    }
}

/// Outputs and targets, with some rows that do not count and hold NaN.
struct SquaredErrorCase: CustomStringConvertible {
    let shape: recurrent_rows_shape
    let values: [Float], targets: [Float]
    let live: [Int32]
    let scale: Float = 0.37

    static var all: [SquaredErrorCase] { (TestSizes.few + [TestSizes.large]).map { SquaredErrorCase(rows: 19, units: $0) } }

    init(rows: Int, units: Int) {
        var generator = Generator(seed: UInt64(units))
        shape = recurrent_rows_shape(rows: rows, units: units)
        live = (0..<rows).map { $0 % 5 == 3 ? 0 : Int32($0 % 3) - 3 }
        targets = generator.awkwardFloats(rows * units)
        let live = live
        values = generator.awkwardFloats(rows * units).enumerated().map { live[$0 / units] != 0 ? $1 : .nan }
    }

    var description: String { "M \(shape.rows), N \(shape.units)" }
    func y(_ row: Int) -> ArraySlice<Float> { values[row * shape.units..<(row + 1) * shape.units] }
    func target(_ row: Int) -> ArraySlice<Float> { targets[row * shape.units..<(row + 1) * shape.units] }

    func run(_ isa: KernelTable, shares: Int = 1, inPlace: Bool = false, evaluates: Bool = false) throws -> (losses: [Float], dy: [Float]) {
        var shape = shape
        let y = GuardedBuffer(shape.padded(values, behind: .nan)), target = GuardedBuffer(shape.padded(targets, behind: 3))
        let losses = GuardedBuffer(repeating: .nan, count: shape.rows)
        let dy = inPlace ? y : GuardedBuffer(repeating: .nan, count: recurrent_rows_floats(shape))
        forShares(shares) {
            isa.kernels.mean_squared_error(
                &shape, y.pointer, target.pointer, live, scale, losses.pointer, evaluates ? nil : dy.pointer, $0)
        }
        try losses.checkGuards("losses")
        try dy.checkGuards("dy")
        return (losses.values, dy.values)
    }
}

@Suite struct LossesTests {
    @Test(arguments: KernelTable.all)
    func sameBitsForEveryShareCountInPlaceAndWithoutGradient(isa: KernelTable) throws {
        for test in SquaredErrorCase.all {
            let expected = try test.run(KernelTable.all[0])
            for shares in shareCounts {
                let actual = try test.run(isa, shares: shares, inPlace: shares % 2 == 0)
                try Comparer.checkSameBits("losses", actual.losses, expected.losses)
                try Comparer.checkSameBits("dy", actual.dy, expected.dy)
            }
            try Comparer.checkSameBits("losses", test.run(isa, evaluates: true).losses, expected.losses)
        }
    }

    @Test(arguments: KernelTable.all)
    func sameSumOnEveryISA(isa: KernelTable) {
        var generator = Generator(seed: 5)
        let losses = generator.floats(3205, scale: 9)
        var expected = 0.0, actual = 0.0
        KernelTable.all[0].kernels.sum_losses(losses.count, losses, &expected)
        isa.kernels.sum_losses(losses.count, losses, &actual)
        #expect(actual == expected)
    }
}
