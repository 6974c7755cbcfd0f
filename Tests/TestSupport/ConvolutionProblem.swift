public import RecurrentReference

extension WindowAxis: CustomStringConvertible {
    public var description: String {
        """
        \(size) to \(windows), \(taps) taps, stride \(stride), dilation \(dilation), padding \
        \(padding)
        """
    }
}

/// The dimensions of a convolution, and how its data lies in memory.
public struct ConvolutionSizes: Sendable, CustomStringConvertible {
    public var images: Int
    public let rows, columns: WindowAxis
    public let inputs, outputs: Int
    /// Floats between the channels of neighbouring places.
    public let gap: Int
    let awkward: Bool

    /// One row of places where `rows` is not given.
    public init(
        _ inputs: Int, _ outputs: Int, images: Int = 1,
        rows: WindowAxis = WindowAxis(size: 1, taps: 1), columns: WindowAxis, gap: Int = 0,
        awkward: Bool = false
    ) {
        (self.inputs, self.outputs, self.images) = (inputs, outputs, images)
        (self.rows, self.columns, self.gap, self.awkward) = (rows, columns, gap, awkward)
    }

    public var description: String {
        """
        \(inputs) to \(outputs) channels, images \(images), rows \(rows), columns \
        \(columns)\(awkward ? ", awkward" : "")
        """
    }
}

/// Data for a convolution in the textbook's layout; every number is a float's value.
public struct ConvolutionProblem<S: Scalar>: Sendable {
    public let sizes: ConvolutionSizes
    public var layer: Convolution<S>
    public var x, dy: [[[[S]]]]
    /// What the gradient holds before it is added to.
    public var gradient: Convolution<S>

    public func map<Other>(_ transform: (S) -> Other) -> ConvolutionProblem<Other> {
        func map(_ image: [[[S]]]) -> [[[Other]]] { image.map { $0.map { $0.map(transform) } } }
        return ConvolutionProblem<Other>(
            sizes: sizes, layer: layer.map(transform), x: x.map(map), dy: dy.map(map),
            gradient: gradient.map(transform))
    }

    /// Forward and backward by the reference.
    public func solved() -> ConvolutionSolution<S> {
        var gradient = gradient
        gradient.addGradient(x: x, dy: dy)
        return ConvolutionSolution(
            y: layer.forward(x: x), dx: layer.backwardInput(dy: dy), gradient: gradient)
    }

    /// One image by itself.
    public func image(_ image: Int) -> ConvolutionProblem {
        var sizes = sizes
        sizes.images = 1
        return ConvolutionProblem(
            sizes: sizes, layer: layer, x: [x[image]], dy: [dy[image]], gradient: gradient)
    }
}

extension Convolution {
    public func map<Other>(_ transform: (S) -> Other) -> Convolution<Other> {
        Convolution<Other>(
            W: W.map { $0.map { $0.map { $0.map(transform) } } }, b: b.map(transform), rows: rows,
            columns: columns)
    }
    public var named: Named<S> { [("dW", flat(W)), ("db", b)] }
}

extension ConvolutionProblem<Double> {
    public init(_ sizes: ConvolutionSizes, seed: UInt64) {
        var generator = Generator(seed: seed)
        func channels(_ count: Int) -> [Double] {
            (sizes.awkward ? generator.awkwardFloats(count) : generator.floats(count)).map {
                Double($0)
            }
        }
        func image(_ rows: Int, _ columns: Int, _ count: Int) -> [[[Double]]] {
            (0..<rows).map { _ in (0..<columns).map { _ in channels(count) } }
        }
        func layer() -> Convolution<Double> {
            Convolution(
                W: (0..<sizes.outputs).map { _ in
                    image(sizes.rows.taps, sizes.columns.taps, sizes.inputs)
                }, b: channels(sizes.outputs),
                rows: sizes.rows, columns: sizes.columns)
        }
        let images = 0..<sizes.images
        self.init(
            sizes: sizes, layer: layer(),
            x: images.map { _ in image(sizes.rows.size, sizes.columns.size, sizes.inputs) },
            dy: images.map { _ in image(sizes.rows.windows, sizes.columns.windows, sizes.outputs) },
            gradient: layer())
    }
}

/// All that the forward and the backward pass of a convolution give.
public struct ConvolutionSolution<S: Scalar>: Sendable {
    public var y, dx: [[[[S]]]]
    public var gradient: Convolution<S>

    public init(y: [[[[S]]]], dx: [[[[S]]]], gradient: Convolution<S>) {
        (self.y, self.dx, self.gradient) = (y, dx, gradient)
    }

    public var named: Named<S> { [("y", flat(y)), ("dx", flat(dx))] + gradient.named }
}

/// The elements of images, or of a kernel, in order.
public func flat<S>(_ images: [[[[S]]]]) -> [S] {
    images.flatMap { $0.flatMap { $0.flatMap { $0 } } }
}
