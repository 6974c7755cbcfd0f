import CFileFaults
import Foundation
import Testing

@testable import RecurrentFormats

/// What is written and read where the system fails or interrupts one of the calls that it takes.
@Suite(.enabled(if: file_faults_work())) struct FileFaultTests {
    private static let old: [UInt8] = [1, 2, 3]
    private static let new = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
    /// The calls that replace a file, and how often each is made.
    private static let calls = [
        (call: FILE_OPEN, count: 2), (FILE_FLOCK, 1), (FILE_WRITE, 1), (FILE_FCHMOD, 1),
        (FILE_FSYNC, 2), (FILE_RENAME, 1),
    ]

    private static func names(_ folder: URL) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    }

    /// Calls `body` with its call of that kind and number failing.
    /// - Returns: whether there was one.
    private static func fails(
        _ call: file_call, _ number: Int, _ error: Int32, in body: () throws -> Void
    ) rethrows -> Bool {
        file_faults_plan(call, number, error)
        defer { file_faults_plan(FILE_OPEN, 0, 0) }
        try body()
        return file_faults_count(call) >= number
    }

    /// A write writes all or nothing, says so, and leaves nothing behind. Where it is the sync of
    /// the folder that fails, all is there.
    @Test(arguments: [EIO, ENOSPC]) func aWriteIsWholeOrAnError(error: Int32) throws {
        try FileTests.inFolder { folder in
            let path = folder.appending(path: "a").path
            for (call, count) in Self.calls where call != FILE_FLOCK {
                for number in 1...count + 1 {
                    try writeFile(path, Self.old)
                    var code: Int32?
                    let failed = Self.fails(call, number, error) {
                        code = FileTests.code { try writeFile(path, Self.new) }
                    }
                    #expect(failed == (number <= count), "call \(number) of \(call)")
                    #expect(code == (failed ? error : nil), "call \(number) of \(call)")
                    let isWritten = !failed || call == FILE_FSYNC && number == 2
                    let expected = isWritten ? Self.new : Self.old
                    #expect(try readFile(path) == expected, "call \(number) of \(call)")
                    #expect(try Self.names(folder) == ["a"])
                }
            }
        }
    }

    /// Interrupted calls are made again, and what a write leaves over is written by the next.
    @Test func anInterruptionIsNoError() throws {
        try FileTests.inFolder { folder in
            let path = folder.appending(path: "a").path
            for (call, count) in Self.calls + [(FILE_READ, 2)] {
                for (number, error) in (1...count).flatMap({
                    [($0, EINTR), ($0, Int32(FILE_SHORT))]
                }) {
                    try writeFile(path, Self.old)
                    let failed = try Self.fails(call, number, error) {
                        try writeFile(path, Self.new)
                        #expect(try readFile(path) == Self.new)
                    }
                    #expect(failed, "call \(number) of \(call)")
                    #expect(try Self.names(folder) == ["a"])
                }
            }
        }
    }

    @Test func aFailedReadIsAnError() throws {
        try FileTests.inFolder { folder in
            let path = folder.appending(path: "a").path
            try writeFile(path, Self.new)
            for (call, number) in [(FILE_OPEN, 1), (FILE_READ, 1), (FILE_READ, 2)] {
                let failed = Self.fails(call, number, EIO) {
                    #expect(FileTests.code { _ = try readFile(path) } == EIO)
                }
                #expect(failed)
            }
        }
    }

    /// A file that happens to have the temporary file's name is not written to.
    @Test func aTemporaryFileIsNew() throws {
        try FileTests.inFolder { folder in
            let path = folder.appending(path: "a").path
            // The second file that is opened, after the folder.
            #expect(
                try Self.fails(FILE_OPEN, 2, Int32(FILE_PLANT)) { try writeFile(path, Self.new) })
            let names = try Self.names(folder)
            #expect(names.count == 2 && names[0].hasPrefix(".recurrent-") && names[1] == "a")
            #expect(try readFile(folder.appending(path: names[0]).path) == Array("theirs".utf8))
            #expect(try readFile(path) == Self.new)
        }
    }

    /// Where another process finds the temporary file before it is locked, there is a second one;
    /// without locks, the first will do.
    @Test(arguments: [EWOULDBLOCK, ENOLCK]) func aTemporaryFileIsLocked(error: Int32) throws {
        try FileTests.inFolder { folder in
            let path = folder.appending(path: "a").path
            file_faults_plan(FILE_FLOCK, 1, error)
            try writeFile(path, Self.new)
            #expect(file_faults_count(FILE_FLOCK) == (error == EWOULDBLOCK ? 2 : 1))
            #expect(try Self.names(folder) == ["a"] && readFile(path) == Self.new)
        }
    }

    /// Nothing is made that has not the name of a temporary file, not even for a moment.
    @Test func onlyTemporaryFilesAreMade() throws {
        try FileTests.inFolder { folder in
            let path = folder.appending(path: "a").path
            file_faults_plan(FILE_OPEN, 0, 0)
            try checkWritable(path)
            try writeFile(path, Self.new)
            try checkWritable(path)
            let made = String(cString: file_faults_created()).split(separator: "\n")
            let prefix = folder.path + "/.recurrent-"
            #expect(made.count == 3 && made.allSatisfy { $0.hasPrefix(prefix) }, "\(made)")
        }
    }
}
