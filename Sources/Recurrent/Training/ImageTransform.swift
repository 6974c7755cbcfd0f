/// The dimensions of an image in a buffer: [height][width][channels].
public struct ImageSize: Hashable, Sendable {
    public let height: Int
    public let width: Int
    public let channels: Int

    /// - Precondition: height, width and channels are in 1...`ModelShape.largestDimension`, and
    ///   their product is at most 2^31.
    public init(height: Int, width: Int, channels: Int = 1) {
        require(
            [height, width, channels].allSatisfy(isDimension) && isRowCount(height * width)
                && isRowCount(height * width * channels),
            """
            image: expected dimensions of 1 to \(ModelShape.largestDimension) and at most \
            \(ModelShape.largestRowCount) floats, found \(height) × \(width) × \(channels)
            """)
        self.height = height
        self.width = width
        self.channels = channels
    }

    /// Floats.
    public var count: Int { height * width * channels }
}

/// What is done to an image: it is flipped, then scaled and turned about its center, then shifted,
/// and in the end cut. The bits of the result are the same on every machine.
///
/// Each place of the result is looked up where it comes from, between places by bilinear
/// interpolation. What lies outside the image is of one color. Where a place comes from a place,
/// its floats are copied: flips, turns by multiples of 90°, shifts by whole places and cuts lose
/// nothing.
public struct ImageTransform: Hashable, Sendable {
    /// Left becomes right.
    public var flipsHorizontally = false
    /// Top becomes bottom.
    public var flipsVertically = false
    /// How many times as large things become; above 0.
    public var scale = 1.0
    /// Degrees counterclockwise, finite.
    public var rotation = 0.0
    /// Places down.
    public var rowShift = 0.0
    /// Places to the right.
    public var columnShift = 0.0
    /// The row of the image that the result begins with.
    public var firstRow = 0
    /// The column of the image that the result begins with.
    public var firstColumn = 0

    /// Nothing.
    public init() {}

    /// - Parameters:
    ///   - image: `size.count` floats.
    ///   - result: floats of an image of `resultSize`, written.
    ///   - background: what lies outside the image.
    /// - Precondition: the counts are those, the numbers of channels are equal, the scale is finite
    ///   and above 0, the other numbers are finite.
    public func apply(
        to image: Span<Float>, _ size: ImageSize, into result: inout MutableSpan<Float>,
        _ resultSize: ImageSize,
        background: Float = 0
    ) {
        require(
            image.count == size.count && result.count == resultSize.count
                && size.channels == resultSize.channels,
            """
            image: expected \(size.count) floats for \(resultSize.count), found \(image.count) \
            and \(result.count)
            """
        )
        require(
            scale > 0 && scale.isFinite && rotation.isFinite && rowShift.isFinite
                && columnShift.isFinite,
            "image: expected finite changes and a scale above 0, found \(self)")
        let (cosine, sine) = direction
        let middleRow = Double(size.height - 1) / 2
        let middleColumn = Double(size.width - 1) / 2
        for row in 0..<resultSize.height {
            for column in 0..<resultSize.width {
                let down = Double(row + firstRow) - middleRow - rowShift
                let across = Double(column + firstColumn) - middleColumn - columnShift
                var fromRow = (across * sine + down * cosine) / scale
                var fromColumn = (across * cosine - down * sine) / scale
                if flipsVertically { fromRow = -fromRow }
                if flipsHorizontally { fromColumn = -fromColumn }
                let place = (row * resultSize.width + column) * size.channels
                interpolate(
                    image, size, row: middleRow + fromRow, column: middleColumn + fromColumn,
                    background, &result, place)
            }
        }
    }

    /// The cosine and the sine of the rotation, exact for multiples of 90°.
    private var direction: (cosine: Double, sine: Double) {
        let quarters = (rotation / 90).rounded()
        let rest = (rotation - 90 * quarters) * (Double.pi / 180)
        let sine = Recurrent.sine(rest)
        let cosine = (1 - sine * sine).squareRoot()
        switch quarters - 4 * (quarters / 4).rounded(.down) {
        case 0: return (cosine, sine)
        case 1: return (-sine, cosine)
        case 2: return (-cosine, -sine)
        default: return (sine, -cosine)
        }
    }

    /// The channels at a point between four places.
    private func interpolate(
        _ image: Span<Float>, _ size: ImageSize, row: Double, column: Double, _ background: Float,
        _ result: inout MutableSpan<Float>, _ place: Int
    ) {
        // Further out there is nothing but background, and the point may be too far for an integer.
        let isNear =
            row > -1 && column > -1 && row < Double(size.height) && column < Double(size.width)
        let top = isNear ? row.rounded(.down) : -1
        let left = isNear ? column.rounded(.down) : -1
        let below = isNear ? row - top : 0
        let right = isNear ? column - left : 0
        for channel in 0..<size.channels {
            func value(_ row: Int, _ column: Int) -> Double {
                guard row >= 0, column >= 0, row < size.height, column < size.width else {
                    return Double(background)
                }
                return Double(image[(row * size.width + column) * size.channels + channel])
            }
            // A place with no weight is not looked at: -0 stays -0, and NaN does not spread.
            func mixed(_ row: Int) -> Double {
                let first = value(row, Int(left))
                return right == 0 ? first : first * (1 - right) + value(row, Int(left) + 1) * right
            }
            let first = mixed(Int(top))
            result[place + channel] = Float(
                below == 0 ? first : first * (1 - below) + mixed(Int(top) + 1) * below)
        }
    }
}
