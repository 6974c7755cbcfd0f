import Foundation
import Recurrent
import Testing

/// Rates beside PyTorch's: see Tests/Golden/make_schedules.py.
@Suite struct LearningRateScheduleTests {
    private struct Golden: Decodable {
        let rates: [String: [Double]]
        let errors: [Double]
        let plateaus: [String: [Double]]
    }

    private static let golden = Result {
        try JSONDecoder().decode(
            Golden.self,
            from: Data(contentsOf: PyTorchTrainingTests.golden.appending(path: "schedules.json")))
    }

    private static let schedules: [(name: String, schedule: LearningRateSchedule)] = [
        ("steps", .steps(every: 7, factor: 0.3)),
        ("exponential", .exponential(factor: 0.9)),
        ("inverse_time", .inverseTime(decay: 0.25)),
        ("linear", .linear(from: 0.25, to: 0.75, steps: 13)),
        ("cosine", .cosine(steps: 60, last: 0.1)),
        ("restarts", .cosineWithRestarts(steps: 8, growth: 1, last: 0.05)),
        ("growing_restarts", .cosineWithRestarts(steps: 5, growth: 2, last: 0.05)),
        ("one_cycle", .oneCycle(steps: 60)),
        ("early_cycle", .oneCycle(steps: 60, rise: 0.1, first: 0.1, last: 0.002)),
        ("warm_up", .warmUp(steps: 9, then: .cosine(steps: 40, last: 0.1))),
    ]

    @Test(arguments: schedules.map(\.name)) func followsPyTorch(name: String) throws {
        let schedule = try #require(Self.schedules.first { $0.name == name }).schedule
        let expected = try #require(Self.golden.get().rates[name])
        // PyTorch's cosine goes up again at the end of its period; ours stays.
        let count = name == "warm_up" ? 9 + 40 : expected.count
        for (step, rate) in expected[..<count].enumerated() {
            // PyTorch works most rates out from the ones before them.
            #expect(
                abs(schedule.factor(step) - rate) <= 1e-13,
                "update \(step): \(schedule.factor(step)), expected \(rate)")
        }
    }

    @Test func plateausFollowPyTorch() throws {
        let golden = try Self.golden.get()
        for (name, patience, threshold) in [("patience_0", 0, 0), ("patience_2", 2, 0.15)] {
            var schedule = PlateauSchedule(patience: patience, threshold: threshold)
            #expect(
                golden.errors.map { schedule.update(error: $0) } == golden.plateaus[name], "\(name)"
            )
        }
    }

    @Test func anErrorThatIsNoNumberIsNoImprovement() {
        var schedule = PlateauSchedule()
        schedule.update(error: 1)
        #expect(schedule.update(error: .nan) == 0.5)
    }

    @Test func staysWhereItEnds() {
        #expect(LearningRateSchedule.constant.factor(1 << 40) == 1)
        #expect(LearningRateSchedule.linear(from: 1, to: 0.5, steps: 3).factor(99) == 0.5)
        for schedule in [
            LearningRateSchedule.cosine(steps: 10, last: 0.25), .oneCycle(steps: 10, last: 0.25),
        ] {
            for step in [10, 11, 1 << 40] { #expect(abs(schedule.factor(step) - 0.25) <= 1e-15) }
        }
        #expect(LearningRateSchedule.steps(every: 1, factor: 0.5).factor(1 << 40) == 0)
        #expect(
            LearningRateSchedule.cosineWithRestarts(steps: 3, growth: 1, last: 0).factor(3 << 40)
                == 1)
        #expect(LearningRateSchedule.oneCycle(steps: 1).factor(0) > 0)
        // Periods that no number counts.
        let growing = LearningRateSchedule.cosineWithRestarts(
            steps: 1 << 20, growth: 1 << 50, last: 0)
        #expect(growing.factor(1 << 20) == 1 && growing.factor((1 << 62) + 1 << 20) > 0)
        #expect(LearningRateSchedule.warmUp(steps: .max, then: .constant).factor(.max - 1) == 1)
    }

    /// A trainer refuses a rate below zero.
    @Test func aRateThatFallsToZeroIsNotNegative() {
        let schedules = [
            LearningRateSchedule.cosine(steps: 10, last: 0), .oneCycle(steps: 10, last: 0),
            .linear(from: 1, to: 0, steps: 10),
        ]
        for schedule in schedules {
            #expect(
                schedule.factor(10) == 0 && (0..<10).allSatisfy { schedule.factor($0) >= 0 },
                "\(schedule)")
        }
    }

    /// 1 - 2^(-1 - log2(⌊t / 250⌋ + 1)), by the formula as it is printed.
    @Test func momentumFollowsItsFormula() {
        for step in [0, 1, 249, 250, 499, 500, 1000, 123_456] {
            let formula = 1 - exp2(-1 - log2(Double(step / 250) + 1))
            #expect(abs(momentumSchedule(step, most: 1) - formula) <= 1e-15)
            #expect(momentumSchedule(step, most: 0.9) == min(momentumSchedule(step, most: 1), 0.9))
        }
    }
}
