/// p[n] = exp(z[n]) / Σ_k exp(z[k]), each logit less the largest one, which changes nothing but the
/// range.
public func softmax(_ logits: [Double]) -> [Double] {
    let largest = logits.max() ?? 0
    let exponentials = logits.map { Double.exp($0 - largest) }
    let sum = exponentials.reduce(0, +)
    return exponentials.map { $0 / sum }
}

/// The gradient of `softmax`: dz[n] = p[n] (dp[n] - Σ_k p[k] dp[k]).
public func softmaxBackward<S: Scalar>(p: [S], dp: [S]) -> [S] {
    let mean = S.sum(0, [(p, dp)])
    return zip(p, dp).map { p, dp in p * (dp - mean) }
}

/// loss = log Σ_k exp(z[k]) - z[target], and its gradient dz[n] = p[n] - [n = target]; zero where
/// there is no such class.
public func softmaxCrossEntropy(_ logits: [Double], target: Int) -> (
    loss: Double, dlogits: [Double]
) {
    guard logits.indices.contains(target) else {
        return (0, [Double](repeating: 0, count: logits.count))
    }
    let largest = logits.max() ?? 0
    // Σ_k exp(z[k] - largest) without one of the largest
    let others = logits.map { Double.exp($0 - largest) }.reduce(-1, +)
    var dlogits = softmax(logits)
    dlogits[target] -= 1
    return (Double.log(onePlus: others) + (largest - logits[target]), dlogits)
}
