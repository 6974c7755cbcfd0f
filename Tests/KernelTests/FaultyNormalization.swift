import CRecurrent
import RecurrentReference
import TestSupport

/// A mistake that an implementation of normalization may make.
enum NormalizationMistake: CaseIterable {
    // Forward.
    case meanNotSubtracted, varianceUnbiased, varianceOfSquares, epsilonMissing,
        epsilonOutsideTheRoot, gammaMissing, betaMissing
    case otherAxis, paddingCounted, lastRowMissing
    case runningVarianceBiased, runningMeanStays, momentumOfTheOther,
        rowsThatDoNotCountAreNormalized
    // Backward.
    case meanTermMissing, projectionMissing, dgammaNotNormalized, gammaMissingInDx,
        deviationMissingInDx, dgammaNotAccumulated, dbetaMissing
    case signFlipped

    var isOfBatches: Bool {
        let mistakes: [Self] = [
            .runningVarianceBiased, .runningMeanStays, .momentumOfTheOther,
            .rowsThatDoNotCountAreNormalized,
        ]
        return mistakes.contains(self)
    }
}

/// Both passes in Double, with one mistake or none.
struct FaultyNormalization {
    let mistake: NormalizationMistake?
    let test: NormalizationCase

    private func makes(_ mistake: NormalizationMistake) -> Bool { self.mistake == mistake }
    private var units: Range<Int> { 0..<test.shape.units }
    private var overRows: Bool { (test.kind == .batch) != makes(.otherAxis) }
    private var x: [[Double]] { test.rows(test.x) }

    /// Element by element, in padded rows; those that do not count are zero.
    private func padded(_ value: (Int, Int) -> Double) -> [Float] {
        var floats = [Float](repeating: 0, count: recurrent_rows_floats(test.shape))
        let stride = recurrent_padded(test.shape.units)
        for (m, row) in test.validRows.enumerated() {
            for n in units { floats[row * stride + n] = Float(value(m, n)) }
        }
        return floats
    }

    private func paddedUnits(_ values: [Double]) -> [Float] {
        recurrent_rows_shape(rows: 1, units: units.count).padded(values.map { Float($0) })
    }

    /// The numbers that are normalized together with x[m][n].
    private func group(_ x: [[Double]], _ m: Int, _ n: Int) -> [Double] {
        overRows
            ? (makes(.lastRowMissing) ? x.dropLast() : x).map { $0[n] }
            : makes(.lastRowMissing) ? Array(x[m].dropLast()) : x[m]
    }

    private func mean(_ values: [Double]) -> Double {
        values.reduce(0, +)
            / Double(makes(.paddingCounted) ? recurrent_padded(values.count) : values.count)
    }

    private func moments(_ x: [[Double]], _ m: Int, _ n: Int) -> (mean: Double, variance: Double) {
        let values = group(x, m, n)
        let mean = mean(values)
        let squares = values.map { value in
            makes(.varianceOfSquares) ? value * value : (value - mean) * (value - mean)
        }
        return (
            mean,
            self.mean(squares)
                * (makes(.varianceUnbiased) ? Double(values.count) / Double(values.count - 1) : 1)
        )
    }

    private func inverse(_ variance: Double) -> Double {
        let epsilon = Double(test.epsilon)
        if makes(.epsilonOutsideTheRoot) { return 1 / (variance.squareRoot() + epsilon) }
        return 1 / (variance + (makes(.epsilonMissing) ? 0 : epsilon)).squareRoot()
    }

    func forward() -> NormalizationCase.Forward {
        let x = x
        let batch = test.kind == .batch
        let groups = batch ? units.map { moments(x, 0, $0) } : x.indices.map { moments(x, $0, 0) }
        let means = groups.map(\.mean)
        let inverses = groups.map { inverse($0.variance) }
        var y = padded { m, n in
            let (mean, variance) = moments(x, m, n)
            let gamma = makes(.gammaMissing) ? 1 : Double(test.gamma[n])
            return (x[m][n] - (makes(.meanNotSubtracted) ? 0 : mean)) * inverse(variance) * gamma
                + (makes(.betaMissing) ? 0 : Double(test.beta[n]))
        }
        if makes(.rowsThatDoNotCountAreNormalized) {
            y[(test.valid?.firstIndex(of: 0) ?? 0) * recurrent_padded(units.count)] = 0.5
        }
        let momentum =
            makes(.momentumOfTheOther) ? 1 - Double(test.momentum) : Double(test.momentum)
        func average(_ old: [Float], _ new: [Double]) -> [Float] {
            batch ? paddedUnits(runningAverage(old.map(Double.init), new, momentum: momentum)) : []
        }
        let variances = unbiasedVariance(
            groups.map(\.variance), count: makes(.runningVarianceBiased) ? 1 : x.count)
        return .init(
            mean: batch ? paddedUnits(means) : means.map { Float($0) },
            inverseDeviation: batch ? paddedUnits(inverses) : inverses.map { Float($0) },
            runningMean: makes(.runningMeanStays)
                ? paddedUnits(test.runningMean.map(Double.init)) : average(test.runningMean, means),
            runningVariance: average(test.runningVariance, variances), y: y)
    }

    func backward() -> NormalizationCase.Backward {
        let x = x
        let dy = test.rows(test.dy)
        let floats = test.tape
        let rows = x.indices
        let batch = test.kind == .batch
        func inverse(_ m: Int, _ n: Int) -> Double {
            Double(floats.inverseDeviation[batch ? n : m])
        }
        let x_hat = rows.map { m in
            units.map { n in (x[m][n] - Double(floats.mean[batch ? n : m])) * inverse(m, n) }
        }
        let g = rows.map { m in
            units.map { n in dy[m][n] * (makes(.gammaMissingInDx) ? 1 : Double(test.gamma[n])) }
        }
        let along = rows.map { m in units.map { n in g[m][n] * x_hat[m][n] } }
        let dx = padded { m, n in
            let constant = makes(.meanTermMissing) ? 0 : mean(group(g, m, n))
            let projection = makes(.projectionMissing) ? 0 : x_hat[m][n] * mean(group(along, m, n))
            return (makes(.signFlipped) ? -1 : 1)
                * (makes(.deviationMissingInDx) ? 1 : inverse(m, n))
                * (g[m][n] - constant - projection)
        }
        return .init(
            dgamma: paddedUnits(
                units.map { n in
                    (makes(.dgammaNotAccumulated) ? 0 : Double(test.dgamma[n]))
                        + rows.map {
                            dy[$0][n] * (makes(.dgammaNotNormalized) ? x[$0][n] : x_hat[$0][n])
                        }.reduce(0, +)
                }),
            dbeta: paddedUnits(
                units.map { n in
                    Double(test.dbeta[n])
                        + (makes(.dbetaMissing) ? 0 : rows.map { dy[$0][n] }.reduce(0, +))
                }), dx: dx)
    }
}
