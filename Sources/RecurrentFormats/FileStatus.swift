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

/// What is at a path; symbolic links are followed.
public struct FileStatus: Sendable {
    public enum Kind: Sendable { case file, folder, pipe, other }

    public let kind: Kind
    /// The bits that chmod(2) sets for owner, group and others.
    let permissions: mode_t
    let size: Int
    /// Names of the file in all folders.
    let linkCount: Int
    private let device: dev_t, number: ino_t

    init(_ status: stat) {
        kind =
            switch status.st_mode & S_IFMT {
            case S_IFREG: .file
            case S_IFDIR: .folder
            case S_IFIFO: .pipe
            default: .other
            }
        permissions = status.st_mode & 0o777
        size = Int(status.st_size)
        linkCount = Int(status.st_nlink)
        (device, number) = (status.st_dev, status.st_ino)
    }

    /// Nil where nothing is, or where it cannot be asked for.
    public init?(_ path: String) {
        guard let found = try? Self.found(path) else { return nil }
        self = found
    }

    /// Nil where nothing is; throws what else stat(2) says.
    static func found(_ path: String) throws(FileError) -> FileStatus? {
        try checkPath(path)
        let name = path.cPath
        var status = stat()
        do {
            try uninterrupted(path) { unsafe stat(name, &status) }
        } catch  where error.code == ENOENT {
            return nil
        }
        return FileStatus(status)
    }

    /// Whether both are one file, by whatever paths it was named.
    public func isSame(as other: FileStatus) -> Bool {
        device == other.device && number == other.number
    }
}
