import CRecurrent
import RecurrentReference
import TestSupport

/// The kernels of a cell of one instruction set over the data of a problem, in guarded buffers.
struct CellRun {
    let table: KernelTable
    let sizes: CellCase
    var shape = recurrent_cell_shape()
    let x: [Float]
    let dy, mask: [Float]?
    var w, h0, c0, dh, dc, gradient: [Float]
    /// Whether `steps` calls `lstm_step_bfloat16`.
    var bfloat16 = false
    /// Each kernel is called once for each partition, in this order.
    var partitions = [recurrent_partition(index: 0, count: 1)]

    init(_ isa: KernelTable, _ problem: CellProblem<Double>) {
        func floats(_ values: [Double]) -> [Float] { values.map { Float($0) } }
        table = isa
        sizes = problem.sizes
        let stride = sizes.input + sizes.gap
        shape.cell = type(of: sizes.cell).cell
        (shape.input, shape.hidden, shape.batch) = (sizes.input, sizes.hidden, sizes.batch)
        (shape.steps, shape.x_stride) = (sizes.steps, stride)
        sizes.cell.set(&shape)
        x = problem.x.joined().flatMap {
            floats($0) + [Float](repeating: .nan, count: stride - $0.count)
        }
        w = floats(sizes.flat(problem.parameters))
        gradient = floats(sizes.flat(problem.gradient))
        dy = problem.dy.map { floats($0.flatMap(problem.sizes.flat)) }
        h0 = floats(sizes.flat(problem.h0))
        dh = floats(sizes.flat(problem.dh))
        mask = problem.mask.map { floats(problem.sizes.flat($0)) }
        let hasState = recurrent_cell_state_floats(shape) > 0
        c0 = hasState ? floats(sizes.flat(problem.c0)) : []
        dc = hasState ? floats(sizes.flat(problem.dc)) : []
    }

    private func forEachPartition(
        _ body: (
            UnsafePointer<recurrent_cell_shape>, _ lengths: UnsafePointer<Int>?, recurrent_partition
        )
            -> Void
    ) {
        func call(_ lengths: UnsafePointer<Int>?) {
            withUnsafePointer(to: shape) { shape in
                for partition in partitions { body(shape, lengths, partition) }
            }
        }
        if let lengths = sizes.lengths {
            lengths.withUnsafeBufferPointer { call($0.baseAddress) }
        } else {
            call(nil)
        }
    }

    private func unwritten(_ count: Int) -> GuardedBuffer {
        GuardedBuffer(repeating: .nan, count: count)
    }

    /// What a mask leaves of h, in each slot the same, but the last.
    private func masked(_ h: [Float]) -> [Float] {
        mask.map { mask in
            (0..<h.count - mask.count).map { mask[$0 % mask.count] * h[$0] + 0 }
        } ?? []
    }

    /// The gates, and the end of their buffer: what lies behind them.
    private func split(_ buffer: [Float]) -> ([Float], [Float]) {
        let gates = min(buffer.count, sizes.steps * sizes.batch * sizes.order.rowCount)
        return (Array(buffer.prefix(gates)), Array(buffer.dropFirst(gates)))
    }

    func forward() throws -> Solved<Float> {
        let (h, c) = (
            GuardedBuffer(h0 + [Float](repeating: .nan, count: sizes.steps * h0.count)),
            GuardedBuffer(c0 + [Float](repeating: .nan, count: sizes.steps * c0.count))
        )
        let gates = unwritten(recurrent_cell_gates_floats(shape))
        let past = unwritten(recurrent_cell_past_floats(shape))
        let masked = unwritten(mask == nil ? 0 : sizes.steps * h0.count)
        forEachPartition {
            var tape = recurrent_cell_tape(
                h: h.pointer, c: c.optionalPointer, gates: gates.optionalPointer,
                past: past.optionalPointer, masked: mask == nil ? nil : masked.pointer)
            recurrent_cell_forward(table.table, $0, $1, mask, x, w, &tape, $2)
        }
        var solved = Solved<Float>()
        solved.h = try h.checkedValues("h")
        solved.c = try c.checkedValues("c")
        (solved.gates, solved.m) = split(try gates.checkedValues("gates"))
        solved.past = try past.checkedValues("past")
        try Comparer.checkSameBits(
            "masked", masked.checkedValues("masked"), self.masked(solved.h))
        return solved
    }

    /// The states before and after each step, from the kernel called once for each; lengths and
    /// masks are not its business.
    func steps() throws -> Solved<Float> {
        var solved = Solved<Float>()
        (solved.h, solved.c) = (h0, c0)
        var h_prev = h0
        let c = GuardedBuffer(c0)
        for t in 0..<sizes.steps {
            let h = unwritten(recurrent_cell_output_floats(shape))
            let scratch = unwritten(recurrent_cell_scratch_floats(shape))
            let x = Array(x.dropFirst(t * sizes.batch * shape.x_stride))
            forEachPartition { shape, _, partition in
                if bfloat16 {
                    table.kernels.lstm_step_bfloat16(
                        shape, x, w, h_prev, c.pointer, h.pointer, partition)
                } else {
                    recurrent_cell_step(
                        table.table, shape, x, w, h_prev, c.optionalPointer, h.pointer,
                        scratch.optionalPointer, partition)
                }
            }
            try scratch.checkGuards("scratch")
            h_prev = try h.checkedValues("h")
            solved.h += h_prev
            solved.c += try c.checkedValues("c")
        }
        return solved
    }

    func transposed() throws -> [Float] {
        let transposed = unwritten(recurrent_cell_transposed_floats(shape))
        forEachPartition { recurrent_cell_transpose(table.table, $0, w, transposed.pointer, $2) }
        return try transposed.checkedValues("transposed")
    }

    private func withTape(
        _ solved: Solved<Float>, _ body: (inout recurrent_cell_tape) -> Void
    ) {
        let buffers = [
            solved.h, solved.c, solved.gates + solved.m, solved.past, masked(solved.h),
        ].map { GuardedBuffer($0) }
        var tape = recurrent_cell_tape(
            h: buffers[0].pointer, c: buffers[1].optionalPointer, gates: buffers[2].optionalPointer,
            past: buffers[3].optionalPointer, masked: mask == nil ? nil : buffers[4].pointer)
        withExtendedLifetime(buffers) { body(&tape) }
    }

    /// `tape` with its gradients.
    func backward(_ tape: Solved<Float>, transposed: [Float], withDx: Bool = true) throws
        -> Solved<Float>
    {
        let (dh, dc) = (GuardedBuffer(dh), GuardedBuffer(dc))
        let dgates = unwritten(recurrent_cell_dgates_floats(shape))
        let dpast = unwritten(recurrent_cell_past_floats(shape))
        let dx = unwritten(recurrent_cell_dx_floats(shape))
        let scratch = unwritten(mask == nil ? 0 : recurrent_cell_scratch_floats(shape))
        let dy = dy.map { GuardedBuffer($0) }
        withTape(tape) { tape in
            forEachPartition {
                var gradients = recurrent_cell_gradients(
                    dy: dy.map { UnsafePointer($0.pointer) }, dgates: dgates.pointer,
                    dpast: dpast.optionalPointer, dh: dh.pointer, dc: dc.optionalPointer,
                    dx: withDx ? dx.pointer : nil, scratch: scratch.optionalPointer)
                recurrent_cell_backward_data(
                    table.table, $0, $1, mask, transposed, &tape, &gradients, $2)
            }
        }
        try scratch.checkGuards("scratch")
        var solved = tape
        (solved.dgates, solved.dhs) = split(try dgates.checkedValues("dgates"))
        solved.dpast = try dpast.checkedValues("dpast")
        solved.dh = try dh.checkedValues("dh")
        solved.dc = try dc.checkedValues("dc")
        solved.dx = try dx.checkedValues("dx")
        return solved
    }

    func weights(_ solved: Solved<Float>) throws -> [Float] {
        let (dw, dh) = (GuardedBuffer(gradient), GuardedBuffer(dh))
        let (dgates, dpast) = (
            GuardedBuffer(solved.dgates + solved.dhs), GuardedBuffer(solved.dpast)
        )
        withTape(solved) { tape in
            forEachPartition {
                var gradients = recurrent_cell_gradients(
                    dy: nil, dgates: dgates.pointer, dpast: dpast.optionalPointer, dh: dh.pointer,
                    dc: nil, dx: nil, scratch: nil)
                recurrent_cell_backward_weights(
                    table.table, $0, $1, x, &tape, &gradients, dw.pointer, $2)
            }
        }
        return try dw.checkedValues("dw")
    }

    /// Forward, transpose, backward and the gradient with respect to the weights, one after the
    /// other.
    func solved() throws -> Solved<Float> {
        var solved = try backward(forward(), transposed: transposed())
        solved.gradient = try weights(solved)
        return solved
    }
}
