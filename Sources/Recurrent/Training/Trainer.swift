/// What one training step did.
public struct TrainingStep: Hashable, Sendable {
    /// The mean loss of the rows that have a target, in nats for cross-entropies. NaN where no row
    /// has one.
    public let loss: Double
    /// The regularization of the parameters before the update, which is no part of `loss`: losses
    /// stay comparable with those of evaluations and of other strengths, and a cross-entropy's
    /// perplexity is e^loss. What training minimizes is their sum, `objective`.
    public let penalty: Double
    /// The global norm of the objective's gradient before clipping.
    public let gradientNorm: Double
    /// Whether the parameters were updated: not where no row has a target, or the norm is not
    /// finite. A loss that is not finite either means that the training has diverged, or that an
    /// input was not finite: `isStateFinite(sequence:)` says of which sequences the state that is
    /// carried is of no use before `resetState(sequence:)`, without which no later step updates
    /// anything.
    public let updated: Bool
    /// Tokens outside the vocabulary, which are vectors of zeros to the model.
    public let unknownTokens: Int
    /// Targets not below the number of classes, which count for nothing, as the negative ones do
    /// that say that there is no target.
    public let invalidTargets: Int
    /// loss + penalty.
    public var objective: Double { loss + penalty }
}

/// The loss of an evaluation.
public struct Evaluation: Hashable, Codable, Sendable {
    /// The sum over the rows that have a target.
    public var lossSum: Double
    /// Rows that have a target.
    public var count: Int
    /// Tokens outside the vocabulary, which are vectors of zeros to the model.
    public var unknownTokens: Int
    /// Targets not below the number of classes, which count for nothing, as the negative ones do
    /// that say that there is no target.
    public var invalidTargets: Int
    /// The mean; NaN where no row has a target.
    public var loss: Double { lossSum / Double(count) }

    public init(
        lossSum: Double = 0, count: Int = 0, unknownTokens: Int = 0, invalidTargets: Int = 0
    ) {
        self.lossSum = lossSum
        self.count = count
        self.unknownTokens = unknownTokens
        self.invalidTargets = invalidTargets
    }

    /// Adds the evaluation of more rows.
    public static func += (sum: inout Evaluation, more: Evaluation) {
        sum.lossSum += more.lossSum
        sum.count += more.count
        sum.unknownTokens += more.unknownTokens
        sum.invalidTargets += more.invalidTargets
    }
}

/// The state that each sequence of a segment starts from.
public enum InitialState: String, CaseIterable, Sendable {
    /// Zero: every segment is of whole sequences, which have nothing to do with those of the
    /// segment before.
    case zero
    /// The state that the same place of the batch ended the last segment in, until it is reset: the
    /// segments are cut out of longer sequences, such as texts or signals. Truncated
    /// backpropagation through time: Williams and Peng 1990.
    case carried
}

/// Trains a model on segments of `steps` time steps of `batch` sequences: forward, loss,
/// backpropagation through time, clipping and update. Each segment starts from a state of zero, or
/// where the last one ended: `InitialState`.
///
/// After `init`, nothing allocates. The bits of the result do not depend on the number of threads
/// or the instruction set.
@safe public struct Trainer: ~Copyable, @unchecked Sendable {
    public let model: Model
    public let batch: Int
    public let steps: Int
    public let initialState: InitialState
    private let arena: Arena
    let pass: UnsafeMutablePointer<TrainingPass>
    let pool: Pool

    /// A trainer whose memory there must be: it traps where the system refuses it, and
    /// `TrainingPlan` throws.
    ///
    /// - Parameters:
    ///   - initialState: the state that the sequences of a segment start from. A model of a
    ///     language, or of a signal, is trained with `.carried`.
    ///   - clip: limits of the gradient's norm or elements.
    ///   - regularization: what is added to the loss of a training step, and to its gradient before
    ///     clipping.
    ///   - dropout: the probability that an output of a recurrent layer is dropped, in 0..<1.
    ///   - recurrentDropout: the probability that a unit is dropped from what a recurrent layer's
    ///     next step reads of its state through the
    ///     recurrent weights, in 0..<1: one mask for all gates and all steps of a segment (Gal and
    ///     Ghahramani 2016).
    ///   - seed: of the dropout masks.
    ///   - threads: how many threads work; the bits of the result do not depend on it.
    /// - Precondition: the model's weights are in float32; batch and steps are in
    ///   1...`ModelShape.largestDimension`, their product is at most 2^31; threads are in 1...256;
    ///   both dropouts and the optimizer's hyperparameters are in range.
    public init(
        _ model: consuming Model, optimizer: Optimizer, batch: Int, steps: Int,
        initialState: InitialState = .zero,
        clip: GradientClip = .none, regularization: Regularization = .none, dropout: Float = 0,
        recurrentDropout: Float = 0, seed: UInt64 = 0, threads: Int = 1,
        kernels: Kernels = .best
    ) {
        let plan: TrainingPlan
        do {
            plan = try TrainingPlan(
                for: model.shape, optimizer: optimizer, batch: batch, steps: steps,
                dropout: dropout,
                recurrentDropout: recurrentDropout)
        } catch {
            fatalError("trainer: \(error)")
        }
        self.init(
            model, plan, initialState: initialState, clip: clip, regularization: regularization,
            seed: seed, threads: threads, kernels: kernels)
    }

    /// A trainer whose memory is there. Parameters as in the other initializer.
    ///
    /// - Precondition: the model's weights are in float32, and the plan is for its shape.
    public init(
        _ model: consuming Model, _ plan: consuming TrainingPlan,
        initialState: InitialState = .zero,
        clip: GradientClip = .none, regularization: Regularization = .none,
        seed: UInt64 = 0, threads: Int = 1, kernels: Kernels = .best
    ) {
        require(
            model.weightFormat == .float32,
            "trainer: expected weights in float32, found \(model.weightFormat)")
        require(model.shape == plan.shape, "trainer: planned for a model of another shape")
        let shape = model.shape
        let layout = plan.layout
        let optimizer = plan.optimizer
        let batch = plan.batch
        let steps = plan.steps
        let dropout = plan.dropout
        let recurrentDropout = plan.recurrentDropout
        arena = plan.arena
        let base = unsafe arena.base
        let parameters = unsafe model.parameters
        let layers = UnsafeMutableBufferPointer<LayerPass>.allocate(capacity: layout.layers.count)
        for index in layout.layers.indices {
            unsafe layers.initializeElement(
                at: index,
                to: LayerPass(
                    shape, layout, index, batch: batch, steps: steps, base: base,
                    parameters: parameters))
        }
        var embedding: EmbeddingShape?
        if case .tokens(let vocabulary, let dimension) = shape.input {
            embedding = EmbeddingShape(
                vocabulary: vocabulary, dimension: dimension, rows: batch * steps)
        }
        unsafe pass = .allocate(capacity: 1)
        unsafe pass.initialize(
            to: TrainingPass(
                kernels: kernels, layout: layout, layers: layers, embedding: embedding,
                pooling: shape.head.pooling.map {
                    unsafe PoolingPass(
                        $0, shape.layers.last!, batch: batch, steps: steps,
                        rows: base + layout.pooled!, gradient: base + layout.pooledGradient!)
                },
                dense: shape.dense(rows: shape.outputRows(batch: batch, steps: steps)),
                loss: shape.loss, initialState: initialState, base: base, parameters: parameters,
                clip: clip, regularization: regularization, optimizer: optimizer,
                mask: DropoutMask(seed: seed, probability: dropout),
                recurrentDropout: recurrentDropout))
        unsafe kernels.fill(
            layout.parameters.count * optimizer.momentCount, optimizer.initialMoment,
            x: base + layout.moments)
        pool = unsafe Pool(threadCount: threads, isAdaptive: true) { context, _, partition in
            unsafe context.assumingMemoryBound(to: TrainingPass.self).pointee.work(partition)
        }
        self.model = model
        self.batch = batch
        self.steps = steps
        self.initialState = initialState
    }

    deinit {
        pool.close()
        unsafe pass.pointee.layers.deallocate()
        unsafe pass.deinitialize(count: 1)
        unsafe pass.deallocate()
    }

    public var kernels: Kernels { unsafe pass.pointee.kernels }

    /// How many threads work: fewer than were asked for where the system refused some.
    public var threadCount: Int { pool.threadCount }

    /// η of the updates to come. What is below the least normal float becomes zero: there a
    /// schedule may end.
    ///
    /// - Precondition: it is finite as a float and not negative.
    public var learningRate: Double {
        get { unsafe pass.pointee.optimizer.learningRate }
        set {
            let pass = unsafe pass  // else Swift 6.3 cannot compile this for the thread sanitizer
            let isZero = newValue > 0 && newValue < Double(Float.leastNormalMagnitude)
            unsafe pass.pointee.optimizer.learningRate = isZero ? 0 : newValue
            require(
                unsafe pass.pointee.optimizer.rangeError == nil,
                unsafe pass.pointee.optimizer.rangeError!)
        }
    }

    /// μ of the updates to come: of gradient descent or RMSProp with momentum. Zero for other
    /// rules.
    ///
    /// - Precondition: it is set in 0..<1, above 0 where it was above 0 from the beginning, else to
    ///   0.
    public var momentum: Double {
        get { unsafe pass.pointee.optimizer.momentum }
        set {
            let pass = unsafe pass
            require(
                (newValue > 0) == (momentum > 0),
                "momentum: expected \(momentum > 0 ? "above 0" : "0"), found \(newValue)")
            unsafe pass.pointee.optimizer.momentum = newValue
            require(
                unsafe pass.pointee.optimizer.rangeError == nil,
                unsafe pass.pointee.optimizer.rangeError!)
        }
    }

    // MARK: State

    /// Resets the state that training carries to zero, of every sequence: at the start of a text.
    /// With an initial state of `.zero`, there is no need to.
    public mutating func resetState() { unsafe pass.pointee.resetState(.training) }

    /// Resets the state that training carries to zero, of one sequence; the others go on.
    ///
    /// - Precondition: 0 ≤ sequence < batch.
    public mutating func resetState(sequence: Int) {
        check(sequence)
        unsafe pass.pointee.resetState(.training, sequence: sequence)
    }

    /// Resets the state that evaluations and predictions carry to zero, of every sequence.
    public mutating func resetEvaluationState() { unsafe pass.pointee.resetState(.evaluation) }

    /// Resets the state that evaluations and predictions carry to zero, of one sequence; the others
    /// go on.
    ///
    /// - Precondition: 0 ≤ sequence < batch.
    public mutating func resetEvaluationState(sequence: Int) {
        check(sequence)
        unsafe pass.pointee.resetState(.evaluation, sequence: sequence)
    }

    /// Whether the state in which the last segment of training left every sequence is finite.
    public var isStateFinite: Bool { (0..<batch).allSatisfy { isStateFinite(sequence: $0) } }

    /// Whether the state in which the last segment of training left a sequence is finite. One NaN
    /// among its inputs suffices, and the gradient of the whole batch is not finite either; where
    /// the state is carried, so it stays until `resetState(sequence:)`.
    ///
    /// - Precondition: 0 ≤ sequence < batch.
    public func isStateFinite(sequence: Int) -> Bool {
        check(sequence)
        return unsafe pass.pointee.isStateFinite(.training, sequence: sequence)
    }

    /// Whether the state in which the last evaluation or prediction left a sequence is finite.
    ///
    /// - Precondition: 0 ≤ sequence < batch.
    public func isEvaluationStateFinite(sequence: Int) -> Bool {
        check(sequence)
        return unsafe pass.pointee.isStateFinite(.evaluation, sequence: sequence)
    }

    private func check(_ sequence: Int) {
        require(
            sequence >= 0 && sequence < batch,
            "sequence: expected 0 ≤ sequence < \(batch), found \(sequence)")
    }

    /// Rows that may have a target: T × B, or B where the head gives one answer for each sequence.
    var targetCount: Int { model.shape.outputRows(batch: batch, steps: steps) }

    /// Calls `body` with what the dense layer gave for one row of the last `evaluate` or `predict`:
    /// logits, or values.
    ///
    /// - Parameter step: 0 where the head gives one answer for each sequence.
    /// - Precondition: the last segment was evaluated, not trained on; the row is one of it.
    public func withOutput<Result>(
        step: Int = 0, sequence: Int, _ body: (Span<Float>) throws -> Result
    ) rethrows -> Result {
        require(
            unsafe pass.pointee.mode == .evaluation,
            "output: the last segment was trained on; expected an evaluation")
        let row = step * batch + sequence
        require(
            sequence >= 0 && sequence < batch && step >= 0 && row < targetCount,
            """
            output: expected a row of \(targetCount / batch) × \(batch), found step \(step) of \
            sequence \(sequence)
            """
        )
        let outputSize = model.shape.outputSize
        return try body(
            unsafe UnsafeBufferPointer(
                start: pass.pointee.outputs + row * padded(outputSize), count: outputSize
            ).span)
    }

    /// Calls `body` with the loss of each row of the last segment, whether trained on or evaluated:
    /// [T][B], or [B] where the head gives one answer for each sequence; 0 where a row has no
    /// target.
    public func withLosses<Result>(_ body: (Span<Float>) throws -> Result) rethrows -> Result {
        let losses = unsafe UnsafeBufferPointer(start: pass.pointee.losses, count: targetCount)
        return try body(unsafe losses.span)
    }
}
