/// What the threads of a trainer do next.
enum TrainingWork {
    /// A segment: forward and, in training, backward and update; or without the update.
    case segment, accumulation
    /// The gradient of the objective, from that of the losses that were accumulated; then the
    /// update too.
    case gradient, update
}

/// What the threads of a trainer share: plain pointers, set up once, and the few numbers that
/// change from step to step.
@safe struct TrainingPass {
    let kernels: Kernels
    let layout: TrainingLayout
    let layers: UnsafeMutableBufferPointer<LayerPass>
    let embedding: EmbeddingShape?
    let pooling: PoolingPass?
    let dense: DenseShape
    let loss: ModelShape.Loss
    let initialState: InitialState
    let base: UnsafeMutablePointer<Float>
    /// Of an evaluation, those of the model at hand.
    var parameters: UnsafeMutablePointer<Float>
    let clip: GradientClip
    let regularization: Regularization
    var optimizer: Optimizer
    var mask: DropoutMask
    /// Of recurrent dropout.
    let recurrentDropout: Float
    /// Steps before the one that runs, and those of them that updated the parameters.
    var step = 0
    var updates = 0
    var mode = TrainingMode.training
    var work = TrainingWork.segment
    /// The losses whose gradients have been added up since the last update.
    var accumulated = Evaluation()
    var tokens: UnsafePointer<Int32>?
    var values: UnsafePointer<Float>?
    var lengths: UnsafePointer<Int>?
    var lossScale: Float = 0

    var gradients: UnsafeMutablePointer<Float> { unsafe base + layout.gradients }
    /// The class of each row, or whether it has a target; -1, or 0, where it has none.
    var targets: UnsafeMutablePointer<Int32> {
        unsafe UnsafeMutableRawPointer(base + layout.targets).assumingMemoryBound(to: Int32.self)
    }
    var losses: UnsafeMutablePointer<Float> { unsafe base + layout.losses }
    var squares: UnsafeMutablePointer<Double> {
        unsafe UnsafeMutableRawPointer(base + layout.squares).assumingMemoryBound(to: Double.self)
    }
    var penalties: UnsafeMutablePointer<Double> {
        unsafe UnsafeMutableRawPointer(base + layout.penalties).assumingMemoryBound(to: Double.self)
    }
    var outputs: UnsafeMutablePointer<Float> { unsafe base + layout.outputs }
    private var isTraining: Bool { mode == .training }
    private var drops: Bool { isTraining && mask.probability > 0 }
    private var dropsStates: Bool { isTraining && recurrentDropout > 0 }
    private var outputRows: RowsShape { RowsShape(rows: dense.rows, units: dense.outputSize) }

    /// The mask of one layer in one step, nil where nothing is dropped.
    private func mask(of layer: Int) -> DropoutMask? {
        guard drops else { return nil }
        var mask = mask
        mask.counter = unsafe UInt64(step * layers.count + layer)
        return mask
    }

    /// The masks of recurrent dropout of one layer in one step have counters of their own, above
    /// all of those.
    private func makeMasks(of layer: Int, _ partition: Partition) {
        guard dropsStates else { return }
        unsafe layers[layer].makeMasks(
            kernels, seed: mask.seed, counter: 1 << 63 | UInt64(2 * (step * layers.count + layer)),
            probability: recurrentDropout, partition)
    }

    /// What layer `index` reads, or, for one more than the last, what the last layer gives.
    private func input(of index: Int) -> UnsafePointer<Float> {
        if index > 0 { return unsafe layers[index - 1].output(drops: drops) }
        return unsafe layout.features.map { unsafe UnsafePointer(base + $0) } ?? values!
    }

    private var denseInput: UnsafePointer<Float> {
        unsafe pooling.map { unsafe UnsafePointer($0.rows) } ?? input(of: layers.count)
    }

    /// The global norm of the gradient, from the squares that the threads have summed.
    var gradientNorm: Double {
        unsafe kernels.globalNorm(
            blocks: Kernels.squaresBlockCount(layout.parameters.count), partial: squares)
    }

    /// The regularization of the parameters before the update, from what the threads have summed.
    var penalty: Double {
        guard regularization != .none else { return 0 }
        return (0..<Kernels.squaresBlockCount(layout.parameters.count)).reduce(0) {
            unsafe $0 + penalties[$1]
        }
    }

    /// A partition of the work. The threads wait for each other wherever one reads what another has
    /// written.
    func work(_ partition: Partition) {
        switch work {
        case .segment, .accumulation:
            if isTraining { lookAhead(partition) }
            forward(partition)
            guard isTraining else { return }
            partition.wait()
            backward(partition)
            guard work == .segment else {
                lookBack(partition)
                return
            }
        case .gradient, .update:
            lookAhead(partition)
            unsafe kernels.linearCombination(
                layout.parameters.count, Double(lossScale), gradients, 0, gradients, z: gradients,
                partition: partition)
        }
        partition.wait()
        if regularization != .none {  // A partition's blocks are those that it then sums.
            unsafe kernels.addNormPenalty(
                regularization, layout.parameters.count, parameters: parameters,
                gradient: gradients,
                partial: penalties, partition: partition)
        }
        unsafe kernels.sumOfSquares(
            layout.parameters.count, x: gradients, partial: squares, partition: partition)
        lookBack(partition)
        guard work != .gradient else { return }
        partition.wait()
        update(partition)
    }

    /// The parameters θ of Nesterov's look-ahead form while they are elsewhere.
    private var kept: UnsafeMutablePointer<Float> {
        unsafe base + layout.moments + (optimizer.momentCount - 1) * layout.momentStride
    }

    /// Moves the parameters to where the optimizer takes their gradient.
    private func lookAhead(_ partition: Partition) {
        guard let factor = optimizer.aheadFactor else { return }
        unsafe copy(parameters, to: kept, partition)
        partition.wait()
        unsafe kernels.linearCombination(
            layout.parameters.count, 1, parameters, factor, base + layout.moments, z: parameters,
            partition: partition)
        partition.wait()
    }

    /// Moves them back, bit for bit, once all threads are done with them.
    private func lookBack(_ partition: Partition) {
        guard optimizer.aheadFactor != nil else { return }
        partition.wait()
        unsafe copy(kept, to: parameters, partition)
    }

    private func copy(
        _ source: UnsafePointer<Float>, to target: UnsafeMutablePointer<Float>,
        _ partition: Partition
    ) {
        let count = layout.parameters.count
        let first = count * partition.index / partition.count
        let end = count * (partition.index + 1) / partition.count
        unsafe (target + first).update(from: source + first, count: end - first)
    }

    private func forward(_ partition: Partition) {
        if let embedding {
            unsafe kernels.embeddingForward(
                embedding, table: parameters + layout.parameters.embedding!, indices: tokens!,
                y: base + layout.features!, partition: partition)
            partition.wait()
        }
        for index in unsafe 0..<layers.count {
            makeMasks(of: index, partition)
            unsafe layers[index].forward(
                kernels, lengths: lengths, x: input(of: index), mask: mask(of: index),
                dropsStates: dropsStates, partition)
        }
        if let pooling {
            unsafe pooling.forward(kernels, lengths: lengths, x: input(of: layers.count), partition)
            partition.wait()
        }
        let weights = unsafe parameters + layout.parameters.dense
        unsafe kernels.denseForward(
            dense, x: denseInput, weights: weights, y: outputs, partition: partition)
        forwardLoss(partition)
        guard isTraining else { return }
        unsafe kernels.denseTranspose(
            dense, weights: weights, transposed: base + layout.denseTransposed, partition: partition
        )
    }

    /// The loss of the rows of outputs that this partition has made; in training, their gradient
    /// takes their place.
    private func forwardLoss(_ partition: Partition) {
        let gradient = unsafe isTraining ? outputs : nil
        switch loss {
        case .crossEntropy:
            unsafe kernels.softmaxCrossEntropy(
                outputRows, logits: outputs, targets: targets, scale: lossScale, losses: losses,
                logitsGradient: gradient, partition: partition)
        case .meanSquaredError:
            unsafe kernels.meanSquaredError(
                outputRows, y: outputs, targets: base + layout.targetValues!, valid: targets,
                scale: lossScale,
                losses: losses, outputGradient: gradient, partition: partition)
        case .meanAbsoluteError:
            unsafe kernels.meanAbsoluteError(
                outputRows, y: outputs, targets: base + layout.targetValues!, valid: targets,
                scale: lossScale,
                losses: losses, outputGradient: gradient, partition: partition)
        case .huber(let delta):
            unsafe kernels.huberLoss(
                outputRows, y: outputs, targets: base + layout.targetValues!, valid: targets,
                delta: delta, scale: lossScale,
                losses: losses, outputGradient: gradient, partition: partition)
        case .binaryCrossEntropy:
            unsafe kernels.binaryCrossEntropy(
                outputRows, logits: outputs, targets: base + layout.targetValues!, valid: targets,
                scale: lossScale,
                losses: losses, logitsGradient: gradient, partition: partition)
        }
    }

    private func backward(_ partition: Partition) {
        let outputGradient = unsafe layers[layers.count - 1].outputGradient
        unsafe kernels.denseBackwardInput(
            dense, outputGradient: outputs, transposed: base + layout.denseTransposed,
            inputGradient: pooling?.gradient ?? outputGradient, partition: partition)
        unsafe kernels.denseBackwardWeights(
            dense, x: denseInput, outputGradient: outputs,
            weightGradient: gradients + layout.parameters.dense, partition: partition)
        if let pooling {
            partition.wait()
            unsafe pooling.backward(
                kernels, lengths: lengths, inputGradient: outputGradient, partition)
            partition.wait()
        }
        for index in unsafe (0..<layers.count).reversed() {
            unsafe layers[index].backward(
                kernels, lengths: lengths, x: input(of: index), mask: mask(of: index), partition)
        }
        guard let embedding else { return }
        unsafe kernels.embeddingBackward(
            embedding, indices: tokens!, outputGradient: layers[0].inputGradient!,
            tableGradient: gradients + layout.parameters.embedding!, partition: partition)
    }

    /// Whether a segment whose gradient has this norm updates the parameters: not one without a
    /// target, in which momentum and weight decay would move them, and not one whose gradient is
    /// not finite.
    func allowsUpdate(norm: Double) -> Bool { lossScale > 0 && norm.isFinite }

    /// Updates the parameters, or not; the gradient becomes zero.
    private func update(_ partition: Partition) {
        let norm = gradientNorm
        if allowsUpdate(norm: norm) {
            unsafe kernels.update(
                optimizer, layout.parameters.count, scale: clip.coefficient(of: norm), clip: clip,
                step: updates + 1,
                parameters: parameters, gradient: gradients, moments: base + layout.moments,
                momentStride: layout.momentStride, partition: partition)
        } else {
            unsafe kernels.fill(layout.parameters.count, 0, x: gradients, partition: partition)
        }
    }

    func prepareState() {
        unsafe layers.forEach { $0.prepareState(mode, initialState) }
    }
    func saveState() { unsafe layers.forEach { $0.saveState(mode) } }
    func resetState(_ mode: TrainingMode) {
        unsafe layers.forEach { $0.resetState(mode) }
    }
    func resetState(_ mode: TrainingMode, sequence: Int) {
        unsafe layers.forEach { $0.resetState(mode, sequence: sequence) }
    }
    func isStateFinite(_ mode: TrainingMode, sequence: Int) -> Bool {
        unsafe layers.allSatisfy { $0.isStateFinite(mode, sequence: sequence) }
    }
}

/// What the dense layer of a many-to-one model reads: one row of each sequence.
@safe struct PoolingPass {
    let pooling: SequencePooling
    /// Tape: [B][16 ⌈outputs/16⌉]; scratch: the loss's gradient with respect to it.
    let rows: UnsafeMutablePointer<Float>, gradient: UnsafeMutablePointer<Float>
    /// The columns of each direction of the last layer.
    private let first: SequenceShape, second: SequenceShape?

    init(
        _ pooling: SequencePooling, _ layer: RecurrentLayer, batch: Int, steps: Int,
        rows: UnsafeMutablePointer<Float>,
        gradient: UnsafeMutablePointer<Float>
    ) {
        self.pooling = pooling
        unsafe self.rows = rows
        unsafe self.gradient = gradient
        let units = layer.unitCount
        let row = padded(layer.outputSize)
        func columns(width: Int, isReversed: Bool) -> SequenceShape {
            SequenceShape(
                steps: steps, batch: batch, units: units, width: width, inputStride: row,
                outputStride: row, isReversed: isReversed)
        }
        first = columns(width: layer.isBidirectional ? units : row, isReversed: false)
        second = layer.isBidirectional ? columns(width: row - units, isReversed: true) : nil
    }

    func forward(
        _ kernels: Kernels, lengths: UnsafePointer<Int>?, x: UnsafePointer<Float>,
        _ partition: Partition
    ) {
        unsafe kernels.sequencePool(
            first, pooling, lengths: lengths, x: x, y: rows, partition: partition)
        guard let second else { return }
        unsafe kernels.sequencePool(
            second, pooling, lengths: lengths, x: x + second.units, y: rows + second.units,
            partition: partition)
    }

    func backward(
        _ kernels: Kernels, lengths: UnsafePointer<Int>?,
        inputGradient: UnsafeMutablePointer<Float>, _ partition: Partition
    ) {
        unsafe kernels.sequencePoolBackward(
            first, pooling, lengths: lengths, outputGradient: gradient,
            inputGradient: inputGradient, partition: partition)
        guard let second else { return }
        unsafe kernels.sequencePoolBackward(
            second, pooling, lengths: lengths, outputGradient: gradient + second.units,
            inputGradient: inputGradient + second.units, partition: partition)
    }
}
