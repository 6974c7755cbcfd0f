// Hochreiter and Schmidhuber 1997 with the forget gate of Gers, Schmidhuber and Cummins 2000;
// Goodfellow, Bengio and Courville 2016, equations 10.40 to 10.44; and its variants. Sequences are
// [time][row of the batch][unit].

/// What a cell does differently from the plain one. Each part is independent of the others.
public struct LSTMVariant: Hashable, Sendable {
    /// f in g = f(·) and h = o f(c): σ in the lecture form, whose s̃ is g and whose s is c.
    public var activation = Activation.tanh
    /// That of i, f and o.
    public var gateActivation = Activation.sigmoid
    /// i, f = σ(· + p c_prev), o = σ(· + p c): Gers, Schraudolph and Schmidhuber 2002.
    public var peepholes = false
    /// f = 1 - i: Greff, Srivastava, Koutník, Steunebrink and Schmidhuber 2017, CIFG.
    public var coupled = false
    /// c = min(max(f c_prev + i g, -clip), clip): TensorFlow's cell_clip.
    public var clip: Double?
    /// h = P m of so many units, m = o f(c): Sak, Senior and Beaufays 2014.
    public var projection: Int?

    public init(
        activation: Activation = .tanh, gateActivation: Activation = .sigmoid,
        peepholes: Bool = false, coupled: Bool = false, clip: Double? = nil, projection: Int? = nil
    ) {
        self.activation = activation
        self.gateActivation = gateActivation
        self.peepholes = peepholes
        self.coupled = coupled
        self.clip = clip
        self.projection = projection
    }
}

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

/// What the forward pass leaves for the backward pass. Slot t of `c` and `h` is the state before
/// step t.
public struct LSTMTape<S: Scalar>: Sendable {
    public var gates: [[LSTMGates<[S]>]]  // [steps][batch]; zeros where the row has ended
    public var c: [[[S]]]  // [steps + 1][batch][hidden]
    // [steps][batch][hidden], o f(c), which is h where it is not projected; zeros where the row
    // has ended
    public var m: [[[S]]]
    public var h: [[[S]]]  // [steps + 1][batch][outputs]

    public init(gates: [[LSTMGates<[S]>]], c: [[[S]]], m: [[[S]]], h: [[[S]]]) {
        self.gates = gates
        self.c = c
        self.m = m
        self.h = h
    }
}

/// The gradients that flow back through a sequence, to everything but the parameters.
public struct LSTMBackward<S: Scalar>: Sendable {
    public var dgates: [[LSTMGates<[S]>]]  // [steps][batch], with respect to the pre-activations
    // [steps][batch][outputs], by h after each step; zeros where the row has ended
    public var dh: [[[S]]]
    public var dx: [[[S]]]  // [steps][batch][input]
    public var dh0: [[S]]  // [batch][outputs]
    public var dc0: [[S]]  // [batch][hidden]

    public init(dgates: [[LSTMGates<[S]>]], dh: [[[S]]], dx: [[[S]]], dh0: [[S]], dc0: [[S]]) {
        self.dgates = dgates
        self.dh = dh
        self.dx = dx
        self.dh0 = dh0
        self.dc0 = dc0
    }
}

/// The parameters of an LSTM layer, or their gradient.
public struct LSTMCell<S: Scalar>: Sendable {
    public var gates: LSTMGates<GateParameters<S>>
    public var peepholes: LSTMGates<[S]>  // [hidden]; g has none
    public var projection: [[S]]  // [outputs][hidden], P
    public var variant: LSTMVariant

    /// A variant with `peepholes` or `projection` needs those, and another one needs none.
    public init(
        gates: LSTMGates<GateParameters<S>>,
        peepholes: LSTMGates<[S]> = LSTMGates(i: [], f: [], g: [], o: []), projection: [[S]] = [],
        variant: LSTMVariant = LSTMVariant()
    ) {
        self.gates = gates
        self.peepholes = peepholes
        self.projection = projection
        self.variant = variant
    }

    public var hiddenSize: Int { gates.i.b.count }
    public var inputSize: Int { gates.i.W.first?.count ?? 0 }
    public var outputSize: Int { variant.projection ?? hiddenSize }

    /// One time step of one sequence: the activated gates and the new state.
    public func step(x: [S], h_prev: [S], c_prev: [S]) -> (
        gates: LSTMGates<[S]>, c: [S], m: [S], h: [S]
    ) {
        let units = c_prev.indices
        func gate(_ gate: GateParameters<S>, _ peepholes: [S] = [], sees c: [S] = []) -> [S] {
            let sum = gate.preActivation(x: x, h_prev: h_prev)
            return variant.peepholes && !peepholes.isEmpty
                ? units.map { n in sum[n] + peepholes[n] * c[n] } : sum
        }
        func activated(_ sums: [S]) -> [S] { sums.map { z in variant.gateActivation(z) } }
        let i = activated(gate(gates.i, peepholes.i, sees: c_prev))
        let f =
            variant.coupled
            ? i.map { 1 - $0 } : activated(gate(gates.f, peepholes.f, sees: c_prev))
        let g = gate(gates.g).map { z in variant.activation(z) }
        let c = units.map { n in
            let c = f[n] * c_prev[n] + i[n] * g[n]
            return variant.clip.map { S.clamp(c, $0) } ?? c
        }
        let o = activated(gate(gates.o, peepholes.o, sees: c))
        let m = units.map { n in o[n] * variant.activation(c[n]) }
        let h = variant.projection == nil ? m : projection.map { row in S.sum(0, [(row, m)]) }
        return (LSTMGates(i: i, f: f, g: g, o: o), c, m, h)
    }

    /// A whole sequence. Row b holds its state from step `lengths[b]` on. `mask`, of recurrent
    /// dropout, is [batch][outputs].
    public func forward(x: [[[S]]], h0: [[S]], c0: [[S]], lengths: [Int]? = nil, mask: [[S]]? = nil)
        -> LSTMTape<S>
    {
        var tape = LSTMTape(gates: [], c: [c0], m: [], h: [h0])
        let zeros = [S](repeating: 0, count: hiddenSize)
        for t in x.indices {
            var gates = [LSTMGates<[S]>](
                repeating: LSTMGates(i: zeros, f: zeros, g: zeros, o: zeros), count: h0.count)
            var (c, m, h) = (tape.c[t], h0.map { _ in zeros }, tape.h[t])
            for row in h0.indices where isValid(lengths, row, t) {
                (gates[row], c[row], m[row], h[row]) = step(
                    x: x[t][row], h_prev: masked(h[row], mask?[row]), c_prev: c[row])
            }
            tape.gates.append(gates)
            tape.c.append(c)
            tape.m.append(m)
            tape.h.append(h)
        }
        return tape
    }

    /// Backpropagation through time: Werbos 1990. `dy[t]` is the loss's gradient with respect to h
    /// after step t, not read where a row has ended; `dh` and `dc` are its gradient with respect to
    /// the final state.
    public func backward(
        tape: LSTMTape<S>, dy: [[[S]]]?, dh: [[S]], dc: [[S]], lengths: [Int]? = nil,
        mask: [[S]]? = nil
    ) -> LSTMBackward<S> {
        let columns = gates.map { (W: transposed($0.W), U: transposed($0.U)) }
        let P = transposed(projection)
        let zeros = [S](repeating: 0, count: hiddenSize)
        let ended = LSTMGates(i: zeros, f: zeros, g: zeros, o: zeros)
        let rows = dh.indices
        let steps = tape.gates.indices
        var result = LSTMBackward(
            dgates: steps.map { _ in rows.map { _ in ended } },
            dh: steps.map { _ in dh.map { $0.map { _ in 0 } } },
            dx: steps.map { _ in rows.map { _ in [S](repeating: 0, count: inputSize) } },
            dh0: dh, dc0: dc)
        for t in steps.reversed() {
            for row in rows where isValid(lengths, row, t) {
                var dh = result.dh0[row]
                if let dy { dh = zip(dh, dy[t][row]).map(+) }
                // h = P m
                let dm =
                    variant.projection == nil ? dh : P.map { column in S.sum(0, [(dh, column)]) }
                let (dgates, dc_prev) = cellBackward(
                    gates: tape.gates[t][row], c_prev: tape.c[t][row], c: tape.c[t + 1][row],
                    dm: dm, dc: result.dc0[row])
                // dx = Wᵀ dgate and dh_prev = Uᵀ dgate, summed over the gates.
                func sums(_ columns: LSTMGates<[[S]]>) -> [S] {
                    columns.i.indices.map { k in
                        S.sum(0, zip(dgates.all, columns.all).map { ($0, $1[k]) })
                    }
                }
                result.dgates[t][row] = dgates
                result.dh[t][row] = dh
                result.dx[t][row] = sums(columns.map(\.W))
                result.dh0[row] = masked(sums(columns.map(\.U)), mask?[row])
                result.dc0[row] = dc_prev
            }
        }
        return result
    }

    /// Each line is the derivative of the line of `step` that it quotes.
    private func cellBackward(gates: LSTMGates<[S]>, c_prev: [S], c: [S], dm: [S], dc dc_next: [S])
        -> (dgates: LSTMGates<[S]>, dc_prev: [S])
    {
        let units = c.indices
        let (i, f, g, o) = (gates.i, gates.f, gates.g, gates.o)
        let (activation, gate) = (variant.activation, variant.gateActivation)
        let activated_c = c.map { c in activation(c) }
        // m = o f(c), o = σ(·)
        let d_o = units.map { n in dm[n] * activated_c[n] * gate.derivative(y: o[n]) }
        var dc = units.map { n in
            dc_next[n] + dm[n] * o[n] * activation.derivative(y: activated_c[n])
        }
        // o = σ(· + p c)
        if variant.peepholes { dc = units.map { n in dc[n] + d_o[n] * peepholes.o[n] } }
        // c = min(max(·, -clip), clip)
        if let clip = variant.clip { dc = units.map { n in dc[n] * S.clampDerivative(c[n], clip) } }
        // c = f c_prev + i g
        var di = units.map { n in dc[n] * g[n] }
        var df = units.map { n in dc[n] * c_prev[n] }
        // g = f(·)
        let dg = units.map { n in dc[n] * i[n] * activation.derivative(y: g[n]) }
        var dc_prev = units.map { n in dc[n] * f[n] }
        // f = 1 - i
        if variant.coupled {
            di = units.map { n in di[n] - df[n] }
            df = units.map { _ in 0 }
        }
        // i = σ(·)
        di = units.map { n in di[n] * gate.derivative(y: i[n]) }
        // f = σ(·)
        df = units.map { n in df[n] * gate.derivative(y: f[n]) }
        // i, f = σ(· + p c_prev)
        if variant.peepholes {
            dc_prev = units.map { n in dc_prev[n] + di[n] * peepholes.i[n] + df[n] * peepholes.f[n]
            }
        }
        return (LSTMGates(i: di, f: df, g: dg, o: d_o), dc_prev)
    }

    /// Where `self` holds the gradient: dW += Σ dgate xᵀ, dU += Σ dgate h_prevᵀ, db += Σ dgate, dp
    /// += Σ dgate c and dP += Σ dh mᵀ, over all steps of all rows that have not ended.
    public mutating func addGradient(
        x: [[[S]]], tape: LSTMTape<S>, backward: LSTMBackward<S>, lengths: [Int]? = nil,
        mask: [[S]]? = nil
    ) {
        let valid = x.indices.flatMap { t in
            x[t].indices.filter { isValid(lengths, $0, t) }.map { (t: t, row: $0) }
        }
        let (x, h_prev) = (
            valid.map { x[$0.t][$0.row] }, valid.map { masked(tape.h[$0.t][$0.row], mask?[$0.row]) }
        )
        let dgates = valid.map { backward.dgates[$0.t][$0.row] }
        gates.i.addGradient(x: x, h_prev: h_prev, dgate: dgates.map(\.i))
        gates.f.addGradient(x: x, h_prev: h_prev, dgate: dgates.map(\.f))
        gates.g.addGradient(x: x, h_prev: h_prev, dgate: dgates.map(\.g))
        gates.o.addGradient(x: x, h_prev: h_prev, dgate: dgates.map(\.o))
        if variant.peepholes {
            let (c_prev, c) = (
                valid.map { tape.c[$0.t][$0.row] }, valid.map { tape.c[$0.t + 1][$0.row] }
            )
            addProducts(dgates.map(\.i), c_prev, to: &peepholes.i)
            addProducts(dgates.map(\.f), c_prev, to: &peepholes.f)
            addProducts(dgates.map(\.o), c, to: &peepholes.o)
        }
        if variant.projection != nil {
            addOuterProducts(
                valid.map { backward.dh[$0.t][$0.row] }, valid.map { tape.m[$0.t][$0.row] },
                to: &projection)
        }
    }
}

/// vector[n] += Σ_m left[m][n] right[m][n]
private func addProducts<S: Scalar>(_ left: [[S]], _ right: [[S]], to vector: inout [S]) {
    let (left, right) = (transposed(left), transposed(right))
    for n in left.indices { vector[n] = S.sum(vector[n], [(left[n], right[n])]) }
}
