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

/// Returns what `call` does once no signal interrupts it. Throws the C library's reason where that
/// is negative.
@discardableResult
func uninterrupted<Result: SignedInteger>(
    _ path: String, _ call: () -> Result
) throws(FileError) -> Result {
    while true {
        let result = call()
        if result >= 0 { return result }
        if errno != EINTR { throw FileError(path: path, code: errno) }
    }
}

// Beside `Descriptor`, whose methods have the names of the C library's functions.
private func systemRead(_ file: Int32, _ bytes: UnsafeMutableRawBufferPointer) -> Int {
    unsafe read(file, bytes.baseAddress, bytes.count)
}
private func systemWrite(_ file: Int32, _ bytes: UnsafeRawBufferPointer) -> Int {
    unsafe write(file, bytes.baseAddress, bytes.count)
}

/// An open file, closed with its owner.
struct Descriptor: ~Copyable {
    private let number: Int32
    private let path: String

    /// - Parameter mode: the permissions of a file that is made, less the process's umask.
    init(_ path: String, _ flags: Int32, mode: mode_t = 0) throws(FileError) {
        let name = path.cPath
        number = try uninterrupted(path) { unsafe open(name, flags | O_CLOEXEC, mode) }
        self.path = path
    }

    deinit { _ = close(number) }

    func status() throws(FileError) -> FileStatus {
        var status = stat()
        try uninterrupted(path) { unsafe fstat(number, &status) }
        return FileStatus(status)
    }

    var isTerminal: Bool { isatty(number) == 1 }

    func read(into buffer: inout [UInt8]) throws(FileError) -> Int {
        try uninterrupted(path) {
            unsafe buffer.withUnsafeMutableBytes { bytes in
                unsafe systemRead(number, bytes)
            }
        }
    }

    func write(_ bytes: [UInt8]) throws(FileError) {
        var written = 0
        while written < bytes.count {
            written += try uninterrupted(path) {
                unsafe bytes[written...].withUnsafeBytes { rest in
                    unsafe systemWrite(number, rest)
                }
            }
        }
    }

    func move(to offset: Int) throws(FileError) {
        try uninterrupted(path) { lseek(number, off_t(offset), SEEK_SET) }
    }

    func setPermissions(_ permissions: mode_t) throws(FileError) {
        try uninterrupted(path) { fchmod(number, permissions) }
    }

    func synchronize() throws(FileError) { try uninterrupted(path) { fsync(number) } }

    /// Takes the file's lock, which ends with the last descriptor of this opening, and so with the
    /// process.
    /// - Throws: `EWOULDBLOCK` where someone else has it.
    func lock() throws(FileError) { try uninterrupted(path) { flock(number, LOCK_EX | LOCK_NB) } }

    /// Waits until there is something to read or nobody is left to write it, at most so many
    /// milliseconds; negative: for ever.
    /// - Returns: whether it came to that.
    func awaitInput(milliseconds: Int32) throws(FileError) -> Bool {
        var entry = pollfd(fd: number, events: Int16(POLLIN), revents: 0)
        return try uninterrupted(path) { unsafe poll(&entry, 1, milliseconds) } > 0
    }
}
