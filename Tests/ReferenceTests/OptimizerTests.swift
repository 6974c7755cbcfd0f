import Foundation
import RecurrentReference
import Testing

/// A sequence of updates by a reference optimizer, after one another.
private func parameters(
    _ initial: [Double], after gradients: [[Double]], _ rule: some UpdateRule
) -> [[Double]] {
    var (parameters, state) = (initial, rule.state(count: initial.count) as UpdateState<Double>)
    return gradients.map { gradient in
        var gradient = gradient
        rule.update(&parameters, &gradient, &state)
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
        let decay = GradientRule(weightDecay: 0.05)
        func decoupled(_ decay: Double) -> GradientRule {
            GradientRule(weightDecay: decay, decoupled: true)
        }
        var rules: [(String, any UpdateRule)] = [
            ("sgd", SGD(learningRate: 0.1)),
            ("sgd_decay", SGD(learningRate: 0.1, rule: decay)),
            ("adagrad", AdaGrad(learningRate: 0.01, epsilon: 1e-10)),
            (
                "adagrad_decay",
                AdaGrad(
                    learningRate: 0.1, learningRateDecay: 0.2, initialMoment: 0.1, epsilon: 1e-10,
                    rule: decay)
            ),
            ("rmsprop", RMSProp(learningRate: 0.01, decay: 0.99, epsilon: 1e-8)),
            (
                "rmsprop_centered",
                RMSProp(learningRate: 0.01, decay: 0.9, epsilon: 1e-8, centered: true, rule: decay)
            ),
            (
                "rmsprop_centered_momentum",
                RMSProp(
                    learningRate: 0.01, decay: 0.99, epsilon: 1e-8, momentum: 0.5, centered: true)
            ),
            ("adadelta", AdaDelta(decay: 0.9, epsilon: 1e-6)),
            (
                "adadelta_decay",
                AdaDelta(learningRate: 0.5, decay: 0.95, epsilon: 1e-6, rule: decay)
            ),
            ("adam", Adam(learningRate: 0.001)),
            ("adam_decay", Adam(learningRate: 0.01, beta1: 0.8, beta2: 0.99, rule: decay)),
            ("adamw", Adam(learningRate: 0.01, rule: decoupled(0.01))),
            ("amsgrad", Adam(learningRate: 0.01, beta2: 0.9, amsgrad: true)),
            (
                "adamw_amsgrad",
                Adam(learningRate: 0.01, beta2: 0.9, amsgrad: true, rule: decoupled(0.1))
            ),
            ("nadam", NAdam(learningRate: 0.002)),
            (
                "nadam_decay",
                NAdam(
                    learningRate: 0.01, beta1: 0.8, beta2: 0.99, momentumDecay: 0.5, rule: decay)
            ),
            ("nadamw", NAdam(learningRate: 0.01, rule: decoupled(0.1))),
            ("radam", RAdam(learningRate: 0.001)),
            ("radam_decay", RAdam(learningRate: 0.01, beta1: 0.8, beta2: 0.9, rule: decay)),
            ("radamw", RAdam(learningRate: 0.01, rule: decoupled(0.1))),
            ("adamax", Adamax(learningRate: 0.002)),
            ("adamax_decay", Adamax(learningRate: 0.01, beta1: 0.8, beta2: 0.9, rule: decay)),
        ]
        for convention in [MomentumConvention.buffer, .velocity] {
            rules += [
                ("momentum", SGD(learningRate: 0.1, momentum: 0.9, convention: convention)),
                (
                    "dampening",
                    SGD(
                        learningRate: 0.1, momentum: 0.9, dampening: 0.25, convention: convention,
                        rule: decay)
                ),
                (
                    "nesterov",
                    SGD(learningRate: 0.1, momentum: 0.9, nesterov: true, convention: convention)
                ),
                (
                    "rmsprop_momentum",
                    RMSProp(
                        learningRate: 0.01, decay: 0.99, epsilon: 1e-8, momentum: 0.9,
                        convention: convention)
                ),
            ]
        }
        for (name, rule) in rules {
            let expected = try #require(golden.sequences[name])
            let actual = parameters(golden.parameters, after: golden.gradients, rule)
            for (step, (a, e)) in zip(actual, expected).enumerated() {
                expectEqual(a, e, tolerance: 1e-12, "\(name), step \(step)")
            }
        }
        #expect(Set(rules.map(\.0)) == Set(golden.sequences.keys))
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
        let rule = SGD(learningRate: rate)
        var p = [1.0, -2.0, 4.0]
        var state: UpdateState<Double> = rule.state(count: p.count)
        let start = p
        for step in 1...20 {
            var gradient = zip(curvatures, p).map { $0 * $1 }
            rule.update(&p, &gradient, &state)
            let expected = zip(curvatures, start).map { pow(1 - rate * $0, Double(step)) * $1 }
            expectEqual(p, expected, tolerance: 1e-13, "step \(step)")
        }
    }

    /// With a constant gradient the buffer is g (1 - μ^t) / (1 - μ), and the path its sum.
    @Test(arguments: [MomentumConvention.buffer, .velocity], [false, true])
    func momentumUnderAConstantGradient(convention: MomentumConvention, nesterov: Bool) {
        let rate = 0.1
        let momentum = 0.75
        let rule = SGD(
            learningRate: rate, momentum: momentum, nesterov: nesterov, convention: convention)
        var p = [0.0, 0, 0]
        var state: UpdateState<Double> = rule.state(count: p.count)
        for step in 1...20 {
            var gradient = gradients
            rule.update(&p, &gradient, &state)
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

    /// Both forms of Nesterov's momentum are one sequence: θ + μ v of the look-ahead form is p of
    /// the update form, with decay too.
    @Test(arguments: [MomentumConvention.buffer, .velocity])
    func nesterovHasTwoForms(convention: MomentumConvention) {
        let (rate, curvatures) = (0.1, [0.5, 3.0, 12.0])
        let update = SGD(
            learningRate: rate, momentum: 0.75, nesterov: true, convention: convention,
            rule: GradientRule(weightDecay: 0.05))
        var lookAhead = update
        lookAhead.lookAhead = true
        var (p, theta) = ([1.0, -2, 4], [1.0, -2, 4])
        var state: UpdateState<Double> = update.state(count: 3)
        var ahead = state
        for step in 1...20 {
            let point = theta.indices.map {
                lookAhead.point(step, theta[$0], [ahead.moments[0][$0]])
            }
            expectEqual(point, p, tolerance: 1e-12, "step \(step)")
            var gradients = [p, point].map { zip(curvatures, $0).map { $0 * $1 } }
            update.update(&p, &gradients[0], &state)
            lookAhead.update(&theta, &gradients[1], &ahead)
        }
    }

    /// With a constant gradient the sum is t g², so the steps are η / √t.
    @Test func adaGradUnderAConstantGradient() {
        let rule = AdaGrad(learningRate: 0.1, epsilon: 0)
        var p = [0.0, 0, 0]
        var state: UpdateState<Double> = rule.state(count: p.count)
        var length = 0.0
        for step in 1...20 {
            var gradient = gradients
            rule.update(&p, &gradient, &state)
            length += 0.1 / Double(step).squareRoot()
            expectEqual(
                p, gradients.map { $0 > 0 ? -length : length }, tolerance: 1e-13, "step \(step)")
        }
    }

    /// With a constant gradient v is g² (1 - ρ^t).
    @Test(arguments: [EpsilonPlace.outside, .inside])
    func rmsPropUnderAConstantGradient(place: EpsilonPlace) {
        let rule = RMSProp(
            learningRate: 0.1, decay: 0.9, epsilon: 1e-3, epsilonPlace: place)
        var p = [0.0, 0, 0]
        var state: UpdateState<Double> = rule.state(count: p.count)
        var expected = p
        for step in 1...20 {
            var gradient = gradients
            rule.update(&p, &gradient, &state)
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
        let rule = AdaDelta(decay: 0.9, epsilon: 0.1)
        var p = [2.0]
        var state: UpdateState<Double> = rule.state(count: p.count)
        var gradient = [3.0]
        rule.update(&p, &gradient, &state)
        let step = (0.1 / (0.9 + 0.1)).squareRoot() * 3
        expectEqual(
            p + state.moments[0] + state.moments[1], [2 - step, 0.9, step * step / 10],
            "first step")
    }

    /// With a constant gradient both averages, corrected, are exact: every step is η sign(g),
    /// whatever β1, β2 and g.
    @Test(arguments: [false, true])
    func adamUnderAConstantGradient(amsgrad: Bool) {
        let rule = Adam(learningRate: 0.01, epsilon: 0, amsgrad: amsgrad)
        var p = [1.0, 1, 1]
        var state: UpdateState<Double> = rule.state(count: p.count)
        for step in 1...20 {
            var gradient = gradients
            rule.update(&p, &gradient, &state)
            expectEqual(
                p, gradients.map { 1 - 0.01 * Double(step) * ($0 > 0 ? 1 : -1) }, tolerance: 1e-12,
                "step \(step)")
        }
    }

    /// Where ε stands decides the first step, in which m̂ = g and v̂ = g².
    @Test(arguments: [EpsilonPlace.outside, .inside, .uncorrected])
    func adamFirstStep(place: EpsilonPlace) {
        let g = 2.0
        let epsilon = 0.5
        let rule = Adam(learningRate: 0.01, epsilon: epsilon, epsilonPlace: place)
        var p = [1.0]
        var state: UpdateState<Double> = rule.state(count: p.count)
        var gradient = [g]
        rule.update(&p, &gradient, &state)
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
        let decays = [true, false].map { GradientRule(weightDecay: 0.1, decoupled: $0) }
        for (rule, expected) in zip(decays, [8 * 0.999, 7.99]) {
            let p = parameters(
                [8], after: [[0]], Adam(learningRate: 0.01, epsilon: 1e-300, rule: rule))
            expectEqual(p[0], [expected], "decoupled: \(rule.decoupled)")
        }
    }
}
