/// Ends a training whose development perplexity no longer improves.
struct EarlyStopping: Codable {
    /// Epochs in a row without improvement after which it is over.
    var patience: Int
    private(set) var bestPerplexity = Double.infinity
    private(set) var bestEpoch = 0
    private var lastEpoch = 0

    init(patience: Int) { self.patience = patience }

    /// Whether it can have come to this after so many epochs.
    func isPossible(after epochs: Int) -> Bool {
        lastEpoch == epochs && 0...lastEpoch ~= bestEpoch && patience > 0
            && (bestEpoch == 0
                ? bestPerplexity == .infinity : bestPerplexity.isFinite && bestPerplexity > 0)
    }

    var isOver: Bool { lastEpoch - bestEpoch >= patience }

    /// Takes the perplexity after an epoch, counted from 1, and returns whether it is the best so
    /// far.
    mutating func improves(epoch: Int, perplexity: Double) -> Bool {
        lastEpoch = epoch
        guard perplexity < bestPerplexity else { return false }
        bestPerplexity = perplexity
        bestEpoch = epoch
        return true
    }
}
