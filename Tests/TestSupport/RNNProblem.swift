public import RecurrentReference

/// Data for a plain recurrent layer in the textbook's layout; every number is a float's value.
/// Where a row has ended, x and dy are NaN.
public struct RNNProblem<S: Scalar>: Sendable {
    public let sizes: LSTMSizes
    public var cell: RNNCell<S>
    public var x, dy: [[[S]]]
    public var h0, dh: [[S]]
    public var mask: [[S]]?
    /// What the gradient holds before it is added to.
    public var gradient: RNNCell<S>

    public func map<Other>(_ transform: (S) -> Other) -> RNNProblem<Other> {
        func map(_ matrix: [[S]]) -> [[Other]] { matrix.map { $0.map(transform) } }
        return RNNProblem<Other>(
            sizes: sizes, cell: cell.map(transform), x: x.map(map), dy: dy.map(map), h0: map(h0),
            dh: map(dh), mask: mask.map(map),
            gradient: gradient.map(transform))
    }

    /// Forward and backward by the reference, the mask forgotten in one part or in none.
    public func solved(unmasked: MaskedPart? = nil) -> RNNSolution<S> {
        func mask(_ part: MaskedPart) -> [[S]]? { part == unmasked ? nil : self.mask }
        let h = cell.forward(x: x, h0: h0, lengths: sizes.lengths, mask: mask(.forward))
        let backward = cell.backward(
            h: h, dy: dy, dh: dh, lengths: sizes.lengths, mask: mask(.backward))
        var gradient = gradient
        gradient.addGradient(
            x: x, h: h, dz: backward.dz, lengths: sizes.lengths, mask: mask(.gradient))
        return RNNSolution(h: h, backward: backward, gradient: gradient)
    }

    /// One row of the batch by itself.
    public func row(_ row: Int) -> RNNProblem {
        var sizes = sizes
        sizes.batch = 1
        sizes.lengths = sizes.lengths.map { [$0[row]] }
        return RNNProblem(
            sizes: sizes, cell: cell, x: x.map { [$0[row]] }, dy: dy.map { [$0[row]] },
            h0: [h0[row]], dh: [dh[row]],
            mask: mask.map { [$0[row]] }, gradient: gradient)
    }

    /// Some of the time steps, for rows that do not end within them.
    public func segment(_ steps: Range<Int>) -> RNNProblem {
        var sizes = sizes
        (sizes.steps, sizes.lengths) = (steps.count, nil)
        return RNNProblem(
            sizes: sizes, cell: cell, x: Array(x[steps]), dy: Array(dy[steps]), h0: h0, dh: dh,
            mask: mask, gradient: gradient)
    }
}

extension GateParameters {
    public func map<Other>(_ transform: (S) -> Other) -> GateParameters<Other> {
        GateParameters<Other>(
            W: W.map { $0.map(transform) }, U: U.map { $0.map(transform) }, b: b.map(transform))
    }
}

extension RNNCell {
    public func map<Other>(_ transform: (S) -> Other) -> RNNCell<Other> {
        RNNCell<Other>(parameters: parameters.map(transform), f: f)
    }
}

extension RNNProblem<Double> {
    public init(_ sizes: LSTMSizes, f: Activation, seed: UInt64) {
        let lstm = LSTMProblem<Double>(sizes, seed: seed)
        self.init(
            sizes: sizes, cell: RNNCell(parameters: lstm.cell.gates.i, f: f), x: lstm.x,
            dy: lstm.dy, h0: lstm.h0, dh: lstm.dh, mask: lstm.mask,
            gradient: RNNCell(parameters: lstm.gradient.gates.i, f: f))
    }
}

/// All that the forward and the backward pass of a plain recurrent layer give.
public struct RNNSolution<S: Scalar>: Sendable {
    public var h: [[[S]]]
    public var backward: RNNBackward<S>
    public var gradient: RNNCell<S>

    public init(h: [[[S]]], backward: RNNBackward<S>, gradient: RNNCell<S>) {
        self.h = h
        self.backward = backward
        self.gradient = gradient
    }

    public var named: Named<S> {
        [("h", h.joined().flatMap { $0 })] + backward.named + gradient.named
    }
}

extension RNNBackward {
    public var named: Named<S> {
        [
            ("dz", dz.joined().flatMap { $0 }), ("dh0", dh0.flatMap { $0 }),
            ("dx", dx.joined().flatMap { $0 }),
        ]
    }
}

extension RNNCell {
    public var named: Named<S> {
        [
            ("dW", parameters.W.flatMap { $0 }), ("dU", parameters.U.flatMap { $0 }),
            ("db", parameters.b),
        ]
    }
}
