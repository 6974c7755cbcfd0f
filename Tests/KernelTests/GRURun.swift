import CRecurrent
import RecurrentReference
import TestSupport

/// The GRU's kernels of one instruction set over the data of a problem, in guarded buffers.
struct GRURun {
    let kernels: recurrent_kernels
    let sizes: LSTMSizes
    var shape: recurrent_cell_shape
    let order: KernelOrder  // of w, and of rows of gates
    let units: KernelOrder  // of rows of states
    let x, w, dy: [Float]
    let mask: [Float]?
    var h0, dh, gradient: [Float]
    /// Each kernel is called once for each share, in this order.
    var shares = [recurrent_share(index: 0, count: 1)]

    init(_ isa: KernelTable, _ problem: GRUProblem<Double>) {
        kernels = isa.kernels
        sizes = problem.sizes
        let stride = sizes.input + sizes.gap
        shape = recurrent_cell_shape(.gru, sizes)
        shape.gru = problem.cell.definition.cValue
        order = KernelOrder(
            units: sizes.hidden, groups: 3,
            columns: 1 + sizes.input + (problem.cell.definition == .resetAfter ? 1 : 0)
                + sizes.hidden)
        units = KernelOrder(units: sizes.hidden, groups: 1, columns: 1)
        x = problem.x.joined().flatMap {
            $0.map { Float($0) } + [Float](repeating: .nan, count: stride - $0.count)
        }
        w = order.matrix(problem.cell)
        gradient = order.matrix(problem.gradient)
        dy = KernelOrder.padded(Array(problem.dy.joined()))
        h0 = KernelOrder.padded(problem.h0)
        dh = KernelOrder.padded(problem.dh)
        mask = problem.mask.map { KernelOrder.padded($0) }
    }

    var rowCount: Int { sizes.steps * sizes.batch }
    var stateCount: Int { sizes.batch * units.rowCount }

    private func forEachShare(
        _ body: (UnsafePointer<recurrent_cell_shape>, recurrent_share) -> Void
    ) {
        withUnsafePointer(to: shape) { shape in
            for share in shares { body(shape, share) }
        }
    }

    private func withLengths(_ body: (UnsafePointer<Int>?) -> Void) {
        if let lengths = sizes.lengths {
            lengths.withUnsafeBufferPointer { body($0.baseAddress) }
        } else {
            body(nil)
        }
    }

    /// What a mask leaves of h: of each slot the same.
    func seen(_ h: [Float]) -> [Float] {
        guard let mask else { return h }
        return h.indices.map { mask[$0 % mask.count] * h[$0] + 0 }
    }

    struct Tape {
        var rzn, past, h: [Float]
        var named: [(name: String, floats: [Float])] { [("rzn", rzn), ("past", past), ("h", h)] }
    }

    func forward() throws -> Tape {
        let rzn = GuardedBuffer(repeating: .nan, count: rowCount * order.rowCount)
        let past = GuardedBuffer(repeating: .nan, count: sizes.steps * stateCount)
        let h = GuardedBuffer(h0 + [Float](repeating: .nan, count: sizes.steps * stateCount))
        let masked = GuardedBuffer(
            repeating: .nan, count: mask == nil ? 0 : sizes.steps * stateCount)
        withLengths { lengths in
            forEachShare {
                var tape = recurrent_cell_tape(
                    h: h.pointer, c: nil, gates: rzn.pointer, past: past.pointer,
                    masked: mask == nil ? nil : masked.pointer)
                kernels.gru_forward($0, lengths, mask, x, w, &tape, $1)
            }
        }
        var tape = try Tape(
            rzn: rzn.checkedValues("rzn"), past: past.checkedValues("past"), h: h.checkedValues("h")
        )
        if mask != nil {
            try Comparer.checkSameBits(
                "masked", masked.checkedValues("masked"),
                Array(seen(tape.h).prefix(sizes.steps * stateCount)))
        }
        // Nothing is promised of rows that have ended.
        for row in 0..<rowCount where !sizes.isLive(row: row % sizes.batch, step: row / sizes.batch)
        {
            for at in row * order.rowCount..<(row + 1) * order.rowCount { tape.rzn[at] = 0 }
            for at in row * units.rowCount..<(row + 1) * units.rowCount { tape.past[at] = 0 }
        }
        try Comparer.checkZeros("h", tape.h, at: units.rowPadding((sizes.steps + 1) * sizes.batch))
        try Comparer.checkZeros("past", tape.past, at: units.rowPadding(rowCount))
        return tape
    }

    /// The states by `gru_step`, called once for each step; lengths are not its business.
    func steps() throws -> [Float] {
        var tape = h0
        var h_prev = h0
        for t in 0..<sizes.steps {
            let h = GuardedBuffer(repeating: .nan, count: stateCount)
            let scratch = GuardedBuffer(repeating: .nan, count: 4 * stateCount)
            x.withUnsafeBufferPointer { x in
                forEachShare {
                    kernels.gru_step(
                        $0, x.baseAddress! + t * sizes.batch * shape.x_stride, w, h_prev, nil,
                        h.pointer, scratch.pointer, $1)
                }
            }
            _ = try scratch.checkedValues("scratch")
            h_prev = try h.checkedValues("h")
            tape += h_prev
        }
        return tape
    }

    var transposedCount: Int {
        (KernelOrder.padded(sizes.input) + KernelOrder.padded(sizes.hidden)) * order.rowCount
    }

    func transposed() throws -> [Float] {
        let transposed = GuardedBuffer(repeating: .nan, count: transposedCount)
        forEachShare { kernels.gru_transpose($0, w, transposed.pointer, $1) }
        return try transposed.checkedValues("transposed")
    }

    struct Backward { var drzn, dpast, dh, dx: [Float] }

    func backward(_ tape: Tape, transposed: [Float], withDy: Bool = true, withDx: Bool = true)
        throws -> Backward
    {
        let drzn = GuardedBuffer(repeating: .nan, count: rowCount * order.rowCount)
        let dh = GuardedBuffer(dh)
        let dpast = GuardedBuffer(repeating: .nan, count: sizes.steps * stateCount)
        let dx = GuardedBuffer(repeating: .nan, count: rowCount * KernelOrder.padded(sizes.input))
        let (rzn, past) = (GuardedBuffer(tape.rzn), GuardedBuffer(tape.past))
        let (h, masked) = (GuardedBuffer(tape.h), GuardedBuffer(seen(tape.h)))
        let scratch = GuardedBuffer(repeating: .nan, count: mask == nil ? 0 : stateCount)
        dy.withUnsafeBufferPointer { dy in
            withLengths { lengths in
                forEachShare {
                    var tape = recurrent_cell_tape(
                        h: h.pointer, c: nil, gates: rzn.pointer, past: past.pointer,
                        masked: mask == nil ? nil : masked.pointer)
                    var gradients = recurrent_cell_gradients(
                        dy: withDy ? dy.baseAddress : nil, dgates: drzn.pointer,
                        dpast: dpast.pointer, dh: dh.pointer, dc: nil,
                        dx: withDx ? dx.pointer : nil,
                        scratch: mask == nil ? nil : scratch.pointer)
                    kernels.gru_backward_data(
                        $0, lengths, mask, transposed, &tape, &gradients, $1)
                }
            }
        }
        _ = try scratch.checkedValues("scratch")
        let result = try Backward(
            drzn: drzn.checkedValues("drzn"), dpast: dpast.checkedValues("dpast"),
            dh: dh.checkedValues("dh"), dx: dx.checkedValues("dx"))
        try Comparer.checkZeros("drzn", result.drzn, at: order.rowPadding(rowCount))
        try Comparer.checkZeros("dpast", result.dpast, at: units.rowPadding(rowCount))
        try Comparer.checkZeros("dh", result.dh, at: units.rowPadding(sizes.batch))
        if withDx {
            try Comparer.checkZeros(
                "dx", result.dx,
                at: KernelOrder(units: sizes.input, groups: 1, columns: 1).rowPadding(rowCount))
        }
        return result
    }

    func weights(_ tape: Tape, drzn: [Float], dpast: [Float]) throws -> [Float] {
        let dw = GuardedBuffer(gradient)
        let (past, h) = (GuardedBuffer(tape.past), GuardedBuffer(seen(tape.h)))
        let (drzn, dpast) = (GuardedBuffer(drzn), GuardedBuffer(dpast))
        withLengths { lengths in
            forEachShare {
                var tape = recurrent_cell_tape(
                    h: h.pointer, c: nil, gates: nil, past: past.pointer, masked: nil)
                var gradients = recurrent_cell_gradients(
                    dy: nil, dgates: drzn.pointer, dpast: dpast.pointer, dh: h.pointer, dc: nil,
                    dx: nil, scratch: nil)
                kernels.gru_backward_weights($0, lengths, x, &tape, &gradients, dw.pointer, $1)
            }
        }
        let result = try dw.checkedValues("dw")
        try Comparer.checkZeros("dw", result, at: order.matrixPadding)
        return result
    }

    struct Solved {
        var tape: Tape
        var drzn, dpast, dh, dx, gradient: [Float]
        var named: [(name: String, floats: [Float])] {
            tape.named + [
                ("drzn", drzn), ("dpast", dpast), ("dh", dh), ("dx", dx), ("gradient", gradient),
            ]
        }
    }

    /// Forward, transpose, backward and the gradient with respect to the weights, one after the
    /// other.
    func solved() throws -> Solved {
        let tape = try forward()
        let backward = try backward(tape, transposed: transposed())
        return try Solved(
            tape: tape, drzn: backward.drzn, dpast: backward.dpast, dh: backward.dh,
            dx: backward.dx,
            gradient: weights(tape, drzn: backward.drzn, dpast: backward.dpast))
    }

    // MARK: The textbook's layout

    func states(_ floats: [Float]) -> [[[Double]]] { sequences(floats, units: sizes.hidden) }

    private func sequences(_ floats: [Float], units: Int) -> [[[Double]]] {
        batches(
            KernelOrder.unpadded(
                floats, rows: floats.count / KernelOrder.padded(units), units: units))
    }

    private func batches<Row>(_ rows: [Row]) -> [[Row]] {
        stride(from: 0, to: rows.count, by: sizes.batch).map { Array(rows[$0..<$0 + sizes.batch]) }
    }

    private func gates(_ floats: [Float]) -> [[GRUGates<[Double]>]] {
        batches(
            (0..<rowCount).map { row in
                func gate(_ group: Int) -> [Double] {
                    (0..<sizes.hidden).map {
                        Double(floats[order.rowIndex(row: row, group: group, unit: $0)])
                    }
                }
                return GRUGates(r: gate(0), z: gate(1), n: gate(2))
            })
    }

    func rows(_ gates: [[GRUGates<[Double]>]]) -> [Float] {
        let rows = Array(gates.joined())
        return order.rows(rowCount) { row, group, unit in rows[row].all[group][unit] }
    }

    func tape(_ tape: Tape) -> GRUTape<Double> {
        GRUTape(gates: gates(tape.rzn), past: states(tape.past), h: states(tape.h))
    }

    func backward(_ backward: Backward) -> GRUBackward<Double> {
        GRUBackward(
            dgates: gates(backward.drzn), dpast: states(backward.dpast),
            dx: sequences(backward.dx, units: sizes.input),
            dh0: states(backward.dh)[0])
    }

    func solution(_ solved: Solved, _ definition: GRUDefinition) -> GRUSolution<Double> {
        GRUSolution(
            tape: tape(solved.tape),
            backward: backward(
                Backward(drzn: solved.drzn, dpast: solved.dpast, dh: solved.dh, dx: solved.dx)),
            gradient: order.gruCell(solved.gradient, input: sizes.input, definition))
    }
}

extension GRUDefinition {
    var cValue: recurrent_gru_definition {
        switch self {
        case .resetAfter: .reset_after
        case .resetBefore: .reset_before
        case .lecture: .lecture
        }
    }
}

extension KernelOrder {
    /// The columns are the bias, the inputs, in reset-after the hidden bias (r and z have none),
    /// and the hidden units.
    func matrix(_ cell: GRUCell<Double>) -> [Float] {
        let inputs = cell.inputSize
        let first = columns - units
        return matrix { group, unit, column in
            let gate = cell.gates.all[group]
            if column >= first { return gate.U[unit][column - first] }
            if column > inputs { return group == 2 ? cell.hiddenBias[unit] : 0 }
            return column == 0 ? gate.b[unit] : gate.W[unit][column - 1]
        }
    }

    func gruCell(_ floats: [Float], input: Int, _ definition: GRUDefinition) -> GRUCell<Double> {
        func rows(_ group: Int, _ columns: Range<Int>) -> [[Double]] {
            (0..<units).map { unit in
                columns.map { Double(floats[matrixIndex(group: group, unit: unit, column: $0)]) }
            }
        }
        func gate(_ group: Int) -> GateParameters<Double> {
            GateParameters(
                W: rows(group, 1..<1 + input), U: rows(group, columns - units..<columns),
                b: rows(group, 0..<1).map { $0[0] })
        }
        return GRUCell(
            gates: GRUGates(r: gate(0), z: gate(1), n: gate(2)),
            hiddenBias: definition == .resetAfter
                ? rows(2, 1 + input..<2 + input).map { $0[0] } : (0..<units).map { _ in 0 },
            definition: definition)
    }
}
