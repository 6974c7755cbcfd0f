import Formats
import Foundation
import Testing

struct FileTests {
    /// Runs `body` in a new folder that is removed afterwards.
    static func inFolder(_ body: (URL) throws -> Void) throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: folder) }
        try body(folder)
    }

    static func code(_ body: () throws -> Void) -> Int32? {
        do {
            try body()
            return nil
        } catch {
            return (error as? FileError)?.code
        }
    }

    @Test(arguments: [0, 1, 1 << 18, (1 << 18) + 1, 1_000_003]) func roundTrip(_ count: Int) throws {
        try Self.inFolder { folder in
            let path = folder.appending(path: "a file").path
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            try writeFile(path, bytes)
            #expect(try readFile(path) == bytes)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a file"])
        }
    }

    @Test func replacesAndKeepsPermissions() throws {
        try Self.inFolder { folder in
            let path = folder.appending(path: "a").path
            try writeFile(path, [1])
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
            try writeFile(path, [2, 3])
            #expect(try readFile(path) == [2, 3])
            #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o600)
        }
    }

    @Test func refusesAndLeavesNothing() throws {
        try Self.inFolder { folder in
            let inner = folder.appending(path: "inner").path
            try FileManager.default.createDirectory(atPath: inner, withIntermediateDirectories: false)
            #expect(Self.code { try writeFile(inner, [1]) } == EISDIR)
            #expect(Self.code { try writeFile(inner + "/", [1]) } == EISDIR)
            #expect(Self.code { try writeFile(folder.appending(path: "none/a").path, [1]) } == ENOENT)
            #expect(Self.code { try writeFile(folder.appending(path: String(repeating: "n", count: 256)).path, [1]) } == ENAMETOOLONG)
            #expect(Self.code { try writeFile("", [1]) } != nil)
            #expect(Self.code { try writeFile(folder.path + "/a\0b", [1]) } == EINVAL)
            #expect(Self.code { try writeFile("/dev/null", [1]) } == EINVAL)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["inner"])
        }
    }

    @Test func namesPathAndReason() throws {
        try Self.inFolder { folder in
            #expect(Self.code { _ = try readFile(folder.path) } == EISDIR)
            let none = folder.appending(path: "none").path
            let error = #expect(throws: FileError.self) { try readFile(none) }
            #expect(error?.description == "\(none): No such file or directory")
            let unwritten = #expect(throws: FileError.self) { try writeFile(none + "/a", []) }
            #expect(unwritten?.description == "\(none)/a: No such file or directory")
        }
    }

    @Test func limits() throws {
        try Self.inFolder { folder in
            let path = folder.appending(path: "a").path
            try writeFile(path, [1, 2, 3])
            #expect(try readFile(path, limit: 3) == [1, 2, 3])
            #expect(Self.code { _ = try readFile(path, limit: 2) } == EFBIG)
            // A device says that it has no size.
            #expect(Self.code { _ = try readFile("/dev/zero", limit: 1 << 20) } == EFBIG)
            #expect(try readFile("/dev/null") == [])
        }
    }
}
