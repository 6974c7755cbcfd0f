/// One layer's pointers into the arena.
@safe struct LayerPass {
    let shape: LSTMShape
    let weights: UnsafePointer<Float>, weightGradient: UnsafeMutablePointer<Float>
    let gates: UnsafeMutablePointer<Float>, c: UnsafeMutablePointer<Float>, h: UnsafeMutablePointer<Float>
    let dropped: UnsafeMutablePointer<Float>?
    let carried: (UnsafeMutablePointer<Float>, UnsafeMutablePointer<Float>)
    /// The loss's gradient by this layer's output, and, unless the layer is the lowest and its input is not learned, by its input.
    let outputGradient: UnsafeMutablePointer<Float>, inputGradient: UnsafeMutablePointer<Float>?

    /// h of each step, slot 0 left out: [T][B][U].
    var hidden: UnsafeMutablePointer<Float> { unsafe h + shape.stateCount }
    var rows: RowsShape { RowsShape(rows: shape.steps * shape.batch, units: shape.hiddenSize) }
}

/// What the threads of a trainer share: plain pointers, set up once, and the few numbers that change from step to step.
@safe struct TrainingPass {
    let kernels: Kernels
    let layout: TrainingLayout
    let layers: UnsafeMutableBufferPointer<LayerPass>
    let embedding: EmbeddingShape?
    let dense: DenseShape
    let loss: ModelShape.Loss
    let base: UnsafeMutablePointer<Float>
    let parameters: UnsafeMutablePointer<Float>
    let clip: GradientClip
    let regularization: Regularization
    var optimizer: Optimizer
    var mask: DropoutMask
    /// Steps before the one that runs, and those of them that updated the parameters.
    var step = 0
    var updates = 0
    var purpose = TrainingPurpose.training
    var tokens: UnsafePointer<Int32>?
    var values: UnsafePointer<Float>?
    var lengths: UnsafePointer<Int>?
    var lossScale: Float = 0

    var gradients: UnsafeMutablePointer<Float> { unsafe base + layout.gradients }
    /// The class of each row, or whether it has a target; -1, or 0, where it has none.
    var targets: UnsafeMutablePointer<Int32> { unsafe UnsafeMutableRawPointer(base + layout.targets).assumingMemoryBound(to: Int32.self) }
    var losses: UnsafeMutablePointer<Float> { unsafe base + layout.losses }
    var squares: UnsafeMutablePointer<Double> { unsafe UnsafeMutableRawPointer(base + layout.squares).assumingMemoryBound(to: Double.self) }
    var penalties: UnsafeMutablePointer<Double> { unsafe UnsafeMutableRawPointer(base + layout.penalties).assumingMemoryBound(to: Double.self) }
    private var outputs: UnsafeMutablePointer<Float> { unsafe base + layout.outputs }
    private var isTraining: Bool { purpose == .training }
    private var drops: Bool { isTraining && mask.probability > 0 }
    private var outputRows: RowsShape { RowsShape(rows: dense.rows, units: dense.outputSize) }

    /// The mask of one layer in one step.
    private func mask(of layer: Int) -> DropoutMask {
        var mask = mask
        mask.counter = unsafe UInt64(step * layers.count + layer)
        return mask
    }

    /// What layer `index`, or the dense layer for one more than the last, reads.
    private func input(of index: Int) -> UnsafePointer<Float> {
        if index > 0 {
            let below = unsafe layers[index - 1]
            return unsafe UnsafePointer(drops ? below.dropped! : below.hidden)
        }
        return unsafe layout.features.map { unsafe UnsafePointer(base + $0) } ?? values!
    }

    /// The global norm of the gradient, from the squares that the threads have summed.
    var gradientNorm: Double {
        unsafe kernels.globalNorm(blocks: Kernels.squaresBlockCount(layout.parameters.count), partial: squares)
    }

    /// The regularization of the parameters before the update, from what the threads have summed.
    var penalty: Double {
        guard regularization != .none else { return 0 }
        return (0..<Kernels.squaresBlockCount(layout.parameters.count)).reduce(0) { unsafe $0 + penalties[$1] }
    }

    /// A share of a segment's work: the forward pass and, where the purpose is training, the backward pass and the update. The threads
    /// wait for each other wherever one reads what another has written.
    func work(_ share: Share) {
        forward(share)
        guard isTraining else { return }
        share.wait()
        backward(share)
        share.wait()
        if regularization != .none {  // A share's blocks are those that it then sums.
            unsafe kernels.addNormPenalty(regularization, layout.parameters.count, parameters: parameters, gradient: gradients,
                                          partial: penalties, share: share)
        }
        unsafe kernels.sumOfSquares(layout.parameters.count, x: gradients, partial: squares, share: share)
        share.wait()
        update(share)
    }

    private func forward(_ share: Share) {
        if let embedding {
            unsafe kernels.embeddingForward(embedding, table: parameters + layout.parameters.embedding!, indices: tokens!,
                                            y: base + layout.features!, share: share)
            share.wait()
        }
        for index in unsafe 0..<layers.count {
            let layer = unsafe layers[index]
            unsafe kernels.lstmForward(layer.shape, lengths: lengths, x: input(of: index), weights: layer.weights, gates: layer.gates,
                                       c: layer.c, h: layer.h, share: share)
            share.wait()
            guard drops else { continue }
            unsafe kernels.dropout(layer.rows, mask: mask(of: index), x: layer.hidden, y: layer.dropped!, share: share)
            share.wait()
        }
        let weights = unsafe parameters + layout.parameters.dense
        unsafe kernels.denseForward(dense, x: input(of: layers.count), weights: weights, y: outputs, share: share)
        forwardLoss(share)
        guard isTraining else { return }
        unsafe kernels.denseTranspose(dense, weights: weights, transposed: base + layout.denseTransposed, share: share)
    }

    /// The loss of the rows of outputs that this share has made; in training, their gradient takes their place.
    private func forwardLoss(_ share: Share) {
        let gradient = unsafe isTraining ? outputs : nil
        switch loss {
        case .crossEntropy:
            unsafe kernels.softmaxCrossEntropy(outputRows, logits: outputs, targets: targets, scale: lossScale, losses: losses,
                                               logitsGradient: gradient, share: share)
        case .meanSquaredError:
            unsafe kernels.meanSquaredError(outputRows, y: outputs, targets: base + layout.targetValues!, live: targets, scale: lossScale,
                                            losses: losses, outputGradient: gradient, share: share)
        case .meanAbsoluteError:
            unsafe kernels.meanAbsoluteError(outputRows, y: outputs, targets: base + layout.targetValues!, live: targets, scale: lossScale,
                                             losses: losses, outputGradient: gradient, share: share)
        case .huber(let delta):
            unsafe kernels.huberLoss(outputRows, y: outputs, targets: base + layout.targetValues!, live: targets, delta: delta, scale: lossScale,
                                     losses: losses, outputGradient: gradient, share: share)
        case .binaryCrossEntropy:
            unsafe kernels.binaryCrossEntropy(outputRows, logits: outputs, targets: base + layout.targetValues!, live: targets, scale: lossScale,
                                              losses: losses, logitsGradient: gradient, share: share)
        }
    }

    private func backward(_ share: Share) {
        unsafe kernels.denseBackwardInput(dense, outputGradient: outputs, transposed: base + layout.denseTransposed,
                                          inputGradient: layers[layers.count - 1].outputGradient, share: share)
        unsafe kernels.denseBackwardWeights(dense, x: input(of: layers.count), outputGradient: outputs,
                                            weightGradient: gradients + layout.parameters.dense, share: share)
        for index in unsafe (0..<layers.count).reversed() {
            let layer = unsafe layers[index]
            prepareBackward(layer, mask: mask(of: index), share)
            share.wait()
            unsafe kernels.lstmBackwardData(
                layer.shape, lengths: lengths, transposed: base + layout.transposed, gates: layer.gates, c: layer.c,
                outputGradient: layer.outputGradient, gatesGradient: base + layout.gatesGradient, dh: base + layout.dh, dc: base + layout.dc,
                inputGradient: layer.inputGradient, share: share)
            share.wait()
            unsafe kernels.lstmBackwardWeights(layer.shape, lengths: lengths, x: input(of: index), h: layer.h,
                                               gatesGradient: base + layout.gatesGradient, weightGradient: layer.weightGradient, share: share)
        }
        guard let embedding else { return }
        unsafe kernels.embeddingBackward(embedding, indices: tokens!, outputGradient: layers[0].inputGradient!,
                                         tableGradient: gradients + layout.parameters.embedding!, share: share)
    }

    /// What a layer's backward pass needs beside the gradient by its output, whose rows this share has made.
    private func prepareBackward(_ layer: LayerPass, mask: DropoutMask, _ share: Share) {
        if drops {
            unsafe kernels.dropout(layer.rows, mask: mask, x: layer.outputGradient, y: layer.outputGradient, share: share)
        }
        unsafe kernels.lstmTranspose(layer.shape, weights: layer.weights, transposed: base + layout.transposed, share: share)
        unsafe kernels.fill(layer.shape.stateCount, 0, x: base + layout.dh, share: share)
        unsafe kernels.fill(layer.shape.stateCount, 0, x: base + layout.dc, share: share)
    }

    /// Whether a segment whose gradient has this norm updates the parameters: not one without a target, in which momentum and weight decay
    /// would move them, and not one whose gradient is not finite.
    func allowsUpdate(norm: Double) -> Bool { lossScale > 0 && norm.isFinite }

    /// Updates the parameters, or not; the gradient becomes zero.
    private func update(_ share: Share) {
        let norm = gradientNorm
        if allowsUpdate(norm: norm) {
            unsafe kernels.update(optimizer, layout.parameters.count, scale: clip.coefficient(of: norm), clip: clip, step: updates + 1,
                                  parameters: parameters, gradient: gradients, moments: base + layout.moments,
                                  momentStride: layout.momentStride, share: share)
        } else {
            unsafe kernels.fill(layout.parameters.count, 0, x: gradients, share: share)
        }
    }

    /// The state that the last segment ended in becomes the one that this segment starts from.
    func restoreState() {
        for unsafe layer in unsafe layers {
            let carried = unsafe purpose == .training ? layer.carried.0 : layer.carried.1
            unsafe layer.c.update(from: carried, count: layer.shape.stateCount)
            unsafe layer.h.update(from: carried + layer.shape.stateCount, count: layer.shape.stateCount)
        }
    }

    /// Keeps the state that this segment ended in.
    func saveState() {
        for unsafe layer in unsafe layers {
            let carried = unsafe purpose == .training ? layer.carried.0 : layer.carried.1
            let end = layer.shape.steps * layer.shape.stateCount
            unsafe carried.update(from: layer.c + end, count: layer.shape.stateCount)
            unsafe (carried + layer.shape.stateCount).update(from: layer.h + end, count: layer.shape.stateCount)
        }
    }

    /// Puts every sequence of a purpose into the state of rest.
    func resetState(_ purpose: TrainingPurpose) {
        for unsafe layer in unsafe layers {
            unsafe (purpose == .training ? layer.carried.0 : layer.carried.1).update(repeating: 0, count: 2 * layer.shape.stateCount)
        }
    }
}
