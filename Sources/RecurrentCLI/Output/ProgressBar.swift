import Foundation
import RecurrentFormats

/// One line on stderr that says how far a command is; nothing where stderr is not a terminal.
struct ProgressBar {
    private static let interval = Duration.milliseconds(100)
    /// Where a terminal does not tell its width.
    private static let usualColumns = 80

    private let isShown: Bool
    private let isColoured: Bool
    /// The first call of `show`: what an earlier process had done took none of this one's time.
    private var start: (time: ContinuousClock.Instant, fraction: Double)?
    private var drawn: ContinuousClock.Instant?

    init(quiet: Bool, environment: [String: String] = ProcessInfo.processInfo.environment) {
        isShown = !quiet && isatty(STDERR_FILENO) == 1 && environment["TERM"] != "dumb"
        isColoured = environment["NO_COLOR", default: ""].isEmpty
    }

    /// Shows `text` behind a bar filled to `fraction` and the time that the rest will take, cut to
    /// the terminal's width at this moment.
    mutating func show(_ title: String, fraction: Double, _ text: @autoclosure () -> String) {
        guard isShown else { return }
        let now = ContinuousClock.now
        let start = start ?? (now, fraction)
        self.start = start
        guard drawn.map({ now - $0 >= Self.interval }) ?? true else { return }
        drawn = now
        let left = ProgressLine.secondsLeft(
            elapsed: (now - start.time) / .seconds(1), from: start.fraction, to: fraction)
        let line = ProgressLine(title: title, fraction: fraction, secondsLeft: left, text: text())
        printToStandardError("\r\(line.drawn(columns: columns, isColoured: isColoured))\u{1B}[K")
    }

    /// Takes the line away, for other text.
    mutating func clear() {
        guard drawn != nil else { return }
        printToStandardError("\r\u{1B}[K")
        drawn = nil
    }

    private var columns: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else {
            return Self.usualColumns
        }
        return Int(size.ws_col)
    }
}

/// What a progress bar shows.
struct ProgressLine {
    private static let width = 20

    let title: String
    let fraction: Double
    /// Nil where nothing tells yet.
    let secondsLeft: Double?
    let text: String

    /// The time from `fraction` to the end, at the pace since `start`; nil where nothing was done
    /// since, or nothing is left.
    static func secondsLeft(elapsed: Double, from start: Double, to fraction: Double) -> Double? {
        fraction > start && fraction < 1 ? elapsed * (1 - fraction) / (fraction - start) : nil
    }

    /// The line, cut so that the last column stays free: a terminal that has filled it may go on to
    /// the next line, and then the next drawing does not replace this one.
    func drawn(columns: Int, isColoured: Bool) -> String {
        let full = min(max(Int(fraction * Double(Self.width)), 0), Self.width)
        let bar =
            String(repeating: "█", count: full)
            + String(repeating: "░", count: Self.width - full)
        let rest = [secondsLeft.map { "\(timeText($0.rounded(.up))) left" } ?? "", text].filter {
            !$0.isEmpty
        }
        var free = columns - 1
        let parts = [title + " ", bar, " " + rest.joined(separator: ", ")].map {
            let whole = $0.printable()
            let part = whole.prefix(columns: free)
            free = part == whole ? free - part.columns : 0
            return part
        }
        let coloured = isColoured && !parts[1].isEmpty ? "\u{1B}[32m\(parts[1])\u{1B}[0m" : parts[1]
        return parts[0] + coloured + parts[2]
    }
}

extension Unicode.Scalar {
    /// The blocks whose characters take two columns (Unicode's East_Asian_Width W and F, as far as
    /// whole blocks go): Hangul's initials, CJK and Kana, Hangul, compatibility and full-width
    /// forms, pictographs, rarer ideographs. A narrow character among them counts as two: the line
    /// is then shorter than it could be.
    private static let wide: [ClosedRange<UInt32>] = [
        0x1100...0x115F, 0x2E80...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF,
        0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x16FE0...0x18CFF, 0x1AFF0...0x1B2FF,
        0x1F000...0x1FAFF, 0x20000...0x3FFFD,
    ]

    /// Columns of a terminal: none for marks that combine with the character in front of them, two
    /// for wide ones, else one.
    fileprivate var columns: Int {
        let category = properties.generalCategory
        if category == .nonspacingMark || category == .enclosingMark { return 0 }
        return Self.wide.contains { $0.contains(value) } ? 2 : 1
    }
}

extension String {
    fileprivate var columns: Int { unicodeScalars.reduce(0) { $0 + $1.columns } }

    /// As much of it from the beginning as fits.
    fileprivate func prefix(columns: Int) -> String {
        var free = columns
        return String(
            String.UnicodeScalarView(
                unicodeScalars.prefix {
                    free -= $0.columns
                    return free >= 0
                }))
    }
}

/// Minutes and seconds.
func timeText(_ seconds: Double) -> String {
    let seconds = Int(min(seconds, 359_999))
    let text = String(format: "%d:%02d", seconds / 60 % 60, seconds % 60)
    return seconds < 3600
        ? text : String(format: "%d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60)
}
