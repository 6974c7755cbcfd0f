import Foundation
import Testing

@testable import RecurrentFormats

struct PathBytesTests {
    /// Every byte comes back, also those of the scalars that stand for bytes, of surrogates, of
    /// overlong and of cut forms.
    @Test func everyPathHasOneString() {
        let paths: [[UInt8]] =
            [
                [], Array("a/é/貓/𝄞".utf8), [0x63, 0x61, 0x66, 0xE9], [0xE9, 0xA9], [0xC3],
                [0xC3, 0xC3, 0xA9],
                [0xF4, 0x8F, 0xBF, 0xA9], [0xF4, 0x8F, 0xBD, 0xBF], [0xED, 0xA0, 0x80],
                [0xC0, 0xAF],
                [0xF0, 0x9D, 0x84], [0xFF, 0x2F, 0xFE], [0xF5, 0x80, 0x80, 0x80],
            ] + (0...255).map { [$0] } + (0...255).map { [0x61, $0, 0xCC, 0x81] }
        var strings = Set<[Unicode.Scalar]>()
        for path in paths {
            let string = String(pathBytes: path)
            #expect(string.pathBytes == path)
            strings.insert(Array(string.unicodeScalars))
        }
        #expect(strings.count == Set(paths).count)
        #expect(String(pathBytes: Array("a/é/貓/𝄞".utf8)) == "a/é/貓/𝄞")
        // Two halves of one character are a byte each, but together the character.
        #expect(
            (String(pathBytes: [0xC3]) + String(pathBytes: [0xA9])).pathBytes == Array("é".utf8))
        #expect(String(pathBytes: [0x63, 0xE9, 0x0A]).printable() == "c\\xe9\\n")
    }

    @Test func namesOfAnyBytesAreWrittenAndRead() throws {
        try FileTests.inFolder { folder in
            for name: [UInt8] in [
                [0x63, 0x61, 0x66, 0xE9], [0xFF, 0xFE], [0xF4, 0x8F, 0xBF, 0xA9],
                Array("\u{301}a".utf8),
            ] {
                let path = folder.path + "/" + String(pathBytes: name)
                try writeFile(path, name)
                #expect(try readFile(path) == name && FileStatus(path)?.kind == .file)
                // As C sees it.
                let bytes = (Array((folder.path + "/").utf8) + name + [0]).map {
                    CChar(bitPattern: $0)
                }
                #expect(access(bytes, F_OK) == 0)
                #expect(unlink(bytes) == 0)
            }
            let none = folder.path + "/" + String(pathBytes: [0x63, 0xE9])
            let error = #expect(throws: FileError.self) { try readFile(none) }
            #expect(error?.description == "\(folder.path)/c\\xe9: No such file or directory")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == [])
        }
    }
}
