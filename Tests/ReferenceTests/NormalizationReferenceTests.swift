import ComplexModule
import RealModule
import RecurrentReference
import TestSupport
import Testing

private typealias C = Complex<Double>

/// The derivative of `loss` by every coordinate of x: Squire and Trapp 1998, f'(x) = Im f(x + ih) /
/// h.
private func derivatives(_ x: [[Double]], loss: ([[C]]) -> C) -> [Double] {
    let step = 1e-30
    var complex = x.map { $0.map { C($0) } }
    return x.indices.flatMap { row in
        x[row].indices.map { column in
            complex[row][column].imaginary = step
            defer { complex[row][column].imaginary = 0 }
            return loss(complex).imaginary / step
        }
    }
}

/// Σ dy y
private func weighted(_ y: [[C]], _ dy: [[Double]]) -> C {
    zip(y.joined(), dy.joined()).reduce(C(0)) { $0 + $1.0 * C($1.1) }
}

private func matrix(_ rows: Int, _ columns: Int, seed: UInt64, scale: Float = 2) -> [[Double]] {
    var generator = Generator(seed: seed)
    return (0..<rows).map { _ in generator.floats(columns, scale: scale).map(Double.init) }
}

@Suite struct NormalizationReferenceTests {
    private static let epsilon = 1e-3

    private func layer(_ kind: Normalization<Double>.Kind, units: Int) -> Normalization<Double> {
        Normalization(
            kind, gamma: matrix(1, units, seed: 8)[0], beta: matrix(1, units, seed: 9)[0],
            epsilon: Self.epsilon)
    }

    private func complex(_ layer: Normalization<Double>, parameters: [[C]]) -> Normalization<C> {
        Normalization<C>(
            layer.kind == .batch ? .batch : .layer, gamma: parameters[0], beta: parameters[1],
            epsilon: C(layer.epsilon))
    }

    @Test(arguments: Normalization<Double>.Kind.allCases, [(1, 4), (2, 1), (5, 3), (9, 17)])
    func backwardAgainstComplexStep(kind: Normalization<Double>.Kind, size: (rows: Int, units: Int))
    {
        let layer = layer(kind, units: size.units)
        let x = matrix(size.rows, size.units, seed: 4)
        let dy = matrix(size.rows, size.units, seed: 5)
        let tape = layer.forward(x: x).tape
        let parameters = [layer.gamma, layer.beta]
        var gradient = Normalization(
            kind, gamma: [Double](repeating: 0, count: size.units),
            beta: [Double](repeating: 0, count: size.units), epsilon: 0)
        gradient.addGradient(x: x, tape: tape, dy: dy)
        let constant = parameters.map { $0.map { C($0) } }
        let complexX = x.map { $0.map { C($0) } }
        expectClose(
            layer.backward(x: x, tape: tape, dy: dy).flatMap { $0 },
            derivatives(x) { weighted(complex(layer, parameters: constant).forward(x: $0).y, dy) },
            relative: 1e-12, absolute: 1e-13)
        expectClose(
            gradient.gamma + gradient.beta,
            derivatives(parameters) {
                weighted(complex(layer, parameters: $0).forward(x: complexX).y, dy)
            }, relative: 1e-12, absolute: 1e-13)
    }

    /// Means zero and variances v / (v + ε), of units or of rows; nothing of it is changed by a
    /// shift, or by a scale that is large beside ε.
    @Test(arguments: Normalization<Double>.Kind.allCases) func normalizes(
        kind: Normalization<Double>.Kind
    ) {
        var layer = layer(kind, units: 6)
        layer.gamma = layer.gamma.map { _ in 1 }
        layer.beta = layer.beta.map { _ in 0 }
        let x = matrix(5, 6, seed: 2)
        let y = layer.forward(x: x).y
        let moments = layer.moments(x: y)
        let variances = layer.moments(x: x).variance
        expectClose(moments.mean, moments.mean.map { _ in 0 }, relative: 0, absolute: 1e-15)
        expectClose(moments.variance, variances.map { $0 / ($0 + Self.epsilon) }, relative: 1e-14)
        expectClose(
            layer.forward(x: x.map { $0.map { $0 + 3 } }).y.flatMap { $0 }, y.flatMap { $0 },
            relative: 1e-12, absolute: 1e-14)
        layer.epsilon = 0
        expectClose(
            layer.forward(x: x.map { $0.map { $0 * 7 } }).y.flatMap { $0 },
            layer.forward(x: x).y.flatMap { $0 }, relative: 1e-12)
    }

    /// Batch normalization is layer normalization of the transposed rows, where all units have the
    /// same γ and β.
    @Test func kindsAreTransposed() {
        let x = matrix(4, 4, seed: 1)
        let ones = [1.0, 1, 1, 1]
        let none = [0.0, 0, 0, 0]
        let batch = Normalization(.batch, gamma: ones, beta: none, epsilon: 1)
        let layer = Normalization(.layer, gamma: ones, beta: none, epsilon: 1)
        let turned = layer.forward(x: (0..<4).map { n in x.map { $0[n] } }).y
        #expect(batch.forward(x: x).y == (0..<4).map { n in turned.map { $0[n] } })
    }

    /// Running averages of one batch again and again become its mean and its unbiased variance;
    /// inference with them is training's result but for that variance.
    @Test func runningAveragesConverge() {
        let layer = layer(.batch, units: 3)
        let x = matrix(8, 3, seed: 6)
        let moments = layer.moments(x: x)
        let unbiased = unbiasedVariance(moments.variance, count: 8)
        expectClose(unbiased, moments.variance.map { $0 * 8 / 7 }, relative: 1e-15)
        #expect(unbiasedVariance([0.0], count: 1) == [0])
        var mean = [1.0, 2, 3]
        var variance = mean
        for _ in 0..<400 {
            mean = runningAverage(mean, moments.mean, momentum: 0.1)
            variance = runningAverage(variance, unbiased, momentum: 0.1)
        }
        expectClose(mean, moments.mean, relative: 1e-12)
        expectClose(variance, unbiased, relative: 1e-12)
        let y = layer.inference(x: x, runningMean: moments.mean, runningVariance: moments.variance)
        expectClose(y.flatMap { $0 }, layer.forward(x: x).y.flatMap { $0 }, relative: 1e-14)
    }
}

@Suite struct ActivationReferenceTests {
    /// Some derivatives pass through zero, where terms of the size of one cancel.
    @Test(arguments: Activation.allCases) func derivativeAgainstComplexStep(f: Activation) {
        let x = matrix(1, 40, seed: 1, scale: 3)
        expectClose(
            x[0].map { f.derivative(x: $0) },
            derivatives(x) { $0[0].reduce(C(0)) { $0 + f($1) } }, relative: 1e-12, absolute: 1e-15)
    }

    /// Also where the complex step knows no more than the reference: Φ' of GELU.
    @Test(arguments: Activation.allCases) func derivativeAgainstDifferences(f: Activation) {
        let step = 0x1p-17
        let bends = [0, -1, 1, -2.5, 2.5, -3, 3]
        let x = matrix(1, 200, seed: 2, scale: 4)[0].filter { x in
            bends.allSatisfy { (x - $0).magnitude > step }
        }
        expectClose(
            x.map { f.derivative(x: $0) },
            x.map { (f($0 + step) - f($0 - step)) / (2 * step) }, relative: 1e-8, absolute: 1e-9)
    }

    @Test(arguments: Activation.allCases) func derivativeOfValueIsThatOfArgument(f: Activation) {
        guard !f.derivativeReadsX else { return }
        let x = matrix(1, 40, seed: 3, scale: 3)[0]
        #expect(x.map { f.derivative(x: $0) } == x.map { f.derivative(y: f($0)) })
    }

    @Test func leakyRectifierPassesAPart() {
        #expect(
            [-2, 0, 3].map { Activation.leakyReLU(slope: 0.25)($0 as Double) } == [-0.5, 0, 3])
        #expect(
            [-2, 0, 3].map { Activation.leakyReLU(slope: 0)($0 as Double) }
                == [-2, 0, 3].map { Activation.relu($0 as Double) })
        #expect(
            [-2, 0, 3].map { Activation.leakyReLU(slope: 0.25).derivative(y: $0 as Double) } == [
                0.25, 0.25, 1,
            ])
    }

    @Test(arguments: [1, 2, 17]) func softmaxBackwardAgainstComplexStep(classes: Int) {
        let z = matrix(1, classes, seed: 3)
        let dp = matrix(1, classes, seed: 4)
        let expected = derivatives(z) { z in
            let exponentials = z[0].map(C.exp)
            let sum = exponentials.reduce(C(0), +)
            return weighted([exponentials.map { $0 / sum }], dp)
        }
        expectClose(
            softmaxBackward(p: softmax(z[0]), dp: dp[0]), expected, relative: 1e-12, absolute: 1e-15
        )
    }
}
