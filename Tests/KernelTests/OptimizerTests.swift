import CRecurrent
import RecurrentReference
import TestSupport
import Testing

@Suite struct OptimizerTests {
    @Test(arguments: KernelTable.all)
    func sameBitsForEveryPartitionCount(isa: KernelTable) throws {
        for test in OptimizerCase.all {
            for count in [17, 131] {
                var expected = test.state(count)
                try test.run(KernelTable.all[0], &expected)
                for partitions in partitionCounts {
                    var actual = test.state(count)
                    try test.run(isa, partitions: partitions, &actual)
                    for (a, e) in zip(actual, expected) {
                        try Comparer.checkSameBits("\(test), \(partitions) partitions", a, e)
                    }
                }
            }
        }
    }

    /// A NaN or an infinity in one element stays in that element, and the gradient is zeroed all
    /// the same.
    @Test(arguments: KernelTable.all)
    func nonFiniteGradientStaysInItsElement(isa: KernelTable) throws {
        for test in OptimizerCase.all {
            var plain = test.state(33)
            var broken = plain
            broken[1][7] = .nan
            broken[1][32] = .infinity
            try test.run(isa, &plain)
            try test.run(isa, &broken)
            #expect(broken[0][7].isNaN)
            for (a, e) in zip(broken, plain) {
                for n in 0..<33 where n != 7 && n != 32 {
                    #expect(a[n].bitPattern == e[n].bitPattern)
                }
            }
            #expect(broken[1] == [Float](repeating: 0, count: 33))
        }
    }

    /// A square that overflows does not turn the average into NaN in the step after it.
    @Test(arguments: OptimizerCase.followed)
    func hugeGradientIsSurvived(test: OptimizerCase) throws {
        var state = test.state(17)
        for gradient: Float in [1e30, -.greatestFiniteMagnitude, 1, 0] {
            state[1] = [Float](repeating: gradient, count: 17)
            try test.run(KernelTable.all.last!, &state)
            #expect(state[0].filter { !$0.isFinite } == [])
        }
    }

    /// Where the gradient stays as it is, the variance ends at zero, and rounding would make some
    /// of them negative, their root NaN.
    @Test func noVarianceIsNegative() throws {
        let isa = KernelTable.all.last!
        for test in RMSProp.cases {
            var state = test.state(64)
            let gradient = (0..<64).map { Float($0 + 1) / 7 }
            for n in 2..<state.count { state[n] = [Float](repeating: 0, count: 64) }
            for _ in 0..<2000 {
                state[1] = gradient
                try test.run(isa, &state)
            }
            #expect(state[0].filter { !$0.isFinite } == [], "\(test)")
        }
    }

    /// Without a gradient everything that decays ends in zero, and no subnormal is ever stored on
    /// the way.
    @Test func nothingDecaysIntoSubnormals() throws {
        let isa = KernelTable.all.last!
        for test in OptimizerCase.followed {
            var state = test.state(16)
            for n in 2..<state.count {
                state[n] = (0..<16).map {
                    0x1p-90 * Float($0) * (test.rule.moments[n - 2] == .square ? 0x1p-20 : 1)
                }
            }
            state[0] = state[0].map { $0.isSubnormal ? 1 : $0 }
            for _ in 0..<400 {
                state[1] = [Float](repeating: 0, count: 16)
                try test.run(isa, &state)
                for buffer in state { #expect(buffer.filter(\.isSubnormal) == [], "\(test)") }
            }
        }
    }

    /// With a constant learning rate PyTorch's momentum and the textbook's are the same sequence up
    /// to rounding.
    @Test(arguments: KernelTable.all, [false, true])
    func momentumConventionsGiveTheSameSequence(isa: KernelTable, nesterov: Bool) throws {
        var states = MomentumConvention.all.map { _ in SGD.cases[5].state(131) }
        var generator = Generator(seed: 8)
        for step in 0..<50 {
            let gradient = generator.awkwardFloats(131)
            for (n, convention) in MomentumConvention.all.enumerated() {
                let optimizer = SGD(
                    learningRate: 0.05, momentum: 0.9, nesterov: nesterov, convention: convention)
                states[n][1] = gradient
                try OptimizerCase(optimizer, after: step).run(isa, &states[n])
            }
            // Values up to some hundreds, 5 roundings a step, carried on by the momentum for about
            // 10 steps.
            try Comparer.check(
                "parameters of step \(step)", states[0][0], states[1][0].map(Double.init),
                absolute: Double(step + 10) * 0x1p-18, relative: 0)
        }
    }

    /// Many steps stay near the reference: errors add up, and moments forget them.
    @Test(arguments: OptimizerCase.followed)
    func followsReferenceForFiftySteps(test: OptimizerCase) throws {
        var generator = Generator(seed: 9)
        var state = test.state(65)
        for n in 2..<state.count { state[n] = [Float](repeating: 0, count: 65) }
        var expected = state.map { $0.map(Double.init) }
        for _ in 0..<50 {
            state[1] = generator.floats(65)
            expected[1] = state[1].map(Double.init)
            try test.run(KernelTable.all.last!, &state)
            test.reference(&expected)
        }
        try Comparer.check(
            "parameters of \(test)", state[0], expected[0], absolute: 50 * 0x1p-21,
            relative: 50 * 0x1p-23)
    }
}
