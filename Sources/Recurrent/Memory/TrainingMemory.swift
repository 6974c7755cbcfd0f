/// Where the tape of one direction of a layer starts in a trainer's arena, in floats.
struct CellLayout: Sendable {
    let shape: AnyCellShape
    let gates: Int, c: Int, past: Int, h: Int
    /// Of recurrent dropout.
    let dropout: (mask: Int, masked: Int)?

    init(_ shape: AnyCellShape, recurrentDropout: Bool, in layout: inout Layout) {
        self.shape = shape
        gates = layout.reserve(shape.gatesCount)
        c = layout.reserve(shape.stateTapeCount)
        past = layout.reserve(shape.pastCount)
        h = layout.reserve(shape.outputTapeCount)
        dropout =
            recurrentDropout
            ? (
                mask: layout.reserve(shape.outputCount),
                masked: layout.reserve(shape.outputTapeCount - shape.outputCount)
            ) : nil
    }
}

/// Where the tape of one layer starts.
struct LayerLayout: Sendable {
    let layer: RecurrentLayer
    let cell: CellLayout, reverse: CellLayout?
    /// The input against time and the outputs of both directions side by side, and the output after
    /// dropout.
    let reversedInput: Int?, joined: Int?, dropped: Int?
    /// The state at the end of the last segment: of the training text, then of the text that is
    /// evaluated.
    let carried: [Int]

    init(
        _ layer: RecurrentLayer, _ shape: AnyCellShape, rows: Int, inputStride: Int, dropout: Bool,
        recurrentDropout: Bool, in layout: inout Layout
    ) {
        self.layer = layer
        cell = CellLayout(shape, recurrentDropout: recurrentDropout, in: &layout)
        reverse =
            layer.isBidirectional
            ? CellLayout(shape, recurrentDropout: recurrentDropout, in: &layout) : nil
        reversedInput = layer.isBidirectional ? layout.reserve(rows * inputStride) : nil
        joined = layer.isBidirectional ? layout.reserve(rows * padded(layer.outputSize)) : nil
        dropped = dropout ? layout.reserve(rows * padded(layer.outputSize)) : nil
        carried = TrainingMode.allCases.map { _ in layout.reserve(shape.carriedCount) }
    }
}

/// What a pass is for; each mode carries a state of its own from segment to segment.
enum TrainingMode: Int, CaseIterable {
    case training, evaluation
}

/// Every buffer of a trainer, laid out before anything is allocated. The tape survives from forward
/// to backward; scratch does not.
struct TrainingLayout: Sendable {
    let parameters: ParameterLayout
    let gradients: Int, moments: Int, momentStride: Int
    /// Where the tape starts.
    let tape: Int
    /// Tape: features of tokens, layers, what the dense layer reads of each sequence, outputs (then
    /// their gradient), the loss of each row, and which rows have a target.
    let features: Int?, layers: [LayerLayout], pooled: Int?, outputs: Int, losses: Int,
        targets: Int, targetValues: Int?
    /// Scratch: the gradient with respect to the gates and by the state of one cell, transposed
    /// weights, the gradient with respect to what recurrent dropout leaves, those of one direction
    /// by its output and its input, those by the pooled rows and by the rows between two layers,
    /// which take turns, and partial sums of squares and of penalties (Doubles).
    let gatesGradient: Int, pastGradient: Int, dh: Int, dc: Int, transposed: Int,
        dropoutScratch: Int, denseTransposed: Int
    let directionGradient: Int, reversedGradient: Int, pooledGradient: Int?, between: [Int],
        squares: Int, penalties: Int
    let memory: Layout

    /// - Parameter mode: an evaluation has neither gradients nor scratch.
    init(
        _ shape: ModelShape, batch: Int, steps: Int, momentCount: Int, dropout: Bool,
        recurrentDropout: Bool,
        mode: TrainingMode = .training
    ) {
        var layout = Layout()
        func ofTraining(_ count: @autoclosure () -> Int) -> Int {
            layout.reserve(mode == .training ? count() : 0)
        }
        let rows = batch * steps
        parameters = ParameterLayout(shape)
        momentStride = parameters.count
        gradients = ofTraining(parameters.count)
        moments = layout.floats
        for _ in 0..<momentCount { _ = layout.reserve(parameters.count) }
        tape = layout.floats
        if case .tokens(_, let dimension) = shape.input {
            features = layout.reserve(rows * padded(dimension))
        } else {
            features = nil
        }
        let cells = shape.layers.indices.map { shape.cell($0, batch: batch, steps: steps) }
        layers = shape.layers.enumerated().map { index, layer in
            LayerLayout(
                layer, cells[index], rows: rows, inputStride: shape.inputStride(of: index),
                dropout: dropout,
                recurrentDropout: recurrentDropout, in: &layout)
        }
        let dense = shape.dense(rows: shape.outputRows(batch: batch, steps: steps))
        pooled = shape.head.pooling.map { _ in layout.reserve(batch * padded(dense.inputSize)) }
        outputs = layout.reserve(dense.rows * dense.paddedOutputSize)
        losses = layout.reserve(dense.rows)
        targets = layout.reserve(dense.rows)
        targetValues =
            !shape.loss.comparesClasses ? layout.reserve(dense.rows * dense.paddedOutputSize) : nil
        gatesGradient = ofTraining(cells.map(\.preActivationGradientCount).max()!)
        pastGradient = ofTraining(cells.map(\.pastCount).max()!)
        dh = ofTraining(cells.map(\.outputCount).max()!)
        dc = ofTraining(cells.map(\.stateCount).max()!)
        transposed = ofTraining(cells.map(\.transposedCount).max()!)
        dropoutScratch = ofTraining(
            recurrentDropout ? cells.map { $0.pastCount > 0 ? $0.outputCount : 0 }.max()! : 0)
        denseTransposed = ofTraining(dense.transposedCount)
        let bidirectional = shape.layers.indices.filter { shape.layers[$0].isBidirectional }
        directionGradient = ofTraining(
            rows * (bidirectional.map { padded(cells[$0].outputSize) }.max() ?? 0))
        reversedGradient = ofTraining(
            rows * (bidirectional.map { padded(cells[$0].inputSize) }.max() ?? 0))
        pooledGradient = shape.head.pooling.map { _ in ofTraining(batch * padded(dense.inputSize)) }
        let widest = shape.layers.indices.map {
            max(padded(shape.layers[$0].outputSize), padded(cells[$0].inputSize))
        }.max()!
        between = [ofTraining(rows * widest), ofTraining(rows * widest)]
        squares = ofTraining(2 * Kernels.squaresBlockCount(parameters.count))
        penalties = ofTraining(2 * Kernels.squaresBlockCount(parameters.count))
        memory = layout
    }
}

/// What a `Trainer` needs beside the model, in bytes, padding included.
public struct TrainingMemory: Hashable, Sendable {
    /// What survives from the forward to the backward pass: features, gates, states, outputs,
    /// losses.
    public let tapeBytes: Int
    /// What does not.
    public let scratchBytes: Int
    /// One buffer like the parameters: the gradient, and each moment of an optimizer.
    public let gradientBytes: Int
    /// All of it, with every moment: what is allocated.
    public let bytes: Int
}

extension ModelShape {
    /// Returns the memory of a `Trainer`, with so many moments of the optimizer; of the largest
    /// shapes, `Int.max` at most.
    ///
    /// - Precondition: batch and steps are in 1...`largestDimension`, their product is at most
    ///   2^31.
    public func trainingMemory(
        batch: Int, steps: Int, momentCount: Int = 0, dropout: Bool = false,
        recurrentDropout: Bool = false
    ) -> TrainingMemory {
        require(
            isDimension(batch) && isDimension(steps) && isRowCount(batch * steps),
            "memory: found a batch of \(batch) and \(steps) steps")
        let layout = TrainingLayout(
            self, batch: batch, steps: steps, momentCount: momentCount, dropout: dropout,
            recurrentDropout: recurrentDropout)
        let float = MemoryLayout<Float>.stride
        let gradient = layout.parameters.count
        let tape = layout.gatesGradient - layout.tape
        return TrainingMemory(
            tapeBytes: tape * float,
            scratchBytes: (layout.memory.floats - layout.gatesGradient) * float,
            gradientBytes: gradient * float, bytes: layout.memory.floats * float)
    }

    /// The memory of a `ModelState`, in bytes.
    public var stateBytes: Int { StateLayout(self).memory.floats * MemoryLayout<Float>.stride }
}
