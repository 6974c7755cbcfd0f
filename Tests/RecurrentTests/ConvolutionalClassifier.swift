import Recurrent
import RecurrentFormats
import TestSupport

/// The small convolutional classifier of the lectures: convolution, ReLU, max pooling, dense layer,
/// softmax with cross-entropy. Images of one channel, a convolution of 3 × 3 taps to 16 channels,
/// so that no lane is padding, and pooling of 2 × 2.
struct ConvolutionalClassifier {
    let images: Int
    let kernels: Kernels
    let convolution: ConvolutionShape
    let pooling: PoolingShape
    let dense: DenseShape
    /// Of the convolution, then of the dense layer, in kernel order.
    private(set) var parameters: [Float]
    private(set) var gradient: [Float]
    private(set) var losses: [Float]
    private(set) var logits: [Float]
    /// The gradient with respect to the images.
    private(set) var dx: [Float]

    static let channels = 16

    /// A batch of square images.
    init(images: Int, size: Int, classes: Int, kernels: Kernels) {
        self.images = images
        self.kernels = kernels
        let places = WindowAxis(size: size, kernelSize: 3)
        let pools = WindowAxis(size: places.windows, kernelSize: 2, stride: 2)
        convolution = ConvolutionShape(
            images: images, rows: places, columns: places, inputChannels: 1,
            outputChannels: Self.channels, inputStride: 1)
        pooling = PoolingShape(
            .max, images: images, rows: pools, columns: pools, channels: Self.channels)
        dense = DenseShape(
            rows: images, inputSize: pools.windows * pools.windows * Self.channels,
            outputSize: classes)
        parameters = [Float](repeating: 0, count: convolution.weightCount + dense.weightCount)
        gradient = parameters
        losses = [Float](repeating: 0, count: images)
        logits = [Float](repeating: 0, count: images * dense.paddedOutputSize)
        dx = [Float](repeating: 0, count: convolution.inputGradientCount)
    }

    mutating func load(
        convolution weight: [Float], bias: [Float], dense denseWeight: [Float], denseBias: [Float]
    ) {
        parameters =
            self.convolution.pack(AffineWeights(weight: weight, bias: bias))
            + dense.pack(AffineWeights(weight: denseWeight, bias: denseBias))
    }

    /// Normal weights of He, and no bias.
    mutating func initialize(seed: UInt64) {
        var generator = Generator(seed: seed)
        func weights(_ count: Int, inputs: Int) -> [Float] {
            generator.floats(count, scale: (6 / Float(inputs)).squareRoot())
        }
        load(
            convolution: weights(9 * Self.channels, inputs: 9),
            bias: [Float](repeating: 0, count: Self.channels),
            dense: weights(dense.outputSize * dense.inputSize, inputs: dense.inputSize),
            denseBias: [Float](repeating: 0, count: dense.outputSize))
    }

    /// Forward; with `learns` also backward, which adds the gradient of the mean loss.
    mutating func pass(_ x: [Float], classes: [Int32], learns: Bool) {
        let rows = RowsShape(rows: convolution.outputCount / Self.channels, units: Self.channels)
        let answers = RowsShape(rows: images, units: dense.outputSize)
        let split = convolution.weightCount
        var y = [Float](repeating: 0, count: convolution.outputCount)
        var dy = y
        var pooled = [Float](repeating: 0, count: pooling.outputCount)
        var dpooled = pooled
        var dlogits = logits
        var transposed = [Float](
            repeating: 0, count: max(dense.transposedCount, convolution.transposedCount))
        parameters.withUnsafeBufferPointer { w in
            let convolutionWeights = w.baseAddress!
            let denseWeights = w.baseAddress! + split
            kernels.convolutionForward(convolution, x: x, weights: convolutionWeights, y: &y)
            y.withUnsafeMutableBufferPointer {
                kernels.activationForward(rows, .relu, x: $0.baseAddress!, y: $0.baseAddress!)
            }
            kernels.poolingForward(pooling, x: y, y: &pooled)
            kernels.denseForward(dense, x: pooled, weights: denseWeights, y: &logits)
            kernels.softmaxCrossEntropy(
                answers, logits: logits, targets: classes, scale: 1 / Float(images),
                losses: &losses,
                logitsGradient: &dlogits)
            guard learns else { return }
            gradient.withUnsafeMutableBufferPointer { dw in
                kernels.denseTranspose(dense, weights: denseWeights, transposed: &transposed)
                kernels.denseBackwardInput(
                    dense, outputGradient: dlogits, transposed: transposed, inputGradient: &dpooled)
                kernels.denseBackwardWeights(
                    dense, x: pooled, outputGradient: dlogits,
                    weightGradient: dw.baseAddress! + split)
                kernels.poolingBackward(
                    pooling, x: y, y: pooled, outputGradient: dpooled, inputGradient: &dy)
                dy.withUnsafeMutableBufferPointer { dy in
                    kernels.activationBackward(
                        rows, .relu, y: y, outputGradient: dy.baseAddress!,
                        inputGradient: dy.baseAddress!)
                }
                kernels.convolutionTranspose(
                    convolution, weights: convolutionWeights, transposed: &transposed)
                kernels.convolutionBackwardInput(
                    convolution, outputGradient: dy, transposed: transposed, inputGradient: &dx)
                kernels.convolutionBackwardWeights(
                    convolution, x: x, outputGradient: dy, weightGradient: dw.baseAddress!)
            }
        }
    }

    mutating func update(_ optimizer: Optimizer, step: Int, moments: inout [Float]) {
        kernels.update(
            optimizer, parameters.count, scale: 1, step: step, parameters: &parameters,
            gradient: &gradient, moments: &moments,
            momentStride: parameters.count)
    }

    /// The most probable class of each image.
    var predictions: [Int32] {
        (0..<images).map { image in
            let row = logits[(image * dense.paddedOutputSize)...].prefix(dense.outputSize)
            return Int32(row.firstIndex(of: row.max()!)! - row.startIndex)
        }
    }
}
