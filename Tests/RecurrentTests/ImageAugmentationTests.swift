import Recurrent
import TestSupport
import Testing

@Suite struct ImageAugmentationTests {
    private static let size = ImageSize(height: 5, width: 7, channels: 2),
        square = ImageSize(height: 6, width: 6)

    private func image(_ size: ImageSize) -> [Float] {
        var generator = Generator(seed: 3)
        return generator.awkwardFloats(size.count)
    }

    private func applied(
        _ image: [Float], _ size: ImageSize = size, to resultSize: ImageSize? = nil,
        background: Float = 0, _ change: (inout ImageTransform) -> Void
    ) -> [Float] {
        var transform = ImageTransform()
        change(&transform)
        var result = [Float](repeating: .nan, count: (resultSize ?? size).count)
        var span = result.mutableSpan
        transform.apply(
            to: image.span, size, into: &span, resultSize ?? size, background: background)
        return result
    }

    /// The image whose place (row, column) has what `source` says, or background.
    private func moved(
        _ image: [Float], _ size: ImageSize = size, to resultSize: ImageSize? = nil,
        background: Float = 0, _ source: (Int, Int) -> (Int, Int)
    ) -> [Float] {
        let result = resultSize ?? size
        return (0..<result.height).flatMap { row in
            (0..<result.width).flatMap { column in
                let (fromRow, fromColumn) = source(row, column)
                return (0..<size.channels).map { channel in
                    (0..<size.height).contains(fromRow) && (0..<size.width).contains(fromColumn)
                        ? image[(fromRow * size.width + fromColumn) * size.channels + channel]
                        : background
                }
            }
        }
    }

    @Test func nothingAndFlipsAreExact() throws {
        let image = image(Self.size)
        try Comparer.checkSameBits("nothing", applied(image) { _ in }, image)
        let horizontal = applied(image) { $0.flipsHorizontally = true }
        let vertical = applied(image) { $0.flipsVertically = true }
        try Comparer.checkSameBits("horizontal", horizontal, moved(image) { ($0, 6 - $1) })
        try Comparer.checkSameBits("vertical", vertical, moved(image) { (4 - $0, $1) })
        try Comparer.checkSameBits(
            "twice", applied(horizontal) { $0.flipsHorizontally = true }, image)
        let both = applied(image) { ($0.flipsHorizontally, $0.flipsVertically) = (true, true) }
        try Comparer.checkSameBits("half a turn", applied(image) { $0.rotation = 180 }, both)
    }

    /// Counterclockwise: what was at the top right comes to the top left. Full turns change
    /// nothing, even many.
    @Test func quarterTurnsAreExact() throws {
        let image = image(Self.square)
        for (degrees, source) in [
            (90, { ($1, 5 - $0) }), (-270, { ($1, 5 - $0) }), (180, { (5 - $0, 5 - $1) }),
            (270, { (5 - $1, $0) }), (-90, { (5 - $1, $0) }),
            (360, { ($0, $1) }), (3_600_090, { ($1, 5 - $0) }),
        ] as [(Double, (Int, Int) -> (Int, Int))] {
            let turned = applied(image, Self.square) { $0.rotation = degrees }
            try Comparer.checkSameBits("\(degrees)°", turned, moved(image, Self.square, source))
        }
    }

    @Test func shiftsByWholePlacesAndCropsAreExact() throws {
        let image = image(Self.size)
        let part = ImageSize(height: 2, width: 3, channels: 2)
        let shifted = applied(image, background: 9) { ($0.rowShift, $0.columnShift) = (1, -2) }
        try Comparer.checkSameBits(
            "shift", shifted, moved(image, background: 9) { ($0 - 1, $1 + 2) })
        let cropped = applied(image, to: part) { ($0.firstRow, $0.firstColumn) = (3, 4) }
        try Comparer.checkSameBits("crop", cropped, moved(image, to: part) { ($0 + 3, $1 + 4) })
        // Far away there is only background.
        #expect(
            applied(image, background: 2) { $0.rowShift = 1e300 }
                == [Float](repeating: 2, count: image.count))
    }

    /// A scale about the middle, and what lies between places, by hand.
    @Test func scaleAndInterpolationByHand() {
        let size = ImageSize(height: 1, width: 5)
        let image: [Float] = [1, 2, 4, 8, 16]
        #expect(applied(image, size) { $0.scale = 2 } == [2, 3, 4, 6, 8])
        #expect(applied(image, size) { $0.scale = 0.5 } == [0, 1, 4, 16, 0])
        #expect(
            applied(image, size, background: 32) { $0.columnShift = 0.25 } == [
                32 * 0.25 + 0.75, 1.75, 3.5, 7, 14,
            ])
        let square = ImageSize(height: 2, width: 2)
        #expect(
            applied([0, 4, 8, 20], square) { ($0.rowShift, $0.columnShift) = (-0.5, -0.25) } == [
                6, 9, 5.5, 7.5,
            ])
    }

    /// A turn by 30° of a line keeps its direction to within the error of the function.
    @Test func rotationIsByTheAngle() {
        // A plane: interpolation is exact for it, so what comes from (row, column) has the value
        // row + 100 column.
        let size = ImageSize(height: 41, width: 41)
        let image = (0..<size.count).map { Float($0 / 41 + 100 * ($0 % 41)) }
        let turned = applied(image, size) { $0.rotation = 30 }
        let (cosine, sine) = (0.75.squareRoot(), 0.5)
        for (row, column) in [(20, 20), (10, 20), (20, 30), (15, 12)] {
            let (down, across) = (Double(row - 20), Double(column - 20))
            let expected =
                20 + across * sine + down * cosine + 100 * (20 + across * cosine - down * sine)
            #expect(abs(Double(turned[row * 41 + column]) - expected) <= 0x1p-24 * expected)
        }
    }

    // MARK: Random changes

    private func augmentation(seed: UInt64) -> ImageAugmentation {
        var augmentation = ImageAugmentation(
            Self.size, cropped: ImageSize(height: 4, width: 5, channels: 2), seed: seed)
        augmentation.horizontalFlipProbability = 0.5
        augmentation.verticalFlipProbability = 0.25
        augmentation.rotation = 30
        augmentation.scale = 0.5...2
        augmentation.rowShift = 2
        augmentation.columnShift = 3
        return augmentation
    }

    @Test func seedsGiveTheSameImages() {
        func images(_ seed: UInt64) -> [[Float]] {
            var augmentation = augmentation(seed: seed)
            let image = image(Self.size)
            return (0..<10).map { _ in
                var result = [Float](repeating: .nan, count: augmentation.resultSize.count)
                var span = result.mutableSpan
                augmentation.apply(to: image.span, into: &span)
                return result
            }
        }
        #expect(images(1) == images(1))
        #expect(images(1) != images(2))
        #expect(Set(images(1)).count == 10)
    }

    /// Ranges are kept and filled, and what is not asked for does not happen.
    @Test func changesAreInTheirRanges() {
        var augmentation = augmentation(seed: 4)
        var plain = ImageAugmentation(Self.size, seed: 4)
        let changes = (0..<2000).map { _ in augmentation.next() }
        func expect(_ values: [Double], _ range: ClosedRange<Double>) {
            let margin = (range.upperBound - range.lowerBound) / 100
            #expect(values.allSatisfy(range.contains))
            #expect(
                values.min()! < range.lowerBound + margin
                    && values.max()! > range.upperBound - margin)
        }
        expect(changes.map(\.rotation), -30...30)
        expect(changes.map(\.scale), 0.5...2)
        expect(changes.map(\.rowShift), -2...2)
        expect(changes.map(\.columnShift), -3...3)
        #expect(
            Set(changes.map(\.firstRow)) == [0, 1] && Set(changes.map(\.firstColumn)) == [0, 1, 2])
        // Four deviations of so many throws.
        #expect(
            abs(changes.filter(\.flipsHorizontally).count - 1000) < 90
                && abs(changes.filter(\.flipsVertically).count - 500) < 78)
        #expect((0..<100).allSatisfy { _ in plain.next() == ImageTransform() })
    }

    /// The bits of a list of changed images: FNV-1a, the same on every machine.
    @Test func bitsAreThoseOfEveryMachine() {
        var augmentation = augmentation(seed: 7)
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        let image = image(Self.size)
        for _ in 0..<100 {
            var result = [Float](repeating: .nan, count: augmentation.resultSize.count)
            var span = result.mutableSpan
            augmentation.apply(to: image.span, into: &span)
            for value in result { hash = (hash ^ UInt64(value.bitPattern)) &* 0x100_0000_01B3 }
        }
        #expect(hash == 0x9A73_CEFA_73FA_577B)
    }

    @Test func wrongCountsTrap() async {
        await #expect(processExitsWith: .failure) { _ = ImageSize(height: 0, width: 3) }
        await #expect(processExitsWith: .failure) { _ = ImageSize(height: 1 << 20, width: 1 << 20) }
        await #expect(processExitsWith: .failure) {
            _ = ImageAugmentation(
                ImageSize(height: 3, width: 3), cropped: ImageSize(height: 4, width: 3), seed: 1)
        }
        await #expect(processExitsWith: .failure) {
            var result: [Float] = [0, 0]
            var span = result.mutableSpan
            ImageTransform().apply(
                to: [1].span, ImageSize(height: 1, width: 2), into: &span,
                ImageSize(height: 1, width: 2))
        }
        await #expect(processExitsWith: .failure) {
            var result: [Float] = [0]
            var span = result.mutableSpan
            var transform = ImageTransform()
            transform.scale = 0
            transform.apply(
                to: [1].span, ImageSize(height: 1, width: 1), into: &span,
                ImageSize(height: 1, width: 1))
        }
        await #expect(processExitsWith: .failure) {
            var augmentation = ImageAugmentation(ImageSize(height: 1, width: 1), seed: 1)
            augmentation.verticalFlipProbability = .nan
            _ = augmentation.next()
        }
    }
}
