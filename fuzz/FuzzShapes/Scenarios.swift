import CKernels

extension Trial {
    /// What an input chooses from; together they call every kernel of kernel_list.h.
    static let scenarios: [@Sendable (Trial) -> Void] = [
        { $0.products() }, { $0.lstm() }, { $0.lstmSteps() }, { $0.losses() }, { $0.embedding() }, { $0.dropout() }, { $0.norms() },
        { $0.sgd() }, { $0.adagrad() }, { $0.rmsprop() }, { $0.adadelta() }, { $0.adam() },
        { $0.functions() }, { $0.rnn() }, { $0.gru() }, { $0.convolution() }, { $0.pooling() },
        { $0.activations() }, { $0.normalization() }, { $0.sequences() },
    ]

    // MARK: Products and cells

    private func products() {
        // More rows than a block of the product to the weights has, or few.
        let rows = bytes.size() * (bytes.flag() ? 8 : 1)
        let (inputs, outputs) = (bytes.size(), bytes.size()), groups = [1, 3, 4][bytes.choice(3)]
        let stride = inputs + bytes.choice(4)
        var shape = recurrent_product_shape(rows: rows, inputs: inputs, outputs: outputs, groups: groups, x_stride: stride)
        let x = data("x", rows: rows, used: inputs, stride: stride, behind: .nan)
        let w = matrix("w", columns: inputs, outputs, groups: groups), dw = matrix("dw", columns: inputs, outputs, groups: groups)
        let dy = gates("dy", rows: rows, outputs, groups: groups)
        let y = result("y", rows * recurrent_padded(outputs) * groups), dx = result("dx", rows * recurrent_padded(inputs))
        let transposed = result("transposed", recurrent_product_transposed_floats(shape))
        shares { kernels.product_forward(&shape, x, w, y, $0) }
        var single = shape
        single.groups = 1
        let words = data("words", recurrent_product_bfloat16_floats(single)), z = result("z", rows * recurrent_padded(outputs))
        shares { kernels.product_forward_bfloat16(&single, x, words, z, $0) }
        shares { kernels.product_transpose(&shape, w, transposed, $0) }
        shares { kernels.product_backward_input(&shape, dy, transposed, dx, $0) }
        shares { kernels.product_backward_weights(&shape, x, dy, dw, $0) }
    }

    private func lstmShape() -> recurrent_lstm_shape {
        let input = bytes.size()
        var shape = recurrent_lstm_shape(
            input: input, hidden: bytes.size(), batch: bytes.size(9), steps: bytes.size(5), x_stride: input + bytes.choice(4), variant: .init())
        let parts = bytes.byte()
        shape.variant = recurrent_lstm_variant(
            sigmoid: UInt32(parts & 1), peepholes: UInt32(parts >> 1 & 1), coupled: UInt32(parts >> 2 & 1), clip: parts & 8 == 0 ? 0 : 0.375,
            projection: parts & 16 == 0 ? 0 : bytes.size())
        return shape
    }

    /// Of the gates, and the projection behind them.
    private func lstmMatrix(_ name: StaticString, _ shape: recurrent_lstm_shape) -> UnsafeMutablePointer<Float> {
        let columns = shape.input + Int(shape.variant.peepholes) + recurrent_lstm_outputs(shape)
        let gates = recurrent_padded(shape.hidden) * (1 + columns) * 4, projected = shape.variant.projection
        return buffer(name, recurrent_lstm_weights_floats(shape)) { index in
            let unit = index < gates ? index / ((1 + columns) * 64) * 16 : (index - gates) / (shape.hidden * 16) * 16
            return unit + index % 16 < (index < gates ? shape.hidden : projected) ? bytes.float() : 0
        }
    }

    private func lstmInput(_ shape: recurrent_lstm_shape) -> UnsafeMutablePointer<Float> {
        data("x", rows: shape.steps * shape.batch, used: shape.input, stride: shape.x_stride, behind: .nan)
    }

    private func lstm() {
        var shape = lstmShape()
        let lengths = bytes.flag() ? (0..<shape.batch).map { _ in bytes.choice(shape.steps + 2) } : nil
        let (withDy, withDx, withMask) = (bytes.flag(), bytes.flag(), bytes.flag())
        let rows = shape.steps * shape.batch, outputs = recurrent_lstm_outputs(shape)
        let (mask, masked) = masks(withMask, steps: shape.steps, batch: shape.batch, outputs)
        let x = lstmInput(shape), w = lstmMatrix("w", shape), dw = lstmMatrix("dw", shape), dy = units("dy", rows: rows, outputs)
        let dh = units("dh", rows: shape.batch, outputs), dc = units("dc", rows: shape.batch, shape.hidden)
        let (c, h) = lstmTapes(shape)
        let ifgo = result("ifgo", recurrent_lstm_gates_floats(shape)), difgo = result("difgo", recurrent_lstm_gates_gradient_floats(shape))
        let transposed = result("transposed", recurrent_lstm_transposed_floats(shape)), dx = result("dx", recurrent_lstm_dx_floats(shape))
        shares { kernels.lstm_forward(&shape, lengths, mask, x, w, ifgo, c, h, masked, $0) }
        forgetPadding(shape, ifgo: ifgo, c, h)
        shares { kernels.lstm_transpose(&shape, w, transposed, $0) }
        if let masked { forgetPadding(masked, rows: rows, outputs) }
        shares {
            kernels.lstm_backward_data(&shape, lengths, mask, transposed, ifgo, c, withDy ? dy : nil, difgo, dh, dc, withDx ? dx : nil, $0)
        }
        shares { kernels.lstm_backward_weights(&shape, lengths, x, ifgo, c, masked ?? h, difgo, dw, $0) }
    }

    /// A mask of recurrent dropout and what the forward pass makes of it, or neither.
    private func masks(_ withMask: Bool, steps: Int, batch: Int, _ outputs: Int) -> (UnsafeMutablePointer<Float>?, UnsafeMutablePointer<Float>?) {
        guard withMask else { return (nil, nil) }
        return (units("mask", rows: batch, outputs), result("masked", steps * batch * recurrent_padded(outputs)))
    }

    /// Slot 0 alone holds states.
    private func lstmTapes(_ shape: recurrent_lstm_shape) -> (c: UnsafeMutablePointer<Float>, h: UnsafeMutablePointer<Float>) {
        let c0 = units("c0", rows: shape.batch, shape.hidden), h0 = units("h0", rows: shape.batch, recurrent_lstm_outputs(shape))
        let c = buffer("c", recurrent_lstm_states_floats(shape)) { $0 < recurrent_lstm_state_floats(shape) ? c0[$0] : .nan }
        let h = buffer("h", recurrent_lstm_outputs_floats(shape)) { $0 < recurrent_lstm_output_floats(shape) ? h0[$0] : .nan }
        return (c, h)
    }

    /// Makes what lies behind the last unit of gates or states zero, as an input that is not finite makes it NaN where it is computed.
    private func forgetPadding(_ memory: UnsafeMutablePointer<Float>, rows: Int, _ units: Int, groups: Int = 1) {
        let panels = recurrent_panels(units)
        guard bytes.special else { return }
        for index in 0..<rows * panels * groups * 16 where index / (groups * 16) % panels * 16 + index % 16 >= units { memory[index] = 0 }
    }

    private func forgetPadding(
        _ shape: recurrent_lstm_shape, ifgo: UnsafeMutablePointer<Float>, _ c: UnsafeMutablePointer<Float>, _ h: UnsafeMutablePointer<Float>
    ) {
        let rows = shape.steps * shape.batch
        forgetPadding(ifgo, rows: rows, shape.hidden, groups: 4)
        if shape.variant.projection > 0 { forgetPadding(ifgo + rows * recurrent_padded(shape.hidden) * 4, rows: rows, shape.hidden) }
        forgetPadding(c, rows: rows + shape.batch, shape.hidden)
        forgetPadding(h, rows: rows + shape.batch, recurrent_lstm_outputs(shape))
    }

    /// Step by step, and the whole sequence: the same states.
    private func lstmSteps() {
        var shape = lstmShape()
        let x = lstmInput(shape), w = lstmMatrix("w", shape), (c, h) = lstmTapes(shape), outputs = recurrent_lstm_outputs(shape)
        let state = recurrent_lstm_state_floats(shape), output = recurrent_lstm_output_floats(shape)
        let now_c = buffer("c of a step", state) { c[$0] }, ifgo = result("ifgo", recurrent_lstm_gates_floats(shape))
        shares { kernels.lstm_forward(&shape, nil, nil, x, w, ifgo, c, h, nil, $0) }
        forgetPadding(shape, ifgo: ifgo, c, h)
        for step in 0..<shape.steps {
            let now = buffer("h of a step", output) { _ in .nan }, before = h + step * output
            let scratch = buffer("scratch", recurrent_lstm_scratch_floats(shape)) { _ in .nan }
            shares { kernels.lstm_step(&shape, x + step * shape.batch * shape.x_stride, w, before, now_c, now, scratch, $0) }
            forgetPadding(now, rows: shape.batch, outputs)
            forgetPadding(now_c, rows: shape.batch, shape.hidden)
            for (name, now, tape, count) in [("h", now, h, output), ("c", now_c, c, state)] {
                for index in 0..<count where !sameBits(now[index], tape[(step + 1) * count + index]) {
                    fatalError("unit \(index) of step \(step): \(name) \(now[index]), in a sequence \(tape[(step + 1) * count + index])")
                }
            }
        }
        guard shape.steps > 0 else { return }  // without a time step there is no x
        // Any words are bfloat16, zero behind the last unit.
        shape.variant = .init()
        let panel = (4 + 2 * (shape.input + shape.hidden)) * 16
        let words = buffer("words", recurrent_lstm_bfloat16_floats(shape)) { $0 / panel * 16 + $0 % 16 < shape.hidden ? bytes.float() : 0 }
        let (h0, c1) = (units("h of words", rows: shape.batch, shape.hidden), units("c of words", rows: shape.batch, shape.hidden))
        let h1 = result("h after words", state)
        shares { kernels.lstm_step_bfloat16(&shape, x, words, h0, c1, h1, $0) }
        for state in [h1, c1] { forgetPadding(state, rows: shape.batch, shape.hidden) }
    }

    func activation() -> recurrent_activation {
        [recurrent_activation_tanh, recurrent_activation_sigmoid, recurrent_activation_relu, recurrent_activation_leaky_relu][bytes.choice(4)]
    }

    private func rnn() {
        let input = bytes.size()
        var shape = recurrent_rnn_shape(
            input: input, hidden: bytes.size(), batch: bytes.size(9), steps: bytes.size(5), x_stride: input + bytes.choice(4),
            activation: activation(), slope: 0.25)
        let lengths = bytes.flag() ? (0..<shape.batch).map { _ in bytes.choice(shape.steps + 2) } : nil
        let (withDy, withDx, withMask) = (bytes.flag(), bytes.flag(), bytes.flag())
        let columns = shape.input + shape.hidden, rows = shape.steps * shape.batch, state = recurrent_rnn_state_floats(shape)
        let (mask, masked) = masks(withMask, steps: shape.steps, batch: shape.batch, shape.hidden)
        let x = data("x", rows: rows, used: shape.input, stride: shape.x_stride, behind: .nan)
        let w = matrix("w", columns: columns, shape.hidden, groups: 1), dw = matrix("dw", columns: columns, shape.hidden, groups: 1)
        let dy = units("dy", rows: rows, shape.hidden), dh = units("dh", rows: shape.batch, shape.hidden)
        let h0 = units("h0", rows: shape.batch, shape.hidden)
        let h = buffer("h", recurrent_rnn_states_floats(shape)) { $0 < state ? h0[$0] : .nan }
        let dz = result("dz", recurrent_rnn_dz_floats(shape)), dx = result("dx", recurrent_rnn_dx_floats(shape))
        let transposed = result("transposed", recurrent_rnn_transposed_floats(shape))
        shares { kernels.rnn_forward(&shape, lengths, mask, x, w, h, masked, $0) }
        forgetPadding(h, rows: (shape.steps + 1) * shape.batch, shape.hidden)
        for step in 0..<shape.steps where lengths == nil && !withMask {
            let now = buffer("h of a step", state) { _ in .nan }
            shares { kernels.rnn_step(&shape, x + step * shape.batch * shape.x_stride, w, h + step * state, now, $0) }
            forgetPadding(now, rows: shape.batch, shape.hidden)
            for index in 0..<state where !sameBits(now[index], h[(step + 1) * state + index]) {
                fatalError("unit \(index) of step \(step): h \(now[index]), in a sequence \(h[(step + 1) * state + index])")
            }
        }
        shares { kernels.rnn_transpose(&shape, w, transposed, $0) }
        if let masked { forgetPadding(masked, rows: rows, shape.hidden) }
        shares { kernels.rnn_backward_data(&shape, lengths, mask, transposed, h, withDy ? dy : nil, dz, dh, withDx ? dx : nil, $0) }
        shares { kernels.rnn_backward_weights(&shape, lengths, x, masked ?? h, dz, dw, $0) }
    }

    private func gru() {
        let input = bytes.size()
        var shape = recurrent_gru_shape(
            input: input, hidden: bytes.size(), batch: bytes.size(9), steps: bytes.size(5), x_stride: input + bytes.choice(4),
            definition: [recurrent_gru_reset_after, recurrent_gru_reset_before, recurrent_gru_lecture][bytes.choice(3)])
        let lengths = bytes.flag() ? (0..<shape.batch).map { _ in bytes.choice(shape.steps + 2) } : nil
        let (withDy, withDx, withMask) = (bytes.flag(), bytes.flag(), bytes.flag())
        let columns = shape.input + recurrent_gru_hidden_biases(shape) + shape.hidden
        let rows = shape.steps * shape.batch, state = recurrent_gru_state_floats(shape)
        let (mask, masked) = masks(withMask, steps: shape.steps, batch: shape.batch, shape.hidden)
        let sums = withMask ? buffer("scratch of the mask", state) { _ in .nan } : nil
        let x = data("x", rows: rows, used: shape.input, stride: shape.x_stride, behind: .nan)
        let w = matrix("w", columns: columns, shape.hidden, groups: 3), dw = matrix("dw", columns: columns, shape.hidden, groups: 3)
        let dy = units("dy", rows: rows, shape.hidden), dh = units("dh", rows: shape.batch, shape.hidden)
        let h0 = units("h0", rows: shape.batch, shape.hidden)
        let h = buffer("h", recurrent_gru_states_floats(shape)) { $0 < state ? h0[$0] : .nan }
        let rzn = result("rzn", recurrent_gru_gates_floats(shape)), drzn = result("drzn", recurrent_gru_gates_floats(shape))
        let past = result("past", recurrent_gru_past_floats(shape)), dpast = result("dpast", recurrent_gru_past_floats(shape))
        let dx = result("dx", recurrent_gru_dx_floats(shape)), transposed = result("transposed", recurrent_gru_transposed_floats(shape))
        shares { kernels.gru_forward(&shape, lengths, mask, x, w, rzn, past, h, masked, $0) }
        forgetPadding(rzn, rows: rows, shape.hidden, groups: 3)
        forgetPadding(past, rows: rows, shape.hidden)
        forgetPadding(h, rows: (shape.steps + 1) * shape.batch, shape.hidden)
        for step in 0..<shape.steps where lengths == nil && !withMask {
            let now = buffer("h of a step", state) { _ in .nan }, scratch = buffer("scratch", recurrent_gru_scratch_floats(shape)) { _ in .nan }
            shares { kernels.gru_step(&shape, x + step * shape.batch * shape.x_stride, w, h + step * state, now, scratch, $0) }
            forgetPadding(now, rows: shape.batch, shape.hidden)
            for index in 0..<state where !sameBits(now[index], h[(step + 1) * state + index]) {
                fatalError("unit \(index) of step \(step): h \(now[index]), in a sequence \(h[(step + 1) * state + index])")
            }
        }
        shares { kernels.gru_transpose(&shape, w, transposed, $0) }
        if let masked { forgetPadding(masked, rows: rows, shape.hidden) }
        shares {
            kernels.gru_backward_data(
                &shape, lengths, mask, transposed, rzn, past, h, masked, withDy ? dy : nil, drzn, dpast, dh, withDx ? dx : nil, sums, $0)
        }
        shares { kernels.gru_backward_weights(&shape, lengths, x, past, masked ?? h, drzn, dpast, dw, $0) }
    }

    // MARK: Rows

    private func losses() {
        let rows = bytes.size(), count = bytes.size(), inPlace = bytes.flag(), withGradient = bytes.flag()
        var shape = recurrent_rows_shape(rows: rows, units: count)
        let live: [Int32]? = bytes.flag() ? indices(rows, end: 1) : nil
        let targets = indices(rows, end: count), scale = bytes.float()
        let stride = recurrent_padded(count), floats = rows * stride
        let logits = data("logits", rows: rows, used: count, stride: stride, behind: .nan)
        let y = data("y", rows: rows, used: count, stride: stride, behind: .nan), wanted = data("targets", rows: rows, used: count, stride: stride, behind: .nan)
        let probabilities = inPlace ? buffer("probabilities", floats) { logits[$0] } : result("probabilities", floats)
        let dlogits = inPlace ? buffer("dlogits", floats) { logits[$0] } : result("dlogits", floats)
        let crossEntropy = result("cross-entropy", rows), sum = doubles("sum", 1)
        shares { kernels.softmax(&shape, inPlace ? probabilities : logits, probabilities, $0) }
        shares {
            kernels.softmax_cross_entropy(&shape, inPlace ? dlogits : logits, targets, scale, crossEntropy, withGradient ? dlogits : nil, $0)
        }
        let losses: [(StaticString, StaticString, (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>?, recurrent_share) -> Void)] = [
            ("squares", "dy of squares", { [kernels] in kernels.mean_squared_error(&shape, y, wanted, live, scale, $0, $1, $2) }),
            ("magnitudes", "dy of magnitudes", { [kernels] in kernels.mean_absolute_error(&shape, y, wanted, live, scale, $0, $1, $2) }),
            ("Huber", "dy of Huber", { [kernels] in kernels.huber_loss(&shape, y, wanted, live, 0.5, scale, $0, $1, $2) }),
            ("binary", "dy of binary", { [kernels] in kernels.binary_cross_entropy(&shape, y, wanted, live, scale, $0, $1, $2) }),
        ]
        for (name, gradientName, loss) in losses {
            let sums = result(name, rows), dy = withGradient ? result(gradientName, floats) : nil
            shares { loss(sums, dy, $0) }
        }
        kernels.sum_losses(rows, crossEntropy, sum)
    }

    private func embedding() {
        var shape = recurrent_embedding_shape(vocabulary: bytes.size(), dimension: bytes.size(), rows: bytes.size())
        let indices = indices(shape.rows, end: shape.vocabulary)
        let table = units("table", rows: shape.vocabulary, shape.dimension), dtable = units("dtable", rows: shape.vocabulary, shape.dimension)
        let dy = units("dy", rows: shape.rows, shape.dimension), y = result("y", recurrent_embedding_rows_floats(shape))
        shares { kernels.embedding_forward(&shape, table, indices, y, $0) }
        shares { kernels.embedding_backward(&shape, indices, dy, dtable, $0) }
    }

    private func axis() -> recurrent_axis {
        recurrent_axis(
            size: bytes.size(9), windows: bytes.size(9), taps: 1 + bytes.choice(4), stride: 1 + bytes.choice(4), dilation: 1 + bytes.choice(4),
            padding: bytes.size(6))
    }

    private func convolution() {
        let (rows, columns) = (axis(), axis()), inputs = bytes.size(35)
        var shape = recurrent_convolution_shape(
            images: bytes.size(8), rows: rows, columns: columns, inputs: inputs, outputs: bytes.size(35), x_stride: inputs + bytes.choice(3))
        let terms = recurrent_convolution_terms(shape), windows = shape.images * rows.windows * columns.windows
        let x = data("x", rows: shape.images * rows.size * columns.size, used: inputs, stride: shape.x_stride, behind: .nan)
        let w = matrix("w", columns: terms, shape.outputs, groups: 1), dw = matrix("dw", columns: terms, shape.outputs, groups: 1)
        let dy = units("dy", rows: windows, shape.outputs)
        let y = result("y", recurrent_convolution_y_floats(shape)), dx = result("dx", recurrent_convolution_dx_floats(shape))
        let transposed = result("transposed", recurrent_convolution_transposed_floats(shape))
        shares { kernels.convolution_forward(&shape, x, w, y, $0) }
        shares { kernels.convolution_transpose(&shape, w, transposed, $0) }
        shares { kernels.convolution_backward_input(&shape, dy, transposed, dx, $0) }
        shares { kernels.convolution_backward_weights(&shape, x, dy, dw, $0) }
    }

    private func pooling() {
        let (rows, columns) = (axis(), axis())
        var shape = recurrent_pooling_shape(
            images: bytes.size(8), rows: rows, columns: columns, channels: bytes.size(),
            pooling: [recurrent_pooling_max, recurrent_pooling_average, recurrent_pooling_sum][bytes.choice(3)])
        let x = units("x", rows: shape.images * rows.size * columns.size, shape.channels)
        let dy = units("dy", rows: shape.images * rows.windows * columns.windows, shape.channels)
        let y = result("y", recurrent_pooling_y_floats(shape)), dx = result("dx", recurrent_pooling_x_floats(shape))
        shares { kernels.pooling_forward(&shape, x, y, $0) }
        shares { kernels.pooling_backward(&shape, x, y, dy, dx, $0) }
    }

    private func sequences() {
        let (steps, batch, units) = (bytes.size(5), bytes.size(9), bytes.size()), filled = bytes.flag(), gap = bytes.choice(4)
        let width = filled ? recurrent_padded(units) : units, rows = steps * batch
        var shape = recurrent_sequence_shape(steps: steps, batch: batch, units: units, width: width, x_stride: units + gap,
                                             y_stride: width + gap, reversed: bytes.flag() ? 1 : 0)
        let lengths = bytes.flag() ? (0..<batch).map { _ in bytes.choice(steps + 2) } : nil
        let pooling = bytes.flag() ? recurrent_sequence_mean : recurrent_sequence_last
        let x = data("x", rows: rows, used: units, stride: units + gap, behind: .nan)
        let y = data("y", rows * shape.y_stride), sum = data("sum", rows * shape.y_stride), dx = data("dx", rows * shape.y_stride)
        let pooled = data("pooled", batch * shape.y_stride)
        let dy = data("dy", rows: batch, used: units, stride: shape.x_stride, behind: .nan)
        shares { kernels.sequence_copy(&shape, lengths, x, y, $0) }
        shares { kernels.add_sequence(&shape, lengths, x, sum, $0) }
        shares { kernels.sequence_pool(&shape, pooling, lengths, x, pooled, $0) }
        shares { kernels.sequence_pool_backward(&shape, pooling, lengths, dy, dx, $0) }
    }

    private func dropout() {
        var shape = recurrent_rows_shape(rows: bytes.size(), units: bytes.size())
        var mask = recurrent_dropout(seed: UInt64(bytes.byte()) << 56, counter: UInt64(bytes.byte()), probability: Float(bytes.byte()) / 256)
        let x = units("x", rows: shape.rows, shape.units), y = result("y", recurrent_rows_floats(shape))
        shares { kernels.dropout(&shape, &mask, x, y, $0) }
        shares { kernels.dropout(&shape, &mask, x, x, $0) }
    }
}
