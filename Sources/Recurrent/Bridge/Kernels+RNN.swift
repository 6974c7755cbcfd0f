internal import CRecurrent

/// The dimensions of a plain recurrent layer over a batch of sequences, and its activation.
///
/// C counterpart: `recurrent_rnn_shape`.
public struct RNNShape: Hashable, Sendable {
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
    /// f, one of `Activation.ofCells`.
    public let activation: Activation
    /// Of `leakyReLU`.
    public let negativeSlope: Float

    /// - Precondition: all dimensions are in 1...`ModelShape.largestDimension`, steps × batch is at
    ///   most 2^31, `inputStride`, where given, is at least `inputSize`, the activation is one of
    ///   `Activation.ofCells`, and the slope is in 0...1.
    public init(
        inputSize: Int, hiddenSize: Int, activation: Activation = .tanh,
        negativeSlope: Float = Activation.negativeSlope,
        batch: Int = 1, steps: Int = 1, inputStride: Int? = nil
    ) {
        require(
            isDimension(inputSize) && isDimension(hiddenSize) && isDimension(batch)
                && isDimension(steps) && isRowCount(steps * batch),
            """
            RNN shape: expected dimensions of 1 to \(ModelShape.largestDimension) and at most \
            \(ModelShape.largestRowCount) rows, found input \(inputSize), hidden \(hiddenSize), \
            batch \(batch), steps \(steps)
            """)
        require(
            (inputStride ?? inputSize) >= inputSize && isDimension(inputStride ?? inputSize),
            """
            RNN shape: expected an input stride of \(inputSize) to \
            \(ModelShape.largestDimension), found \(inputStride!)
            """
        )
        self.inputSize = inputSize
        self.hiddenSize = hiddenSize
        require(
            (0...1).contains(negativeSlope),
            "RNN shape: expected a negative slope in 0...1, found \(negativeSlope)")
        require(
            Activation.ofCells.contains(activation),
            """
            RNN shape: expected one of the activations of cells, \
            \(Activation.ofCells.map(\.rawValue).joined(separator: ", ")), found \
            \(activation.rawValue)
            """)
        self.activation = activation
        self.negativeSlope = negativeSlope
        self.batch = batch
        self.steps = steps
        self.inputStride = inputStride ?? inputSize
    }

    var cValue: recurrent_rnn_shape {
        recurrent_rnn_shape(
            input: inputSize, hidden: hiddenSize, batch: batch, steps: steps, x_stride: inputStride,
            activation: activation.cValue, slope: negativeSlope)
    }

    /// Hidden units in whole panels, 16 ⌈H/16⌉: the length of a row of h in memory.
    public var paddedHiddenSize: Int { recurrent_padded(hiddenSize) }
    /// Floats of the weights in kernel order. C counterpart: `recurrent_rnn_weights_floats`.
    public var weightCount: Int { recurrent_rnn_weights_floats(cValue) }
    /// Floats of h at one time step: batch × padded hidden size. C counterpart:
    /// `recurrent_rnn_state_floats`.
    public var stateCount: Int { recurrent_rnn_state_floats(cValue) }
    /// Floats of the tape of h, with slot 0 for the initial state. C counterpart:
    /// `recurrent_rnn_states_floats`.
    public var statesCount: Int { recurrent_rnn_states_floats(cValue) }
    /// Floats of the gradient with respect to the pre-activations of all time steps. C counterpart:
    /// `recurrent_rnn_dz_floats`.
    public var preActivationGradientCount: Int { recurrent_rnn_dz_floats(cValue) }
    /// Floats of the transposed copy of the weights. C counterpart:
    /// `recurrent_rnn_transposed_floats`.
    public var transposedCount: Int { recurrent_rnn_transposed_floats(cValue) }
    /// Floats of the gradient with respect to the inputs. C counterpart: `recurrent_rnn_dx_floats`.
    public var inputGradientCount: Int { recurrent_rnn_dx_floats(cValue) }
}

extension Kernels {
    /// One time step of `shape.batch` independent sequences. Kernel: `rnn_step`.
    ///
    /// - Parameters:
    ///   - x: [B][inputStride].
    ///   - weights: kernel order, `shape.weightCount` floats.
    ///   - hPrevious: [B][U], U the padded hidden size; not `h`.
    ///   - h: [B][U], written.
    public func rnnStep(
        _ shape: RNNShape, x: UnsafePointer<Float>, weights: UnsafePointer<Float>,
        hPrevious: UnsafePointer<Float>,
        h: UnsafeMutablePointer<Float>
    ) {
        var shape = shape.cValue
        unsafe recurrent_rnn_step(table, &shape, x, weights, hPrevious, h)
    }

    /// A whole sequence, filling the tape. Kernel: `rnn_forward`.
    ///
    /// - Parameters:
    ///   - lengths: [B], steps of each row, or nil where every row has all `shape.steps`.
    ///   - x: [T][B][inputStride].
    ///   - h: `statesCount` floats; slot 0 holds the initial state, the others are written.
    ///   - mask, masked: of recurrent dropout, [B][U] in and [T][B][U], written; both nil without
    ///     it.
    public func rnnForward(
        _ shape: RNNShape, lengths: UnsafePointer<Int>?, mask: UnsafePointer<Float>? = nil,
        x: UnsafePointer<Float>,
        weights: UnsafePointer<Float>, h: UnsafeMutablePointer<Float>,
        masked: UnsafeMutablePointer<Float>? = nil,
        share: Share = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.rnn_forward(&shape, lengths, mask, x, weights, h, masked, share.cValue)
    }

    /// The transposed copy of the weights that `rnnBackwardData` reads. Kernel: `rnn_transpose`.
    public func rnnTranspose(
        _ shape: RNNShape, weights: UnsafePointer<Float>, transposed: UnsafeMutablePointer<Float>,
        share: Share = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.rnn_transpose(&shape, weights, transposed, share.cValue)
    }

    /// Backpropagation through time, to the pre-activations, the inputs and the initial state.
    /// Kernel: `rnn_backward_data`.
    ///
    /// - Parameters:
    ///   - outputGradient: [T][B][U], the loss's gradient with respect to each h, or nil for zero.
    ///   - preActivationGradient: `preActivationGradientCount` floats, written.
    ///   - dh: [B][U]; the gradient with respect to the final state in, by the initial state out.
    ///   - inputGradient: `inputGradientCount` floats, written, or nil.
    public func rnnBackwardData(
        _ shape: RNNShape, lengths: UnsafePointer<Int>?, mask: UnsafePointer<Float>? = nil,
        transposed: UnsafePointer<Float>,
        h: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>?,
        preActivationGradient: UnsafeMutablePointer<Float>,
        dh: UnsafeMutablePointer<Float>, inputGradient: UnsafeMutablePointer<Float>?,
        share: Share = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.rnn_backward_data(
            &shape, lengths, mask, transposed, h, outputGradient, preActivationGradient, dh,
            inputGradient,
            share.cValue)
    }

    /// Adds the gradient with respect to the weights; with recurrent dropout, `h` is `masked`.
    /// Kernel: `rnn_backward_weights`.
    public func rnnBackwardWeights(
        _ shape: RNNShape, lengths: UnsafePointer<Int>?, x: UnsafePointer<Float>,
        h: UnsafePointer<Float>,
        preActivationGradient: UnsafePointer<Float>, weightGradient: UnsafeMutablePointer<Float>,
        share: Share = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.rnn_backward_weights(
            &shape, lengths, x, h, preActivationGradient, weightGradient, share.cValue)
    }
}
