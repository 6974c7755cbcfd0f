// Parameter norm penalties (Goodfellow, Bengio and Courville 2016, sections 7.1.1 and 7.1.2).

/// penalty = λ1 Σ |p| + λ2/2 Σ p², and its gradient λ1 sign(p) + λ2 p, where sign(0) = 0.
public func normPenalty(_ parameters: [Double], l1: Double, l2: Double) -> (
    penalty: Double, gradient: [Double]
) {
    let penalty =
        l1 * parameters.map(\.magnitude).reduce(0, +) + l2 / 2
        * parameters.map { $0 * $0 }.reduce(0, +)
    return (penalty, parameters.map { l1 * ($0 > 0 ? 1 : $0 < 0 ? -1 : $0) + l2 * $0 })
}
