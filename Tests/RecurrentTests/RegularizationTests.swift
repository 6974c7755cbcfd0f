import Recurrent
import RecurrentFormats
import TestSupport
import Testing

@Suite struct RegularizationTests {
    private static let shape = ModelShape(
        input: .values(size: 1), layers: [.lstm(19)], outputSize: 2, loss: .meanSquaredError)
    private let values = (0..<18).map { Float($0 % 5) / 5 }
    private var targets: [Float] { values.flatMap { [$0 * 0.5, 0.3 - $0] } }

    private func trainer(
        _ regularization: Regularization, _ optimizer: Optimizer = .sgd(SGD(learningRate: 0.1)),
        clip: GradientClip = .none,
        threads: Int = 1, kernels: Kernels = .best
    ) -> Trainer {
        Trainer(
            Model(Self.shape, seed: 2), optimizer: optimizer, batch: 3, steps: 6, clip: clip,
            regularization: regularization,
            threads: threads, kernels: kernels)
    }

    private func train(_ trainer: inout Trainer, steps: Int) -> [TrainingStep] {
        (0..<steps).map { _ in
            trainer.resetState()
            return trainer.step(values: values.span, targets: targets.span)
        }
    }

    /// The parameters of a model, by way of its file.
    private func parameters(_ trainer: borrowing Trainer) throws -> [Double] {
        let folder = try TemporaryFolder()
        let path = folder.path("model.safetensors")
        try trainer.model.save(to: path)
        let file = try Safetensors(try readFile(path))
        return try file.entries.flatMap { try file.tensor(named: $0.name).values.map(Double.init) }
    }

    /// The penalty is that of the parameters before the update; the loss is as without it.
    @Test func reportsThePenaltyBesideTheLoss() throws {
        let strengths = Regularization(l1: 0.002, l2: 0.01)
        var with = trainer(strengths)
        var without = trainer(.none)
        let p = try parameters(with)
        let expected = p.reduce(0) { $0 + strengths.l1 * $1.magnitude + strengths.l2 / 2 * $1 * $1 }
        let step = train(&with, steps: 1)[0]
        let plain = train(&without, steps: 1)[0]
        #expect((step.penalty - expected).magnitude <= 1e-12 * expected && plain.penalty == 0)
        #expect(
            step.loss == plain.loss && step.objective == step.loss + step.penalty
                && plain.objective == plain.loss)
        #expect(step.gradientNorm != plain.gradientNorm)
        #expect(train(&with, steps: 1)[0].penalty < expected)
    }

    /// Gradient descent without clipping.
    @Test func l2IsWeightDecay() throws {
        var with = trainer(Regularization(l2: 0.03))
        var decayed = trainer(.none, .sgd(SGD(learningRate: 0.1, weightDecay: 0.03)))
        _ = (train(&with, steps: 20), train(&decayed, steps: 20))
        let (found, expected) = (try parameters(with), try parameters(decayed))
        try Comparer.check(
            "parameters", found.map { Float($0) }, expected, absolute: 1e-7, relative: 1e-5)
    }

    /// One update without momentum moves each parameter by η λ1 in the direction of zero, beside
    /// what the loss does.
    @Test func l1DrawsToZero() throws {
        var with = trainer(Regularization(l1: 0.01))
        var without = trainer(.none)
        let start = try parameters(with)
        _ = (train(&with, steps: 1), train(&without, steps: 1))
        let (found, plain) = (try parameters(with), try parameters(without))
        let expected = zip(plain, start).map { $0 - 0.1 * 0.01 * ($1 > 0 ? 1 : $1 < 0 ? -1 : 0) }
        try Comparer.check(
            "parameters", found.map { Float($0) }, expected, absolute: 1e-7, relative: 1e-6)
        _ = train(&with, steps: 300)
        #expect(
            try parameters(with).count { $0.magnitude > 2e-3 } < start.count / 4,
            "most parameters have come to rest at zero")
    }

    /// The penalty's gradient is clipped with the loss's.
    @Test func isClippedWithTheGradient() throws {
        var with = trainer(
            Regularization(l2: 50), .sgd(SGD(learningRate: 1)), clip: GradientClip(norm: 0.01))
        let start = try parameters(with)
        let step = train(&with, steps: 1)[0]
        let end = try parameters(with)
        let moved = zip(start, end).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
        #expect(step.gradientNorm > 1 && (moved - 0.01).magnitude < 1e-5)
    }

    @Test func threadsAndInstructionSetsChangeNoBit() throws {
        let strengths = Regularization(l1: 1e-3, l2: 1e-2)
        var first = trainer(strengths, .adam(Adam()))
        let expected = train(&first, steps: 5)
        for isa in ISA.available {
            for threads in [1, 2, 3] {
                var trainer = trainer(
                    strengths, .adam(Adam()), threads: threads, kernels: try Kernels(isa: isa))
                #expect(train(&trainer, steps: 5) == expected, "\(isa), \(threads) threads")
            }
        }
    }

    @Test func strengthsHaveRanges() async {
        await #expect(processExitsWith: .failure) { _ = Regularization(l1: -1e-9) }
        await #expect(processExitsWith: .failure) { _ = Regularization(l1: .nan) }
        await #expect(processExitsWith: .failure) { _ = Regularization(l2: .infinity) }
        await #expect(processExitsWith: .failure) { _ = Regularization(l2: 1e39) }
    }

    /// Limits and strengths that would train uphill, or destroy the weights, cannot be made.
    @Test func whatIsOutOfRangeIsRefused() async {
        let norm = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = GradientClip(norm: -1)
        }
        #expect(
            says(
                norm,
                """
                clip: expected positive limits, in a float's range (0, or 1.2e-38 to 3.4e+38), \
                found norm -1.0
                """
            ))
        let value = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = GradientClip(value: .nan)
        }
        #expect(says(value, "clip: expected positive limits"))
        let l1 = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent]) {
            _ = Regularization(l1: -0.1)
        }
        #expect(
            says(
                l1,
                """
                regularization: expected strengths of at least 0 and in a float's range (0, or \
                1.2e-38 to 3.4e+38), found l1 -0.1
                """
            ))
        await #expect(processExitsWith: .failure) { _ = Regularization(l2: 1e-60) }
        await #expect(processExitsWith: .failure) { _ = GradientClip(norm: .infinity) }
    }
}
