import Testing

@testable import RecurrentFormats

@Suite struct PrintableTests {
    /// Each control of ASCII, DEL, and each of the second set of controls, which a terminal obeys
    /// as it does ESC and a letter.
    @Test(arguments: Array(0...0x1F) + Array(0x7F...0x9F)) func noControlIsShown(value: Int) {
        let scalar = Unicode.Scalar(UInt32(value))!
        let shown = "a\(scalar)b".printable()
        #expect(
            !scalar.isPrintable
                && shown.unicodeScalars.allSatisfy { (0x20...0x7E).contains($0.value) })
        #expect(shown.hasPrefix("a\\") && shown.hasSuffix("b") && shown.unicodeScalars.count >= 4)
    }

    @Test func escapesAreThoseOfSwift() {
        #expect(
            "\0\t\n\r\u{1B}[2J\u{7F}\u{9B}31m".printable()
                == "\\0\\t\\n\\r\\u{1B}[2J\\u{7F}\\u{009B}31m")
        // Separators of lines and paragraphs, changes of the writing direction, what has no width,
        // no shape or no meaning.
        #expect(
            "\u{2028}\u{2029}\u{202E}\u{2066}\u{200B}\u{FEFF}\u{E000}\u{10F000}\u{10FF9B}"
                .printable()
                    == """
                    \\u{2028}\\u{2029}\\u{202E}\\u{2066}\\u{200B}\\u{FEFF}\
                    \\u{E000}\\u{0010F000}\\x9b
                    """
        )
    }

    @Test func otherTextStaysAsItIs() {
        let text = " ~é\u{301}\u{A0}人𝄞🎼\\\"'<&"
        #expect(text.printable() == text && text.excerpt == text)
        #expect("".printable(limit: 0) == "")
    }

    @Test func whatIsLongIsCutInTheMiddle() {
        #expect("abcdef".printable(limit: 6) == "abcdef")
        #expect("abcdefg".printable(limit: 6) == "abc…efg")
        let long = String(repeating: "x", count: 10_000_000)
        #expect(long.excerpt.unicodeScalars.count == 257)
        let error = FormatError(.syntax, tensor: long, expected: "less", found: long)
        #expect(error.description.unicodeScalars.count < 700)
    }
}
