import Recurrent

/// The kernels' whole way through a recurrent layer, over memory of its own: forward, back through
/// time, and the gradient with respect to the weights.
final class LayerRun: @unchecked Sendable {
    typealias Floats = UnsafeMutableBufferPointer<Float>
    let shape: AnyCellShape
    private let kernels: Kernels
    private let lengths: UnsafeMutableBufferPointer<Int>?
    private let weights, x, outputGradient: Floats
    let h, c, gates, past, transposed, dgates, dpast, dh, dc, dx, dw: Floats

    /// Buffers of units are padded; what is not given is not a number until a kernel writes it.
    init(
        _ shape: AnyCellShape, lengths: [Int]? = nil, kernels: Kernels, weights: [Float],
        x: [Float], h: [Float], c: [Float] = [], outputGradient: [Float], dh: [Float],
        dc: [Float] = [], weightGradient: [Float]
    ) {
        func floats(_ values: [Float], _ count: Int) -> Floats {
            let floats = Floats.allocate(capacity: count)
            floats.initialize(repeating: .nan)
            _ = floats.update(fromContentsOf: values)
            return floats
        }
        self.shape = shape
        self.kernels = kernels
        self.lengths = lengths.map {
            let copy = UnsafeMutableBufferPointer<Int>.allocate(capacity: $0.count)
            _ = copy.initialize(from: $0)
            return copy
        }
        self.weights = floats(weights, shape.weightCount)
        self.x = floats(x, x.count)
        self.outputGradient = floats(outputGradient, shape.steps * shape.outputCount)
        self.h = floats(h, shape.outputTapeCount)
        self.c = floats(c, shape.stateTapeCount)
        gates = floats([], shape.gatesCount)
        past = floats([], shape.pastCount)
        transposed = floats([], shape.transposedCount)
        dgates = floats([], shape.preActivationGradientCount)
        dpast = floats([], shape.pastCount)
        self.dh = floats(dh, shape.outputCount)
        self.dc = floats(dc, shape.stateCount)
        dx = floats([], shape.inputGradientCount)
        dw = floats(weightGradient, shape.weightCount)
    }

    private var written: [Floats] {
        [h, c, gates, past, transposed, dgates, dpast, dh, dc, dx, dw]
    }
    var bits: [[UInt32]] { written.map { $0.map(\.bitPattern) } }

    deinit {
        for floats in written + [weights, x, outputGradient] { floats.deallocate() }
        lengths?.deallocate()
    }

    private var tape: CellTape {
        CellTape(
            h: h.baseAddress!, c: c.baseAddress, gates: gates.baseAddress, past: past.baseAddress)
    }

    func forward(_ partition: Partition = .all) {
        kernels.cellForward(
            shape, lengths: lengths.map { UnsafePointer($0.baseAddress!) }, x: x.baseAddress!,
            weights: weights.baseAddress!, tape: tape, partition: partition)
    }

    func work(_ partition: Partition = .all) {
        let lengths = lengths.map { UnsafePointer($0.baseAddress!) }
        let gradients = CellGradients(
            output: outputGradient.baseAddress!, preActivation: dgates.baseAddress!,
            past: dpast.baseAddress, h: dh.baseAddress!, c: dc.baseAddress, input: dx.baseAddress!)
        forward(partition)
        kernels.cellTranspose(
            shape, weights: weights.baseAddress!, transposed: transposed.baseAddress!,
            partition: partition)
        partition.wait()
        kernels.cellBackwardData(
            shape, lengths: lengths, transposed: transposed.baseAddress!, tape: tape,
            gradients: gradients, partition: partition)
        partition.wait()
        kernels.cellBackwardWeights(
            shape, lengths: lengths, x: x.baseAddress!, tape: tape, gradients: gradients,
            weightGradient: dw.baseAddress!, partition: partition)
    }
}
