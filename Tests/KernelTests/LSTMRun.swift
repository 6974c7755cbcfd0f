import CRecurrent
import RecurrentReference
import TestSupport

/// The LSTM kernels of one instruction set over the data of a problem, in guarded buffers.
struct LSTMRun {
    let kernels: recurrent_kernels
    let sizes: LSTMSizes
    var shape: recurrent_cell_shape
    let order: KernelOrder  // of the gates' weights, and of rows of gates
    let projectionOrder: KernelOrder  // of P
    let x, dy: [Float]
    let mask: [Float]?
    var w, h0, c0, dh, dc, gradient: [Float]
    /// Whether `steps` calls `lstm_step_bfloat16` rather than `lstm_step`.
    var bfloat16 = false
    /// Each kernel is called once for each share, in this order.
    var shares = [recurrent_share(index: 0, count: 1)]

    init(_ isa: KernelTable, _ problem: LSTMProblem<Double>) {
        kernels = isa.kernels
        sizes = problem.sizes
        let stride = sizes.input + sizes.gap
        shape = recurrent_cell_shape(.lstm, sizes)
        shape.lstm = sizes.variant.cValue
        order = KernelOrder(
            units: sizes.hidden, groups: 4,
            columns: 1 + sizes.input + (sizes.variant.peepholes ? 1 : 0) + sizes.outputs)
        projectionOrder = KernelOrder(
            units: sizes.variant.projection ?? 0, groups: 1, columns: sizes.hidden)
        x = problem.x.joined().flatMap {
            $0.map { Float($0) } + [Float](repeating: .nan, count: stride - $0.count)
        }
        w = order.matrix(problem.cell) + projectionOrder.projection(problem.cell)
        gradient = order.matrix(problem.gradient) + projectionOrder.projection(problem.gradient)
        dy = KernelOrder.padded(Array(problem.dy.joined()))
        h0 = KernelOrder.padded(problem.h0)
        c0 = KernelOrder.padded(problem.c0)
        dh = KernelOrder.padded(problem.dh)
        mask = problem.mask.map { KernelOrder.padded($0) }
        dc = KernelOrder.padded(problem.dc)
    }

    var rowCount: Int { sizes.steps * sizes.batch }
    var stateCount: Int { sizes.batch * KernelOrder.padded(sizes.hidden) }
    var outputCount: Int { sizes.batch * KernelOrder.padded(sizes.outputs) }
    var statePadding: KernelOrder { KernelOrder(units: sizes.hidden, groups: 1, columns: 1) }
    var outputPadding: KernelOrder { KernelOrder(units: sizes.outputs, groups: 1, columns: 1) }
    private var isProjected: Bool { sizes.variant.projection != nil }

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

    struct Tape { var ifgo, m, c, h: [Float] }

    func forward() throws -> Tape {
        let (gates, m) = (rowCount * order.rowCount, isProjected ? sizes.steps * stateCount : 0)
        let ifgo = GuardedBuffer(repeating: .nan, count: gates + m)
        let c = GuardedBuffer(c0 + [Float](repeating: .nan, count: sizes.steps * stateCount))
        let h = GuardedBuffer(h0 + [Float](repeating: .nan, count: sizes.steps * outputCount))
        let masked = GuardedBuffer(
            repeating: .nan, count: mask == nil ? 0 : sizes.steps * outputCount)
        withLengths { lengths in
            forEachShare {
                var tape = recurrent_cell_tape(
                    h: h.pointer, c: c.pointer, gates: ifgo.pointer, past: nil,
                    masked: mask == nil ? nil : masked.pointer)
                kernels.lstm_forward($0, lengths, mask, x, w, &tape, $1)
            }
        }
        let values = try ifgo.checkedValues("ifgo")
        let tape = try Tape(
            ifgo: Array(values.prefix(gates)), m: Array(values.dropFirst(gates)),
            c: c.checkedValues("c"), h: h.checkedValues("h"))
        if mask != nil {
            try Comparer.checkSameBits(
                "masked", masked.checkedValues("masked"),
                Array(seen(tape.h).prefix(sizes.steps * outputCount)))
        }
        try Comparer.checkZeros(
            "c", tape.c, at: statePadding.rowPadding((sizes.steps + 1) * sizes.batch))
        try Comparer.checkZeros(
            "h", tape.h, at: outputPadding.rowPadding((sizes.steps + 1) * sizes.batch))
        if isProjected {
            try Comparer.checkZeros(
                "m", tape.m,
                at: (0..<rowCount).filter {
                    sizes.isLive(row: $0 % sizes.batch, step: $0 / sizes.batch)
                }
                .flatMap { row in
                    statePadding.rowPadding(1).map { row * statePadding.rowCount + $0 }
                })
        }
        return tape
    }

    /// The states after each step, from the kernel called once for each; lengths are not its
    /// business.
    func steps() throws -> (c: [Float], h: [Float]) {
        var allC = c0
        var allH = h0
        var h_prev = h0
        let c = GuardedBuffer(c0)
        for t in 0..<sizes.steps {
            let h = GuardedBuffer(repeating: .nan, count: outputCount)
            let scratch = GuardedBuffer(repeating: .nan, count: isProjected ? stateCount : 0)
            x.withUnsafeBufferPointer { x in
                let x = x.baseAddress! + t * sizes.batch * shape.x_stride
                forEachShare {
                    if bfloat16 {
                        kernels.lstm_step_bfloat16($0, x, w, h_prev, c.pointer, h.pointer, $1)
                    } else {
                        kernels.lstm_step(
                            $0, x, w, h_prev, c.pointer, h.pointer,
                            isProjected ? scratch.pointer : nil, $1)
                    }
                }
            }
            _ = try scratch.checkedValues("scratch")
            h_prev = try h.checkedValues("h")
            allH += h_prev
            allC += try c.checkedValues("c")
        }
        return (allC, allH)
    }

    /// Behind the columns of the inputs and those of the hidden units come the peepholes, and then
    /// the columns of the projection.
    var transposedPeepholes: Int {
        (KernelOrder.padded(sizes.input) + KernelOrder.padded(sizes.outputs)) * order.rowCount
    }
    var transposedProjection: Int {
        transposedPeepholes + (sizes.variant.peepholes ? order.rowCount : 0)
    }
    var transposedCount: Int {
        transposedProjection
            + (isProjected
                ? KernelOrder.padded(sizes.outputs) * KernelOrder.padded(sizes.hidden) : 0)
    }

    func transposed() throws -> [Float] {
        let transposed = GuardedBuffer(repeating: .nan, count: transposedCount)
        forEachShare { kernels.lstm_transpose($0, w, transposed.pointer, $1) }
        return try transposed.checkedValues("transposed")
    }

    struct Backward { var difgo, dhs, dh, dc, dx: [Float] }

    func backward(
        ifgo: [Float], c: [Float], transposed: [Float], withDy: Bool = true, withDx: Bool = true
    ) throws -> Backward {
        let gates = rowCount * order.rowCount
        let difgo = GuardedBuffer(
            repeating: .nan, count: gates + (isProjected ? sizes.steps * outputCount : 0))
        let dh = GuardedBuffer(dh)
        let dc = GuardedBuffer(dc)
        let (ifgo, c) = (GuardedBuffer(ifgo), GuardedBuffer(c))
        let dx = GuardedBuffer(
            repeating: .nan, count: sizes.steps * sizes.batch * KernelOrder.padded(sizes.input))
        dy.withUnsafeBufferPointer { dy in
            withLengths { lengths in
                forEachShare {
                    var gradients = recurrent_cell_gradients(
                        dy: withDy ? dy.baseAddress : nil, dgates: difgo.pointer, dpast: nil,
                        dh: dh.pointer, dc: dc.pointer, dx: withDx ? dx.pointer : nil, scratch: nil)
                    var tape = recurrent_cell_tape(
                        h: dh.pointer, c: c.pointer, gates: ifgo.pointer, past: nil, masked: nil)
                    kernels.lstm_backward_data(
                        $0, lengths, mask, transposed, &tape, &gradients, $1)
                }
            }
        }
        let values = try difgo.checkedValues("difgo")
        let result = try Backward(
            difgo: Array(values.prefix(gates)), dhs: Array(values.dropFirst(gates)),
            dh: dh.checkedValues("dh"), dc: dc.checkedValues("dc"),
            dx: dx.checkedValues("dx"))
        try Comparer.checkZeros("difgo", result.difgo, at: order.rowPadding(rowCount))
        if isProjected {
            try Comparer.checkZeros("dhs", result.dhs, at: outputPadding.rowPadding(rowCount))
        }
        try Comparer.checkZeros("dh", result.dh, at: outputPadding.rowPadding(sizes.batch))
        try Comparer.checkZeros("dc", result.dc, at: statePadding.rowPadding(sizes.batch))
        if withDx {
            try Comparer.checkZeros(
                "dx", result.dx,
                at: KernelOrder(units: sizes.input, groups: 1, columns: 1).rowPadding(rowCount))
        }
        return result
    }

    func weights(_ tape: Tape, difgo: [Float], dhs: [Float]) throws -> [Float] {
        let dw = GuardedBuffer(gradient)
        let (ifgo, c, h) = (
            GuardedBuffer(tape.ifgo + tape.m), GuardedBuffer(tape.c), GuardedBuffer(tape.h)
        )
        let (masked, difgo) = (GuardedBuffer(seen(tape.h)), GuardedBuffer(difgo + dhs))
        withLengths { lengths in
            forEachShare {
                var tape = recurrent_cell_tape(
                    h: h.pointer, c: c.pointer, gates: ifgo.pointer, past: nil,
                    masked: mask == nil ? nil : masked.pointer)
                var gradients = recurrent_cell_gradients(
                    dy: nil, dgates: difgo.pointer, dpast: nil, dh: h.pointer, dc: nil, dx: nil,
                    scratch: nil)
                kernels.lstm_backward_weights(
                    $0, lengths, x, &tape, &gradients, dw.pointer, $1)
            }
        }
        let result = try dw.checkedValues("dw")
        try Comparer.checkZeros(
            "dw", result,
            at: order.matrixPadding + projectionOrder.matrixPadding.map { order.matrixCount + $0 })
        return result
    }

    // MARK: The textbook's layout

    func states(_ floats: [Float]) -> [[[Double]]] { units(floats, sizes.hidden) }
    func outputs(_ floats: [Float]) -> [[[Double]]] { units(floats, sizes.outputs) }
    func inputs(_ floats: [Float]) -> [[[Double]]] { units(floats, sizes.input) }

    private func units(_ floats: [Float], _ units: Int) -> [[[Double]]] {
        sequences(
            KernelOrder.unpadded(
                floats, rows: floats.count / KernelOrder.padded(units), units: units))
    }

    private func sequences(_ rows: [[Double]]) -> [[[Double]]] {
        stride(from: 0, to: rows.count, by: sizes.batch).map { Array(rows[$0..<$0 + sizes.batch]) }
    }

    func gates(_ floats: [Float]) -> [[LSTMGates<[Double]>]] {
        (0..<sizes.steps).map { t in
            (0..<sizes.batch).map { row in
                func gate(_ group: Int) -> [Double] {
                    (0..<sizes.hidden).map {
                        Double(
                            floats[
                                order.rowIndex(row: t * sizes.batch + row, group: group, unit: $0)])
                    }
                }
                return LSTMGates(i: gate(0), f: gate(1), g: gate(2), o: gate(3))
            }
        }
    }

    func tape(_ tape: Tape) -> LSTMTape<Double> {
        LSTMTape(gates: gates(tape.ifgo), c: states(tape.c), m: states(tape.m), h: outputs(tape.h))
    }

    func backward(_ backward: Backward) -> LSTMBackward<Double> {
        LSTMBackward(
            dgates: gates(backward.difgo), dh: outputs(backward.dhs), dx: inputs(backward.dx),
            dh0: outputs(backward.dh)[0],
            dc0: states(backward.dc)[0])
    }

    func cell(_ floats: [Float]) -> LSTMCell<Double> {
        func gate(_ group: Int) -> GateParameters<Double> {
            func rows(_ columns: Range<Int>) -> [[Double]] {
                (0..<sizes.hidden).map { unit in
                    columns.map {
                        Double(floats[order.matrixIndex(group: group, unit: unit, column: $0)])
                    }
                }
            }
            return GateParameters(
                W: rows(1..<1 + sizes.input),
                U: rows(order.columns - sizes.outputs..<order.columns), b: rows(0..<1).map { $0[0] }
            )
        }
        func peepholes(_ group: Int) -> [Double] {
            guard sizes.variant.peepholes else { return [] }
            return (0..<sizes.hidden).map {
                Double(floats[order.matrixIndex(group: group, unit: $0, column: 1 + sizes.input)])
            }
        }
        let projection = (0..<projectionOrder.units).map { unit in
            (0..<sizes.hidden).map {
                Double(
                    floats[
                        order.matrixCount
                            + projectionOrder.matrixIndex(group: 0, unit: unit, column: $0)])
            }
        }
        return LSTMCell(
            gates: LSTMGates(i: gate(0), f: gate(1), g: gate(2), o: gate(3)),
            peepholes: LSTMGates(i: peepholes(0), f: peepholes(1), g: [], o: peepholes(3)),
            projection: projection, variant: sizes.variant)
    }
}

extension recurrent_cell_shape {
    init(_ cell: recurrent_cell, _ sizes: LSTMSizes) {
        self.init()
        self.cell = cell
        (input, hidden) = (sizes.input, sizes.hidden)
        (batch, steps, x_stride) = (sizes.batch, sizes.steps, sizes.input + sizes.gap)
    }
}

extension LSTMVariant {
    var cValue: recurrent_lstm_variant {
        recurrent_lstm_variant(
            sigmoid: sigmoid ? 1 : 0, peepholes: peepholes ? 1 : 0, coupled: coupled ? 1 : 0,
            clip: Float(clip ?? 0), projection: projection ?? 0)
    }
}

extension KernelOrder {
    /// The columns are the bias, the inputs, the peepholes (g has none), if there are any, and the
    /// units of h.
    func matrix(_ cell: LSTMCell<Double>) -> [Float] {
        let inputs = cell.inputSize
        let first = columns - cell.outputSize
        return matrix { group, unit, column in
            let gate = cell.gates.all[group]
            if column >= first { return gate.U[unit][column - first] }
            if column > inputs { return group == 2 ? 0 : cell.peepholes.all[group][unit] }
            return column == 0 ? gate.b[unit] : gate.W[unit][column - 1]
        }
    }

    func projection(_ cell: LSTMCell<Double>) -> [Float] { matrix { cell.projection[$1][$2] } }
}
