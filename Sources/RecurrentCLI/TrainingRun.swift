import ArgumentParser
import Foundation
import Recurrent

/// A training from the first epoch to the last: learns, measures, keeps the best model, tells how it goes.
struct TrainingRun {
    /// A token that is learned costs a forward pass, and a backward pass of twice that; one that is measured on the forward pass alone.
    private static let learningCost = 3

    let text: TrainingText
    let epochs: Int
    let out: String
    let quiet: Bool
    private var bar: ProgressBar
    private(set) var stopping: EarlyStopping
    /// Of the epoch after which the model was best.
    private(set) var bestTrainPerplexity = Double.infinity
    private(set) var epochCount = 0
    private(set) var skippedSteps = 0
    private var learningTime = Duration.zero

    init(text: TrainingText, epochs: Int, patience: Int, out: String, quiet: Bool, bar: ProgressBar) {
        self.text = text
        self.epochs = epochs
        self.out = out
        self.quiet = quiet
        self.bar = bar
        stopping = EarlyStopping(patience: patience)
    }

    /// Tokens learned in a second, without the time to measure and to save.
    var tokensPerSecond: Double { Double(epochCount * text.training.tokenCount) / (learningTime / .seconds(1)) }

    /// Trains until the last epoch, or until the model no longer improves. Throws where it never did, or where the loss is no longer finite.
    mutating func train(_ trainer: inout Trainer) throws {
        while epochCount < epochs && !stopping.isOver {
            do {
                try runEpoch(&trainer)
            } catch let interruption as ExitCode {
                bar.clear()
                printToStandardError("recurrent: interrupted; \(modelSoFar)\n")
                throw interruption
            }
        }
        guard stopping.bestEpoch > 0 else {
            throw diverged("no perplexity is finite after \(epochCount) epochs", trainer.learningRate)
        }
    }

    private mutating func runEpoch(_ trainer: inout Trainer) throws {
        let number = epochCount + 1
        let title = "epoch \(number)/\(epochs)"
        let start = ContinuousClock.now, learningRate = trainer.learningRate
        let epoch = try trainer.runEpoch(text.training) { epoch in
            try Interruption.check()
            guard epoch.training.lossSum.isFinite else { throw diverged("the loss is not finite in epoch \(number)", learningRate) }
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            bar.show(title, fraction: fraction(learned: epoch.training.count, measured: 0), """
                loss \(epoch.training.loss.rounded), perplexity \(epoch.training.perplexity.rounded), \
                \(Int(Double(epoch.training.count) / seconds).grouped) tokens/s
                """)
        }
        let time = ContinuousClock.now - start
        let development = try trainer.evaluate(text.development) { sum in
            try Interruption.check()
            bar.show(title, fraction: fraction(learned: epoch.training.count, measured: sum.count), "development perplexity \(sum.perplexity.rounded)")
        }
        epochCount = number
        learningTime += time
        skippedSteps += epoch.skippedSteps
        let improved = stopping.improves(epoch: number, perplexity: development.perplexity)
        if improved {
            bestTrainPerplexity = epoch.training.perplexity
            try save(trainer)
        }
        bar.clear()
        if !quiet { try printToStandardOutput(line(epoch, development: development, improved: improved, time: time)) }
    }

    /// What there is when the training ends early.
    private var modelSoFar: String { stopping.bestEpoch > 0 ? "the best model so far is in \(out)" : "no model yet" }

    private mutating func diverged(_ what: String, _ learningRate: Double) -> Failure {
        bar.clear()
        return Failure(.software, "training: diverged: \(what); expected a smaller --learning-rate, found \(learningRate); \(modelSoFar)")
    }

    /// The share of all the work that is done.
    private func fraction(learned: Int, measured: Int) -> Double {
        let epoch = text.training.tokenCount * Self.learningCost + text.development.tokenCount
        return (Double(epochCount) + Double(learned * Self.learningCost + measured) / Double(epoch)) / Double(epochs)
    }

    private func save(_ trainer: borrowing Trainer) throws(Failure) {
        do {
            try trainer.model.save(to: out)
        } catch {
            throw Failure(error.isInputOutput ? .inputOutput : .software, "\(error)")
        }
    }

    private func line(_ epoch: Epoch, development: Evaluation, improved: Bool, time: Duration) -> String {
        let rate = Int(Double(epoch.training.count) / (time / .seconds(1)))
        let skipped = epoch.skippedSteps == 0 ? "" : ", \(epoch.skippedSteps) steps skipped: gradient not finite"
        return """
            epoch \(epochCount): train perplexity \(epoch.training.perplexity.rounded), development perplexity \(development.perplexity.rounded)\
            \(improved ? "" : " (no better)"), \(rate.grouped) tokens/s\(skipped)

            """
    }
}

/// What `train --json` prints.
struct TrainReport: Encodable {
    let text: String?
    let hidden: Int, layers: Int, embedding: Int, batch: Int, steps: Int
    let optimizer: String, learningRate: Double, clip: Double, dropout: Double
    let seed: UInt64, threads: Int, isa: String, out: String
    let vocabulary: Int, trainTokens: Int, devTokens: Int, parameters: Int
    let epochs: Int, bestEpoch: Int, trainPerplexity: NumberOrNull, devPerplexity: Double
    let skippedSteps: Int, tokensPerSecond: Double, seconds: Double
}
