import ArgumentParser
import Foundation
import Recurrent
import RecurrentFormats

/// A training from the first epoch to the last: learns, measures, keeps the best model and a
/// checkpoint, tells how it goes.
struct TrainingRun {
    /// A token that is learned costs a forward pass, and a backward pass of twice that; one that is
    /// measured on the forward pass alone.
    private static let learningCost = 3
    private static let progressKey = "training"

    let text: TrainingText
    private let isFullBatch: Bool
    /// The first learning rate, and what it is multiplied by as a function of the updates done.
    private let learningRate: Double, schedule: LearningRateSchedule
    /// The most that momentum grows to; as it is where nil.
    private let mostMomentum: Double?
    private let evaluator: Evaluator
    let epochs: Int
    let output: TrainingOutput
    let quiet: Bool
    private let checkpointSeconds: Double
    private var lastCheckpoint = ContinuousClock.now
    private var bar: ProgressBar
    private(set) var progress: TrainingProgress

    /// - Parameter training: what must be the same for a checkpoint to fit, beside what the trainer
    ///   checks.
    init(
        text: TrainingText, training: String, isFullBatch: Bool, learningRate: Double,
        schedule: RateSchedule, mostMomentum: Double?, evaluator: Evaluator, epochs: Int,
        patience: Int, output: TrainingOutput, checkpointSeconds: Double, quiet: Bool,
        bar: ProgressBar
    ) {
        self.text = text
        self.isFullBatch = isFullBatch
        self.learningRate = learningRate
        self.schedule = schedule.schedule(
            updatesPerEpoch: isFullBatch ? 1 : text.training.segmentCount)
        self.mostMomentum = mostMomentum
        self.evaluator = evaluator
        self.epochs = epochs
        self.output = output
        self.checkpointSeconds = checkpointSeconds
        self.quiet = quiet
        self.bar = bar
        progress = TrainingProgress(
            training: training, stopping: EarlyStopping(patience: patience),
            plateau: schedule.plateau,
            replaced: output.replaced)
    }

    var tokensPerSecond: Double { Double(progress.tokens) / progress.seconds }

    /// Goes back to where the checkpoint was written. Writes nothing unless all that it says can
    /// have come from this training.
    mutating func resume(_ trainer: inout Trainer) throws(Failure) {
        let metadata: [String: String]
        let checkpoint = output.checkpoint
        do {
            metadata = try trainer.restoreCheckpoint(contentsOf: checkpoint)
        } catch {
            throw Failure(reading: error)
        }
        let decoder = JSONDecoder()
        decoder.nonConformingFloatDecodingStrategy = .convertFromString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        guard let json = metadata[Self.progressKey],
            let found = try? decoder.decode(TrainingProgress.self, from: Data(json.utf8))
        else {
            throw Failure(
                .data,
                """
                \(checkpoint): metadata \(Self.progressKey); expected the progress of a \
                training, found none
                """
            )
        }
        guard found.training == progress.training else {
            throw Failure(
                .data,
                """
                \(checkpoint): a checkpoint of another training; expected \
                \(progress.training), found \(found.training)
                """
            )
        }
        if let item = found.impossibleItem(
            since: progress, text.training, isFullBatch: isFullBatch, steps: trainer.stepCount,
            updates: trainer.updateCount, accumulated: trainer.accumulatedCount)
        {
            throw Failure(
                .data,
                """
                \(checkpoint): metadata \(Self.progressKey): \(item); expected how far a training \
                can have come, found another number
                """)
        }
        let isModelDue = try checkModel(of: found)
        let patience = progress.stopping.patience
        progress = found
        progress.stopping.patience = patience
        if isModelDue { try write(model(of: trainer)) }
    }

    /// Refuses to go on beside a model that is not this training's. Returns whether the training
    /// was cut off between its checkpoint and its model, whose parameters the checkpoint then has.
    private func checkModel(of found: TrainingProgress) throws(Failure) -> Bool {
        let path = output.path
        let there = FileStatus(path) == nil ? nil : try fileChecksum(path)
        if there == found.model, there != nil { return false }
        let isNew = found.stopping.bestEpoch == found.epochCount && found.epoch.segmentCount == 0
        if found.model == nil || isNew, there == nil || there == found.replaced {
            return found.model != nil
        }
        guard there != nil else {
            throw Failure(
                .noInput, "\(path): no model; expected the best one so far beside its checkpoint")
        }
        throw Failure(
            .data,
            """
            \(path): another model; expected the one that \(output.checkpoint) goes with, or \
            none of this name
            """
        )
    }

    /// Trains until the last epoch, or until the model no longer improves. Throws where it never
    /// did, or where the loss is no longer finite.
    mutating func train(_ trainer: inout Trainer) throws {
        while progress.epochCount < epochs && !progress.stopping.isOver {
            do {
                try runEpoch(&trainer)
            } catch let interruption as ExitCode {
                bar.clear()
                try saveCheckpoint(&trainer)
                printNotice("interrupted; \(modelSoFar); --resume goes on")
                throw interruption
            }
        }
        guard progress.stopping.bestEpoch > 0 else {
            throw diverged("no perplexity is finite after \(progress.epochCount) epochs")
        }
    }

    private mutating func runEpoch(_ trainer: inout Trainer) throws {
        let number = progress.epochCount + 1
        let title = "epoch \(number)/\(epochs)"
        let start = ContinuousClock.now
        let before = progress.epoch.training.count
        func seconds() -> Double { (ContinuousClock.now - start) / .seconds(1) }
        let done = progress.epochCount * (isFullBatch ? 1 : text.training.segmentCount)
        let rate = learningRate * (progress.plateau?.current ?? 1)
        let schedule = schedule
        let mostMomentum = mostMomentum
        func prepare(_ trainer: inout Trainer, _ update: Int) {
            trainer.learningRate = rate * schedule.factor(done + update)
            if let mostMomentum {
                trainer.momentum = momentumSchedule(done + update, most: mostMomentum)
            }
        }
        bar.show(title, fraction: fraction(learned: before, measured: 0), "")
        let epoch = try trainer.runEpoch(
            text.training, from: progress.epoch, isFullBatch: isFullBatch, prepare: prepare
        ) { trainer, epoch in
            guard epoch.training.lossSum.isFinite else {
                throw diverged("the loss is not finite in epoch \(number)")
            }
            progress.epoch = epoch
            try Interruption.check()
            if (ContinuousClock.now - lastCheckpoint) / .seconds(1) >= checkpointSeconds {
                try saveCheckpoint(&trainer)
            }
            bar.show(
                title, fraction: fraction(learned: epoch.training.count, measured: 0),
                """
                loss \(epoch.training.loss.rounded), perplexity \
                \(epoch.training.perplexity.rounded), \
                \(Int(Double(epoch.training.count - before) / seconds()).grouped) tokens/s
                """)
        }
        guard !epoch.skippedAll(text.training, isFullBatch: isFullBatch) else {
            throw diverged(
                "no update in epoch \(number): no gradient is finite",
                smaller: "--learning-rate, --l1 or --l2")
        }
        let (tokens, time) = (epoch.training.count - before, seconds())
        let development = try evaluator.evaluate(trainer.model, text.development) { sum in
            try Interruption.check()
            bar.show(
                title, fraction: fraction(learned: epoch.training.count, measured: sum.count),
                "development perplexity \(sum.perplexity.rounded)")
        }
        progress.epochCount = number
        progress.epoch = Epoch()
        progress.tokens += tokens
        progress.seconds += time
        progress.skippedSteps += epoch.skippedSteps
        let improved = progress.stopping.improves(
            epoch: number, perplexity: development.all.perplexity)
        progress.plateau?.update(error: development.all.loss)
        if improved {
            progress.bestTrainPerplexity = epoch.training.perplexity
            progress.bestKnownTrainPerplexity = epoch.known.perplexity
            progress.bestKnownDevPerplexity = development.known.perplexity
        }
        // The checkpoint first: cut off between the two, --resume makes the model of it. It knows
        // the file before and the file to come.
        let model = improved ? try model(of: trainer) : nil
        if let model {
            var checksum = Checksum()
            checksum.add(model)
            if let last = progress.model { progress.replaced = last }
            progress.model = checksum.value
        }
        try saveCheckpoint(&trainer)
        if let model { try write(model) }
        bar.clear()
        if !quiet {
            try printToStandardOutput(
                line(epoch, development, improved: improved, rate: Double(tokens) / time))
        }
    }

    private mutating func saveCheckpoint(_ trainer: inout Trainer) throws(Failure) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        encoder.nonConformingFloatEncodingStrategy = .convertToString(
            positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
        guard let json = try? encoder.encode(progress) else {
            throw Failure(.software, "checkpoint: the progress is not text")
        }
        // Each evaluation begins anew: what the last one left is no reason for a checkpoint to be
        // refused.
        trainer.resetEvaluationState()
        do {
            try trainer.saveCheckpoint(
                to: output.checkpoint,
                metadata: [Self.progressKey: String(decoding: json, as: UTF8.self)],
                permissionsOf: output.path)
        } catch {
            throw failure(error)
        }
        lastCheckpoint = .now
    }

    /// What the file of the model will hold.
    private func model(of trainer: borrowing Trainer) throws(Failure) -> [UInt8] {
        do {
            return try trainer.model.fileContents(output.path)
        } catch {
            throw failure(error)
        }
    }

    private func write(_ model: [UInt8]) throws(Failure) {
        do {
            try writeFile(output.path, model)
        } catch {
            throw Failure(.inputOutput, "\(error)")
        }
    }

    private func failure(_ error: ModelFileError) -> Failure {
        Failure(error.code != nil ? .inputOutput : .software, "\(error)")
    }

    private var hasModel: Bool { progress.stopping.bestEpoch > 0 }

    /// What there is when the training ends early.
    private var modelSoFar: String {
        hasModel ? "the best model so far is in \(output.path)" : "no model yet"
    }

    private mutating func diverged(_ what: String, smaller options: String = "--learning-rate")
        -> Failure
    {
        bar.clear()
        let advice = hasModel ? "; train --from \(quotedForShell(output.path)) starts from it" : ""
        return Failure(
            .software,
            """
            training: diverged: \(what); expected a smaller \(options), found a rate of \
            \(learningRate); \(modelSoFar)\(advice)
            """)
    }

    /// The share of all the work that is done.
    private func fraction(learned: Int, measured: Int) -> Double {
        let epoch = text.training.tokenCount * Self.learningCost + text.development.tokenCount
        return
            (Double(progress.epochCount) + Double(learned * Self.learningCost + measured)
            / Double(epoch)) / Double(epochs)
    }

    private func line(_ epoch: Epoch, _ development: TextLoss, improved: Bool, rate: Double)
        -> String
    {
        let skipped =
            epoch.skippedSteps == 0
            ? "" : ", \(epoch.skippedSteps) steps skipped: gradient not finite"
        let training = perplexityText(epoch.training.perplexity, known: epoch.known.perplexity)
        return """
            epoch \(progress.epochCount): train perplexity \(training), development perplexity \
            \(perplexityText(development.all.perplexity, known: development.known.perplexity))\
            \(improved ? "" : " (no better)"), \(Int(rate).grouped) tokens/s\(skipped)

            """
    }
}

/// A perplexity, and the same without unknown tokens where that reads otherwise.
func perplexityText(_ perplexity: Double, known: Double) -> String {
    let all = perplexity.rounded
    if known.isNaN { return "\(all) (no known tokens)" }
    return known.rounded == all ? all : "\(all) (\(known.rounded) of known tokens)"
}

/// What `train --json` prints.
struct TrainReport: Encodable {
    let text: String?, from: String?
    let cell: String, hidden: Int, layers: Int, embedding: Int, batch: Int, fullBatch: Bool,
        steps: Int
    let optimizer: String, learningRate: Double, schedule: String, clip: Double
    let dropout: Double, recurrentDropout: Double, l1: Double, l2: Double
    let seed: UInt64, threads: Int, isa: String, out: String
    let vocabulary: Int, trainTokens: Int, devTokens: Int, parameters: Int
    /// Shares of the tokens that are the unknown one, and whether the text is divided between
    /// lines.
    let trainUnknownShare: Double, devUnknownShare: Double, splitBetweenLines: Bool
    let epochs: Int, bestEpoch: Int, trainPerplexity: NumberOrNull, devPerplexity: Double
    let knownTrainPerplexity: NumberOrNull, knownDevPerplexity: NumberOrNull
    let skippedSteps: Int, tokensPerSecond: NumberOrNull, seconds: Double
}
