internal import CRecurrent

/// The dimensions of a dense layer y = x Wᵀ + b.
///
/// C counterpart: `recurrent_product_shape` with one group.
public struct DenseShape: Hashable, Sendable {
    /// M, rows of input and output.
    public let rows: Int
    /// K, columns of the input.
    public let inputSize: Int
    /// N, outputs.
    public let outputSize: Int
    /// Floats from one input row to the next.
    public let inputStride: Int

    /// - Precondition: dimensions are in 1...`ModelShape.largestDimension`, rows in 1...2^31. The
    ///   input stride is 16 ⌈inputSize / 16⌉ unless given.
    public init(rows: Int, inputSize: Int, outputSize: Int, inputStride: Int? = nil) {
        self.rows = rows
        self.inputSize = inputSize
        self.outputSize = outputSize
        self.inputStride = inputStride ?? padded(inputSize)
        unsafe requireShape(recurrent_product_check(cValue), self)
    }

    var cValue: recurrent_product_shape {
        recurrent_product_shape(
            rows: rows, inputs: inputSize, outputs: outputSize, groups: 1, x_stride: inputStride)
    }

    /// Floats of a row of the output in memory: 16 ⌈outputSize / 16⌉.
    public var paddedOutputSize: Int { recurrent_padded(outputSize) }
    /// Floats of weights and bias in kernel order. C counterpart:
    /// `recurrent_product_weights_floats`.
    public var weightCount: Int { recurrent_product_weights_floats(cValue) }
    /// The same in a format, in 32-bit words. C counterpart of bfloat16:
    /// `recurrent_product_bfloat16_floats`.
    public func weightCount(_ format: WeightFormat) -> Int {
        switch format {
        case .float32: weightCount
        case .bfloat16: recurrent_product_bfloat16_floats(cValue)
        }
    }
    /// Floats of the transposed copy. C counterpart: `recurrent_product_transposed_floats`.
    public var transposedCount: Int { recurrent_product_transposed_floats(cValue) }
}

extension Kernels {
    /// y = x Wᵀ + b. Kernels: `product_forward`, `product_forward_bfloat16`.
    ///
    /// - Parameters:
    ///   - format: of the weights.
    ///   - x: [M][inputStride].
    ///   - weights: kernel order, `weightCount(format)` words.
    ///   - y: [M][paddedOutputSize], written.
    public func denseForward(
        _ shape: DenseShape, _ format: WeightFormat = .float32, x: UnsafePointer<Float>,
        weights: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>, partition: Partition = .all
    ) {
        var shape = shape.cValue
        switch format {
        case .float32: unsafe table.pointee.product_forward(&shape, x, weights, y, partition.cValue)
        case .bfloat16:
            unsafe table.pointee.product_forward_bfloat16(&shape, x, weights, y, partition.cValue)
        }
    }

    /// The transposed copy of the weights that `denseBackwardInput` reads. Kernel:
    /// `product_transpose`.
    public func denseTranspose(
        _ shape: DenseShape, weights: UnsafePointer<Float>, transposed: UnsafeMutablePointer<Float>,
        partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.product_transpose(&shape, weights, transposed, partition.cValue)
    }

    /// The gradient with respect to the input, [M][16 ⌈inputSize / 16⌉]. Kernel:
    /// `product_backward_input`.
    public func denseBackwardInput(
        _ shape: DenseShape, outputGradient: UnsafePointer<Float>, transposed: UnsafePointer<Float>,
        inputGradient: UnsafeMutablePointer<Float>, partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.product_backward_input(
            &shape, outputGradient, transposed, inputGradient, partition.cValue)
    }

    /// Adds the gradient with respect to the weights. Kernel: `product_backward_weights`.
    public func denseBackwardWeights(
        _ shape: DenseShape, x: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
        weightGradient: UnsafeMutablePointer<Float>, partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.product_backward_weights(
            &shape, x, outputGradient, weightGradient, partition.cValue)
    }
}
