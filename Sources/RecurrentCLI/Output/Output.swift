import Foundation
import RecurrentFormats

/// Writes to stdout at once.
func printToStandardOutput(_ text: String) throws(Failure) {
    var rest = Array(text.utf8)[...]
    while !rest.isEmpty {
        let count = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
        if count >= 0 {
            rest = rest.dropFirst(count)
        } else if errno != EINTR {
            throw Failure(.inputOutput, "standard output: \(String(cString: strerror(errno)))")
        }
    }
}

/// Writes a file, all of it or nothing.
func writeText(_ path: String, _ text: String) throws(Failure) {
    do {
        try writeFile(path, Array(text.utf8))
    } catch {
        throw Failure(.inputOutput, "\(error)")
    }
}

/// Writes to stderr at once. Where that fails, there is nobody left to tell.
func printToStandardError(_ text: String) {
    try? FileHandle.standardError.write(contentsOf: Data(text.utf8))
}

/// Writes one line to stderr, in the tool's name: printable, and no longer than a screen, whatever
/// of a file or a command line is in it.
func printNotice(_ message: String) {
    let limit = 1024
    printToStandardError("recurrent: \(message.printable(limit: limit))\n")
}

/// Prints one object with keys in snake_case, on one line.
func printJSON(_ report: some Encodable) throws(Failure) {
    let encoder = JSONEncoder()
    encoder.keyEncodingStrategy = .convertToSnakeCase
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
        let json = try String(decoding: encoder.encode(report), as: UTF8.self)
        try printToStandardOutput(json.escapedInJSON + "\n")
    } catch let failure as Failure {
        throw failure
    } catch {
        throw Failure(.software, "report: \(error)")
    }
}

extension String {
    /// JSON on one line, with what is not printable in its strings as `\uXXXX`: the encoder escapes
    /// no more than JSON asks for, which leaves DEL, C1 controls, separators of lines and
    /// bidirectional controls.
    var escapedInJSON: String {
        unicodeScalars.reduce(into: "") { result, scalar in
            if scalar.isPrintable {
                result.unicodeScalars.append(scalar)
            } else {
                for unit in UTF16.encode(scalar)! { result += String(format: "\\u%04x", Int(unit)) }
            }
        }
    }
}

/// A number in JSON, which has none that is infinite: null then. A loss above 709 has no
/// perplexity.
struct NumberOrNull: Encodable {
    private let value: Double

    init(_ value: Double) { self.value = value }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        if value.isFinite { try container.encode(value) } else { try container.encodeNil() }
    }
}

/// A line of a table: the first `leftAligned` cells at the left of their columns, the others at the
/// right.
func tableRow(_ cells: [String], widths: [Int], leftAligned: Int = 1) -> String {
    zip(cells, widths).enumerated().map { column, cell in
        let space = String(repeating: " ", count: max(cell.1 - cell.0.count, 1))
        return column < leftAligned ? cell.0 + space : space + cell.0
    }.joined()
}

extension Double {
    /// With two decimals, or, from a million on, with three digits: perplexities, seconds.
    var rounded: String { String(format: abs(self) < 1e6 ? "%.2f" : "%.2e", self) }
    /// A share, in percent with one decimal.
    var percent: String { String(format: "%.1f %%", 100 * self) }
}

/// 1,234,567
extension Int {
    var grouped: String {
        var digits = String(magnitude)
        var end = digits.endIndex
        while let comma = digits.index(end, offsetBy: -3, limitedBy: digits.startIndex),
            comma > digits.startIndex
        {
            digits.insert(",", at: comma)
            end = comma
        }
        return (self < 0 ? "-" : "") + digits
    }
}
