internal import CKernels

/// Where the tape and the scratch of one layer start in a trainer's arena, in floats.
struct LayerLayout: Sendable {
    let shape: LSTMShape
    /// Tape: activated gates, cell states, hidden states, and the hidden states after dropout.
    let gates: Int, c: Int, h: Int, dropped: Int?
    /// c, then h, at the end of the last segment: of the training text, then of the text that is evaluated.
    let carried: [Int]

    init(_ shape: LSTMShape, dropout: Bool, in layout: inout Layout) {
        self.shape = shape
        gates = layout.reserve(shape.gatesCount)
        c = layout.reserve(shape.statesCount)
        h = layout.reserve(shape.statesCount)
        dropped = dropout ? layout.reserve(shape.steps * shape.stateCount) : nil
        carried = TrainingPurpose.allCases.map { _ in layout.reserve(2 * shape.stateCount) }
    }
}

/// What a pass is for; each purpose carries a state of its own from segment to segment.
enum TrainingPurpose: Int, CaseIterable {
    case training, evaluation
}

/// Every buffer of a trainer, laid out before anything is allocated. The tape survives from forward to backward; scratch does not.
struct TrainingLayout: Sendable {
    let parameters: ParameterLayout
    let gradients: Int, moments: Int, momentStride: Int
    /// Tape: features of tokens, layers, outputs (then their gradient), the loss of each row, and which rows have a target.
    let features: Int?, layers: [LayerLayout], outputs: Int, losses: Int, targets: Int, targetValues: Int?
    /// Scratch: the gradient by the gates and by the state of one layer, transposed weights, the gradients by the rows between two
    /// layers, which take turns, and partial sums of squares and of penalties (Doubles).
    let gatesGradient: Int, dh: Int, dc: Int, transposed: Int, denseTransposed: Int, between: [Int], squares: Int, penalties: Int
    let memory: Layout

    init(_ shape: ModelShape, batch: Int, steps: Int, momentCount: Int, dropout: Bool) {
        var layout = Layout()
        let rows = batch * steps
        parameters = ParameterLayout(shape)
        momentStride = parameters.count
        gradients = layout.reserve(parameters.count)
        moments = layout.reserve(momentCount * parameters.count)
        if case .tokens(_, let dimension) = shape.input { features = layout.reserve(rows * padded(dimension)) } else { features = nil }
        let layerShapes = shape.hiddenSizes.indices.map { shape.layer($0, batch: batch, steps: steps) }
        layers = layerShapes.map { LayerLayout($0, dropout: dropout, in: &layout) }
        let dense = shape.dense(rows: rows)
        outputs = layout.reserve(rows * dense.paddedOutputSize)
        losses = layout.reserve(rows)
        targets = layout.reserve(rows)
        targetValues = !shape.loss.comparesClasses ? layout.reserve(rows * dense.paddedOutputSize) : nil
        gatesGradient = layout.reserve(layerShapes.map(\.gatesCount).max()!)
        dh = layout.reserve(layerShapes.map(\.stateCount).max()!)
        dc = layout.reserve(layerShapes.map(\.stateCount).max()!)
        transposed = layout.reserve(layerShapes.map(\.transposedCount).max()!)
        denseTransposed = layout.reserve(dense.transposedCount)
        let widest = layerShapes.map { max($0.paddedHiddenSize, padded($0.inputSize)) }.max()!
        between = [layout.reserve(rows * widest), layout.reserve(rows * widest)]
        squares = layout.reserve(2 * Kernels.squaresBlockCount(parameters.count))
        penalties = layout.reserve(2 * Kernels.squaresBlockCount(parameters.count))
        memory = layout
    }
}

/// What a `Trainer` needs beside the model, in bytes, padding included.
public struct TrainingMemory: Hashable, Sendable {
    /// What survives from the forward to the backward pass: features, gates, states, outputs, losses.
    public let tapeBytes: Int
    /// What does not.
    public let scratchBytes: Int
    /// One buffer like the parameters: the gradient, and each moment of an optimizer.
    public let gradientBytes: Int
}

extension ModelShape {
    /// The memory of a `Trainer` without dropout.
    ///
    /// - Precondition: batch and steps are in 1...`largestDimension`, their product is at most 2^31.
    public func trainingMemory(batch: Int, steps: Int) -> TrainingMemory {
        precondition(isDimension(batch) && isDimension(steps) && isRowCount(batch * steps), "memory: found a batch of \(batch) and \(steps) steps")
        let layout = TrainingLayout(self, batch: batch, steps: steps, momentCount: 0, dropout: false), float = MemoryLayout<Float>.stride
        return TrainingMemory(tapeBytes: (layout.gatesGradient - layout.moments) * float, scratchBytes: (layout.memory.floats - layout.gatesGradient) * float,
                              gradientBytes: layout.parameters.count * float)
    }

    /// The memory of a `ModelState`, in bytes.
    public var stateBytes: Int { StateLayout(self).memory.floats * MemoryLayout<Float>.stride }
}
