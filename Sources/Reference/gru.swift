// The gated recurrent unit: Cho, van Merriënboer, Gulcehre, Bahdanau, Bougares, Schwenk and Bengio
// 2014, "Learning Phrase Representations using RNN Encoder-Decoder for Statistical Machine
// Translation". Sequences are [time][row of the batch][unit].

/// What a cell does differently from PyTorch's, Keras' by default and cuDNN's: n = tanh(W x + b +
/// r∘(U h_prev + b′)), h = (1 - z)∘n + z∘h_prev. Each part is independent of the others.
public struct GRUVariant: Hashable, Sendable {
    /// n = f(W x + U (r∘h_prev) + b): Cho et al. 2014, equations 5 to 8.
    public var resetsBefore = false
    /// h = (1 - z)∘h_prev + z∘n.
    public var zReplaces = false
    /// f.
    public var activation = Activation.tanh
    /// That of r and z.
    public var gateActivation = Activation.sigmoid

    public init(
        resetsBefore: Bool = false, zReplaces: Bool = false, activation: Activation = .tanh,
        gateActivation: Activation = .sigmoid
    ) {
        self.resetsBefore = resetsBefore
        self.zReplaces = zReplaces
        self.activation = activation
        self.gateActivation = gateActivation
    }

    public static let resetAfter = GRUVariant()
    public static let resetBefore = GRUVariant(resetsBefore: true)
    /// s = (1 - i)∘s_prev + i∘s̃, where o is r, i is z and s̃ is n.
    public static let lecture = GRUVariant(
        resetsBefore: true, zReplaces: true, activation: .sigmoid)
}

/// A value for each gate: reset, update and candidate.
public struct GRUGates<Value: Sendable>: Sendable {
    public var r, z, n: Value

    public init(r: Value, z: Value, n: Value) {
        self.r = r
        self.z = z
        self.n = n
    }

    /// r, z, n.
    public var all: [Value] { [r, z, n] }

    public func map<Other>(_ transform: (Value) -> Other) -> GRUGates<Other> {
        GRUGates<Other>(r: transform(r), z: transform(z), n: transform(n))
    }
}

/// What the forward pass leaves for the backward pass. Slot t of `h` is the state before step t.
public struct GRUTape<S: Scalar>: Sendable {
    public var gates: [[GRUGates<[S]>]]  // [steps][batch]; zeros where the row has ended
    // [steps][batch][hidden], what the candidate takes from h_prev; zeros where the row has ended
    public var past: [[[S]]]
    public var h: [[[S]]]  // [steps + 1][batch][hidden]

    public init(gates: [[GRUGates<[S]>]], past: [[[S]]], h: [[[S]]]) {
        self.gates = gates
        self.past = past
        self.h = h
    }
}

/// The gradients that flow back through a sequence, to everything but the parameters.
public struct GRUBackward<S: Scalar>: Sendable {
    public var dgates: [[GRUGates<[S]>]]  // [steps][batch], with respect to the pre-activations
    public var dpast: [[[S]]]  // [steps][batch][hidden]
    public var dx: [[[S]]]  // [steps][batch][input]
    public var dh0: [[S]]  // [batch][hidden]

    public init(dgates: [[GRUGates<[S]>]], dpast: [[[S]]], dx: [[[S]]], dh0: [[S]]) {
        self.dgates = dgates
        self.dpast = dpast
        self.dx = dx
        self.dh0 = dh0
    }
}

/// The parameters of a GRU layer, or their gradient.
public struct GRUCell<S: Scalar>: Sendable {
    public var gates: GRUGates<GateParameters<S>>
    public var hiddenBias: [S]  // [hidden], b′; of reset-after alone
    public var variant: GRUVariant

    public init(gates: GRUGates<GateParameters<S>>, hiddenBias: [S], variant: GRUVariant) {
        self.gates = gates
        self.hiddenBias = hiddenBias
        self.variant = variant
    }

    public var hiddenSize: Int { gates.r.b.count }
    public var inputSize: Int { gates.r.W.first?.count ?? 0 }

    /// One time step of one sequence: the activated gates, what the candidate takes from h_prev,
    /// and the new state. `mask`, of recurrent dropout, is [hidden].
    public func step(x: [S], h_prev: [S], mask: [S]? = nil) -> (
        gates: GRUGates<[S]>, past: [S], h: [S]
    ) {
        let units = h_prev.indices
        let seen = masked(h_prev, mask)
        func gate(_ gate: GateParameters<S>) -> [S] {
            gate.preActivation(x: x, h_prev: seen).map { sum in variant.gateActivation(sum) }
        }
        let (r, z) = (gate(gates.r), gate(gates.z))
        let past: [S]
        let candidate: [S]
        if variant.resetsBefore {
            past = units.map { k in r[k] * seen[k] }
            candidate = gates.n.preActivation(x: x, h_prev: past)
        } else {
            past = units.map { k in S.sum(hiddenBias[k], [(gates.n.U[k], seen)]) }
            candidate = units.map { k in S.sum(gates.n.b[k], [(gates.n.W[k], x)]) + r[k] * past[k] }
        }
        let n = candidate.map { sum in variant.activation(sum) }
        let h =
            variant.zReplaces
            ? units.map { k in (1 - z[k]) * h_prev[k] + z[k] * n[k] }
            : units.map { k in (1 - z[k]) * n[k] + z[k] * h_prev[k] }
        return (GRUGates(r: r, z: z, n: n), past, h)
    }

    /// A whole sequence. Row b holds its state from step `lengths[b]` on. `mask`, of recurrent
    /// dropout, is [batch][hidden].
    public func forward(x: [[[S]]], h0: [[S]], lengths: [Int]? = nil, mask: [[S]]? = nil)
        -> GRUTape<S>
    {
        let zeros = [S](repeating: 0, count: hiddenSize)
        let ended = GRUGates(r: zeros, z: zeros, n: zeros)
        var tape = GRUTape(gates: [], past: [], h: [h0])
        for t in x.indices {
            var gates = h0.map { _ in ended }
            var past = h0.map { _ in zeros }
            var h = tape.h[t]
            for row in h0.indices where isValid(lengths, row, t) {
                (gates[row], past[row], h[row]) = step(
                    x: x[t][row], h_prev: h[row], mask: mask?[row])
            }
            tape.gates.append(gates)
            tape.past.append(past)
            tape.h.append(h)
        }
        return tape
    }

    /// Backpropagation through time: Werbos 1990. `dy[t]` is the loss's gradient with respect to h
    /// after step t, not read where a row has ended; `dh` is its gradient with respect to the final
    /// state.
    public func backward(
        tape: GRUTape<S>, dy: [[[S]]]?, dh: [[S]], lengths: [Int]? = nil, mask: [[S]]? = nil
    ) -> GRUBackward<S> {
        let W = gates.map { transposed($0.W) }
        let U = gates.map { transposed($0.U) }
        let zeros = [S](repeating: 0, count: hiddenSize)
        let ended = GRUGates(r: zeros, z: zeros, n: zeros)
        let rows = dh.indices
        let steps = tape.gates.indices
        var result = GRUBackward(
            dgates: steps.map { _ in rows.map { _ in ended } },
            dpast: steps.map { _ in rows.map { _ in zeros } },
            dx: steps.map { _ in rows.map { _ in [S](repeating: 0, count: inputSize) } }, dh0: dh)
        for t in steps.reversed() {
            for row in rows where isValid(lengths, row, t) {
                var dh = result.dh0[row]
                if let dy { dh = zip(dh, dy[t][row]).map(+) }
                let (dgates, dpast, dh_prev) = cellBackward(
                    gates: tape.gates[t][row], past: tape.past[t][row], h_prev: tape.h[t][row],
                    mask: mask?[row], dh: dh, U: U)
                (result.dgates[t][row], result.dpast[t][row], result.dh0[row]) = (
                    dgates, dpast, dh_prev
                )
                result.dx[t][row] = W.r.indices.map { k in
                    S.sum(0, zip(dgates.all, W.all).map { ($0, $1[k]) })
                }
            }
        }
        return result
    }

    /// Each line is the derivative of the line of `step` that it quotes. `U` has columns for rows.
    private func cellBackward(
        gates: GRUGates<[S]>, past: [S], h_prev: [S], mask: [S]?, dh: [S], U: GRUGates<[[S]]>
    ) -> (dgates: GRUGates<[S]>, dpast: [S], dh_prev: [S]) {
        let units = dh.indices
        let (r, z, n) = (gates.r, gates.z, gates.n)
        let seen = masked(h_prev, mask)
        // h = (1 - z) h_prev + z n, or (1 - z) n + z h_prev
        let taken = variant.zReplaces ? z : z.map { 1 - $0 }
        let kept = zip(dh, taken).map { dh, taken in dh * (1 - taken) }
        let dz = units.map { k in
            dh[k] * (variant.zReplaces ? n[k] - h_prev[k] : h_prev[k] - n[k])
        }
        // n = f(·)
        let dn = units.map { k in dh[k] * taken[k] * variant.activation.derivative(y: n[k]) }
        let dr: [S]
        let dpast: [S]
        if variant.resetsBefore {
            // n = f(W x + U past + b)
            dpast = units.map { k in S.sum(0, [(dn, U.n[k])]) }
            dr = units.map { k in dpast[k] * seen[k] }  // past = r seen
        } else {
            // n = f(W x + b + r past)
            dr = units.map { k in dn[k] * past[k] }
            dpast = units.map { k in dn[k] * r[k] }
        }
        let gate = variant.gateActivation
        let dgates = GRUGates(
            r: units.map { k in dr[k] * gate.derivative(y: r[k]) },  // r = σ(·)
            z: units.map { k in dz[k] * gate.derivative(y: z[k]) },  // z = σ(·)
            n: dn)
        let dseen = units.map { k in
            let gates = [(dgates.r, U.r[k]), (dgates.z, U.z[k])]
            return variant.resetsBefore
                ? S.sum(dpast[k] * r[k], gates)  // past = r seen
                : S.sum(0, gates + [(dpast, U.n[k])])  // past = U seen + b′
        }
        return (dgates, dpast, zip(kept, masked(dseen, mask)).map(+))
    }

    /// Where `self` holds the gradient: dW += Σ dgate xᵀ, dU += Σ dgate h_prevᵀ, db += Σ dgate,
    /// over all steps of all rows that have not ended; dU of the candidate by what it multiplies.
    public mutating func addGradient(
        x: [[[S]]], tape: GRUTape<S>, backward: GRUBackward<S>, lengths: [Int]? = nil,
        mask: [[S]]? = nil
    ) {
        let valid = x.indices.flatMap { t in
            x[t].indices.filter { isValid(lengths, $0, t) }.map { (t, $0) }
        }
        func rows<Row>(_ rows: [[Row]]) -> [Row] { valid.map { t, row in rows[t][row] } }
        let (inputs, past, dpast, dgates) = (
            rows(x), rows(tape.past), rows(backward.dpast), rows(backward.dgates)
        )
        let h_prev = valid.map { t, row in masked(tape.h[t][row], mask?[row]) }
        gates.r.addGradient(x: inputs, h_prev: h_prev, dgate: dgates.map(\.r))
        gates.z.addGradient(x: inputs, h_prev: h_prev, dgate: dgates.map(\.z))
        if variant.resetsBefore {
            gates.n.addGradient(x: inputs, h_prev: past, dgate: dgates.map(\.n))
        } else {
            addOuterProducts(dgates.map(\.n), inputs, to: &gates.n.W)
            addRows(dgates.map(\.n), to: &gates.n.b)
            addOuterProducts(dpast, h_prev, to: &gates.n.U)
            addRows(dpast, to: &hiddenBias)
        }
    }
}
