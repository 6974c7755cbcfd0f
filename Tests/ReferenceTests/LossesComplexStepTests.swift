import ComplexModule
import RealModule
import RecurrentReference
import TestSupport
import Testing

/// The losses once more, as the textbooks write them and with complex numbers: nothing of their
/// gradients is shared with the reference.
private typealias C = Complex<Double>

private func complexCrossEntropy(_ logits: [C], target: Int) -> C {
    C.log(logits.reduce(C(0)) { $0 + C.exp($1) }) - logits[target]
}

private func complexSquaredError(_ y: [C], target: [Double]) -> C {
    var sum = C(0)
    for (y, target) in zip(y, target) { sum += (y - C(target)) * (y - C(target)) }
    return sum / C(Double(y.count))
}

/// The mean over the units of what `loss` makes of each error.
private func complexMean(_ y: [C], target: [Double], _ loss: (C) -> C) -> C {
    zip(y, target).reduce(C(0)) { $0 + loss($1.0 - C($1.1)) } / C(Double(y.count))
}

private func complexMagnitude(_ e: C) -> C { e.real < 0 ? -e : e }

private func complexHuber(_ e: C, delta: Double) -> C {
    e.real.magnitude <= delta ? e * e / C(2) : C(delta) * (complexMagnitude(e) - C(delta / 2))
}

/// -t log σ(z) - (1 - t) log(1 - σ(z)).
private func complexBinaryCrossEntropy(_ logits: [C], target: [Double]) -> C {
    var sum = C(0)
    for (z, target) in zip(logits, target) {
        sum += C(target) * C.log(C(1) + C.exp(-z)) + C(1 - target) * C.log(C(1) + C.exp(z))
    }
    return sum / C(Double(logits.count))
}

private func complexLookup(_ table: [C], dimension: Int, indices: [Int], dy: [[Double]]) -> C {
    var sum = C(0)
    for (index, dy) in zip(indices, dy) where index >= 0 && (index + 1) * dimension <= table.count {
        for unit in 0..<dimension { sum += table[index * dimension + unit] * C(dy[unit]) }
    }
    return sum
}

/// Each coordinate of `gradient` against the complex step of `loss`: Squire and Trapp 1998, f'(x) =
/// Im f(x + ih) / h.
private func check(_ x: [Double], _ gradient: [Double], absolute: Double = 0, loss: ([C]) -> C)
    throws
{
    let step = 1e-30
    try #require(gradient.count == x.count)
    for index in x.indices {
        var moved = x.map { C($0) }
        moved[index].imaginary = step
        let derivative = loss(moved).imaginary / step
        #expect(
            (gradient[index] - derivative).magnitude <= absolute + 1e-12 * derivative.magnitude,
            "coordinate \(index) of \(x.count)")
    }
}

@Suite struct LossesComplexStepTests {
    private static func doubles(_ count: Int, seed: UInt64, scale: Float = 2) -> [Double] {
        var generator = Generator(seed: seed)
        return generator.floats(count, scale: scale).map(Double.init)
    }

    /// With logits up to 20 some classes have no chance. p - 1 cancels where the target is nearly
    /// certain: hence the ulp of 1.
    @Test(arguments: [1, 2, 17], [2, 20] as [Float]) func crossEntropy(classes: Int, scale: Float)
        throws
    {
        let logits = Self.doubles(classes, seed: 3, scale: scale)
        for target in logits.indices {
            try check(
                logits, softmaxCrossEntropy(logits, target: target).dlogits, absolute: 1.0.ulp
            ) { complexCrossEntropy($0, target: target) }
        }
    }

    @Test(arguments: [1, 2, 17]) func squaredError(units: Int) throws {
        let y = Self.doubles(units, seed: 4)
        let target = Self.doubles(units, seed: 5)
        try check(y, meanSquaredError(y, target: target).dy) {
            complexSquaredError($0, target: target)
        }
    }

    /// Away from equality, where the absolute value has no derivative.
    @Test(arguments: [1, 2, 17]) func absoluteError(units: Int) throws {
        let y = Self.doubles(units, seed: 4)
        let target = Self.doubles(units, seed: 5)
        try check(y, meanAbsoluteError(y, target: target).dy) {
            complexMean($0, target: target, complexMagnitude)
        }
        #expect(meanAbsoluteError(y, target: y).dy.allSatisfy { $0 == 0 })
    }

    @Test(arguments: [1, 2, 17], [0.01, 0.7, 100]) func huber(units: Int, delta: Double) throws {
        let y = Self.doubles(units, seed: 4)
        let target = Self.doubles(units, seed: 5)
        try check(y, huberLoss(y, target: target, delta: delta).dy) {
            complexMean($0, target: target) { complexHuber($0, delta: delta) }
        }
    }

    /// The ends: half the squared error for a large δ, δ times the absolute error for a small one.
    @Test func huberLiesBetweenSquaredAndAbsoluteErrors() {
        let y = Self.doubles(17, seed: 4)
        let target = Self.doubles(17, seed: 5)
        let small = 1e-9
        #expect(
            (huberLoss(y, target: target, delta: 1e3).loss - meanSquaredError(y, target: target)
                .loss / 2).magnitude < 1e-15)
        #expect(
            (huberLoss(y, target: target, delta: small).loss / small
                - meanAbsoluteError(y, target: target).loss).magnitude < small)
    }

    @Test(arguments: [1, 2, 17], [2, 20] as [Float]) func binary(units: Int, scale: Float) throws {
        let logits = Self.doubles(units, seed: 3, scale: scale)
        let between = Self.doubles(units, seed: 8, scale: 1).map(\.magnitude)
        for target in [between, between.map { $0.rounded() }] {
            try check(logits, binaryCrossEntropy(logits, target: target).dlogits, absolute: 1.0.ulp)
            {
                complexBinaryCrossEntropy($0, target: target)
            }
        }
    }

    /// With one unit, two classes of logits z and 0.
    @Test(arguments: [-30, -1, 0, 0.5, 40] as [Double]) func binaryIsSoftmaxOfTwo(logit: Double) {
        for target in [0, 1] {
            let (loss, dlogits) = binaryCrossEntropy([logit], target: [Double(target)])
            let (expected, gradient) = softmaxCrossEntropy([0, logit], target: target)
            #expect(
                (loss - expected).magnitude <= 1.0.ulp + 1e-15 * expected
                    && (dlogits[0] - gradient[1]).magnitude <= 1.0.ulp)
        }
    }

    @Test(arguments: [(0.3, 0), (0, 0.2), (0.01, 7)] as [(Double, Double)]) func normPenalties(
        l1: Double, l2: Double
    ) throws {
        let parameters = Self.doubles(17, seed: 9)
        try check(parameters, normPenalty(parameters, l1: l1, l2: l2).gradient) {
            $0.reduce(C(0)) { $0 + C(l1) * complexMagnitude($1) + C(l2 / 2) * $1 * $1 }
        }
        #expect(normPenalty([0, -0.0], l1: l1, l2: l2).gradient == [0, 0])
    }

    /// Indices that come twice, never, and that the table does not have.
    @Test func embedding() throws {
        let table = Self.doubles(12, seed: 6)
        let indices = [2, 0, 2, -1, 3, 9]
        let values = Self.doubles(18, seed: 7)
        let dy = (0..<6).map { Array(values[3 * $0..<3 * $0 + 3]) }
        let gradient = embeddingBackward(dy: dy, indices: indices, vocabulary: 4, dimension: 3)
        try check(table, Array(gradient.joined())) {
            complexLookup($0, dimension: 3, indices: indices, dy: dy)
        }
    }
}
