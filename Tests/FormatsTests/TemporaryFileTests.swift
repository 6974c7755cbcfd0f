import Foundation
import Testing

@testable import RecurrentFormats

/// What processes that are no more have left behind goes, and nothing else.
struct TemporaryFileTests {
    @Test func onlyAbandonedFilesAreRemoved() throws {
        try FileTests.inFolder { folder in
            func path(_ name: String) -> String { folder.appending(path: name).path }
            func make(_ name: String) {
                #expect(FileManager.default.createFile(atPath: path(name), contents: Data([1])))
            }
            let abandoned = [".recurrent-0123456789abcdef.tmp", ".recurrent-00000000000000ff.tmp"]
            let locked = ".recurrent-1111111111111111.tmp"
            let kept = [
                ".recurrent-notes", ".recurrent-0123456789abcdef",
                ".recurrent-0123456789ABCDEF.tmp",
                ".recurrent-0123456789abcde.tmp", "recurrent-0123456789abcdef.tmp", "a.tmp", "m.1",
                "m.\(getpid())", "m.checkpoint",
            ]
            let linked = [".recurrent-2222222222222222.tmp", "other name"]
            let (named, link) = (
                ".recurrent-3333333333333333.tmp", ".recurrent-4444444444444444.tmp"
            )
            for name in abandoned + [locked, linked[0]] + kept { make(name) }
            try FileManager.default.linkItem(atPath: path(linked[0]), toPath: path(linked[1]))
            try FileManager.default.createDirectory(
                atPath: path(named), withIntermediateDirectories: false)
            try FileManager.default.createSymbolicLink(
                atPath: path(link), withDestinationPath: "m.1")
            let held = open(path(locked), O_RDWR)
            defer { close(held) }
            #expect(flock(held, LOCK_EX) == 0)

            try checkWritable(path("m"))
            let all = (kept + linked + [locked, named, link]).sorted()
            func names() throws -> [String] {
                try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
            }
            #expect(try names() == all)
            try writeFile(path("m"), [2])
            #expect(try names() == (all + ["m"]).sorted())
            for name in kept { #expect(try readFile(path(name)) == [1]) }

            // The lock ends with its owner.
            #expect(flock(held, LOCK_UN) == 0)
            try writeFile(path("m"), [3])
            #expect(!FileManager.default.fileExists(atPath: path(locked)))
        }
    }

    /// Many writers into one folder, each of which removes what it takes for abandoned.
    @Test func writersDoNotDisturbEachOther() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(at: folder) }
        try await withThrowingTaskGroup(of: Void.self) { group in
            for writer in 0..<8 {
                group.addTask {
                    let path = folder.appending(path: "\(writer % 4)").path
                    for count in 1...50 {
                        try writeFile(path, [UInt8](repeating: UInt8(writer), count: count))
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted() == [
                "0", "1", "2", "3",
            ])
        for name in 0..<4 {
            let bytes = try readFile(folder.appending(path: "\(name)").path)
            #expect(bytes.count == 50 && Set(bytes).count == 1 && Int(bytes[0]) % 4 == name)
        }
    }
}
