/// Random changes of images, so that a network sees each of them in many forms: flips, rotation,
/// scale, crop, translation. The same seed makes the same changes on every machine, and nothing
/// allocates after set-up.
///
///     var augmentation = ImageAugmentation(ImageSize(height: 32, width: 32, channels: 3), seed: 1)
///     augmentation.horizontalFlipProbability = 0.5
///     augmentation.rotation = 15
///     augmentation.apply(to: image, into: &changed)
///
/// Krizhevsky, Sutskever and Hinton 2012, "ImageNet Classification with Deep Convolutional Neural
/// Networks", section 4.1; Goodfellow, Bengio and Courville 2016, section 7.4.
public struct ImageAugmentation: Sendable {
    public let size: ImageSize
    /// Of the results: where it is smaller than the image, a part of that, at a random place.
    public let resultSize: ImageSize
    /// How often left becomes right, 0...1.
    public var horizontalFlipProbability = 0.0
    /// How often top becomes bottom, 0...1.
    public var verticalFlipProbability = 0.0
    /// The most degrees by which images are turned, either way.
    public var rotation = 0.0
    /// How many times as large things become.
    public var scale = 1.0...1.0
    /// The most places by which images are shifted up or down.
    public var rowShift = 0.0
    /// The most places by which images are shifted to the left or to the right.
    public var columnShift = 0.0
    /// What lies outside an image.
    public var background: Float = 0
    /// Its state is all there is to save and restore.
    public var generator: SplitMix64

    /// No changes but a crop, where the results are smaller.
    ///
    /// - Precondition: the results are no larger than the images, and have as many channels.
    public init(_ size: ImageSize, cropped resultSize: ImageSize? = nil, seed: UInt64) {
        let resultSize = resultSize ?? size
        require(
            resultSize.height <= size.height && resultSize.width <= size.width
                && resultSize.channels == size.channels,
            "crop: expected a part of \(size), found \(resultSize)")
        self.size = size
        self.resultSize = resultSize
        generator = SplitMix64(seed: seed)
    }

    /// The next change. Each takes eight numbers of the generator, so that none depends on what
    /// else is asked for.
    ///
    /// - Precondition: both probabilities are in 0...1.
    public mutating func next() -> ImageTransform {
        require(
            (0...1).contains(horizontalFlipProbability)
                && (0...1).contains(verticalFlipProbability),
            """
            image: expected probabilities of flips of 0 to 1, found \(horizontalFlipProbability) \
            and \(verticalFlipProbability)
            """)
        var transform = ImageTransform()
        transform.flipsHorizontally = generator.unit() < horizontalFlipProbability
        transform.flipsVertically = generator.unit() < verticalFlipProbability
        transform.rotation = (2 * generator.unit() - 1) * rotation
        transform.scale =
            scale.lowerBound + generator.unit() * (scale.upperBound - scale.lowerBound)
        transform.rowShift = (2 * generator.unit() - 1) * rowShift
        transform.columnShift = (2 * generator.unit() - 1) * columnShift
        transform.firstRow = Int(generator.unit() * Double(size.height - resultSize.height + 1))
        transform.firstColumn = Int(generator.unit() * Double(size.width - resultSize.width + 1))
        return transform
    }

    /// A changed image.
    ///
    /// - Parameters:
    ///   - image: [height][width][channels] of `size`.
    ///   - result: the same of `resultSize`, written.
    /// - Precondition: the counts are those, and the changes asked for are finite, with a scale
    ///   above 0.
    public mutating func apply(to image: Span<Float>, into result: inout MutableSpan<Float>) {
        next().apply(to: image, size, into: &result, resultSize, background: background)
    }
}
