/// The safe face: segments as spans, in which every sequence has all the steps.
extension Trainer {
    private func check(_ name: String, _ found: Int, _ expected: Int) {
        require(found == expected, "\(name): expected \(expected) elements, found \(found)")
    }

    private func check(tokens: Span<Int32>) { check("tokens", tokens.count, batch * steps) }
    private func check(values: Span<Float>) { check("values", values.count, batch * steps * model.shape.featureCount) }
    private func check(targets: Span<Int32>) { check("targets", targets.count, targetCount) }
    private func check(targets: Span<Float>) { check("targets", targets.count, targetCount * model.shape.outputSize) }

    /// One step on a segment of tokens: [T][B] tokens and classes, time-major; [B] classes where the head gives one answer for each sequence.
    ///
    /// - Precondition: the counts are those.
    public mutating func step(tokens: Span<Int32>, targets: Span<Int32>) -> TrainingStep {
        check(tokens: tokens)
        check(targets: targets)
        return unsafe tokens.withUnsafeBufferPointer { tokens in
            unsafe targets.withUnsafeBufferPointer { targets in unsafe step(tokens: tokens.baseAddress!, targets: targets.baseAddress!) }
        }
    }

    /// One step on a segment of values: [T][B][I] values and [T][B] classes.
    ///
    /// - Precondition: the counts are those.
    public mutating func step(values: Span<Float>, targets: Span<Int32>) -> TrainingStep {
        check(values: values)
        check(targets: targets)
        return unsafe values.withUnsafeBufferPointer { values in
            unsafe targets.withUnsafeBufferPointer { targets in unsafe step(values: values.baseAddress!, targets: targets.baseAddress!) }
        }
    }

    /// One step on a segment of values: [T][B][I] values and [T][B][N] targets.
    ///
    /// - Precondition: the counts are those.
    public mutating func step(values: Span<Float>, targets: Span<Float>) -> TrainingStep {
        check(values: values)
        check(targets: targets)
        return unsafe values.withUnsafeBufferPointer { values in
            unsafe targets.withUnsafeBufferPointer { targets in unsafe step(values: values.baseAddress!, targets: targets.baseAddress!) }
        }
    }

    /// Adds the gradient of a segment of tokens to those since the last update; counts as in `step`.
    @discardableResult
    public mutating func accumulate(tokens: Span<Int32>, targets: Span<Int32>) -> Evaluation {
        check(tokens: tokens)
        check(targets: targets)
        return unsafe tokens.withUnsafeBufferPointer { tokens in
            unsafe targets.withUnsafeBufferPointer { targets in unsafe accumulate(tokens: tokens.baseAddress!, targets: targets.baseAddress!) }
        }
    }

    /// Adds the gradient of a segment of values with classes.
    @discardableResult
    public mutating func accumulate(values: Span<Float>, targets: Span<Int32>) -> Evaluation {
        check(values: values)
        check(targets: targets)
        return unsafe values.withUnsafeBufferPointer { values in
            unsafe targets.withUnsafeBufferPointer { targets in unsafe accumulate(values: values.baseAddress!, targets: targets.baseAddress!) }
        }
    }

    /// Adds the gradient of a segment of values with values.
    @discardableResult
    public mutating func accumulate(values: Span<Float>, targets: Span<Float>) -> Evaluation {
        check(values: values)
        check(targets: targets)
        return unsafe values.withUnsafeBufferPointer { values in
            unsafe targets.withUnsafeBufferPointer { targets in unsafe accumulate(values: values.baseAddress!, targets: targets.baseAddress!) }
        }
    }

    /// The loss of a segment of tokens; counts as in `step`.
    public mutating func evaluate(tokens: Span<Int32>, targets: Span<Int32>) -> Evaluation {
        check(tokens: tokens)
        check(targets: targets)
        return unsafe tokens.withUnsafeBufferPointer { tokens in
            unsafe targets.withUnsafeBufferPointer { targets in unsafe evaluate(tokens: tokens.baseAddress!, targets: targets.baseAddress!) }
        }
    }

    /// The loss of a segment of values with classes.
    public mutating func evaluate(values: Span<Float>, targets: Span<Int32>) -> Evaluation {
        check(values: values)
        check(targets: targets)
        return unsafe values.withUnsafeBufferPointer { values in
            unsafe targets.withUnsafeBufferPointer { targets in unsafe evaluate(values: values.baseAddress!, targets: targets.baseAddress!) }
        }
    }

    /// The loss of a segment of values with values.
    public mutating func evaluate(values: Span<Float>, targets: Span<Float>) -> Evaluation {
        check(values: values)
        check(targets: targets)
        return unsafe values.withUnsafeBufferPointer { values in
            unsafe targets.withUnsafeBufferPointer { targets in unsafe evaluate(values: values.baseAddress!, targets: targets.baseAddress!) }
        }
    }

    /// Runs the model over a segment of tokens without targets; `withOutput` lends what comes out.
    public mutating func predict(tokens: Span<Int32>) {
        check(tokens: tokens)
        unsafe tokens.withUnsafeBufferPointer { unsafe predict(tokens: $0.baseAddress!) }
    }

    /// Runs the model over a segment of values without targets.
    public mutating func predict(values: Span<Float>) {
        check(values: values)
        unsafe values.withUnsafeBufferPointer { unsafe predict(values: $0.baseAddress!) }
    }
}
