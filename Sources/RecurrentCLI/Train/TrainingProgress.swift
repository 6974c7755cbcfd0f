import Recurrent

/// How far a training has come: with the trainer's checkpoint, all that is needed to go on.
struct TrainingProgress: Codable {
    /// Names the text and how it is learned, apart from what the trainer knows itself.
    let training: String
    var epochCount = 0
    /// The epoch that runs.
    var epoch = Epoch()
    var stopping: EarlyStopping
    /// Where the learning rate goes down at plateaus.
    var plateau: PlateauSchedule?
    /// Of the epoch after which the model was best.
    var bestTrainPerplexity = Double.infinity
    /// The same without unknown tokens, of both parts of the text; NaN where there are no others.
    var bestKnownTrainPerplexity = Double.infinity, bestKnownDevPerplexity = Double.infinity
    var skippedSteps = 0
    /// Tokens learned, and the time that took, without the time to measure and to save.
    var tokens = 0, seconds = 0.0
    /// CRC-64 of the model's file after the best epoch, and of what it takes the place of; nil
    /// where there is none.
    var model: UInt64?, replaced: UInt64?
}

extension TrainingProgress {
    /// Returns the first item that no training comes to, where a checkpoint has been made by other
    /// hands; nil where all can be.
    ///
    /// - Parameters:
    ///   - first: how it begins.
    ///   - steps: segments that the trainer has learned.
    ///   - updates: that it has made.
    ///   - accumulated: targets whose gradient it is adding up.
    func impossibleItem(
        since first: TrainingProgress, _ batches: Batches, isFullBatch: Bool, steps: Int,
        updates: Int, accumulated: Int
    ) -> String? {
        let count = batches.segmentCount
        let (whole, overflow) = epochCount.multipliedReportingOverflow(by: count)
        guard epochCount >= 0, !overflow, 0...count ~= epoch.segmentCount,
            steps - whole == epoch.segmentCount
        else { return "epochCount" }
        let learned = batches.targetCounts[..<epoch.segmentCount].reduce(0, +)
        guard epoch.training.count == learned, epoch.training.isPossible else {
            return "epoch.training"
        }
        guard 0...learned ~= epoch.known.count, epoch.known.isPossible else { return "epoch.known" }
        guard 0...epoch.segmentCount ~= epoch.skippedSteps else { return "epoch.skippedSteps" }
        let isAccumulating = isFullBatch && epoch.segmentCount < count
        guard accumulated == (isAccumulating ? learned : 0) else { return "accumulated targets" }
        guard stopping.isPossible(after: epochCount), (model == nil) == (stopping.bestEpoch == 0)
        else { return "stopping" }
        guard (plateau == nil) == (first.plateau == nil),
            first.plateau.map({ plateau!.isPossible(since: $0) }) ?? true
        else { return "plateau" }
        guard bestTrainPerplexity >= 0 else { return "bestTrainPerplexity" }
        guard !(bestKnownTrainPerplexity < 0), !(bestKnownDevPerplexity < 0) else {
            return "bestKnownTrainPerplexity"
        }
        guard 0...whole ~= skippedSteps else { return "skippedSteps" }
        let made = isFullBatch ? epochCount : steps
        guard updates == made - skippedSteps - epoch.skippedSteps else { return "updates" }
        guard tokens >= 0, Double(tokens) <= Double(epochCount) * Double(batches.tokenCount) else {
            return "tokens"
        }
        guard seconds >= 0, seconds.isFinite else { return "seconds" }
        return nil
    }
}

extension Evaluation {
    /// Whether a text can have been evaluated so, whose tokens are all of the vocabulary.
    fileprivate var isPossible: Bool {
        lossSum >= 0 && lossSum <= Double(count) * Double(Float.greatestFiniteMagnitude)
            && unknownTokens == 0 && invalidTargets == 0
    }
}
