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

/// A new file under a name of its own, which is removed with its owner unless it has taken
/// another's place.
///
/// Its lock is held while it is open. A process that is killed leaves the file behind, but not the
/// lock: the next one that makes a temporary file in the same folder removes every such file that
/// nobody has locked. No other name is ever touched.
struct TemporaryFile: ~Copyable {
    private static let prefix = ".recurrent-", suffix = ".tmp"
    private static let digits = 16

    let file: Descriptor
    private let path: String
    private var isTemporary = true

    private init(_ file: consuming Descriptor, _ path: String) {
        self.file = file
        self.path = path
    }

    deinit { if isTemporary { remove(path) } }

    /// - Parameter folder: ends with a slash.
    static func make(in folder: String, mode: mode_t) throws(FileError) -> TemporaryFile {
        removeAbandoned(in: folder)
        // Chance gives no name twice; what is there all the same is not ours.
        for _ in 0..<16 {
            let path = folder + prefix + hexadecimal(UInt64.random(in: 0 ... .max)) + suffix
            do {
                let flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW
                let temporary = TemporaryFile(try Descriptor(path, flags, mode: mode), path)
                do {
                    try temporary.file.lock()
                } catch  where error.code != EWOULDBLOCK {
                    // No locks on this file system: nobody can lock what was left behind either.
                }
                // Another process may have found it before it was locked, and removed it.
                if try temporary.file.status().linkCount > 0 { return temporary }
            } catch  where error.code == EEXIST || error.code == EWOULDBLOCK {}
        }
        throw FileError(path: folder, code: EEXIST)
    }

    /// Takes the place of what is at `other`, in the same folder.
    mutating func replace(_ other: String) throws(FileError) {
        let (from, to) = (path.cPath, other.cPath)
        try uninterrupted(path) { unsafe rename(from, to) }
        isTemporary = false
    }

    private static func removeAbandoned(in folder: String) {
        for name in names(in: folder) where isTemporaryName(name) {
            let path = folder + name
            guard let file = try? Descriptor(path, O_RDWR | O_NOFOLLOW | O_NONBLOCK),
                let status = try? file.status(), status.kind == .file, status.linkCount == 1,
                (try? file.lock()) != nil
            else { continue }
            remove(path)
        }
    }

    private static func isTemporaryName(_ name: String) -> Bool {
        let random = name.utf8.dropFirst(prefix.utf8.count).dropLast(suffix.utf8.count)
        return name.hasPrefix(prefix) && name.hasSuffix(suffix) && random.count == digits
            && random.allSatisfy("0123456789abcdef".utf8.contains)
    }

    private static func hexadecimal(_ number: UInt64) -> String {
        let text = String(number, radix: 16)
        return String(repeating: "0", count: digits - text.count) + text
    }
}

private func remove(_ path: String) { _ = unsafe unlink(path.cPath) }

/// The names in a folder; none where it cannot be read.
private func names(in folder: String) -> [String] {
    guard let stream = unsafe opendir(folder.cPath) else { return [] }
    defer { unsafe closedir(stream) }
    let offset = MemoryLayout<dirent>.offset(of: \.d_name)!
    var names: [String] = []
    while let entry = unsafe readdir(stream) {
        // Not as a tuple, which reaches past the end of a short entry.
        let name = unsafe UnsafeRawPointer(entry).advanced(by: offset)
        let length = unsafe strlen(name.assumingMemoryBound(to: CChar.self))
        unsafe names.append(String(pathBytes: UnsafeRawBufferPointer(start: name, count: length)))
    }
    return names
}
