import Recurrent
import Testing

@Suite struct TrainerTests {
    /// Tokens that repeat with a period, and the tokens that follow them: [T][B].
    private func periodicText(batch: Int, steps: Int, vocabulary: Int) -> (tokens: [Int32], targets: [Int32]) {
        func token(_ step: Int, _ sequence: Int) -> Int32 { Int32((step * step + 3 * sequence) % vocabulary) }
        let places = (0..<steps).flatMap { step in (0..<batch).map { (step, $0) } }
        return (places.map { token($0.0, $0.1) }, places.map { token($0.0 + 1, $0.1) })
    }

    private func losses(_ optimizer: Optimizer, steps: Int, threads: Int = 1, dropout: Float = 0, hiddenSizes: [Int] = [24, 17],
                        isa: ISA = .best) throws -> [Double] {
        let shape = ModelShape(input: .tokens(vocabulary: 11, dimension: 9), hiddenSizes: hiddenSizes, outputSize: 11, loss: .crossEntropy)
        var trainer = Trainer(Model(shape, seed: 1), optimizer: optimizer, batch: 5, steps: 7, clip: GradientClip(norm: 5), dropout: dropout,
                              threads: threads, kernels: try Kernels(isa: isa))
        let (tokens, targets) = periodicText(batch: 5, steps: 7, vocabulary: 11)
        return (0..<steps).map { _ in
            trainer.resetState()
            return trainer.step(tokens: tokens.span, targets: targets.span).loss
        }
    }

    @Test func overfitsOneBatch() throws {
        let losses = try losses(.adam(Adam(learningRate: 0.02)), steps: 150)
        #expect(abs(losses[0] - 2.4) < 0.3, "the first loss is near log(11)")
        #expect(losses.last! < 0.02)
    }

    @Test(arguments: ["sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adadelta", "adam", "adamw", "amsgrad"])
    func everyOptimizerLowersTheLoss(name: String) throws {
        let optimizer = try #require(Optimizer.named(name))
        let losses = try losses(optimizer, steps: 60)
        #expect(losses.last! < losses[0] - 0.02, "\(losses[0]) → \(losses.last!)")
    }

    @Test func threadsAndInstructionSetsChangeNoBit() throws {
        let expected = try losses(.adam(Adam()), steps: 6, dropout: 0.3)
        for isa in ISA.available {
            for threads in [1, 2, 3, 5] {
                #expect(try losses(.adam(Adam()), steps: 6, threads: threads, dropout: 0.3, isa: isa) == expected, "\(isa), \(threads) threads")
            }
        }
    }
}
