/// The second direction of a bidirectional layer, and what the two need to read one input and give
/// one output.
@safe struct ReversePass {
    let cell: CellPass
    /// Tape: the input against time, and the outputs of both directions side by side.
    let reversedInput: UnsafeMutablePointer<Float>, joined: UnsafeMutablePointer<Float>
    /// Scratch: the gradient with respect to the output of one direction, and by the reversed
    /// input, which is null where the input is not learned.
    let outputGradient: UnsafeMutablePointer<Float>, inputGradient: UnsafeMutablePointer<Float>?
    /// The input and its gradient against time; the columns of a direction, into the joined rows
    /// and out of them, in their time.
    let input: SequenceShape, inputBack: SequenceShape
    let join: (SequenceShape, SequenceShape), split: (SequenceShape, SequenceShape)

    init(
        cell: CellPass, layer: RecurrentLayer, batch: Int, steps: Int, inputStride: Int,
        reversedInput: UnsafeMutablePointer<Float>,
        joined: UnsafeMutablePointer<Float>, outputGradient: UnsafeMutablePointer<Float>,
        inputGradient: UnsafeMutablePointer<Float>?
    ) {
        self.cell = cell
        unsafe self.reversedInput = reversedInput
        unsafe self.joined = joined
        unsafe self.outputGradient = outputGradient
        unsafe self.inputGradient = inputGradient
        let units = layer.unitCount
        let row = padded(layer.outputSize)
        let inputs = cell.shape.inputSize
        input = SequenceShape(
            steps: steps, batch: batch, units: inputs, width: inputs, inputStride: inputStride,
            outputStride: inputStride,
            isReversed: true)
        inputBack = SequenceShape(steps: steps, batch: batch, units: inputs, isReversed: true)
        // The first direction ends where the second one begins, which writes the zeros behind both.
        join = (
            SequenceShape(
                steps: steps, batch: batch, units: units, width: units, outputStride: row),
            SequenceShape(
                steps: steps, batch: batch, units: units, width: row - units, outputStride: row,
                isReversed: true)
        )
        split = (
            SequenceShape(steps: steps, batch: batch, units: units, inputStride: row),
            SequenceShape(
                steps: steps, batch: batch, units: units, inputStride: row, isReversed: true)
        )
    }
}

/// One recurrent layer's pointers into the arena.
@safe struct LayerPass {
    let cell: CellPass
    let reverse: ReversePass?
    /// Tape: the output after dropout.
    let dropped: UnsafeMutablePointer<Float>?
    /// The state at the end of the last segment, c before h: of the training text, then of the text
    /// that is evaluated. A second direction begins each segment at rest.
    let carried: (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>)
    /// The loss's gradient with respect to this layer's output, and, unless the layer is the lowest
    /// and its input is not learned, by its input.
    let outputGradient: UnsafeMutablePointer<Float>, inputGradient: UnsafeMutablePointer<Float>?
    /// All rows of the output.
    let rows: RowsShape

    init(
        _ shape: ModelShape, _ layout: TrainingLayout, _ index: Int, batch: Int, steps: Int,
        base: UnsafeMutablePointer<Float>,
        parameters: UnsafePointer<Float>
    ) {
        let layer = layout.layers[index]
        let above = layout.layers.count - 1 - index
        let inputIsLearned = index > 0 || layout.features != nil
        func pass(_ cell: CellLayout, _ direction: Int) -> CellPass {
            let weights = layout.parameters.cells[index][direction]
            return unsafe CellPass(
                shape: cell.shape, weights: parameters + weights,
                weightGradient: base + layout.gradients + weights,
                tape: CellTape(
                    h: base + cell.h, c: base + cell.c, gates: base + cell.gates,
                    past: base + cell.past,
                    masked: cell.dropout.map { unsafe base + $0.masked }),
                gradients: CellGradients(
                    preActivation: base + layout.gatesGradient, past: base + layout.pastGradient,
                    h: base + layout.dh, c: base + layout.dc,
                    scratch: cell.dropout.map { _ in unsafe base + layout.dropoutScratch }),
                transposed: base + layout.transposed,
                mask: cell.dropout.map { unsafe base + $0.mask })
        }
        cell = pass(layer.cell, 0)
        reverse = layer.reverse.map {
            unsafe ReversePass(
                cell: pass($0, 1), layer: layer.layer, batch: batch, steps: steps,
                inputStride: shape.inputStride(of: index),
                reversedInput: base + layer.reversedInput!, joined: base + layer.joined!,
                outputGradient: base + layout.directionGradient,
                inputGradient: inputIsLearned ? base + layout.reversedGradient : nil)
        }
        unsafe dropped = layer.dropped.map { unsafe base + $0 }
        unsafe carried = (base + layer.carried[0], base + layer.carried[1])
        unsafe outputGradient = base + layout.between[above % 2]
        unsafe inputGradient = inputIsLearned ? base + layout.between[(above + 1) % 2] : nil
        rows = RowsShape(rows: batch * steps, units: layer.layer.outputSize)
    }

    /// Before dropout: [T][B][16 ⌈outputs/16⌉].
    private var undropped: UnsafeMutablePointer<Float> { unsafe reverse?.joined ?? cell.hidden }

    /// What the layer above reads.
    func output(drops: Bool) -> UnsafePointer<Float> {
        unsafe UnsafePointer(drops ? dropped! : undropped)
    }

    /// The masks of recurrent dropout, from ones: of a direction by `counter`, of the other by the
    /// next one.
    func makeMasks(
        _ kernels: Kernels, seed: UInt64, counter: UInt64, probability: Float,
        _ partition: Partition
    ) {
        makeMask(
            cell, kernels, DropoutMask(seed: seed, counter: counter, probability: probability),
            partition)
        if let reverse {
            makeMask(
                reverse.cell, kernels,
                DropoutMask(seed: seed, counter: counter + 1, probability: probability), partition)
        }
        partition.wait()
    }

    private func makeMask(
        _ cell: CellPass, _ kernels: Kernels, _ mask: DropoutMask, _ partition: Partition
    ) {
        let floats = unsafe cell.mask!
        unsafe kernels.fill(cell.shape.outputCount, 1, x: floats, partition: partition)
        partition.wait()
        unsafe kernels.dropout(
            cell.shape.outputRows, mask: mask, x: floats, y: floats, partition: partition)
    }

    /// - Parameters:
    ///   - mask: of dropout; nil where nothing is dropped.
    ///   - dropsStates: whether the masks of recurrent dropout are used.
    func forward(
        _ kernels: Kernels, lengths: UnsafePointer<Int>?, x: UnsafePointer<Float>,
        mask: DropoutMask?, dropsStates: Bool, _ partition: Partition
    ) {
        if let reverse {
            unsafe kernels.sequenceCopy(
                reverse.input, lengths: lengths, x: x, y: reverse.reversedInput,
                partition: partition)
            partition.wait()
            unsafe reverse.cell.forward(
                kernels, lengths: lengths, x: reverse.reversedInput, drops: dropsStates, partition)
        }
        unsafe cell.forward(kernels, lengths: lengths, x: x, drops: dropsStates, partition)
        partition.wait()
        if let reverse {
            unsafe kernels.sequenceCopy(
                reverse.join.0, lengths: lengths, x: cell.hidden, y: reverse.joined,
                partition: partition)
            unsafe kernels.sequenceCopy(
                reverse.join.1, lengths: lengths, x: reverse.cell.hidden,
                y: reverse.joined + cell.shape.outputSize, partition: partition)
            partition.wait()
        }
        guard let mask else { return }
        unsafe kernels.dropout(rows, mask: mask, x: undropped, y: dropped!, partition: partition)
        partition.wait()
    }

    /// The gradient with respect to the output, whose rows this partition has made, becomes those
    /// by the input and by the weights.
    func backward(
        _ kernels: Kernels, lengths: UnsafePointer<Int>?, x: UnsafePointer<Float>,
        mask: DropoutMask?, _ partition: Partition
    ) {
        if let mask {
            unsafe kernels.dropout(
                rows, mask: mask, x: outputGradient, y: outputGradient, partition: partition)
        }
        guard let reverse else {
            unsafe backward(
                cell, kernels, lengths: lengths, x: x, outputGradient: outputGradient,
                inputGradient: inputGradient, partition)
            return
        }
        partition.wait()
        unsafe kernels.sequenceCopy(
            reverse.split.0, lengths: lengths, x: outputGradient, y: reverse.outputGradient,
            partition: partition)
        unsafe backward(
            cell, kernels, lengths: lengths, x: x, outputGradient: reverse.outputGradient,
            inputGradient: inputGradient, partition)
        partition.wait()
        unsafe kernels.sequenceCopy(
            reverse.split.1, lengths: lengths, x: outputGradient + cell.shape.outputSize,
            y: reverse.outputGradient, partition: partition)
        unsafe backward(
            reverse.cell, kernels, lengths: lengths, x: reverse.reversedInput,
            outputGradient: reverse.outputGradient,
            inputGradient: reverse.inputGradient, partition)
        guard let inputGradient = unsafe inputGradient else { return }
        unsafe kernels.addSequence(
            reverse.inputBack, lengths: lengths, x: reverse.inputGradient!, y: inputGradient,
            partition: partition)
        partition.wait()
    }

    private func backward(
        _ cell: CellPass, _ kernels: Kernels, lengths: UnsafePointer<Int>?, x: UnsafePointer<Float>,
        outputGradient: UnsafePointer<Float>, inputGradient: UnsafeMutablePointer<Float>?,
        _ partition: Partition
    ) {
        cell.prepareBackward(kernels, partition)
        partition.wait()
        unsafe cell.backwardData(
            kernels, lengths: lengths, outputGradient: outputGradient, inputGradient: inputGradient,
            partition)
        partition.wait()
        unsafe cell.backwardWeights(kernels, lengths: lengths, x: x, partition)
    }

    /// Puts the state that this segment starts from in its place: zero, or the one that the last
    /// segment of a mode ended in.
    func prepareState(_ mode: TrainingMode, _ initialState: InitialState) {
        let carried = unsafe carried(mode)
        let shape = cell.shape
        switch initialState {
        case .zero:
            unsafe cell.tape.c!.update(repeating: 0, count: shape.stateCount)
            unsafe cell.tape.h.update(repeating: 0, count: shape.outputCount)
        case .carried:
            unsafe cell.tape.c!.update(from: carried, count: shape.stateCount)
            unsafe cell.tape.h.update(from: carried + shape.stateCount, count: shape.outputCount)
        }
    }

    /// Keeps the state that this segment ended in.
    func saveState(_ mode: TrainingMode) {
        let carried = unsafe carried(mode)
        let shape = cell.shape
        unsafe carried.update(
            from: cell.tape.c! + (shape.stateTapeCount - shape.stateCount), count: shape.stateCount)
        unsafe (carried + shape.stateCount).update(
            from: cell.tape.h + (shape.outputTapeCount - shape.outputCount),
            count: shape.outputCount)
    }

    func resetState(_ mode: TrainingMode) {
        unsafe carried(mode).update(repeating: 0, count: cell.shape.carriedCount)
    }

    /// Resets the state of one sequence.
    func resetState(_ mode: TrainingMode, sequence: Int) {
        let carried = unsafe carried(mode)
        let shape = cell.shape
        if shape.stateCount > 0 {
            unsafe shape.stateRows.reset(carried, row: sequence)
        }
        unsafe shape.hiddenRows.reset(carried + shape.stateCount, row: sequence)
    }

    /// Whether the state that a sequence ended in is finite.
    func isStateFinite(_ mode: TrainingMode, sequence: Int) -> Bool {
        let carried = unsafe carried(mode)
        let shape = cell.shape
        return unsafe (shape.stateCount == 0 || shape.stateRows.isFinite(carried, row: sequence))
            && shape.hiddenRows.isFinite(carried + shape.stateCount, row: sequence)
    }

    private func carried(_ mode: TrainingMode) -> UnsafeMutablePointer<Float> {
        unsafe mode == .training ? carried.0 : carried.1
    }
}
