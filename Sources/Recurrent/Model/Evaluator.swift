/// Measures models of one shape, of tokens and cross-entropy, on segments of `steps` time steps of
/// `batch` sequences: forward alone, with the tape of one segment, and without gradient, moments or
/// scratch. The state is carried from segment to segment until `reset`.
///
/// After `init`, nothing allocates.
@safe package final class Evaluator {
    private let shape: ModelShape
    private let layout: TrainingLayout
    private let arena: Arena
    private let pass: UnsafeMutablePointer<TrainingPass>
    private let pool: Pool
    private let batch: Int, steps: Int

    /// - Throws: `OutOfMemory` where the system refuses.
    /// - Precondition: the input is tokens, the loss cross-entropy, the head every step's; batch
    ///   and steps as in `Trainer.init`.
    package init(
        _ shape: ModelShape, batch: Int, steps: Int, threads: Int = 1, kernels: Kernels = .best
    ) throws(OutOfMemory) {
        guard case .tokens(let vocabulary, let dimension) = shape.input,
            shape.loss == .crossEntropy, shape.head == .everyStep
        else {
            fail(
                """
                evaluator: expected a model of tokens, cross-entropy and the head of every \
                step, found \(shape)
                """
            )
        }
        require(
            isDimension(batch) && isDimension(steps) && isRowCount(batch * steps),
            """
            evaluator: expected batch and steps of 1 to \(ModelShape.largestDimension), found \
            \(batch) and \(steps)
            """
        )
        let layout = TrainingLayout(
            shape, batch: batch, steps: steps, momentCount: 0, dropout: false,
            recurrentDropout: false,
            mode: .evaluation)
        let arena = try Arena(taking: layout.memory)
        let base = unsafe arena.base
        // Until a model is at hand, its parameters are the arena's, which nobody reads.
        let layers = UnsafeMutableBufferPointer<LayerPass>.allocate(capacity: layout.layers.count)
        for index in layout.layers.indices {
            unsafe layers.initializeElement(
                at: index,
                to: LayerPass(
                    shape, layout, index, batch: batch, steps: steps, base: base, parameters: base))
        }
        unsafe pass = .allocate(capacity: 1)
        unsafe pass.initialize(
            to: TrainingPass(
                kernels: kernels, layout: layout, layers: layers,
                embedding: EmbeddingShape(
                    vocabulary: vocabulary, dimension: dimension, rows: batch * steps),
                pooling: nil,
                dense: shape.dense(rows: batch * steps), loss: shape.loss, initialState: .carried,
                base: base,
                parameters: base, clip: .none,
                regularization: .none, optimizer: .sgd(SGD()),
                mask: DropoutMask(seed: 0, probability: 0), recurrentDropout: 0))
        pool = unsafe Pool(threadCount: threads, isAdaptive: true) { context, _, partition in
            unsafe context.assumingMemoryBound(to: TrainingPass.self).pointee.work(partition)
        }
        self.shape = shape
        self.layout = layout
        self.arena = arena
        self.batch = batch
        self.steps = steps
    }

    deinit {
        pool.close()
        unsafe pass.pointee.layers.deallocate()
        unsafe pass.deinitialize(count: 1)
        unsafe pass.deallocate()
    }

    /// How many threads work: fewer than were asked for where the system refused some.
    package var threadCount: Int { pool.threadCount }

    /// Resets the state of every sequence to zero.
    package func reset() { unsafe pass.pointee.resetState(.evaluation) }

    /// Returns the loss of a segment.
    ///
    /// - Parameters:
    ///   - tokens: [T][B] indices into the vocabulary.
    ///   - targets: [T][B] classes; one that is negative or not below the output size counts for
    ///     nothing.
    /// - Precondition: the model has the shape, its weights are in float32; the counts are those.
    package func evaluate(_ model: borrowing Model, tokens: Span<Int32>, targets: Span<Int32>)
        -> Evaluation
    {
        require(
            model.shape == shape && model.weightFormat == .float32,
            "evaluator: made for a model of another shape")
        require(
            tokens.count == batch * steps && targets.count == batch * steps,
            """
            evaluator: expected \(batch * steps) tokens and targets, found \(tokens.count) and \
            \(targets.count)
            """
        )
        let parameters = unsafe model.parameters
        let base = unsafe arena.base
        for index in layout.layers.indices {
            unsafe pass.pointee.layers[index] = LayerPass(
                shape, layout, index, batch: batch, steps: steps, base: base, parameters: parameters
            )
        }
        unsafe pass.pointee.parameters = parameters
        var count = 0
        for row in targets.indices {
            unsafe pass.pointee.targets[row] = targets[row]
            if targets[row] >= 0 && targets[row] < shape.outputSize { count += 1 }
        }
        unsafe pass.pointee.mode = .evaluation
        unsafe pass.pointee.lossScale = count == 0 ? 0 : 1 / Float(count)
        unsafe pass.pointee.prepareState()
        unsafe tokens.withUnsafeBufferPointer { buffer in
            unsafe pass.pointee.tokens = buffer.baseAddress
            unsafe pool.run(pass)
            unsafe pass.pointee.tokens = nil
        }
        unsafe pass.pointee.saveState()
        let sum = unsafe pass.pointee.kernels.sumLosses(batch * steps, losses: pass.pointee.losses)
        return Evaluation(lossSum: sum, count: count)
    }

    /// Calls `body` with the loss of each row of the last segment, [T][B]; 0 where a row has no
    /// target.
    package func withLosses<Result>(_ body: (Span<Float>) throws -> Result) rethrows -> Result {
        let losses = unsafe UnsafeBufferPointer(start: pass.pointee.losses, count: batch * steps)
        return try body(unsafe losses.span)
    }
}
