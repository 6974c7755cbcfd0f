import Recurrent

/// How one cell learns a task.
struct LearningRun: Encodable {
    struct Point: Encodable {
        let updates: Int
        /// Of sequences that are not learned.
        let loss: Double, accuracy: Double
    }

    /// A cell that answers this share of the questions is done.
    static let enough = 0.99
    private static let updatesPerPoint = 100
    /// Sequences to measure on, at least.
    private static let measured = 256

    let cell: String
    private(set) var points: [Point] = []
    private(set) var baseline = 0.0
    /// Whether the loss was no longer finite, which ended it.
    private(set) var diverged = false
    private(set) var seconds = 0.0

    var isLearned: Bool { points.last.map { $0.accuracy >= Self.enough } ?? false }

    init(cell: String) { self.cell = cell }

    /// Learns fresh sequences until enough of the answers are right.
    ///
    /// - Parameter onStep: is given the updates done and the last point.
    mutating func learn(
        _ trainer: inout Trainer, _ task: some SequenceTask, updates: Int, seed: UInt64,
        onStep: (Int, Point?) throws -> Void
    ) throws {
        let start = ContinuousClock.now
        var generator = SplitMix64(seed: seed)
        var other = SplitMix64(seed: ~seed)
        let count = (Self.measured + trainer.batch - 1) / trainer.batch
        let measured = try (0..<count).map { _ in
            try Interruption.check()
            return task.sequences(trainer.batch, using: &other)
        }
        baseline = measured.reduce(0) { $0 + $1.baseline } / Double(count)
        for update in 1...updates {
            if isLearned || diverged { break }
            let step = trainer.learn(task.sequences(trainer.batch, using: &generator))
            diverged = !step.loss.isFinite
            if !diverged && (update % Self.updatesPerPoint == 0 || update == updates) {
                let (loss, accuracy) = try trainer.measure(
                    measured, isAllOrNothing: task.isAllOrNothing)
                diverged = !loss.isFinite
                if !diverged {
                    points.append(Point(updates: update, loss: loss, accuracy: accuracy))
                }
            }
            try onStep(update, points.last)
        }
        seconds = (ContinuousClock.now - start) / .seconds(1)
    }
}

extension Trainer {
    /// One step on sequences from their beginning to their end.
    fileprivate mutating func learn(_ batch: SequenceBatch) -> TrainingStep {
        switch batch.targets {
        case .values(let targets):
            return step(
                values: batch.values.span, targets: targets.span, lengths: batch.lengths?.span)
        case .classes(let targets):
            return step(
                values: batch.values.span, targets: targets.span, lengths: batch.lengths?.span)
        }
    }

    /// The mean loss, and the share of answers that are right.
    fileprivate mutating func measure(_ batches: [SequenceBatch], isAllOrNothing: Bool) throws -> (
        loss: Double, accuracy: Double
    ) {
        var sum = Evaluation()
        var right = 0
        var count = 0
        for batch in batches {
            try Interruption.check()
            let evaluation =
                switch batch.targets {
                case .values(let targets):
                    evaluate(
                        values: batch.values.span, targets: targets.span,
                        lengths: batch.lengths?.span)
                case .classes(let targets):
                    evaluate(
                        values: batch.values.span, targets: targets.span,
                        lengths: batch.lengths?.span)
                }
            sum += evaluation
            for (sequence, questions) in batch.questions.enumerated() {
                let answers = questions.map { question in
                    withOutput(step: question.step, sequence: sequence, question.isRight)
                }
                right += isAllOrNothing ? (answers.allSatisfy { $0 } ? 1 : 0) : answers.count { $0 }
                count += isAllOrNothing ? 1 : answers.count
            }
        }
        return (loss: sum.loss, accuracy: Double(right) / Double(count))
    }
}
