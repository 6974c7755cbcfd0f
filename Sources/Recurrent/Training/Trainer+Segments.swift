/// Segments that are learned, evaluated or predicted. All of them are time-major: row t × batch + b
/// is step t of sequence b. Where the model's head gives one answer for each sequence, there is one
/// target for each, and T is missing from the shapes of the targets.
///
/// Memory behind a pointer is a span too: `unsafe UnsafeBufferPointer(start: …, count: …).span`.
extension Trainer {
    /// One step on a segment of tokens with classes.
    ///
    /// - Parameters:
    ///   - tokens: [T][B] indices into the vocabulary; one outside it is a vector of zeros, and is
    ///     counted.
    ///   - targets: [T][B] classes; a negative one says that the row has no target, one not below
    ///     the output size is none and is counted.
    ///   - lengths: [B], the steps that each sequence has, or nil where all have `steps`.
    /// - Precondition: the counts are those, and the model is of such an input and such targets.
    public mutating func step(tokens: Span<Int32>, targets: Span<Int32>, lengths: Span<Int>? = nil)
        -> TrainingStep
    {
        train(tokens: tokens, classes: targets, lengths: lengths)
    }

    /// One step on a segment of values with classes: values [T][B][I], targets [T][B].
    public mutating func step(values: Span<Float>, targets: Span<Int32>, lengths: Span<Int>? = nil)
        -> TrainingStep
    {
        train(values: values, classes: targets, lengths: lengths)
    }

    /// One step on a segment of values with values: values [T][B][I], targets [T][B][N].
    public mutating func step(values: Span<Float>, targets: Span<Float>, lengths: Span<Int>? = nil)
        -> TrainingStep
    {
        train(values: values, targets: targets, lengths: lengths)
    }

    /// The loss of a segment, with a state of its own and without dropout; arguments as in `step`.
    public mutating func evaluate(
        tokens: Span<Int32>, targets: Span<Int32>, lengths: Span<Int>? = nil
    ) -> Evaluation {
        run(.evaluation, tokens: tokens, classes: targets, lengths: lengths)
    }

    /// The loss of a segment of values with classes.
    public mutating func evaluate(
        values: Span<Float>, targets: Span<Int32>, lengths: Span<Int>? = nil
    ) -> Evaluation {
        run(.evaluation, values: values, classes: targets, lengths: lengths)
    }

    /// The loss of a segment of values with values.
    public mutating func evaluate(
        values: Span<Float>, targets: Span<Float>, lengths: Span<Int>? = nil
    ) -> Evaluation {
        run(.evaluation, values: values, targets: targets, lengths: lengths)
    }

    /// Runs the model over a segment without targets, with the state of `evaluate`; `withOutput`
    /// tells what comes out.
    public mutating func predict(tokens: Span<Int32>, lengths: Span<Int>? = nil) {
        _ = run(.evaluation, tokens: tokens, lengths: lengths)
    }

    /// Runs the model over a segment of values without targets.
    public mutating func predict(values: Span<Float>, lengths: Span<Int>? = nil) {
        _ = run(.evaluation, values: values, lengths: lengths)
    }

    // MARK: Passes

    private func train(
        tokens: Span<Int32>? = nil, values: Span<Float>? = nil, classes: Span<Int32>? = nil,
        targets: Span<Float>? = nil, lengths: Span<Int>?
    ) -> TrainingStep {
        require(
            unsafe pass.pointee.accumulated.count == 0,
            "step: segments have been accumulated; expected update()")
        let result = run(
            .training, tokens: tokens, values: values, classes: classes, targets: targets,
            lengths: lengths)
        unsafe pass.pointee.step += 1
        return finishStep(result)
    }

    /// What the update did whose gradient is in.
    func finishStep(_ result: Evaluation) -> TrainingStep {
        let norm = unsafe pass.pointee.gradientNorm
        let updated = unsafe pass.pointee.allowsUpdate(norm: norm)
        if updated { unsafe pass.pointee.updates += 1 }
        return TrainingStep(
            loss: result.loss, penalty: unsafe pass.pointee.penalty, gradientNorm: norm,
            updated: updated,
            unknownTokens: result.unknownTokens, invalidTargets: result.invalidTargets)
    }

    /// Runs a segment: the only way from a caller's memory to the threads, which read it unchecked.
    func run(
        _ mode: TrainingMode, _ work: TrainingWork = .segment, tokens: Span<Int32>? = nil,
        values: Span<Float>? = nil,
        classes: Span<Int32>? = nil, targets: Span<Float>? = nil, lengths: Span<Int>?
    ) -> Evaluation {
        checkKinds(
            takesTokens: tokens != nil, hasClasses: classes != nil, hasValues: targets != nil)
        check("tokens", tokens?.count, batch * steps)
        check("values", values?.count, batch * steps * model.shape.featureCount)
        check("targets", classes?.count, targetCount)
        check("targets", targets?.count, targetCount * model.shape.outputSize)
        check("lengths", lengths?.count, batch)
        unsafe pass.pointee.mode = mode
        unsafe pass.pointee.work = work
        return unsafe withPointer(tokens) { tokens in
            unsafe withPointer(values) { values in
                unsafe withPointer(lengths) { lengths in
                    unsafe checkLengths(lengths)
                    unsafe pass.pointee.tokens = tokens
                    unsafe pass.pointee.values = values
                    unsafe pass.pointee.lengths = lengths
                    var result = unsafe withPointer(classes) { classes in
                        unsafe withPointer(targets) {
                            unsafe takeTargets(classes: classes, values: $0, lengths: lengths)
                        }
                    }
                    result.unknownTokens = unsafe unknownTokens(tokens, lengths)
                    unsafe pass.pointee.lossScale =
                        result.count == 0 ? 0 : work == .accumulation ? 1 : 1 / Float(result.count)
                    unsafe pass.pointee.prepareState()
                    unsafe pool.run(pass)
                    unsafe pass.pointee.saveState()
                    result.lossSum = unsafe pass.pointee.kernels.sumLosses(
                        pass.pointee.dense.rows, losses: pass.pointee.losses)
                    return result
                }
            }
        }
    }

    /// Traps where the input or the targets are not of the model's kind.
    private func checkKinds(takesTokens: Bool, hasClasses: Bool, hasValues: Bool) {
        require(
            takesTokens == (unsafe pass.pointee.embedding != nil),
            """
            trainer: the model's input is \(model.shape.input); expected \
            \(takesTokens ? "values" : "tokens"), found \(takesTokens ? "tokens" : "values")
            """)
        let loss = model.shape.loss
        require(
            !(loss.comparesClasses ? hasValues : hasClasses),
            """
            trainer: the model's loss is \(loss.name); expected targets as \
            \(loss.comparesClasses ? "classes (Int32)" : "values (Float)"), found \
            \(hasClasses ? "classes (Int32)" : "values (Float)"): a file that does not name its \
            loss is read with Model(contentsOf:loss:)
            """)
    }

    private func check(_ name: String, _ found: Int?, _ expected: Int) {
        guard let found else { return }
        require(found == expected, "\(name): expected \(expected) elements, found \(found)")
    }

    private func checkLengths(_ lengths: UnsafePointer<Int>?) {
        guard let lengths = unsafe lengths else { return }
        for sequence in 0..<batch {
            let length = unsafe lengths[sequence]
            require(
                length >= 0 && length <= steps,
                "lengths: expected 0 to \(steps), found \(length) of sequence \(sequence)")
        }
    }

    /// The tokens of steps that sequences have which are not in the vocabulary.
    private func unknownTokens(_ tokens: UnsafePointer<Int32>?, _ lengths: UnsafePointer<Int>?)
        -> Int
    {
        guard let tokens = unsafe tokens, case .tokens(let vocabulary, _) = model.shape.input else {
            return 0
        }
        var count = 0
        for step in 0..<steps {
            for sequence in 0..<batch {
                if let lengths = unsafe lengths, unsafe step >= lengths[sequence] { continue }
                let token = unsafe tokens[step * batch + sequence]
                if token < 0 || token >= vocabulary { count += 1 }
            }
        }
        return count
    }

    /// Copies the targets, leaving out those of rows that have ended, and returns how many rows
    /// have one, and how many an invalid one.
    private func takeTargets(
        classes: UnsafePointer<Int32>?, values: UnsafePointer<Float>?, lengths: UnsafePointer<Int>?
    ) -> Evaluation {
        let targets = unsafe pass.pointee.targets
        let outputSize = unsafe pass.pointee.dense.outputSize
        var result = Evaluation()
        for row in 0..<targetCount {
            let (step, sequence) = row.quotientAndRemainder(dividingBy: batch)
            let ended =
                if let lengths = unsafe lengths { unsafe step >= lengths[sequence] } else { false }
            if unsafe pass.pointee.loss.comparesClasses {
                let target = unsafe ended ? -1 : classes?[row] ?? -1
                unsafe targets[row] = target
                if target >= outputSize {
                    result.invalidTargets += 1
                } else if target >= 0 {
                    result.count += 1
                }
            } else if let values = unsafe values, !ended {
                unsafe targets[row] = 1
                result.count += 1
                let to =
                    unsafe pass.pointee.base + pass.pointee.layout.targetValues! + row
                    * padded(outputSize)
                unsafe to.update(from: values + row * outputSize, count: outputSize)
            } else {
                unsafe targets[row] = 0
            }
        }
        return result
    }
}

/// Calls `body` with the elements' memory, or with nil where there are none.
private func withPointer<Element, Result>(
    _ span: Span<Element>?, _ body: (UnsafePointer<Element>?) -> Result
) -> Result {
    guard let span else { return body(nil) }
    return unsafe span.withUnsafeBufferPointer { unsafe body($0.baseAddress) }
}
