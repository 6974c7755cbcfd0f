import Recurrent
import RecurrentFormats
import TestSupport
import Testing

@Suite struct BatchNormalizationTests {
    private func floats(_ name: String) throws -> [Float] {
        try Safetensors(
            try readFile(PyTorchTrainingTests.golden.appending(path: "layers.safetensors").path)
        ).tensor(named: name).values
    }

    /// Three batches and inference, by spans, as torch.nn.BatchNorm1d: Tests/Golden/make_layers.py.
    @Test(arguments: ISA.available) func learnsAsPyTorch(isa: ISA) throws {
        let weight = try floats("batch.weight")
        let bias = try floats("batch.bias")
        let units = weight.count
        var normalization = BatchNormalization(units: units, kernels: try Kernels(isa: isa))
        #expect(
            normalization.weight + normalization.bias == [Float](repeating: 1, count: units)
                + [Float](repeating: 0, count: units))
        normalization.load(
            weight: weight, bias: bias, runningMean: normalization.runningMean,
            runningVariance: normalization.runningVariance)
        #expect(normalization.weight == weight && normalization.bias == bias)
        for batch in 0..<3 {
            let x = padded(try floats("batch\(batch).x"), units)
            var y = [Float](repeating: .nan, count: x.count)
            var span = y.mutableSpan
            normalization.forward(x.span, into: &span)
            let dy = padded(try floats("batch\(batch).dy"), units)
            var dx = dy.map { _ in Float.nan }
            var gradient = dx.mutableSpan
            normalization.backward(x.span, outputGradient: dy.span, into: &gradient)
            // Deviations down to a five-hundredth of the mean, of which the mean's rounding is a
            // part of 3e-5.
            func check(_ name: String, _ found: [Float]) throws {
                try Comparer.check(
                    name, found, floats("batch\(batch)." + name).map(Double.init), absolute: 3e-5,
                    relative: 3e-5)
            }
            try check("y", unpadded(y, units))
            try check("dx", unpadded(dx, units))
            try check(
                "dweight", Array(UnsafeBufferPointer(start: normalization.gradient, count: units)))
            try check(
                "dbias",
                Array(UnsafeBufferPointer(start: normalization.gradient + 32, count: units)))
            for index in 0..<normalization.parameterCount { normalization.gradient[index] = 0 }
        }
        for (name, found) in [
            ("running_mean", normalization.runningMean),
            ("running_var", normalization.runningVariance),
        ] {
            try Comparer.check(
                name, found, floats("batch." + name).map(Double.init), absolute: 1e-6,
                relative: 1e-6)
        }
        let x = padded(try floats("inference.x"), units)
        var y = x
        var span = y.mutableSpan
        normalization.inference(x.span, into: &span)
        try Comparer.check(
            "y", unpadded(y, units), floats("inference.y").map(Double.init),
            absolute: 3e-6, relative: 3e-6)
    }

    /// 1, 2, 4 and 5 have a variance of 2.5, and an unbiased one of 10/3.
    @Test(arguments: [(VarianceEstimate.unbiased, 1.2333333), (.biased, 1.15)])
    func theRunningVarianceIsOfTheEstimate(estimate: VarianceEstimate, expected: Double) {
        var normalization = BatchNormalization(units: 1, estimate: estimate)
        let x = [1, 2, 4, 5].flatMap { [$0] + [Float](repeating: 0, count: 15) }
        var y = [Float](repeating: 0, count: 64)
        var span = y.mutableSpan
        normalization.forward(x.span, into: &span)
        #expect(abs(Double(normalization.runningVariance[0]) - expected) < 1e-6)
        // The batch itself is normalized with the biased variance in either case.
        #expect(abs(Double(y[0]) + 2 / 2.5.squareRoot()) < 1e-5)
    }

    @Test func wrongUseTraps() async {
        await #expect(processExitsWith: .failure) { _ = BatchNormalization(units: 0) }
        await #expect(processExitsWith: .failure) { _ = BatchNormalization(units: 1, epsilon: 0) }
        await #expect(processExitsWith: .failure) {
            _ = BatchNormalization(units: 1, momentum: 1.5)
        }
        await #expect(processExitsWith: .failure) {
            var normalization = BatchNormalization(units: 2)
            normalization.load(
                weight: [1], bias: [0, 0], runningMean: [0, 0], runningVariance: [1, 1])
        }
        await #expect(processExitsWith: .failure) {
            var y = [Float](repeating: 0, count: 17)
            var span = y.mutableSpan
            BatchNormalization(units: 2).inference(
                [Float](repeating: 0, count: 17).span, into: &span)
        }
        await #expect(processExitsWith: .failure) {
            _ = RNNShape(inputSize: 1, hiddenSize: 1, activation: .leakyReLU, negativeSlope: 2)
        }
        await #expect(processExitsWith: .failure) {
            _ = RNNShape(inputSize: 1, hiddenSize: 1, activation: .gelu)
        }
    }

    @Test func numbersThatCannotBeAreRefused() async {
        let variance = await #expect(
            processExitsWith: .failure, observing: [\.standardErrorContent]
        ) {
            var normalization = BatchNormalization(units: 2)
            normalization.load(
                weight: [1, 1], bias: [0, 0], runningMean: [0, 0], runningVariance: [1, -0.25])
        }
        #expect(says(variance, "running variance: expected at least 0, found -0.25"))
        let weight = await #expect(processExitsWith: .failure, observing: [\.standardErrorContent])
        {
            var normalization = BatchNormalization(units: 2)
            normalization.load(
                weight: [1, .nan], bias: [0, 0], runningMean: [0, 0], runningVariance: [1, 1])
        }
        #expect(
            says(
                weight, "batch normalization, weight: expected finite numbers, found nan at index 1"
            ))
    }
}
