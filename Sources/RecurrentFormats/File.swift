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

/// A file that could not be read or written. The description is one line: the path and the reason.
public struct FileError: Error, Equatable, CustomStringConvertible, Sendable {
    public let path: String
    /// The C library's `errno`.
    public let code: Int32
    /// What the C library says of `code`, unless more is known.
    public let reason: String

    init(path: String, code: Int32, reason: String? = nil) {
        self.path = path
        self.code = code
        self.reason = unsafe reason ?? String(cString: strerror(code))
    }

    public var description: String { "\(path.printable()): \(reason)" }
}

/// The limit of what `readFile` takes unless the caller has another: 1 GiB.
public let defaultFileLimit = 1 << 30

/// Returns the contents of the file at `path`, which may also be a pipe or a terminal, but not a
/// folder or another device.
///
/// A pipe is read until all who write into it have closed it. One that nobody has opened to write
/// is waited for, for 5 seconds.
///
/// - Throws: `EFBIG` if there are more than `limit` bytes, or in a pipe more than an eighth of the
///   address space that this process may have, `EINVAL` for a device, `ETIMEDOUT` for a
///   pipe without a writer, else what open(2) and read(2) say.
public func readFile(_ path: String, limit: Int = defaultFileLimit) throws(FileError) -> [UInt8] {
    try readFile(path, limit: limit, patience: 5000)
}

/// - Parameter patience: how many milliseconds a pipe is waited for that nobody has opened to
///   write.
func readFile(_ path: String, limit: Int, patience: Int) throws(FileError) -> [UInt8] {
    func tooLarge(_ found: String, limit: Int) -> FileError {
        let reason = "file too large; expected at most \(limit) bytes, found \(found)"
        return FileError(path: path, code: EFBIG, reason: reason)
    }
    try checkPath(path)
    // Otherwise opening a pipe would wait for a writer for ever.
    let file = try Descriptor(path, O_RDONLY | O_NONBLOCK | O_NOCTTY)
    let status = try file.status()
    guard status.kind != .folder else { throw FileError(path: path, code: EISDIR) }
    guard status.kind != .other || file.isTerminal else {
        throw FileError(path: path, code: EINVAL, reason: "a device; expected a file or a pipe")
    }
    guard status.size <= limit else { throw tooLarge("\(status.size)", limit: limit) }
    let limit = status.kind == .file ? limit : min(limit, addressSpaceLimit / 8)
    var bytes: [UInt8] = []
    bytes.reserveCapacity(min(status.size, defaultFileLimit))
    var chunk = [UInt8](repeating: 0, count: 1 << 18)
    var isOpenedToWrite = status.kind != .pipe
    var waited = 0
    while true {
        let count: Int
        do {
            count = try file.read(into: &chunk)
        } catch  where error.code == EAGAIN {
            isOpenedToWrite = try file.awaitInput(milliseconds: -1)
            continue
        }
        if count == 0, !isOpenedToWrite {
            guard waited < patience else {
                throw FileError(
                    path: path, code: ETIMEDOUT,
                    reason:
                        "a pipe into which nobody writes; expected a writer within \(patience) ms")
            }
            let pause = 50
            isOpenedToWrite = try file.awaitInput(milliseconds: Int32(pause))
            waited += pause
            continue
        }
        guard count > 0 else { return bytes }
        isOpenedToWrite = true
        guard count <= limit - bytes.count else { throw tooLarge("more", limit: limit) }
        bytes += chunk[..<count]
    }
}

/// Makes `bytes` the contents of the file at `path`, wholly or not at all: they go to a temporary
/// file in the same folder, are synced, and take the place of what was there, whose permissions
/// they keep. A symbolic link at `path` is replaced, not followed.
///
/// - Parameter other: a file whose permissions a new one gets, if it is there.
/// - Throws: `EINVAL` if something other than a file is there, else what the C library says. What
///   was at `path` is then still there, unless it is the sync of the folder, after all the rest,
///   that failed.
public func writeFile(
    _ path: String, _ bytes: [UInt8], permissionsOf other: String? = nil
) throws(FileError) {
    try writeFile(path, permissionsOf: other) { write throws(FileError) in try write(bytes) }
}

/// The same for contents that are made piece by piece: `body` gives them to its argument, one after
/// the other.
public func writeFile(
    _ path: String, permissionsOf other: String? = nil,
    body: (_ write: ([UInt8]) throws(FileError) -> Void) throws(FileError) -> Void
) throws(FileError) {
    do {
        try checkPath(path)
        let folder = folder(of: path)
        let directory = try Descriptor(folder, O_RDONLY | O_DIRECTORY)
        var permissions = try replaceable(path)?.permissions
        if permissions == nil, let other { permissions = FileStatus(other)?.permissions }
        // Nobody may read what those may not who could not read what was there.
        var temporary = try TemporaryFile.make(in: folder, mode: permissions == nil ? 0o666 : 0o600)
        try body { bytes throws(FileError) in try temporary.file.write(bytes) }
        if let permissions { try temporary.file.setPermissions(permissions) }
        try temporary.file.synchronize()
        try temporary.replace(path)
        do {
            try directory.synchronize()
        } catch  where error.code == EINVAL {
            // Some file systems cannot sync a folder.
        }
    } catch {
        // Not the folder or the temporary file: the path that the caller knows.
        throw FileError(path: path, code: error.code)
    }
}

/// Throws what `writeFile` would most likely throw, before there is anything to write, and `EACCES`
/// for a file that may not be written. Leaves everything as it is: what it makes for a moment has
/// the name of a temporary file.
public func checkWritable(_ path: String) throws(FileError) {
    do {
        try checkPath(path)
        if try replaceable(path) != nil {
            let name = path.cPath
            try uninterrupted(path) { unsafe access(name, W_OK) }
        }
        _ = try TemporaryFile.make(in: folder(of: path), mode: 0o600)
    } catch {
        throw FileError(path: path, code: error.code)
    }
}

/// What `ulimit -v` leaves this process in all, in bytes; `Int.max` where it has no limit.
private var addressSpaceLimit: Int {
    var limit = rlimit()
    #if canImport(Glibc)
        let resource = __rlimit_resource_t(RLIMIT_AS.rawValue)
    #else
        let resource = RLIMIT_AS
    #endif
    guard unsafe getrlimit(resource, &limit) == 0 else { return .max }
    return Int(clamping: limit.rlim_cur)
}

/// C would take a path that holds a NUL for a shorter one.
func checkPath(_ path: String) throws(FileError) {
    if path.isEmpty { throw FileError(path: path, code: ENOENT) }
    if path.utf8.contains(0) { throw FileError(path: path, code: EINVAL) }
}

/// Up to its last slash. Not by characters, of which a slash and an accent behind it are one.
private func folder(of path: String) -> String {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return "./" }
    return String(decoding: path.utf8[...slash], as: UTF8.self)
}

/// The file at `path`, or nil if nothing is there.
private func replaceable(_ path: String) throws(FileError) -> FileStatus? {
    let status = try FileStatus.found(path)
    guard let status, status.kind != .file else { return status }
    throw FileError(path: path, code: status.kind == .folder ? EISDIR : EINVAL)
}
