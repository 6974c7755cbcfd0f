import CRecurrent
import RecurrentReference
import TestSupport
import Testing

@Sendable func checkSumLosses(_ isa: KernelTable) throws {
    for count in [0] + TestSizes.few + [TestSizes.large, 3205] {
        var generator = Generator(seed: UInt64(count))
        let losses = GuardedBuffer(generator.awkwardFloats(count))
        var sum = Double.nan
        isa.kernels.sum_losses(count, losses.pointer, &sum)
        let expected = losses.values.map(Double.init)
        let most = expected.map(\.magnitude).reduce(0, +)
        #expect(
            (sum - expected.reduce(0, +)).magnitude <= Double(count) * 0x1p-52 * most, "\(count)")
    }
}

/// Outputs and targets, with some rows that do not count and hold NaN.
struct RowLossCase: CustomStringConvertible {
    enum Loss: CaseIterable {
        case meanSquaredError, meanAbsoluteError, huberLoss, binaryCrossEntropy
    }

    let loss: Loss
    let shape: recurrent_rows_shape
    let values: [Float], targets: [Float]
    let valid: [Int32]
    let scale: Float = 0.37, delta: Float = 0.6

    static func all(_ loss: Loss) -> [RowLossCase] {
        (TestSizes.few + [TestSizes.large]).map { RowLossCase(loss, rows: 19, units: $0) }
    }

    init(_ loss: Loss, rows: Int, units: Int) {
        var generator = Generator(seed: UInt64(units))
        self.loss = loss
        shape = recurrent_rows_shape(rows: rows, units: units)
        valid = (0..<rows).map { $0 % 5 == 3 ? 0 : Int32($0 % 3) - 3 }
        var targets = generator.awkwardFloats(rows * units)
        let valid = valid
        var values = generator.awkwardFloats(rows * units).enumerated().map {
            valid[$0 / units] != 0 ? $1 : .nan
        }
        // Answers for certain, and in between; logits whose exponential vanishes
        if loss == .binaryCrossEntropy {
            targets = targets.enumerated().map {
                $0 % 3 == 2 ? min($1.magnitude, 1) : Float($0 % 3)
            }
            values = values.enumerated().map { $0 % 7 == 3 ? 50 * $1 : $0 % 7 == 5 ? 8 * $1 : $1 }
        } else if units > 1 {
            targets[1] = values[1]
        }
        self.values = values
        self.targets = targets
    }

    var description: String { "\(loss), M \(shape.rows), N \(shape.units)" }
    func y(_ row: Int) -> ArraySlice<Float> { values[row * shape.units..<(row + 1) * shape.units] }
    func target(_ row: Int) -> ArraySlice<Float> {
        targets[row * shape.units..<(row + 1) * shape.units]
    }

    func run(
        _ isa: KernelTable, partitions: Int = 1, inPlace: Bool = false, evaluates: Bool = false
    )
        throws -> (losses: [Float], dy: [Float])
    {
        var shape = shape
        let y = GuardedBuffer(shape.padded(values, behind: .nan))
        let target = GuardedBuffer(shape.padded(targets, behind: 3))
        let losses = GuardedBuffer(repeating: .nan, count: shape.rows)
        let dy = inPlace ? y : GuardedBuffer(repeating: .nan, count: recurrent_rows_floats(shape))
        let gradient = evaluates ? nil : dy.pointer
        let kernels = isa.kernels
        forPartitions(partitions) {
            switch loss {
            case .meanSquaredError:
                kernels.mean_squared_error(
                    &shape, y.pointer, target.pointer, valid, scale, losses.pointer, gradient, $0)
            case .meanAbsoluteError:
                kernels.mean_absolute_error(
                    &shape, y.pointer, target.pointer, valid, scale, losses.pointer, gradient, $0)
            case .huberLoss:
                kernels.huber_loss(
                    &shape, y.pointer, target.pointer, valid, delta, scale, losses.pointer,
                    gradient,
                    $0)
            case .binaryCrossEntropy:
                kernels.binary_cross_entropy(
                    &shape, y.pointer, target.pointer, valid, scale, losses.pointer, gradient, $0)
            }
        }
        try losses.checkGuards("losses")
        try dy.checkGuards("dy")
        return (losses.values, dy.values)
    }

    private func reference(_ y: [Double], _ target: [Double]) -> (loss: Double, dy: [Double]) {
        switch loss {
        case .meanSquaredError: return meanSquaredError(y, target: target)
        case .meanAbsoluteError: return meanAbsoluteError(y, target: target)
        case .huberLoss: return huberLoss(y, target: target, delta: Double(delta))
        case .binaryCrossEntropy:
            let (loss, dlogits) = binaryCrossEntropy(y, target: target)
            return (loss, dlogits)
        }
    }

    /// In units of 2^-24, relative: a difference, and its square or its product with δ, err by 3,
    /// or a distance, an exponential and a logarithm by 9; the sum, its tree and the division by as
    /// many as there are.
    private var lossError: Double {
        Double(shape.units / 16 + (loss == .binaryCrossEntropy ? 16 : 10)) * 0x1p-24
    }

    /// Beyond 64 an exponential counts as zero.
    private var vanishing: Double { loss == .binaryCrossEntropy ? 1.7e-28 : 0x1p-149 }

    /// The gradient's bounds: relative ones, but where σ(z) and its target cancel each has its
    /// error.
    private func gradientBounds(_ y: [Double], _ target: [Double], _ gradient: [Double]) -> [Double]
    {
        guard loss == .binaryCrossEntropy else {
            return gradient.map { 0x1p-149 + 5 * 0x1p-24 * $0.magnitude }
        }
        let factor = Double(scale) / Double(shape.units)
        return zip(y, target).map { z, target in
            let missed = z > 0 ? 1 - target : target
            return factor * (vanishing + 8 * 0x1p-24 * (missed + 1 / (1 + Double.exp(z.magnitude))))
        }
    }

    static func checker(_ loss: Loss) -> @Sendable (KernelTable) throws -> Void {
        { isa in
            for test in all(loss) { try test.check(isa) }
        }
    }

    private func check(_ isa: KernelTable) throws {
        let (losses, dy) = try run(isa)
        try shape.checkPadding("dy", dy)
        for (row, dyRow) in shape.rows(of: dy).enumerated() {
            guard valid[row] != 0 else {
                #expect(losses[row] == 0 && dyRow.allSatisfy { $0 == 0 }, "row without a target")
                continue
            }
            let y = y(row).map(Double.init)
            let target = target(row).map(Double.init)
            let (loss, derivatives) = reference(y, target)
            let gradient = derivatives.map { $0 * Double(scale) }
            try Comparer.check(
                "loss \(self)", [losses[row]], [loss], absolute: vanishing, relative: lossError)
            try Comparer.check(
                "dy \(self)", dyRow, gradient, bounds: gradientBounds(y, target, gradient))
            #expect(losses[row] >= 0)
        }
    }
}

@Suite struct LossesTests {
    @Test(arguments: KernelTable.all, RowLossCase.Loss.allCases)
    func sameBitsForEveryPartitionCountInPlaceAndWithoutGradient(
        isa: KernelTable, loss: RowLossCase.Loss
    ) throws {
        for test in RowLossCase.all(loss) {
            let expected = try test.run(KernelTable.all[0])
            for partitions in partitionCounts {
                let actual = try test.run(isa, partitions: partitions, inPlace: partitions % 2 == 0)
                try Comparer.checkSameBits("losses", actual.losses, expected.losses)
                try Comparer.checkSameBits("dy", actual.dy, expected.dy)
            }
            try Comparer.checkSameBits(
                "losses", test.run(isa, evaluates: true).losses, expected.losses)
        }
    }

    @Test(arguments: KernelTable.all)
    func sameSumOnEveryISA(isa: KernelTable) {
        var generator = Generator(seed: 5)
        let losses = generator.floats(3205, scale: 9)
        var expected = 0.0
        var actual = 0.0
        KernelTable.all[0].kernels.sum_losses(losses.count, losses, &expected)
        isa.kernels.sum_losses(losses.count, losses, &actual)
        #expect(actual == expected)
    }

    /// What is not a number is not hidden, neither are infinite errors.
    @Test(arguments: KernelTable.all, RowLossCase.Loss.allCases)
    func nanAndInfinityShow(isa: KernelTable, loss: RowLossCase.Loss) throws {
        let kernels = isa.kernels
        for value in [Float.nan, .infinity, -.infinity] {
            var shape = recurrent_rows_shape(rows: 1, units: 3)
            var sum: Float = 0
            let y = GuardedBuffer(shape.padded([0.5, value, -0.5]))
            let target = GuardedBuffer(shape.padded([0.25, 0.5, 1]))
            let all = recurrent_partition(index: 0, count: 1)
            switch loss {
            case .meanSquaredError:
                kernels.mean_squared_error(
                    &shape, y.pointer, target.pointer, nil, 1, &sum, y.pointer, all)
            case .meanAbsoluteError:
                kernels.mean_absolute_error(
                    &shape, y.pointer, target.pointer, nil, 1, &sum, y.pointer, all)
            case .huberLoss:
                kernels.huber_loss(
                    &shape, y.pointer, target.pointer, nil, 0.6, 1, &sum, y.pointer, all)
            case .binaryCrossEntropy:
                kernels.binary_cross_entropy(
                    &shape, y.pointer, target.pointer, nil, 1, &sum, y.pointer, all)
            }
            #expect(
                value.isNaN ? sum.isNaN && y.values[1].isNaN : sum == .infinity, "\(value): \(sum)")
            #expect(y.values[0].isFinite && y.values[2].isFinite)
            try shape.checkPadding("dy", y.values)
        }
    }

    /// A logit for the right answer, however large, costs nothing; one for the wrong answer costs
    /// itself.
    @Test(arguments: KernelTable.all)
    func certaintyCostsNothing(isa: KernelTable) throws {
        for (logit, target, expected) in [
            (100, 1, 0), (-1e30, 0, 0), (100, 0, 100), (-3e38, 1, 3e38),
        ] as [(Float, Float, Float)] {
            var shape = recurrent_rows_shape(rows: 1, units: 1)
            var loss = Float.nan
            let buffer = GuardedBuffer(shape.padded([logit]))
            let targets = GuardedBuffer(shape.padded([target]))
            isa.kernels.binary_cross_entropy(
                &shape, buffer.pointer, targets.pointer, nil, 1, &loss, buffer.pointer,
                recurrent_partition(index: 0, count: 1))
            #expect(loss == expected)
            #expect(buffer.values[0] == (expected == 0 ? 0 : logit > 0 ? 1 : -1))
        }
    }
}
