import CKernels
import Reference
import TestSupport

/// The LSTM kernels of one instruction set over the data of a problem, in guarded buffers.
struct LSTMRun {
    let kernels: recurrent_kernels
    let sizes: LSTMSizes
    var shape: recurrent_lstm_shape
    let order: KernelOrder
    let x, dy: [Float]
    var w, h0, c0, dh, dc, gradient: [Float]
    /// `lstm_step`, or its like.
    var stepKernel: @convention(c) (
        UnsafePointer<recurrent_lstm_shape>, UnsafePointer<Float>, UnsafePointer<Float>, UnsafePointer<Float>, UnsafeMutablePointer<Float>,
        UnsafeMutablePointer<Float>, recurrent_share
    ) -> Void
    /// Each kernel is called once for each share, in this order.
    var shares = [recurrent_share(index: 0, count: 1)]

    init(_ isa: KernelTable, _ problem: LSTMProblem<Double>) {
        kernels = isa.kernels
        stepKernel = kernels.lstm_step
        sizes = problem.sizes
        let stride = sizes.input + sizes.gap
        shape = recurrent_lstm_shape(input: sizes.input, hidden: sizes.hidden, batch: sizes.batch, steps: sizes.steps, x_stride: stride)
        order = KernelOrder(units: sizes.hidden, groups: 4, columns: 1 + sizes.input + sizes.hidden)
        x = problem.x.joined().flatMap { $0.map { Float($0) } + [Float](repeating: .nan, count: stride - $0.count) }
        w = order.matrix(problem.cell)
        gradient = order.matrix(problem.gradient)
        dy = KernelOrder.padded(Array(problem.dy.joined()))
        h0 = KernelOrder.padded(problem.h0)
        c0 = KernelOrder.padded(problem.c0)
        dh = KernelOrder.padded(problem.dh)
        dc = KernelOrder.padded(problem.dc)
    }

    var stateCount: Int { sizes.batch * KernelOrder.padded(sizes.hidden) }
    var statePadding: KernelOrder { KernelOrder(units: sizes.hidden, groups: 1, columns: 1) }

    private func forEachShare(_ body: (UnsafePointer<recurrent_lstm_shape>, recurrent_share) -> Void) {
        withUnsafePointer(to: shape) { shape in
            for share in shares { body(shape, share) }
        }
    }

    private func withLengths(_ body: (UnsafePointer<Int>?) -> Void) {
        if let lengths = sizes.lengths { lengths.withUnsafeBufferPointer { body($0.baseAddress) } } else { body(nil) }
    }

    struct Tape { var ifgo, c, h: [Float] }

    func forward() throws -> Tape {
        let later = [Float](repeating: .nan, count: sizes.steps * stateCount)
        let ifgo = GuardedBuffer(repeating: .nan, count: sizes.steps * sizes.batch * order.rowCount)
        let c = GuardedBuffer(c0 + later), h = GuardedBuffer(h0 + later)
        withLengths { lengths in
            forEachShare { kernels.lstm_forward($0, lengths, x, w, ifgo.pointer, c.pointer, h.pointer, $1) }
        }
        let tape = try Tape(ifgo: ifgo.checkedValues("ifgo"), c: c.checkedValues("c"), h: h.checkedValues("h"))
        let padding = statePadding.rowPadding((sizes.steps + 1) * sizes.batch)
        try Comparer.checkZeros("c", tape.c, at: padding)
        try Comparer.checkZeros("h", tape.h, at: padding)
        return tape
    }

    /// The states after each step, from `stepKernel` called once for each; lengths are not its business.
    func steps() throws -> (c: [Float], h: [Float]) {
        var allC = c0, allH = h0, h_prev = h0
        let c = GuardedBuffer(c0)
        for t in 0..<sizes.steps {
            let h = GuardedBuffer(repeating: .nan, count: stateCount)
            x.withUnsafeBufferPointer { x in
                forEachShare { stepKernel($0, x.baseAddress! + t * sizes.batch * shape.x_stride, w, h_prev, c.pointer, h.pointer, $1) }
            }
            h_prev = try h.checkedValues("h")
            allH += h_prev
            allC += try c.checkedValues("c")
        }
        return (allC, allH)
    }

    var transposedCount: Int { (KernelOrder.padded(sizes.input) + KernelOrder.padded(sizes.hidden)) * order.rowCount }

    func transposed() throws -> [Float] {
        let transposed = GuardedBuffer(repeating: .nan, count: transposedCount)
        forEachShare { kernels.lstm_transpose($0, w, transposed.pointer, $1) }
        return try transposed.checkedValues("transposed")
    }

    struct Backward { var difgo, dh, dc, dx: [Float] }

    func backward(ifgo: [Float], c: [Float], transposed: [Float], withDy: Bool = true, withDx: Bool = true) throws -> Backward {
        let difgo = GuardedBuffer(repeating: .nan, count: sizes.steps * sizes.batch * order.rowCount)
        let dh = GuardedBuffer(dh), dc = GuardedBuffer(dc)
        let dx = GuardedBuffer(repeating: .nan, count: sizes.steps * sizes.batch * KernelOrder.padded(sizes.input))
        dy.withUnsafeBufferPointer { dy in
            withLengths { lengths in
                forEachShare {
                    kernels.lstm_backward_data(
                        $0, lengths, transposed, ifgo, c, withDy ? dy.baseAddress : nil, difgo.pointer, dh.pointer, dc.pointer,
                        withDx ? dx.pointer : nil, $1)
                }
            }
        }
        let result = try Backward(difgo: difgo.checkedValues("difgo"), dh: dh.checkedValues("dh"), dc: dc.checkedValues("dc"), dx: dx.checkedValues("dx"))
        let rows = sizes.steps * sizes.batch
        try Comparer.checkZeros("difgo", result.difgo, at: order.rowPadding(rows))
        try Comparer.checkZeros("dh", result.dh, at: statePadding.rowPadding(sizes.batch))
        try Comparer.checkZeros("dc", result.dc, at: statePadding.rowPadding(sizes.batch))
        if withDx {
            try Comparer.checkZeros("dx", result.dx, at: KernelOrder(units: sizes.input, groups: 1, columns: 1).rowPadding(rows))
        }
        return result
    }

    func weights(h: [Float], difgo: [Float]) throws -> [Float] {
        let dw = GuardedBuffer(gradient)
        withLengths { lengths in
            forEachShare { kernels.lstm_backward_weights($0, lengths, x, h, difgo, dw.pointer, $1) }
        }
        let result = try dw.checkedValues("dw")
        try Comparer.checkZeros("dw", result, at: order.matrixPadding)
        return result
    }

    // MARK: The textbook's layout

    func states(_ floats: [Float]) -> [[[Double]]] {
        sequences(KernelOrder.unpadded(floats, rows: floats.count / KernelOrder.padded(sizes.hidden), units: sizes.hidden))
    }

    func inputs(_ floats: [Float]) -> [[[Double]]] {
        sequences(KernelOrder.unpadded(floats, rows: sizes.steps * sizes.batch, units: sizes.input))
    }

    private func sequences(_ rows: [[Double]]) -> [[[Double]]] {
        stride(from: 0, to: rows.count, by: sizes.batch).map { Array(rows[$0..<$0 + sizes.batch]) }
    }

    func gates(_ floats: [Float]) -> [[LSTMGates<[Double]>]] {
        (0..<sizes.steps).map { t in
            (0..<sizes.batch).map { row in
                func gate(_ group: Int) -> [Double] {
                    (0..<sizes.hidden).map { Double(floats[order.rowIndex(row: t * sizes.batch + row, group: group, unit: $0)]) }
                }
                return LSTMGates(i: gate(0), f: gate(1), g: gate(2), o: gate(3))
            }
        }
    }

    func tape(_ tape: Tape) -> LSTMTape<Double> { LSTMTape(gates: gates(tape.ifgo), c: states(tape.c), h: states(tape.h)) }

    func backward(_ backward: Backward) -> LSTMBackward<Double> {
        LSTMBackward(dgates: gates(backward.difgo), dx: inputs(backward.dx), dh0: states(backward.dh)[0], dc0: states(backward.dc)[0])
    }
}

extension KernelOrder {
    func matrix(_ cell: LSTMCell<Double>) -> [Float] {
        let gates = cell.gates.all, inputs = cell.inputSize
        return matrix { group, unit, column in
            column == 0
                ? gates[group].b[unit]
                : column <= inputs ? gates[group].W[unit][column - 1] : gates[group].U[unit][column - 1 - inputs]
        }
    }

    func cell(_ floats: [Float], input: Int) -> LSTMCell<Double> {
        func gate(_ group: Int) -> GateParameters<Double> {
            func rows(_ columns: Range<Int>) -> [[Double]] {
                (0..<units).map { unit in columns.map { Double(floats[matrixIndex(group: group, unit: unit, column: $0)]) } }
            }
            return GateParameters(W: rows(1..<1 + input), U: rows(1 + input..<1 + input + units), b: rows(0..<1).map { $0[0] })
        }
        return LSTMCell(gates: LSTMGates(i: gate(0), f: gate(1), g: gate(2), o: gate(3)))
    }
}
