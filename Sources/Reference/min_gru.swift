// The minimal gated recurrent unit: Feng, Tung, Ahmed, Bengio and Hajimirsadeghi 2024, "Were RNNs
// All We Needed?", section 3.1. Sequences are [time][row of the batch][unit].

/// What the forward pass leaves for the backward pass. Slot t of `h` is the state before step t.
public struct MinGRUTape<S: Scalar>: Sendable {
    public var z, n: [[[S]]]  // [steps][batch][hidden]; zeros where the row has ended
    public var h: [[[S]]]  // [steps + 1][batch][hidden]

    public init(z: [[[S]]], n: [[[S]]], h: [[[S]]]) {
        (self.z, self.n, self.h) = (z, n, h)
    }
}

/// The gradients that flow back through a sequence, to everything but the parameters.
public struct MinGRUBackward<S: Scalar>: Sendable {
    // [steps][batch][hidden], with respect to the pre-activations
    public var dz, dn: [[[S]]]
    public var dx: [[[S]]]  // [steps][batch][input]
    public var dh0: [[S]]  // [batch][hidden]
}

/// The parameters of a minimal GRU, or their gradient: those of the gate z and of the candidate n,
/// whose U have no columns.
public struct MinGRUCell<S: Scalar>: Sendable {
    public var z, n: GateParameters<S>

    public init(z: GateParameters<S>, n: GateParameters<S>) { (self.z, self.n) = (z, n) }

    /// z = σ(W x + b), n = W x + b, h = (1 - z)∘h_prev + z∘n. A whole sequence; row b holds its
    /// state from step `lengths[b]` on.
    public func forward(x: [[[S]]], h0: [[S]], lengths: [Int]? = nil) -> MinGRUTape<S> {
        let zeros = h0.map { $0.map { _ in S(0) } }
        var tape = MinGRUTape(z: [], n: [], h: [h0])
        for t in x.indices {
            var (z, n, h) = (zeros, zeros, tape.h[t])
            for row in h0.indices where isValid(lengths, row, t) {
                z[row] = self.z.preActivation(x: x[t][row], h_prev: []).map { S.sigmoid($0) }
                n[row] = self.n.preActivation(x: x[t][row], h_prev: [])
                h[row] = h[row].indices.map { k in
                    (1 - z[row][k]) * h[row][k] + z[row][k] * n[row][k]
                }
            }
            tape.z.append(z)
            tape.n.append(n)
            tape.h.append(h)
        }
        return tape
    }

    /// Backpropagation through time: Werbos 1990. `dy[t]` is the loss's gradient with respect to h
    /// after step t, not read where a row has ended; `dh` is its gradient with respect to the final
    /// state.
    public func backward(
        tape: MinGRUTape<S>, dy: [[[S]]]?, dh: [[S]], lengths: [Int]? = nil
    ) -> MinGRUBackward<S> {
        let columns = (z: transposed(z.W), n: transposed(n.W))
        let zeros = tape.z.map { $0.map { $0.map { _ in S(0) } } }
        var result = MinGRUBackward(
            dz: zeros, dn: zeros,
            dx: tape.z.map { $0.map { _ in columns.z.map { _ in S(0) } } }, dh0: dh)
        for t in tape.z.indices.reversed() {
            for row in dh.indices where isValid(lengths, row, t) {
                let (z, n, h_prev) = (tape.z[t][row], tape.n[t][row], tape.h[t][row])
                var dh = result.dh0[row]
                if let dy { dh = zip(dh, dy[t][row]).map(+) }
                // h = (1 - z)∘h_prev + z∘n, z = σ(·)
                let dz = dh.indices.map { k in dh[k] * (n[k] - h_prev[k]) * (z[k] * (1 - z[k])) }
                let dn = dh.indices.map { k in dh[k] * z[k] }
                result.dh0[row] = dh.indices.map { k in dh[k] * (1 - z[k]) }
                // (z, n) of W x + b
                result.dx[t][row] = columns.z.indices.map { column in
                    S.sum(0, [(dz, columns.z[column]), (dn, columns.n[column])])
                }
                (result.dz[t][row], result.dn[t][row]) = (dz, dn)
            }
        }
        return result
    }

    /// Where `self` holds the gradient: dW += Σ dgate xᵀ, db += Σ dgate, over all steps of all rows
    /// that have not ended.
    public mutating func addGradient(
        x: [[[S]]], dz: [[[S]]], dn: [[[S]]], lengths: [Int]? = nil
    ) {
        let valid = x.indices.flatMap { t in
            x[t].indices.filter { isValid(lengths, $0, t) }.map { (t, $0) }
        }
        func rows(_ rows: [[[S]]]) -> [[S]] { valid.map { t, row in rows[t][row] } }
        let none = valid.map { _ in [S]() }
        z.addGradient(x: rows(x), h_prev: none, dgate: rows(dz))
        n.addGradient(x: rows(x), h_prev: none, dgate: rows(dn))
    }
}
