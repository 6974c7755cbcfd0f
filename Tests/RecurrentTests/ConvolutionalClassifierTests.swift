import Recurrent
import RecurrentFormats
import RecurrentReference
import TestSupport
import Testing

/// Bars, crosses and circles, drawn and then changed at random.
private struct Drawings {
    static let size = ImageSize(height: 12, width: 12), classes = 3
    private var augmentation: ImageAugmentation
    private var generator: Generator
    private let shapes: [[Float]]

    init(seed: UInt64) {
        augmentation = ImageAugmentation(Self.size, seed: seed)
        augmentation.horizontalFlipProbability = 0.5
        augmentation.verticalFlipProbability = 0.5
        augmentation.rotation = 90
        augmentation.scale = 0.75...1.25
        augmentation.rowShift = 1.5
        augmentation.columnShift = 1.5
        generator = Generator(seed: seed)
        func drawn(_ isInk: (Double, Double) -> Bool) -> [Float] {
            (0..<Self.size.count).map {
                isInk(Double($0 / 12) - 5.5, Double($0 % 12) - 5.5) ? 1 : 0
            }
        }
        func isBar(_ across: Double, _ along: Double) -> Bool {
            across.magnitude < 1 && along.magnitude < 5
        }
        shapes = [
            drawn(isBar), drawn { isBar($0, $1) || isBar($1, $0) },
            drawn { (3.4...4.8).contains(($0 * $0 + $1 * $1).squareRoot()) },
        ]
    }

    /// Images with a little noise, one after the other, and their classes.
    mutating func batch(_ count: Int) -> (images: [Float], classes: [Int32]) {
        let classes = (0..<count).map { _ in Int32(generator.next() % UInt64(Self.classes)) }
        let images = classes.flatMap { index in
            let shape = shapes[Int(index)]
            var image = [Float](repeating: 0, count: Self.size.count)
            var span = image.mutableSpan
            augmentation.apply(to: shape.span, into: &span)
            return zip(image, generator.floats(image.count, scale: 0.2)).map { $0 + $1 }
        }
        return (images, classes)
    }
}

@Suite struct ConvolutionalClassifierTests {
    /// What the network has learned of changed drawings holds for others that it has never seen.
    @Test(arguments: ISA.available.suffix(1)) func tellsBarsCrossesAndCirclesApart(isa: ISA) throws
    {
        var drawings = Drawings(seed: 1)
        var unseen = Drawings(seed: 2)
        var network = ConvolutionalClassifier(
            images: 20, size: 12, classes: 3, kernels: try Kernels(isa: isa))
        network.initialize(seed: 3)
        let optimizer = Optimizer.adam(Adam(learningRate: 0.01))
        var moments = [Float](repeating: 0, count: optimizer.momentCount * network.parameters.count)
        func error(_ drawings: inout Drawings) -> Double {
            let wrong = (0..<10).reduce(0) { wrong, _ in
                let (images, classes) = drawings.batch(20)
                network.pass(images, classes: classes, learns: false)
                return wrong + zip(network.predictions, classes).filter { $0 != $1 }.count
            }
            return Double(wrong) / 200
        }
        #expect(error(&unseen) > 0.4)
        for step in 1...150 {
            let (images, classes) = drawings.batch(20)
            network.pass(images, classes: classes, learns: true)
            network.update(optimizer, step: step, moments: &moments)
        }
        #expect(error(&unseen) < 0.05)
    }

    /// Every coordinate of the gradient, by the images too, against the reference with the bound
    /// that its running error gives.
    @Test(arguments: ISA.available) func gradientIsTheReferences(isa: ISA) throws {
        let count = 2
        let size = 8
        let classes = 3
        var generator = Generator(seed: 5)
        let places = RecurrentReference.WindowAxis(size: size, taps: 3)
        let pools = RecurrentReference.WindowAxis(size: places.windows, taps: 2, stride: 2)
        func floats(_ count: Int, scale: Float = 1) -> [Float] {
            generator.floats(count, scale: scale)
        }
        let channels = ConvolutionalClassifier.channels
        let inputs = pools.windows * pools.windows * channels
        let weight = floats(channels * 9)
        let bias = floats(channels)
        let denseWeight = floats(classes * inputs, scale: 0.3)
        let denseBias = floats(classes)
        let x = floats(count * size * size)
        let targets: [Int32] = [2, 0]

        var network = ConvolutionalClassifier(
            images: count, size: size, classes: classes, kernels: try Kernels(isa: isa))
        network.load(convolution: weight, bias: bias, dense: denseWeight, denseBias: denseBias)
        network.pass(x, classes: targets, learns: true)

        // The same in the textbook's layout, and its gradient.
        func exact(_ float: Float) -> RunningError { RunningError(Double(float)) }
        func rows<Element>(_ elements: [Element], _ width: Int) -> [[Element]] {
            stride(from: 0, to: elements.count, by: width).map { Array(elements[$0..<$0 + width]) }
        }
        let kernel = rows(weight.map(exact), 9).map { rows($0, 3).map { $0.map { [$0] } } }
        let convolution = Convolution(W: kernel, b: bias.map(exact), rows: places, columns: places)
        let dense = Dense(W: rows(denseWeight.map(exact), inputs), b: denseBias.map(exact))
        let pooling = RecurrentReference.Pooling(rows: pools, columns: pools, kind: .max)
        let relu = RecurrentReference.Activation.relu
        let images = rows(x.map(exact), size * size).map { rows($0, size).map { $0.map { [$0] } } }
        func map(_ images: [[[[RunningError]]]], _ f: (RunningError) -> RunningError)
            -> [[[[RunningError]]]]
        {
            images.map { $0.map { $0.map { $0.map(f) } } }
        }
        let y = map(convolution.forward(x: images)) { relu($0) }
        let pooled = pooling.forward(x: y).map { flat([$0]) }
        let dlogits = zip(dense.forward(x: pooled), targets).map { logits, target in
            let exponentials = logits.map(RunningError.exp)
            let sum = exponentials.reduce(0, +)
            return exponentials.enumerated().map { ($1 / sum - ($0 == Int(target) ? 1 : 0)) / 2 }
        }
        let dpooled = dense.backwardInput(dy: dlogits).map {
            rows(rows($0, channels), pools.windows)
        }
        let dy = zip(pooling.backward(x: y, dy: dpooled), y).map { dy, y in
            zip(flat([dy]), flat([y])).map { $0 * relu.derivative(y: $1) }
        }.map { rows(rows($0, channels), places.windows) }
        let nothing: RunningError = 0
        var convolutionGradient = convolution.map { _ in nothing }
        var denseGradient = Dense(
            W: dense.W.map { $0.map { _ in nothing } }, b: dense.b.map { _ in nothing })
        convolutionGradient.addGradient(x: images, dy: dy)
        denseGradient.addGradient(x: pooled, dy: dlogits)

        let (dw, split) = (network.gradient, network.convolution.weightCount)
        let found = network.convolution.unpack(dw.span.extracting(..<split))
        let foundDense = network.dense.unpack(dw.span.extracting(split...))
        try Comparer.check("dense weight", foundDense.weight, denseGradient.W.flatMap { $0 })
        try Comparer.check("dense bias", foundDense.bias, denseGradient.b)
        try Comparer.check("weight", found.weight, flat(convolutionGradient.W))
        try Comparer.check("bias", found.bias, convolutionGradient.b)
        try Comparer.check(
            "dx", unpadded(network.dx, 1),
            flat(convolution.backwardInput(dy: dy)))
        // These bounds grow along the chain, to a part in three hundred; roundings rarely add up
        // so.
        let values = flat(convolutionGradient.W).map(\.value)
        try Comparer.check("weight", found.weight, values, absolute: 1e-6, relative: 0)
        #expect(values.contains { $0.magnitude > 0.1 })
    }
}
