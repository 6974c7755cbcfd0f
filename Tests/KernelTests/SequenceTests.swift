import CRecurrent
import RecurrentReference
import TestSupport
import Testing

@Sendable func checkSequenceCopy(_ isa: KernelTable) throws {
    try SequenceCase.checkCopies(isa, adds: false)
}
@Sendable func checkAddSequence(_ isa: KernelTable) throws {
    try SequenceCase.checkCopies(isa, adds: true)
}

@Sendable func checkSequencePool(_ isa: KernelTable) throws {
    for test in SequenceCase.all {
        for (pooling, reversed) in SequenceCase.poolings {
            let expected = sequencePool(
                test.x.asDoubles, lengths: test.lengths, pooling, reversed: reversed)
            let magnitudes = test.x.asDoubles.map { $0.map { $0.map(\.magnitude) } }
            let most = sequencePool(magnitudes, lengths: test.lengths, pooling, reversed: reversed)
            try test.checkRows(
                "y, \(pooling)", test.pool(isa, pooling, reversed: reversed), expected,
                bounds: most.joined().map { 0x1p-149 + 0x1.001p-24 * $0 })
        }
    }
}

@Sendable func checkSequencePoolBackward(_ isa: KernelTable) throws {
    for test in SequenceCase.all {
        for (pooling, reversed) in SequenceCase.poolings {
            let dy = test.x[0].map { $0.map(Double.init) }
            let expected = sequencePoolBackward(
                dy: dy, steps: test.steps, lengths: test.lengths, pooling, reversed: reversed)
            try test.checkRows(
                "dx, \(pooling)", test.poolBackward(isa, pooling, reversed: reversed),
                Array(expected.joined()),
                bounds: expected.joined().joined().map { 0x1p-149 + 0x1p-24 * $0.magnitude })
        }
    }
}

/// Sequences of rows that begin `offset` floats into wider rows, of which they write all the rest
/// or no more than their units.
struct SequenceCase: CustomStringConvertible {
    let steps: Int, batch: Int, units: Int, fills: Bool
    let lengths: [Int]?
    let x: [[[Float]]]
    private let gap = 3

    static let poolings: [(SequencePooling, reversed: Bool)] = [
        (.last, false), (.last, true), (.mean, false),
    ]

    static var all: [SequenceCase] {
        (TestSizes.few + [TestSizes.large]).flatMap { units in
            [(1, 1), (5, 3)].flatMap { steps, batch in
                [false, true].map {
                    SequenceCase(
                        steps: steps, batch: batch, units: units, ends: $0,
                        fills: $0 == (units % 2 == 0))
                }
            }
        }
    }

    init(steps: Int, batch: Int, units: Int, ends: Bool, fills: Bool) {
        var generator = Generator(seed: UInt64(steps * 1000 + units))
        (self.steps, self.batch, self.units, self.fills) = (steps, batch, units, fills)
        lengths = ends ? (0..<batch).map { ($0 + 1) % (steps + 2) } : nil
        x = (0..<steps).map { _ in (0..<batch).map { _ in generator.awkwardFloats(units) } }
    }

    var description: String {
        """
        T \(steps), B \(batch), N \(units), \(lengths == nil ? "whole" : "ended"), \
        \(fills ? "filled" : "exact")
        """
    }
    private var width: Int { fills ? recurrent_padded(units) : units }
    private var stride: Int { width + gap }

    private func shape(reversed: Bool) -> recurrent_sequence_shape {
        recurrent_sequence_shape(
            steps: steps, batch: batch, units: units, width: width, x_stride: units + gap,
            y_stride: stride,
            reversed: reversed ? 1 : 0)
    }

    /// x as the kernel reads it: NaN between the rows and where a sequence has ended.
    private func input(_ rows: [[[Float]]]) -> GuardedBuffer {
        let nothing = [Float](repeating: .nan, count: gap)
        return GuardedBuffer(
            rows.enumerated().flatMap { t, rows in
                rows.enumerated().flatMap { b, row in
                    (lengths.map { t >= $0[b] } ?? false ? row.map { _ in .nan } : row) + nothing
                }
            })
    }

    private func output(_ rows: Int) -> GuardedBuffer {
        GuardedBuffer((0..<rows * stride).map { Float($0 % stride < width ? $0 % 5 : 77) })
    }

    /// Rows of units with what was there before, from `output`.
    private func before(_ rows: Int) -> [[Double]] {
        (0..<rows).map { m in (0..<units).map { Double((m * stride + $0) % 5) } }
    }

    func copy(_ isa: KernelTable, reversed: Bool, adds: Bool, partitions: Int = 1) throws -> [Float]
    {
        var shape = shape(reversed: reversed)
        let x = input(x)
        let y = output(steps * batch)
        forPartitions(partitions) {
            if adds {
                isa.kernels.add_sequence(&shape, lengths, x.pointer, y.pointer, $0)
            } else {
                isa.kernels.sequence_copy(&shape, lengths, x.pointer, y.pointer, $0)
            }
        }
        try y.checkGuards("y")
        return y.values
    }

    func pool(_ isa: KernelTable, _ pooling: SequencePooling, reversed: Bool, partitions: Int = 1)
        throws -> [Float]
    {
        var shape = shape(reversed: reversed)
        let x = input(x)
        let y = output(batch)
        forPartitions(partitions) {
            isa.kernels.sequence_pool(&shape, pooling.cValue, lengths, x.pointer, y.pointer, $0)
        }
        try y.checkGuards("y")
        return y.values
    }

    func poolBackward(
        _ isa: KernelTable, _ pooling: SequencePooling, reversed: Bool, partitions: Int = 1
    ) throws -> [Float] {
        var shape = shape(reversed: reversed)
        let dy = GuardedBuffer(x[0].flatMap { $0 + [Float](repeating: .nan, count: gap) })
        let dx = output(steps * batch)
        forPartitions(partitions) {
            isa.kernels.sequence_pool_backward(
                &shape, pooling.cValue, lengths, dy.pointer, dx.pointer, $0)
        }
        try dx.checkGuards("dx")
        return dx.values
    }

    /// The units of each row, the zeros behind them, and the floats between the rows, which stay.
    func checkRows(
        _ name: String, _ found: [Float], _ expected: [[Double]], bounds: [Double],
        adds: Bool = false
    ) throws {
        let rows = expected.count
        #expect(found.count == rows * stride)
        let actual = (0..<rows).flatMap { found[$0 * stride..<$0 * stride + units] }
        try Comparer.check("\(name) \(self)", actual, Array(expected.joined()), bounds: bounds)
        for row in 0..<rows {
            for column in units..<stride {
                let old = Float((row * stride + column) % 5)
                let written = column < width
                #expect(
                    found[row * stride + column] == (!written ? 77 : adds ? old : 0),
                    "\(name) \(self): row \(row), column \(column)")
            }
        }
    }

    static func checkCopies(_ isa: KernelTable, adds: Bool) throws {
        for test in all {
            for reversed in [false, true] {
                let copied = sequenceCopy(
                    test.x.asDoubles, lengths: test.lengths, reversed: reversed
                ).flatMap { $0 }
                let before = test.before(test.steps * test.batch)
                let expected = adds ? zip(before, copied).map { zip($0, $1).map(+) } : copied
                let bounds = expected.joined().map { adds ? 0x1p-24 * $0.magnitude : 0 }
                try test.checkRows(
                    adds ? "sum" : "copy", test.copy(isa, reversed: reversed, adds: adds), expected,
                    bounds: bounds, adds: adds)
            }
        }
    }
}

extension SequencePooling {
    var cValue: recurrent_sequence_pooling {
        self == .last ? recurrent_sequence_last : recurrent_sequence_mean
    }
}

extension [[[Float]]] {
    fileprivate var asDoubles: [[[Double]]] { map { $0.map { $0.map(Double.init) } } }
}

@Suite struct SequenceTests {
    @Test(arguments: KernelTable.all)
    func sameBitsForEveryPartitionCount(isa: KernelTable) throws {
        for test in SequenceCase.all {
            func check(_ name: String, _ run: (KernelTable, Int) throws -> [Float]) throws {
                let expected = try run(KernelTable.all[0], 1)
                for partitions in partitionCounts {
                    try Comparer.checkSameBits("\(name) \(test)", run(isa, partitions), expected)
                }
            }
            for reversed in [false, true] {
                try check("copy") {
                    try test.copy($0, reversed: reversed, adds: false, partitions: $1)
                }
                try check("sum") {
                    try test.copy($0, reversed: reversed, adds: true, partitions: $1)
                }
            }
            for (pooling, reversed) in SequenceCase.poolings {
                try check("y") { try test.pool($0, pooling, reversed: reversed, partitions: $1) }
                try check("dx") {
                    try test.poolBackward($0, pooling, reversed: reversed, partitions: $1)
                }
            }
        }
    }
}
