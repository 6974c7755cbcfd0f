import Recurrent

/// The shortest times that this hardware allows, in nanoseconds.
extension HardwareLimits {
    /// What one time step of one stream waits for, whatever its size: a sigmoid, the cell, a tanh,
    /// and the first product that needs its result.
    private static let dependencyChain = 35.0
    /// The pointwise part of one unit at one time step, forward and backward: three sigmoids and
    /// two hyperbolic tangents of trial kernels.
    private static let pointwise = 0.79

    /// One time step: the weights loaded from the nearest cache that holds them, or the
    /// multiply-adds.
    func step(_ shape: LSTMShape, _ weights: WeightFormat) -> Double {
        max(
            stream(weights: MemoryLayout<Float>.size * shape.weightCount(weights)),
            forwardFlops(shape) / gflops, Self.dependencyChain)
    }

    /// Whole sequences: the multiply-adds and the pointwise part, spread over `threads` cores. At
    /// batch 1 the recurrent weights, or each thread's share of them, are loaded once in each step,
    /// forward and, where `training`, backward.
    func sequence(_ shape: LSTMShape, training: Bool) -> Double {
        let rows = Double(shape.steps * shape.batch)
        let threads = Double(threads)
        let flops = forwardFlops(shape) * (training ? 3 : 1)
        let pointwise = rows * Double(shape.hiddenSize) * Self.pointwise / threads
        guard shape.batch == 1 else { return flops / threadsGflops + pointwise }
        let recurrentWeights = 4 * shape.hiddenSize * shape.hiddenSize
        let walks = Double(shape.steps * (training ? 2 : 1))
        let walkFlops = 2 * Double(recurrentWeights)
        let walk = max(
            stream(weights: recurrentWeights * MemoryLayout<Float>.size / self.threads),
            walkFlops / threadsGflops)
        return walks * walk + (flops - walks * walkFlops) / threadsGflops + pointwise
    }

    /// An update of `count` parameters, which reads and writes them, their gradient, which it
    /// clears, and their moments.
    func optimizer(_ count: Int, momentCount: Int) -> Double {
        stream(count, arrays: 2 + momentCount)
    }

    private func stream(weights bytes: Int) -> Double { Double(bytes) / bandwidth(holding: bytes) }
}

/// Multiply-adds of the forward pass, counted twice.
func forwardFlops(_ shape: LSTMShape) -> Double {
    2 * Double(shape.steps * shape.batch)
        * Double(4 * shape.hiddenSize * (shape.inputSize + shape.hiddenSize))
}
