import Foundation
import Recurrent
import RecurrentFormats
import Testing

@testable import recurrent_cli

@Suite struct PartsTests {
    private func samples(_ logits: [Float], temperature: Double, count: Int) -> [Int] {
        var sampler = Sampler(temperature: temperature, seed: 7)
        var counts = Array(repeating: 0, count: logits.count)
        for _ in 0..<count { counts[Int(sampler.sample(logits.span))] += 1 }
        return counts
    }

    @Test func samplesFollowTheSoftmaxWithoutTheUnknownToken() {
        // e^0 : e^1 : e^2 = 0.0900 : 0.2447 : 0.6652; the unknown token's logit counts for nothing.
        let counts = samples([50, 0, 1, 2], temperature: 1, count: 20_000)
        for (count, expected) in zip(counts, [0, 1801, 4894, 13305]) {
            // Four standard deviations.
            #expect(abs(Double(count - expected)) <= 4 * Double(expected).squareRoot())
        }
        #expect(samples([50, 0, 1, 2], temperature: 0, count: 10) == [0, 0, 0, 10])
        #expect(samples([50, 0, 1, 2], temperature: 1e-300, count: 10) == [0, 0, 0, 10])
        #expect(samples([0, 1e4, -1e4, .infinity], temperature: 1, count: 10)[0] == 0)
        #expect(samples([0, .nan, .nan, .nan], temperature: 1, count: 10)[0] == 0)
    }

    @Test func numbersAreGrouped() {
        #expect(
            [0, 999, 1000, 12_345, 1_234_567, -1000].map(\.grouped) == [
                "0", "999", "1,000", "12,345", "1,234,567", "-1,000",
            ])
        #expect(
            [0, 59.9, 61, 3600, .infinity].map(timeText) == [
                "0:00", "0:59", "1:01", "1:00:00", "99:59:59",
            ])
    }

    @Test func wordsAreQuotedForTheShell() {
        #expect(
            ["a/b-c.1", "", "two words", "it's", "$x", "人"].map(quotedForShell)
                == ["a/b-c.1", "''", "'two words'", "'it'\\''s'", "'$x'", "'人'"])
        #expect(
            ["\u{1B}[2J", "it's\\\n1", "\u{9B}人"].map(quotedForShell)
                == ["$'\\033[2J'", "$'it\\'s\\\\\\0121'", "$'\\302\\233人'"])
        #expect(generateCommand(model: "-m", prompt: "").hasSuffix(" generate ./-m --prompt ''"))
    }

    @Test func progressIsCutToTheWidth() {
        let line = ProgressLine(
            title: "epoch 1/2", fraction: 0.5, secondsLeft: 61.2, text: "loss 1.23")
        let bar = String(repeating: "█", count: 10) + String(repeating: "░", count: 10)
        #expect(
            line.drawn(columns: 80, isColoured: false) == "epoch 1/2 \(bar) 1:02 left, loss 1.23")
        #expect(line.drawn(columns: 41, isColoured: false) == "epoch 1/2 \(bar) 1:02 left")
        #expect(
            line.drawn(columns: 20, isColoured: true)
                == "epoch 1/2 \u{1B}[32m\(bar.prefix(9))\u{1B}[0m")
        #expect(line.drawn(columns: 6, isColoured: true) == "epoch")
        #expect(line.drawn(columns: 1, isColoured: true) == "")
        // Wide characters take two columns, combining ones none, and what a terminal obeys is
        // escaped.
        func drawn(_ title: String, _ columns: Int) -> String {
            ProgressLine(title: title, fraction: 0, secondsLeft: nil, text: "").drawn(
                columns: columns, isColoured: false)
        }
        #expect(
            drawn("人人人", 6) == "人人" && drawn("ｱ가🎼", 6) == "ｱ가🎼"
                && drawn("e\u{301}e", 2) == "e\u{301}")
        #expect(drawn("a\u{1B}[2J", 12) == "a\\u{1B}[2J ")
    }

    /// What was done before a training was resumed took no time of this process.
    @Test func theTimeLeftIsThatOfThisProcess() {
        #expect(ProgressLine.secondsLeft(elapsed: 10, from: 0.5, to: 0.75) == 10)
        #expect(ProgressLine.secondsLeft(elapsed: 10, from: 0, to: 0.25) == 30)
        #expect(ProgressLine.secondsLeft(elapsed: 10, from: 0.9, to: 0.9) == nil)
        #expect(ProgressLine.secondsLeft(elapsed: 10, from: 0.9, to: 1) == nil)
    }

    @Test func jsonHasNothingThatIsNotPrintable() throws {
        let values = ["\u{1B}\u{7F}\u{85}\u{9B}\u{2028}\u{202E}\u{E0001}\n\"\\é人"]
        let json = String(decoding: try JSONEncoder().encode(values), as: UTF8.self).escapedInJSON
        #expect(json.unicodeScalars.allSatisfy { $0.isPrintable })
        #expect(
            json.lowercased().hasPrefix(
                "[\"\\u001b\\u007f\\u0085\\u009b\\u2028\\u202e\\udb40\\udc01\\n"), "\(json)")
        #expect(try JSONDecoder().decode([String].self, from: Data(json.utf8)) == values)
    }

    @Test func theOptionWinsOverTheEnvironment() throws {
        func isa(_ option: String?, _ variable: String?) throws -> ISA {
            var options = KernelOptions()
            options.isa = option
            return try options.kernels(
                environment: variable.map { [KernelOptions.variable: $0] } ?? [:]
            ).isa
        }
        #expect(try isa(nil, nil) == .best)
        #expect(try isa(nil, "") == .best)
        #expect(try isa(nil, "generic") == .generic)
        #expect(try isa("generic", "neon") == .generic)
        #expect(throws: Failure.self) { try isa(nil, "neon") }
        #expect(throws: Failure.self) { try isa("", nil) }
        for isa in ISA.allCases where !isa.isAvailable {
            #expect(throws: Failure.self) {
                try KernelOptions.parse(["--isa", isa.rawValue]).kernels()
            }
        }
    }

    @Test func modelsThatDoNotFitInMemoryAreRefused() {
        func shape(hidden: Int) -> ModelShape {
            ModelShape(
                input: .tokens(vocabulary: 100, dimension: 8),
                layers: [.lstm(hidden), .lstm(hidden)], outputSize: 100, loss: .crossEntropy)
        }
        let largest = ModelShape.largestDimension
        // Parameters once, with the gradient and two moments four times, with a checkpoint that is
        // saved ten times; and the rest.
        let memory = shape(hidden: 64).trainingMemory(batch: 4, steps: 8, momentCount: 2)
        let needed = UInt64(memory.bytes + 7 * memory.gradientBytes)
        #expect(throws: Never.self) {
            try checkMemory(
                shape(hidden: 64), batch: 4, steps: 8, momentCount: 2, available: needed)
        }
        #expect(throws: Failure.self) {
            try checkMemory(
                shape(hidden: 64), batch: 4, steps: 8, momentCount: 2, available: needed - 1)
        }
        #expect(throws: Failure.self) {
            try checkMemory(
                shape(hidden: 8), batch: largest, steps: largest, momentCount: 2, available: .max)
        }
        #expect(throws: Failure.self) {
            try checkMemory(
                shape(hidden: largest), batch: 1, steps: 1, momentCount: 2, available: 1 << 40)
        }
        // h in 2^24 units, each row of them padded like those of all cells.
        let projected = ModelShape(
            input: .values(size: 1), layers: [.lstm(8, LSTMVariant(projectionSize: largest))],
            outputSize: 1,
            loss: .meanSquaredError)
        #expect(throws: Failure.self) {
            try checkMemory(projected, batch: 16, steps: 64, momentCount: 2, available: 1 << 36)
        }
    }

    @Test func memoryThatIsRefusedIsAnErrorOfTheSystem() {
        let shape = ModelShape(
            input: .values(size: 1), layers: [.lstm(16)], outputSize: 1 << 16, loss: .crossEntropy)
        do {
            _ = try TrainingPlan(
                for: shape, optimizer: .sgd(SGD()), batch: ModelShape.largestDimension, steps: 128)
            Issue.record("no machine has so much")
        } catch {
            let failure = Failure(error)
            #expect(
                failure.cause.rawValue == 71
                    && failure.message.hasPrefix("memory: refused by the system; expected "))
        }
    }

    /// The least limit from the process's own group up to the topmost counts, in both versions of
    /// control groups.
    @Test(
        arguments: [
            (
                [
                    "proc/self/cgroup": "0::/a/b\n", "sys/fs/cgroup/a/b/memory.max": "3000\n",
                    "sys/fs/cgroup/a/memory.max": "2000\n",
                ], 2000
            ),
            (
                [
                    "proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n",
                    "sys/fs/cgroup/memory.max": "512\n",
                ], 512
            ),
            (["proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "100\n"], 100),
            (
                [
                    "proc/self/cgroup": "9:cpu:/x\n4:cpuset,memory:/docker/1\n0::/\n",
                    "sys/fs/cgroup/memory/memory.limit_in_bytes": "4096\n",
                ], 4096
            ),
            (["proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/a/memory.max": "max\n"], UInt64.max),
            (["proc/self/cgroup": "nonsense\n:::\n"], .max),
            ([:], .max),
        ] as [([String: String], UInt64)]) func controlGroupsLimitTheMemory(
            files: [String: String], expected: UInt64
        ) throws
    {
        let folder = try Folder()
        for (name, text) in files {
            let parent =
                folder.path + "/" + name.split(separator: "/").dropLast().joined(separator: "/")
            try FileManager.default.createDirectory(
                atPath: parent, withIntermediateDirectories: true)
            try folder.write(name, text)
        }
        #expect(MemoryLimit.ofControlGroups(root: folder.path) == expected)
    }

    @Test(
        arguments: [
            ([:], 1e6),
            (["cpu.max": "max 100000\n"], 1e6),
            (["a/b/cpu.max": "150000 100000\n", "a/cpu.max": "400000 100000\n"], 1.5),
            (["a/cpu.max": "50000 100000\n"], 0.5),
            (["cpu/c/cpu.cfs_quota_us": "300000\n", "cpu/c/cpu.cfs_period_us": "100000\n"], 3),
            (["cpu/c/cpu.cfs_quota_us": "-1\n", "cpu/c/cpu.cfs_period_us": "100000\n"], 1e6),
        ] as [([String: String], Double)])
    func processorsOfControlGroups(files: [String: String], expected: Double) throws {
        let folder = try Folder()
        var all = ["proc/self/cgroup": "5:cpu,cpuacct:/c\n0::/a/b\n"]
        for (name, text) in files { all["sys/fs/cgroup/" + name] = text }
        for (name, text) in all {
            let parent = URL(fileURLWithPath: folder.path + "/" + name).deletingLastPathComponent()
            try FileManager.default.createDirectory(at: parent, withIntermediateDirectories: true)
            try folder.write(name, text)
        }
        #expect(ProcessorLimit.ofControlGroups(root: folder.path) == expected)
    }

    /// As many streams as a text has room for, whatever a training's batch: of at least 1,024
    /// tokens, 16 at most.
    @Test(arguments: [
        (1, 1), (1023, 1), (2047, 1), (2048, 2), (16_383, 15), (16_384, 16), (1_000_000, 16),
    ])
    func aTextIsMeasuredInStreamsOfItsOwn(count: Int, streams: Int) {
        let batches = Batches(measuring: Array(repeating: 2, count: count))
        #expect(batches.batch == streams && batches.tokenCount == count)
    }
}
