import Foundation
import RecurrentFormats

/// The limit of a text's length: 256 MiB.
private let textLimit = 1 << 28

/// How messages call the text at a path: `-` is standard input, a file of that name `./-`.
func textName(_ path: String) -> String { path == "-" ? "standard input" : path }

/// Reads a text in UTF-8 from a file, or from standard input where the path is `-`.
func readText(_ path: String) throws(Failure) -> [Unicode.Scalar] {
    guard !path.isEmpty else { throw Failure(.usage, "--text: expected a path, found none") }
    let name = textName(path)
    // What has no size, such as a pipe, is read as far as there is memory for it.
    let limit = min(textLimit, MemoryEstimate.longestText)
    let bytes = try path == "-" ? readStandardInput(name, limit) : readTextFile(path, limit)
    guard !bytes.isEmpty else {
        throw Failure(.data, "\(name): no text; expected at least one line, found an empty file")
    }
    do {
        var iterator = try UTF8Span(validating: bytes.span).makeUnicodeScalarIterator()
        var text: [Unicode.Scalar] = []
        text.reserveCapacity(bytes.count)
        while let scalar = iterator.next() { text.append(scalar) }
        return text
    } catch {
        let offset = error.byteOffsets.lowerBound
        throw Failure(
            .data,
            """
            \(name): not text; expected UTF-8, found 0x\(String(bytes[offset], radix: 16)) \
            at byte offset \(offset)
            """)
    }
}

private func readTextFile(_ path: String, _ limit: Int) throws(Failure) -> [UInt8] {
    do {
        return try readFile(path, limit: limit)
    } catch {
        throw Failure(reading: error)
    }
}

private func readStandardInput(_ name: String, _ limit: Int) throws(Failure) -> [UInt8] {
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    while true {
        let count = chunk.withUnsafeMutableBytes {
            read(STDIN_FILENO, $0.baseAddress, $0.count)
        }
        guard count >= 0 || errno == EINTR else {
            throw Failure(
                errno == EIO ? .inputOutput : .noInput,
                """
                \(name): \(String(cString: strerror(errno)))
                """)
        }
        if count == 0 { return bytes }
        bytes += chunk[..<max(count, 0)]
        guard bytes.count <= limit else {
            throw Failure(
                .data,
                """
                \(name): too long; expected at most \(limit.grouped) bytes, found more
                """)
        }
    }
}

/// Returns a text in which every line ends with one line feed, and nothing else does: for a line
/// feed, a carriage return, both in this order, or Unicode's separators of lines and paragraphs.
/// Other controls, such as vertical tabs and form feeds, are characters like any other.
func normalizeLineEnds(_ text: some Sequence<Unicode.Scalar>) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    var last: Unicode.Scalar?
    result.reserveCapacity(text.underestimatedCount + 1)
    for scalar in text {
        switch scalar {
        case "\n" where last == "\r": break
        case "\r", "\u{2028}", "\u{2029}": result.append("\n")
        default: result.append(scalar)
        }
        last = scalar
    }
    return result
}

/// Returns a text as a model learns it: its line ends are line feeds, and the last line has one.
func endLines(_ text: [Unicode.Scalar]) -> [Unicode.Scalar] {
    var result = normalizeLineEnds(text)
    if let last = result.last, last != "\n" { result.append("\n") }
    return result
}

/// Where the part of a text to measure on begins, behind the part to learn.
struct TextSplit: Equatable {
    let start: Int
    /// Whether a line begins there too.
    let isBetweenLines: Bool

    /// Divides a text so that about `devFraction` of it is to measure on, and each part has
    /// at least one scalar.
    ///
    /// The last `devFraction` of the lines are, unless there are so few lines, or so uneven
    /// ones, that a part would be less than half, or more than twice, of what is asked for: then
    /// the text is divided within a line.
    ///
    /// - Precondition: the text has at least two scalars, the last of which is a line feed.
    init(_ text: [Unicode.Scalar], devFraction: Double) {
        precondition(text.count >= 2, "text: expected at least 2 scalars, found \(text.count)")
        func developmentCount(of count: Int) -> Int {
            min(max(Int((Double(count) * devFraction).rounded()), 1), count - 1)
        }
        let lineCount = text.count { $0 == "\n" }
        if lineCount >= 2 {
            var lines = developmentCount(of: lineCount)
            let start =
                text.indices.dropLast().last {
                    if text[$0] == "\n" { lines -= 1 }
                    return lines == 0
                }! + 1
            let share = Double(text.count - start) / Double(text.count)
            let lowest = max(devFraction / 2, 1 - 2 * (1 - devFraction))
            let highest = min(devFraction * 2, 1 - (1 - devFraction) / 2)
            if (lowest...highest).contains(share) {
                (self.start, isBetweenLines) = (start, true)
                return
            }
        }
        (start, isBetweenLines) = (text.count - developmentCount(of: text.count), false)
    }
}
