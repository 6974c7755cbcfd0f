/// Gradients of more than one segment: an update by the gradient of several of them, or of a whole
/// text, and full-batch minimization by L-BFGS.
extension Trainer {
    /// Adds the gradient of a segment to those since the last update, and changes no parameter;
    /// arguments as in `step`.
    @discardableResult
    public mutating func accumulate(
        tokens: Span<Int32>, targets: Span<Int32>, lengths: Span<Int>? = nil
    ) -> Evaluation {
        add(tokens: tokens, classes: targets, lengths: lengths)
    }

    /// Adds the gradient of a segment of values with classes.
    @discardableResult
    public mutating func accumulate(
        values: Span<Float>, targets: Span<Int32>, lengths: Span<Int>? = nil
    ) -> Evaluation {
        add(values: values, classes: targets, lengths: lengths)
    }

    /// Adds the gradient of a segment of values with values.
    @discardableResult
    public mutating func accumulate(
        values: Span<Float>, targets: Span<Float>, lengths: Span<Int>? = nil
    ) -> Evaluation {
        add(values: values, targets: targets, lengths: lengths)
    }

    fileprivate func add(
        tokens: Span<Int32>? = nil, values: Span<Float>? = nil, classes: Span<Int32>? = nil,
        targets: Span<Float>? = nil,
        lengths: Span<Int>?
    ) -> Evaluation {
        let result = run(
            .training, .accumulation, tokens: tokens, values: values, classes: classes,
            targets: targets, lengths: lengths)
        let pass = unsafe pass
        unsafe pass.pointee.step += 1
        unsafe pass.pointee.accumulated += result
        return result
    }

    /// One update by what was accumulated: the gradient of the mean loss of all rows that have a
    /// target, and of the regularization.
    public mutating func update() -> TrainingStep {
        let accumulated = finishGradient(.update)
        unsafe pass.pointee.accumulated = Evaluation()
        return finishStep(accumulated)
    }

    /// Minimizes the mean loss of a full batch, with the regularization, by L-BFGS.
    ///
    ///     var lbfgs = LBFGS(for: trainer)
    ///     let found = trainer.minimize(&lbfgs, gradientCalls: 100) { batch in
    ///         for segment in segments {
    ///             batch.accumulate(tokens: segment.tokens.span, targets: segment.targets.span)
    ///         }
    ///     }
    ///
    /// The optimizer, its moments and clipping have no part in it, but that Nesterov's look-ahead
    /// form takes it at θ + μ v. An L1 norm has a kink at zero,
    /// where line searches may find no decrease.
    ///
    /// - Parameters:
    ///   - gradientCalls: the most times that `accumulate` is called, at least 2.
    ///   - gradientTolerance: the gradient's norm that is small enough.
    ///   - accumulate: accumulates every segment, the same ones in each call, each from a state of
    ///     zero: where a state is carried from one to
    ///     the next without `resetState`, the gradient is cut off there, and what is left is not
    ///     quite the loss's, which line searches cannot
    ///     bear.
    /// - Precondition: `lbfgs` was made for a trainer of such a model; there is no dropout, which
    ///   would change the loss from call to call; no segments have been accumulated.
    public mutating func minimize(
        _ lbfgs: inout LBFGS, gradientCalls: Int, gradientTolerance: Double = 0,
        accumulate: (borrowing FullBatch) -> Void
    ) -> Minimization {
        let pass = unsafe pass
        let count = unsafe pass.pointee.layout.parameters.count
        require(
            lbfgs.count == count,
            "L-BFGS: expected one for \(count) floats of parameters, found \(lbfgs.count)")
        let dropout = unsafe max(pass.pointee.mask.probability, pass.pointee.recurrentDropout)
        require(dropout == 0, "L-BFGS: expected no dropout, found \(dropout)")
        require(
            unsafe pass.pointee.accumulated.count == 0,
            "L-BFGS: segments have been accumulated; expected update()")
        func clear() {
            unsafe pass.pointee.kernels.fill(count, 0, x: pass.pointee.gradients)
            unsafe pass.pointee.accumulated = Evaluation()
        }
        defer { clear() }
        return unsafe withUnsafePointer(to: self) { trainer in
            let batch = unsafe FullBatch(trainer)
            let parameters = unsafe UnsafeMutableBufferPointer(
                start: pass.pointee.parameters, count: count)
            let gradient = unsafe UnsafeMutableBufferPointer(
                start: pass.pointee.gradients, count: count)
            return unsafe lbfgs.minimize(
                parameters, gradient: gradient, gradientCalls: gradientCalls,
                gradientTolerance: gradientTolerance
            ) {
                clear()
                accumulate(batch)
                return unsafe trainer.pointee.finishGradient(.gradient).loss + pass.pointee.penalty
            }
        }
    }

    /// Makes the gradient of the mean loss and of the regularization, and perhaps the update;
    /// returns what was accumulated.
    private func finishGradient(_ work: TrainingWork) -> Evaluation {
        let pass = unsafe pass
        let accumulated = unsafe pass.pointee.accumulated
        unsafe pass.pointee.mode = .training
        unsafe pass.pointee.work = work
        unsafe pass.pointee.lossScale = accumulated.count > 0 ? 1 / Float(accumulated.count) : 0
        unsafe pool.run(pass)
        return accumulated
    }
}

/// What `Trainer.minimize` calls its closure with: a trainer that accumulates segments, and can
/// neither be replaced nor kept.
@safe public struct FullBatch: ~Copyable {
    /// Of the trainer, which does nothing else while it minimizes.
    private let trainer: UnsafePointer<Trainer>

    fileprivate init(_ trainer: UnsafePointer<Trainer>) { unsafe self.trainer = trainer }

    /// Adds the gradient of a segment; arguments as in `Trainer.step`.
    @discardableResult
    public func accumulate(tokens: Span<Int32>, targets: Span<Int32>, lengths: Span<Int>? = nil)
        -> Evaluation
    {
        unsafe trainer.pointee.add(tokens: tokens, classes: targets, lengths: lengths)
    }

    /// Adds the gradient of a segment of values with classes.
    @discardableResult
    public func accumulate(values: Span<Float>, targets: Span<Int32>, lengths: Span<Int>? = nil)
        -> Evaluation
    {
        unsafe trainer.pointee.add(values: values, classes: targets, lengths: lengths)
    }

    /// Adds the gradient of a segment of values with values.
    @discardableResult
    public func accumulate(values: Span<Float>, targets: Span<Float>, lengths: Span<Int>? = nil)
        -> Evaluation
    {
        unsafe trainer.pointee.add(values: values, targets: targets, lengths: lengths)
    }

    /// Resets the state of every training sequence to zero, where it is carried.
    public func resetState() { unsafe trainer.pointee.pass.pointee.resetState(.training) }
}

extension LBFGS {
    /// For the parameters of a trainer's model, with its kernels.
    ///
    /// - Precondition: history is positive.
    public init(for trainer: borrowing Trainer, history: Int = 10) {
        self.init(
            count: unsafe trainer.pass.pointee.layout.parameters.count, history: history,
            kernels: trainer.kernels)
    }
}
