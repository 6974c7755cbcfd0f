internal import RecurrentFormats

/// What a checkpoint's file says beside its buffers.
enum CheckpointKey {
    /// All of them begin so; no key of the owner's metadata does.
    static let prefix = "recurrent."
    static let version = "recurrent.checkpoint-version", kind = "recurrent.checkpoint"
    static let step = "recurrent.step", updates = "recurrent.updates"
    static let learningRate = "recurrent.learning-rate", momentum = "recurrent.momentum"
    static let lossSum = "recurrent.accumulated-loss", count = "recurrent.accumulated-targets"
}

/// The file of a checkpoint, which is safetensors: metadata, buffers of floats in kernel order, and
/// at the end the CRC-64 of all the bytes in front of it, as a tensor of one U64.
struct CheckpointFile: ~Copyable {
    /// 1 had no checksum, and no key for the version.
    private static let version = "2"
    private static let checksumName = "checksum", checksumLength = MemoryLayout<UInt64>.size
    private static let floatLength = MemoryLayout<Float>.size
    /// Floats that are written or read at once.
    private static let pieceLength = 1 << 18

    private let path: String
    private var file: FileReader
    private let header: Safetensors.Header

    var metadata: [String: String] { header.metadata }

    /// Opens a file and checks all its bytes, in pieces: whatever its length, it takes no memory.
    init(contentsOf path: String) throws(ModelFileError) {
        var file = try reporting { () throws(FileError) in try FileReader(path) }
        let bytes = try reporting { () throws(FileError) in
            try Safetensors.Header.bytes(&file, limit: modelHeaderLimit)
        }
        let header = try Self.readHeader(bytes, fileLength: file.count, path)
        guard try reporting({ () throws(FileError) in try Self.isWhole(&file, header: bytes) })
        else {
            throw ModelFileError(
                path, what: "damaged", expected: "contents that agree with their checksum",
                found: "others")
        }
        self.header = header
        self.file = file
        self.path = path
    }

    private static func readHeader(_ bytes: [UInt8], fileLength: Int, _ path: String)
        throws(ModelFileError) -> Safetensors.Header
    {
        let header: Safetensors.Header
        do {
            header = try Safetensors.Header(bytes, fileLength: fileLength, limit: modelHeaderLimit)
        } catch {
            throw ModelFileError(path, error)
        }
        guard header.metadata[CheckpointKey.kind] != nil else {
            throw ModelFileError(
                path, what: "not a checkpoint", expected: "metadata \(CheckpointKey.kind)",
                found: "none")
        }
        let found = header.metadata[CheckpointKey.version] ?? "1"
        guard found == version else {
            throw ModelFileError(
                path, what: "a checkpoint of another version", expected: version,
                found: """
                    \(found): go on with the release that wrote it, or start anew from the model \
                    beside it
                    """)
        }
        return header
    }

    /// Whether the bytes agree with the checksum behind them.
    private static func isWhole(_ file: inout FileReader, header: [UInt8]) throws(FileError) -> Bool
    {
        var checksum = Checksum()
        var rest = file.count - header.count - checksumLength
        checksum.add(header)
        while rest > 0 {
            let piece = try file.next(atMost: min(rest, pieceLength * floatLength))
            if piece.isEmpty { return false }
            checksum.add(piece)
            rest -= piece.count
        }
        guard rest == 0 else { return false }
        return try file.next(atMost: checksumLength) == checksum.bytes
    }

    /// Returns the floats of `buffers`, which must be all that the file has, in this order.
    mutating func read(_ buffers: [(name: String, count: Int)]) throws(ModelFileError) -> [[Float]]
    {
        let expected = Self.tensors(buffers)
        for (index, tensor) in expected.enumerated() {
            let found = index < header.entries.count ? header.entries[index] : nil
            guard let found, found.name == tensor.name, found.elementType == tensor.elementType,
                found.shape == tensor.shape
            else {
                let name =
                    found.map { "\($0.name): \($0.elementType.rawValue) \($0.shape)" } ?? "none"
                throw ModelFileError(
                    path, what: "not the tensors of this training",
                    expected: """
                        \(tensor.name): \(tensor.elementType.rawValue) \(tensor.shape)
                        """, found: name)
            }
        }
        guard header.entries.count == expected.count else {
            throw ModelFileError(
                path, what: "unexpected tensor", expected: "\(expected.count) tensors",
                found: "\(header.entries.count), with \(header.entries[expected.count].name)")
        }
        try reporting { () throws(FileError) in try file.move(to: header.count) }
        var values: [[Float]] = []
        for buffer in buffers { values.append(try readFloats(buffer)) }
        return values
    }

    private mutating func readFloats(_ buffer: (name: String, count: Int)) throws(ModelFileError)
        -> [Float]
    {
        var values: [Float] = []
        values.reserveCapacity(buffer.count)
        while values.count < buffer.count {
            let count = min(buffer.count - values.count, Self.pieceLength)
            let bytes = try reporting { () throws(FileError) in
                try file.next(atMost: count * Self.floatLength)
            }
            guard bytes.count == count * Self.floatLength else {
                throw ModelFileError(
                    path, what: buffer.name, expected: "\(buffer.count) floats",
                    found: "the end of the file")
            }
            unsafe bytes.withUnsafeBytes { bytes in
                for index in 0..<count {
                    let bits = unsafe bytes.loadUnaligned(
                        fromByteOffset: index * Self.floatLength, as: UInt32.self)
                    values.append(Float(bitPattern: UInt32(littleEndian: bits)))
                }
            }
        }
        try Self.checkFinite(values.span, buffer.name, path)
        return values
    }

    /// Writes a checkpoint of buffers, without a copy of them; a value that is NaN or infinite,
    /// which could not be read again, is refused.
    static func write(
        _ path: String, permissionsOf other: String?, metadata: [String: String],
        _ buffers: [(name: String, memory: UnsafeMutableBufferPointer<Float>)]
    ) throws(ModelFileError) {
        for unsafe(name, memory) in unsafe buffers {
            try checkFinite(unsafe memory.span, name, path)
        }
        let header: [UInt8]
        let all = metadata.merging([CheckpointKey.version: version]) { _, new in new }
        do {
            header = try Safetensors.encodeHeader(
                tensors(unsafe buffers.map { unsafe (name: $0.name, count: $0.memory.count) }),
                metadata: all,
                limit: modelHeaderLimit)
        } catch {
            throw ModelFileError(path, error)
        }
        var checksum = Checksum()
        try reporting { () throws(FileError) in
            try writeFile(path, permissionsOf: other) { write throws(FileError) in
                func put(_ bytes: [UInt8]) throws(FileError) {
                    checksum.add(bytes)
                    try write(bytes)
                }
                try put(header)
                for unsafe(_, memory) in unsafe buffers {
                    for start in stride(from: 0, to: memory.count, by: pieceLength) {
                        try put(
                            unsafe bytes(of: memory[start..<min(start + pieceLength, memory.count)])
                        )
                    }
                }
                try write(checksum.bytes)
            }
        }
    }

    /// Little-endian.
    private static func bytes(of floats: Slice<UnsafeMutableBufferPointer<Float>>) -> [UInt8] {
        let length = unsafe floats.count * floatLength
        return unsafe [UInt8](unsafeUninitializedCapacity: length) { bytes, count in
            for index in 0..<length / floatLength {
                let bits = unsafe floats[floats.startIndex + index].bitPattern.littleEndian
                unsafe UnsafeMutableRawBufferPointer(bytes).storeBytes(
                    of: bits, toByteOffset: index * floatLength, as: UInt32.self)
            }
            count = length
        }
    }

    private static func tensors(_ buffers: [(name: String, count: Int)]) -> [(
        name: String, elementType: ElementType, shape: [Int]
    )] {
        buffers.map { (name: $0.name, elementType: .f32, shape: [$0.count]) } + [
            (name: checksumName, elementType: .u64, shape: [1])
        ]
    }

    private static func checkFinite(_ values: Span<Float>, _ name: String, _ path: String)
        throws(ModelFileError)
    {
        for index in values.indices where !values[index].isFinite {
            throw ModelFileError(
                path, what: "\(name): not a number that can be computed with",
                expected: "finite floats",
                found: "\(values[index]) at index \(index)")
        }
    }
}

/// Calls `body`, which reads or writes a file.
private func reporting<Result: ~Copyable>(_ body: () throws(FileError) -> Result)
    throws(ModelFileError) -> Result
{
    do {
        return try body()
    } catch {
        throw ModelFileError(error)
    }
}
