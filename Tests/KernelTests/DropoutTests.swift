import CRecurrent
import RecurrentReference
import TestSupport
import Testing

@Sendable func checkDropout(_ isa: KernelTable) throws {
    for units in TestSizes.few + [TestSizes.large] {
        for (seed, counter) in [(0, 0), (.max, .max), (1, 1 << 32), (0x0123_4567_89AB_CDEF, 77)]
            as [(UInt64, UInt64)]
        {
            let probability: Float = [0.1, 0.5, 0.75, 1 - 0x1p-24][units % 4]
            let mask = recurrent_dropout(seed: seed, counter: counter, probability: probability)
            let shape = recurrent_rows_shape(rows: 5, units: units)
            var generator = Generator(seed: seed)
            let x = generator.awkwardFloats(shape.rows * units)
            let y = try dropout(shape, mask, x, isa)
            let reference = Dropout(seed: seed, counter: counter, probability: Double(probability))
            let expected = reference(shape.rows(of: shape.padded(x)).map { $0.map(Double.init) })
            try shape.checkPadding("y", y)
            // 1 - p, its reciprocal and the product are rounded.
            try Comparer.check(
                "y N \(units)", shape.rows(of: y).joined(), Array(expected.joined()),
                absolute: 0x1p-150, relative: 4 * 0x1p-24)
        }
    }
}

private func dropout(
    _ shape: recurrent_rows_shape, _ mask: recurrent_dropout, _ x: [Float], _ isa: KernelTable,
    partitions: Int = 1, inPlace: Bool = false
) throws -> [Float] {
    var shape = shape
    var mask = mask
    let from = GuardedBuffer(shape.padded(x))
    let y = inPlace ? from : GuardedBuffer(repeating: .nan, count: recurrent_rows_floats(shape))
    forPartitions(partitions) { isa.kernels.dropout(&shape, &mask, from.pointer, y.pointer, $0) }
    try y.checkGuards("y")
    return y.values
}

@Suite struct DropoutTests {
    @Test(arguments: KernelTable.all)
    func sameBitsForEveryPartitionCountAndInPlace(isa: KernelTable) throws {
        for units in TestSizes.few + [TestSizes.large] {
            let shape = recurrent_rows_shape(rows: 13, units: units)
            let mask = recurrent_dropout(seed: 3, counter: UInt64(units), probability: 0.3)
            var generator = Generator(seed: UInt64(units))
            let x = generator.awkwardFloats(shape.rows * units)
            let expected = try dropout(shape, mask, x, KernelTable.all[0])
            for partitions in partitionCounts {
                try Comparer.checkSameBits(
                    "y",
                    dropout(
                        shape, mask, x, isa, partitions: partitions, inPlace: partitions % 2 == 0),
                    expected)
            }
        }
    }

    @Test(arguments: KernelTable.all)
    func maskDoesNotDependOnTheNumberOfRows(isa: KernelTable) throws {
        let mask = recurrent_dropout(seed: 9, counter: 4, probability: 0.5)
        let ones = [Float](repeating: 1, count: 9 * 33)
        let nine = try dropout(.init(rows: 9, units: 33), mask, ones, isa)
        let four = try dropout(.init(rows: 4, units: 33), mask, Array(ones[..<(4 * 33)]), isa)
        try Comparer.checkSameBits("y", four, Array(nine[..<four.count]))
    }

    @Test(arguments: KernelTable.all)
    func zeroProbabilityIsTheIdentity(isa: KernelTable) throws {
        let shape = recurrent_rows_shape(rows: 3, units: 33)
        var generator = Generator(seed: 1)
        let x = generator.awkwardFloats(99).map { $0 == 0.5 ? .infinity : $0 }
        let y = try dropout(shape, recurrent_dropout(seed: 1, counter: 1, probability: 0), x, isa)
        try Comparer.checkSameBits("y", y, shape.padded(x))
    }

    @Test(arguments: KernelTable.all)
    func droppedElementsAreZeroWhateverTheyWere(isa: KernelTable) throws {
        let shape = recurrent_rows_shape(rows: 1, units: 64)
        let mask = recurrent_dropout(seed: 1, counter: 1, probability: 0.5)
        let of = { try dropout(shape, mask, [Float](repeating: $0, count: 64), isa) }
        let kept = try of(1)
        for value in [Float.nan, .infinity, -1] {
            for (y, one) in try zip(of(value), kept) {
                #expect(one == 0 ? y.bitPattern == 0 : y != 0)
            }
        }
    }

    /// 1e5 elements of ones: the number kept, and of those kept by both of two masks, within 5
    /// standard deviations.
    @Test(arguments: [0.1, 0.5, 0.9] as [Float])
    func keepsItsShareAndSuccessiveMasksAreIndependent(probability: Float) throws {
        let shape = recurrent_rows_shape(rows: 1000, units: 100)
        let count = Double(shape.rows * shape.units)
        let keep = 1 - Double(probability)
        let isa = try #require(KernelTable.all.last)
        let ones = [Float](repeating: 1, count: shape.rows * shape.units)
        let kept = try ([(7, 0), (7, 1), (7, 2), (8, 0)] as [(UInt64, UInt64)]).map {
            seed, counter in
            let mask = recurrent_dropout(seed: seed, counter: counter, probability: probability)
            return try shape.rows(of: dropout(shape, mask, ones, isa)).joined().map { $0 != 0 }
        }
        let expectPartition: (Int, Double, Comment) -> Void = { number, partition, what in
            #expect(
                (Double(number) - count * partition).magnitude <= 5
                    * (count * partition * (1 - partition)).squareRoot(), what)
        }
        for (index, mask) in kept.enumerated() {
            expectPartition(mask.count { $0 }, keep, "mask \(index)")
            for other in 0..<index {
                expectPartition(
                    zip(mask, kept[other]).count { $0 && $1 }, keep * keep,
                    "masks \(other) and \(index)")
            }
            for distance in [1, 16, 100] {  // neighbours, the other word, the next row
                let pairs = zip(mask, mask[distance...] + mask[..<distance])
                expectPartition(
                    pairs.count { $0 && $1 }, keep * keep,
                    "mask \(index) and itself, \(distance) on")
            }
        }
    }
}
