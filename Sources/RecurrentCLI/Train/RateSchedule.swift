import Recurrent

/// How a training's learning rate changes, as `--schedule` says it: a name and its numbers,
/// `cosine:10:0.1`, behind a warm-up if there is one, `warm-up:0.5,cosine:10`. Lengths are in
/// epochs.
struct RateSchedule {
    /// What each name is followed by; what stands in brackets may be left out.
    private enum Form: String, CaseIterable {
        case constant
        case step = "step:EPOCHS:FACTOR"
        case exponential = "exponential:FACTOR"
        case inverse = "inverse:RATE"
        case linear = "linear:EPOCHS[:LAST]"
        case cosine = "cosine:EPOCHS[:LAST]"
        case restarts = "restarts:EPOCHS[:GROWTH[:LAST]]"
        case oneCycle = "one-cycle:EPOCHS"
        case plateau = "plateau[:FACTOR[:PATIENCE]]"
        case warmUp = "warm-up:EPOCHS"

        static let all = allCases.map(\.rawValue).joined(separator: ", ")
        private static let most = 1e9

        var name: Substring { rawValue.prefix { $0 != ":" && $0 != "[" } }
        var numberNames: [Substring] {
            rawValue.filter { $0 != "[" && $0 != "]" }.split(separator: ":").dropFirst().map {
                $0[...]
            }
        }
        /// How many numbers may follow.
        var counts: ClosedRange<Int> {
            rawValue.prefix { $0 != "[" }.filter { $0 == ":" }.count...numberNames.count
        }

        /// What a number may be, and whether it must be whole.
        func range(_ number: Substring) -> (range: ClosedRange<Double>, isWhole: Bool) {
            switch number {
            case "EPOCHS": (Double.leastNormalMagnitude...Self.most, false)
            case "GROWTH": (1...Self.most, true)
            case "PATIENCE": (0...Self.most, true)
            case "RATE": (0...Self.most, false)
            case "FACTOR":
                (Double(Float.leastNormalMagnitude)...(self == .plateau ? 1.0.nextDown : 1), false)
            default: (0...1, false)
            }
        }
    }

    /// For the help of `--schedule`.
    static let help = """
        How the learning rate changes: \(Form.all) (which stands in front of another, behind a \
        comma). step multiplies by FACTOR each time, exponential after each update, plateau (by a \
        half) after more than PATIENCE (0) epochs in which the development perplexity did not \
        fall; inverse divides by 1 + RATE × epochs; LAST (0) is the last part of the rate, GROWTH \
        (1) how many times as long each period is as the one before.
        """

    private let form: Form, numbers: [Double], warmUpEpochs: Double?
    /// At its beginning, where there is one.
    var plateau: PlateauSchedule? {
        form == .plateau
            ? PlateauSchedule(factor: number(0, default: 0.5), patience: Int(number(1, default: 0)))
            : nil
    }

    init(_ text: String, option: String) throws(Failure) {
        func failure(_ what: String, _ expected: String) -> Failure {
            Failure(.usage, "\(option): \(what); expected \(expected), found \(text)")
        }
        var items: [(form: Form, numbers: [Double])] = []
        for item in text.split(separator: ",", omittingEmptySubsequences: false) {
            let parts = item.split(separator: ":", omittingEmptySubsequences: false)
            guard let form = Form.allCases.first(where: { $0.name == parts[0] }) else {
                throw failure("unknown", Form.all)
            }
            guard form.counts.contains(parts.count - 1) else {
                throw failure("wrong number of numbers", form.rawValue)
            }
            var numbers: [Double] = []
            for (name, part) in zip(form.numberNames, parts.dropFirst()) {
                let (range, isWhole) = form.range(name)
                guard let number = Double(part), range.contains(number),
                    !isWhole || number == number.rounded()
                else {
                    throw failure(
                        "\(name) of \(form.name)",
                        """
                        \(isWhole ? "a whole number of " : "")\(range.lowerBound) to \
                        \(range.upperBound)
                        """
                    )
                }
                numbers.append(number)
            }
            items.append((form, numbers))
        }
        let isWarm = items[0].form == .warmUp
        let rest = items.dropFirst(isWarm ? 1 : 0)
        guard rest.count <= 1, rest.first?.form != .warmUp else {
            throw failure("too many", "one, behind a warm-up if there is one")
        }
        warmUpEpochs = isWarm ? items[0].numbers[0] : nil
        (form, numbers) = rest.first ?? (.constant, [])
    }

    private func number(_ index: Int, default value: Double) -> Double {
        index < numbers.count ? numbers[index] : value
    }

    /// What the first learning rate is multiplied by, as a function of the updates done. A
    /// plateau's own factor comes on top of it.
    func schedule(updatesPerEpoch: Int) -> LearningRateSchedule {
        func updates(_ epochs: Double) -> Int {
            max(Int((epochs * Double(updatesPerEpoch)).rounded()), 1)
        }
        let base: LearningRateSchedule =
            switch form {
            case .constant, .plateau, .warmUp: .constant
            case .step: .steps(every: updates(numbers[0]), factor: numbers[1])
            case .exponential: .exponential(factor: numbers[0])
            case .inverse: .inverseTime(decay: numbers[0] / Double(updatesPerEpoch))
            case .linear: .linear(from: 1, to: number(1, default: 0), steps: updates(numbers[0]))
            case .cosine: .cosine(steps: updates(numbers[0]), last: number(1, default: 0))
            case .restarts:
                .cosineWithRestarts(
                    steps: updates(numbers[0]), growth: Int(number(1, default: 1)),
                    last: number(2, default: 0))
            case .oneCycle: .oneCycle(steps: updates(numbers[0]))
            }
        return warmUpEpochs.map { .warmUp(steps: updates($0), then: base) } ?? base
    }
}
