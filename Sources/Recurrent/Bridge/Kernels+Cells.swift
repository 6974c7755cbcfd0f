internal import CRecurrent

/// What a pass over whole sequences leaves for backpropagation. Buffers that a cell does not have
/// may be nil: those of which its shape counts no floats.
///
/// C counterpart: `recurrent_cell_tape`.
@safe public struct CellTape {
    /// `outputTapeCount` floats; slot 0 holds the initial state, the others are written.
    public var h: UnsafeMutablePointer<Float>
    /// `stateTapeCount` floats; slot 0 holds the initial state, the others are written.
    public var c: UnsafeMutablePointer<Float>?
    /// `gatesCount` floats, written: activated.
    public var gates: UnsafeMutablePointer<Float>?
    /// `pastCount` floats, written.
    public var past: UnsafeMutablePointer<Float>?
    /// Of recurrent dropout: what a mask leaves of each h, [T][B][V], written; nil without a mask.
    public var masked: UnsafeMutablePointer<Float>?

    public init(
        h: UnsafeMutablePointer<Float>, c: UnsafeMutablePointer<Float>? = nil,
        gates: UnsafeMutablePointer<Float>? = nil, past: UnsafeMutablePointer<Float>? = nil,
        masked: UnsafeMutablePointer<Float>? = nil
    ) {
        unsafe self.h = h
        unsafe self.c = c
        unsafe self.gates = gates
        unsafe self.past = past
        unsafe self.masked = masked
    }

    var cValue: recurrent_cell_tape {
        unsafe recurrent_cell_tape(h: h, c: c, gates: gates, past: past, masked: masked)
    }
}

/// The gradients of backpropagation through time. Buffers that a cell does not have may be nil.
///
/// C counterpart: `recurrent_cell_gradients`.
@safe public struct CellGradients {
    /// [T][B][V], the loss's gradient with respect to each h, or nil for zero.
    public var output: UnsafePointer<Float>?
    /// `preActivationGradientCount` floats, written.
    public var preActivation: UnsafeMutablePointer<Float>
    /// `pastCount` floats, written.
    public var past: UnsafeMutablePointer<Float>?
    /// [B][V] and [B][U]: the gradient with respect to the final state in, to the initial state
    /// out.
    public var h: UnsafeMutablePointer<Float>, c: UnsafeMutablePointer<Float>?
    /// `inputGradientCount` floats, written, or nil.
    public var input: UnsafeMutablePointer<Float>?
    /// `scratchCount` floats; nil without a mask.
    public var scratch: UnsafeMutablePointer<Float>?

    public init(
        output: UnsafePointer<Float>? = nil, preActivation: UnsafeMutablePointer<Float>,
        past: UnsafeMutablePointer<Float>? = nil, h: UnsafeMutablePointer<Float>,
        c: UnsafeMutablePointer<Float>? = nil, input: UnsafeMutablePointer<Float>? = nil,
        scratch: UnsafeMutablePointer<Float>? = nil
    ) {
        unsafe self.output = output
        unsafe self.preActivation = preActivation
        unsafe self.past = past
        unsafe self.h = h
        unsafe self.c = c
        unsafe self.input = input
        unsafe self.scratch = scratch
    }

    var cValue: recurrent_cell_gradients {
        unsafe recurrent_cell_gradients(
            dy: output, dgates: preActivation, dpast: past, dh: h, dc: c, dx: input,
            scratch: scratch)
    }
}

extension Kernels {
    /// One time step of `shape.batch` independent sequences. Kernels: each cell's `*_step`, and
    /// `lstm_step_bfloat16`.
    ///
    /// - Parameters:
    ///   - format: of the weights; float32 but for the plain LSTM.
    ///   - x: [B][inputStride].
    ///   - weights: kernel order, `weightCount(format)` words.
    ///   - hPrevious: [B][V], V the padded output size; not `h`.
    ///   - c: [B][U], U the padded hidden size, updated in place; nil of cells that have none.
    ///   - h: [B][V], written.
    ///   - scratch: `scratchCount` floats, or nil where there are none.
    public func cellStep(
        _ shape: some CellShape, _ format: WeightFormat = .float32, x: UnsafePointer<Float>,
        weights: UnsafePointer<Float>, hPrevious: UnsafePointer<Float>,
        c: UnsafeMutablePointer<Float>? = nil, h: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutablePointer<Float>? = nil
    ) {
        var shape = shape.any.cValue
        unsafe recurrent_cell_stream_step(
            table, format == .bfloat16 ? 1 : 0, &shape, x, weights, hPrevious, c, h, scratch)
    }

    /// A whole sequence, filling the tape. Kernels: `*_forward`.
    ///
    /// - Parameters:
    ///   - lengths: [B], steps of each row, or nil where every row has all `shape.steps`.
    ///   - mask: of recurrent dropout, [B][V]; nil without it.
    ///   - x: [T][B][inputStride].
    public func cellForward(
        _ shape: some CellShape, lengths: UnsafePointer<Int>?, mask: UnsafePointer<Float>? = nil,
        x: UnsafePointer<Float>, weights: UnsafePointer<Float>, tape: CellTape,
        partition: Partition = .all
    ) {
        var shape = shape.any.cValue
        var tape = unsafe tape.cValue
        unsafe recurrent_cell_forward(
            table, &shape, lengths, mask, x, weights, &tape, partition.cValue)
    }

    /// The transposed copy of the weights that `cellBackwardData` reads. Kernels: `*_transpose`.
    public func cellTranspose(
        _ shape: some CellShape, weights: UnsafePointer<Float>,
        transposed: UnsafeMutablePointer<Float>, partition: Partition = .all
    ) {
        var shape = shape.any.cValue
        unsafe recurrent_cell_transpose(table, &shape, weights, transposed, partition.cValue)
    }

    /// Backpropagation through time, to the pre-activations, the inputs and the initial state.
    /// Kernels: `*_backward_data`.
    public func cellBackwardData(
        _ shape: some CellShape, lengths: UnsafePointer<Int>?, mask: UnsafePointer<Float>? = nil,
        transposed: UnsafePointer<Float>, tape: CellTape, gradients: CellGradients,
        partition: Partition = .all
    ) {
        var shape = shape.any.cValue
        var tape = unsafe tape.cValue
        var gradients = unsafe gradients.cValue
        unsafe recurrent_cell_backward_data(
            table, &shape, lengths, mask, transposed, &tape, &gradients, partition.cValue)
    }

    /// Adds the gradient with respect to the weights. Kernels: `*_backward_weights`.
    public func cellBackwardWeights(
        _ shape: some CellShape, lengths: UnsafePointer<Int>?, x: UnsafePointer<Float>,
        tape: CellTape, gradients: CellGradients, weightGradient: UnsafeMutablePointer<Float>,
        partition: Partition = .all
    ) {
        var shape = shape.any.cValue
        var tape = unsafe tape.cValue
        var gradients = unsafe gradients.cValue
        unsafe recurrent_cell_backward_weights(
            table, &shape, lengths, x, &tape, &gradients, weightGradient, partition.cValue)
    }
}
