import RecurrentReference
import TestSupport
import Testing

/// Central differences of `loss` by every coordinate of `x`, against its gradient.
private func checkGradient(
    _ x: [Double], _ gradient: [Double], sourceLocation: SourceLocation = #_sourceLocation,
    loss: ([Double]) -> Double
) {
    let step = 0x1p-17
    for index in x.indices {
        var above = x
        var below = x
        above[index] += step
        below[index] -= step
        let difference = (loss(above) - loss(below)) / (2 * step)
        #expect(
            (difference - gradient[index]).magnitude <= 1e-9 * (1 + gradient[index].magnitude),
            "\(index)", sourceLocation: sourceLocation)
    }
}

@Suite struct LayersAndLossesReferenceTests {
    private let x = Generator.doubles(17, seed: 3), other = Generator.doubles(17, seed: 4)

    @Test func softmaxIsTheShareOfTheExponential() {
        #expect(softmax([0, 0]) == [0.5, 0.5])
        #expect(softmax([1e4]) == [1])
        #expect((softmax([0, 1, 2])[2] - 0.665_240_955_774_821_6).magnitude < 1e-15)
        #expect(softmax([1e4, -1e4]) == [1, 0])
    }

    @Test func crossEntropyGradient() {
        for target in [0, 7, 16] {
            checkGradient(x, softmaxCrossEntropy(x, target: target).dlogits) {
                softmaxCrossEntropy($0, target: target).loss
            }
        }
        #expect(
            (softmaxCrossEntropy([0, 0, 0, 0], target: 2).loss - 1.386_294_361_119_890_6).magnitude
                < 1e-15)
        #expect(softmaxCrossEntropy([1e4, -1e4], target: 1).loss == 2e4)
        #expect(softmaxCrossEntropy(x, target: -1).loss == 0)
    }

    @Test func meanSquaredErrorGradient() {
        checkGradient(x, meanSquaredError(x, target: other).dy) {
            meanSquaredError($0, target: other).loss
        }
        #expect(meanSquaredError([1, 2], target: [0, 4]).loss == 2.5)
    }

    @Test func embeddingGradient() {
        let indices = [2, 0, 2, -1, 1, 5]
        let weights = Generator.doubles(12, seed: 5)
        let dy = (0..<6).map { Array(weights[2 * $0..<2 * $0 + 2]) }
        let gradient = embeddingBackward(dy: dy, indices: indices, vocabulary: 4, dimension: 2)
        checkGradient(Array(x[..<8]), Array(gradient.joined())) { flat in
            let y = embeddingForward(
                table: (0..<4).map { Array(flat[2 * $0..<2 * $0 + 2]) }, indices: indices)
            return zip(y.joined(), weights).map(*).reduce(0, +)
        }
    }

    @Test func dropoutGradientIsTheSameMask() {
        let dropout = Dropout(seed: 1, counter: 2, probability: 0.4)
        checkGradient(x, dropout([other])[0]) { zip(dropout([$0])[0], other).map(*).reduce(0, +) }
    }

    /// The known answers that Salmon et al. publish with Random123: counter, key, words.
    @Test func threefryKnownAnswers() {
        #expect(threefry(key: [0, 0], counter: [0, 0]) == [0x6B20_0159, 0x99BA_4EFE])
        #expect(threefry(key: [.max, .max], counter: [.max, .max]) == [0x1CB9_96FC, 0xBB00_2BE7])
        #expect(
            threefry(key: [0x1319_8A2E, 0x0370_7344], counter: [0x243F_6A88, 0x85A3_08D3]) == [
                0xC492_3A9C, 0x483D_F7A0,
            ])
    }
}

extension Generator {
    fileprivate static func doubles(_ count: Int, seed: UInt64) -> [Double] {
        var generator = Generator(seed: seed)
        return generator.floats(count, scale: 2).map(Double.init)
    }
}
