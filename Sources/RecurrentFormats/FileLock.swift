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

/// A lock that keeps two processes from making one file. It ends with its process, however that
/// ends.
///
/// What is locked is a file of its own beside the other, `.NAME.lock`; who holds the lock last
/// takes it away. A file of that name that we did not make is locked and stays as it is.
public final class FileLock {
    /// What a file of ours says.
    private static let contents = Array("Locked while the file beside it is made.\n".utf8)

    private let path: String
    private let file: Descriptor

    /// - Throws: `EWOULDBLOCK` where somebody else holds it, or what open(2) says.
    public init(of path: String) throws(FileError) {
        let bytes = path.pathBytes
        let name = bytes.split(separator: UInt8(ascii: "/")).last!
        let folder = bytes.dropLast(name.count)
        let lock = String(pathBytes: folder + Array(".".utf8) + name + Array(".lock".utf8))
        while true {
            var opened = try Self.open(lock, O_RDWR | O_CREAT | O_EXCL, but: EEXIST)
            let isNew = opened != nil
            if !isNew { opened = try Self.open(lock, O_RDONLY, but: ENOENT) }
            guard let file = opened.take() else { continue }
            do {
                try file.lock()
            } catch  where [ENOLCK, EOPNOTSUPP, ENOSYS, EINVAL].contains(error.code) {
                // A file system without locks.
            }
            if isNew { try file.write(Self.contents) }
            // Who held it may have taken the file away before it was locked: a third can make it
            // anew.
            if let there = FileStatus(lock), try file.status().isSame(as: there) {
                self.path = lock
                self.file = file
                return
            }
        }
    }

    deinit {
        var found = [UInt8](repeating: 0, count: Self.contents.count + 1)
        guard (try? file.move(to: 0)) != nil, let count = try? file.read(into: &found),
            found.prefix(count).elementsEqual(Self.contents)
        else { return }
        _ = unsafe unlink(path.cPath)
    }

    /// - Returns: nil where open(2) fails with `code`.
    private static func open(
        _ path: String, _ flags: Int32, but code: CInt
    ) throws(FileError) -> Descriptor? {
        do {
            return try Descriptor(path, flags | O_NOFOLLOW | O_NONBLOCK, mode: 0o666)
        } catch  where error.code == code {
            return nil
        }
    }
}
