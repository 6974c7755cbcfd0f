import CRecurrent
import RecurrentReference
import TestSupport
import Testing

@Sendable func checkSoftmax(_ isa: KernelTable) throws {
    for test in SoftmaxCase.all {
        let probabilities = try test.probabilities(isa)
        try test.shape.checkPadding("probabilities", probabilities)
        for (row, probabilitiesRow) in test.shape.rows(of: probabilities).enumerated() {
            let expected = softmax(test.row(row).map(Double.init))
            let errors = test.relativeErrors(row)
            let bounds = expected.indices.map { expected[$0] * errors[$0] + SoftmaxCase.impossible }
            try Comparer.check("probabilities \(test)", probabilitiesRow, expected, bounds: bounds)
            #expect(probabilitiesRow.allSatisfy { !$0.isSubnormal })
        }
    }
}

/// From probabilities that are exact by definition.
@Sendable func checkSoftmaxBackward(_ isa: KernelTable) throws {
    for test in SoftmaxCase.all {
        let found = try test.backward(isa)
        try test.shape.checkPadding("dlogits", found)
        for (row, dlogits) in test.shape.rows(of: found).enumerated() {
            let p = test.exactProbabilities(row).map(Double.init)
            let dp = test.gradient(row).map(Double.init)
            // The sum: what a lane adds, the last vectors, then the tree; a difference, and a
            // product.
            let terms = zip(p, dp).map { ($0 * $1).magnitude }.reduce(0, +)
            let mean = zip(p, dp).map(*).reduce(0, +)
            let ofMean = Double(test.shape.units / 64 + 11) * 0x1p-24 * terms
            let bounds = zip(p, dp).map { p, dp in
                p * (ofMean + 2.01 * 0x1p-24 * (dp - mean).magnitude) + 0x1p-149
            }
            try Comparer.check(
                "dlogits \(test) row \(row)", dlogits, softmaxBackward(p: p, dp: dp), bounds: bounds
            )
        }
    }
}

@Sendable func checkSoftmaxCrossEntropy(_ isa: KernelTable) throws {
    for test in SoftmaxCase.all {
        let (losses, dlogits) = try test.crossEntropy(isa)
        try test.shape.checkPadding("dlogits", dlogits)
        for (row, dlogitsRow) in test.shape.rows(of: dlogits).enumerated() {
            let logits = test.row(row).map(Double.init)
            let target = Int(test.targets[row])
            let (loss, expected) = softmaxCrossEntropy(logits, target: target)
            let errors = test.relativeErrors(row)
            let scale = Double(test.scale)
            guard logits.indices.contains(target) else {
                #expect(
                    losses[row].bitPattern == 0 && dlogitsRow.allSatisfy { $0.bitPattern == 0 },
                    "row without a target")
                continue
            }
            // A relative error of the sum is an absolute one of its logarithm; then two roundings.
            let largest = logits.max() ?? 0
            let lossBound = errors.min()! + 0x1p-23 * (loss + (largest - logits[target]))
            try Comparer.check(
                "loss \(test) row \(row)", [losses[row]], [loss], bounds: [lossBound])
            #expect(losses[row] >= 0)
            let probabilities = softmax(logits)
            let bounds = probabilities.indices.map {
                scale
                    * (probabilities[$0] * errors[$0] + SoftmaxCase.impossible
                        + ($0 == target ? 0x1p-23 : 0))
            }
            try Comparer.check(
                "dlogits \(test) row \(row)", dlogitsRow, expected.map { $0 * scale },
                bounds: bounds)
            #expect(dlogitsRow.allSatisfy { !$0.isSubnormal })
        }
    }
}

/// Logits of every kind, one row of each, and targets.
struct SoftmaxCase: CustomStringConvertible {
    let shape: recurrent_rows_shape
    let logits: [Float]
    let targets: [Int32]
    let scale: Float = 0.25

    /// A logit more than 64 below the largest counts as -∞.
    static let impossible = 1.7e-28

    static var all: [SoftmaxCase] {
        (TestSizes.few + [TestSizes.large]).map { SoftmaxCase(classes: $0) } + [
            SoftmaxCase(classes: 3205)
        ]
    }

    init(classes: Int) {
        var generator = Generator(seed: UInt64(classes))
        let dominated = { (at: Int, by: Float) in (0..<classes).map { $0 == at ? by : 0 } }
        let rows: [[Float]] = [
            generator.floats(classes, scale: 3), generator.awkwardFloats(classes, scale: 3),
            generator.floats(classes, scale: 1e4),
            [Float](repeating: 1e4, count: classes), [Float](repeating: -1e4, count: classes),
            [Float](repeating: -0.0, count: classes),
            (0..<classes).map { $0 % 2 == 0 ? 1e4 : -1e4 }, dominated(classes - 1, 1e4),
            dominated(0, 20), dominated(classes / 2, -1e4),
            (0..<classes).map { $0 == classes / 2 ? 1 : -.infinity },
            generator.floats(classes, scale: 90),
            (0..<classes).map { Float($0) * 0x1p-130 }, generator.floats(classes, scale: 1),
            [Float](repeating: .nan, count: classes),
            generator.floats(classes, scale: 8), generator.floats(classes, scale: 0.01),
            generator.floats(classes, scale: 30),
        ]
        shape = recurrent_rows_shape(rows: rows.count, units: classes)
        logits = Array(rows.joined())
        let outside: [Int32] = [-1, .min, Int32(classes), .max]
        targets = rows.indices.map { row in
            switch row {
            case 7: Int32(classes - 1)  // the certain one
            case 8: 0
            case 10: Int32(classes / 2)
            case 13...16: outside[row - 13]
            default: Int32.random(in: 0..<Int32(classes), using: &generator)
            }
        }
    }

    var description: String { "N \(shape.units)" }
    func row(_ row: Int) -> ArraySlice<Float> {
        logits[row * shape.units..<(row + 1) * shape.units]
    }

    /// How far each probability may be off, relative to itself: the rounded difference d to the
    /// largest logit is an error of the exponent, of its own term and (weighted with the
    /// probabilities) of the sum; an exponential errs by 1 last place; the sum of a lane by half of
    /// one per term; then the tree, a division and a product.
    func relativeErrors(_ row: Int) -> [Double] {
        let values = self.row(row).map(Double.init)
        let largest = values.max() ?? 0
        let probabilities = softmax(values)
        let ofSum = zip(values, probabilities).map { $1 == 0 ? 0 : (largest - $0) * $1 }.reduce(
            0, +)
        let others = Double(shape.units / 64 + 20)
        return values.map { (min(largest - $0, 1e5) + ofSum + others) * 0x1p-24 }
    }

    func probabilities(_ isa: KernelTable, partitions: Int = 1, inPlace: Bool = false) throws
        -> [Float]
    {
        var shape = shape
        let from = GuardedBuffer(shape.padded(logits, behind: .nan))
        let probabilities =
            inPlace ? from : GuardedBuffer(repeating: .nan, count: recurrent_rows_floats(shape))
        forPartitions(partitions) {
            isa.kernels.softmax(&shape, from.pointer, probabilities.pointer, $0)
        }
        try probabilities.checkGuards("probabilities")
        return probabilities.values
    }

    enum Place: CaseIterable { case apart, inGradient, inProbabilities }

    func exactProbabilities(_ row: Int) -> [Float] {
        softmax(self.row(row).map(Double.init)).map { Float($0) }
    }
    func gradient(_ row: Int) -> [Float] {
        var generator = Generator(seed: UInt64(row))
        return generator.awkwardFloats(shape.units)
    }

    func backward(_ isa: KernelTable, partitions: Int = 1, place: Place = .apart) throws -> [Float]
    {
        var shape = shape
        let p = GuardedBuffer(
            shape.padded((0..<shape.rows).flatMap(exactProbabilities), behind: .nan))
        let dp = GuardedBuffer(shape.padded((0..<shape.rows).flatMap(gradient), behind: .nan))
        let dlogits =
            switch place {
            case .apart: GuardedBuffer(repeating: .nan, count: recurrent_rows_floats(shape))
            case .inGradient: dp
            case .inProbabilities: p
            }
        forPartitions(partitions) {
            isa.kernels.softmax_backward(&shape, p.pointer, dp.pointer, dlogits.pointer, $0)
        }
        return try dlogits.checkedValues("dlogits")
    }

    func crossEntropy(
        _ isa: KernelTable, partitions: Int = 1, inPlace: Bool = false, evaluates: Bool = false
    ) throws -> (losses: [Float], dlogits: [Float]) {
        var shape = shape
        let from = GuardedBuffer(shape.padded(logits, behind: .nan))
        let losses = GuardedBuffer(repeating: .nan, count: shape.rows)
        let dlogits =
            inPlace ? from : GuardedBuffer(repeating: .nan, count: recurrent_rows_floats(shape))
        forPartitions(partitions) {
            isa.kernels.softmax_cross_entropy(
                &shape, from.pointer, targets, scale, losses.pointer,
                evaluates ? nil : dlogits.pointer, $0)
        }
        try losses.checkGuards("losses")
        try dlogits.checkGuards("dlogits")
        return (losses.values, dlogits.values)
    }
}

@Suite struct SoftmaxTests {
    @Test(arguments: KernelTable.all)
    func sameBitsForEveryPartitionCountInPlaceAndWithoutGradient(isa: KernelTable) throws {
        for test in SoftmaxCase.all {
            let expected = try test.probabilities(KernelTable.all[0])
            let entropy = try test.crossEntropy(KernelTable.all[0])
            for partitions in test.shape.units > 1000 ? [3] : partitionCounts {
                let inPlace = partitions % 2 == 0
                try Comparer.checkSameBits(
                    "probabilities",
                    test.probabilities(isa, partitions: partitions, inPlace: inPlace),
                    expected)
                let actual = try test.crossEntropy(isa, partitions: partitions, inPlace: inPlace)
                try Comparer.checkSameBits("losses", actual.losses, entropy.losses)
                try Comparer.checkSameBits("dlogits", actual.dlogits, entropy.dlogits)
            }
            try Comparer.checkSameBits(
                "losses", test.crossEntropy(isa, evaluates: true).losses, entropy.losses)
        }
    }

    @Test(arguments: KernelTable.all) func gradientHasTheSameBitsForEveryPartitionCountInPlace(
        isa: KernelTable
    ) throws {
        for test in SoftmaxCase.all where test.shape.units < 1000 {
            let expected = try test.backward(KernelTable.all[0])
            for (index, partitions) in partitionCounts.enumerated() {
                let place = SoftmaxCase.Place.allCases[index % 3]
                try Comparer.checkSameBits(
                    "dlogits", test.backward(isa, partitions: partitions, place: place), expected)
            }
        }
    }

    @Test(arguments: KernelTable.all)
    func certaintyCostsNothing(isa: KernelTable) throws {
        for logits in [[3], [-1e4], [1e4, -1e4, 0], [0, -.infinity, -65]] as [[Float]] {
            var shape = recurrent_rows_shape(rows: 1, units: logits.count)
            let buffer = GuardedBuffer(shape.padded(logits))
            var loss = Float.nan
            isa.kernels.softmax_cross_entropy(
                &shape, buffer.pointer, [0], 1, &loss, buffer.pointer,
                recurrent_partition(index: 0, count: 1))
            #expect(loss == 0)
            #expect(buffer.values.allSatisfy { $0 == 0 })
        }
    }

    @Test(arguments: KernelTable.all)
    func nanAndInfinityShow(isa: KernelTable) throws {
        let cases: [([Float], loss: (Float) -> Bool)] = [
            ([0, .nan, 1], \.isNaN), ([.nan, 0, 1], \.isNaN), ([0, .infinity, 1], \.isNaN),
            ([-.infinity, -.infinity, -.infinity], \.isNaN),
            ([-.infinity, 0, 1], { $0 == .infinity }),
        ]
        for (logits, shows) in cases {
            var shape = recurrent_rows_shape(rows: 1, units: 3)
            let buffer = GuardedBuffer(shape.padded(logits))
            var loss: Float = 0
            isa.kernels.softmax_cross_entropy(
                &shape, buffer.pointer, [0], 1, &loss, buffer.pointer,
                recurrent_partition(index: 0, count: 1))
            #expect(shows(loss), "\(logits): \(loss)")
            try shape.checkPadding("dlogits", buffer.values)
        }
    }
}
