/// A text as a trainer takes it: cut into contiguous streams, one for each sequence of a batch, and
/// these into segments.
///
/// Every token is a target once; its input is the token in front of it, and that of the first an
/// end of line. Where the streams end unequally, rows without a target (-1) fill them up.
struct Batches {
    let batch: Int, steps: Int
    /// Segments, each [T][B].
    private let inputs: [Int32], targets: [Int32]
    /// How many targets each segment has.
    let targetCounts: [Int]

    var segmentCount: Int { targetCounts.count }
    var tokenCount: Int { targetCounts.reduce(0, +) }

    /// - Precondition: there are tokens, and the sizes are positive.
    init(_ tokens: [Int32], batch: Int, steps: Int) {
        self.batch = batch
        self.steps = steps
        let streamLength = (tokens.count + batch - 1) / batch
        let segmentCount = (streamLength + steps - 1) / steps
        var inputs = [Int32](repeating: Vocabulary.endOfLine, count: segmentCount * steps * batch)
        var targets = [Int32](repeating: -1, count: inputs.count)
        var targetCounts = [Int](repeating: 0, count: segmentCount)
        for (index, token) in tokens.enumerated() {
            let (stream, step) = index.quotientAndRemainder(dividingBy: streamLength)
            let row = step * batch + stream
            targets[row] = token
            if index > 0 { inputs[row] = tokens[index - 1] }
            targetCounts[step / steps] += 1
        }
        self.inputs = inputs
        self.targets = targets
        self.targetCounts = targetCounts
    }

    /// The share of the targets that are the unknown token.
    var unknownShare: Double {
        Double(targets.count { $0 == Vocabulary.unknown }) / Double(tokenCount)
    }

    /// A text to be measured on, which is cut in the same way whatever a training's batch: into
    /// streams of at least 1,024 tokens, 16 of them at most. Each begins at zero, so that more or
    /// shorter streams would foresee their beginnings worse.
    init(measuring tokens: [Int32]) {
        self.init(tokens, batch: min(max(tokens.count / 1024, 1), 16), steps: 64)
    }

    /// Calls `body` with the inputs and targets of one segment.
    func withSegment<Result>(
        _ index: Int, _ body: (_ tokens: Span<Int32>, _ targets: Span<Int32>) -> Result
    ) -> Result {
        let range = index * steps * batch..<(index + 1) * steps * batch
        return body(inputs.span.extracting(range), targets.span.extracting(range))
    }
}
