import Recurrent
import RecurrentFormats
import RecurrentReference
import TestSupport
import Testing

/// Two inputs, a hidden layer with batch normalization and ReLU, one output: all of it kernel
/// calls.
private struct DenseNetwork: ~Copyable {
    static let hiddenSize = 9
    let kernels: Kernels, rows: Int
    let hidden: DenseShape, output: DenseShape
    var first, second, dFirst, dSecond: [Float]
    var normalization: BatchNormalization

    init(_ kernels: Kernels, rows: Int, seed: UInt64) {
        self.kernels = kernels
        self.rows = rows
        hidden = DenseShape(rows: rows, inputSize: 2, outputSize: Self.hiddenSize, inputStride: 2)
        output = DenseShape(rows: rows, inputSize: Self.hiddenSize, outputSize: 1)
        var generator = Generator(seed: seed)
        first = hidden.pack(
            AffineWeights(
                weight: generator.floats(2 * Self.hiddenSize),
                bias: generator.floats(Self.hiddenSize)))
        second = output.pack(
            AffineWeights(weight: generator.floats(Self.hiddenSize), bias: [0.25]))
        dFirst = [Float](repeating: 0, count: first.count)
        dSecond = [Float](repeating: 0, count: second.count)
        normalization = BatchNormalization(units: Self.hiddenSize, kernels: kernels)
        normalization.load(
            weight: generator.floats(Self.hiddenSize), bias: generator.floats(Self.hiddenSize),
            runningMean: [Float](repeating: 0, count: Self.hiddenSize),
            runningVariance: [Float](repeating: 1, count: Self.hiddenSize))
    }

    private var hiddenRows: RowsShape { RowsShape(rows: rows, units: Self.hiddenSize) }
    private var outputRows: RowsShape { RowsShape(rows: rows, units: 1) }

    /// The mean loss; adds to the gradients. Targets are padded rows.
    mutating func learn(x: [Float], targets: [Float]) -> Double {
        var z = [Float](repeating: .nan, count: hiddenRows.count)
        var n = z
        var dn = z
        var logits = [Float](repeating: .nan, count: outputRows.count)
        kernels.denseForward(hidden, x: x, weights: first, y: &z)
        var span = n.mutableSpan
        normalization.forward(z.span, into: &span)
        kernels.activationForward(hiddenRows, .relu, x: n, y: &n)
        kernels.denseForward(output, x: n, weights: second, y: &logits)
        var losses = [Float](repeating: .nan, count: rows)
        kernels.binaryCrossEntropy(
            outputRows, logits: logits, targets: targets, valid: nil, scale: 1 / Float(rows),
            losses: &losses,
            logitsGradient: &logits)
        var transposed = [Float](repeating: .nan, count: output.transposedCount)
        kernels.denseTranspose(output, weights: second, transposed: &transposed)
        kernels.denseBackwardInput(
            output, outputGradient: logits, transposed: transposed, inputGradient: &dn)
        kernels.denseBackwardWeights(output, x: n, outputGradient: logits, weightGradient: &dSecond)
        kernels.activationBackward(hiddenRows, .relu, y: n, outputGradient: dn, inputGradient: &dn)
        dn.withUnsafeMutableBufferPointer { dn in
            z.withUnsafeBufferPointer {
                normalization.backward(
                    x: $0, outputGradient: UnsafeBufferPointer(dn), inputGradient: dn)
            }
        }
        kernels.denseBackwardWeights(hidden, x: x, outputGradient: dn, weightGradient: &dFirst)
        return kernels.sumLosses(rows, losses: losses) / Double(rows)
    }

    /// The probability of each row, with running averages.
    func probabilities(x: [Float]) -> [Float] {
        var z = [Float](repeating: .nan, count: hiddenRows.count)
        var y = [Float](repeating: .nan, count: outputRows.count)
        kernels.denseForward(hidden, x: x, weights: first, y: &z)
        z.withUnsafeMutableBufferPointer {
            normalization.inference(x: UnsafeBufferPointer($0), y: $0)
        }
        kernels.activationForward(hiddenRows, .relu, x: z, y: &z)
        kernels.denseForward(output, x: z, weights: second, y: &y)
        kernels.activationForward(outputRows, .sigmoid, x: y, y: &y)
        return unpadded(y, 1)
    }

    /// The same chain as the textbooks write it: the gradients with respect to everything that
    /// learns.
    func reference(x: [Float], targets: [Float]) -> [(name: String, gradient: [RunningError])] {
        func exact(_ values: [Float]) -> [RunningError] { values.map { RunningError(Double($0)) } }
        func dense(_ shape: DenseShape, _ kernelOrder: [Float]) -> Dense<RunningError> {
            let (weights, inputs) = (shape.unpack(kernelOrder.span), shape.inputSize)
            return Dense(
                W: (0..<shape.outputSize).map {
                    exact(Array(weights.weight[$0 * inputs..<($0 + 1) * inputs]))
                },
                b: exact(weights.bias))
        }
        let first = dense(hidden, first)
        let second = dense(output, second)
        let layer = Normalization(
            .batch, gamma: exact(normalization.weight), beta: exact(normalization.bias),
            epsilon: RunningError(Double(normalization.epsilon)))
        let x = (0..<rows).map { exact(Array(x[2 * $0..<2 * $0 + 2])) }
        let z = first.forward(x: x)
        let (n, tape) = layer.forward(x: z)
        let h = n.map { $0.map { RecurrentReference.Activation.relu($0) } }
        let dlogits = second.forward(x: h).enumerated().map { row, logits in
            [
                (RunningError.sigmoid(logits[0]) - RunningError(Double(targets[row])))
                    / RunningError(Double(rows))
            ]
        }
        let dh = second.backwardInput(dy: dlogits)
        let dn = dh.indices.map { row in
            dh[row].indices.map {
                dh[row][$0] * RecurrentReference.Activation.relu.derivative(y: h[row][$0])
            }
        }
        let dz = layer.backward(x: z, tape: tape, dy: dn)
        let none = [RunningError](repeating: 0, count: Self.hiddenSize)
        var dSecond = Dense(W: [none], b: [0 as RunningError])
        var dLayer = Normalization(.batch, gamma: none, beta: none, epsilon: 0)
        var dFirst = Dense(W: none.map { _ in [0 as RunningError, 0] }, b: none)
        dSecond.addGradient(x: h, dy: dlogits)
        dLayer.addGradient(x: z, tape: tape, dy: dn)
        dFirst.addGradient(x: x, dy: dz)
        return [
            ("dW1", dFirst.W.flatMap { $0 }), ("db1", dFirst.b), ("dgamma", dLayer.gamma),
            ("dbeta", dLayer.beta), ("dW2", dSecond.W[0]),
            ("db2", dSecond.b),
        ]
    }

    /// What `learn` has added, in the order of `reference`.
    var gradients: [[Float]] {
        let first = hidden.unpack(dFirst.span)
        let second = output.unpack(dSecond.span)
        let half = normalization.parameterCount / 2
        let dgamma = Array(
            UnsafeBufferPointer(start: normalization.gradient, count: Self.hiddenSize))
        let dbeta = Array(
            UnsafeBufferPointer(start: normalization.gradient + half, count: Self.hiddenSize))
        return [first.weight, first.bias, dgamma, dbeta, second.weight, second.bias]
    }
}

@Suite struct DenseNetworkTests {
    /// Points of the plane, and whether one of their coordinates alone is above one half.
    private static let corners: [Float] = [0, 0, 0, 1, 1, 0, 1, 1]
    private static let exclusive: [Float] = [0, 1, 1, 0]

    @Test func swiftAndReferenceHaveTheSameActivations() {
        let reference = RecurrentReference.Activation.allCases.map {
            String("\($0)".prefix { $0 != "(" })
        }
        #expect(Recurrent.Activation.allCases.map(\.rawValue) == reference)
        #expect(
            Recurrent.Activation.ofCells.map(\.rawValue)
                == RecurrentReference.Activation.ofCells.map(\.name))
    }

    /// Every coordinate of the gradient of the whole chain, with a bound that is carried from the
    /// first product to the last.
    @Test(arguments: ISA.available, [4, 7, 33]) func gradientOfTheWholeChain(isa: ISA, rows: Int)
        throws
    {
        var generator = Generator(seed: 4)
        let x = generator.floats(2 * rows, scale: 2)
        let targets = (0..<rows).map { Float($0 % 2) }
        var network = DenseNetwork(try Kernels(isa: isa), rows: rows, seed: 3)
        let expected = network.reference(x: x, targets: targets)
        _ = network.learn(x: x, targets: padded(targets, 1))
        for (found, expected) in zip(network.gradients, expected) {
            try Comparer.check(expected.name, found, expected.gradient)
        }
        // The bounds are tight enough to see a part of what they check.
        let all = expected.flatMap(\.gradient)
        #expect(all.map(\.error).max()! < 1e-3 * all.map(\.value.magnitude).max()!)
    }

    /// The function that no single neuron can be: Minsky and Papert 1969.
    @Test(arguments: ISA.available) func learnsExclusiveOr(isa: ISA) throws {
        var network = DenseNetwork(try Kernels(isa: isa), rows: 4, seed: 1)
        let targets = padded(Self.exclusive, 1)
        let kernels = network.kernels
        let adam = Optimizer.adam(Adam(learningRate: 0.02))
        var moments = [
            network.first, network.second,
            [Float](repeating: 0, count: network.normalization.parameterCount),
        ].map {
            [Float](repeating: 0, count: 2 * $0.count)
        }
        var losses: [Double] = []
        for step in 1...300 {
            losses.append(network.learn(x: Self.corners, targets: targets))
            func update(
                _ index: Int, _ count: Int, _ parameters: UnsafeMutablePointer<Float>,
                _ gradient: UnsafeMutablePointer<Float>
            ) {
                kernels.update(
                    adam, count, scale: 1, step: step, parameters: parameters, gradient: gradient,
                    moments: &moments[index],
                    momentStride: count)
            }
            update(0, network.first.count, &network.first, &network.dFirst)
            update(1, network.second.count, &network.second, &network.dSecond)
            update(
                2, network.normalization.parameterCount, network.normalization.parameters,
                network.normalization.gradient)
        }
        #expect(losses[0] > 0.3 && losses.last! < 0.02, "\(losses[0]) → \(losses.last!)")
        let probabilities = network.probabilities(x: Self.corners)
        #expect(
            zip(probabilities, Self.exclusive).allSatisfy { abs($0 - $1) < 0.1 }, "\(probabilities)"
        )
    }

    // MARK: The sigmoid neuron

    /// A neuron is a dense layer of one output with the sigmoid, and its error the kernels' mean
    /// squared error.
    @Test(arguments: ISA.available) func neuronIsADenseLayerOfOneOutput(isa: ISA) throws {
        var generator = Generator(seed: 6)
        let rows = 12
        let inputs = 3
        let kernels = try Kernels(isa: isa)
        let x = generator.floats(rows * inputs, scale: 2)
        let targets = generator.floats(rows).map(abs)
        let weights = generator.floats(inputs)
        let shape = DenseShape(rows: rows, inputSize: inputs, outputSize: 1, inputStride: inputs)
        let neuron = SigmoidNeuron(weights: weights.map(Double.init), bias: 0.25)
        let samples = (0..<rows).map { row in x[row * 3..<row * 3 + 3].map(Double.init) }
        let expected = neuron.meanSquaredError(inputs: samples, targets: targets.map(Double.init))

        let kernelOrder = shape.pack(AffineWeights(weight: weights, bias: [0.25]))
        let units = RowsShape(rows: rows, units: 1)
        var y = [Float](repeating: .nan, count: units.count)
        var losses = [Float](repeating: .nan, count: rows)
        var dy = y
        var gradient = [Float](repeating: 0, count: kernelOrder.count)
        kernels.denseForward(shape, x: x, weights: kernelOrder, y: &y)
        kernels.activationForward(units, .sigmoid, x: y, y: &y)
        try Comparer.check(
            "y", unpadded(y, 1), samples.map(neuron.output), absolute: 0,
            relative: 1e-6)
        kernels.meanSquaredError(
            units, y: y, targets: padded(targets, 1), valid: nil,
            scale: 1 / Float(rows),
            losses: &losses, outputGradient: &dy)
        kernels.activationBackward(units, .sigmoid, y: y, outputGradient: dy, inputGradient: &dy)
        kernels.denseBackwardWeights(shape, x: x, outputGradient: dy, weightGradient: &gradient)
        let found = shape.unpack(gradient.span)
        #expect(
            abs(kernels.sumLosses(rows, losses: losses) / Double(rows) - expected.error) <= 1e-6
                * expected.error)
        try Comparer.check(
            "dw", found.weight, expected.weightGradient, absolute: 1e-7, relative: 1e-6)
        try Comparer.check(
            "db", found.bias, [expected.biasGradient], absolute: 1e-7, relative: 1e-6)
    }

    @Test func neuronLearnsOr() {
        var neuron = SigmoidNeuron(weights: [0, 0], bias: 0)
        let inputs = [[0.0, 0], [0, 1], [1, 0], [1, 1]]
        let targets = [0.0, 1, 1, 1]
        #expect(neuron.output([0, 0]) == 0.5)
        for _ in 0..<2000 {
            let slope = neuron.meanSquaredError(inputs: inputs, targets: targets)
            for n in 0..<2 { neuron.weights[n] -= 2 * slope.weightGradient[n] }
            neuron.bias -= 2 * slope.biasGradient
        }
        #expect(zip(inputs, targets).allSatisfy { abs(neuron.output($0) - $1) < 0.15 })
    }

    @Test func neuronRefusesWrongCounts() async {
        await #expect(processExitsWith: .failure) {
            _ = SigmoidNeuron(weights: [1, 2], bias: 0).output([1])
        }
        await #expect(processExitsWith: .failure) {
            _ = SigmoidNeuron(weights: [1], bias: 0).meanSquaredError(inputs: [[1]], targets: [])
        }
    }
}
