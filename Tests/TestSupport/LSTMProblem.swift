public import RecurrentReference

/// The sizes of an LSTM layer, or a plain recurrent one, over a batch of sequences.
public struct LSTMSizes: Sendable, CustomStringConvertible {
    public var input, hidden, batch, steps: Int
    /// Rows of x lie this many floats further apart than they are long.
    public var gap = 0
    public var lengths: [Int]?
    public var awkward = false
    /// Whether there is a mask of recurrent dropout.
    public var dropout = false
    /// Of an LSTM.
    public var variant: LSTMVariant

    public init(
        _ input: Int, _ hidden: Int, batch: Int = 1, steps: Int = 1, gap: Int = 0,
        lengths: [Int]? = nil, awkward: Bool = false,
        dropout: Bool = false, variant: LSTMVariant = LSTMVariant()
    ) {
        self.input = input
        self.hidden = hidden
        self.batch = batch
        self.steps = steps
        self.gap = gap
        self.lengths = lengths
        self.awkward = awkward
        self.dropout = dropout
        self.variant = variant
    }

    public var description: String {
        let parts = [
            (variant.sigmoid, "sigmoid"), (variant.peepholes, "peepholes"),
            (variant.coupled, "coupled"), (variant.clip != nil, "clip"),
            (variant.projection != nil, "R \(outputs)"), (awkward, "awkward"), (dropout, "dropout"),
        ]
        return
            ([
                """
                I \(input) H \(hidden) B \(batch) T \
                \(steps)\(lengths.map { " lengths \($0)" } ?? "")
                """
            ] + parts.filter(\.0).map(\.1))
            .joined(separator: " ")
    }

    /// Units of h.
    public var outputs: Int { variant.projection ?? hidden }

    public func isLive(row: Int, step: Int) -> Bool { lengths.map { step < $0[row] } ?? true }
}

/// Where a mask of recurrent dropout may be forgotten.
public enum MaskedPart: CaseIterable, Sendable { case forward, backward, gradient }

/// Data for an LSTM layer in the textbook's layout; every number is a float's value. Where a row
/// has ended, x and dy are NaN.
public struct LSTMProblem<S: Scalar>: Sendable {
    public let sizes: LSTMSizes
    public var cell: LSTMCell<S>
    public var x, dy: [[[S]]]
    public var h0, c0, dh, dc: [[S]]
    /// Of recurrent dropout: 0, or what is no power of two.
    public var mask: [[S]]?
    /// What the gradient holds before it is added to.
    public var gradient: LSTMCell<S>

    public func map<Other>(_ transform: (S) -> Other) -> LSTMProblem<Other> {
        func map(_ matrix: [[S]]) -> [[Other]] { matrix.map { $0.map(transform) } }
        return LSTMProblem<Other>(
            sizes: sizes, cell: cell.map(transform), x: x.map(map), dy: dy.map(map), h0: map(h0),
            c0: map(c0), dh: map(dh), dc: map(dc),
            mask: mask.map(map), gradient: gradient.map(transform))
    }

    /// Forward and backward by the reference, the mask forgotten in one part or in none.
    public func solved(unmasked: MaskedPart? = nil) -> LSTMSolution<S> {
        func mask(_ part: MaskedPart) -> [[S]]? { part == unmasked ? nil : self.mask }
        let tape = cell.forward(x: x, h0: h0, c0: c0, lengths: sizes.lengths, mask: mask(.forward))
        let backward = cell.backward(
            tape: tape, dy: dy, dh: dh, dc: dc, lengths: sizes.lengths, mask: mask(.backward))
        var gradient = gradient
        gradient.addGradient(
            x: x, tape: tape, backward: backward, lengths: sizes.lengths, mask: mask(.gradient))
        return LSTMSolution(tape: tape, backward: backward, gradient: gradient)
    }

    /// One row of the batch by itself.
    public func row(_ row: Int) -> LSTMProblem {
        var sizes = sizes
        sizes.batch = 1
        sizes.lengths = sizes.lengths.map { [$0[row]] }
        return LSTMProblem(
            sizes: sizes, cell: cell, x: x.map { [$0[row]] }, dy: dy.map { [$0[row]] },
            h0: [h0[row]], c0: [c0[row]], dh: [dh[row]],
            dc: [dc[row]], mask: mask.map { [$0[row]] }, gradient: gradient)
    }

    /// Some of the time steps, for rows that do not end. The states at the start and the gradients
    /// at the end stay as they are.
    public func segment(_ steps: Range<Int>) -> LSTMProblem {
        var sizes = sizes
        (sizes.steps, sizes.lengths) = (steps.count, nil)
        return LSTMProblem(
            sizes: sizes, cell: cell, x: Array(x[steps]), dy: Array(dy[steps]), h0: h0, c0: c0,
            dh: dh, dc: dc, mask: mask,
            gradient: gradient)
    }
}

extension LSTMCell {
    public func map<Other>(_ transform: (S) -> Other) -> LSTMCell<Other> {
        LSTMCell<Other>(
            gates: gates.map { $0.map(transform) }, peepholes: peepholes.map { $0.map(transform) },
            projection: projection.map { $0.map(transform) },
            variant: variant)
    }
}

extension LSTMProblem<Double> {
    public init(_ sizes: LSTMSizes, seed: UInt64) {
        var generator = Generator(seed: seed)
        let (hidden, outputs) = (sizes.hidden, sizes.outputs)
        func floats(_ count: Int, scale: Float = 1, awkward: Bool = sizes.awkward) -> [Double] {
            (awkward
                ? generator.awkwardFloats(count, scale: scale)
                : generator.floats(count, scale: scale)).map { Double($0) }
        }
        func matrix(_ rows: Int, _ columns: Int, scale: Float = 1, awkward: Bool = sizes.awkward)
            -> [[Double]]
        {
            (0..<rows).map { _ in floats(columns, scale: scale, awkward: awkward) }
        }
        // Weights have no saturating values of their own: the inputs and biases see to it that some
        // gates saturate, and not all.
        func parameters(scale: Float) -> GateParameters<Double> {
            GateParameters(
                W: matrix(hidden, sizes.input, scale: scale, awkward: false),
                U: matrix(hidden, outputs, scale: scale, awkward: false).map {
                    $0.map { generator.next() % 16 == 0 ? 0 : $0 }
                }, b: floats(hidden))
        }
        func cell(scale: Float) -> LSTMCell<Double> {
            var cell = LSTMCell(
                gates: LSTMGates(
                    i: parameters(scale: scale), f: parameters(scale: scale),
                    g: parameters(scale: scale), o: parameters(scale: scale)),
                variant: sizes.variant)
            if sizes.variant.peepholes {
                cell.peepholes = LSTMGates(
                    i: floats(hidden), f: floats(hidden), g: [], o: floats(hidden))
            }
            if sizes.variant.projection != nil {
                cell.projection = matrix(outputs, hidden, scale: scale, awkward: false)
            }
            return cell
        }
        func sequence(_ units: Int) -> [[[Double]]] {
            (0..<sizes.steps).map { t in
                (0..<sizes.batch).map { row in
                    sizes.isLive(row: row, step: t)
                        ? floats(units) : [Double](repeating: .nan, count: units)
                }
            }
        }
        self.sizes = sizes
        self.cell = cell(scale: 2 / Float(hidden).squareRoot())
        x = sequence(sizes.input)
        dy = sequence(outputs)
        h0 = matrix(sizes.batch, outputs, awkward: false)
        c0 = matrix(sizes.batch, hidden)
        dh = matrix(sizes.batch, outputs)
        dc = matrix(sizes.batch, hidden)
        gradient = cell(scale: 1)
        mask =
            sizes.dropout
            ? (0..<sizes.batch).map { _ in
                (0..<outputs).map { _ in generator.next() % 4 == 0 ? 0 : Double(Float(4.0 / 3)) }
            } : nil
    }
}

/// All that the forward and the backward pass of an LSTM layer give.
public struct LSTMSolution<S: Scalar>: Sendable {
    public var tape: LSTMTape<S>
    public var backward: LSTMBackward<S>
    public var gradient: LSTMCell<S>

    public init(tape: LSTMTape<S>, backward: LSTMBackward<S>, gradient: LSTMCell<S>) {
        self.tape = tape
        self.backward = backward
        self.gradient = gradient
    }
}

/// Named arrays, element by element the same in what is found and in what is expected.
public typealias Named<Element> = [(name: String, values: [Element])]

extension LSTMTape {
    /// The gates of ended steps are not compared, nor what is projected: nothing reads them.
    public func named(_ sizes: LSTMSizes) -> Named<S> {
        func live<Row>(_ rows: [[Row]]) -> [Row] {
            rows.indices.flatMap { t in
                rows[t].indices.filter { sizes.isLive(row: $0, step: t) }.map { rows[t][$0] }
            }
        }
        var named: Named<S> = [("h", h.joined().flatMap { $0 }), ("c", c.joined().flatMap { $0 })]
        let gates = live(gates)
        for (index, name) in ["i", "f", "g", "o"].enumerated() {
            named.append((name, gates.flatMap { $0.all[index] }))
        }
        if sizes.variant.projection != nil { named.append(("m", live(m).flatMap { $0 })) }
        return named
    }
}

extension LSTMBackward {
    public func named(_ sizes: LSTMSizes) -> Named<S> {
        var named: Named<S> = [
            ("dh0", dh0.flatMap { $0 }), ("dc0", dc0.flatMap { $0 }),
            ("dx", dx.joined().flatMap { $0 }),
        ]
        for (index, name) in ["di", "df", "dg", "do"].enumerated() {
            named.append((name, dgates.joined().flatMap { $0.all[index] }))
        }
        if sizes.variant.projection != nil { named.append(("dh", dh.joined().flatMap { $0 })) }
        return named
    }
}

extension LSTMCell {
    public var named: Named<S> {
        zip(["i", "f", "g", "o"], gates.all).flatMap { name, gate in
            [
                ("dW \(name)", gate.W.flatMap { $0 }), ("dU \(name)", gate.U.flatMap { $0 }),
                ("db \(name)", gate.b),
            ]
        }
            + (variant.peepholes
                ? [("dp i", peepholes.i), ("dp f", peepholes.f), ("dp o", peepholes.o)] : [])
            + (variant.projection == nil ? [] : [("dP", projection.flatMap { $0 })])
    }
}

extension LSTMSolution {
    public func named(_ sizes: LSTMSizes) -> Named<S> {
        tape.named(sizes) + backward.named(sizes) + gradient.named
    }
}

extension Comparer {
    /// Throws the first mismatch of any array, each number first rounded to a float (which is exact
    /// for a kernel's numbers).
    public static func check(_ actual: Named<Double>, _ expected: Named<RunningError>)
        throws(Mismatch)
    {
        precondition(actual.map(\.name) == expected.map(\.name))
        for (a, e) in zip(actual, expected) {
            try check(a.name, a.values.map { Float($0) }, e.values)
        }
    }
}
