import Foundation
import Recurrent
import RecurrentFormats
import TestSupport
import Testing

/// What is no whole checkpoint of this training, or has a number that no training writes, is
/// refused and changes nothing.
@Suite final class DamagedCheckpointTests {
    private static let shape = ModelShape(
        input: .values(size: 1), layers: [.rnn(1)], outputSize: 1, loss: .meanSquaredError)
    private static let values: [Float] = [0.5, -1, 0.25, 0.75]
    private let path = FileManager.default.temporaryDirectory.appending(
        path: "checkpoint-\(UUID().uuidString)"
    ).path

    deinit { try? FileManager.default.removeItem(atPath: path) }

    private func trainer(_ optimizer: Optimizer = .adam(Adam()), steps: Int = 4) -> Trainer {
        Trainer(
            Model(Self.shape, seed: 3), optimizer: optimizer, batch: 1, steps: steps,
            initialState: .carried)
    }

    private func step(_ trainer: inout Trainer) -> TrainingStep {
        trainer.step(values: Self.values.span, targets: Self.values.span)
    }

    /// Makes a checkpoint after a step, or after a part of one.
    private func saved(_ optimizer: Optimizer = .adam(Adam()), accumulates: Bool = false) throws
        -> String
    {
        var trainer = trainer(optimizer)
        _ = step(&trainer)
        if accumulates { trainer.accumulate(values: Self.values.span, targets: Self.values.span) }
        try trainer.saveCheckpoint(to: path)
        return path
    }

    /// The message of the error; the trainer must learn on as if nothing had been.
    private func refusal(_ path: String, _ optimizer: Optimizer = .adam(Adam()), steps: Int = 4)
        -> String
    {
        var trainer = trainer(optimizer, steps: steps)
        do throws(ModelFileError) {
            _ = try trainer.restoreCheckpoint(contentsOf: path)
            return "no error"
        } catch {
            var other = self.trainer(optimizer, steps: steps)
            if steps == 4 { #expect(step(&trainer) == step(&other)) }
            #expect(
                trainer.learningRate == other.learningRate && trainer.momentum == other.momentum
                    && trainer.stepCount == other.stepCount)
            return error.description
        }
    }

    @Test func everyFlippedBitIsFound() throws {
        let path = try saved(.sgd(SGD()))
        let bytes = try readFile(path)
        var trainer = trainer(.sgd(SGD()))
        for index in bytes.indices {
            var changed = bytes
            changed[index] ^= 1 << UInt8(index % 8)
            try Data(changed).write(to: URL(fileURLWithPath: path))
            #expect(throws: ModelFileError.self, "byte \(index)") {
                try trainer.restoreCheckpoint(contentsOf: path)
            }
        }
        var other = self.trainer(.sgd(SGD()))
        #expect(step(&trainer) == step(&other))
        // A wrong bit of the data is called what it is.
        for index in [bytes.count - 1, bytes.count - 100] {
            var changed = bytes
            changed[index] ^= 1
            try Data(changed).write(to: URL(fileURLWithPath: path))
            #expect(
                refusal(path, .sgd(SGD()))
                    == """
                    \(path): damaged; expected contents that agree with their checksum, found \
                    others
                    """
            )
        }
    }

    @Test func theChecksumIsTheOneOfXZ() {
        var checksum = Checksum()
        #expect(checksum.value == 0)
        checksum.add(Array("123456789".utf8))
        #expect(checksum.value == 0x995D_C9BB_DF19_39FA)
        var inParts = Checksum()
        for part in ["1", "", "23456", "789"] { inParts.add(Array(part.utf8)) }
        #expect(inParts == checksum)
    }

    @Test(arguments: [
        ("recurrent.step", "9223372036854775807"), ("recurrent.step", "9223372036854775806"),
        ("recurrent.step", "-1"), ("recurrent.step", "1e3"),
        ("recurrent.step", "281474976710657"), ("recurrent.step", "9223372036854775808"),
        ("recurrent.updates", "2"), ("recurrent.updates", "-1"),
        ("recurrent.updates", "9223372036854775807"), ("recurrent.learning-rate", "1e300"),
        ("recurrent.learning-rate", "nan"),
        ("recurrent.learning-rate", "inf"), ("recurrent.learning-rate", "-0.1"),
        ("recurrent.learning-rate", ""), ("recurrent.momentum", "1"),
        ("recurrent.momentum", "0"), ("recurrent.momentum", "nan"), ("recurrent.momentum", "-0.5"),
        ("recurrent.momentum", "0.99999999999"),
        ("recurrent.accumulated-targets", "-1"), ("recurrent.accumulated-targets", "9"),
        ("recurrent.accumulated-targets", "9223372036854775807"),
        ("recurrent.accumulated-loss", "nan"), ("recurrent.accumulated-loss", "-1"),
        ("recurrent.accumulated-loss", "inf"), ("recurrent.accumulated-loss", "1"),
    ]) func aNumberOutOfRangeIsRefused(key: String, value: String) throws {
        let rule = Optimizer.sgd(SGD(momentum: 0.9))
        let path = try saved(rule)
        var checkpoint = try EditedCheckpoint(contentsOf: path)
        checkpoint.metadata[key] = value
        try checkpoint.write(to: path)
        let message = refusal(path, rule)
        #expect(
            message.hasPrefix("\(path): metadata \(key); expected ")
                && message.hasSuffix(", found \(value)"), "\(message)")
        checkpoint.metadata[key] = nil
        try checkpoint.write(to: path)
        #expect(refusal(path, rule).hasPrefix("\(path): metadata \(key); expected "))
    }

    @Test func aCheckpointHasItsTensorsAndNoOthers() throws {
        let path = try saved()
        let whole = try EditedCheckpoint(contentsOf: path)
        try #require(
            whole.tensors.map(\.name) == [
                "parameters", "moments", "state.0.training", "state.0.evaluation",
            ])
        func refusal(_ change: (inout EditedCheckpoint) -> Void) throws -> String {
            var checkpoint = whole
            change(&checkpoint)
            try checkpoint.write(to: path)
            return self.refusal(path)
        }
        #expect(
            try refusal { $0.tensors.append((name: "more", elementType: .f32, shape: [0])) }
                .contains("not the tensors of this training; expected checksum"))
        #expect(try refusal { $0.tensors[0].name = "other" }.contains("expected parameters: F32"))
        #expect(
            try refusal { $0.tensors[0].elementType = .i32 }.contains("expected parameters: F32"))
        #expect(try refusal { $0.tensors[0].shape.append(1) }.contains("expected parameters: F32"))
        #expect(try refusal { $0.tensors.swapAt(2, 3) }.contains("expected state.0.training"))
        #expect(
            try refusal {
                $0.data.removeLast($0.tensors.removeLast().shape[0] * 4)
            }.contains("expected state.0.evaluation"))
        // Targets that are said to have been accumulated need the gradient, and a gradient needs
        // them.
        #expect(
            try refusal { $0.metadata["recurrent.accumulated-targets"] = "3" }.contains(
                "expected gradient"))
        let accumulating = try EditedCheckpoint(contentsOf: saved(accumulates: true))
        #expect(
            try refusal {
                $0 = accumulating
                $0.metadata["recurrent.accumulated-targets"] = "0"
                $0.metadata["recurrent.accumulated-loss"] = "0"
            }.contains("expected state.0.training"))
    }

    @Test(arguments: [Float.nan, .infinity, -.infinity]) func whatIsNotFiniteIsRefused(value: Float)
        throws
    {
        let path = try saved(accumulates: true)
        let whole = try EditedCheckpoint(contentsOf: path)
        for name in whole.tensors.map(\.name) {
            var checkpoint = whole
            checkpoint.set(name, 1, value)
            try checkpoint.write(to: path)
            #expect(
                refusal(path)
                    == """
                    \(path): \(name): not a number that can be computed with; expected finite \
                    floats, found \(value) at index 1
                    """
            )
        }
    }

    /// A mean of squares that is negative has no root.
    @Test(arguments: [
        "adagrad", "rmsprop", "adadelta", "adam", "amsgrad", "nadam", "radam", "adamax",
    ])
    func squaresAreNotNegative(name: String) throws {
        let rule = try #require(Optimizer.named(name))
        let path = try saved(rule)
        var checkpoint = try EditedCheckpoint(contentsOf: path)
        let moments = try #require(checkpoint.tensors.first { $0.name == "moments" }).shape[0]
        checkpoint.set("moments", moments - 1, -0.5)
        try checkpoint.write(to: path)
        #expect(
            refusal(path, rule) == "\(path): moments; expected means of squares, found one below 0")
    }

    @Test func checkpointsOfOtherVersionsAndSegmentsAreRefused() throws {
        let path = try saved()
        #expect(
            refusal(path, steps: 5)
                == "\(path): a checkpoint of another training; expected steps 5, found steps 4")
        var checkpoint = try EditedCheckpoint(contentsOf: path)
        for (version, found) in [(nil, "1"), ("3", "3")] {
            checkpoint.metadata["recurrent.checkpoint-version"] = version
            try checkpoint.write(to: path)
            #expect(
                refusal(path) == """
                    \(path): a checkpoint of another version; expected 2, found \(found): \
                    go on with the release that wrote it, or start anew from the model beside it
                    """)
        }
    }

    @Test func whatCouldNotBeReadIsNotWritten() throws {
        let path = try saved(.sgd(SGD()))
        let before = try readFile(path)
        var trainer = trainer(.sgd(SGD()))
        _ = trainer.step(values: [1, .nan, 1, 1].span, targets: Self.values.span)
        let error = #expect(throws: ModelFileError.self) { try trainer.saveCheckpoint(to: path) }
        #expect(
            error?.description == """
                \(path): state.0.training: not a number that can be computed with; expected finite \
                floats, found nan at index 0
                """)
        #expect(throws: ModelFileError.self) {
            try self.trainer().saveCheckpoint(to: path, metadata: ["recurrent.step": "7"])
        }
        let long = String(repeating: "a", count: 17 << 20)
        let tooLong = #expect(throws: ModelFileError.self) {
            try self.trainer().saveCheckpoint(to: path, metadata: ["text": long])
        }
        #expect(
            tooLong?.description.contains(
                "header too long; expected at most \(16 << 20) bytes, found ") == true)
        #expect(try readFile(path) == before)
    }

    /// Edits numbers as a parser sees them: whatever comes of it is refused and changes nothing, or
    /// goes on learning.
    @Test func editedNumbersNeverTrap() throws {
        let rule = Optimizer.rmsProp(RMSProp(momentum: 0.5))
        let path = try saved(rule, accumulates: true)
        let whole = try EditedCheckpoint(contentsOf: path)
        let keys = whole.metadata.keys.sorted()
        let extremes = [
            "0", "-0", "-1", "1", "5", "9223372036854775807", "-9223372036854775808", "1e300",
            "-1e300", "1e-320", "nan", "inf", "", "0x10",
        ]
        var generator = Generator(seed: 11)
        var restored = 0
        for _ in 0..<200 {
            var checkpoint = whole
            for _ in 0...generator.next() % 2 {
                let key = keys.randomElement(using: &generator)!
                if key.hasSuffix("checkpoint") || generator.next() % 4 == 0 {
                    let tensor = checkpoint.tensors.randomElement(using: &generator)!
                    let exponent = UInt32(truncatingIfNeeded: generator.next())
                    checkpoint.set(
                        tensor.name, Int(generator.next() % UInt64(tensor.shape[0])),
                        Float(bitPattern: exponent))
                } else {
                    checkpoint.metadata[key] = extremes.randomElement(using: &generator)!
                }
            }
            try checkpoint.write(to: path)
            var trainer = trainer(rule)
            do throws(ModelFileError) {
                _ = try trainer.restoreCheckpoint(contentsOf: path)
                restored += 1
                if trainer.accumulatedCount > 0 { _ = trainer.update() }
                for _ in 0..<2 { _ = step(&trainer) }
            } catch {
                var other = self.trainer(rule)
                #expect(step(&trainer) == step(&other), "\(error)")
            }
        }
        #expect(10..<190 ~= restored, "\(restored) restored")
    }
}
