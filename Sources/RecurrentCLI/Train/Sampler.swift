import Foundation
import Recurrent

/// Chooses the next token from a model's logits.
struct Sampler {
    /// 0 takes the most likely token; 1 follows the model's probabilities; above, they move towards
    /// equal ones.
    let temperature: Double
    private var generator: SplitMix64

    init(temperature: Double, seed: UInt64) {
        self.temperature = temperature
        generator = SplitMix64(seed: seed)
    }

    /// A token with the probability softmax(logits / temperature), in Double; never the unknown
    /// token.
    mutating func sample(_ logits: Span<Float>) -> Int32 {
        let candidates = logits.indices.filter { $0 != Vocabulary.unknown }
        let likeliest = candidates.max { logits[$0] < logits[$1] }!
        guard temperature > 0 else { return Int32(likeliest) }
        let weights = candidates.map { exp(Double(logits[$0] - logits[likeliest]) / temperature) }
        var rest = generator.unit() * weights.reduce(0, +)
        for (candidate, weight) in zip(candidates, weights) {
            rest -= weight
            if rest < 0 { return Int32(candidate) }
        }
        return Int32(likeliest)
    }
}
