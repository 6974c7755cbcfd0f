import CRecurrent
import RecurrentReference
import TestSupport
import Testing

/// 2^-24: each operation errs by so much of its result.
private let unit = 0x1p-24
/// What products below the smallest normal number lose.
private let underflow = 0x1p-140

extension NormalizationCase {
    /// Means and variances are rounded once, so 1 / √(v + ε) errs by 3 units: v and v + ε by half
    /// of one each, the root and the quotient. x̂ errs by those, by the mean's rounding, and by its
    /// own two; y by one more.
    private func bounds(
        x: [[Double]], y: [[Double]], mean: (Int, Int) -> Double, inverse: (Int, Int) -> Double
    ) -> [Double] {
        x.indices.flatMap { m in
            x[m].indices.map { n in
                let deviation = (x[m][n] - mean(m, n)).magnitude
                let x_hat = inverse(m, n) * (mean(m, n).magnitude + 5.01 * deviation) * unit
                return Double(gamma[n].magnitude) * x_hat + unit * y[m][n].magnitude + underflow
            }
        }
    }

    func checkForward(_ found: Forward, estimate: recurrent_variance = recurrent_variance_unbiased)
        throws
    {
        let x = rows(x)
        let (y, tape) = reference.forward(x: x)
        let batch = kind == .batch
        let units = recurrent_rows_shape(rows: 1, units: shape.units)
        func check(_ name: String, _ floats: [Float], _ expected: [Double], relative: Double) throws
        {
            let values = batch ? units.rows(of: floats)[0] : floats
            if batch { try units.checkPadding(name, floats) }
            try Comparer.check(
                "\(name) \(self)", values, expected, absolute: underflow, relative: relative)
        }
        try check("mean", found.mean, tape.mean, relative: 1.01 * unit)
        try check(
            "inverse deviation", found.inverseDeviation, tape.inverseDeviation,
            relative: 3.01 * unit)
        try shape.checkPadding("y", found.y)
        let foundRows = shape.rows(of: found.y)
        let bounds = bounds(
            x: x, y: y, mean: { tape.mean[batch ? $1 : $0] },
            inverse: { tape.inverseDeviation[batch ? $1 : $0] })
        try Comparer.check(
            "y \(self)", validRows.flatMap { foundRows[$0] }, y.flatMap { $0 }, bounds: bounds)
        try checkDeadRows("y", foundRows)
        guard batch else { return }
        let moments = reference.moments(x: x)
        func checkAverage(_ name: String, _ floats: [Float], _ average: [Float], _ value: [Double])
            throws
        {
            let average = average.map(Double.init)
            let expected = runningAverage(average, value, momentum: Double(momentum))
            // What is kept of the old average, the new value, and their sum are each rounded once.
            let bounds = expected.indices.map {
                unit * 1.01
                    * (average[$0].magnitude + Double(momentum) * value[$0].magnitude
                        + expected[$0].magnitude) + 0x1p-100
            }
            try units.checkPadding(name, floats)
            try Comparer.check(
                "\(name) \(self)", units.rows(of: floats)[0], expected, bounds: bounds)
        }
        try checkAverage("running mean", found.runningMean, runningMean, moments.mean)
        let variance =
            estimate == recurrent_variance_biased
            ? moments.variance : unbiasedVariance(moments.variance, count: x.count)
        try checkAverage("running variance", found.runningVariance, runningVariance, variance)
    }

    func checkInference(_ found: [Float]) throws {
        let reference = reference
        let x = rows(x)
        let mean = runningMean.map(Double.init)
        let variance = runningVariance.map(Double.init)
        let y = reference.inference(x: x, runningMean: mean, runningVariance: variance)
        try shape.checkPadding("y", found)
        let bounds = bounds(
            x: x, y: y, mean: { mean[$1] },
            inverse: { 1 / (variance[$1] + reference.epsilon).squareRoot() })
        try Comparer.check(
            "y in inference \(self)", shape.rows(of: found).flatMap { $0 }, y.flatMap { $0 },
            bounds: bounds)
    }

    func checkBackward(_ found: Backward) throws {
        let reference = reference
        let floats = tape
        let tape = NormalizationTape(
            mean: floats.mean.map(Double.init),
            inverseDeviation: floats.inverseDeviation.map(Double.init))
        let x = rows(x)
        let dy = rows(dy)
        let dx = reference.backward(x: x, tape: tape, dy: dy)
        var gradient = Normalization(
            kind, gamma: dgamma.map(Double.init), beta: dbeta.map(Double.init),
            epsilon: reference.epsilon)
        gradient.addGradient(x: x, tape: tape, dy: dy)
        let bounds = backwardBounds(x: x, dy: dy, tape: tape)
        let units = recurrent_rows_shape(rows: 1, units: shape.units)
        let parameters = [
            ("dgamma", found.dgamma, gradient.gamma, bounds.dgamma),
            ("dbeta", found.dbeta, gradient.beta, bounds.dbeta),
        ]
        for (name, floats, expected, bounds) in parameters {
            try units.checkPadding(name, floats)
            try Comparer.check(
                "\(name) \(self)", units.rows(of: floats)[0], expected, bounds: bounds)
        }
        try shape.checkPadding("dx", found.dx)
        let foundRows = shape.rows(of: found.dx)
        try Comparer.check(
            "dx \(self)", validRows.flatMap { foundRows[$0] }, dx.flatMap { $0 }, bounds: bounds.dx)
        try checkDeadRows("dx", foundRows)
    }

    private func checkDeadRows(_ name: String, _ rows: [[Float]]) throws {
        for row in Set(0..<shape.rows).subtracting(validRows) {
            try Comparer.checkZeros(
                "\(name) of a row that does not count", rows[row], at: Array(rows[row].indices))
        }
    }

    /// Running error analysis of the kernels' own order of operations: sums in double err by what
    /// their terms do, and are rounded once.
    private func backwardBounds(x: [[Double]], dy: [[Double]], tape: NormalizationTape<Double>) -> (
        dgamma: [Double], dbeta: [Double], dx: [Double]
    ) {
        func product(_ a: RunningError, _ b: RunningError) -> RunningError {
            RunningError(
                a.value * b.value,
                error: a.value.magnitude * b.error + b.value.magnitude * a.error + a.error * b.error
            )
        }
        func sum(_ terms: [RunningError], over count: Int = 1) -> RunningError {
            let value = terms.map(\.value).reduce(0, +) / Double(count)
            let magnitude = terms.map(\.value.magnitude).reduce(0, +) / Double(count)
            let error =
                terms.map(\.error).reduce(0, +) / Double(count) + Double(terms.count) * 0x1p-53
                * magnitude
            return RunningError(value, error: error + unit * (value.magnitude + error) + underflow)
        }
        let batch = kind == .batch
        let rows = x.indices
        let units = x[0].indices
        func inverse(_ m: Int, _ n: Int) -> RunningError {
            exact(tape.inverseDeviation[batch ? n : m])
        }
        let x_hat = rows.map { m in
            units.map { n in (exact(x[m][n]) - exact(tape.mean[batch ? n : m])) * inverse(m, n) }
        }
        let gammas = gamma.map { exact(Double($0)) }
        // What is averaged: dy where γ is the same for all, else γ dy.
        let g = rows.map { m in
            units.map { n in batch ? exact(dy[m][n]) : gammas[n] * exact(dy[m][n]) }
        }
        func mean(_ values: [[RunningError]], _ m: Int, _ n: Int) -> RunningError {
            batch
                ? sum(rows.map { values[$0][n] }, over: rows.count)
                : sum(values[m], over: units.count)
        }
        let along = rows.map { m in units.map { n in product(g[m][n], x_hat[m][n]) } }
        // One mean for each group, which is a column or a row.
        let groups = batch ? units.map { (0, $0) } : rows.map { ($0, 0) }
        let means = groups.map { (mean(g, $0.0, $0.1), mean(along, $0.0, $0.1)) }
        let dx = rows.flatMap { m in
            units.map { n in
                let (mean_g, mean_along) = means[batch ? n : m]
                let factor = batch ? gammas[n] * inverse(m, n) : inverse(m, n)
                return (factor * (g[m][n] - mean_g - x_hat[m][n] * mean_along)).error + underflow
            }
        }
        let dgamma = units.map { n in
            (exact(Double(self.dgamma[n]))
                + sum(rows.map { product(exact(dy[$0][n]), x_hat[$0][n]) })).error
        }
        let dbeta = units.map { n in
            (exact(Double(self.dbeta[n])) + sum(rows.map { exact(dy[$0][n]) })).error
        }
        return (dgamma, dbeta, dx)
    }
}

/// The tests of the kernels of one kind.
func normalizationChecker(
    _ kind: Normalization<Double>.Kind,
    _ check: @escaping @Sendable (NormalizationCase, KernelTable) throws -> Void
)
    -> @Sendable (KernelTable) throws -> Void
{
    { isa in
        for test in NormalizationCase.all(kind) { try check(test, isa) }
    }
}

let checkBatchNormalizationForward = normalizationChecker(.batch) {
    for estimate in [recurrent_variance_unbiased, recurrent_variance_biased] {
        try $0.checkForward($0.forward($1, estimate: estimate), estimate: estimate)
    }
}
let checkBatchNormalizationInference = normalizationChecker(.batch) {
    if $0.valid == nil { try $0.checkInference($0.inference($1)) }
}
let checkBatchNormalizationBackward = normalizationChecker(.batch) {
    try $0.checkBackward($0.backward($1))
}
let checkLayerNormalizationForward = normalizationChecker(.layer) {
    try $0.checkForward($0.forward($1))
}
let checkLayerNormalizationBackward = normalizationChecker(.layer) {
    try $0.checkBackward($0.backward($1))
}

@Suite struct NormalizationTests {
    @Test(arguments: KernelTable.all, NormalizationCase.all)
    func sameBitsForEveryPartitionCountInPlace(
        isa: KernelTable, test: NormalizationCase
    ) throws {
        let first = KernelTable.all[0]
        let forward = try test.forward(first)
        let backward = try test.backward(first)
        for partitions in partitionCounts {
            let found = try test.forward(isa, partitions: partitions)
            for (name, part) in [
                ("mean", \.mean), ("inverse deviation", \.inverseDeviation),
                ("running mean", \.runningMean),
                ("running variance", \.runningVariance), ("y", \.y),
            ] as [(String, KeyPath<NormalizationCase.Forward, [Float]>)] {
                try Comparer.checkSameBits(name, found[keyPath: part], forward[keyPath: part])
            }
            let gradient = try test.backward(
                isa, partitions: partitions, inPlace: partitions % 2 == 0)
            try Comparer.checkSameBits("dgamma", gradient.dgamma, backward.dgamma)
            try Comparer.checkSameBits("dbeta", gradient.dbeta, backward.dbeta)
            try Comparer.checkSameBits("dx", gradient.dx, backward.dx)
            guard test.kind == .batch else { continue }
            try Comparer.checkSameBits(
                "y", test.inference(isa, partitions: partitions, inPlace: partitions % 2 == 0),
                test.inference(first))
        }
    }

    /// Rows that do not count leave no trace: the others by themselves give the same bits.
    @Test(arguments: KernelTable.all) func rowsThatDoNotCountAreAsIfTheyWereNotThere(
        isa: KernelTable
    ) throws {
        let rows = 12
        let units = 21
        let dead = [0, 4, 5, 11]
        var generator = Generator(seed: 3)
        var shape = recurrent_rows_shape(rows: rows, units: units)
        var few = recurrent_rows_shape(rows: rows - dead.count, units: units)
        let x = generator.floats(rows * units)
        let gamma = generator.floats(32)
        let beta = generator.floats(32)
        let all = recurrent_partition(index: 0, count: 1)
        let valid = (0..<rows).map { Int32(dead.contains($0) ? 0 : 1) }
        let kept = (0..<rows).filter { !dead.contains($0) }
        func run(_ shape: inout recurrent_rows_shape, _ valid: [Int32]?, _ x: [Float]) -> (
            units: [[Float]], y: [[Float]]
        ) {
            var runningMean = [Float](repeating: 1, count: 32)
            var runningVariance = runningMean
            var mean = runningMean
            var inverse = runningMean
            var y = [Float](repeating: .nan, count: recurrent_rows_floats(shape))
            isa.kernels.batch_normalization_forward(
                &shape, valid, 1e-5, 0.1, recurrent_variance_unbiased, shape.padded(x), gamma, beta,
                &runningMean, &runningVariance, &mean, &inverse, &y, all)
            return ([runningMean, runningVariance, mean, inverse], shape.rows(of: y))
        }
        let some = run(&shape, valid, x)
        let alone = run(&few, nil, kept.flatMap { x[$0 * units..<($0 + 1) * units] })
        #expect(some.units == alone.units && kept.map { some.y[$0] } == alone.y)
    }

    /// Without any row there is nothing to average: the averages stay.
    @Test(arguments: KernelTable.all) func noRowCounts(isa: KernelTable) throws {
        var shape = recurrent_rows_shape(rows: 3, units: 17)
        let nan = [Float](repeating: .nan, count: recurrent_rows_floats(shape))
        let ones = [Float](repeating: 1, count: 32)
        let partition = recurrent_partition(index: 0, count: 1)
        var runningMean = [Float](repeating: 0.3, count: 32)
        var runningVariance = ones
        var mean = ones
        var inverse = ones
        var y = nan
        var dx = nan
        var dgamma = [Float](repeating: 2, count: 32)
        var dbeta = dgamma
        isa.kernels.batch_normalization_forward(
            &shape, [0, 0, 0], 0.25, 0.1, recurrent_variance_unbiased, nan, ones, ones,
            &runningMean,
            &runningVariance, &mean, &inverse, &y, partition)
        isa.kernels.batch_normalization_backward(
            &shape, [0, 0, 0], nan, ones, mean, inverse, nan, &dgamma, &dbeta, &dx, partition)
        #expect(
            runningMean[..<17].allSatisfy { $0 == 0.3 }
                && runningVariance[..<17].allSatisfy { $0 == 1 })
        #expect(
            mean.allSatisfy { $0 == 0 } && inverse[..<17].allSatisfy { $0 == 2 }
                && (y + dx).allSatisfy { $0 == 0 })
        #expect((dgamma[..<17] + dbeta[..<17]).allSatisfy { $0 == 2 })
    }

    /// What is not a number shows in all that depends on it, and in nothing else.
    @Test(arguments: KernelTable.all, Normalization<Double>.Kind.allCases) func nanShows(
        isa: KernelTable, kind: Normalization<Double>.Kind
    ) throws {
        var shape = recurrent_rows_shape(rows: 3, units: 17)
        var generator = Generator(seed: 1)
        var values = generator.floats(3 * 17)
        values[17 + 2] = .nan
        let ones = [Float](repeating: 1, count: 32)
        let x = shape.padded(values)
        let partition = recurrent_partition(index: 0, count: 1)
        var runningMean = ones
        var runningVariance = ones
        var mean = ones
        var inverse = ones
        var y = x
        switch kind {
        case .batch:
            isa.kernels.batch_normalization_forward(
                &shape, nil, 1e-5, 0.1, recurrent_variance_unbiased, x, ones, ones, &runningMean,
                &runningVariance, &mean, &inverse, &y, partition)
        case .layer:
            isa.kernels.layer_normalization_forward(
                &shape, 1e-5, x, ones, ones, &mean, &inverse, &y, partition)
        }
        for (m, row) in shape.rows(of: y).enumerated() {
            for n in row.indices {
                #expect(row[n].isNaN == (kind == .batch ? n == 2 : m == 1), "\(m), \(n): \(row[n])")
            }
        }
        if kind == .batch {
            #expect(runningMean[2].isNaN && runningVariance[2].isNaN && runningMean[1].isFinite)
        }
        try shape.checkPadding("y", y)
    }

    /// The bounds of these tests reject every mistake.
    @Test(arguments: Normalization<Double>.Kind.allCases) func plantedMistakesAreRejected(
        kind: Normalization<Double>.Kind
    ) throws {
        let test = NormalizationCase(kind, rows: 9, units: 19, someValid: kind == .batch)
        func check(_ mistake: NormalizationMistake?) throws {
            let faulty = FaultyNormalization(mistake: mistake, test: test)
            try test.checkForward(faulty.forward())
            try test.checkBackward(faulty.backward())
        }
        try check(nil)
        let missed = NormalizationMistake.allCases.filter { mistake in
            if mistake.isOfBatches && kind == .layer { return false }
            do { try check(mistake) } catch { return false }
            return true
        }
        #expect(missed == [])
    }
}
