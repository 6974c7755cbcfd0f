internal import RecurrentFormats

/// The dimensions of one direction of a recurrent layer, whatever its cell.
enum CellShape: Hashable, Sendable {
    case lstm(LSTMShape)
    case gru(GRUShape)
    case rnn(RNNShape)

    init(_ layer: RecurrentLayer, inputSize: Int, batch: Int, steps: Int, inputStride: Int) {
        let hiddenSize = layer.hiddenSize
        self =
            switch layer.cell {
            case .lstm(let variant):
                .lstm(
                    LSTMShape(
                        inputSize: inputSize, hiddenSize: hiddenSize, variant: variant,
                        batch: batch, steps: steps, inputStride: inputStride))
            case .gru(let definition):
                .gru(
                    GRUShape(
                        inputSize: inputSize, hiddenSize: hiddenSize, definition: definition,
                        batch: batch, steps: steps, inputStride: inputStride))
            case .rnn(let activation):
                .rnn(
                    RNNShape(
                        inputSize: inputSize, hiddenSize: hiddenSize, activation: activation,
                        batch: batch, steps: steps, inputStride: inputStride))
            }
    }

    var inputSize: Int {
        switch self {
        case .lstm(let shape): shape.inputSize
        case .gru(let shape): shape.inputSize
        case .rnn(let shape): shape.inputSize
        }
    }

    /// Units of h.
    var outputSize: Int {
        switch self {
        case .lstm(let shape): shape.outputSize
        case .gru(let shape): shape.hiddenSize
        case .rnn(let shape): shape.hiddenSize
        }
    }

    /// Of the weights in kernel order, in a format; only those of an LSTM can be rounded.
    func weightCount(_ format: WeightFormat) -> Int {
        switch self {
        case .lstm(let shape): shape.weightCount(format)
        case .gru(let shape): shape.weightCount
        case .rnn(let shape): shape.weightCount
        }
    }

    /// h at one time step.
    var outputCount: Int {
        switch self {
        case .lstm(let shape): shape.outputCount
        case .gru(let shape): shape.stateCount
        case .rnn(let shape): shape.stateCount
        }
    }

    /// The tape of h: slot 0 is the initial state.
    var outputsCount: Int {
        switch self {
        case .lstm(let shape): shape.outputsCount
        case .gru(let shape): shape.statesCount
        case .rnn(let shape): shape.statesCount
        }
    }

    /// h of each sequence, to which a mask of recurrent dropout belongs.
    var outputRows: RowsShape {
        RowsShape(rows: outputCount / padded(outputSize), units: outputSize)
    }

    /// c at one time step, and its tape; none but in an LSTM.
    var stateCount: Int { if case .lstm(let shape) = self { shape.stateCount } else { 0 } }
    var statesCount: Int { if case .lstm(let shape) = self { shape.statesCount } else { 0 } }

    /// Rows of c at one time step, where there is one, and of h: one of each sequence.
    var stateRows: PaddedRows? {
        if case .lstm(let shape) = self {
            PaddedRows(count: shape.batch, units: shape.hiddenSize)
        } else {
            nil
        }
    }
    var hiddenRows: PaddedRows { PaddedRows(count: outputRows.rows, units: outputSize) }

    /// What is carried from segment to segment: c, where there is one, and h.
    var carriedCount: Int { stateCount + outputCount }

    /// The tape of the activated gates; a plain layer's h says all.
    var gatesCount: Int {
        switch self {
        case .lstm(let shape): shape.gatesCount
        case .gru(let shape): shape.gatesCount
        case .rnn: 0
        }
    }

    /// The gradient with respect to the pre-activations.
    var gatesGradientCount: Int {
        switch self {
        case .lstm(let shape): shape.gatesGradientCount
        case .gru: gatesCount
        case .rnn(let shape): shape.preActivationGradientCount
        }
    }

    /// The tape of what a GRU's candidate takes from h, and its gradient.
    var pastCount: Int { if case .gru(let shape) = self { shape.pastCount } else { 0 } }

    var transposedCount: Int {
        switch self {
        case .lstm(let shape): shape.transposedCount
        case .gru(let shape): shape.transposedCount
        case .rnn(let shape): shape.transposedCount
        }
    }

    /// Of a time step for inference.
    var stepScratchCount: Int {
        switch self {
        case .lstm(let shape): shape.scratchCount
        case .gru(let shape): shape.scratchCount
        case .rnn: 0
        }
    }
}

extension CellShape {
    /// Writes weights in kernel order, in a format; only those of an LSTM can be rounded.
    func pack(
        _ weights: CellWeights, _ format: WeightFormat, to memory: UnsafeMutablePointer<Float>
    ) {
        let words = unsafe UnsafeMutableBufferPointer(start: memory, count: weightCount(format))
        var span = unsafe words.mutableSpan
        switch self {
        case .lstm(let shape): shape.pack(weights, format, to: &span)
        case .gru(let shape): shape.pack(weights, to: &span)
        case .rnn(let shape): shape.pack(weights, to: &span)
        }
    }

    /// Returns weights of float32 in kernel order as PyTorch has them.
    func unpack(_ memory: UnsafePointer<Float>) -> CellWeights {
        let floats = unsafe UnsafeBufferPointer(start: memory, count: weightCount(.float32))
        let span = unsafe floats.span
        return switch self {
        case .lstm(let shape): shape.unpack(span)
        case .gru(let shape): shape.unpack(span)
        case .rnn(let shape): shape.unpack(span)
        }
    }
}

extension CellWeights {
    /// Traps where a number, or the sum of two biases, is NaN or infinite.
    func requireFinite() {
        for (name, values) in [
            ("weightIH", weightIH), ("weightHH", weightHH),
            ("biasIH + biasHH", zip(biasIH, biasHH).map(+)), ("weightHR", weightHR),
            ("peepholes", peepholes),
        ] { Recurrent.requireFinite(values, name) }
    }
}

extension Kernels {
    /// One time step for inference; buffers as in `lstmStep` and `gruStep`.
    func step(
        _ cell: CellShape, _ format: WeightFormat, x: UnsafePointer<Float>,
        weights: UnsafePointer<Float>, hPrevious: UnsafePointer<Float>,
        c: UnsafeMutablePointer<Float>, h: UnsafeMutablePointer<Float>,
        scratch: UnsafeMutablePointer<Float>
    ) {
        switch cell {
        case .lstm(let shape):
            unsafe lstmStep(
                shape, format, x: x, weights: weights, hPrevious: hPrevious, c: c, h: h,
                scratch: scratch)
        case .gru(let shape):
            unsafe gruStep(
                shape, x: x, weights: weights, hPrevious: hPrevious, h: h, scratch: scratch)
        case .rnn(let shape):
            unsafe rnnStep(shape, x: x, weights: weights, hPrevious: hPrevious, h: h)
        }
    }
}

/// Recurrent dropout of one direction of a layer: one mask for all time steps of a segment.
@safe struct RecurrentDropoutPass {
    /// Tape: [B][V], and what it leaves of h, [T][B][V].
    let mask: UnsafeMutablePointer<Float>, masked: UnsafeMutablePointer<Float>
    /// Of a GRU's backward pass.
    let scratch: UnsafeMutablePointer<Float>
}

/// One direction of a recurrent layer in training: its weights, its tape, and the scratch that all
/// cells share.
@safe struct CellPass {
    let shape: CellShape
    let weights: UnsafePointer<Float>, weightGradient: UnsafeMutablePointer<Float>
    /// Tape. c and past are not there in every cell: then nothing is read or written.
    let gates: UnsafeMutablePointer<Float>, c: UnsafeMutablePointer<Float>,
        past: UnsafeMutablePointer<Float>, h: UnsafeMutablePointer<Float>
    /// Scratch.
    let gatesGradient: UnsafeMutablePointer<Float>, pastGradient: UnsafeMutablePointer<Float>
    let dh: UnsafeMutablePointer<Float>, dc: UnsafeMutablePointer<Float>,
        transposed: UnsafeMutablePointer<Float>
    /// Where there is recurrent dropout.
    let dropout: RecurrentDropoutPass?

    /// h of each step, slot 0 left out: [T][B][V].
    var hidden: UnsafeMutablePointer<Float> { unsafe h + shape.outputCount }

    /// - Parameter drops: whether the mask of recurrent dropout is used, where there is one.
    func forward(
        _ kernels: Kernels, lengths: UnsafePointer<Int>?, x: UnsafePointer<Float>, drops: Bool,
        _ share: Share
    ) {
        let mask = unsafe drops ? dropout?.mask : nil
        let masked = unsafe drops ? dropout?.masked : nil
        switch shape {
        case .lstm(let shape):
            unsafe kernels.lstmForward(
                shape, lengths: lengths, mask: mask, x: x, weights: weights, gates: gates, c: c,
                h: h, masked: masked,
                share: share)
        case .gru(let shape):
            unsafe kernels.gruForward(
                shape, lengths: lengths, mask: mask, x: x, weights: weights, gates: gates,
                past: past, h: h, masked: masked,
                share: share)
        case .rnn(let shape):
            unsafe kernels.rnnForward(
                shape, lengths: lengths, mask: mask, x: x, weights: weights, h: h, masked: masked,
                share: share)
        }
    }

    /// What the backward pass needs beside the gradient with respect to the output.
    func prepareBackward(_ kernels: Kernels, _ share: Share) {
        switch shape {
        case .lstm(let shape):
            unsafe kernels.lstmTranspose(
                shape, weights: weights, transposed: transposed, share: share)
        case .gru(let shape):
            unsafe kernels.gruTranspose(
                shape, weights: weights, transposed: transposed, share: share)
        case .rnn(let shape):
            unsafe kernels.rnnTranspose(
                shape, weights: weights, transposed: transposed, share: share)
        }
        unsafe kernels.fill(shape.outputCount, 0, x: dh, share: share)
        unsafe kernels.fill(shape.stateCount, 0, x: dc, share: share)
    }

    func backwardData(
        _ kernels: Kernels, lengths: UnsafePointer<Int>?, outputGradient: UnsafePointer<Float>,
        inputGradient: UnsafeMutablePointer<Float>?, _ share: Share
    ) {
        let mask = unsafe dropout?.mask
        switch shape {
        case .lstm(let shape):
            unsafe kernels.lstmBackwardData(
                shape, lengths: lengths, mask: mask, transposed: transposed, gates: gates, c: c,
                outputGradient: outputGradient, gatesGradient: gatesGradient, dh: dh, dc: dc,
                inputGradient: inputGradient, share: share)
        case .gru(let shape):
            unsafe kernels.gruBackwardData(
                shape, lengths: lengths, mask: mask, transposed: transposed, gates: gates,
                past: past, h: h,
                masked: dropout?.masked, outputGradient: outputGradient,
                gateGradient: gatesGradient,
                pastGradient: pastGradient, dh: dh, inputGradient: inputGradient,
                scratch: dropout?.scratch,
                share: share)
        case .rnn(let shape):
            unsafe kernels.rnnBackwardData(
                shape, lengths: lengths, mask: mask, transposed: transposed, h: h,
                outputGradient: outputGradient,
                preActivationGradient: gatesGradient, dh: dh, inputGradient: inputGradient,
                share: share)
        }
    }

    func backwardWeights(
        _ kernels: Kernels, lengths: UnsafePointer<Int>?, x: UnsafePointer<Float>, _ share: Share
    ) {
        let h = unsafe dropout?.masked ?? h
        switch shape {
        case .lstm(let shape):
            unsafe kernels.lstmBackwardWeights(
                shape, lengths: lengths, x: x, gates: gates, c: c, h: h,
                gatesGradient: gatesGradient,
                weightGradient: weightGradient, share: share)
        case .gru(let shape):
            unsafe kernels.gruBackwardWeights(
                shape, lengths: lengths, x: x, past: past, h: h, gateGradient: gatesGradient,
                pastGradient: pastGradient, weightGradient: weightGradient, share: share)
        case .rnn(let shape):
            unsafe kernels.rnnBackwardWeights(
                shape, lengths: lengths, x: x, h: h, preActivationGradient: gatesGradient,
                weightGradient: weightGradient, share: share)
        }
    }
}
