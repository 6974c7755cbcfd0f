import Recurrent
import Testing

@testable import recurrent_cli

/// What `--schedule` and `--cell` take, made of their own parts and changed by their structure, the
/// same each time: whatever it is, it is understood or refused with a line, and what is understood
/// can be computed with.
@Suite struct MutationTests {
    private static let numbers = [
        "0", "-0", "1", "0.5", "1.0", "2", "3", "-1", "1e9", "1000000001", "1e-320", "5e-324",
        "1e308", "1e309", "nan", "inf", "-inf", "0x1p-3",
        "9223372036854775807", "9223372036854775808", "16777216", "16777217", "0.9999999999999999",
        "1.0000000000000002", "", " ", "+1", "１", "1_0",
    ]

    /// One change of a text that is split at `separators`, the outer one first: of a part, of a
    /// part's number, or of a character.
    private func changed(
        _ text: String, _ separators: [Character], _ other: [String], _ generator: inout SplitMix64
    ) -> String {
        guard let separator = separators.first else {
            return other[generator.index(below: other.count)]
        }
        var parts = text.split(separator: separator, omittingEmptySubsequences: false).map(
            String.init)
        let place = generator.index(below: parts.count)
        switch generator.index(below: 8) {
        case 0: parts.remove(at: place)
        case 1: parts.insert(parts[place], at: place)
        case 2: parts.swapAt(place, generator.index(below: parts.count))
        case 3: parts.append(other[generator.index(below: other.count)])
        default:
            parts[place] = changed(parts[place], Array(separators.dropFirst()), other, &generator)
        }
        return parts.joined(separator: String(separator))
    }

    @Test func everyScheduleIsUnderstoodOrRefused() {
        let seeds = [
            "constant", "step:2:0.5", "exponential:0.999", "inverse:0.5", "linear:3:0.25",
            "cosine:4:0.1", "restarts:1:2:0.1", "one-cycle:5",
            "plateau:0.1:3", "warm-up:0.5,cosine:4", "warm-up:1,restarts:1:1000000000:0",
            "warm-up:1e9,step:1e9:1",
        ]
        var generator = SplitMix64(seed: 9)
        var understood = 0
        var refused = 0
        for round in 0..<6000 {
            var text = seeds[round % seeds.count]
            for _ in 0...generator.index(below: 3) {
                text = changed(text, [",", ":"], Self.numbers + seeds, &generator)
            }
            do {
                let schedule = try RateSchedule(text, option: "--schedule")
                for updates in [1, 37, 1 << 28] {
                    let factors = schedule.schedule(updatesPerEpoch: updates)
                    for step in [0, 1, 2, 1000, 1 << 31, 1 << 53, .max] {
                        let factor = factors.factor(step)
                        if !(0...1).contains(factor) {
                            Issue.record("\(text), \(updates) updates, step \(step): \(factor)")
                        }
                    }
                }
                if var plateau = schedule.plateau {
                    for _ in 0..<4 { #expect((0...1).contains(plateau.update(error: 1))) }
                }
                understood += 1
            } catch {
                let isLine =
                    error.cause == .usage && error.message.hasPrefix("--schedule: ")
                    && error.message.contains("; expected ")
                #expect(isLine && error.message.hasSuffix(", found \(text)"), "\(error.message)")
                refused += 1
            }
        }
        #expect(understood > 600 && refused > 600, "\(understood) understood, \(refused) refused")
    }

    @Test func everyCellIsUnderstoodOrRefused() throws {
        let seeds =
            RecurrentCell.all.map(\.name) + [
                "lstm(sigmoid+peepholes+coupled+clip:3.0+projection:8)",
                "lstm(clip:0.5+projection:1)",
            ]
        var generator = SplitMix64(seed: 4)
        var understood = 0
        var refused = 0
        for round in 0..<6000 {
            var text = seeds[round % seeds.count]
            let inside = text.hasPrefix("lstm(") ? String(text.dropFirst(5).dropLast()) : nil
            for _ in 0...generator.index(below: 3) {
                let others =
                    Self.numbers + [
                        "sigmoid", "peepholes", "clip:\(Self.numbers[round % Self.numbers.count])",
                        "projection:7", "(", ")",
                    ]
                text =
                    inside.map { "lstm(\(changed($0, ["+", ":"], others, &generator)))" }
                    ?? changed(text, ["(", ")"], others, &generator)
            }
            guard let cell = RecurrentCell(named: text) else {
                #expect(throws: Failure.self) { try RecurrentCell.named(text, option: "--cell") }
                refused += 1
                continue
            }
            // Its name is one of its own, and no size of it overflows.
            #expect(RecurrentCell(named: cell.name) == cell, "\(text): \(cell.name)")
            for hidden in [1, 17, ModelShape.largestDimension] {
                let layers = Array(repeating: RecurrentLayer(cell, hiddenSize: hidden), count: 3)
                let shape = ModelShape(
                    input: .tokens(vocabulary: 9, dimension: hidden), layers: layers, outputSize: 9,
                    loss: .crossEntropy)
                let bytes = shape.trainingMemory(
                    batch: 1 << 7, steps: ModelShape.largestDimension, momentCount: 3
                ).bytes
                #expect(bytes > 1 << 31, "\(text) of \(hidden): \(bytes)")
            }
            understood += 1
        }
        #expect(understood > 300 && refused > 300, "\(understood) understood, \(refused) refused")
    }
}
