internal import CRecurrent

/// The dimensions of an LSTM layer over a batch of sequences.
///
/// C counterpart: `recurrent_lstm_shape`.
public struct LSTMShape: Hashable, Sendable {
    /// I, features of the input.
    public let inputSize: Int
    /// H, hidden units.
    public let hiddenSize: Int
    /// B, sequences side by side.
    public let batch: Int
    /// T, time steps.
    public let steps: Int
    /// Floats from one input row to the next.
    public let inputStride: Int
    public let variant: LSTMVariant

    /// - Precondition: all dimensions are in 1...`ModelShape.largestDimension`, steps × batch is at
    ///   most 2^31, and `inputStride`, where given, is at least `inputSize`.
    public init(
        inputSize: Int, hiddenSize: Int, variant: LSTMVariant = .plain, batch: Int = 1,
        steps: Int = 1, inputStride: Int? = nil
    ) {
        require(
            isDimension(inputSize) && isDimension(hiddenSize) && isDimension(batch)
                && isDimension(steps) && isRowCount(steps * batch),
            """
            LSTM shape: expected dimensions of 1 to \(ModelShape.largestDimension) and at most \
            \(ModelShape.largestRowCount) rows, found input \(inputSize), hidden \(hiddenSize), \
            batch \(batch), steps \(steps)
            """)
        require(
            (inputStride ?? inputSize) >= inputSize && isDimension(inputStride ?? inputSize),
            """
            LSTM shape: expected an input stride of \(inputSize) to \
            \(ModelShape.largestDimension), found \(inputStride!)
            """
        )
        self.inputSize = inputSize
        self.hiddenSize = hiddenSize
        self.batch = batch
        self.steps = steps
        self.inputStride = inputStride ?? inputSize
        self.variant = variant
    }

    var cValue: recurrent_lstm_shape {
        recurrent_lstm_shape(
            input: inputSize, hidden: hiddenSize, batch: batch, steps: steps, x_stride: inputStride,
            variant: variant.cValue)
    }

    /// Hidden units in whole panels, 16 ⌈H/16⌉: the length of a row of c in memory.
    public var paddedHiddenSize: Int { recurrent_padded(hiddenSize) }
    /// Units of h: those of its projection, or the hidden ones.
    public var outputSize: Int { variant.projectionSize ?? hiddenSize }
    /// The length of a row of h in memory: `outputSize` in whole panels.
    public var paddedOutputSize: Int { recurrent_padded(outputSize) }
    /// Floats of the weights in kernel order. C counterpart: `recurrent_lstm_weights_floats`.
    public var weightCount: Int { recurrent_lstm_weights_floats(cValue) }
    /// The same in a format, in 32-bit words. C counterpart of bfloat16:
    /// `recurrent_lstm_bfloat16_floats`.
    ///
    /// - Precondition: another variant than the plain one has weights in float32.
    public func weightCount(_ format: WeightFormat) -> Int {
        switch format {
        case .float32: return weightCount
        case .bfloat16:
            require(variant == .plain, "bfloat16 weights: expected the plain variant of the LSTM")
            return recurrent_lstm_bfloat16_floats(cValue)
        }
    }
    /// Floats of c at one time step: batch × padded hidden size. C counterpart:
    /// `recurrent_lstm_state_floats`.
    public var stateCount: Int { recurrent_lstm_state_floats(cValue) }
    /// Floats of the tape of c, with slot 0 for the initial state. C counterpart:
    /// `recurrent_lstm_states_floats`.
    public var statesCount: Int { recurrent_lstm_states_floats(cValue) }
    /// Floats of h at one time step: batch × padded output size. C counterpart:
    /// `recurrent_lstm_output_floats`.
    public var outputCount: Int { recurrent_lstm_output_floats(cValue) }
    /// Floats of the tape of h, with slot 0 for the initial state. C counterpart:
    /// `recurrent_lstm_outputs_floats`.
    public var outputsCount: Int { recurrent_lstm_outputs_floats(cValue) }
    /// Floats of a step's scratch: none where h is not projected. C counterpart:
    /// `recurrent_lstm_scratch_floats`.
    public var scratchCount: Int { recurrent_lstm_scratch_floats(cValue) }
    /// Floats of the gates of all time steps, and of what is projected. C counterpart:
    /// `recurrent_lstm_gates_floats`.
    public var gatesCount: Int { recurrent_lstm_gates_floats(cValue) }
    /// Floats of the gradient with respect to the gates of all time steps, and by what is a
    /// projection. C counterpart: `recurrent_lstm_gates_gradient_floats`.
    public var gatesGradientCount: Int { recurrent_lstm_gates_gradient_floats(cValue) }
    /// Floats of the transposed copy of the weights. C counterpart:
    /// `recurrent_lstm_transposed_floats`.
    public var transposedCount: Int { recurrent_lstm_transposed_floats(cValue) }
    /// Floats of the gradient with respect to the inputs. C counterpart:
    /// `recurrent_lstm_dx_floats`.
    public var inputGradientCount: Int { recurrent_lstm_dx_floats(cValue) }
}

extension Kernels {
    /// One time step of `shape.batch` independent sequences. Kernels: `lstm_step`,
    /// `lstm_step_bfloat16`.
    ///
    /// - Parameters:
    ///   - format: of the weights; float32 but for the plain variant.
    ///   - x: [B][inputStride].
    ///   - weights: kernel order, `weightCount(format)` words.
    ///   - hPrevious: [B][V], V the padded output size; not `h`.
    ///   - c: [B][U], U the padded hidden size, updated in place.
    ///   - h: [B][V], written.
    ///   - scratch: `scratchCount` floats, or nil where there are none.
    public func lstmStep(
        _ shape: LSTMShape, _ format: WeightFormat = .float32, x: UnsafePointer<Float>,
        weights: UnsafePointer<Float>,
        hPrevious: UnsafePointer<Float>, c: UnsafeMutablePointer<Float>,
        h: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutablePointer<Float>? = nil
    ) {
        var shape = shape.cValue
        unsafe recurrent_lstm_step(
            table, format == .bfloat16 ? 1 : 0, &shape, x, weights, hPrevious, c, h, scratch)
    }

    /// A whole sequence, filling the tape. Kernel: `lstm_forward`.
    ///
    /// - Parameters:
    ///   - lengths: [B], steps of each row, or nil where every row has all `shape.steps`.
    ///   - x: [T][B][inputStride].
    ///   - gates: `gatesCount` floats, written.
    ///   - c, h: `statesCount` and `outputsCount` floats; slot 0 holds the initial state, the
    ///     others are written.
    ///   - mask, masked: of recurrent dropout, [B][V] in and [T][B][V], written; both nil without
    ///     it.
    public func lstmForward(
        _ shape: LSTMShape, lengths: UnsafePointer<Int>?, mask: UnsafePointer<Float>? = nil,
        x: UnsafePointer<Float>,
        weights: UnsafePointer<Float>, gates: UnsafeMutablePointer<Float>,
        c: UnsafeMutablePointer<Float>,
        h: UnsafeMutablePointer<Float>, masked: UnsafeMutablePointer<Float>? = nil,
        share: Share = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.lstm_forward(
            &shape, lengths, mask, x, weights, gates, c, h, masked, share.cValue)
    }

    /// The transposed copy of the weights that `lstmBackwardData` reads. Kernel: `lstm_transpose`.
    public func lstmTranspose(
        _ shape: LSTMShape, weights: UnsafePointer<Float>, transposed: UnsafeMutablePointer<Float>,
        share: Share = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.lstm_transpose(&shape, weights, transposed, share.cValue)
    }

    /// Backpropagation through time, to the gates, the inputs and the initial state. Kernel:
    /// `lstm_backward_data`.
    ///
    /// - Parameters:
    ///   - outputGradient: [T][B][V], the loss's gradient with respect to each h, or nil for zero.
    ///   - gatesGradient: `gatesGradientCount` floats, written.
    ///   - dh, dc: [B][V] and [B][U]; the gradient with respect to the final state in, by the
    ///     initial state out.
    ///   - inputGradient: `inputGradientCount` floats, written, or nil.
    public func lstmBackwardData(
        _ shape: LSTMShape, lengths: UnsafePointer<Int>?, mask: UnsafePointer<Float>? = nil,
        transposed: UnsafePointer<Float>,
        gates: UnsafePointer<Float>, c: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>?,
        gatesGradient: UnsafeMutablePointer<Float>, dh: UnsafeMutablePointer<Float>,
        dc: UnsafeMutablePointer<Float>,
        inputGradient: UnsafeMutablePointer<Float>?, share: Share = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.lstm_backward_data(
            &shape, lengths, mask, transposed, gates, c, outputGradient, gatesGradient, dh, dc,
            inputGradient, share.cValue)
    }

    /// Adds the gradient with respect to the weights. Kernel: `lstm_backward_weights`.
    ///
    /// - Parameters:
    ///   - gates: the tape; may be nil where h is not projected.
    ///   - c: the tape; may be nil without peepholes.
    ///   - h: the tape, or `masked` with recurrent dropout.
    public func lstmBackwardWeights(
        _ shape: LSTMShape, lengths: UnsafePointer<Int>?, x: UnsafePointer<Float>,
        gates: UnsafePointer<Float>? = nil, c: UnsafePointer<Float>? = nil, h: UnsafePointer<Float>,
        gatesGradient: UnsafePointer<Float>, weightGradient: UnsafeMutablePointer<Float>,
        share: Share = .all
    ) {
        require(
            unsafe (gates != nil || shape.variant.projectionSize == nil)
                && (c != nil || !shape.variant.hasPeepholes),
            "LSTM: the gradient with respect to the weights of \(shape.variant) needs the tape")
        var shape = shape.cValue
        unsafe table.pointee.lstm_backward_weights(
            &shape, lengths, x, gates, c, h, gatesGradient, weightGradient, share.cValue)
    }
}
