#if canImport(Darwin)
    import Darwin
#elseif canImport(Musl)
    import Musl
#else
    import Glibc
#endif

/// A file that could not be read or written. The description is one line: the path and the system's reason.
public struct FileError: Error, Equatable, CustomStringConvertible, Sendable {
    public let path: String
    /// The C library's `errno`.
    public let code: Int32

    public var description: String { unsafe "\(path.printable(limit: .max)): \(String(cString: strerror(code)))" }
}

/// The limit of what `readFile` takes unless the caller has another: 1 GiB.
public let defaultFileLimit = 1 << 30

/// The contents of the file at `path`, which may also be a pipe or a device, but not a folder.
///
/// - Throws: `EFBIG` if there are more than `limit` bytes, else what `open(2)` and `read(2)` say.
public func readFile(_ path: String, limit: Int = defaultFileLimit) throws(FileError) -> [UInt8] {
    try checkPath(path)
    let file = try Descriptor(path, O_RDONLY)
    var status = stat()
    try file.check(unsafe fstat(file.number, &status))
    let size = Int(status.st_size)
    guard !status.isFolder else { throw FileError(path: path, code: EISDIR) }
    guard size <= limit else { throw FileError(path: path, code: EFBIG) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(min(size, defaultFileLimit))
    var chunk = [UInt8](repeating: 0, count: 1 << 18)
    while true {
        let count = try file.transfer { number in
            unsafe chunk.withUnsafeMutableBytes { buffer in unsafe read(number, buffer.baseAddress, buffer.count) }
        }
        guard count > 0 else { return bytes }
        guard count <= limit - bytes.count else { throw FileError(path: path, code: EFBIG) }
        bytes += chunk[..<count]
    }
}

/// Makes `bytes` the contents of the file at `path`, wholly or not at all: they go to a temporary file in the same folder, are
/// synced, and take the place of what was there, whose permissions they keep. A symbolic link at `path` is replaced, not followed.
///
/// - Throws: `EINVAL` if something other than a file is there, else what the C library says. What was at `path` is then still
///   there, unless it is the sync of the folder, after all the rest, that failed.
public func writeFile(_ path: String, _ bytes: [UInt8]) throws(FileError) {
    try checkPath(path)
    do {
        try replaceFile(path, bytes)
    } catch {
        // Not the folder or the temporary file: the path that the caller knows.
        throw FileError(path: path, code: error.code)
    }
}

/// C would take a path that holds a NUL for a shorter one.
private func checkPath(_ path: String) throws(FileError) {
    if path.utf8.contains(0) { throw FileError(path: path, code: EINVAL) }
}

private func replaceFile(_ path: String, _ bytes: [UInt8]) throws(FileError) {
    let folder = path.lastIndex(of: "/").map { String(path[...$0]) } ?? "./"
    let directory = try Descriptor(folder, O_RDONLY | O_DIRECTORY)
    var permissions: mode_t?
    var status = stat()
    if unsafe stat(path, &status) == 0 {
        guard status.isFile else { throw FileError(path: path, code: status.isFolder ? EISDIR : EINVAL) }
        permissions = status.st_mode & 0o777
    }
    let temporary = folder + ".recurrent-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
    let file = try Descriptor(temporary, O_WRONLY | O_CREAT | O_EXCL)
    do {
        if let permissions { try file.check(fchmod(file.number, permissions)) }
        var written = 0
        while written < bytes.count {
            written += try file.transfer { number in
                unsafe bytes[written...].withUnsafeBytes { rest in unsafe write(number, rest.baseAddress, rest.count) }
            }
        }
        try file.check(fsync(file.number))
        try file.check(unsafe rename(temporary, path))
    } catch {
        _ = unsafe unlink(temporary)
        throw error
    }
    // Some file systems cannot sync a folder, and say EINVAL.
    if fsync(directory.number) != 0, errno != EINVAL { throw FileError(path: folder, code: errno) }
}

/// An open file, closed with its owner.
private struct Descriptor: ~Copyable {
    let number: Int32
    private let path: String

    init(_ path: String, _ flags: Int32) throws(FileError) {
        let everyone: mode_t = 0o666
        let number = unsafe open(path, flags | O_CLOEXEC, everyone)
        guard number >= 0 else { throw FileError(path: path, code: errno) }
        self.number = number
        self.path = path
    }

    deinit { _ = close(number) }

    /// Throws the C library's reason unless `result` is zero.
    func check(_ result: Int32) throws(FileError) {
        if result != 0 { throw FileError(path: path, code: errno) }
    }

    /// What `call`, a read or a write, returns once no signal interrupts it.
    func transfer(_ call: (Int32) -> Int) throws(FileError) -> Int {
        while true {
            let count = call(number)
            if count >= 0 { return count }
            if errno != EINTR { throw FileError(path: path, code: errno) }
        }
    }
}

extension stat {
    fileprivate var isFolder: Bool { st_mode & S_IFMT == S_IFDIR }
    fileprivate var isFile: Bool { st_mode & S_IFMT == S_IFREG }
}
