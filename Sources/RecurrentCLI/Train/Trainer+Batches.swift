import Foundation
import Recurrent

/// What one epoch did.
struct Epoch: Codable {
    /// Segments learned.
    var segmentCount = 0
    /// Over the epoch, while the model learned.
    var training = Evaluation()
    /// The same without the targets that are the unknown token.
    var known = Evaluation()
    /// Updates left out because the gradient was not finite.
    var skippedSteps = 0

    /// Whether an epoch that is over had no update that was not left out.
    func skippedAll(_ batches: Batches, isFullBatch: Bool) -> Bool {
        skippedSteps >= (isFullBatch ? 1 : batches.segmentCount)
    }
}

/// The loss on a text: of all its tokens, and of those that are not the unknown one, which stands
/// for many characters and so is easier to foresee than any of them.
struct TextLoss {
    var all = Evaluation(), known = Evaluation()
}

extension Evaluation {
    /// e to the mean loss: 1 is certainty, the vocabulary's size is ignorance.
    var perplexity: Double { exp(loss) }
}

extension Trainer {
    /// Learns every segment once, in order, from a state of zero on; where `epoch` has begun, the
    /// segments that are left.
    ///
    /// - Parameters:
    ///   - isFullBatch: whether there is one update, past the last segment, rather than one for
    ///     each.
    ///   - prepare: is called before each update, with the number of those of this epoch that are
    ///     done.
    ///   - onStep: is called after each segment, with how far the epoch has come.
    mutating func runEpoch(
        _ batches: Batches, from epoch: Epoch = Epoch(), isFullBatch: Bool,
        prepare: (inout Trainer, Int) -> Void = { _, _ in },
        onStep: (inout Trainer, Epoch) throws -> Void
    ) rethrows -> Epoch {
        var epoch = epoch
        if epoch.segmentCount == 0 { resetState() }
        for index in epoch.segmentCount..<batches.segmentCount {
            let updated: Bool
            if isFullBatch {
                let result = batches.withSegment(index) { accumulate(tokens: $0, targets: $1) }
                epoch.training.lossSum += result.lossSum
                let isLast = index == batches.segmentCount - 1
                if isLast { prepare(&self, 0) }
                updated = !isLast || update().updated
            } else {
                prepare(&self, index)
                let result = batches.withSegment(index) { step(tokens: $0, targets: $1) }
                epoch.training.lossSum += result.loss * Double(batches.targetCounts[index])
                updated = result.updated
            }
            epoch.training.count += batches.targetCounts[index]
            epoch.known += batches.withSegment(index) { _, targets in
                withLosses { knownLoss($0, of: targets) }
            }
            if !updated { epoch.skippedSteps += 1 }
            epoch.segmentCount += 1
            try onStep(&self, epoch)
        }
        return epoch
    }
}

extension Evaluator {
    /// Returns the loss of every segment, in order, from states of zero on.
    func evaluate(
        _ model: borrowing Model, _ batches: Batches, onStep: (Evaluation) throws -> Void
    ) rethrows -> TextLoss {
        var sum = TextLoss()
        reset()
        for index in 0..<batches.segmentCount {
            sum.all += batches.withSegment(index) { evaluate(model, tokens: $0, targets: $1) }
            sum.known += batches.withSegment(index) { _, targets in
                withLosses { knownLoss($0, of: targets) }
            }
            try onStep(sum.all)
        }
        return sum
    }
}

/// Returns the loss of the targets of a segment but for the unknown token.
private func knownLoss(_ losses: Span<Float>, of targets: Span<Int32>) -> Evaluation {
    var sum = Evaluation()
    for row in targets.indices where targets[row] > Vocabulary.unknown {
        sum.lossSum += Double(losses[row])
        sum.count += 1
    }
    return sum
}
