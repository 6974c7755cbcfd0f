import RecurrentFormats

/// The contents of a safetensors file with this header, padded with spaces by `padding`, and this
/// many bytes of data.
func contents(_ header: String, dataCount: Int = 0, padding: Int = 0) -> [UInt8] {
    contents(Array((header + String(repeating: " ", count: padding)).utf8), dataCount: dataCount)
}

func contents(_ header: [UInt8], dataCount: Int = 0) -> [UInt8] {
    prefix(UInt64(header.count)) + header
        + (0..<dataCount).map { UInt8(truncatingIfNeeded: $0 * 37 + 1) }
}

/// Eight bytes, lowest first.
func prefix(_ length: UInt64) -> [UInt8] {
    (0..<8).map { UInt8(truncatingIfNeeded: length >> ($0 * 8)) }
}

/// A header's member for one tensor.
func member(
    _ name: String = "a", _ dtype: String = "F32", _ shape: String = "[1]",
    _ offsets: String = "[0,4]"
) -> String {
    "\"\(name)\":{\"dtype\":\"\(dtype)\",\"shape\":\(shape),\"data_offsets\":\(offsets)}"
}

/// Why the reader refuses a file; nil if it takes it.
func refusal(_ bytes: [UInt8], headerLimit: Int = Safetensors.defaultHeaderLimit) -> FormatError? {
    do {
        _ = try Safetensors(bytes, headerLimit: headerLimit)
        return nil
    } catch {
        return error
    }
}

/// A file of Tests/Golden.
func golden(_ name: String) throws -> Safetensors {
    let tests = #filePath.split(separator: "/").dropLast(2).joined(separator: "/")
    return try Safetensors(readFile("/\(tests)/Golden/\(name).safetensors"))
}
