import CRecurrent
import RecurrentReference
import TestSupport
import Testing

@Sendable func checkEmbeddingForward(_ isa: KernelTable) throws {
    for test in EmbeddingCase.all {
        let (y, _) = try test.run(isa)
        let expected = embeddingForward(
            table: test.table.map { $0.map(Double.init) }, indices: test.indices.map(Int.init))
        try test.yRows.checkPadding("y", y)
        try Comparer.check(
            "y \(test)", test.yRows.rows(of: y).joined(), Array(expected.joined()), absolute: 0,
            relative: 0)
    }
}

@Sendable func checkEmbeddingBackward(_ isa: KernelTable) throws {
    for test in EmbeddingCase.all {
        let (_, dtable) = try test.run(isa)
        let dy = test.dy.map { $0.map(Double.init) }
        let indices = test.indices.map(Int.init)
        let added = embeddingBackward(
            dy: dy, indices: indices, vocabulary: test.vocabulary, dimension: test.dimension)
        let most = embeddingBackward(
            dy: dy.map { $0.map(\.magnitude) }, indices: indices, vocabulary: test.vocabulary,
            dimension: test.dimension)
        let before = Array(test.dtable.joined())
        // Each addition errs by half a last place of a sum that the sum of the magnitudes bounds.
        let bounds = zip(before, most.joined()).map {
            Double(indices.count + 1) * 0x1p-24 * (Double($0.magnitude) + $1)
        }
        try test.tableRows.checkPadding("dtable", dtable)
        try Comparer.check(
            "dtable \(test)", test.tableRows.rows(of: dtable).joined(),
            zip(before, added.joined()).map { Double($0) + $1 },
            bounds: bounds)
    }
}

/// A table, its gradient so far, and indices with repetitions and padding.
struct EmbeddingCase: CustomStringConvertible {
    let vocabulary: Int, dimension: Int
    let table: [[Float]], dtable: [[Float]], dy: [[Float]]
    let indices: [Int32]

    static var all: [EmbeddingCase] {
        (TestSizes.few + [TestSizes.large]).map {
            EmbeddingCase(vocabulary: 7, dimension: $0, rows: 33)
        }
            + [
                EmbeddingCase(vocabulary: 1, dimension: 17, rows: 1),
                EmbeddingCase(vocabulary: 131, dimension: 3, rows: 64),
            ]
    }

    init(vocabulary: Int, dimension: Int, rows: Int) {
        var generator = Generator(seed: UInt64(vocabulary * 1000 + dimension))
        self.vocabulary = vocabulary
        self.dimension = dimension
        table = (0..<vocabulary).map { _ in generator.awkwardFloats(dimension) }
        dtable = (0..<vocabulary).map { _ in generator.awkwardFloats(dimension) }
        dy = (0..<rows).map { _ in generator.awkwardFloats(dimension) }
        let outside: [Int32] = [-1, .min, Int32(vocabulary), .max]
        indices = (0..<rows).map { row in
            row % 9 == 4
                ? outside[row / 9 % outside.count]
                : Int32.random(in: 0..<Int32(vocabulary), using: &generator)
        }
    }

    var description: String { "V \(vocabulary), E \(dimension), M \(indices.count)" }
    var tableRows: recurrent_rows_shape { .init(rows: vocabulary, units: dimension) }
    var yRows: recurrent_rows_shape { .init(rows: indices.count, units: dimension) }

    /// y and dtable. Gradients of padding are NaN, which must not be read.
    func run(_ isa: KernelTable, partitions: Int = 1) throws -> (y: [Float], dtable: [Float]) {
        var shape = recurrent_embedding_shape(
            vocabulary: vocabulary, dimension: dimension, rows: indices.count)
        let tableBuffer = GuardedBuffer(tableRows.padded(Array(table.joined())))
        let read = zip(indices, dy).map { index, row in
            table.indices.contains(Int(index)) ? row : [Float](repeating: .nan, count: dimension)
        }
        let dyBuffer = GuardedBuffer(yRows.padded(Array(read.joined())))
        let y = GuardedBuffer(repeating: .nan, count: recurrent_embedding_rows_floats(shape))
        let gradient = GuardedBuffer(tableRows.padded(Array(dtable.joined())))
        forPartitions(partitions) { partition in
            isa.kernels.embedding_forward(
                &shape, tableBuffer.pointer, indices, y.pointer, partition)
            isa.kernels.embedding_backward(
                &shape, indices, dyBuffer.pointer, gradient.pointer, partition)
        }
        try y.checkGuards("y")
        try gradient.checkGuards("dtable")
        return (y.values, gradient.values)
    }
}

@Suite struct EmbeddingTests {
    @Test(arguments: KernelTable.all)
    func sameBitsForEveryPartitionCount(isa: KernelTable) throws {
        for test in EmbeddingCase.all {
            let expected = try test.run(KernelTable.all[0])
            for partitions in partitionCounts {
                let actual = try test.run(isa, partitions: partitions)
                try Comparer.checkSameBits("y", actual.y, expected.y)
                try Comparer.checkSameBits("dtable", actual.dtable, expected.dtable)
            }
        }
    }
}
