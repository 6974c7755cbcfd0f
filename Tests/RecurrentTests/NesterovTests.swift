import Recurrent
import Testing

/// The two forms of Nesterov's momentum: one sequence of losses, of two sequences of weights.
@Suite struct NesterovTests {
    private struct Segment {
        let tokens, targets: [Int32]

        init(_ index: Int) {
            tokens = (0..<15).map { Int32((index + $0 * $0) % 11) }
            targets = tokens.map { ($0 * 3 + 1) % 11 }
        }
    }

    private func trainer(lookAhead: Bool, convention: MomentumConvention) -> Trainer {
        let shape = ModelShape(
            input: .tokens(vocabulary: 11, dimension: 9), layers: [.lstm(17)], outputSize: 11,
            loss: .crossEntropy)
        return Trainer(
            Model(shape, seed: 1),
            optimizer: .sgd(
                SGD(
                    learningRate: 0.2, momentum: 0.9, nesterov: true, weightDecay: 0.001,
                    convention: convention, lookAhead: lookAhead)),
            batch: 3, steps: 5, clip: GradientClip(norm: 1), threads: 2)
    }

    @Test(arguments: [MomentumConvention.buffer, .velocity])
    func formsHaveTheSameLosses(convention: MomentumConvention) {
        var update = trainer(lookAhead: false, convention: convention)
        var lookAhead = trainer(lookAhead: true, convention: convention)
        var differences = 0.0
        for index in 0..<40 {
            let segment = Segment(index)
            let (tokens, targets) = (segment.tokens.span, segment.targets.span)
            // What is evaluated is θ + μ v of the one, θ of the other.
            let evaluated = [
                update.evaluate(tokens: tokens, targets: targets).loss,
                lookAhead.evaluate(tokens: tokens, targets: targets).loss,
            ]
            differences = max(differences, abs(evaluated[0] - evaluated[1]))
            let losses = [
                update.step(tokens: tokens, targets: targets).loss,
                lookAhead.step(tokens: tokens, targets: targets).loss,
            ]
            // Some roundings of weights below 4 a step, which training does not enlarge much.
            #expect(abs(losses[0] - losses[1]) < 1e-4, "step \(index): \(losses)")
        }
        #expect(differences > 1e-3)
    }

    /// Segments of one update have their gradients at the same point, and none of them moves the
    /// weights for longer than it takes.
    @Test func accumulationLooksAheadToo() {
        var whole = trainer(lookAhead: true, convention: .buffer)
        var parts = trainer(lookAhead: true, convention: .buffer)
        for index in 0..<5 {
            let segment = Segment(index)
            let (tokens, targets) = (segment.tokens.span, segment.targets.span)
            let before = parts.evaluate(tokens: tokens, targets: targets).loss
            _ = whole.step(tokens: tokens, targets: targets)
            _ = parts.accumulate(tokens: tokens, targets: targets)
            #expect(parts.evaluate(tokens: tokens, targets: targets).loss == before)
            _ = parts.update()
            let after = [
                whole.evaluate(tokens: tokens, targets: targets).loss,
                parts.evaluate(tokens: tokens, targets: targets).loss,
            ]
            #expect(abs(after[0] - after[1]) < 1e-5)
        }
    }
}
