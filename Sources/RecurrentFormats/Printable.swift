extension Unicode.Scalar {
    /// Whether it shows as itself on a terminal: not a control (C0, DEL, C1), a separator of lines,
    /// a change of the writing direction, or what has no shape of its own.
    package var isPrintable: Bool {
        let hidden: [Unicode.GeneralCategory] = [
            .control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .surrogate,
            .unassigned,
        ]
        return !hidden.contains(properties.generalCategory)
    }

    /// As a Swift literal has it where it is not printable, `\n`, `\u{1B}`, and `\xff` where it
    /// stands for a byte of a path that is no text.
    package var printable: String {
        if let byte = pathByte { return "\\x" + String(byte, radix: 16) }
        return isPrintable ? String(self) : escaped(asASCII: true)
    }
}

extension String {
    /// Safe to show on one line of a terminal, whatever a file or a person may have put in, and no
    /// longer than `limit` scalars: of more of them, the first half and the last.
    package func printable(limit: Int = .max) -> String {
        let scalars = unicodeScalars
        let count = scalars.count
        func text(_ part: some Sequence<Unicode.Scalar>) -> String {
            part.reduce(into: "") { $0 += $1.printable }
        }
        guard count > limit else { return text(scalars) }
        return text(scalars.prefix(limit / 2)) + "…" + text(scalars.suffix(limit / 2))
    }

    /// What a message quotes of a text that may be of any length.
    package var excerpt: String { printable(limit: 256) }
}
