import Foundation
import Recurrent

/// What one epoch did.
struct Epoch: Codable {
    /// Segments learned.
    var segmentCount = 0
    /// Over the epoch, while the model learned.
    var training = Evaluation()
    /// Updates left out because the gradient was not finite.
    var skippedSteps = 0
}

extension Evaluation {
    /// e to the mean loss: 1 is certainty, the vocabulary's size is ignorance.
    var perplexity: Double { exp(loss) }
}

extension Trainer {
    /// Learns every segment once, in order, from the state of rest on; where `epoch` has begun, the segments that are left.
    ///
    /// - Parameter rate: the learning rate as a function of the updates of this epoch that are done; as it is where nil.
    mutating func runEpoch(_ batches: Batches, from epoch: Epoch = Epoch(), rate: ((Int) -> Double)? = nil,
                           onStep: (Epoch) throws -> Void) rethrows -> Epoch {
        var epoch = epoch
        if epoch.segmentCount == 0 { resetState() }
        for index in epoch.segmentCount..<batches.segmentCount {
            if let rate { learningRate = rate(index) }
            let result = batches.withSegment(index) { step(tokens: $0, targets: $1) }
            epoch.training.lossSum += result.loss * Double(batches.targetCounts[index])
            epoch.training.count += batches.targetCounts[index]
            if !result.updated { epoch.skippedSteps += 1 }
            epoch.segmentCount += 1
            try onStep(epoch)
        }
        return epoch
    }

    /// The loss of every segment, in order, from the state of rest on.
    mutating func evaluate(_ batches: Batches, onStep: (Evaluation) throws -> Void) rethrows -> Evaluation {
        var sum = Evaluation()
        resetEvaluationState()
        for index in 0..<batches.segmentCount {
            let segment = batches.withSegment(index) { evaluate(tokens: $0, targets: $1) }
            sum.lossSum += segment.lossSum
            sum.count += segment.count
            try onStep(sum)
        }
        return sum
    }
}
