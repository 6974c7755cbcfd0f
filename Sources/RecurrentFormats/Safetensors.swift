/// A file of named tensors: https://github.com/huggingface/safetensors. A length of eight bytes,
/// little-endian; a JSON header of that length; the data, little-endian, in C order, without holes.
///
/// The reader is strict: everything that the header claims is checked against the bytes that are
/// there before any of it is used.
public struct Safetensors: Sendable {
    /// What the header says of one tensor.
    public struct Entry: Equatable, Sendable {
        public let name: String
        public let elementType: ElementType
        public let shape: [Int]
        /// Where the data is, from the beginning of the file.
        let range: Range<Int>
    }

    /// The limit of a header's length unless the caller has another: 1 MiB.
    public static let defaultHeaderLimit = 1 << 20
    static let prefixLength = 8
    static let tensorLimit = 4096
    static let rankLimit = 8
    static let nameLengths = 1...JSONScanner.wordLimit
    static let metadataKey = "__metadata__"

    /// The strings that came with the tensors.
    public let metadata: [String: String]
    /// The tensors, in the order of their data; behind them, in one that was made by
    /// `resolvingAliases`, the aliases.
    public let entries: [Entry]
    private let bytes: [UInt8]
    private let positions: [String: Int]

    /// Reads the header of the file whose contents are `bytes`.
    /// - Throws: the first thing that is wrong with the file.
    public init(_ bytes: [UInt8], headerLimit: Int = Safetensors.defaultHeaderLimit)
        throws(FormatError)
    {
        let header = try Header(bytes, fileLength: bytes.count, limit: headerLimit)
        self.init(bytes, metadata: header.metadata, entries: header.entries)
    }

    private init(_ bytes: [UInt8], metadata: [String: String], entries: [Entry]) {
        self.bytes = bytes
        self.metadata = metadata
        self.entries = entries
        positions = Dictionary(uniqueKeysWithValues: entries.enumerated().map { ($1.name, $0) })
    }

    /// The same file with the tensors that `safetensors.torch.save_model` has left out, because
    /// they share their memory with another: its metadata has under the name of each the name of
    /// the one that was kept.
    public func resolvingAliases() -> Safetensors {
        var metadata = metadata
        let aliases = metadata.compactMap { name, kept -> Entry? in
            guard entry(named: name) == nil, Safetensors.nameLengths.contains(name.utf8.count),
                let original = entry(named: kept)
            else { return nil }
            return Entry(
                name: name, elementType: original.elementType, shape: original.shape,
                range: original.range)
        }.sorted { $0.name < $1.name }
        for alias in aliases { metadata[alias.name] = nil }
        return Safetensors(bytes, metadata: metadata, entries: entries + aliases)
    }

    /// What the header says of the tensor of that name; nil if there is none.
    public func entry(named name: String) -> Entry? { positions[name].map { entries[$0] } }

    /// The tensor of that name, as floats: F32 as it is, F16 and BF16 exactly, F64 rounded.
    public func tensor(named name: String) throws(FormatError) -> Tensor {
        guard let entry = entry(named: name) else {
            throw FormatError(
                .missingTensor, tensor: name, expected: "a tensor of this name", found: "none")
        }
        guard let values = entry.elementType.floats(bytes[entry.range]) else {
            throw FormatError(
                .notFloats, tensor: name, expected: "F32, F64, F16 or BF16",
                found: entry.elementType.rawValue)
        }
        return Tensor(name: name, shape: entry.shape, values: values)
    }
}

// MARK: The header

extension Safetensors {
    /// What a file says of itself in front of its data.
    public struct Header: Sendable {
        /// The strings that came with the tensors.
        public let metadata: [String: String]
        /// The tensors, in the order of their data, which has no holes.
        public let entries: [Entry]
        /// Where the data begins, in bytes.
        public let count: Int

        /// Reads the header of a file from its beginning.
        /// - Throws: the first thing that is wrong with it or with the length of the file.
        public init(_ bytes: [UInt8], fileLength: Int, limit: Int) throws(FormatError) {
            let header = try Safetensors.headerRange(bytes, limit: limit)
            var (entries, metadata) = try Safetensors.parse(bytes, header)
            entries.sort {
                ($0.range.lowerBound, $0.range.upperBound) < (
                    $1.range.lowerBound, $1.range.upperBound
                )
            }
            var end = header.upperBound
            for entry in entries {
                guard entry.range.lowerBound == end else {
                    throw FormatError(
                        .hole, tensor: entry.name,
                        expected: "data from byte \(end - header.upperBound)",
                        found: "\(entry.range.lowerBound - header.upperBound)")
                }
                end = entry.range.upperBound
            }
            guard end == fileLength else {
                throw FormatError(.fileLength, expected: "\(end) bytes", found: "\(fileLength)")
            }
            self.metadata = metadata
            self.entries = entries
            count = header.upperBound
        }

        /// Returns the bytes that `init` needs of a file that is at its beginning, or fewer where
        /// `init` refuses them.
        public static func bytes(_ file: inout FileReader, limit: Int) throws(FileError) -> [UInt8]
        {
            let prefix = try file.next(atMost: prefixLength)
            let length = littleEndian(prefix[...])
            return length <= limit
                ? prefix + (try file.next(atMost: min(Int(length), file.count))) : prefix
        }
    }

    private static func headerRange(_ bytes: [UInt8], limit: Int) throws(FormatError) -> Range<Int>
    {
        guard bytes.count >= prefixLength else {
            throw FormatError(
                .shortFile, expected: "at least \(prefixLength) bytes", found: "\(bytes.count)")
        }
        let length = littleEndian(bytes[..<prefixLength])
        guard length <= limit else {
            throw FormatError(.headerLimit, expected: "at most \(limit) bytes", found: "\(length)")
        }
        let rest = bytes.count - prefixLength
        guard length <= rest else {
            throw FormatError(.headerPastEnd, expected: "at most \(rest) bytes", found: "\(length)")
        }
        let range = prefixLength..<prefixLength + Int(length)
        guard bytes[range].first == UInt8(ascii: "{") else {
            throw FormatError(
                .headerStart, expected: "'{'",
                found: bytes[range].first.map { "byte \($0)" } ?? "an empty header")
        }
        if #available(macOS 26, iOS 26, tvOS 26, watchOS 26, visionOS 26, *) {
            do {
                _ = try UTF8Span(validating: bytes.span.extracting(range))
            } catch {
                let position = range.lowerBound + error.byteOffsets.lowerBound
                throw FormatError(
                    .encoding, expected: "UTF-8", found: "\(error.kind) at byte \(position)")
            }
        } else if String(validating: bytes[range], as: UTF8.self) == nil {
            throw FormatError(.encoding, expected: "UTF-8", found: "another encoding")
        }
        return range
    }

    private static func parse(
        _ bytes: [UInt8], _ header: Range<Int>
    ) throws(FormatError) -> (entries: [Entry], metadata: [String: String]) {
        var entries: [Entry] = []
        var metadata: [String: String] = [:]
        var scanner = JSONScanner(bytes, header)
        try scanner.object { (scanner, name) throws(FormatError) in
            if name == metadataKey {
                try scanner.object { (scanner, key) throws(FormatError) in
                    metadata[key] = try scanner.string()
                }
                return
            }
            guard entries.count < tensorLimit else {
                throw FormatError(.tensorLimit, expected: "at most \(tensorLimit)", found: "more")
            }
            entries.append(try entry(&scanner, name, data: header.upperBound))
        }
        for position in scanner.position..<header.upperBound where bytes[position] != Byte.space {
            throw FormatError(
                .padding, expected: "spaces", found: "byte \(bytes[position]) at byte \(position)")
        }
        return (entries, metadata)
    }

    /// Reads the description of one tensor and checks it in itself; `data` is where the data of the
    /// file begins.
    private static func entry(_ scanner: inout JSONScanner, _ name: String, data: Int)
        throws(FormatError) -> Entry
    {
        try checkName(name)
        scanner.tensor = name
        defer { scanner.tensor = nil }
        var elementType: ElementType?
        var shape: [Int]?
        var offsets: [Int]?
        try scanner.object { (scanner, field) throws(FormatError) in
            switch field {
            case "dtype":
                let type = try scanner.word()
                elementType = ElementType(rawValue: type)
                if elementType == nil {
                    throw scanner.error(
                        .elementType, expected: "a known dtype", found: "\"\(type)\"")
                }
            case "shape": shape = try scanner.integers(limit: rankLimit, .rank)
            case "data_offsets": offsets = try scanner.integers(limit: 2, .offsets)
            default:
                throw scanner.error(
                    .unknownField, expected: "dtype, shape, data_offsets", found: "\"\(field)\"")
            }
        }
        guard let elementType, let shape, let offsets else {
            throw scanner.error(
                .missingField, expected: "dtype, shape and data_offsets", found: "not all of them")
        }
        guard offsets.count == 2, offsets[0] <= offsets[1] else {
            throw scanner.error(.offsets, expected: "[begin, end]", found: "\(offsets)")
        }
        let size = try byteCount(name, elementType, shape)
        guard offsets[1] - offsets[0] == size else {
            throw scanner.error(
                .size, expected: "\(size) bytes of data", found: "\(offsets[1] - offsets[0])")
        }
        // No overflow: offsets are at most 2^53, and `data` lies within the file.
        return Entry(
            name: name, elementType: elementType, shape: shape,
            range: data + offsets[0]..<data + offsets[1])
    }

    static func checkName(_ name: String) throws(FormatError) {
        guard nameLengths.contains(name.utf8.count) else {
            throw FormatError(
                .wordLength, tensor: name,
                expected: "\(nameLengths.lowerBound) to \(nameLengths.upperBound) bytes",
                found: "\(name.utf8.count)")
        }
    }

    static func byteCount(_ name: String, _ elementType: ElementType, _ shape: [Int])
        throws(FormatError) -> Int
    {
        func error(_ problem: FormatError.Problem, _ expected: String) -> FormatError {
            FormatError(
                problem, tensor: name, expected: expected, found: "\(elementType.rawValue) \(shape)"
            )
        }
        // Zeros left out, so that the answer does not depend on their place.
        var count = 1
        for dimension in shape where dimension != 0 {
            let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
            if overflow { throw error(.shapeOverflow, "fewer than 2^63 elements") }
            count = product
        }
        let (bits, overflow) = count.multipliedReportingOverflow(by: elementType.bits)
        if overflow { throw error(.sizeOverflow, "fewer than 2^63 bits") }
        if shape.contains(0) { return 0 }
        if bits % 8 != 0 { throw error(.partialByte, "a multiple of 8 bits") }
        return bits / 8
    }
}
