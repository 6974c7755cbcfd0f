// What lies around recurrent layers. x [T][B][N]; a sequence without a length has all the steps.

/// What one row is made of a sequence.
public enum SequencePooling: CaseIterable, Sendable {
    case last, mean
}

/// y[t][b] = x[t][b], or, reversed, x[n_b - 1 - t][b]; zero for t ≥ n_b.
public func sequenceCopy<S: Scalar>(_ x: [[[S]]], lengths: [Int]?, reversed: Bool) -> [[[S]]] {
    x.indices.map { t in
        x[t].indices.map { b in
            let length = length(lengths, b, of: x.count)
            return t >= length ? x[t][b].map { _ in 0 } : x[reversed ? length - 1 - t : t][b]
        }
    }
}

/// y[b] = x[n_b - 1][b], reversed x[0][b], or Σ_t x[t][b] / n_b; zero where n_b = 0.
public func sequencePool<S: Scalar>(
    _ x: [[[S]]], lengths: [Int]?, _ pooling: SequencePooling, reversed: Bool = false
) -> [[S]] {
    x[0].indices.map { b in
        pooled(pooling, length(lengths, b, of: x.count), reversed).reduce(x[0][b].map { _ in 0 }) {
            sum, step in
            zip(sum, x[step.t][b]).map { $0 + step.weight * $1 }
        }
    }
}

/// The gradient with respect to the steps, from the one by y.
public func sequencePoolBackward<S: Scalar>(
    dy: [[S]], steps: Int, lengths: [Int]?, _ pooling: SequencePooling,
    reversed: Bool = false
) -> [[[S]]] {
    var dx = (0..<steps).map { _ in dy.map { $0.map { _ in 0 as S } } }
    for b in dy.indices {
        for (t, weight) in pooled(pooling, length(lengths, b, of: steps), reversed)
            as [(t: Int, weight: S)]
        {
            dx[t][b] = dy[b].map { weight * $0 }
        }
    }
    return dx
}

private func length(_ lengths: [Int]?, _ row: Int, of steps: Int) -> Int {
    lengths.map { min($0[row], steps) } ?? steps
}

/// The steps that count, and how much.
private func pooled<S: Scalar>(_ pooling: SequencePooling, _ length: Int, _ reversed: Bool) -> [(
    t: Int, weight: S
)] {
    switch pooling {
    case .last: length > 0 ? [(t: reversed ? 0 : length - 1, weight: 1 as S)] : []
    case .mean: (0..<length).map { (t: $0, weight: 1 / S(exactly: length)!) }
    }
}
