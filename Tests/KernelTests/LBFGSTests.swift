import CRecurrent
import RecurrentReference
import TestSupport
import Testing

/// A block has 4,096 floats.
private let counts = OptimizerCase.sizes + [4095, 4096, 3 * 4096 + 5]

private func partialProducts(_ isa: KernelTable, _ x: [Float], _ y: [Float], partitions: Int = 1)
    -> [Double]
{
    let guardValue = -1.0
    var partial = [Double](repeating: guardValue, count: recurrent_squares_blocks(x.count) + 1)
    forPartitions(partitions) { isa.kernels.dot_product(x.count, x, y, &partial, $0) }
    #expect(partial.removeLast() == guardValue)
    return partial
}

@Sendable func checkDotProduct(_ isa: KernelTable) throws {
    var generator = Generator(seed: 31)
    for count in counts {
        let x = generator.awkwardFloats(count)
        let y = generator.awkwardFloats(count)
        for (block, sum) in partialProducts(isa, x, y).enumerated() {
            let part = (block * 4096)..<min((block + 1) * 4096, count)
            let a = x[part].map(Double.init)
            let b = y[part].map(Double.init)
            // The products are exact; each sum is off by at most 4,096 roundings of what has been
            // added so far.
            #expect(
                (sum - dotProduct(a, b)).magnitude <= 4096 * 0x1p-52
                    * dotProduct(a.map(\.magnitude), b.map(\.magnitude)))
        }
        var squares = [Double](repeating: 0, count: recurrent_squares_blocks(count))
        isa.kernels.sum_of_squares(count, x, &squares, recurrent_partition(index: 0, count: 1))
        #expect(partialProducts(isa, x, x) == squares)
    }
}

private enum Overlap: CaseIterable { case none, x, y }

private func combination(
    _ isa: KernelTable, _ a: Double, _ x: [Float], _ b: Double, _ y: [Float],
    _ overlap: Overlap = .none,
    partitions: Int = 1
) throws -> [Float] {
    let from = (x: GuardedBuffer(x), y: GuardedBuffer(y))
    let z = GuardedBuffer(repeating: .nan, count: x.count)
    let to =
        switch overlap {
        case .none: z
        case .x: from.x
        case .y: from.y
        }
    forPartitions(partitions) {
        isa.kernels.linear_combination(
            x.count, a, from.x.pointer, b, from.y.pointer, to.pointer, $0)
    }
    return try to.checkedValues("z")
}

@Sendable func checkLinearCombination(_ isa: KernelTable) throws {
    var generator = Generator(seed: 32)
    for (a, b) in [(1.0, -1.0), (-0.375, 1), (0.3, -1.7), (0, 1)] {
        for count in counts {
            let x = generator.awkwardFloats(count)
            let y = generator.awkwardFloats(count)
            let (wideX, wideY) = (x.map(Double.init), y.map(Double.init))
            // a, b, b y and the sum are rounded; below 2^-126 to multiples of 2^-149.
            let expected = linearCombination(a, wideX, b, wideY)
            let magnitudes = linearCombination(
                a.magnitude, wideX.map(\.magnitude), b.magnitude, wideY.map(\.magnitude))
            let bounds = magnitudes.map { 3 * 0x1p-24 * $0 + 0x1p-148 }
            for overlap in Overlap.allCases {
                try Comparer.check(
                    "\(a) x + \(b) y, \(count)", try combination(isa, a, x, b, y, overlap),
                    expected, bounds: bounds)
            }
        }
    }
}

@Suite struct LBFGSKernelTests {
    @Test(arguments: KernelTable.all) func sameBitsForEveryPartitionCount(isa: KernelTable) throws {
        var generator = Generator(seed: 33)
        for count in counts {
            let x = generator.awkwardFloats(count)
            let y = generator.awkwardFloats(count)
            let products = partialProducts(KernelTable.all[0], x, y)
            let sum = try combination(KernelTable.all[0], 0.3, x, -1.7, y)
            for partitions in partitionCounts {
                #expect(partialProducts(isa, x, y, partitions: partitions) == products)
                try Comparer.checkSameBits(
                    "z", try combination(isa, 0.3, x, -1.7, y, partitions: partitions), sum)
            }
        }
    }
}
