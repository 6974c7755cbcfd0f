internal import CRecurrent

/// The definitions of the GRU that are in use, with r, z = σ(W x + U h + b) in all of them. Their
/// weights do not fit one another.
///
/// C counterpart: `recurrent_gru_definition`.
public enum GRUDefinition: String, CaseIterable, Sendable {
    /// n = tanh(W x + b + r∘(U h + b′)), h = (1 - z)∘n + z∘h: PyTorch, Keras by default, cuDNN.
    case resetAfter
    /// n = tanh(W x + U (r∘h) + b), h = (1 - z)∘n + z∘h: Cho et al. 2014, equations 5 to 8.
    case resetBefore
    /// n = σ(W x + U (r∘h) + b), h = (1 - z)∘h + z∘n: the lecture form s = (1 - i)∘s + i∘s̃, where
    /// o is r, i is z and s̃ is n.
    case lecture

    var cValue: recurrent_gru_definition {
        switch self {
        case .resetAfter: recurrent_gru_reset_after
        case .resetBefore: recurrent_gru_reset_before
        case .lecture: recurrent_gru_lecture
        }
    }
}

/// The dimensions of a GRU layer over a batch of sequences, and its definition.
///
/// C counterpart: `recurrent_gru_shape`.
public struct GRUShape: Hashable, Sendable {
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
    public let definition: GRUDefinition

    /// - Precondition: all dimensions are in 1...`ModelShape.largestDimension`, steps × batch is at
    ///   most 2^31, and `inputStride`, where given, is at least `inputSize`.
    public init(
        inputSize: Int, hiddenSize: Int, definition: GRUDefinition = .resetAfter, batch: Int = 1,
        steps: Int = 1, inputStride: Int? = nil
    ) {
        require(
            isDimension(inputSize) && isDimension(hiddenSize) && isDimension(batch)
                && isDimension(steps) && isRowCount(steps * batch),
            """
            GRU shape: expected dimensions of 1 to \(ModelShape.largestDimension) and at most \
            \(ModelShape.largestRowCount) rows, found input \(inputSize), hidden \(hiddenSize), \
            batch \(batch), steps \(steps)
            """)
        require(
            (inputStride ?? inputSize) >= inputSize && isDimension(inputStride ?? inputSize),
            """
            GRU shape: expected an input stride of \(inputSize) to \
            \(ModelShape.largestDimension), found \(inputStride!)
            """
        )
        self.inputSize = inputSize
        self.hiddenSize = hiddenSize
        self.definition = definition
        self.batch = batch
        self.steps = steps
        self.inputStride = inputStride ?? inputSize
    }

    var cValue: recurrent_gru_shape {
        recurrent_gru_shape(
            input: inputSize, hidden: hiddenSize, batch: batch, steps: steps, x_stride: inputStride,
            definition: definition.cValue)
    }

    /// Hidden units in whole panels, 16 ⌈H/16⌉: the length of a row of h in memory.
    public var paddedHiddenSize: Int { recurrent_padded(hiddenSize) }
    /// Floats of the weights in kernel order. C counterpart: `recurrent_gru_weights_floats`.
    public var weightCount: Int { recurrent_gru_weights_floats(cValue) }
    /// Floats of h at one time step: batch × padded hidden size. C counterpart:
    /// `recurrent_gru_state_floats`.
    public var stateCount: Int { recurrent_gru_state_floats(cValue) }
    /// Floats of the tape of h, with slot 0 for the initial state. C counterpart:
    /// `recurrent_gru_states_floats`.
    public var statesCount: Int { recurrent_gru_states_floats(cValue) }
    /// Floats of the tape of the gates r z n, and of their gradient. C counterpart:
    /// `recurrent_gru_gates_floats`.
    public var gatesCount: Int { recurrent_gru_gates_floats(cValue) }
    /// Floats of the tape of what the candidate takes from h, and of its gradient. C counterpart:
    /// `recurrent_gru_past_floats`.
    public var pastCount: Int { recurrent_gru_past_floats(cValue) }
    /// Floats of a step's scratch. C counterpart: `recurrent_gru_scratch_floats`.
    public var scratchCount: Int { recurrent_gru_scratch_floats(cValue) }
    /// Floats of the transposed copy of the weights. C counterpart:
    /// `recurrent_gru_transposed_floats`.
    public var transposedCount: Int { recurrent_gru_transposed_floats(cValue) }
    /// Floats of the gradient with respect to the inputs. C counterpart: `recurrent_gru_dx_floats`.
    public var inputGradientCount: Int { recurrent_gru_dx_floats(cValue) }
}

extension Kernels {
    /// One time step of `shape.batch` independent sequences. Kernel: `gru_step`.
    ///
    /// - Parameters:
    ///   - x: [B][inputStride].
    ///   - weights: kernel order, `shape.weightCount` floats.
    ///   - hPrevious: [B][U], U the padded hidden size; not `h`.
    ///   - h: [B][U], written.
    ///   - scratch: `scratchCount` floats.
    public func gruStep(
        _ shape: GRUShape, x: UnsafePointer<Float>, weights: UnsafePointer<Float>,
        hPrevious: UnsafePointer<Float>,
        h: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
    ) {
        var shape = shape.cValue
        unsafe recurrent_gru_step(table, &shape, x, weights, hPrevious, h, scratch)
    }

    /// A whole sequence, filling the tape. Kernel: `gru_forward`.
    ///
    /// - Parameters:
    ///   - lengths: [B], steps of each row, or nil where every row has all `shape.steps`.
    ///   - x: [T][B][inputStride].
    ///   - gates: `gatesCount` floats, written: r z n, activated.
    ///   - past: `pastCount` floats, written.
    ///   - h: `statesCount` floats; slot 0 holds the initial state, the others are written.
    ///   - mask, masked: of recurrent dropout, [B][U] in and [T][B][U], written; both nil without
    ///     it.
    public func gruForward(
        _ shape: GRUShape, lengths: UnsafePointer<Int>?, mask: UnsafePointer<Float>? = nil,
        x: UnsafePointer<Float>,
        weights: UnsafePointer<Float>, gates: UnsafeMutablePointer<Float>,
        past: UnsafeMutablePointer<Float>,
        h: UnsafeMutablePointer<Float>, masked: UnsafeMutablePointer<Float>? = nil,
        share: Share = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.gru_forward(
            &shape, lengths, mask, x, weights, gates, past, h, masked, share.cValue)
    }

    /// The transposed copy of the weights that `gruBackwardData` reads. Kernel: `gru_transpose`.
    public func gruTranspose(
        _ shape: GRUShape, weights: UnsafePointer<Float>, transposed: UnsafeMutablePointer<Float>,
        share: Share = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.gru_transpose(&shape, weights, transposed, share.cValue)
    }

    /// Backpropagation through time, to the gates, the inputs and the initial state. Kernel:
    /// `gru_backward_data`.
    ///
    /// - Parameters:
    ///   - gates, past, h, masked: the tape.
    ///   - outputGradient: [T][B][U], the loss's gradient with respect to each h, or nil for zero.
    ///   - gateGradient: `gatesCount` floats, written: by the pre-activations.
    ///   - pastGradient: `pastCount` floats, written.
    ///   - dh: [B][U]; the gradient with respect to the final state in, by the initial state out.
    ///   - inputGradient: `inputGradientCount` floats, written, or nil.
    ///   - scratch: `stateCount` floats; nil without a mask.
    public func gruBackwardData(
        _ shape: GRUShape, lengths: UnsafePointer<Int>?, mask: UnsafePointer<Float>? = nil,
        transposed: UnsafePointer<Float>,
        gates: UnsafePointer<Float>, past: UnsafePointer<Float>, h: UnsafePointer<Float>,
        masked: UnsafePointer<Float>? = nil, outputGradient: UnsafePointer<Float>?,
        gateGradient: UnsafeMutablePointer<Float>, pastGradient: UnsafeMutablePointer<Float>,
        dh: UnsafeMutablePointer<Float>, inputGradient: UnsafeMutablePointer<Float>?,
        scratch: UnsafeMutablePointer<Float>? = nil, share: Share = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.gru_backward_data(
            &shape, lengths, mask, transposed, gates, past, h, masked, outputGradient, gateGradient,
            pastGradient, dh, inputGradient, scratch, share.cValue)
    }

    /// Adds the gradient with respect to the weights; with recurrent dropout, `h` is `masked`.
    /// Kernel: `gru_backward_weights`.
    public func gruBackwardWeights(
        _ shape: GRUShape, lengths: UnsafePointer<Int>?, x: UnsafePointer<Float>,
        past: UnsafePointer<Float>,
        h: UnsafePointer<Float>, gateGradient: UnsafePointer<Float>,
        pastGradient: UnsafePointer<Float>,
        weightGradient: UnsafeMutablePointer<Float>, share: Share = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.gru_backward_weights(
            &shape, lengths, x, past, h, gateGradient, pastGradient, weightGradient, share.cValue)
    }
}
