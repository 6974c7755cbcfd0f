import CRecurrent
import RecurrentReference
import TestSupport

/// Rows to be normalized, with some that do not count and hold NaN; groups whose mean is far from
/// zero beside their deviation, and groups of equal numbers.
struct NormalizationCase: CustomStringConvertible, Sendable {
    let kind: Normalization<Double>.Kind
    let shape: recurrent_rows_shape
    let valid: [Int32]?
    let x, dy, gamma, beta, runningMean, runningVariance, dgamma, dbeta: [Float]
    let epsilon: Float = 1e-5, momentum: Float = 0.1

    static let all: [NormalizationCase] = Normalization<Double>.Kind.allCases.flatMap { all($0) }

    static func all(_ kind: Normalization<Double>.Kind) -> [NormalizationCase] {
        let sizes: [(rows: Int, units: Int)] =
            (TestSizes.few + [TestSizes.large]).map { (19, $0) } + [
                (1, 17), (2, 5), (33, 3), (300, 20),
            ]
        return sizes.flatMap { size in
            (kind == .batch ? [false, true] : [false]).map {
                NormalizationCase(kind, rows: size.rows, units: size.units, someValid: $0)
            }
        }
    }

    init(_ kind: Normalization<Double>.Kind, rows: Int, units: Int, someValid: Bool) {
        var generator = Generator(seed: UInt64(rows * 1000 + units))
        let valid: [Int32]? =
            someValid ? (0..<rows).map { $0 % 5 == 3 ? 0 : Int32($0 % 3) - 3 } : nil
        func rowsOfData(_ data: [Float]) -> [Float] {
            data.enumerated().map { valid?[$0 / units] == 0 ? .nan : $1 }
        }
        self.kind = kind
        self.valid = valid
        shape = recurrent_rows_shape(rows: rows, units: units)
        x = rowsOfData(
            generator.awkwardFloats(rows * units, scale: 2).enumerated().map { index, value in
                switch (kind == .batch ? index % units : index / units) % 7 {
                case 2: 100 + value
                case 3: 0.3
                case 5: -1e4 + value / 8
                default: value
                }
            })
        dy = rowsOfData(generator.awkwardFloats(rows * units))
        gamma = generator.awkwardFloats(units)
        beta = generator.awkwardFloats(units)
        runningMean = generator.floats(units)
        runningVariance = generator.floats(units).map(\.magnitude)
        dgamma = generator.floats(units)
        dbeta = generator.floats(units)
    }

    var description: String {
        "\(kind), M \(shape.rows), N \(shape.units), \(valid == nil ? "all" : "some") valid"
    }
    var validRows: [Int] { (0..<shape.rows).filter { valid?[$0] != 0 } }
    /// How many means there are.
    private var groups: Int { kind == .batch ? recurrent_padded(shape.units) : shape.rows }
    private var unitsShape: recurrent_rows_shape {
        recurrent_rows_shape(rows: 1, units: shape.units)
    }

    // MARK: By the kernels

    /// What the forward kernel writes; running averages are those of a batch.
    struct Forward { var mean, inverseDeviation, runningMean, runningVariance, y: [Float] }

    func forward(
        _ isa: KernelTable, partitions: Int = 1,
        estimate: recurrent_variance = recurrent_variance_unbiased
    ) throws -> Forward {
        var shape = shape
        let x = GuardedBuffer(shape.padded(x, behind: .nan))
        let y = GuardedBuffer(repeating: .nan, count: recurrent_rows_floats(shape))
        let gamma = GuardedBuffer(unitsShape.padded(gamma))
        let beta = GuardedBuffer(unitsShape.padded(beta))
        let runningMean = GuardedBuffer(unitsShape.padded(runningMean))
        let runningVariance = GuardedBuffer(unitsShape.padded(runningVariance))
        let mean = GuardedBuffer(repeating: .nan, count: groups)
        let inverse = GuardedBuffer(repeating: .nan, count: groups)
        forPartitions(partitions) {
            switch kind {
            case .batch:
                isa.kernels.batch_normalization_forward(
                    &shape, valid, epsilon, momentum, estimate, x.pointer, gamma.pointer,
                    beta.pointer,
                    runningMean.pointer, runningVariance.pointer, mean.pointer, inverse.pointer,
                    y.pointer, $0)
            case .layer:
                isa.kernels.layer_normalization_forward(
                    &shape, epsilon, x.pointer, gamma.pointer, beta.pointer, mean.pointer,
                    inverse.pointer,
                    y.pointer, $0)
            }
        }
        return try Forward(
            mean: mean.checkedValues("mean"),
            inverseDeviation: inverse.checkedValues("inverse deviation"),
            runningMean: runningMean.checkedValues("running mean"),
            runningVariance: runningVariance.checkedValues("running variance"),
            y: y.checkedValues("y"))
    }

    func inference(_ isa: KernelTable, partitions: Int = 1, inPlace: Bool = false) throws -> [Float]
    {
        var shape = shape
        let x = GuardedBuffer(shape.padded(x, behind: .nan))
        let y = inPlace ? x : GuardedBuffer(repeating: .nan, count: recurrent_rows_floats(shape))
        let (gamma, beta, mean) = (
            unitsShape.padded(gamma), unitsShape.padded(beta), unitsShape.padded(runningMean)
        )
        forPartitions(partitions) {
            isa.kernels.batch_normalization_inference(
                &shape, epsilon, x.pointer, gamma, beta, mean, unitsShape.padded(runningVariance),
                y.pointer, $0)
        }
        return try y.checkedValues("y")
    }

    struct Backward { var dgamma, dbeta, dx: [Float] }

    func backward(_ isa: KernelTable, partitions: Int = 1, inPlace: Bool = false) throws -> Backward
    {
        var shape = shape
        let kernels = isa.kernels
        let tape = tape
        let x = GuardedBuffer(shape.padded(x, behind: .nan))
        let dy = GuardedBuffer(shape.padded(dy, behind: .nan))
        let dx = inPlace ? dy : GuardedBuffer(repeating: .nan, count: recurrent_rows_floats(shape))
        let dgamma = GuardedBuffer(unitsShape.padded(dgamma))
        let dbeta = GuardedBuffer(unitsShape.padded(dbeta))
        let gamma = unitsShape.padded(gamma)
        let mean = kind == .batch ? unitsShape.padded(tape.mean) : tape.mean
        let inverse =
            kind == .batch ? unitsShape.padded(tape.inverseDeviation) : tape.inverseDeviation
        switch kind {
        case .batch:
            forPartitions(partitions) {
                kernels.batch_normalization_backward(
                    &shape, valid, x.pointer, gamma, mean, inverse, dy.pointer, dgamma.pointer,
                    dbeta.pointer,
                    dx.pointer, $0)
            }
        case .layer:
            forPartitions(partitions) {
                kernels.layer_normalization_backward_parameters(
                    &shape, x.pointer, mean, inverse, dy.pointer, dgamma.pointer, dbeta.pointer, $0)
            }
            forPartitions(partitions) {
                kernels.layer_normalization_backward_input(
                    &shape, x.pointer, gamma, mean, inverse, dy.pointer, dx.pointer, $0)
            }
        }
        return try Backward(
            dgamma: dgamma.checkedValues("dgamma"), dbeta: dbeta.checkedValues("dbeta"),
            dx: dx.checkedValues("dx"))
    }

    // MARK: By the reference

    func rows(_ floats: [Float]) -> [[Double]] {
        validRows.map { row in floats[row * shape.units..<(row + 1) * shape.units].map(Double.init)
        }
    }

    var reference: Normalization<Double> {
        Normalization(
            kind, gamma: gamma.map(Double.init), beta: beta.map(Double.init),
            epsilon: Double(epsilon))
    }

    /// The tape that the gradient is tested with: floats, exact by definition.
    var tape: (mean: [Float], inverseDeviation: [Float]) {
        let tape = reference.forward(x: rows(x)).tape
        return (tape.mean.map { Float($0) }, tape.inverseDeviation.map { Float($0) })
    }
}
