// Ioffe and Szegedy 2015, "Batch Normalization"; Ba, Kiros and Hinton 2016, "Layer Normalization".
// Rows are [row][unit].

/// What normalizes each group of numbers: its mean and 1 / √(v + ε), v its variance.
public struct NormalizationTape<S: Scalar>: Sendable {
    public var mean: [S]
    public var inverseDeviation: [S]

    public init(mean: [S], inverseDeviation: [S]) {
        self.mean = mean
        self.inverseDeviation = inverseDeviation
    }

    init(mean: [S], variance: [S], epsilon: S) {
        self.init(mean: mean, inverseDeviation: variance.map { 1 / S.sqrt($0 + epsilon) })
    }
}

/// y = γ x̂ + β, x̂ = (x - μ) / √(v + ε): the parameters, or their gradient.
public struct Normalization<S: Scalar>: Sendable {
    /// What has a mean and a variance: each unit, over the rows, or each row, over its units.
    public enum Kind: CaseIterable, Sendable { case batch, layer }

    public var kind: Kind
    public var gamma: [S], beta: [S]
    public var epsilon: S

    public init(_ kind: Kind, gamma: [S], beta: [S], epsilon: S) {
        self.kind = kind
        self.gamma = gamma
        self.beta = beta
        self.epsilon = epsilon
    }

    /// Rows as groups that are normalized together, and back.
    private func grouped(_ matrix: [[S]]) -> [[S]] { kind == .batch ? transposed(matrix) : matrix }

    private func mean(_ values: [S]) -> S {
        S.sum(0, [(values, values.map { _ in 1 })]) / S(Double(values.count))
    }

    /// The mean and the variance of each group.
    public func moments(x: [[S]]) -> (mean: [S], variance: [S]) {
        let groups = grouped(x)
        let means = groups.map(mean)
        return (
            means,
            zip(groups, means).map { group, mean in
                self.mean(group.map { ($0 - mean) * ($0 - mean) })
            }
        )
    }

    /// x̂, by these moments.
    private func normalized(x: [[S]], tape: NormalizationTape<S>) -> [[S]] {
        grouped(
            grouped(x).enumerated().map { index, group in
                group.map { ($0 - tape.mean[index]) * tape.inverseDeviation[index] }
            })
    }

    private func scaled(_ x_hat: [[S]]) -> [[S]] {
        x_hat.map { row in row.indices.map { n in gamma[n] * row[n] + beta[n] } }
    }

    public func forward(x: [[S]]) -> (y: [[S]], tape: NormalizationTape<S>) {
        let (mean, variance) = moments(x: x)
        let tape = NormalizationTape(mean: mean, variance: variance, epsilon: epsilon)
        return (scaled(normalized(x: x, tape: tape)), tape)
    }

    /// With running averages instead of the moments of x.
    public func inference(x: [[S]], runningMean: [S], runningVariance: [S]) -> [[S]] {
        scaled(
            normalized(
                x: x,
                tape: NormalizationTape(
                    mean: runningMean, variance: runningVariance, epsilon: epsilon)))
    }

    /// dx of `forward`, where each x moves all x̂ of its group.
    public func backward(x: [[S]], tape: NormalizationTape<S>, dy: [[S]]) -> [[S]] {
        let x_hat = grouped(normalized(x: x, tape: tape))
        let dx_hat = grouped(dy.map { zip(gamma, $0).map(*) })
        return grouped(
            x_hat.indices.map { index in
                let (x_hat, dx_hat) = (x_hat[index], dx_hat[index])
                let along = mean(zip(x_hat, dx_hat).map(*))
                let mean = mean(dx_hat)
                return zip(x_hat, dx_hat).map { x_hat, dx_hat in
                    tape.inverseDeviation[index] * (dx_hat - mean - x_hat * along)
                }
            })
    }

    /// Where `self` holds the gradient: dγ[n] += Σ_m dy[m][n] x̂[m][n], dβ[n] += Σ_m dy[m][n].
    public mutating func addGradient(x: [[S]], tape: NormalizationTape<S>, dy: [[S]]) {
        addRows(zip(dy, normalized(x: x, tape: tape)).map { zip($0, $1).map(*) }, to: &gamma)
        addRows(dy, to: &beta)
    }
}

/// average + momentum (value - average)
public func runningAverage<S: Scalar>(_ average: [S], _ value: [S], momentum: S) -> [S] {
    zip(average, value).map { average, value in (1 - momentum) * average + momentum * value }
}

/// v L/(L - 1), what running averages take of the variance of L numbers; of a single one, zero.
public func unbiasedVariance<S: Scalar>(_ variance: [S], count: Int) -> [S] {
    variance.map { count > 1 ? $0 * S(Double(count)) / S(Double(count - 1)) : $0 }
}
