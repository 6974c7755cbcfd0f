extension Safetensors {
    /// The contents of a file that holds `tensors` as F32, in the order given, and `metadata`, its
    /// keys sorted: the same bytes every time.
    ///
    /// - Throws: what the reader, given the same `headerLimit`, would refuse.
    public static func encode(
        _ tensors: [Tensor], metadata: [String: String] = [:], headerLimit: Int = defaultHeaderLimit
    ) throws(FormatError) -> [UInt8] {
        let items = tensors.map { (name: $0.name, elementType: ElementType.f32, shape: $0.shape) }
        var bytes = try encodeHeader(items, metadata: metadata, limit: headerLimit)
        bytes.reserveCapacity(
            bytes.count + tensors.reduce(0) { $0 + $1.values.count * ElementType.f32.bits / 8 })
        for tensor in tensors {
            for value in tensor.values { bytes.append(littleEndian: value.bitPattern) }
        }
        return bytes
    }

    /// All that stands in front of the data of such a file: the length, and the JSON text, padded
    /// with spaces so that the data begins at a multiple of eight bytes.
    public static func encodeHeader(
        _ tensors: [(name: String, elementType: ElementType, shape: [Int])],
        metadata: [String: String], limit: Int
    ) throws(FormatError) -> [UInt8] {
        guard tensors.count <= tensorLimit else {
            throw FormatError(
                .tensorLimit, expected: "at most \(tensorLimit)", found: "\(tensors.count)")
        }
        var members: [String] = []
        if !metadata.isEmpty {
            for key in metadata.keys where key.utf8.count > JSONScanner.wordLimit {
                throw FormatError(
                    .wordLength, expected: "at most \(JSONScanner.wordLimit) bytes",
                    found: "\(key.utf8.count)")
            }
            let strings = metadata.sorted { $0.key < $1.key }.map {
                quoted($0.key) + ":" + quoted($0.value)
            }
            members.append(quoted(metadataKey) + ":{" + strings.joined(separator: ",") + "}")
        }
        var names: Set<String> = [metadataKey]
        var offset = 0
        for tensor in tensors {
            try checkName(tensor.name)
            guard names.insert(tensor.name).inserted else {
                throw FormatError(
                    .duplicate, tensor: tensor.name, expected: "every name once", found: "it again")
            }
            guard tensor.shape.count <= rankLimit else {
                throw FormatError(
                    .rank, tensor: tensor.name, expected: "at most \(rankLimit)",
                    found: "\(tensor.shape.count)")
            }
            let end = offset + (try byteCount(tensor.name, tensor.elementType, tensor.shape))
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            let type = tensor.elementType.rawValue
            members.append(
                quoted(tensor.name)
                    + """
                    :{"dtype":"\(type)","shape":[\(shape)],"data_offsets":[\(offset),\(end)]}
                    """
            )
            offset = end
        }
        let text = Array(("{" + members.joined(separator: ",") + "}").utf8)
        let alignment = 8
        let header =
            text
            + Array(repeating: Byte.space, count: (alignment - text.count % alignment) % alignment)
        guard header.count <= limit else {
            throw FormatError(
                .headerLimit, expected: "at most \(limit) bytes", found: "\(header.count)")
        }
        var bytes: [UInt8] = []
        bytes.append(littleEndian: UInt64(header.count))
        return bytes + header
    }

    /// A JSON string.
    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"", "\\": result += "\\" + String(scalar)
            case "\0"..<" ":
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}

extension [UInt8] {
    fileprivate mutating func append<T: FixedWidthInteger>(littleEndian value: T) {
        for shift in stride(from: 0, to: T.bitWidth, by: 8) {
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }
}
