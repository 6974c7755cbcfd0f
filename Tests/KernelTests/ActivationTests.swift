import CRecurrent
import RecurrentReference
import TestSupport
import Testing

/// Rows of a layer's pre-activations of every kind, and gradients.
struct ActivationCase: CustomStringConvertible {
    let f: Activation
    let shape: recurrent_rows_shape
    let x, dy: [Float]

    static func all(_ f: Activation) -> [ActivationCase] {
        (TestSizes.few + [TestSizes.large]).map { ActivationCase(f, units: $0) }
    }
    static var all: [ActivationCase] { Activation.allCases.flatMap { all($0) } }

    init(_ f: Activation, units: Int) {
        var generator = Generator(seed: UInt64(units))
        self.f = f
        shape = recurrent_rows_shape(rows: 13, units: units)
        x = generator.awkwardFloats(13 * units, scale: 3)
        dy = generator.awkwardFloats(13 * units)
    }

    var description: String { "\(f), N \(shape.units)" }

    /// y, the nearest floats: exact by definition where the gradient is tested.
    var y: [Float] { x.map { Float(f(Double($0))) } }

    enum Place: CaseIterable { case apart, inGradient, inRead }

    func forward(_ isa: KernelTable, partitions: Int = 1, inPlace: Bool = false) throws -> [Float] {
        var shape = shape
        let x = GuardedBuffer(shape.padded(x, behind: .nan))
        let y = inPlace ? x : GuardedBuffer(repeating: .nan, count: recurrent_rows_floats(shape))
        forPartitions(partitions) {
            isa.kernels.activation_forward(&shape, f.cValue, f.parameter, x.pointer, y.pointer, $0)
        }
        return try y.checkedValues("y")
    }

    func backward(_ isa: KernelTable, partitions: Int = 1, place: Place = .apart) throws -> [Float]
    {
        var shape = shape
        let read = GuardedBuffer(shape.padded(f.derivativeReadsX ? x : y, behind: .nan))
        let dy = GuardedBuffer(shape.padded(dy, behind: .nan))
        let dx =
            switch place {
            case .apart: GuardedBuffer(repeating: .nan, count: recurrent_rows_floats(shape))
            case .inGradient: dy
            case .inRead: read
            }
        forPartitions(partitions) {
            isa.kernels.activation_backward(
                &shape, f.cValue, f.parameter, f.derivativeReadsX ? read.pointer : nil,
                f.derivativeReadsX ? nil : read.pointer, dy.pointer, dx.pointer, $0)
        }
        return try dx.checkedValues("dx")
    }

    func checkForward(_ found: [Float]) throws {
        try shape.checkPadding("y", found)
        try Comparer.check(
            "y \(self)", shape.rows(of: found).joined().map { $0 }, x.map { f(exact(Double($0))) })
    }

    func checkBackward(_ found: [Float]) throws {
        try shape.checkPadding("dx", found)
        let expected = x.indices.map { n in
            exact(Double(dy[n]))
                * (f.derivativeReadsX
                    ? f.derivative(x: exact(Double(x[n]))) : f.derivative(y: exact(Double(y[n]))))
        }
        try Comparer.check("dx \(self)", shape.rows(of: found).joined().map { $0 }, expected)
    }
}

@Sendable func checkActivationForward(_ isa: KernelTable) throws {
    for test in ActivationCase.all { try test.checkForward(test.forward(isa)) }
}

@Sendable func checkActivationBackward(_ isa: KernelTable) throws {
    for test in ActivationCase.all { try test.checkBackward(test.backward(isa)) }
}

@Suite struct ActivationTests {
    @Test(arguments: KernelTable.all, Activation.allCases)
    func sameBitsForEveryPartitionCountInPlace(
        isa: KernelTable, f: Activation
    ) throws {
        for test in ActivationCase.all(f) {
            let y = try test.forward(KernelTable.all[0])
            let dx = try test.backward(KernelTable.all[0])
            for partitions in partitionCounts {
                try Comparer.checkSameBits(
                    "y", test.forward(isa, partitions: partitions, inPlace: partitions % 2 == 0), y)
                for place in ActivationCase.Place.allCases {
                    try Comparer.checkSameBits(
                        "dx", test.backward(isa, partitions: partitions, place: place), dx)
                }
            }
        }
    }

    /// Zero has the left derivative, as in PyTorch; a NaN and an infinity stay what they are.
    @Test(arguments: KernelTable.all) func endsOfTheRectifiers(isa: KernelTable) {
        var shape = recurrent_rows_shape(rows: 1, units: 6)
        let x: [Float] = [0, -0.0, .nan, .infinity, -.infinity, -0x1p-149]
        let all = recurrent_partition(index: 0, count: 1)
        for (f, expected, slopes) in [
            (.relu, [0, 0, .nan, .infinity, 0, 0], [0, 0, 1, 1, 0, 0]),
            (
                .leaky_relu, [0, 0, .nan, .infinity, -.infinity, -0x1p-149],
                [0.75, 0.75, 1, 1, 0.75, 0.75]
            ),
        ] as [(recurrent_activation, [Float], [Float])] {
            var y = shape.padded(x)
            var dx = shape.padded([Float](repeating: 1, count: 6))
            isa.kernels.activation_forward(&shape, f, 0.75, y, &y, all)
            isa.kernels.activation_backward(&shape, f, 0.75, nil, y, dx, &dx, all)
            for index in x.indices {
                #expect(
                    y[index] == expected[index] || y[index].isNaN && expected[index].isNaN,
                    "f(\(x[index])): \(y[index])")
                #expect(dx[index] == slopes[index], "f'(\(x[index])): \(dx[index])")
            }
        }
    }

    /// The bounds tell every function from every other one, and notice a gradient that was not
    /// multiplied.
    @Test(arguments: Activation.allCases) func plantedMistakesAreRejected(f: Activation) throws {
        let test = ActivationCase(f, units: 17)
        func padded(_ values: [Double]) -> [Float] { test.shape.padded(values.map { Float($0) }) }
        try test.checkForward(padded(test.x.map { f(Double($0)) }))
        func gradient(_ f: Activation) -> [Float] {
            padded(
                zip(test.x, test.dy).map { x, dy in
                    let x = Double(x)
                    return Double(dy)
                        * (f.derivativeReadsX
                            ? f.derivative(x: x) : f.derivative(y: Double(Float(f(x)))))
                })
        }
        try test.checkBackward(gradient(f))
        for other in Activation.allCases + [.leakyReLU(slope: 0.2500001), .elu(alpha: 0.250001)]
        where other != f {
            #expect(throws: Mismatch.self) {
                try test.checkForward(padded(test.x.map { other(Double($0)) }))
            }
            #expect(throws: Mismatch.self) { try test.checkBackward(gradient(other)) }
        }
        #expect(throws: Mismatch.self) { try test.checkBackward(padded(test.dy.map(Double.init))) }
        #expect(throws: Mismatch.self) {
            try test.checkForward(padded([Double](repeating: 0, count: test.x.count)))
        }
    }
}
