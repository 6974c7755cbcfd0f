/// Gradients of more than one segment: an update by the gradient of several of them, or of a whole text, and full-batch minimization by L-BFGS.
extension Trainer {
    /// Adds the gradient of a segment to those since the last update, and changes no parameter; arguments as in `step`.
    @discardableResult
    public mutating func accumulate(tokens: UnsafePointer<Int32>, targets: UnsafePointer<Int32>, lengths: UnsafePointer<Int>? = nil) -> Evaluation {
        unsafe accumulate(tokens: tokens, values: nil, classes: targets, targetValues: nil, lengths: lengths)
    }

    /// Adds the gradient of a segment of values with classes.
    @discardableResult
    public mutating func accumulate(values: UnsafePointer<Float>, targets: UnsafePointer<Int32>, lengths: UnsafePointer<Int>? = nil) -> Evaluation {
        unsafe accumulate(tokens: nil, values: values, classes: targets, targetValues: nil, lengths: lengths)
    }

    /// Adds the gradient of a segment of values with values.
    @discardableResult
    public mutating func accumulate(values: UnsafePointer<Float>, targets: UnsafePointer<Float>, lengths: UnsafePointer<Int>? = nil) -> Evaluation {
        unsafe accumulate(tokens: nil, values: values, classes: nil, targetValues: targets, lengths: lengths)
    }

    private func accumulate(tokens: UnsafePointer<Int32>?, values: UnsafePointer<Float>?, classes: UnsafePointer<Int32>?,
                            targetValues: UnsafePointer<Float>?, lengths: UnsafePointer<Int>?) -> Evaluation {
        let result = unsafe run(.training, .accumulation, tokens: tokens, values: values, classes: classes, targetValues: targetValues, lengths: lengths)
        let pass = unsafe pass
        unsafe pass.pointee.step += 1
        unsafe pass.pointee.accumulated.lossSum += result.lossSum
        unsafe pass.pointee.accumulated.count += result.count
        return result
    }

    /// One update by what was accumulated: the gradient of the mean loss of all rows that have a target, and of the regularization.
    public mutating func update() -> TrainingStep {
        let loss = finishGradient(.update)
        unsafe pass.pointee.accumulated = Evaluation()
        return finishStep(loss: loss)
    }

    /// Minimizes the mean loss of a full batch, with the regularization, by L-BFGS.
    ///
    ///     var lbfgs = LBFGS(for: trainer)
    ///     let found = trainer.minimize(&lbfgs, gradientCalls: 100) { trainer in
    ///         for segment in segments {
    ///             trainer.resetState()
    ///             trainer.accumulate(tokens: segment.tokens, targets: segment.targets)
    ///         }
    ///     }
    ///
    /// The optimizer, its moments and clipping have no part in it. An L1 norm has a kink at zero, where line searches may find no decrease.
    ///
    /// - Parameters:
    ///   - gradientCalls: the most times that `batch` is called, at least 2.
    ///   - gradientTolerance: the gradient's norm that is small enough.
    ///   - batch: accumulates every segment, the same ones in each call, each from the state of rest: where a state is carried from one to the
    ///     next, the gradient is cut off there, and what is left is not quite the loss's, which line searches cannot bear.
    /// - Precondition: `lbfgs` was made for a trainer of such a model; there is no dropout, which would change the loss from call to call; no
    ///   segments have been accumulated.
    public mutating func minimize(_ lbfgs: inout LBFGS, gradientCalls: Int, gradientTolerance: Double = 0,
                                  batch: (inout Trainer) -> Void) -> Minimization {
        let pass = unsafe pass, count = unsafe pass.pointee.layout.parameters.count
        require(lbfgs.count == count, "L-BFGS: expected one for \(count) floats of parameters, found \(lbfgs.count)")
        let dropout = unsafe max(pass.pointee.mask.probability, pass.pointee.recurrentDropout)
        require(dropout == 0, "L-BFGS: expected no dropout, found \(dropout)")
        require(unsafe pass.pointee.accumulated.count == 0, "L-BFGS: segments have been accumulated; expected update()")
        func clear() {
            unsafe pass.pointee.kernels.fill(count, 0, x: pass.pointee.gradients)
            unsafe pass.pointee.accumulated = Evaluation()
        }
        defer { clear() }
        return unsafe lbfgs.minimize(pass.pointee.parameters, gradient: pass.pointee.gradients, gradientCalls: gradientCalls,
                                     gradientTolerance: gradientTolerance) {
            clear()
            batch(&self)
            return finishGradient(.gradient) + (unsafe pass.pointee.penalty)
        }
    }

    /// Makes the gradient of the mean loss and of the regularization, and perhaps the update; returns the mean loss.
    private func finishGradient(_ work: TrainingWork) -> Double {
        let pass = unsafe pass, accumulated = unsafe pass.pointee.accumulated
        unsafe pass.pointee.purpose = .training
        unsafe pass.pointee.work = work
        unsafe pass.pointee.lossScale = accumulated.count > 0 ? 1 / Float(accumulated.count) : 0
        unsafe pool.run(pass)
        return accumulated.loss
    }
}

extension LBFGS {
    /// For the parameters of a trainer's model, with its kernels.
    ///
    /// - Precondition: history is positive.
    public init(for trainer: borrowing Trainer, history: Int = 10) {
        self.init(count: unsafe trainer.pass.pointee.layout.parameters.count, history: history, kernels: trainer.kernels)
    }
}
