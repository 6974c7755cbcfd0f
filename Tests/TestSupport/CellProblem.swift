public import RecurrentReference

/// The parameters of a cell, or their gradient.
public struct CellParameters<S: Scalar>: Sendable {
    public var gates: [GateParameters<S>]
    public var inner: [[S]]  // [gate][hidden], or empty of a gate that has none
    public var projection: [[S]] = []  // [outputs][hidden]

    public init(gates: [GateParameters<S>], inner: [[S]], projection: [[S]] = []) {
        (self.gates, self.inner, self.projection) = (gates, inner, projection)
    }

    public func map<Other>(_ transform: (S) -> Other) -> CellParameters<Other> {
        func map(_ matrix: [[S]]) -> [[Other]] { matrix.map { $0.map(transform) } }
        return CellParameters<Other>(
            gates: gates.map { GateParameters(W: map($0.W), U: map($0.U), b: $0.b.map(transform)) },
            inner: map(inner), projection: map(projection))
    }

    /// All of them, in the order of their coordinates.
    public var flat: [S] {
        gates.flatMap { $0.W.flatMap { $0 } + $0.U.flatMap { $0 } + $0.b }
            + inner.flatMap { $0 } + projection.flatMap { $0 }
    }

    public mutating func eachGate(_ edit: (inout GateParameters<S>) -> Void) {
        for gate in gates.indices { edit(&gates[gate]) }
    }
}

/// What the forward pass leaves for the backward pass: slot t of h and c is the state before step
/// t. What a cell does not have is empty.
public struct CellTape<S: Scalar>: Sendable {
    public var h: [[[S]]]  // [steps + 1][batch][outputs]
    public var c: [[[S]]] = []  // [steps + 1][batch][hidden]
    public var gates: [[[[S]]]] = []  // [steps][batch][gate][hidden], zeros where the row has ended
    public var m: [[[S]]] = []  // [steps][batch][hidden], h before it is projected
    public var past: [[[S]]] = []  // [steps][batch][hidden]

    /// The tape of one step.
    public func step(_ t: Int) -> CellTape {
        func steps<Row>(_ rows: [Row], _ count: Int) -> [Row] {
            rows.isEmpty ? [] : Array(rows[t..<t + count])
        }
        return CellTape(
            h: steps(h, 2), c: steps(c, 2), gates: steps(gates, 1), m: steps(m, 1),
            past: steps(past, 1))
    }

    public mutating func append(_ next: CellTape) {
        h += next.h.dropFirst()
        c += next.c.dropFirst()
        gates += next.gates
        m += next.m
        past += next.past
    }

    public func map<Other>(_ transform: (S) -> Other) -> CellTape<Other> {
        func map(_ rows: [[[S]]]) -> [[[Other]]] { rows.map { $0.map { $0.map(transform) } } }
        return CellTape<Other>(
            h: map(h), c: map(c), gates: gates.map(map), m: map(m), past: map(past))
    }
}

/// The gradients that flow back through a sequence, to everything but the parameters.
public struct CellBackward<S: Scalar>: Sendable {
    public var dgates: [[[[S]]]]  // [steps][batch][gate][hidden], of the pre-activations
    public var dhs: [[[S]]] = []  // [steps][batch][outputs], of h where it is projected
    public var dpast: [[[S]]] = []  // [steps][batch][hidden]
    public var dx: [[[S]]]  // [steps][batch][input]
    public var dh0: [[S]]  // [batch][outputs]
    public var dc0: [[S]] = []  // [batch][hidden]

    /// Multiplies what the gradient with respect to the parameters is made of.
    public mutating func scale(_ factor: (_ t: Int, _ row: Int) -> S) {
        for t in dgates.indices {
            for row in dgates[t].indices {
                let factor = factor(t, row)
                func scale(_ values: inout [S]) { values = values.map { $0 * factor } }
                for gate in dgates[t][row].indices { scale(&dgates[t][row][gate]) }
                if !dhs.isEmpty { scale(&dhs[t][row]) }
                if !dpast.isEmpty { scale(&dpast[t][row]) }
            }
        }
    }

    public func map<Other>(_ transform: (S) -> Other) -> CellBackward<Other> {
        func map(_ rows: [[S]]) -> [[Other]] { rows.map { $0.map(transform) } }
        return CellBackward<Other>(
            dgates: dgates.map { $0.map(map) }, dhs: dhs.map(map), dpast: dpast.map(map),
            dx: dx.map(map), dh0: map(dh0), dc0: map(dc0))
    }
}

/// All that a forward and a backward pass give.
public struct CellSolution<S: Scalar>: Sendable {
    public var tape: CellTape<S>
    public var backward: CellBackward<S>
    public var gradient: CellParameters<S>
}

/// Data for a layer in the textbook's layout; every number is a float's value. Where a row has
/// ended, x and dy are NaN.
public struct CellProblem<S: Scalar>: Sendable {
    public var sizes: CellCase
    public var parameters: CellParameters<S>
    public var x: [[[S]]]
    public var dy: [[[S]]]?
    public var h0, c0, dh, dc: [[S]]
    /// Of recurrent dropout: 0, or what is no power of two.
    public var mask: [[S]]?
    /// What the gradient holds before it is added to.
    public var gradient: CellParameters<S>

    public func map<Other>(_ transform: (S) -> Other) -> CellProblem<Other> {
        func map(_ matrix: [[S]]) -> [[Other]] { matrix.map { $0.map(transform) } }
        return CellProblem<Other>(
            sizes: sizes, parameters: parameters.map(transform), x: x.map(map),
            dy: dy.map { $0.map(map) }, h0: map(h0), c0: map(c0), dh: map(dh), dc: map(dc),
            mask: mask.map(map), gradient: gradient.map(transform))
    }

    public func forward() -> CellTape<S> { sizes.cell.forward(self) }
    public func backward(_ tape: CellTape<S>) -> CellBackward<S> { sizes.cell.backward(self, tape) }
    public func gradient(_ tape: CellTape<S>, _ backward: CellBackward<S>) -> CellParameters<S> {
        sizes.cell.gradient(self, tape, backward)
    }

    /// Forward and backward by the reference.
    public func solved() -> CellSolution<S> {
        let tape = forward()
        let backward = backward(tape)
        return CellSolution(tape: tape, backward: backward, gradient: gradient(tape, backward))
    }

    /// One row of the batch by itself.
    public func row(_ row: Int) -> CellProblem {
        var result = self
        result.sizes.batch = 1
        result.sizes.lengths = sizes.lengths.map { [$0[row]] }
        (result.x, result.dy) = (x.map { [$0[row]] }, dy.map { $0.map { [$0[row]] } })
        (result.h0, result.c0) = ([h0[row]], [c0[row]])
        (result.dh, result.dc) = ([dh[row]], [dc[row]])
        result.mask = mask.map { [$0[row]] }
        return result
    }

    /// Some of the time steps. The states at the start and the gradients at the end stay as they
    /// are.
    public func segment(_ steps: Range<Int>) -> CellProblem {
        var result = self
        result.sizes.steps = steps.count
        let lengths = sizes.lengths?.map { min(max($0 - steps.lowerBound, 0), steps.count) }
        let allLast = lengths?.allSatisfy { $0 == steps.count } ?? true
        result.sizes.lengths = allLast ? nil : lengths
        (result.x, result.dy) = (Array(x[steps]), dy.map { Array($0[steps]) })
        return result
    }

    /// The gradient with respect to h of a row, where there is one step.
    func total(_ row: Int) -> [S] { zip(dh[row], dy![0][row]).map(+) }

    /// The rows that have the step `t`.
    public func valid(_ t: Int) -> [Int] { h0.indices.filter { sizes.isValid(row: $0, step: t) } }
}

extension CellProblem<Double> {
    public init(_ sizes: CellCase, seed: UInt64) {
        var generator = Generator(seed: seed)
        let (cell, hidden, outputs) = (sizes.cell, sizes.hidden, sizes.outputs)
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
        func parameters(scale: Float) -> CellParameters<Double> {
            CellParameters(
                gates: cell.gates.map { _ in
                    GateParameters(
                        W: matrix(hidden, sizes.input, scale: scale, awkward: false),
                        U: matrix(hidden, sizes.hiddenColumns, scale: scale, awkward: false).map {
                            $0.map { generator.next() % 16 == 0 ? 0 : $0 }
                        }, b: floats(hidden))
                },
                inner: cell.gates.indices.map {
                    cell.innerGates.contains($0) ? floats(hidden) : []
                },
                projection: cell.projection == nil
                    ? [] : matrix(outputs, hidden, scale: scale, awkward: false))
        }
        func sequence(_ units: Int) -> [[[Double]]] {
            (0..<sizes.steps).map { t in
                (0..<sizes.batch).map { row in
                    sizes.isValid(row: row, step: t)
                        ? floats(units) : [Double](repeating: .nan, count: units)
                }
            }
        }
        self.sizes = sizes
        self.parameters = parameters(scale: 2 / Float(hidden).squareRoot())
        x = sequence(sizes.input)
        dy = sequence(outputs)
        h0 = matrix(sizes.batch, outputs, awkward: false)
        c0 = matrix(sizes.batch, hidden)
        dh = matrix(sizes.batch, outputs)
        dc = matrix(sizes.batch, hidden)
        gradient = parameters(scale: 1)
        mask =
            sizes.dropout
            ? (0..<sizes.batch).map { _ in
                (0..<outputs).map { _ in generator.next() % 4 == 0 ? 0 : Double(Float(4.0 / 3)) }
            } : nil
    }
}
