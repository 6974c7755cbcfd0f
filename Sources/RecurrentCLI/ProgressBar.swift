import Foundation

/// One line on stderr that says how far a training is; nothing where stderr is not a terminal.
struct ProgressBar {
    private static let width = 20
    private static let interval = Duration.milliseconds(100)

    private let isShown: Bool
    private let isColoured: Bool
    private let start = ContinuousClock.now
    private var drawn: ContinuousClock.Instant?

    init(quiet: Bool, environment: [String: String] = ProcessInfo.processInfo.environment) {
        isShown = !quiet && isatty(STDERR_FILENO) == 1 && environment["TERM"] != "dumb"
        isColoured = environment["NO_COLOR", default: ""].isEmpty
    }

    /// Shows `text` behind a bar filled to `fraction`, and the time that the rest will take.
    mutating func show(_ title: String, fraction: Double, _ text: @autoclosure () -> String) {
        let now = ContinuousClock.now
        guard isShown, drawn.map({ now - $0 >= Self.interval }) ?? true else { return }
        drawn = now
        let left = (now - start) / .seconds(1) * (1 - fraction) / max(fraction, 1e-9)
        printToStandardError("\r\(title) \(bar(fraction)) \(text()), \(timeText(left)) left\u{1B}[K")
    }

    /// Takes the line away, for other text.
    mutating func clear() {
        guard drawn != nil else { return }
        printToStandardError("\r\u{1B}[K")
        drawn = nil
    }

    private func bar(_ fraction: Double) -> String {
        let full = min(max(Int(fraction * Double(Self.width)), 0), Self.width)
        let bar = String(repeating: "█", count: full) + String(repeating: "░", count: Self.width - full)
        return isColoured ? "\u{1B}[32m\(bar)\u{1B}[0m" : bar
    }
}

/// Minutes and seconds.
func timeText(_ seconds: Double) -> String {
    let seconds = Int(min(seconds, 359_999))
    let text = String(format: "%d:%02d", seconds / 60 % 60, seconds % 60)
    return seconds < 3600 ? text : String(format: "%d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
