// The LSTM differentiated forward in time, one sequence at a time: real-time recurrent learning,
// Williams and Zipser 1989. Slow, and nothing here is shared with backpropagation through time, so
// that the one checks the other.

/// The derivatives of one state vector, c or h, after a step. Where a unit depends on its own
/// element alone, the Jacobian is diagonal and only its diagonal is held.
public struct LSTMStateJacobians: Sendable {
    public var gates: LSTMGates<[Double]>  // ∂[n] / ∂gate[n], by the activated gates
    public var preActivations: LSTMGates<[Double]>  // ∂[n] / ∂(W x + U h_prev + b)[n]
    public var h_prev: [[Double]]  // [n][m]
    public var c_prev: [Double]  // [n][n]
    public var x: [[Double]]  // [n][k]

    /// By unit n's own row of a gate's parameters: ∂[n] / ∂W[n][k], ∂U[n][m] and ∂b[n]; other rows
    /// have no influence within a step.
    public func parameters(_ n: Int, x: [Double], h_prev: [Double]) -> LSTMGates<
        (W: [Double], U: [Double], b: Double)
    > {
        preActivations.map { d in (x.map { d[n] * $0 }, h_prev.map { d[n] * $0 }, d[n]) }
    }
}

/// The one-step Jacobians of c_t and h_t.
public struct LSTMStepJacobians: Sendable {
    public var c, h: LSTMStateJacobians
}

extension LSTMCell<Double> {
    /// The Jacobians of one step at what `step` gave for the same arguments.
    public func jacobians(gates: LSTMGates<[Double]>, c: [Double], c_prev: [Double])
        -> LSTMStepJacobians
    {
        let units = c.indices
        let zeros = c.map { _ in 0.0 }
        let (i, f, g, o) = (gates.i, gates.f, gates.g, gates.o)
        // c = f c_prev + i g
        let dc = LSTMGates(i: g, f: c_prev, g: i, o: zeros)
        // h = o tanh(c)
        let tanh_c = c.map(Double.tanh)
        let dh_dc = units.map { n in o[n] * (1 - tanh_c[n] * tanh_c[n]) }
        var dh = dc.map { d in units.map { n in dh_dc[n] * d[n] } }
        dh.o = tanh_c
        return LSTMStepJacobians(
            c: stateJacobians(dc, gates: gates, c_prev: f),
            h: stateJacobians(dh, gates: gates, c_prev: units.map { n in dh_dc[n] * f[n] }))
    }

    /// The chain rule from the gates to what they depend on.
    private func stateJacobians(
        _ d: LSTMGates<[Double]>, gates activated: LSTMGates<[Double]>, c_prev: [Double]
    ) -> LSTMStateJacobians {
        func throughSigmoid(_ d: [Double], _ y: [Double]) -> [Double] {
            zip(d, y).map { $0 * $1 * (1 - $1) }
        }
        let pre = LSTMGates(
            i: throughSigmoid(d.i, activated.i), f: throughSigmoid(d.f, activated.f),
            g: zip(d.g, activated.g).map { $0 * (1 - $1 * $1) }, o: throughSigmoid(d.o, activated.o)
        )
        func by(_ matrix: (GateParameters<Double>) -> [[Double]], columns: Int) -> [[Double]] {
            c_prev.indices.map { n in
                (0..<columns).map { column in
                    zip(pre.all, gates.all).reduce(0) { $0 + $1.0[n] * matrix($1.1)[n][column] }
                }
            }
        }
        return LSTMStateJacobians(
            gates: d, preActivations: pre, h_prev: by(\.U, columns: hiddenSize), c_prev: c_prev,
            x: by(\.W, columns: inputSize))
    }

    /// All parameters, flat: for each of the gates i, f, g and o its W and U, row by row, then its
    /// b.
    public var parameters: [Double] {
        gates.all.flatMap { gate in gate.W.flatMap { $0 } + gate.U.flatMap { $0 } + gate.b }
    }

    /// The gradient of Σ_t dy[t] · h_t + dh · h_T + dc · c_T for one sequence, from derivatives
    /// carried forward in time: ∂state_t/∂θ = ∂state_t/∂state_{t-1} · ∂state_{t-1}/∂θ + the
    /// influence of θ within the step. θ holds the parameters, then h0, c0 and every x; so does the
    /// result.
    public func gradientForwardInTime(
        x: [[Double]], h0: [Double], c0: [Double], dy: [[Double]], dh: [Double], dc: [Double]
    ) -> [Double] {
        let units = h0.indices
        let inputs = 0..<inputSize
        let gateCount = hiddenSize * (inputSize + hiddenSize + 1)
        let h0Start = 4 * gateCount
        let xStart = h0Start + 2 * hiddenSize
        var gradient = [Double](repeating: 0, count: xStart + x.count * inputSize)
        // ∂h[n]/∂θ and ∂c[n]/∂θ: at the start, by h0 and by c0.
        var dh_dθ = units.map { _ in gradient }
        var dc_dθ = dh_dθ
        for n in units {
            dh_dθ[n][h0Start + n] = 1
            dc_dθ[n][h0Start + hiddenSize + n] = 1
        }
        var (h, c) = (h0, c0)
        for t in x.indices {
            let next = step(x: x[t], h_prev: h, c_prev: c)
            let jacobians = jacobians(gates: next.gates, c: next.c, c_prev: c)
            func carried(_ state: LSTMStateJacobians) -> [[Double]] {
                units.map { n in
                    var d = gradient.indices.map { θ in
                        units.reduce(state.c_prev[n] * dc_dθ[n][θ]) {
                            $0 + state.h_prev[n][$1] * dh_dθ[$1][θ]
                        }
                    }
                    for (index, gate) in state.parameters(n, x: x[t], h_prev: h).all.enumerated() {
                        let W = index * gateCount
                        let U = W + hiddenSize * inputSize
                        let b = U + hiddenSize * hiddenSize
                        for k in inputs { d[W + n * inputSize + k] += gate.W[k] }
                        for m in units { d[U + n * hiddenSize + m] += gate.U[m] }
                        d[b + n] += gate.b
                    }
                    for k in inputs { d[xStart + t * inputSize + k] += state.x[n][k] }
                    return d
                }
            }
            (dh_dθ, dc_dθ) = (carried(jacobians.h), carried(jacobians.c))
            (h, c) = (next.h, next.c)
            for n in units {
                for θ in gradient.indices { gradient[θ] += dy[t][n] * dh_dθ[n][θ] }
            }
        }
        for n in units {
            for θ in gradient.indices { gradient[θ] += dh[n] * dh_dθ[n][θ] + dc[n] * dc_dθ[n][θ] }
        }
        return gradient
    }
}
