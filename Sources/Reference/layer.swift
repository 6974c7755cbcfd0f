// What the layers of all recurrent cells share.

/// The parameters of one gate of a cell, whose pre-activation is W x + U h_prev + b.
public struct GateParameters<S: Scalar>: Sendable {
    public var W: [[S]]  // [hidden][input]
    public var U: [[S]]  // [hidden][hidden]
    public var b: [S]  // [hidden]

    public init(W: [[S]], U: [[S]], b: [S]) {
        self.W = W
        self.U = U
        self.b = b
    }

    func preActivation(x: [S], h_prev: [S]) -> [S] {
        b.indices.map { n in S.sum(b[n], [(W[n], x), (U[n], h_prev)]) }
    }

    mutating func addGradient(x: [[S]], h_prev: [[S]], dgate: [[S]]) {
        addOuterProducts(dgate, x, to: &W)
        addOuterProducts(dgate, h_prev, to: &U)
        addRows(dgate, to: &b)
    }
}

/// What recurrent dropout leaves of h_prev for U to read: Gal and Ghahramani 2016, "A Theoretically
/// Grounded Application of Dropout in Recurrent Neural Networks". A row has one mask, 0 or 1 / (1 -
/// p) for each unit, for all time steps; without one, everything is left.
func masked<S: Scalar>(_ h: [S], _ mask: [S]?) -> [S] {
    mask.map { zip($0, h).map { $0 * $1 } } ?? h
}

/// Whether a row of the batch has a step: all of them do where there are no lengths.
func isValid(_ lengths: [Int]?, _ row: Int, _ step: Int) -> Bool {
    lengths.map { step < $0[row] } ?? true
}
