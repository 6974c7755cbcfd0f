/// Returns the mean of `loss(y[n], target[n])`, and its gradient, `derivative` over N.
private func mean(
    _ y: [Double], _ target: [Double], loss: (Double, Double) -> Double,
    derivative: (Double, Double) -> Double
) -> (loss: Double, dy: [Double]) {
    let units = Double(y.count)
    return (
        zip(y, target).map(loss).reduce(0, +) / units,
        zip(y, target).map { derivative($0, $1) / units }
    )
}

/// loss = 1/N Σ_n (y[n] - target[n])², and its gradient dy[n] = 2/N (y[n] - target[n]).
public func meanSquaredError(_ y: [Double], target: [Double]) -> (loss: Double, dy: [Double]) {
    mean(y, target) {
        ($0 - $1) * ($0 - $1)
    } derivative: {
        2 * ($0 - $1)
    }
}

/// loss = 1/N Σ_n |y[n] - target[n]|, and its gradient dy[n] = 1/N sign(y[n] - target[n]), 0 where
/// they are equal.
public func meanAbsoluteError(_ y: [Double], target: [Double]) -> (loss: Double, dy: [Double]) {
    mean(y, target) {
        ($0 - $1).magnitude
    } derivative: {
        $0 > $1 ? 1 : $0 < $1 ? -1 : $0 - $1
    }
}

/// loss = 1/N Σ_n ρ(y[n] - target[n]), ρ(e) = e²/2 for |e| ≤ δ, δ (|e| - δ/2) otherwise, and its
/// gradient dy[n] = 1/N min(max(e, -δ), δ).
public func huberLoss(_ y: [Double], target: [Double], delta: Double) -> (
    loss: Double, dy: [Double]
) {
    mean(y, target) { y, target in
        let magnitude = (y - target).magnitude
        return magnitude <= delta ? magnitude * magnitude / 2 : delta * (magnitude - delta / 2)
    } derivative: {
        min(max($0 - $1, -delta), delta)
    }
}

/// loss = 1/N Σ_n -target[n] log σ(z[n]) - (1 - target[n]) log(1 - σ(z[n])), and its gradient dz[n]
/// = 1/N (σ(z[n]) - target[n]).
public func binaryCrossEntropy(_ logits: [Double], target: [Double]) -> (
    loss: Double, dlogits: [Double]
) {
    func minusLogSigmoid(_ z: Double) -> Double {
        max(-z, 0) + Double.log(onePlus: Double.exp(-z.magnitude))
    }
    let (loss, dlogits) = mean(logits, target) {
        $1 * minusLogSigmoid($0) + (1 - $1) * minusLogSigmoid(-$0)
    } derivative: {
        // σ(z) - target, exact where σ(z) is nearly 1
        (1 - $1) * Double.sigmoid($0) - $1 * Double.sigmoid(-$0)
    }
    return (loss, dlogits)
}
