internal import CRecurrent

/// Windows that move along one axis of images, or along a sequence: window p has its tap k at the
/// place p stride + k dilation - padding. Taps outside are left out.
///
/// C counterpart: `recurrent_axis`.
public struct WindowAxis: Hashable, Sendable {
    /// Places.
    public let size: Int
    /// Taps of a window.
    public let kernelSize: Int
    public let stride: Int
    public let dilation: Int
    /// Places outside that lie in front of the first.
    public let padding: Int
    /// Windows.
    public let windows: Int

    /// As many windows as fit between `padding` places outside at either end, as in PyTorch.
    ///
    /// - Precondition: the size, the kernel's size, stride and dilation are in
    ///   1...`ModelShape.largestDimension`, padding in 0...`ModelShape.largestDimension`, and at
    ///   least one window fits.
    public init(size: Int, kernelSize: Int, stride: Int = 1, dilation: Int = 1, padding: Int = 0) {
        self.init(
            size: size, kernelSize: kernelSize, stride: stride, dilation: dilation,
            paddings: (padding, padding))
    }

    /// A window for each place, which looks at no later ones: for sequences whose future is not
    /// known.
    ///
    /// - Precondition: as for other windows.
    public static func causal(size: Int, kernelSize: Int, dilation: Int = 1) -> WindowAxis {
        WindowAxis(
            size: size, kernelSize: kernelSize, stride: 1, dilation: dilation,
            paddings: (dilation &* (kernelSize &- 1), 0))
    }

    /// The one row of a sequence.
    public static let single = WindowAxis(size: 1, kernelSize: 1)

    private init(
        size: Int, kernelSize: Int, stride: Int, dilation: Int, paddings: (first: Int, last: Int)
    ) {
        require(
            [size, kernelSize, stride, dilation].allSatisfy(isDimension)
                && (0...ModelShape.largestDimension).contains(paddings.first),
            """
            window axis: expected a size, a kernel size, a stride and a dilation of 1 to \
            \(ModelShape.largestDimension) and no larger padding, found size \(size), kernel size \
            \(kernelSize), stride \(stride), dilation \(dilation), padding \(paddings.first)
            """)
        let room = size + paddings.first + paddings.last - dilation * (kernelSize - 1) - 1
        require(
            room >= 0,
            """
            window axis: expected at least one window, found \(kernelSize) taps \(dilation) \
            apart in \(size) places
            """
        )
        self.size = size
        self.kernelSize = kernelSize
        self.stride = stride
        self.dilation = dilation
        padding = paddings.first
        windows = room / stride + 1
    }

    var cValue: recurrent_axis {
        recurrent_axis(
            size: size, windows: windows, taps: kernelSize, stride: stride, dilation: dilation,
            padding: padding)
    }
}

/// The dimensions of a convolution of images, or of sequences, which are images of one row.
/// Sequences side by side, [time][sequence][channel] as recurrent layers have them, are one image:
/// time is its rows, and the sequences are its columns, with a kernel size of 1.
///
/// C counterpart: `recurrent_convolution_shape`.
public struct ConvolutionShape: Hashable, Sendable {
    /// N, images, or sequences.
    public let images: Int
    /// H places, H′ windows.
    public let rows: WindowAxis
    /// W places, W′ windows.
    public let columns: WindowAxis
    /// C, channels of the input.
    public let inputChannels: Int
    /// C′, channels of the output.
    public let outputChannels: Int
    /// Floats from one place of the input to the next.
    public let inputStride: Int

    /// - Precondition: images and channels are in 1...`ModelShape.largestDimension`; the places of
    ///   all images, the windows of all images, and the terms of an output are each at most 2^31.
    ///   The input stride is 16 ⌈inputChannels / 16⌉ unless given.
    public init(
        images: Int = 1, rows: WindowAxis = .single, columns: WindowAxis, inputChannels: Int,
        outputChannels: Int, inputStride: Int? = nil
    ) {
        self.images = images
        self.rows = rows
        self.columns = columns
        self.inputChannels = inputChannels
        self.outputChannels = outputChannels
        self.inputStride = inputStride ?? padded(inputChannels)
        unsafe requireShape(recurrent_convolution_check(cValue), self)
    }

    var cValue: recurrent_convolution_shape {
        recurrent_convolution_shape(
            images: images, rows: rows.cValue, columns: columns.cValue, inputs: inputChannels,
            outputs: outputChannels,
            x_stride: inputStride)
    }

    /// Floats of the input: images × rows × columns × `inputStride`.
    public var inputCount: Int { images * rows.size * columns.size * inputStride }
    /// Floats of a place of the output in memory: 16 ⌈outputChannels / 16⌉.
    public var paddedOutputChannels: Int { recurrent_padded(outputChannels) }
    /// Floats of the output. C counterpart: `recurrent_convolution_y_floats`.
    public var outputCount: Int { recurrent_convolution_y_floats(cValue) }
    /// Floats of weights and bias in kernel order. C counterpart:
    /// `recurrent_convolution_weights_floats`.
    public var weightCount: Int { recurrent_convolution_weights_floats(cValue) }
    /// Floats of the transposed copy of the weights. C counterpart:
    /// `recurrent_convolution_transposed_floats`.
    public var transposedCount: Int { recurrent_convolution_transposed_floats(cValue) }
    /// Floats of the gradient with respect to the input. C counterpart:
    /// `recurrent_convolution_dx_floats`.
    public var inputGradientCount: Int { recurrent_convolution_dx_floats(cValue) }
}

/// What a window of pooling gives of the taps that lie inside.
///
/// C counterpart: `recurrent_pooling`.
public enum Pooling: String, CaseIterable, Sendable {
    /// The largest, the first of them where several are.
    case max
    /// Their sum over the number of all taps.
    case average
    case sum

    var cValue: recurrent_pooling {
        switch self {
        case .max: recurrent_pooling_max
        case .average: recurrent_pooling_average
        case .sum: recurrent_pooling_sum
        }
    }
}

/// The dimensions of pooling of images, or of sequences, which are images of one row.
///
/// C counterpart: `recurrent_pooling_shape`.
public struct PoolingShape: Hashable, Sendable {
    /// N, images, or sequences.
    public let images: Int
    /// H places, H′ windows.
    public let rows: WindowAxis
    /// W places, W′ windows.
    public let columns: WindowAxis
    /// C.
    public let channels: Int
    public let pooling: Pooling

    /// - Precondition: images and channels are in 1...`ModelShape.largestDimension`; the places and
    ///   the windows of all images, and the taps of a window, are each at most 2^31.
    public init(
        _ pooling: Pooling, images: Int = 1, rows: WindowAxis = .single, columns: WindowAxis,
        channels: Int
    ) {
        self.images = images
        self.rows = rows
        self.columns = columns
        self.channels = channels
        self.pooling = pooling
        unsafe requireShape(recurrent_pooling_check(cValue), self)
    }

    var cValue: recurrent_pooling_shape {
        recurrent_pooling_shape(
            images: images, rows: rows.cValue, columns: columns.cValue, channels: channels,
            pooling: pooling.cValue)
    }

    /// Floats of a place in memory: 16 ⌈channels / 16⌉.
    public var paddedChannels: Int { recurrent_padded(channels) }
    /// Floats of the input, or of its gradient. C counterpart: `recurrent_pooling_x_floats`.
    public var inputCount: Int { recurrent_pooling_x_floats(cValue) }
    /// Floats of the output, or of its gradient. C counterpart: `recurrent_pooling_y_floats`.
    public var outputCount: Int { recurrent_pooling_y_floats(cValue) }
}

extension Kernels {
    /// A convolution. Kernel: `convolution_forward`.
    ///
    /// - Parameters:
    ///   - x: [N][H][W][inputStride].
    ///   - weights: kernel order, `shape.weightCount` floats.
    ///   - y: [N][H′][W′][paddedOutputChannels], written.
    public func convolutionForward(
        _ shape: ConvolutionShape, x: UnsafePointer<Float>, weights: UnsafePointer<Float>,
        y: UnsafeMutablePointer<Float>, partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.convolution_forward(&shape, x, weights, y, partition.cValue)
    }

    /// The transposed copy of the weights that `convolutionBackwardInput` reads. Kernel:
    /// `convolution_transpose`.
    public func convolutionTranspose(
        _ shape: ConvolutionShape, weights: UnsafePointer<Float>,
        transposed: UnsafeMutablePointer<Float>,
        partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.convolution_transpose(&shape, weights, transposed, partition.cValue)
    }

    /// The gradient with respect to the input, [N][H][W][16 ⌈inputChannels / 16⌉]. Kernel:
    /// `convolution_backward_input`.
    public func convolutionBackwardInput(
        _ shape: ConvolutionShape, outputGradient: UnsafePointer<Float>,
        transposed: UnsafePointer<Float>,
        inputGradient: UnsafeMutablePointer<Float>, partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.convolution_backward_input(
            &shape, outputGradient, transposed, inputGradient, partition.cValue)
    }

    /// Adds the gradient with respect to the weights. Kernel: `convolution_backward_weights`.
    public func convolutionBackwardWeights(
        _ shape: ConvolutionShape, x: UnsafePointer<Float>, outputGradient: UnsafePointer<Float>,
        weightGradient: UnsafeMutablePointer<Float>, partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.convolution_backward_weights(
            &shape, x, outputGradient, weightGradient, partition.cValue)
    }

    /// Pooling: `x` and `y` are `shape.inputCount` and `shape.outputCount` floats. Kernel:
    /// `pooling_forward`.
    public func poolingForward(
        _ shape: PoolingShape, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>,
        partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.pooling_forward(&shape, x, y, partition.cValue)
    }

    /// The gradient with respect to the input, written. Kernel: `pooling_backward`.
    ///
    /// - Parameter x, y: of `poolingForward`.
    public func poolingBackward(
        _ shape: PoolingShape, x: UnsafePointer<Float>, y: UnsafePointer<Float>,
        outputGradient: UnsafePointer<Float>,
        inputGradient: UnsafeMutablePointer<Float>, partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.pooling_backward(
            &shape, x, y, outputGradient, inputGradient, partition.cValue)
    }
}
