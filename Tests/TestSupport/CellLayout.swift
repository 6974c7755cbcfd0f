public import RecurrentReference

/// What the kernels of a cell write, in kernel order; what a cell does not have is empty.
public struct Solved<Element> {
    public var h: [Element] = []
    public var c: [Element] = []
    public var gates: [Element] = []
    public var m: [Element] = []
    public var past: [Element] = []
    public var dgates: [Element] = []
    public var dhs: [Element] = []  // with respect to h, where it is projected
    public var dpast: [Element] = []
    public var dh: [Element] = []
    public var dc: [Element] = []
    public var dx: [Element] = []
    public var gradient: [Element] = []

    public init() {}

    public typealias Field = (name: String, path: WritableKeyPath<Solved, [Element]>)
    /// Those that have a slot for each step, for each step and the start, and one alone.
    public static var ofSteps: [Field] {
        [("gates", \.gates), ("m", \.m), ("past", \.past)]
            + [("dgates", \.dgates), ("dhs", \.dhs), ("dpast", \.dpast), ("dx", \.dx)]
    }
    public static var ofStates: [Field] { [("h", \.h), ("c", \.c)] }
    public static var ofTape: [Field] { ofStates + ofSteps.prefix(3) }
    public static var ofStart: [Field] { [("dh", \.dh), ("dc", \.dc)] }
    public static var fields: [Field] {
        ofStates + ofSteps + ofStart + [("gradient", \.gradient)]
    }
}

extension CellCase {
    /// Of the gates' weights, and of rows of gates.
    public var order: KernelOrder {
        KernelOrder(
            units: hidden, groups: cell.gates.count,
            columns: 1 + input + (cell.innerGates.isEmpty ? 0 : 1) + hiddenColumns)
    }

    /// The columns are the bias, the inputs, the inner row, if there is one, and the units of h;
    /// behind them lies the projection.
    public func flat<S: Scalar>(_ parameters: CellParameters<S>) -> [S] {
        let first = order.columns - hiddenColumns
        return order.matrix(zero: 0) { group, unit, column in
            let gate = parameters.gates[group]
            if column >= first { return gate.U[unit][column - first] }
            if column > input {
                return parameters.inner[group].isEmpty ? 0 : parameters.inner[group][unit]
            }
            return column == 0 ? gate.b[unit] : gate.W[unit][column - 1]
        }
            + KernelOrder(units: cell.projection ?? 0, groups: 1, columns: hidden).matrix(zero: 0) {
                parameters.projection[$1][$2]
            }
    }

    /// transposed[q][j][l] = W[j][16 q + l], the input columns and then those of h, rows j as gates
    /// lie in a row; then the inner rows as they are, and the projection in the same way.
    public func transposed(_ parameters: CellParameters<Double>) -> [Float] {
        func columns(_ rows: Int, _ count: Int, _ element: (Int, Int) -> Double) -> [Float] {
            (0..<KernelOrder.padded(count) * rows).map {
                let column = $0 / 16 / rows * 16 + $0 % 16
                return column < count ? Float(element($0 / 16 % rows, column)) : 0
            }
        }
        func ofGates(_ count: Int, _ element: (Int, Int, Int) -> Double) -> [Float] {
            columns(order.rowCount, count) { row, column in
                let group = row / 16 % order.groups
                let unit = row / 16 / order.groups * 16 + row % 16
                return unit < hidden ? element(group, unit, column) : 0
            }
        }
        let inner = order.rows(1, zero: 0) { _, group, unit in
            parameters.inner[group].isEmpty ? 0 : Float(parameters.inner[group][unit])
        }
        return ofGates(input) { parameters.gates[$0].W[$1][$2] }
            + ofGates(hiddenColumns) { parameters.gates[$0].U[$1][$2] }
            + (cell.transposesInnerRows && !cell.innerGates.isEmpty ? inner : [])
            + (cell.projection == nil
                ? []
                : columns(KernelOrder.padded(outputs), hidden) {
                    $0 < outputs ? parameters.projection[$0][$1] : 0
                })
    }

    public func flat<S: Scalar>(_ rows: [[S]]) -> [S] {
        rows.flatMap { row in
            row + [S](repeating: 0, count: KernelOrder.padded(row.count) - row.count)
        }
    }

    private func flat<S: Scalar>(_ sequence: [[[S]]]) -> [S] { sequence.flatMap { flat($0) } }

    private func flat<S: Scalar>(_ gates: [[[[S]]]]) -> [S] {
        let rows = gates.flatMap { $0 }
        return rows.first?.isEmpty ?? true
            ? [] : order.rows(rows.count, zero: 0) { row, group, unit in rows[row][group][unit] }
    }

    public func flat<S: Scalar>(
        _ tape: CellTape<S>? = nil, _ backward: CellBackward<S>? = nil,
        _ gradient: CellParameters<S>? = nil
    ) -> Solved<S> {
        var solved = Solved<S>()
        if let tape {
            (solved.h, solved.c, solved.gates) = (flat(tape.h), flat(tape.c), flat(tape.gates))
            (solved.m, solved.past) = (flat(tape.m), flat(tape.past))
        }
        if let backward {
            (solved.dgates, solved.dhs) = (flat(backward.dgates), flat(backward.dhs))
            (solved.dpast, solved.dx) = (flat(backward.dpast), flat(backward.dx))
            (solved.dh, solved.dc) = (flat(backward.dh0), flat(backward.dc0))
        }
        if let gradient { solved.gradient = flat(gradient) }
        return solved
    }

    public func flat<S: Scalar>(_ solution: CellSolution<S>) -> Solved<S> {
        flat(solution.tape, solution.backward, solution.gradient)
    }

    /// With zeros for that of which nothing is promised: gates past the last unit, and what the
    /// tape says of rows that have ended.
    public func promised(_ found: Solved<Float>) -> Solved<Float> {
        var promised = found
        if !found.gates.isEmpty {
            for index in order.rowPadding(steps * batch) { promised.gates[index] = 0 }
        }
        for row in 0..<steps * batch where !isValid(row: row % batch, step: row / batch) {
            func clear(_ path: WritableKeyPath<Solved<Float>, [Float]>) {
                let width = found[keyPath: path].count / (steps * batch)
                for index in 0..<width { promised[keyPath: path][row * width + index] = 0 }
            }
            for path: WritableKeyPath<Solved<Float>, [Float]> in [\.gates, \.m, \.past] {
                clear(path)
            }
        }
        return promised
    }
}

extension Comparer {
    /// Throws the first mismatch of any array: elements past the last unit are to be zero.
    public static func check(_ found: Solved<Float>, _ expected: Solved<RunningError>)
        throws(Mismatch)
    {
        for (found, expected) in zip(found.named, expected.named) {
            try check(found.name, found.values, expected.values)
        }
    }

    public static func checkSameBits(_ found: Solved<Float>, _ expected: Solved<Float>)
        throws(Mismatch)
    {
        for (found, expected) in zip(found.named, expected.named) {
            try checkSameBits(found.name, found.values, expected.values)
        }
    }
}

extension Solved {
    public var named: Named<Element> {
        Self.fields.map { ($0.name, self[keyPath: $0.path]) }
    }

    public func map<Other>(_ transform: (Element) -> Other) -> Solved<Other> {
        var result = Solved<Other>()
        for (field, other) in zip(Self.fields, Solved<Other>.fields) {
            result[keyPath: other.path] = self[keyPath: field.path].map(transform)
        }
        return result
    }
}
