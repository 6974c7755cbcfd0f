import CRecurrent
import RecurrentReference
import TestSupport

/// The kernels of the plain recurrent layer of one instruction set over the data of a problem, in
/// guarded buffers.
struct RNNRun {
    let kernels: recurrent_kernels
    let sizes: LSTMSizes
    var shape: recurrent_cell_shape
    let order: KernelOrder
    let x, w, dy: [Float]
    let mask: [Float]?
    var h0, dh, gradient: [Float]
    /// Each kernel is called once for each share, in this order.
    var shares = [recurrent_share(index: 0, count: 1)]

    init(_ isa: KernelTable, _ problem: RNNProblem<Double>) {
        kernels = isa.kernels
        sizes = problem.sizes
        let stride = sizes.input + sizes.gap
        shape = recurrent_cell_shape(.rnn, sizes)
        shape.activation = problem.cell.f.cValue
        shape.slope = problem.cell.f.parameter
        order = KernelOrder(units: sizes.hidden, groups: 1, columns: 1 + sizes.input + sizes.hidden)
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
    var stateCount: Int { sizes.batch * order.rowCount }

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

    /// The tape of h.
    func forward() throws -> [Float] {
        let h = GuardedBuffer(h0 + [Float](repeating: .nan, count: sizes.steps * stateCount))
        let masked = GuardedBuffer(
            repeating: .nan, count: mask == nil ? 0 : sizes.steps * stateCount)
        withLengths { lengths in
            forEachShare {
                var tape = recurrent_cell_tape(
                    h: h.pointer, c: nil, gates: nil, past: nil,
                    masked: mask == nil ? nil : masked.pointer)
                kernels.rnn_forward($0, lengths, mask, x, w, &tape, $1)
            }
        }
        let tape = try h.checkedValues("h")
        if mask != nil {
            try Comparer.checkSameBits(
                "masked", masked.checkedValues("masked"),
                Array(seen(tape).prefix(sizes.steps * stateCount)))
        }
        try Comparer.checkZeros("h", tape, at: order.rowPadding((sizes.steps + 1) * sizes.batch))
        return tape
    }

    /// The same by `rnn_step`, called once for each step; lengths are not its business.
    func steps() throws -> [Float] {
        var tape = h0
        var h_prev = h0
        for t in 0..<sizes.steps {
            let h = GuardedBuffer(repeating: .nan, count: stateCount)
            x.withUnsafeBufferPointer { x in
                forEachShare {
                    kernels.rnn_step(
                        $0, x.baseAddress! + t * sizes.batch * shape.x_stride, w, h_prev, nil,
                        h.pointer, nil, $1)
                }
            }
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
        forEachShare { kernels.rnn_transpose($0, w, transposed.pointer, $1) }
        return try transposed.checkedValues("transposed")
    }

    struct Backward { var dz, dh, dx: [Float] }

    func backward(h: [Float], transposed: [Float], withDy: Bool = true, withDx: Bool = true) throws
        -> Backward
    {
        let dz = GuardedBuffer(repeating: .nan, count: sizes.steps * stateCount)
        let dh = GuardedBuffer(dh)
        let h = GuardedBuffer(h)
        let dx = GuardedBuffer(repeating: .nan, count: rowCount * KernelOrder.padded(sizes.input))
        dy.withUnsafeBufferPointer { dy in
            withLengths { lengths in
                forEachShare {
                    var tape = recurrent_cell_tape(
                        h: h.pointer, c: nil, gates: nil, past: nil, masked: nil)
                    var gradients = recurrent_cell_gradients(
                        dy: withDy ? dy.baseAddress : nil, dgates: dz.pointer, dpast: nil,
                        dh: dh.pointer, dc: nil, dx: withDx ? dx.pointer : nil, scratch: nil)
                    kernels.rnn_backward_data(
                        $0, lengths, mask, transposed, &tape, &gradients, $1)
                }
            }
        }
        let result = try Backward(
            dz: dz.checkedValues("dz"), dh: dh.checkedValues("dh"), dx: dx.checkedValues("dx"))
        try Comparer.checkZeros("dz", result.dz, at: order.rowPadding(rowCount))
        try Comparer.checkZeros("dh", result.dh, at: order.rowPadding(sizes.batch))
        if withDx {
            try Comparer.checkZeros(
                "dx", result.dx,
                at: KernelOrder(units: sizes.input, groups: 1, columns: 1).rowPadding(rowCount))
        }
        return result
    }

    func weights(h: [Float], dz: [Float]) throws -> [Float] {
        let dw = GuardedBuffer(gradient)
        let (h, dz) = (GuardedBuffer(seen(h)), GuardedBuffer(dz))
        withLengths { lengths in
            forEachShare {
                var tape = recurrent_cell_tape(
                    h: h.pointer, c: nil, gates: nil, past: nil, masked: nil)
                var gradients = recurrent_cell_gradients(
                    dy: nil, dgates: dz.pointer, dpast: nil, dh: h.pointer, dc: nil, dx: nil,
                    scratch: nil)
                kernels.rnn_backward_weights($0, lengths, x, &tape, &gradients, dw.pointer, $1)
            }
        }
        let result = try dw.checkedValues("dw")
        try Comparer.checkZeros("dw", result, at: order.matrixPadding)
        return result
    }

    struct Solved {
        var h, dz, dh, dx, gradient: [Float]
        var named: [(name: String, floats: [Float])] {
            [("h", h), ("dz", dz), ("dh", dh), ("dx", dx), ("gradient", gradient)]
        }
    }

    /// Forward, transpose, backward and the gradient with respect to the weights, one after the
    /// other.
    func solved() throws -> Solved {
        let h = try forward()
        let backward = try backward(h: h, transposed: transposed())
        return try Solved(
            h: h, dz: backward.dz, dh: backward.dh, dx: backward.dx,
            gradient: weights(h: h, dz: backward.dz))
    }

    // MARK: The textbook's layout

    func states(_ floats: [Float]) -> [[[Double]]] { sequences(floats, units: sizes.hidden) }

    private func sequences(_ floats: [Float], units: Int) -> [[[Double]]] {
        let rows = KernelOrder.unpadded(
            floats, rows: floats.count / KernelOrder.padded(units), units: units)
        return stride(from: 0, to: rows.count, by: sizes.batch).map {
            Array(rows[$0..<$0 + sizes.batch])
        }
    }

    func backward(_ backward: Backward) -> RNNBackward<Double> {
        RNNBackward(
            dz: states(backward.dz), dx: sequences(backward.dx, units: sizes.input),
            dh0: states(backward.dh)[0])
    }

    func solution(_ solved: Solved, f: Activation) -> RNNSolution<Double> {
        RNNSolution(
            h: states(solved.h),
            backward: backward(Backward(dz: solved.dz, dh: solved.dh, dx: solved.dx)),
            gradient: order.rnnCell(solved.gradient, input: sizes.input, f: f))
    }
}

extension Activation {
    /// The name without a parameter.
    var name: String { String("\(self)".prefix { $0 != "(" }) }

    /// That of the same place in the list.
    var cValue: recurrent_activation {
        let place = Self.allCases.firstIndex { $0.name == name }!
        return recurrent_activation(rawValue: UInt32(place))!
    }

    var parameter: Float {
        if case .leakyReLU(let slope) = self { return Float(slope) }
        if case .elu(let alpha) = self { return Float(alpha) }
        return .nan
    }
}

extension KernelOrder {
    func matrix(_ cell: RNNCell<Double>) -> [Float] {
        let parameters = cell.parameters
        let inputs = cell.inputSize
        return matrix { _, unit, column in
            column == 0
                ? parameters.b[unit]
                : column <= inputs
                    ? parameters.W[unit][column - 1] : parameters.U[unit][column - 1 - inputs]
        }
    }

    func rnnCell(_ floats: [Float], input: Int, f: Activation) -> RNNCell<Double> {
        func rows(_ columns: Range<Int>) -> [[Double]] {
            (0..<units).map { unit in
                columns.map { Double(floats[matrixIndex(group: 0, unit: unit, column: $0)]) }
            }
        }
        return RNNCell(
            parameters: GateParameters(
                W: rows(1..<1 + input), U: rows(1 + input..<1 + input + units),
                b: rows(0..<1).map { $0[0] }), f: f)
    }
}
