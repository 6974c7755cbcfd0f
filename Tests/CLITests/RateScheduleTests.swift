import Foundation
import Recurrent
import Testing

@testable import recurrent_cli

@Suite struct RateScheduleTests {
    /// Ten updates an epoch.
    @Test(arguments: [
        ("constant", LearningRateSchedule.constant),
        ("step:2:0.5", .steps(every: 20, factor: 0.5)),
        ("exponential:0.999", .exponential(factor: 0.999)),
        ("inverse:0.5", .inverseTime(decay: 0.05)),
        ("linear:3", .linear(from: 1, to: 0, steps: 30)),
        ("linear:3:0.25", .linear(from: 1, to: 0.25, steps: 30)),
        ("cosine:0.01", .cosine(steps: 1, last: 0)),
        ("cosine:4:0.1", .cosine(steps: 40, last: 0.1)),
        ("restarts:1.5", .cosineWithRestarts(steps: 15, growth: 1, last: 0)),
        ("restarts:1:2:0.1", .cosineWithRestarts(steps: 10, growth: 2, last: 0.1)),
        ("one-cycle:5", .oneCycle(steps: 50)),
        ("plateau", .constant),
        ("plateau:0.1:3", .constant),
        ("warm-up:0.5", .warmUp(steps: 5, then: .constant)),
        ("warm-up:0.5,cosine:4", .warmUp(steps: 5, then: .cosine(steps: 40, last: 0))),
    ]) func isWhatItsNameSays(text: String, schedule: LearningRateSchedule) throws {
        #expect(
            try RateSchedule(text, option: "--schedule").schedule(updatesPerEpoch: 10) == schedule)
    }

    @Test func plateausHaveAState() throws {
        #expect(
            try RateSchedule("plateau", option: "").plateau
                == PlateauSchedule(factor: 0.5, patience: 0))
        #expect(
            try RateSchedule("warm-up:1,plateau:0.1:3", option: "").plateau
                == PlateauSchedule(factor: 0.1, patience: 3))
        #expect(try RateSchedule("constant", option: "").plateau == nil)
    }

    @Test(arguments: [
        "", "cosine", "cosine:", "cosine:x", "cosine:0", "cosine:-1", "cosine:nan", "cosine:inf",
        "cosine:1:2", "cosine:1:0:1", "step:1", "step:1:1.5",
        "exponential:2", "exponential:0", "exponential:1e-60", "step:1:0", "inverse:-1",
        "restarts:1:1.5", "restarts:1:0", "plateau:0", "plateau:1", "plateau:0.5:0.5", "warm-up",
        "warm-up:1,warm-up:1",
        "cosine:1,warm-up:1", "warm-up:1,cosine:1,cosine:1", "constant:1", "Cosine:1", "warm-up:1,",
    ]) func whatMakesNoSenseIsRefused(text: String) {
        #expect(throws: Failure.self) { try RateSchedule(text, option: "--schedule") }
    }
}
