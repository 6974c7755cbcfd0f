import Recurrent
import RecurrentFormats
import TestSupport
import Testing

/// Layers of torch.nn and their gradients, in float64: Tests/Golden/make_layers.py.
@Suite struct LayerGoldenTests {
    private static let file = Result {
        try Safetensors(
            try readFile(PyTorchTrainingTests.golden.appending(path: "layers.safetensors").path))
    }

    private func floats(_ name: String) throws -> [Float] {
        try Self.file.get().tensor(named: name).values
    }
    private func shape(_ name: String) throws -> RowsShape {
        let shape = try Self.file.get().tensor(named: name).shape
        return RowsShape(rows: shape[0], units: shape[1])
    }

    /// The rows of a tensor, or the one row that a vector is, as the kernels have them.
    private func padded(_ name: String) throws -> [Float] {
        RecurrentTests.padded(try floats(name), try Self.file.get().tensor(named: name).shape.last!)
    }

    private func check(_ name: String, _ found: [Float], bound: Double = 1e-6) throws {
        let expected = try Self.file.get().tensor(named: name)
        try Comparer.check(
            name, unpadded(found, expected.shape.last!),
            expected.values.map(Double.init), absolute: bound,
            relative: bound)
    }

    @Test(arguments: ISA.available, Activation.allCases) func activations(
        isa: ISA, activation: Activation
    ) throws {
        let kernels = try Kernels(isa: isa)
        let name = activation.rawValue
        let shape = try shape(name + ".x")
        let x = try padded(name + ".x")
        var y = x
        var dx = try padded(name + ".dy")
        kernels.activationForward(shape, activation, x: y, y: &y)
        try check(name + ".y", y)
        kernels.activationBackward(
            shape, activation, x: x, y: y, outputGradient: dx, inputGradient: &dx)
        try check(name + ".dx", dx)
    }

    @Test(arguments: ISA.available) func softmax(isa: ISA) throws {
        let kernels = try Kernels(isa: isa)
        let shape = try shape("softmax.x")
        var y = try padded("softmax.x")
        var dx = try padded("softmax.dy")
        kernels.softmax(shape, logits: y, probabilities: &y)
        try check("softmax.y", y)
        kernels.softmaxBackward(
            shape, probabilities: y, probabilityGradient: dx, logitsGradient: &dx)
        try check("softmax.dx", dx)
    }

    /// Three batches of six to eight rows, of which dead rows that hold anything take no part, and
    /// then inference.
    @Test(arguments: ISA.available, [false, true]) func batchNormalization(
        isa: ISA, withDeadRows: Bool
    ) throws {
        let kernels = try Kernels(isa: isa)
        let gamma = try padded("batch.weight")
        let beta = try padded("batch.bias")
        let units = gamma.count
        var runningMean = [Float](repeating: 0, count: units)
        var runningVariance = [Float](repeating: 1, count: units)
        for batch in 0..<3 {
            let name = "batch\(batch)."
            let valid = try shape(name + "x")
            let dead = withDeadRows ? 2 : 0
            let shape = RowsShape(rows: valid.rows + dead, units: valid.units)
            let mask = (0..<shape.rows).map { Int32($0 < valid.rows ? 1 : 0) }
            let rest = [Float](repeating: .nan, count: dead * units)
            let x = try padded(name + "x") + rest
            var mean = [Float](repeating: .nan, count: units)
            var inverse = mean
            var y = x
            var dx = try padded(name + "dy") + rest
            var dgamma = [Float](repeating: 0, count: units)
            var dbeta = dgamma
            kernels.batchNormalizationForward(
                shape, valid: mask, epsilon: 1e-5, momentum: 0.1, x: x, gamma: gamma, beta: beta,
                runningMean: &runningMean, runningVariance: &runningVariance, mean: &mean,
                inverseDeviation: &inverse, y: &y)
            kernels.batchNormalizationBackward(
                shape, valid: mask, x: x, gamma: gamma, mean: mean, inverseDeviation: inverse,
                outputGradient: dx,
                gammaGradient: &dgamma, betaGradient: &dbeta, inputGradient: &dx)
            // Deviations down to a five-hundredth of the mean, of which the mean's rounding is a
            // part of 3e-5.
            try check(name + "y", Array(y[..<valid.count]), bound: 3e-5)
            try check(name + "dweight", dgamma, bound: 3e-5)
            try check(name + "dbias", dbeta)
            try check(name + "dx", Array(dx[..<valid.count]), bound: 3e-5)
        }
        try check("batch.running_mean", runningMean)
        try check("batch.running_var", runningVariance)
        var y = try padded("inference.x")
        kernels.batchNormalizationInference(
            try shape("inference.x"), epsilon: 1e-5, x: y, gamma: gamma, beta: beta,
            runningMean: runningMean,
            runningVariance: runningVariance, y: &y)
        try check("inference.y", y, bound: 3e-6)
    }

    @Test(arguments: ISA.available, 0..<3) func layerNormalization(isa: ISA, batch: Int) throws {
        let kernels = try Kernels(isa: isa)
        let gamma = try padded("layer.weight")
        let beta = try padded("layer.bias")
        let name = "layer\(batch)."
        let shape = try shape(name + "x")
        let x = try padded(name + "x")
        var mean = [Float](repeating: .nan, count: shape.rows)
        var inverse = mean
        var y = x
        var dx = try padded(name + "dy")
        var dgamma = [Float](repeating: 0, count: gamma.count)
        var dbeta = dgamma
        kernels.layerNormalizationForward(
            shape, epsilon: 1e-5, x: x, gamma: gamma, beta: beta, mean: &mean,
            inverseDeviation: &inverse, y: &y)
        kernels.layerNormalizationBackwardParameters(
            shape, x: x, mean: mean, inverseDeviation: inverse, outputGradient: dx,
            gammaGradient: &dgamma,
            betaGradient: &dbeta)
        kernels.layerNormalizationBackwardInput(
            shape, x: x, gamma: gamma, mean: mean, inverseDeviation: inverse, outputGradient: dx,
            inputGradient: &dx)
        try check(name + "y", y)
        try check(name + "dweight", dgamma)
        try check(name + "dbias", dbeta)
        try check(name + "dx", dx)
    }
}
