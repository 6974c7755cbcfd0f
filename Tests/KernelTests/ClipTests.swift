import CRecurrent
import RecurrentReference
import TestSupport
import Testing

private let counts = OptimizerCase.sizes + OptimizerCase.largeSizes + [4095, 4096, 3 * 4096 + 5]

/// The partial sums of the squares of `values`, by the kernel.
private func partialSums(_ isa: KernelTable, _ values: [Float], partitions: Int = 1) -> [Double] {
    let guardValue = -1.0
    var partial = [Double](repeating: guardValue, count: recurrent_squares_blocks(values.count) + 1)
    forPartitions(partitions) { isa.kernels.sum_of_squares(values.count, values, &partial, $0) }
    #expect(partial.removeLast() == guardValue)
    return partial
}

private func norm(_ isa: KernelTable, _ values: [Float]) -> Double {
    var norm = Double.nan
    let partial = partialSums(isa, values)
    isa.kernels.global_norm(partial.count, partial, &norm)
    return norm
}

@Sendable func checkSumOfSquares(_ isa: KernelTable) throws {
    var generator = Generator(seed: 21)
    for count in counts {
        let values = generator.awkwardFloats(count)
        let partial = partialSums(isa, values)
        for (block, sum) in partial.enumerated() {
            let part = values[(block * 4096)..<min((block + 1) * 4096, count)]
            let expected = part.reduce(0) { $0 + Double($1) * Double($1) }
            // Both add at most 4,096 exact squares, none negative, in double.
            #expect((sum - expected).magnitude <= 4096 * 0x1p-52 * expected)
        }
    }
}

@Sendable func checkGlobalNorm(_ isa: KernelTable) throws {
    var generator = Generator(seed: 22)
    for count in counts {
        let values = generator.awkwardFloats(count)
        let expected = globalNorm(values.map(Double.init))
        #expect((norm(isa, values) - expected).magnitude <= Double(count + 4) * 0x1p-52 * expected)
    }
    let largest = [Float](repeating: .greatestFiniteMagnitude, count: 5000)
    #expect(
        (norm(isa, largest) / (Double(Float.greatestFiniteMagnitude) * 5000.squareRoot()) - 1)
            .magnitude < 1e-12)
    for broken in [Float.nan, .infinity, -.infinity] {
        #expect(!norm(isa, largest + [broken]).isFinite)
    }
}

@Sendable func checkFill(_ isa: KernelTable) throws {
    for count in counts {
        for partitions in partitionCounts {
            let buffer = GuardedBuffer(repeating: .nan, count: count)
            forPartitions(partitions) { isa.kernels.fill(count, -0.1, buffer.pointer, $0) }
            try buffer.checkGuards("x")
            try Comparer.checkSameBits("x", buffer.values, [Float](repeating: -0.1, count: count))
        }
    }
}

@Suite struct ClipTests {
    @Test(arguments: KernelTable.all)
    func sumOfSquaresHasTheSameBitsForEveryPartitionCount(isa: KernelTable) {
        var generator = Generator(seed: 23)
        for count in counts {
            let values = generator.awkwardFloats(count)
            let expected = partialSums(KernelTable.all[0], values)
            for partitions in partitionCounts {
                #expect(partialSums(isa, values, partitions: partitions) == expected)
            }
        }
    }

    @Test func coefficient() {
        let conventions: [(recurrent_clip_convention, ClipConvention)] = [
            (recurrent_clip_epsilon, .epsilon), (recurrent_clip_exact, .exact),
        ]
        for (convention, reference) in conventions {
            for norm in [0, 1e-9, 0.5, 1, 1.0000001, 3, 1e30] {
                for most in [1e-3, 1, 5] {
                    #expect(
                        recurrent_clip_coefficient(norm, most, convention)
                            == clipCoefficient(norm: norm, most: most, convention: reference))
                }
            }
            #expect(recurrent_clip_coefficient(.nan, 1, convention).isNaN)
            #expect(recurrent_clip_coefficient(.infinity, 1, convention) == 0)
        }
    }
}
