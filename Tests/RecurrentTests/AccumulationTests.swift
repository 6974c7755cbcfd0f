import Foundation
import Recurrent
import RecurrentFormats
import TestSupport
import Testing

/// Segments of two sequences of five steps, 17 values in and 3 out, with a state carried from one
/// to the next.
@Suite struct AccumulationTests {
    private static let shape = ModelShape(
        input: .values(size: 2), layers: [.lstm(17), .gru(5, .resetAfter)], outputSize: 3,
        loss: .crossEntropy)
    private static let count = 4

    private func trainer(
        _ optimizer: Optimizer = .sgd(SGD(learningRate: 0.5)), batch: Int = 2,
        clip: GradientClip = .none,
        regularization: Regularization = .none, dropout: Float = 0, threads: Int = 1,
        kernels: Kernels = .best
    ) -> Trainer {
        Trainer(
            Model(Self.shape, seed: 3), optimizer: optimizer, batch: batch, steps: 5,
            initialState: .carried, clip: clip, regularization: regularization,
            dropout: dropout, seed: 4, threads: threads, kernels: kernels)
    }

    /// [T][B][2] values and [T][B] classes; the second sequence has fewer targets in each segment
    /// than in the one before.
    private func segment(_ index: Int) -> (values: [Float], targets: [Int32]) {
        var generator = Generator(seed: UInt64(index))
        let values = generator.floats(5 * 2 * 2)
        let targets = (0..<10).map { row in
            row % 2 == 1 && row / 2 + index >= 5 ? -1 : Int32((row * row + index) % 3)
        }
        return (values, targets)
    }

    private func accumulate(_ trainer: inout Trainer, _ indices: Range<Int> = 0..<count) {
        for index in indices {
            let (values, targets) = segment(index)
            trainer.accumulate(values: values.span, targets: targets.span)
        }
    }

    /// The parameters of a model, by way of its file.
    private func parameters(_ trainer: borrowing Trainer) throws -> [Float] {
        let folder = try TemporaryFolder()
        let path = folder.path("model.safetensors")
        try trainer.model.save(to: path)
        let file = try Safetensors(try readFile(path))
        return try file.entries.flatMap { try file.tensor(named: $0.name).values }
    }

    /// An update by one segment is a step, but for the rounding of the division that comes later.
    @Test func oneSegmentIsAStep() throws {
        let strengths = Regularization(l1: 1e-3, l2: 1e-2)
        let clip = GradientClip(norm: 0.1)
        var one = trainer(clip: clip, regularization: strengths)
        var other = trainer(clip: clip, regularization: strengths)
        let (values, targets) = segment(2)
        let accumulated = one.accumulate(values: values.span, targets: targets.span)
        let (update, step) = (one.update(), other.step(values: values.span, targets: targets.span))
        #expect(
            accumulated.count == 8 && accumulated.loss == step.loss && update.loss == step.loss
                && update.penalty == step.penalty && update.updated)
        #expect(abs(update.gradientNorm - step.gradientNorm) <= 1e-6 * step.gradientNorm)
        try Comparer.check(
            "parameters", try parameters(one), try parameters(other).map(Double.init),
            absolute: 1e-8, relative: 1e-6)
    }

    /// Two sequences side by side, or one after the other: the mean is over their targets, however
    /// many each of them has.
    @Test func theMeanIsOverAllTargets() throws {
        var together = trainer()
        var apart = trainer(batch: 1)
        let (values, targets) = segment(3)
        let step = together.step(values: values.span, targets: targets.span)
        for sequence in 0..<2 {
            let rows = (0..<5).map { 2 * $0 + sequence }
            let own: [Float] = rows.flatMap { [values[2 * $0], values[2 * $0 + 1]] }
            let classes: [Int32] = rows.map { targets[$0] }
            apart.resetState()
            apart.accumulate(values: own.span, targets: classes.span)
        }
        let update = apart.update()
        #expect(
            abs(update.loss - step.loss) <= 1e-6
                && abs(update.gradientNorm - step.gradientNorm) <= 1e-6 * step.gradientNorm)
        try Comparer.check(
            "parameters", try parameters(apart), try parameters(together).map(Double.init),
            absolute: 1e-7, relative: 1e-6)
    }

    /// Nothing moves before the update, and what was accumulated is gone after it.
    @Test func updatesBeginAnew() throws {
        var one = trainer()
        var other = trainer()
        let start = try parameters(one)
        accumulate(&one)
        #expect(try parameters(one) == start)
        #expect(one.update().updated)
        #expect(try parameters(one) != start)
        let moved = try parameters(one)
        let nothing = one.update()
        #expect(!nothing.updated && nothing.loss.isNaN && nothing.gradientNorm == 0)
        #expect(try parameters(one) == moved)
        accumulate(&other)
        _ = other.update()
        one.resetState()
        other.resetState()
        accumulate(&one, 0..<2)
        accumulate(&other, 0..<2)
        #expect(one.update() == other.update())
    }

    @Test func threadsAndInstructionSetsChangeNoBit() throws {
        func run(_ threads: Int, _ isa: ISA) throws -> [TrainingStep] {
            var trainer = trainer(
                .adam(Adam()), clip: GradientClip(norm: 0.1),
                regularization: Regularization(l2: 0.01), dropout: 0.2, threads: threads,
                kernels: try Kernels(isa: isa))
            return (0..<3).map { _ in
                trainer.resetState()
                accumulate(&trainer)
                return trainer.update()
            }
        }
        let expected = try run(1, .best)
        for isa in ISA.available {
            for threads in [1, 3] {
                #expect(try run(threads, isa) == expected, "\(isa), \(threads) threads")
            }
        }
    }

    /// Cut off between any two segments.
    @Test func checkpointsHoldWhatIsAccumulated() throws {
        let folder = try TemporaryFolder()
        let path = folder.path("checkpoint")
        let rule = Optimizer.sgd(SGD(momentum: 0.5))
        var whole = trainer(rule, dropout: 0.2)
        accumulate(&whole)
        let expected = whole.update()
        for cut in 0...Self.count {
            var first = trainer(rule, dropout: 0.2)
            var second = trainer(rule, dropout: 0.2)
            accumulate(&first, 0..<cut)
            first.momentum = 0.75
            try first.saveCheckpoint(to: path)
            accumulate(&second, 1..<2)  // must not show
            _ = try second.restoreCheckpoint(contentsOf: path)
            #expect(second.momentum == 0.75)
            accumulate(&second, cut..<Self.count)
            #expect(second.update() == expected, "cut at \(cut)")
        }
    }

    /// μ as `momentum` sets it is that of the update: v = μ v + g with η = 1 moves by v.
    @Test func momentumIsThatOfTheNextUpdate() throws {
        var set = trainer(.sgd(SGD(learningRate: 0.1, momentum: 0.9)))
        var made = trainer(.sgd(SGD(learningRate: 0.1, momentum: 0.3)))
        set.momentum = 0.3
        for _ in 0..<3 {
            accumulate(&set)
            accumulate(&made)
            #expect(set.update() == made.update())
        }
        #expect(try parameters(set) == parameters(made) && trainer().momentum == 0)
    }

    @Test func minimizesAFullBatch() throws {
        let strengths = Regularization(l2: 1e-4)
        var trainer = trainer(regularization: strengths)
        var lbfgs = LBFGS(for: trainer)
        func batch(_ trainer: inout Trainer) {
            for index in 0..<Self.count {
                trainer.resetState()
                accumulate(&trainer, index..<(index + 1))
            }
        }
        batch(&trainer)
        let start = trainer.update()
        func minimize() -> Minimization {
            trainer.minimize(&lbfgs, gradientCalls: 40) { batch in
                for index in 0..<Self.count {
                    batch.resetState()
                    let (values, targets) = segment(index)
                    batch.accumulate(values: values.span, targets: targets.span)
                }
            }
        }
        let found = minimize()
        #expect(
            found.end == .limit && found.gradientCalls <= 40 && found.loss < 0.5 * start.objective,
            "\(found)")
        let more = minimize()
        #expect(more.loss < 0.5 * found.loss, "\(found) \(more)")
        // The parameters are those whose loss it tells, padding is zero, and nothing is left of its
        // gradients.
        let folder = try TemporaryFolder()
        let path = folder.path("model.safetensors")
        try trainer.model.save(to: path)
        var other = Trainer(
            try Model(contentsOf: path), optimizer: .sgd(SGD(learningRate: 0.5)), batch: 2,
            steps: 5, initialState: .carried,
            regularization: strengths)
        batch(&trainer)
        batch(&other)
        let (update, expected) = (trainer.update(), other.update())
        #expect(
            update == expected && update.objective == more.loss
                && abs(update.gradientNorm - more.gradientNorm) <= 1e-9 * more.gradientNorm)
    }

    /// A small LSTM in full batch, taught by another one, against Adam with as many gradients at
    /// the best of many learning rates.
    @Test func lbfgsFitsAnLSTMBetterThanAdam() {
        let shape = ModelShape(
            input: .values(size: 2), layers: [.lstm(8)], outputSize: 2, loss: .meanSquaredError)
        let calls = 200
        var generator = Generator(seed: 5)
        let values = generator.floats(12 * 10 * 2, scale: 2)
        func trainer(_ seed: UInt64, _ optimizer: Optimizer) -> Trainer {
            Trainer(Model(shape, seed: seed), optimizer: optimizer, batch: 10, steps: 12)
        }
        var teacher = trainer(99, .sgd(SGD()))
        teacher.predict(values: values.span)
        let targets = (0..<120).flatMap { row in
            teacher.withOutput(step: row / 10, sequence: row % 10) { [5 * $0[0], 5 * $0[1]] }
        }
        for seed in [1, 2] as [UInt64] {
            var student = trainer(seed, .sgd(SGD()))
            var lbfgs = LBFGS(for: student, history: 20)
            let found = student.minimize(&lbfgs, gradientCalls: calls) {
                $0.resetState()
                $0.accumulate(values: values.span, targets: targets.span)
            }
            let losses = [0.01, 0.02, 0.03, 0.06, 0.1, 0.2, 0.4].map { rate in
                var student = trainer(seed, .adam(Adam(learningRate: rate)))
                var least = Double.infinity
                for _ in 0..<calls {
                    student.resetState()
                    least = min(
                        least, student.step(values: values.span, targets: targets.span).loss)
                }
                return least
            }
            #expect(found.loss < losses.min()! / 5, "\(found), \(losses)")
        }
    }

    @Test func minimizesToTheSameBitsWithAnyThreads() throws {
        func run(_ threads: Int, _ isa: ISA) throws -> (Minimization, [Float]) {
            var trainer = trainer(threads: threads, kernels: try Kernels(isa: isa))
            var lbfgs = LBFGS(for: trainer, history: 5)
            let found = trainer.minimize(&lbfgs, gradientCalls: 15) { batch in
                batch.resetState()
                for index in 0..<Self.count {
                    let (values, targets) = segment(index)
                    batch.accumulate(values: values.span, targets: targets.span)
                }
            }
            return (found, try parameters(trainer))
        }
        let expected = try run(1, .best)
        for isa in ISA.available { #expect(try run(3, isa) == expected, "\(isa)") }
    }

    @Test func aStepDoesNotMixWithSegmentsThatWait() async {
        await #expect(processExitsWith: .failure) {
            let shape = ModelShape(
                input: .values(size: 1), layers: [.lstm(2)], outputSize: 2, loss: .crossEntropy)
            var trainer = Trainer(Model(shape, seed: 1), optimizer: .sgd(SGD()), batch: 1, steps: 1)
            let values: [Float] = [1]
            let targets: [Int32] = [0]
            trainer.accumulate(values: values.span, targets: targets.span)
            _ = trainer.step(values: values.span, targets: targets.span)
        }
    }
}
