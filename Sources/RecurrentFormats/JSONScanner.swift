/// Reads JSON (RFC 8259) value by value, as its caller's schema asks for them. Nothing is built
/// that was not asked for, and nothing recurses, so the nesting of the text costs nothing: a
/// bracket that the schema has no place for is a syntax error.
struct JSONScanner {
    private let bytes: [UInt8]
    private(set) var position: Int
    private let end: Int
    /// The tensor that is being read, for the errors.
    var tensor: String?

    /// - Precondition: `range` of `bytes` is valid UTF-8.
    init(_ bytes: [UInt8], _ range: Range<Int>) {
        self.bytes = bytes
        position = range.lowerBound
        end = range.upperBound
    }

    /// The longest key or word, in bytes. Swift compares and hashes strings in a normal form, in a
    /// time that grows with the square of the number of combining marks in a row: text that is to
    /// be compared has to be short.
    static let wordLimit = 256

    /// Reads an object; `member` reads the value of each key. A key that occurs twice after
    /// unescaping is an error; so are keys that differ in Unicode normalization only, which Swift
    /// takes for the same.
    mutating func object(_ member: (inout JSONScanner, String) throws(FormatError) -> Void)
        throws(FormatError)
    {
        try take("{")
        if takeIfPresent("}") { return }
        var keys: Set<String> = []
        repeat {
            let key = try word()
            guard keys.insert(key).inserted else {
                throw error(.duplicate, expected: "every key once", found: "\"\(key)\" again")
            }
            try take(":")
            try member(&self, key)
        } while takeIfPresent(",")
        try take("}")
    }

    /// Reads an array of at most `limit` integers; more of them are a `problem`.
    mutating func integers(limit: Int, _ problem: FormatError.Problem) throws(FormatError) -> [Int]
    {
        var values: [Int] = []
        try take("[")
        if takeIfPresent("]") { return values }
        repeat {
            guard values.count < limit else {
                throw error(problem, expected: "at most \(limit) integers", found: "more")
            }
            values.append(try integer())
        } while takeIfPresent(",")
        try take("]")
        return values
    }

    /// Reads an integer without sign, fraction, exponent or leading zeros, at most 2^53: what every
    /// reader of JSON reads exactly.
    mutating func integer() throws(FormatError) -> Int {
        let largest = Int(clamping: 1 << 53 as Int64)
        skipWhitespace()
        let start = position
        var value = 0
        while let digit = peek(), digit >= Byte.zero, digit <= Byte.nine, value <= largest {
            value = value * 10 + Int(digit - Byte.zero)
            position += 1
        }
        let zeros = position - start > 1 && bytes[start] == Byte.zero
        let isPlain =
            position > start && !zeros && value <= largest
            && !(peek().map(Byte.numberTail.contains) ?? false)
        guard isPlain else {
            throw error(.integer, expected: "digits", found: excerpt(from: start))
        }
        return value
    }

    /// Reads a string that is to be compared with others.
    mutating func word() throws(FormatError) -> String {
        let word = try string()
        guard word.utf8.count <= Self.wordLimit else {
            throw error(
                .wordLength, expected: "at most \(Self.wordLimit) bytes",
                found: "\(word.utf8.count)")
        }
        return word
    }

    /// Reads a string of any length.
    mutating func string() throws(FormatError) -> String {
        try take("\"")
        var text: [UInt8] = []
        var start = position
        while let byte = peek(), byte != Byte.quote {
            guard byte >= Byte.space else {
                throw error(.syntax, expected: "an escape for a control character", found: here)
            }
            if byte == Byte.backslash {
                text += bytes[start..<position]
                try escape(into: &text)
                start = position
            } else {
                position += 1
            }
        }
        text += bytes[start..<position]
        try take("\"", skippingWhitespace: false)
        return String(decoding: text, as: UTF8.self)
    }

    private mutating func escape(into text: inout [UInt8]) throws(FormatError) {
        position += 1
        guard let byte = peek() else { throw error(.escape, expected: "a character", found: here) }
        if byte == UInt8(ascii: "u") {
            text += Array(String(try unicodeEscape()).utf8)
        } else {
            guard let meant = Byte.escapes[byte] else {
                throw error(.escape, expected: "one of \"\\/bfnrtu", found: here)
            }
            text.append(meant)
            position += 1
        }
    }

    /// Reads from the u of \uXXXX on, and the second half of a surrogate pair with it.
    private mutating func unicodeEscape() throws(FormatError) -> Unicode.Scalar {
        let start = position
        var units = [try hexUnit()]
        if UTF16.isLeadSurrogate(units[0]), peek() == Byte.backslash {
            position += 1
            units.append(try hexUnit())
        }
        var decoder = UTF16()
        var iterator = units.makeIterator()
        guard case .scalarValue(let scalar) = decoder.decode(&iterator) else {
            throw error(.escape, expected: "whole surrogate pairs", found: excerpt(from: start))
        }
        return scalar
    }

    private mutating func hexUnit() throws(FormatError) -> UInt16 {
        let start = position
        position += 1
        var unit: UInt16 = 0
        let digits = 4
        for _ in 0..<digits {
            guard let byte = peek(), bytes[start] == UInt8(ascii: "u"),
                let digit = Character(Unicode.Scalar(byte)).hexDigitValue
            else {
                throw error(
                    .escape, expected: "u and four hexadecimal digits", found: excerpt(from: start))
            }
            unit = unit << 4 | UInt16(digit)
            position += 1
        }
        return unit
    }

    private mutating func take(_ character: Unicode.Scalar, skippingWhitespace: Bool = true)
        throws(FormatError)
    {
        if skippingWhitespace { skipWhitespace() }
        guard peek() == UInt8(ascii: character) else {
            throw error(.syntax, expected: "'\(character)'", found: here)
        }
        position += 1
    }

    private mutating func takeIfPresent(_ character: Unicode.Scalar) -> Bool {
        skipWhitespace()
        guard peek() == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func skipWhitespace() {
        while let byte = peek(), Byte.whitespace.contains(byte) { position += 1 }
    }

    private func peek() -> UInt8? { position < end ? bytes[position] : nil }

    private var here: String { excerpt(from: position) }

    /// The text at a position, for an error.
    private func excerpt(from start: Int) -> String {
        guard start < end else { return "the end of the header" }
        let length = 24
        return "'" + String(decoding: bytes[start..<min(end, start + length)], as: UTF8.self)
            + "' at byte \(start)"
    }

    func error(_ problem: FormatError.Problem, expected: String, found: String) -> FormatError {
        FormatError(problem, tensor: tensor, expected: expected, found: found)
    }
}

/// The bytes that JSON gives a meaning to.
enum Byte {
    static let space = UInt8(ascii: " ")
    static let quote = UInt8(ascii: "\"")
    static let backslash = UInt8(ascii: "\\")
    static let zero = UInt8(ascii: "0")
    static let nine = UInt8(ascii: "9")
    static let whitespace = Array(" \t\r\n".utf8)
    /// What may go on with a number once its integer part is over, or should not have begun.
    static let numberTail = Array("0123456789.eE+-".utf8)
    /// The meaning of the character behind a backslash.
    static let escapes: [UInt8: UInt8] = [
        quote: quote, backslash: backslash, UInt8(ascii: "/"): UInt8(ascii: "/"),
        UInt8(ascii: "b"): 0x08, UInt8(ascii: "f"): 0x0C,
        UInt8(ascii: "n"): 0x0A, UInt8(ascii: "r"): 0x0D, UInt8(ascii: "t"): 0x09,
    ]
}
