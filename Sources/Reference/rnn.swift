// Elman 1990, "Finding structure in time"; Goodfellow, Bengio and Courville 2016, equations 10.8
// and 10.9. Sequences are [time][row of the batch][unit].

/// The gradients that flow back through a sequence, to everything but the parameters.
public struct RNNBackward<S: Scalar>: Sendable {
    public var dz: [[[S]]]  // [steps][batch][hidden], with respect to the pre-activations
    public var dx: [[[S]]]  // [steps][batch][input]
    public var dh0: [[S]]  // [batch][hidden]

    public init(dz: [[[S]]], dx: [[[S]]], dh0: [[S]]) {
        self.dz = dz
        self.dx = dx
        self.dh0 = dh0
    }
}

/// The parameters of a plain recurrent layer, or their gradient.
public struct RNNCell<S: Scalar>: Sendable {
    public var parameters: GateParameters<S>
    public var f: Activation

    public init(parameters: GateParameters<S>, f: Activation) {
        self.parameters = parameters
        self.f = f
    }

    public var hiddenSize: Int { parameters.b.count }
    public var inputSize: Int { parameters.W.first?.count ?? 0 }

    /// One time step of one sequence: h = f(W x + U h_prev + b).
    public func step(x: [S], h_prev: [S]) -> [S] {
        parameters.preActivation(x: x, h_prev: h_prev).map { z in f(z) }
    }

    /// A whole sequence: slot t of the result is the state before step t. Row b holds its state
    /// from step `lengths[b]` on. `mask`, of recurrent dropout, is [batch][hidden].
    public func forward(x: [[[S]]], h0: [[S]], lengths: [Int]? = nil, mask: [[S]]? = nil) -> [[[S]]]
    {
        var h = [h0]
        for t in x.indices {
            h.append(
                h0.indices.map { row in
                    isValid(lengths, row, t)
                        ? step(x: x[t][row], h_prev: masked(h[t][row], mask?[row])) : h[t][row]
                })
        }
        return h
    }

    /// Backpropagation through time: Werbos 1990. `h` is what `forward` gives; `dy[t]` is the
    /// loss's gradient with respect to h after step t, not read where a row has ended; `dh` is its
    /// gradient with respect to the final state.
    public func backward(
        h: [[[S]]], dy: [[[S]]]?, dh: [[S]], lengths: [Int]? = nil, mask: [[S]]? = nil
    ) -> RNNBackward<S> {
        let (W, U) = (transposed(parameters.W), transposed(parameters.U))
        let steps = 0..<h.count - 1
        let rows = dh.indices
        func zeros(_ count: Int) -> [[[S]]] {
            steps.map { _ in rows.map { _ in [S](repeating: 0, count: count) } }
        }
        var result = RNNBackward(dz: zeros(hiddenSize), dx: zeros(inputSize), dh0: dh)
        for t in steps.reversed() {
            for row in rows where isValid(lengths, row, t) {
                var dh = result.dh0[row]
                if let dy { dh = zip(dh, dy[t][row]).map(+) }
                // h = f(z)
                let dz = zip(dh, h[t + 1][row]).map { dh, h in dh * f.derivative(y: h) }
                result.dz[t][row] = dz
                // z = W x + U h_prev + b
                result.dx[t][row] = W.map { column in S.sum(0, [(dz, column)]) }
                result.dh0[row] = masked(U.map { column in S.sum(0, [(dz, column)]) }, mask?[row])
            }
        }
        return result
    }

    /// Where `self` holds the gradient: dW += Σ dz xᵀ, dU += Σ dz h_prevᵀ, db += Σ dz, over all
    /// steps of all rows that have not ended.
    public mutating func addGradient(
        x: [[[S]]], h: [[[S]]], dz: [[[S]]], lengths: [Int]? = nil, mask: [[S]]? = nil
    ) {
        var valid: [(x: [S], h_prev: [S], dz: [S])] = []
        for t in x.indices {
            for row in x[t].indices where isValid(lengths, row, t) {
                valid.append((x[t][row], masked(h[t][row], mask?[row]), dz[t][row]))
            }
        }
        parameters.addGradient(
            x: valid.map(\.x), h_prev: valid.map(\.h_prev), dgate: valid.map(\.dz))
    }
}
