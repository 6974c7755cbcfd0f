import Foundation
import RecurrentReference
import Testing

/// A sequence of updates by a reference optimizer, after one another.
private func parameters(
    _ initial: [Double], after gradients: [[Double]],
    _ update: (inout [Double], inout [Double]) -> Void
) -> [[Double]] {
    var parameters = initial
    return gradients.map { gradient in
        var gradient = gradient
        update(&parameters, &gradient)
        #expect(gradient == [Double](repeating: 0, count: initial.count))
        return parameters
    }
}

private func expectEqual(
    _ actual: [Double], _ expected: [Double], tolerance: Double = 1e-14, _ comment: String
) {
    #expect(actual.count == expected.count)
    for (n, (a, e)) in zip(actual, expected).enumerated() {
        #expect(
            (a - e).magnitude <= tolerance * max(e.magnitude, 1e-300),
            "\(comment)[\(n)]: \(a), expected \(e)")
    }
}

/// Tests/Golden/optimizers.json, which make_optimizers.py writes.
private struct Golden: Decodable {
    struct Clip: Decodable {
        let most: Double, norm: Double
        let clipped: [Double]
    }
    let parameters: [Double]
    let gradients: [[Double]]
    let sequences: [String: [[Double]]]
    let clips: [Clip]

    static func read() throws -> Golden {
        let tests = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return try JSONDecoder().decode(
            Golden.self, from: Data(contentsOf: tests.appending(path: "Golden/optimizers.json")))
    }
}

@Suite struct OptimizerGoldenTests {
    /// Twelve steps of every optimizer of PyTorch that we have, in float64.
    @Test func sequencesArePyTorchs() throws {
        let golden = try Golden.read()
        var seen: Set<String> = []
        func check(_ name: String, _ update: (inout [Double], inout [Double]) -> Void) throws {
            seen.insert(name)
            let expected = try #require(golden.sequences[name])
            let actual = parameters(golden.parameters, after: golden.gradients, update)
            for (step, (a, e)) in zip(actual, expected).enumerated() {
                expectEqual(a, e, tolerance: 1e-12, "\(name), step \(step)")
            }
        }
        func check(_ name: String, sgd: SGD) throws {
            var optimizer = sgd
            try check(name) { optimizer.update(&$0, &$1) }
        }
        func check(_ name: String, adaGrad: AdaGrad) throws {
            var optimizer = adaGrad
            try check(name) { optimizer.update(&$0, &$1) }
        }
        func check(_ name: String, rmsProp: RMSProp) throws {
            var optimizer = rmsProp
            try check(name) { optimizer.update(&$0, &$1) }
        }
        func check(_ name: String, adaDelta: AdaDelta) throws {
            var optimizer = adaDelta
            try check(name) { optimizer.update(&$0, &$1) }
        }
        func check(_ name: String, adam: Adam) throws {
            var optimizer = adam
            try check(name) { optimizer.update(&$0, &$1) }
        }
        let n = golden.parameters.count
        let decay = GradientRule(weightDecay: 0.05)
        try check("sgd", sgd: SGD(learningRate: 0.1))
        try check("sgd_decay", sgd: SGD(learningRate: 0.1, rule: decay))
        try check("momentum", sgd: SGD(learningRate: 0.1, momentum: 0.9))
        try check(
            "dampening", sgd: SGD(learningRate: 0.1, momentum: 0.9, dampening: 0.25, rule: decay))
        try check("nesterov", sgd: SGD(learningRate: 0.1, momentum: 0.9, nesterov: true))
        try check("momentum", sgd: SGD(learningRate: 0.1, momentum: 0.9, convention: .velocity))
        try check(
            "dampening",
            sgd: SGD(
                learningRate: 0.1, momentum: 0.9, dampening: 0.25, convention: .velocity,
                rule: decay))
        try check(
            "nesterov",
            sgd: SGD(learningRate: 0.1, momentum: 0.9, nesterov: true, convention: .velocity))
        try check("adagrad", adaGrad: AdaGrad(count: n, learningRate: 0.01, epsilon: 1e-10))
        try check(
            "adagrad_decay",
            adaGrad: AdaGrad(
                count: n, learningRate: 0.1, learningRateDecay: 0.2, initial: 0.1, epsilon: 1e-10,
                rule: decay))
        try check(
            "rmsprop", rmsProp: RMSProp(count: n, learningRate: 0.01, decay: 0.99, epsilon: 1e-8))
        try check(
            "rmsprop_centered",
            rmsProp: RMSProp(
                count: n, learningRate: 0.01, decay: 0.9, epsilon: 1e-8, centered: true, rule: decay
            ))
        for convention in [MomentumConvention.buffer, .velocity] {
            try check(
                "rmsprop_momentum",
                rmsProp: RMSProp(
                    count: n, learningRate: 0.01, decay: 0.99, epsilon: 1e-8, momentum: 0.9,
                    convention: convention))
        }
        try check(
            "rmsprop_centered_momentum",
            rmsProp: RMSProp(
                count: n, learningRate: 0.01, decay: 0.99, epsilon: 1e-8, momentum: 0.5,
                centered: true))
        try check("adadelta", adaDelta: AdaDelta(count: n, decay: 0.9, epsilon: 1e-6))
        try check(
            "adadelta_decay",
            adaDelta: AdaDelta(count: n, learningRate: 0.5, decay: 0.95, epsilon: 1e-6, rule: decay)
        )
        try check("adam", adam: Adam(count: n, learningRate: 0.001))
        try check(
            "adam_decay",
            adam: Adam(count: n, learningRate: 0.01, beta1: 0.8, beta2: 0.99, rule: decay))
        try check("adamw", adam: Adam(count: n, learningRate: 0.01, decoupledDecay: 0.01))
        try check("amsgrad", adam: Adam(count: n, learningRate: 0.01, beta2: 0.9, amsgrad: true))
        try check(
            "adamw_amsgrad",
            adam: Adam(count: n, learningRate: 0.01, beta2: 0.9, decoupledDecay: 0.1, amsgrad: true)
        )
        func check(_ name: String, nAdam: NAdam) throws {
            var optimizer = nAdam
            try check(name) { optimizer.update(&$0, &$1) }
        }
        try check("nadam", nAdam: NAdam(count: n, learningRate: 0.002))
        try check(
            "nadam_decay",
            nAdam: NAdam(
                count: n, learningRate: 0.01, beta1: 0.8, beta2: 0.99, momentumDecay: 0.5,
                rule: decay))
        try check("nadamw", nAdam: NAdam(count: n, learningRate: 0.01, decoupledDecay: 0.1))
        func check(_ name: String, rAdam: RAdam) throws {
            var optimizer = rAdam
            try check(name) { optimizer.update(&$0, &$1) }
        }
        try check("radam", rAdam: RAdam(count: n, learningRate: 0.001))
        try check(
            "radam_decay",
            rAdam: RAdam(count: n, learningRate: 0.01, beta1: 0.8, beta2: 0.9, rule: decay))
        try check("radamw", rAdam: RAdam(count: n, learningRate: 0.01, decoupledDecay: 0.1))
        func check(_ name: String, adamax: Adamax) throws {
            var optimizer = adamax
            try check(name) { optimizer.update(&$0, &$1) }
        }
        try check("adamax", adamax: Adamax(count: n, learningRate: 0.002))
        try check(
            "adamax_decay",
            adamax: Adamax(count: n, learningRate: 0.01, beta1: 0.8, beta2: 0.9, rule: decay))
        #expect(seen == Set(golden.sequences.keys))
    }

    @Test func clippingIsPyTorchs() throws {
        let golden = try Golden.read()
        for clip in golden.clips {
            let gradient = golden.gradients[0]
            let norm = globalNorm(gradient)
            expectEqual([norm], [clip.norm], tolerance: 1e-12, "norm")
            let coefficient = clipCoefficient(norm: norm, most: clip.most)
            expectEqual(
                gradient.map { $0 * coefficient }, clip.clipped, tolerance: 1e-12,
                "clipped to \(clip.most)")
        }
    }
}

/// Sequences whose values are known without running an optimizer.
@Suite struct OptimizerClosedFormTests {
    private let gradients = [3.0, -0.5, 1e-3]

    @Test func clippingKeepsDirectionAndNorm() {
        #expect(globalNorm([3, -4]) == 5)
        #expect(clipCoefficient(norm: 5, most: 2.5, convention: .exact) == 0.5)
        #expect(clipCoefficient(norm: 5, most: 5, convention: .exact) == 1)
        #expect(clipCoefficient(norm: 0, most: 1, convention: .exact) == 1)
        #expect(clipCoefficient(norm: 0, most: 1) == 1)
        #expect(clipCoefficient(norm: 1, most: 1) == 1 / (1 + 1e-6))
        #expect(GradientRule(scale: 2, clipValue: 3, weightDecay: 0.5)(-2, parameter: 4) == -1)
    }

    /// On the quadratic a p² / 2 descent is p (1 - η a)^t.
    @Test func descentOnAQuadratic() {
        let rate = 0.1
        let curvatures = [0.5, 3.0, 19.0]
        var optimizer = SGD(learningRate: rate)
        var p = [1.0, -2.0, 4.0]
        let start = p
        for step in 1...20 {
            var gradient = zip(curvatures, p).map { $0 * $1 }
            optimizer.update(&p, &gradient)
            let expected = zip(curvatures, start).map { pow(1 - rate * $0, Double(step)) * $1 }
            expectEqual(p, expected, tolerance: 1e-13, "step \(step)")
        }
    }

    /// With a constant gradient the buffer is g (1 - μ^t) / (1 - μ), and the path its sum.
    @Test(arguments: [MomentumConvention.buffer, .velocity], [false, true])
    func momentumUnderAConstantGradient(convention: MomentumConvention, nesterov: Bool) {
        let rate = 0.1
        let momentum = 0.75
        var optimizer = SGD(
            learningRate: rate, momentum: momentum, nesterov: nesterov, convention: convention)
        var p = [0.0, 0, 0]
        for step in 1...20 {
            var gradient = gradients
            optimizer.update(&p, &gradient)
            // Σ_s (1 - μ^s) / (1 - μ) for s = 1 … t; Nesterov is one buffer ahead: Σ_s (1 -
            // μ^(s+1)) / (1 - μ).
            let t = Double(step)
            let ahead = nesterov ? 1.0 : 0.0
            let powers = pow(momentum, 1 + ahead) * (1 - pow(momentum, t)) / (1 - momentum)
            expectEqual(
                p, gradients.map { -rate * $0 * (t - powers) / (1 - momentum) }, tolerance: 1e-13,
                "step \(step)")
        }
    }

    /// With a constant gradient the sum is t g², so the steps are η / √t.
    @Test func adaGradUnderAConstantGradient() {
        var optimizer = AdaGrad(count: 3, learningRate: 0.1, epsilon: 0)
        var p = [0.0, 0, 0]
        var length = 0.0
        for step in 1...20 {
            var gradient = gradients
            optimizer.update(&p, &gradient)
            length += 0.1 / Double(step).squareRoot()
            expectEqual(
                p, gradients.map { $0 > 0 ? -length : length }, tolerance: 1e-13, "step \(step)")
        }
    }

    /// With a constant gradient v is g² (1 - ρ^t).
    @Test(arguments: [EpsilonPlace.outside, .inside])
    func rmsPropUnderAConstantGradient(place: EpsilonPlace) {
        var optimizer = RMSProp(
            count: 3, learningRate: 0.1, decay: 0.9, epsilon: 1e-3, epsilonPlace: place)
        var p = [0.0, 0, 0]
        var expected = p
        for step in 1...20 {
            var gradient = gradients
            optimizer.update(&p, &gradient)
            for (n, g) in gradients.enumerated() {
                let v = g * g * (1 - pow(0.9, Double(step)))
                expected[n] -=
                    0.1 * g / (place == .outside ? v.squareRoot() + 1e-3 : (v + 1e-3).squareRoot())
            }
            expectEqual(p, expected, tolerance: 1e-12, "step \(step)")
        }
    }

    /// The first step by hand: v = g²/10, d = √(ε / (v + ε)) g, u = d²/10.
    @Test func adaDeltaFirstStep() {
        var optimizer = AdaDelta(count: 1, decay: 0.9, epsilon: 0.1)
        var p = [2.0]
        var gradient = [3.0]
        optimizer.update(&p, &gradient)
        let step = (0.1 / (0.9 + 0.1)).squareRoot() * 3
        expectEqual(
            p + optimizer.square + optimizer.stepSquare, [2 - step, 0.9, step * step / 10],
            "first step")
    }

    /// With a constant gradient both averages, corrected, are exact: every step is η sign(g),
    /// whatever β1, β2 and g.
    @Test(arguments: [false, true])
    func adamUnderAConstantGradient(amsgrad: Bool) {
        var optimizer = Adam(count: 3, learningRate: 0.01, epsilon: 0, amsgrad: amsgrad)
        var p = [1.0, 1, 1]
        for step in 1...20 {
            var gradient = gradients
            optimizer.update(&p, &gradient)
            expectEqual(
                p, gradients.map { 1 - 0.01 * Double(step) * ($0 > 0 ? 1 : -1) }, tolerance: 1e-12,
                "step \(step)")
        }
    }

    /// Where ε stands decides the first step, in which m̂ = g and v̂ = g².
    @Test(arguments: [Adam.Epsilon.outside, .inside, .uncorrected])
    func adamFirstStep(place: Adam.Epsilon) {
        let g = 2.0
        let epsilon = 0.5
        var optimizer = Adam(count: 1, learningRate: 0.01, epsilon: epsilon, epsilonPlace: place)
        var p = [1.0]
        var gradient = [g]
        optimizer.update(&p, &gradient)
        let rootOfRest = (1 - 0.999).squareRoot()
        let expected =
            switch place {
            case .outside: g / (g + epsilon)
            case .inside: g / (g * g + epsilon).squareRoot()
            case .uncorrected: rootOfRest * g / (rootOfRest * g + epsilon)
            }
        expectEqual(p, [1 - 0.01 * expected], "\(place)")
    }

    /// Decoupled decay shrinks parameters that have no gradient; decay into the gradient moves them
    /// by η.
    @Test func decayOfAdam() {
        var decoupled = Adam(count: 1, learningRate: 0.01, decoupledDecay: 0.1)
        var p = [8.0]
        var gradient = [0.0]
        decoupled.update(&p, &gradient)
        expectEqual(p, [8 * 0.999], "decoupled")
        var coupled = Adam(
            count: 1, learningRate: 0.01, epsilon: 0, rule: GradientRule(weightDecay: 0.1))
        p = [8]
        coupled.update(&p, &gradient)
        expectEqual(p, [7.99], "into the gradient")
    }
}
