import Formats

/// One line of a text, without its end.
typealias Line = ArraySlice<Unicode.Scalar>

/// The limit of a text's length: 256 MiB.
private let textLimit = 1 << 28

/// Reads a text in UTF-8.
func readText(_ path: String) throws(Failure) -> [Unicode.Scalar] {
    guard !path.isEmpty else { throw Failure(.usage, "--text: expected a path, found none") }
    let bytes: [UInt8]
    do {
        bytes = try readFile(path, limit: textLimit)
    } catch {
        throw Failure(reading: error)
    }
    do {
        _ = try UTF8Span(validating: bytes.span)
    } catch {
        let offset = error.byteOffsets.lowerBound
        throw Failure(.data, "\(path): not text; expected UTF-8, found 0x\(String(bytes[offset], radix: 16)) at byte offset \(offset)")
    }
    guard !bytes.isEmpty else { throw Failure(.data, "\(path): no text; expected at least one line, found an empty file") }
    return Array(String(decoding: bytes, as: UTF8.self).unicodeScalars)
}

/// The lines of a text. A line ends with a line feed, or a carriage return and a line feed; the last one may lack it.
func splitLines(_ text: [Unicode.Scalar]) -> [Line] {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    if lines.last?.isEmpty == true { lines.removeLast() }
    return lines.map { $0.last == "\r" ? $0.dropLast() : $0 }
}

/// Divides lines into those to learn from and, behind them, those to measure on: `devFraction` of them, each part at least one.
func splitDevelopment(_ lines: [Line], devFraction: Double) -> (training: ArraySlice<Line>, development: ArraySlice<Line>) {
    precondition(lines.count >= 2, "lines: expected at least 2, found \(lines.count)")
    let count = Int((Double(lines.count) * devFraction).rounded())
    let start = lines.count - min(max(count, 1), lines.count - 1)
    return (lines[..<start], lines[start...])
}
