// Hochreiter and Schmidhuber 1997 with the forget gate of Gers, Schmidhuber and Cummins 2000; Goodfellow, Bengio and
// Courville 2016, equations 10.40 to 10.44. Sequences are [time][row of the batch][unit].

/// A value for each gate: input, forget, candidate and output.
public struct LSTMGates<Value: Sendable>: Sendable {
    public var i, f, g, o: Value

    public init(i: Value, f: Value, g: Value, o: Value) {
        self.i = i
        self.f = f
        self.g = g
        self.o = o
    }

    /// i, f, g, o.
    public var all: [Value] { [i, f, g, o] }

    public func map<Other>(_ transform: (Value) -> Other) -> LSTMGates<Other> {
        LSTMGates<Other>(i: transform(i), f: transform(f), g: transform(g), o: transform(o))
    }
}

/// What the forward pass leaves for the backward pass. Slot t of `c` and `h` is the state before step t.
public struct LSTMTape<S: Scalar>: Sendable {
    public var gates: [[LSTMGates<[S]>]]  // [steps][batch]; zeros where the row has ended
    public var c, h: [[[S]]]              // [steps + 1][batch][hidden]

    public init(gates: [[LSTMGates<[S]>]], c: [[[S]]], h: [[[S]]]) {
        self.gates = gates
        self.c = c
        self.h = h
    }
}

/// The gradients that flow back through a sequence, to everything but the parameters.
public struct LSTMBackward<S: Scalar>: Sendable {
    public var dgates: [[LSTMGates<[S]>]]  // [steps][batch], by the pre-activations
    public var dx: [[[S]]]                 // [steps][batch][input]
    public var dh0, dc0: [[S]]             // [batch][hidden]

    public init(dgates: [[LSTMGates<[S]>]], dx: [[[S]]], dh0: [[S]], dc0: [[S]]) {
        self.dgates = dgates
        self.dx = dx
        self.dh0 = dh0
        self.dc0 = dc0
    }
}

/// The parameters of an LSTM layer, or their gradient.
public struct LSTMCell<S: Scalar>: Sendable {
    public var gates: LSTMGates<GateParameters<S>>

    public init(gates: LSTMGates<GateParameters<S>>) { self.gates = gates }

    public var hiddenSize: Int { gates.i.b.count }
    public var inputSize: Int { gates.i.W.first?.count ?? 0 }

    /// One time step of one sequence: the activated gates and the new state.
    public func step(x: [S], h_prev: [S], c_prev: [S]) -> (gates: LSTMGates<[S]>, c: [S], h: [S]) {
        let i = gates.i.preActivation(x: x, h_prev: h_prev).map(S.sigmoid)
        let f = gates.f.preActivation(x: x, h_prev: h_prev).map(S.sigmoid)
        let g = gates.g.preActivation(x: x, h_prev: h_prev).map(S.tanh)
        let o = gates.o.preActivation(x: x, h_prev: h_prev).map(S.sigmoid)
        let c = c_prev.indices.map { n in f[n] * c_prev[n] + i[n] * g[n] }
        let h = c.indices.map { n in o[n] * S.tanh(c[n]) }
        return (LSTMGates(i: i, f: f, g: g, o: o), c, h)
    }

    /// A whole sequence. Row b holds its state from step `lengths[b]` on.
    public func forward(x: [[[S]]], h0: [[S]], c0: [[S]], lengths: [Int]? = nil) -> LSTMTape<S> {
        var tape = LSTMTape(gates: [], c: [c0], h: [h0])
        let zeros = [S](repeating: 0, count: hiddenSize)
        for t in x.indices {
            var gates = [LSTMGates<[S]>](repeating: LSTMGates(i: zeros, f: zeros, g: zeros, o: zeros), count: h0.count)
            var (c, h) = (tape.c[t], tape.h[t])
            for row in h0.indices where isLive(lengths, row, t) {
                (gates[row], c[row], h[row]) = step(x: x[t][row], h_prev: h[row], c_prev: c[row])
            }
            tape.gates.append(gates)
            tape.c.append(c)
            tape.h.append(h)
        }
        return tape
    }

    /// Backpropagation through time: Werbos 1990. `dy[t]` is the loss's gradient by h after step t, not read where a row has
    /// ended; `dh` and `dc` are its gradient by the final state.
    public func backward(tape: LSTMTape<S>, dy: [[[S]]]?, dh: [[S]], dc: [[S]], lengths: [Int]? = nil) -> LSTMBackward<S> {
        let columns = gates.map { (W: transposed($0.W), U: transposed($0.U)) }
        let zeros = [S](repeating: 0, count: hiddenSize)
        let ended = LSTMGates(i: zeros, f: zeros, g: zeros, o: zeros)
        let rows = dh.indices, steps = tape.gates.indices
        var result = LSTMBackward(
            dgates: steps.map { _ in rows.map { _ in ended } },
            dx: steps.map { _ in rows.map { _ in [S](repeating: 0, count: inputSize) } },
            dh0: dh, dc0: dc)
        for t in steps.reversed() {
            for row in rows where isLive(lengths, row, t) {
                var dh = result.dh0[row]
                if let dy { dh = zip(dh, dy[t][row]).map(+) }
                let (dgates, dc_prev) = Self.cellBackward(
                    gates: tape.gates[t][row], c_prev: tape.c[t][row], c: tape.c[t + 1][row], dh: dh, dc: result.dc0[row])
                // dx = Wᵀ dgate and dh_prev = Uᵀ dgate, summed over the gates.
                func sums(_ columns: LSTMGates<[[S]]>) -> [S] {
                    columns.i.indices.map { k in S.sum(0, zip(dgates.all, columns.all).map { ($0, $1[k]) }) }
                }
                result.dgates[t][row] = dgates
                result.dx[t][row] = sums(columns.map(\.W))
                result.dh0[row] = sums(columns.map(\.U))
                result.dc0[row] = dc_prev
            }
        }
        return result
    }

    /// Each line is the derivative of the line of `step` that it quotes.
    static func cellBackward(gates: LSTMGates<[S]>, c_prev: [S], c: [S], dh: [S], dc dc_next: [S]) -> (dgates: LSTMGates<[S]>, dc_prev: [S]) {
        let units = c.indices, (i, f, g, o) = (gates.i, gates.f, gates.g, gates.o)
        let tanh_c = c.map(S.tanh)
        let d_o = units.map { n in dh[n] * tanh_c[n] }                                            // h = o tanh(c)
        let dc = units.map { n in dc_next[n] + dh[n] * o[n] * (1 - tanh_c[n] * tanh_c[n]) }
        let di = units.map { n in dc[n] * g[n] }                                                  // c = f c_prev + i g
        let df = units.map { n in dc[n] * c_prev[n] }
        let dg = units.map { n in dc[n] * i[n] }
        let dc_prev = units.map { n in dc[n] * f[n] }
        let dgates = LSTMGates(
            i: units.map { n in di[n] * i[n] * (1 - i[n]) },                                      // i = σ(·)
            f: units.map { n in df[n] * f[n] * (1 - f[n]) },                                      // f = σ(·)
            g: units.map { n in dg[n] * (1 - g[n] * g[n]) },                                      // g = tanh(·)
            o: units.map { n in d_o[n] * o[n] * (1 - o[n]) })                                     // o = σ(·)
        return (dgates, dc_prev)
    }

    /// Where `self` holds the gradient: dW += Σ dgate xᵀ, dU += Σ dgate h_prevᵀ, db += Σ dgate, over all steps of all rows that
    /// have not ended. `h` is the tape's.
    public mutating func addGradient(x: [[[S]]], h: [[[S]]], dgates: [[LSTMGates<[S]>]], lengths: [Int]? = nil) {
        var live: [(x: [S], h_prev: [S], dgates: LSTMGates<[S]>)] = []
        for t in x.indices {
            for row in x[t].indices where isLive(lengths, row, t) { live.append((x[t][row], h[t][row], dgates[t][row])) }
        }
        let (x, h_prev) = (live.map(\.x), live.map(\.h_prev))
        gates.i.addGradient(x: x, h_prev: h_prev, dgate: live.map(\.dgates.i))
        gates.f.addGradient(x: x, h_prev: h_prev, dgate: live.map(\.dgates.f))
        gates.g.addGradient(x: x, h_prev: h_prev, dgate: live.map(\.dgates.g))
        gates.o.addGradient(x: x, h_prev: h_prev, dgate: live.map(\.dgates.o))
    }
}
