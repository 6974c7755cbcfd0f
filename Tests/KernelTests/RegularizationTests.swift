import CRecurrent
import RecurrentReference
import TestSupport
import Testing

/// Strengths, and a gradient to which a penalty is added.
private struct PenaltyCase: CustomStringConvertible {
    let l1: Double, l2: Double
    let parameters: [Float], gradient: [Float]

    /// A block has 4,096 floats.
    static let all = [(0.0, 0.0), (0.01, 0), (0, 0.3), (1e-3, 1e-5)].flatMap { l1, l2 in
        (OptimizerCase.sizes + [4095, 4096, 3 * 4096 + 5]).map {
            PenaltyCase(l1: l1, l2: l2, count: $0)
        }
    }

    init(l1: Double, l2: Double, count: Int) {
        var generator = Generator(seed: UInt64(count))
        (self.l1, self.l2) = (l1, l2)
        parameters = generator.awkwardFloats(count)
        gradient = generator.awkwardFloats(count)
    }

    var description: String { "\(parameters.count) parameters, λ1 \(l1), λ2 \(l2)" }

    func run(_ isa: KernelTable, partitions: Int = 1) throws -> (
        gradient: [Float], partial: [Double]
    ) {
        let guardValue = -1.0
        let count = parameters.count
        let p = GuardedBuffer(parameters)
        let dp = GuardedBuffer(gradient)
        var partial = [Double](repeating: guardValue, count: recurrent_squares_blocks(count) + 1)
        forPartitions(partitions) {
            isa.kernels.add_norm_penalty(count, l1, l2, p.pointer, dp.pointer, &partial, $0)
        }
        #expect(partial.removeLast() == guardValue)
        return (try dp.checkedValues("gradient"), partial)
    }
}

@Sendable func checkAddNormPenalty(_ isa: KernelTable) throws {
    for test in PenaltyCase.all {
        let (gradient, partial) = try test.run(isa)
        let (_, slopes) = normPenalty(test.parameters.map(Double.init), l1: test.l1, l2: test.l2)
        // The strengths, two products and the sum are rounded; a parameter below 2^-100 does not
        // count.
        let expected = zip(test.gradient, slopes).map { Double($0) + $1 }
        let bounds = zip(expected, slopes).map {
            0x1p-24 * ($0.magnitude + 4 * $1.magnitude) + 0x1p-100
        }
        try Comparer.check("gradient \(test)", gradient, expected, bounds: bounds)
        for (block, sum) in partial.enumerated() {
            let part = test.parameters[
                (block * 4096)..<min((block + 1) * 4096, test.parameters.count)
            ].map(Double.init)
            let (penalty, _) = normPenalty(part, l1: test.l1, l2: test.l2)
            // No term is negative.
            #expect(
                (sum - penalty).magnitude <= 4100 * 0x1p-52 * penalty, "\(test), block \(block)")
        }
    }
}

@Suite struct RegularizationTests {
    @Test(arguments: KernelTable.all) func sameBitsForEveryPartitionCount(isa: KernelTable) throws {
        for test in PenaltyCase.all {
            let expected = try test.run(KernelTable.all[0])
            for partitions in partitionCounts {
                let actual = try test.run(isa, partitions: partitions)
                try Comparer.checkSameBits("gradient", actual.gradient, expected.gradient)
                #expect(actual.partial == expected.partial)
            }
        }
    }

    /// What is not finite shows, in the sum and in its own gradient only.
    @Test(arguments: KernelTable.all) func nanAndInfinityShow(isa: KernelTable) {
        for broken in [Float.nan, .infinity, -.infinity] {
            var gradient = [Float](repeating: 1, count: 18)
            var partial = 0.0
            let parameters = [Float](repeating: 2, count: 17) + [broken]
            isa.kernels.add_norm_penalty(
                18, 0.5, 0.25, parameters, &gradient, &partial,
                recurrent_partition(index: 0, count: 1))
            #expect(!partial.isFinite && !gradient[17].isFinite)
            #expect(gradient[..<17].allSatisfy { $0 == 2 })
        }
    }
}
