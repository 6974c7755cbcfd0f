/// File systems know names as bytes; Swift's strings hold Unicode alone. A byte of a name that is
/// not UTF-8 stands in a string as one of the last scalars of the last private plane, U+10FF80 to
/// U+10FFFF, and so do the bytes of these scalars themselves: every name has one string, and that
/// string gives every byte back. All functions here that take a path take it so.
extension String {
    /// The string that stands for a path of these bytes: the text that they are in UTF-8, with a
    /// scalar for each byte that is no text.
    public init(pathBytes bytes: some Collection<UInt8>) {
        self = ""
        var rest = Array(bytes)[...]
        while let first = rest.first {
            let text = String(validating: rest.prefix(utf8Length(first)), as: UTF8.self)?
                .unicodeScalars
            if let text, text.count == 1, text.first!.pathByte == nil {
                unicodeScalars.append(text.first!)
                rest.removeFirst(utf8Length(first))
            } else {
                unicodeScalars.append(Unicode.Scalar(0x10FF00 + UInt32(first))!)
                rest.removeFirst()
            }
        }
    }

    /// The bytes of the path that the string stands for.
    public var pathBytes: [UInt8] {
        unicodeScalars.flatMap { scalar in
            scalar.pathByte.map { [$0] } ?? Array(UTF8.encode(scalar)!)
        }
    }

    /// As the C library takes a path.
    var cPath: [CChar] { pathBytes.map { CChar(bitPattern: $0) } + [0] }
}

extension Unicode.Scalar {
    /// The byte that is not UTF-8 for which the scalar stands in a path.
    public var pathByte: UInt8? {
        (0x10FF80...0x10FFFF).contains(value) ? UInt8(truncatingIfNeeded: value) : nil
    }
}

/// How many bytes of UTF-8 begin with this one; 1 where none do.
private func utf8Length(_ first: UInt8) -> Int {
    switch first {
    case 0xC2...0xDF: 2
    case 0xE0...0xEF: 3
    case 0xF0...0xF4: 4
    default: 1
    }
}
