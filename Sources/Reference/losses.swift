/// loss = 1/N Σ_n (y[n] - target[n])², and its gradient dy[n] = 2/N (y[n] - target[n]).
public func meanSquaredError(_ y: [Double], target: [Double]) -> (loss: Double, dy: [Double]) {
    let units = Double(y.count)
    let errors = zip(y, target).map { $0 - $1 }
    return (errors.map { $0 * $0 }.reduce(0, +) / units, errors.map { 2 * $0 / units })
}
