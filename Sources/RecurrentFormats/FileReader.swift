#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#elseif canImport(Android)
    import Android
#elseif canImport(WASILibc)
    import WASILibc
#elseif os(Windows)
    import WinSDK
#else
    import Glibc
#endif

/// A file that is read piece by piece, closed with its owner.
public struct FileReader: ~Copyable {
    /// A good length of a piece: 1 MiB.
    static let pieceLength = 1 << 20

    private let file: Descriptor
    /// Its length when it was opened, in bytes.
    public let count: Int

    /// - Throws: `EISDIR` for a folder, `EINVAL` for what is no file, else what open(2) says.
    public init(_ path: String) throws(FileError) {
        try checkPath(path)
        let file = try Descriptor(path, O_RDONLY | O_NONBLOCK | O_NOCTTY)
        let status = try file.status()
        guard status.kind == .file else {
            throw FileError(path: path, code: status.kind == .folder ? EISDIR : EINVAL)
        }
        count = status.size
        self.file = file
    }

    /// Returns the next bytes, at most `limit` of them and none only at the end of the file.
    public mutating func next(atMost limit: Int) throws(FileError) -> [UInt8] {
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: min(limit, Self.pieceLength))
        while bytes.count < limit {
            if limit - bytes.count < piece.count {
                piece.removeLast(piece.count - (limit - bytes.count))
            }
            let more = try file.read(into: &piece)
            if more == 0 { break }
            bytes += piece[..<more]
        }
        return bytes
    }

    /// Goes on reading at `offset`, in bytes from the beginning.
    public mutating func move(to offset: Int) throws(FileError) { try file.move(to: offset) }
}
