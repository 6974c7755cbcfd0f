import Foundation
import Testing

@testable import RecurrentFormats

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

    @Test(arguments: [0, 1, 1 << 18, (1 << 18) + 1, 1_000_003]) func roundTrip(_ count: Int) throws
    {
        try Self.inFolder { folder in
            let path = folder.appending(path: "a file").path
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            try writeFile(path, bytes)
            #expect(try readFile(path) == bytes)
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a file"])
        }
    }

    @Test func pieceByPiece() throws {
        try Self.inFolder { folder in
            let path = folder.appending(path: "a").path
            try writeFile(path) { write throws(FileError) in
                for piece in [[1, 2, 3], [], [4]] as [[UInt8]] { try write(piece) }
            }
            var reader = try FileReader(path)
            #expect(reader.count == 4)
            #expect(try reader.next(atMost: 3) == [1, 2, 3])
            #expect(try reader.next(atMost: 3) == [4])
            #expect(try reader.next(atMost: 3) == [])
            try reader.move(to: 1)
            #expect(try reader.next(atMost: 2) == [2, 3])
            #expect(Self.code { _ = try FileReader(folder.path) } == EISDIR)
            #expect(Self.code { _ = try FileReader("/dev/null") } == EINVAL)
            // What fails while the contents are made leaves the file as it was.
            #expect(
                Self.code {
                    try writeFile(path) { write throws(FileError) in
                        try write([9])
                        throw FileError(path: path, code: EIO)
                    }
                } == EIO)
            #expect(try readFile(path) == [1, 2, 3, 4])
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["a"])
        }
    }

    @Test func aLockIsHeldOnceAndLeavesNothing() throws {
        try Self.inFolder { folder in
            let path = folder.appending(path: "a").path
            // Files of others, one of them empty.
            try Data([1]).write(to: folder.appending(path: ".b.lock"))
            try Data().write(to: folder.appending(path: ".c.lock"))
            do {
                let lock = try FileLock(of: path)
                #expect(Self.code { _ = try FileLock(of: folder.path + "/./a") } == EWOULDBLOCK)
                withExtendedLifetime(lock) {}
                for other in ["/b", "/c"] {
                    let lock = try FileLock(of: folder.path + other)
                    #expect(Self.code { _ = try FileLock(of: folder.path + other) } == EWOULDBLOCK)
                    withExtendedLifetime(lock) {}
                }
            }
            _ = try FileLock(of: path)
            let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            #expect(left.sorted() == [".b.lock", ".c.lock"])
            #expect(try readFile(folder.path + "/.b.lock") == [1])
            #expect(try readFile(folder.path + "/.c.lock") == [])
        }
    }

    @Test func replacesAndKeepsPermissions() throws {
        try Self.inFolder { folder in
            let path = folder.appending(path: "a").path
            try writeFile(path, [1])
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
            try writeFile(path, [2, 3])
            #expect(try readFile(path) == [2, 3])
            #expect(
                try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
                    == 0o600)
        }
    }

    @Test func refusesAndLeavesNothing() throws {
        try Self.inFolder { folder in
            let inner = folder.appending(path: "inner").path
            try FileManager.default.createDirectory(
                atPath: inner, withIntermediateDirectories: false)
            #expect(Self.code { try writeFile(inner, [1]) } == EISDIR)
            #expect(Self.code { try writeFile(inner + "/", [1]) } == EISDIR)
            #expect(
                Self.code { try writeFile(folder.appending(path: "none/a").path, [1]) } == ENOENT)
            #expect(
                Self.code {
                    try writeFile(
                        folder.appending(path: String(repeating: "n", count: 256)).path, [1])
                } == ENAMETOOLONG)
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
            let error = #expect(throws: FileError.self) { try readFile(path, limit: 2) }
            #expect(
                error?.description == "\(path): file too large; expected at most 2 bytes, found 3")
        }
    }

    /// Not one byte of a device, which says that it has no size, is read.
    @Test(arguments: ["/dev/zero", "/dev/null", "/dev/random"])
    func devicesAreRefused(path: String) throws {
        let error = #expect(throws: FileError.self) { try readFile(path, limit: 0) }
        #expect(
            error?.code == EINVAL
                && error?.description == "\(path): a device; expected a file or a pipe")
    }

    @Test func pipesAreReadToTheirEnd() throws {
        try Self.inFolder { folder in
            let path = folder.appending(path: "pipe").path
            #expect(mkfifo(path, 0o600) == 0)
            let error = #expect(throws: FileError.self) {
                try readFile(path, limit: 10, patience: 100)
            }
            #expect(
                error?.code == ETIMEDOUT
                    && error?.description.contains("into which nobody writes") == true)
            #expect(Self.code { try writeFile(path, [1]) } == EINVAL)
            // Writers that come late, say nothing for a while, or say nothing at all.
            for script in [
                "sleep 0.1; printf abc >P", "exec >P; sleep 0.2; printf ab; sleep 0.2; printf c",
                "sleep 0.1; : >P",
            ] {
                let writer = Process()
                writer.executableURL = URL(fileURLWithPath: "/bin/sh")
                writer.arguments = ["-c", script.replacingOccurrences(of: "P", with: "'\(path)'")]
                try writer.run()
                #expect(
                    try readFile(path) == (script.contains(":") ? [] : Array("abc".utf8)),
                    "\(script)")
                writer.waitUntilExit()
            }
            // More than there may be.
            let writer = Process()
            writer.executableURL = URL(fileURLWithPath: "/bin/sh")
            writer.arguments = ["-c", "printf abcd >'\(path)'"]
            try writer.run()
            #expect(Self.code { _ = try readFile(path, limit: 3) } == EFBIG)
            writer.waitUntilExit()
        }
    }

    @Test func aNewFileGetsThePermissionsOfAnother() throws {
        try Self.inFolder { folder in
            let model = folder.appending(path: "m").path
            let path = model + ".checkpoint"
            func permissions() throws -> Int? {
                try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            }
            try writeFile(model, [1])
            try FileManager.default.setAttributes([.posixPermissions: 0o640], ofItemAtPath: model)
            try writeFile(path, [1], permissionsOf: model)
            #expect(try permissions() == 0o640)
            // What is there keeps its own.
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
            try writeFile(path, [2], permissionsOf: model)
            #expect(try permissions() == 0o600)
            try writeFile(path + "2", [2], permissionsOf: folder.appending(path: "none").path)
        }
    }

    @Test func whatCannotBeWrittenIsKnownBefore() throws {
        try Self.inFolder { folder in
            let inner = folder.appending(path: "inner").path
            try FileManager.default.createDirectory(
                atPath: inner, withIntermediateDirectories: false)
            #expect(Self.code { try checkWritable(inner) } == EISDIR)
            #expect(Self.code { try checkWritable(inner + "/new/") } == ENOENT)
            #expect(Self.code { try checkWritable(folder.path + "/none/a") } == ENOENT)
            let long = folder.path + "/" + String(repeating: "n", count: 256)
            #expect(Self.code { try checkWritable(long) } == ENAMETOOLONG)
            #expect(Self.code { try checkWritable("/dev/null") } == EINVAL)
            #expect(Self.code { try checkWritable("") } == ENOENT)
            #expect(Self.code { try checkWritable(inner + "/a") } == nil)
            #expect(try FileManager.default.contentsOfDirectory(atPath: inner) == [])
        }
    }
}
