/// A dense layer y = W x + b: Goodfellow, Bengio and Courville 2016, "Deep Learning", equation
/// 6.36.
public struct Dense<S: Scalar>: Sendable {
    public var W: [[S]]  // [outputs][inputs]
    public var b: [S]  // [outputs]

    public init(W: [[S]], b: [S]) {
        self.W = W
        self.b = b
    }

    /// y[m][n] = b[n] + Σ_k W[n][k] x[m][k]
    public func forward(x: [[S]]) -> [[S]] {
        x.map { row in W.indices.map { n in S.sum(b[n], [(W[n], row)]) } }
    }

    /// dx[m][k] = Σ_n dy[m][n] W[n][k]
    public func backwardInput(dy: [[S]]) -> [[S]] {
        let columns = transposed(W)
        return dy.map { row in columns.map { column in S.sum(0, [(row, column)]) } }
    }

    /// Where `self` holds the gradient: dW[n][k] += Σ_m dy[m][n] x[m][k], db[n] += Σ_m dy[m][n].
    public mutating func addGradient(x: [[S]], dy: [[S]]) {
        addOuterProducts(dy, x, to: &W)
        addRows(dy, to: &b)
    }
}
