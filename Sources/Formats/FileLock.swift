#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A lock that keeps two processes from making one file. It ends with its process, however that ends.
///
/// What is locked is an empty file of its own beside the other, `.NAME.lock`, whose place no other file takes; who holds the lock
/// last takes it away.
public final class FileLock {
    private let path: String
    private let file: Descriptor

    /// - Throws: `EWOULDBLOCK` where somebody else holds it, or what open(2) says.
    public init(of path: String) throws(FileError) {
        let bytes = path.pathBytes, name = bytes.split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false).last!
        let lock = String(pathBytes: bytes.dropLast(name.count) + Array(".".utf8) + name + Array(".lock".utf8))
        while true {
            let file = try Descriptor(lock, O_RDONLY | O_CREAT | O_NOFOLLOW | O_NONBLOCK, mode: 0o666)
            do {
                try file.lock()
            } catch where [ENOLCK, EOPNOTSUPP, ENOSYS, EINVAL].contains(error.code) {
                // A file system without locks.
            }
            // Who held it may have taken the file away before it was locked: a third can make it anew.
            if let there = FileStatus(lock), try file.status().isSame(as: there) {
                self.path = lock
                self.file = file
                return
            }
        }
    }

    deinit {
        // One with contents is somebody's own.
        if let status = try? file.status(), status.size == 0 { _ = unsafe unlink(path.cPath) }
    }
}
