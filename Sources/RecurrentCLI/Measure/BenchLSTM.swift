import Recurrent
import RecurrentFormats

/// Memory for what is timed: 64-byte aligned blocks that live as long as this.
final class Blocks {
    private var blocks: [UnsafeMutableRawPointer] = []

    /// A block that holds `values`.
    func callAsFunction(_ values: [Float]) -> UnsafeMutablePointer<Float> {
        let block = UnsafeMutableRawPointer.allocate(
            byteCount: max(values.count, 1) * MemoryLayout<Float>.stride, alignment: 64)
        blocks.append(block)
        let floats = block.bindMemory(to: Float.self, capacity: values.count)
        floats.initialize(from: values, count: values.count)
        return floats
    }

    /// A block of `count` zeros.
    func callAsFunction(_ count: Int) -> UnsafeMutablePointer<Float> {
        self([Float](repeating: 0, count: count))
    }

    deinit { for block in blocks { block.deallocate() } }
}

/// The data of an LSTM layer in PyTorch's layout, the same for both sides.
struct LSTMData {
    let shape: LSTMShape
    /// [4 H][I], [4 H][H], [4 H].
    let weightIH, weightHH, bias: [Float]
    /// [T][B][I], and the gradient with respect to the outputs [T][B][H].
    let x, outputGradient: [Float]

    init(_ shape: LSTMShape) {
        var generator = SplitMix64(seed: 1)
        func floats(_ count: Int, _ limit: Double) -> [Float] {
            (0..<count).map { _ in Float((2 * generator.unit() - 1) * limit) }
        }
        let rows = 4 * shape.hiddenSize
        let limit = 1 / Double(shape.hiddenSize).squareRoot()
        self.shape = shape
        weightIH = floats(rows * shape.inputSize, limit)
        weightHH = floats(rows * shape.hiddenSize, limit)
        bias = floats(rows, limit)
        x = floats(shape.steps * shape.batch * shape.inputSize, 1)
        outputGradient = floats(shape.steps * shape.batch * shape.hiddenSize, 1)
    }

    var kernelOrder: [Float] {
        shape.pack(CellWeights(weightIH: weightIH, weightHH: weightHH, biasIH: bias))
    }
}

/// The first `units` of each padded row of `floats`.
func unpadded(_ floats: UnsafePointer<Float>, rows: Int, units: Int) -> [Float] {
    let shape = RowsShape(rows: rows, units: units)
    return shape.unpack(UnsafeBufferPointer(start: floats, count: shape.count).span)
}

/// The pointers of an LSTM layer's calls, and a partition of each of them.
struct LSTMCalls {
    enum Phase: Int { case forward, training }

    let kernels: Kernels
    let shape: LSTMShape
    let weights, x, transposed, weightGradient: UnsafeMutablePointer<Float>
    let tape: CellTape
    let gradients: CellGradients

    func work(_ phase: Phase, _ partition: Partition) {
        kernels.cellForward(
            shape, lengths: nil, x: x, weights: weights, tape: tape, partition: partition)
        guard phase == .training else { return }
        kernels.cellTranspose(shape, weights: weights, transposed: transposed, partition: partition)
        kernels.fill(shape.outputCount, 0, x: gradients.h, partition: partition)
        kernels.fill(shape.stateCount, 0, x: gradients.c!, partition: partition)
        partition.wait()
        kernels.cellBackwardData(
            shape, lengths: nil, transposed: transposed, tape: tape, gradients: gradients,
            partition: partition)
        partition.wait()
        kernels.cellBackwardWeights(
            shape, lengths: nil, x: x, tape: tape, gradients: gradients,
            weightGradient: weightGradient, partition: partition)
    }
}

/// Our LSTM over whole sequences: the unsafe-pointer calls of `Kernels`, their partitions on the
/// threads of a pool.
final class LSTMEngine {
    let data: LSTMData
    private let blocks = Blocks()
    private let pool: Pool
    fileprivate let calls: UnsafeMutablePointer<LSTMCalls>

    /// - Parameter training: whether there is memory for the backward pass.
    init(_ data: LSTMData, kernels: Kernels, threads: Int, training: Bool) {
        let shape = data.shape
        self.data = data
        pool = Pool(threadCount: threads, isAdaptive: true) { context, phase, partition in
            context.assumingMemoryBound(to: LSTMCalls.self).pointee.work(
                LSTMCalls.Phase(rawValue: phase)!, partition)
        }
        calls = .allocate(capacity: 1)
        calls.initialize(
            to: LSTMCalls(
                kernels: kernels, shape: shape, weights: blocks(data.kernelOrder),
                x: blocks(data.x), transposed: blocks(training ? shape.transposedCount : 0),
                weightGradient: blocks(training ? shape.weightCount : 0),
                tape: CellTape(
                    h: blocks(shape.outputTapeCount), c: blocks(shape.stateTapeCount),
                    gates: blocks(shape.gatesCount)),
                gradients: CellGradients(
                    output: blocks(
                        training
                            ? RowsShape(rows: shape.steps * shape.batch, units: shape.hiddenSize)
                                .pack(data.outputGradient) : []),
                    preActivation: blocks(training ? shape.preActivationGradientCount : 0),
                    h: blocks(training ? shape.outputCount : 0),
                    c: blocks(training ? shape.stateCount : 0),
                    input: blocks(training ? shape.inputGradientCount : 0))))
    }

    deinit {
        pool.close()
        calls.deallocate()
    }

    fileprivate func run(_ phase: LSTMCalls.Phase) { pool.run(calls, phase: phase.rawValue) }
}

/// Time steps of `batch` streams, one call each of `LSTMCell`.
final class LSTMStepWork: Work {
    private let data: LSTMData
    private let blocks = Blocks()
    private let x: UnsafeMutablePointer<Float>
    private var cell: LSTMCell

    init(_ data: LSTMData, _ weights: WeightFormat, kernels: Kernels) {
        self.data = data
        x = blocks(data.x)
        cell = LSTMCell(
            inputSize: data.shape.inputSize, hiddenSize: data.shape.hiddenSize,
            batch: data.shape.batch, weightFormat: weights,
            kernels: kernels)
        cell.load(
            weightIH: data.weightIH, weightHH: data.weightHH, biasIH: data.bias,
            biasHH: [Float](repeating: 0, count: data.bias.count))
    }

    func run(calls: Int) {
        Self.run(
            &cell, UnsafeBufferPointer(start: x, count: data.shape.batch * data.shape.inputSize),
            calls: calls)
    }

    /// With the cell as an argument, so that its class checks for exclusive access once and not in
    /// each step.
    private static func run(_ cell: inout LSTMCell, _ x: UnsafeBufferPointer<Float>, calls: Int) {
        for _ in 0..<calls { cell.step(x) }
    }

    func results() -> [(name: String, values: [Float])] {
        let (state, count) = (cell.state, data.shape.batch * data.shape.hiddenSize)
        return [("h", Array(state[..<count])), ("c", Array(state[count...]))]
    }
}

/// Whole sequences, forward.
struct LSTMSequenceWork: Work {
    let engine: LSTMEngine

    func run(calls: Int) {
        for _ in 0..<calls { engine.run(.forward) }
    }

    func results() -> [(name: String, values: [Float])] {
        let (calls, shape) = (engine.calls.pointee, engine.data.shape)
        let rows = shape.steps * shape.batch
        return [
            ("h", unpadded(calls.tape.h + shape.outputCount, rows: rows, units: shape.hiddenSize)),
            ("c", unpadded(calls.tape.c! + shape.stateCount, rows: rows, units: shape.hiddenSize)),
        ]
    }
}

/// Whole sequences, forward and backward to the inputs, the initial state and the weights; no
/// update. The transposed weights are made anew in each call, as after an update.
struct LSTMTrainingWork: Work {
    let engine: LSTMEngine

    func run(calls: Int) {
        for _ in 0..<calls { engine.run(.training) }
    }

    func results() -> [(name: String, values: [Float])] {
        let (calls, shape) = (engine.calls.pointee, engine.data.shape)
        let gradient = shape.unpack(
            UnsafeBufferPointer(start: calls.weightGradient, count: shape.weightCount).span)
        return LSTMSequenceWork(engine: engine).results() + [
            (
                "dx",
                unpadded(
                    calls.gradients.input!, rows: shape.steps * shape.batch, units: shape.inputSize)
            ),
            ("dh", unpadded(calls.gradients.h, rows: shape.batch, units: shape.hiddenSize)),
            ("dc", unpadded(calls.gradients.c!, rows: shape.batch, units: shape.hiddenSize)),
            ("dW", gradient.weightIH), ("dU", gradient.weightHH), ("db", gradient.biasIH),
        ]
    }
}
