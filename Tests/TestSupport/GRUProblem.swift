public import RecurrentReference

/// Data for a GRU layer in the textbook's layout; every number is a float's value. Where a row has
/// ended, x and dy are NaN.
public struct GRUProblem<S: Scalar>: Sendable {
    public let sizes: LSTMSizes
    public var cell: GRUCell<S>
    public var x, dy: [[[S]]]
    public var h0, dh: [[S]]
    public var mask: [[S]]?
    /// What the gradient holds before it is added to.
    public var gradient: GRUCell<S>

    public func map<Other>(_ transform: (S) -> Other) -> GRUProblem<Other> {
        func map(_ matrix: [[S]]) -> [[Other]] { matrix.map { $0.map(transform) } }
        return GRUProblem<Other>(
            sizes: sizes, cell: cell.map(transform), x: x.map(map), dy: dy.map(map), h0: map(h0),
            dh: map(dh), mask: mask.map(map),
            gradient: gradient.map(transform))
    }

    /// Forward and backward by the reference, the mask forgotten in one part or in none.
    public func solved(unmasked: MaskedPart? = nil) -> GRUSolution<S> {
        func mask(_ part: MaskedPart) -> [[S]]? { part == unmasked ? nil : self.mask }
        let tape = cell.forward(x: x, h0: h0, lengths: sizes.lengths, mask: mask(.forward))
        let backward = cell.backward(
            tape: tape, dy: dy, dh: dh, lengths: sizes.lengths, mask: mask(.backward))
        var gradient = gradient
        gradient.addGradient(
            x: x, tape: tape, backward: backward, lengths: sizes.lengths, mask: mask(.gradient))
        return GRUSolution(tape: tape, backward: backward, gradient: gradient)
    }

    /// One row of the batch by itself.
    public func row(_ row: Int) -> GRUProblem {
        var sizes = sizes
        sizes.batch = 1
        sizes.lengths = sizes.lengths.map { [$0[row]] }
        return GRUProblem(
            sizes: sizes, cell: cell, x: x.map { [$0[row]] }, dy: dy.map { [$0[row]] },
            h0: [h0[row]], dh: [dh[row]],
            mask: mask.map { [$0[row]] }, gradient: gradient)
    }

    /// Some of the time steps, for rows that do not end within them.
    public func segment(_ steps: Range<Int>) -> GRUProblem {
        var sizes = sizes
        (sizes.steps, sizes.lengths) = (steps.count, nil)
        return GRUProblem(
            sizes: sizes, cell: cell, x: Array(x[steps]), dy: Array(dy[steps]), h0: h0, dh: dh,
            mask: mask, gradient: gradient)
    }
}

extension GRUCell {
    public func map<Other>(_ transform: (S) -> Other) -> GRUCell<Other> {
        GRUCell<Other>(
            gates: gates.map { $0.map(transform) }, hiddenBias: hiddenBias.map(transform),
            definition: definition)
    }
}

extension GRUProblem<Double> {
    public init(_ sizes: LSTMSizes, definition: GRUDefinition, seed: UInt64) {
        let lstm = LSTMProblem<Double>(sizes, seed: seed)
        // b′, which the other definitions lack, and whose gradient they leave at zero.
        func cell(_ gates: LSTMGates<GateParameters<Double>>) -> GRUCell<Double> {
            GRUCell(
                gates: GRUGates(r: gates.i, z: gates.f, n: gates.g),
                hiddenBias: definition == .resetAfter ? gates.o.b : gates.o.b.map { _ in 0 },
                definition: definition)
        }
        self.init(
            sizes: sizes, cell: cell(lstm.cell.gates), x: lstm.x, dy: lstm.dy, h0: lstm.h0,
            dh: lstm.dh, mask: lstm.mask, gradient: cell(lstm.gradient.gates))
    }
}

/// All that the forward and the backward pass of a GRU layer give.
public struct GRUSolution<S: Scalar>: Sendable {
    public var tape: GRUTape<S>
    public var backward: GRUBackward<S>
    public var gradient: GRUCell<S>

    public init(tape: GRUTape<S>, backward: GRUBackward<S>, gradient: GRUCell<S>) {
        self.tape = tape
        self.backward = backward
        self.gradient = gradient
    }

    public func named(_ sizes: LSTMSizes) -> Named<S> {
        tape.named(sizes) + backward.named + gradient.named
    }
}

extension GRUTape {
    /// The gates of ended steps are not compared: nothing reads them.
    public func named(_ sizes: LSTMSizes) -> Named<S> {
        let live = gates.indices.flatMap { t in
            gates[t].indices.filter { sizes.isLive(row: $0, step: t) }.map { (t, $0) }
        }
        var named: Named<S> = [
            ("h", h.joined().flatMap { $0 }), ("past", live.flatMap { past[$0][$1] }),
        ]
        for (index, name) in ["r", "z", "n"].enumerated() {
            named.append((name, live.flatMap { gates[$0][$1].all[index] }))
        }
        return named
    }
}

extension GRUBackward {
    public var named: Named<S> {
        var named: Named<S> = [
            ("dh0", dh0.flatMap { $0 }), ("dx", dx.joined().flatMap { $0 }),
            ("dpast", dpast.joined().flatMap { $0 }),
        ]
        for (index, name) in ["dr", "dz", "dn"].enumerated() {
            named.append((name, dgates.joined().flatMap { $0.all[index] }))
        }
        return named
    }
}

extension GRUCell {
    public var named: Named<S> {
        zip(["r", "z", "n"], gates.all).flatMap { name, gate in
            [
                ("dW \(name)", gate.W.flatMap { $0 }), ("dU \(name)", gate.U.flatMap { $0 }),
                ("db \(name)", gate.b),
            ]
        } + [("db′", hiddenBias)]
    }
}
