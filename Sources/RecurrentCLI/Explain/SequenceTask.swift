import Recurrent

/// Sequences of a task side by side, as a trainer takes them, and what is needed to judge the
/// answers.
struct SequenceBatch {
    enum Targets {
        /// [B]
        case values([Float])
        /// [T][B]; -1 where there is none.
        case classes([Int32])
    }

    /// [T][B][features]
    let values: [Float]
    let targets: Targets
    /// [B], where the sequences are not all as long as the longest.
    var lengths: [Int]?
    /// The mean loss of who knows the task but remembers nothing.
    let baseline: Double
    /// For each sequence, the steps to answer.
    let questions: [[Question]]

    struct Question {
        let step: Int
        let isRight: (Span<Float>) -> Bool
    }
}

/// A task that cannot be learned without a memory.
protocol SequenceTask {
    var inputSize: Int { get }
    var outputSize: Int { get }
    var steps: Int { get }
    var head: ModelShape.Head { get }
    var loss: ModelShape.Loss { get }
    /// Whether all answers of a sequence must be right for any to count.
    var isAllOrNothing: Bool { get }
    /// What the accuracy is the share of.
    var measure: String { get }

    func sequences(_ count: Int, using generator: inout SplitMix64) -> SequenceBatch
}

extension AddingProblem: SequenceTask {
    var inputSize: Int { 2 }
    var outputSize: Int { 1 }
    var steps: Int { length }
    var head: ModelShape.Head { .lastStep }
    var loss: ModelShape.Loss { .meanSquaredError }
    var isAllOrNothing: Bool { false }
    var measure: String { "sums within \(Self.tolerance)" }

    func sequences(_ count: Int, using generator: inout SplitMix64) -> SequenceBatch {
        let (values, targets) = batch(count, using: &generator)
        return SequenceBatch(
            values: values, targets: .values(targets), baseline: Self.baseline,
            questions: targets.map { target in
                [SequenceBatch.Question(step: 0) { abs(Double($0[0] - target)) <= Self.tolerance }]
            })
    }
}

extension CopyTask: SequenceTask {
    var inputSize: Int { Self.vocabulary }
    var outputSize: Int { Self.vocabulary }
    var head: ModelShape.Head { .everyStep }
    var loss: ModelShape.Loss { .crossEntropy }
    var isAllOrNothing: Bool { false }
    var measure: String { "symbols" }

    func sequences(_ count: Int, using generator: inout SplitMix64) -> SequenceBatch {
        let (symbols, targets) = batch(count, using: &generator)
        let questions = (0..<count).map { row in
            (steps - Self.symbolCount..<steps).map { step in
                let target = Int(targets[step * count + row])
                return SequenceBatch.Question(step: step) { indexOfLargest($0) == target }
            }
        }
        return SequenceBatch(
            values: oneHot(symbols.map(Int.init), size: inputSize), targets: .classes(targets),
            baseline: baseline, questions: questions)
    }
}

extension ReberGrammar: SequenceTask {
    var inputSize: Int { Self.symbols.count }
    var outputSize: Int { Self.symbols.count }
    var steps: Int { limit - 1 }
    var head: ModelShape.Head { .everyStep }
    var loss: ModelShape.Loss { .crossEntropy }
    var isAllOrNothing: Bool { true }
    var measure: String { "strings" }

    func sequences(_ count: Int, using generator: inout SplitMix64) -> SequenceBatch {
        let strings = (0..<count).map { _ in string(using: &generator) }
        let none = -1
        var symbols = [Int](repeating: none, count: steps * count)
        var targets = [Int32](repeating: -1, count: steps * count)
        for (row, string) in strings.enumerated() {
            for step in 0..<string.count - 1 {
                symbols[step * count + row] = string[step]
                targets[step * count + row] = Int32(string[step + 1])
            }
        }
        let lengths = strings.map { $0.count - 1 }
        return SequenceBatch(
            values: oneHot(symbols, size: inputSize), targets: .classes(targets), lengths: lengths,
            baseline: strings.reduce(0) { $0 + information($1) } / Double(lengths.reduce(0, +)),
            questions: strings.map { string in
                Self.successors(string)!.enumerated().map { step, legal in
                    SequenceBatch.Question(step: step) { legal.contains(indexOfLargest($0)) }
                }
            })
    }
}

/// A row of `size` floats for each index: 1 at its place, else 0; all zero for one that is out of
/// range.
private func oneHot(_ indices: [Int], size: Int) -> [Float] {
    var rows = [Float](repeating: 0, count: indices.count * size)
    for (row, index) in indices.enumerated() where (0..<size).contains(index) {
        rows[row * size + index] = 1
    }
    return rows
}

private func indexOfLargest(_ values: Span<Float>) -> Int {
    values.indices.max { values[$0] < values[$1] }!
}
