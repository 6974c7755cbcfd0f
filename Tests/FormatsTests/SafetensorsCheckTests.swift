import RecurrentFormats
import Testing

/// A file that must be refused, and why.
struct BadFile: CustomTestStringConvertible, Sendable {
    let testDescription: String
    let problem: FormatError.Problem
    let bytes: [UInt8]

    init(_ description: String, _ problem: FormatError.Problem, _ bytes: [UInt8]) {
        testDescription = description
        self.problem = problem
        self.bytes = bytes
    }

    init(_ description: String, _ problem: FormatError.Problem, header: String, dataCount: Int = 4)
    {
        self.init(description, problem, contents(header, dataCount: dataCount))
    }

    init(
        _ description: String, _ problem: FormatError.Problem, _ member: String, dataCount: Int = 4
    ) {
        self.init(description, problem, header: "{\(member)}", dataCount: dataCount)
    }
}

/// One or more bad files for each of the reader's twenty checks. Sizes that lie are so large that a
/// reader which believed them, and asked for the memory, would be stopped by the system.
struct SafetensorsCheckTests {
    static let valid = contents("{\(member())}", dataCount: 4)

    @Test func valid() { #expect(refusal(Self.valid) == nil) }

    static let frame: [BadFile] = [
        BadFile("1: no bytes", .shortFile, []),
        BadFile("1: seven bytes", .shortFile, Array(prefix(0)[..<7])),
        BadFile("2: a length that no Int holds", .headerLimit, prefix(.max) + Array("{}".utf8)),
        BadFile(
            "2: the first length that no Int holds", .headerLimit,
            prefix(1 << 63) + Array("{}".utf8)),
        BadFile("3, 18: 2^52 bytes of header", .headerLimit, prefix(1 << 52) + Array("{}".utf8)),
        BadFile(
            "3, 18: a header one byte too long", .headerLimit,
            contents("{}", padding: (1 << 20) - 1)),
        BadFile("4: one byte less than the header", .headerPastEnd, prefix(3) + Array("{}".utf8)),
        BadFile("4: no header at all", .headerPastEnd, prefix(1 << 20)),
        BadFile(
            "5: a byte that UTF-8 does not have", .encoding,
            contents(Array("{\"\u{1}".utf8) + [0xFF] + Array("\":1}".utf8))),
        BadFile(
            "5: a surrogate in UTF-8", .encoding,
            contents(Array("{\"".utf8) + [0xED, 0xA0, 0x80] + Array("\":1}".utf8))),
        BadFile(
            "5: an overlong slash", .encoding,
            contents(Array("{\"".utf8) + [0xC0, 0xAF] + Array("\":1}".utf8))),
        BadFile("5: cut within a character", .encoding, contents(Array("{}".utf8) + [0xC3])),
        BadFile("12: a byte too many", .fileLength, valid + [0]),
        BadFile("12: a byte too few", .fileLength, valid.dropLast()),
        BadFile("12: data and no tensors", .fileLength, contents("{}", dataCount: 1)),
        BadFile(
            "12: 2^52 bytes of data that are not there", .fileLength,
            member("a", "U8", "[4503599627370496]", "[0,4503599627370496]")),
        BadFile("13: an empty header", .headerStart, contents("")),
        BadFile("13: a space in front", .headerStart, header: " {\(member())}"),
        BadFile("13: a byte order mark", .headerStart, header: "\u{FEFF}{\(member())}"),
        BadFile("13: an array", .headerStart, header: "[]"),
        BadFile("13: padding by zeros", .padding, header: "{\(member())}\0"),
        BadFile("13: padding by line ends", .padding, header: "{\(member())}\n"),
        BadFile("13: a second object", .padding, header: "{\(member())}{}"),
    ]

    static let text: [BadFile] = [
        BadFile("6: a tensor that is a string", .syntax, "\"a\":\"b\""),
        BadFile("6: a tensor that is null", .syntax, "\"a\":null"),
        BadFile("6: metadata that is not an object", .syntax, "\"__metadata__\":[]"),
        BadFile("6: metadata that holds a number", .syntax, "\"__metadata__\":{\"a\":1}"),
        BadFile("6: a dtype that is a number", .syntax, "\"a\":{\"dtype\":32}"),
        BadFile("6: a shape that is a number", .syntax, member("a", "F32", "1")),
        BadFile("6: a dimension that is a string", .integer, member("a", "F32", "[\"1\"]")),
        BadFile("6: offsets that are an object", .syntax, member("a", "F32", "[1]", "{}")),
        BadFile("6: a dtype nobody knows", .elementType, member("a", "F33")),
        BadFile("6: a dtype in small letters", .elementType, member("a", "f32")),
        BadFile("6: no comma", .syntax, member() + member("b", "F32", "[0]", "[4,4]")),
        BadFile("6: a comma at the end", .syntax, member() + ","),
        BadFile("6: no colon", .syntax, "\"a\" {}"),
        BadFile("6: an object that does not end", .syntax, header: "{" + member()),
        BadFile("6: a string that does not end", .syntax, header: "{\"a"),
        BadFile("6: a line end in a string", .syntax, "\"a\n\":{}"),
        BadFile("6: an escape nobody knows", .escape, "\"\\x\":{}"),
        BadFile("6: an escape that does not end", .escape, header: "{\"\\"),
        BadFile("6: three hexadecimal digits", .escape, "\"\\u00g0\":{}"),
        BadFile("6: half a surrogate pair", .escape, "\"\\ud83d\":{}"),
        BadFile("6: the second half alone", .escape, "\"\\ude00\":{}"),
        BadFile("6: two first halves", .escape, "\"\\ud83d\\ud83d\":{}"),
        BadFile("6: half a pair and another escape", .escape, "\"\\ud83d\\n\":{}"),
        BadFile(
            "14: a name twice", .duplicate, member() + "," + member("a", "F32", "[0]", "[4,4]")),
        BadFile(
            "14: a name twice, once escaped", .duplicate,
            member() + "," + member("\\u0061", "F32", "[0]", "[4,4]")),
        BadFile("14: metadata twice", .duplicate, "\"__metadata__\":{},\"__metadata__\":{}"),
        BadFile(
            "14: a key of metadata twice", .duplicate,
            "\"__metadata__\":{\"/\":\"\",\"\\/\":\"\"}"),
        BadFile("15: an unknown field", .unknownField, "\"a\":{\"type\":\"F32\"}"),
        BadFile("15: a field twice", .duplicate, "\"a\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}"),
        BadFile("15: no dtype", .missingField, "\"a\":{\"shape\":[1],\"data_offsets\":[0,4]}"),
        BadFile("15: no shape", .missingField, "\"a\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}"),
        BadFile("15: no data_offsets", .missingField, "\"a\":{\"dtype\":\"F32\",\"shape\":[1]}"),
        BadFile("15: no fields", .missingField, "\"a\":{}"),
        BadFile("16: a negative dimension", .integer, member("a", "F32", "[-1]")),
        BadFile("16: a fraction", .integer, member("a", "F32", "[1.0]")),
        BadFile("16: an exponent", .integer, member("a", "F32", "[1e0]")),
        BadFile("16: a leading zero", .integer, member("a", "F32", "[01]")),
        BadFile("16: a plus", .integer, member("a", "F32", "[+1]")),
        BadFile("16: 2^53 + 1", .integer, member("a", "F32", "[9007199254740993]")),
        BadFile("16: 2^64 + 1", .integer, member("a", "F32", "[18446744073709551617]")),
        BadFile(
            "16: a thousand digits", .integer,
            member("a", "F32", "[1\(String(repeating: "0", count: 1000))]")),
        BadFile("16: no digits", .integer, member("a", "F32", "[,]")),
        BadFile(
            "19: deep in a shape", .integer,
            member("a", "F32", String(repeating: "[", count: 100_000))),
        BadFile(
            "19: deep in metadata", .syntax,
            String(repeating: "\"__metadata__\":{", count: 50_000)),
        BadFile(
            "19: deep in a field", .unknownField,
            "\"a\":{\"b\":" + String(repeating: "[", count: 100_000)),
    ]

    static let accents = String(repeating: "\u{301}\u{316}", count: 100_000)

    static let tensors: [BadFile] = [
        BadFile("7: not from zero", .hole, member("a", "F32", "[1]", "[4,8]"), dataCount: 8),
        BadFile(
            "7: a hole", .hole, member() + "," + member("b", "F32", "[1]", "[5,9]"), dataCount: 9),
        BadFile(
            "7: an overlap", .hole, member() + "," + member("b", "F32", "[1]", "[3,7]"),
            dataCount: 7),
        BadFile("7: the same data twice", .hole, member() + "," + member("b")),
        BadFile("7: the end first", .offsets, member("a", "F32", "[1]", "[4,0]")),
        BadFile("7: one offset", .offsets, member("a", "F32", "[1]", "[4]")),
        BadFile("7: three offsets", .offsets, member("a", "F32", "[1]", "[0,4,4]")),
        BadFile(
            "8: 2^106 elements", .shapeOverflow,
            member("a", "F32", "[9007199254740992,9007199254740992]")),
        BadFile(
            "8: 2^106 and none", .shapeOverflow,
            member("a", "F32", "[0,9007199254740992,9007199254740992]", "[0,0]"), dataCount: 0),
        BadFile(
            "9: 2^62 elements of 32 bits", .sizeOverflow,
            member("a", "F32", "[9007199254740992,512]")),
        BadFile(
            "10: one element of 4 bits", .partialByte, member("a", "F4", "[1]", "[0,0]"),
            dataCount: 0),
        BadFile(
            "10: three elements of 6 bits", .partialByte, member("a", "F6_E2M3", "[3]", "[0,3]"),
            dataCount: 3),
        BadFile("11: data shorter than its shape", .size, member("a", "F32", "[2]")),
        BadFile("11: data longer than its shape", .size, member("a", "F32", "[0]")),
        BadFile(
            "11: a scalar without data", .size, member("a", "F32", "[]", "[0,0]"), dataCount: 0),
        BadFile("11: 2^52 elements", .size, member("a", "F32", "[4503599627370496]")),
        BadFile("17: nine dimensions", .rank, member("a", "F32", "[1,1,1,1,1,1,1,1,1]")),
        BadFile("17: no name", .wordLength, member("")),
        BadFile("17: a name of 257 bytes", .wordLength, member(String(repeating: "a", count: 257))),
        BadFile(
            "17: a name of 258 bytes in 129 letters", .wordLength,
            member(String(repeating: "é", count: 129))),
        BadFile(
            "17: metadata under 257 bytes", .wordLength,
            "\"__metadata__\":{\"\(String(repeating: "k", count: 257))\":\"\"}"),
        // Swift would take minutes to hash or to compare these.
        BadFile(
            "17: 200,000 accents in a key", .wordLength, "\"__metadata__\":{\"a\(accents)\":\"\"}"),
        BadFile("17: 200,000 accents in a dtype", .wordLength, member("a", "F32\(accents)")),
        BadFile(
            "20: 4,097 tensors", .tensorLimit,
            (0...4096).map { member("\($0)", "F32", "[0]", "[0,0]") }.joined(separator: ","),
            dataCount: 0),
    ]

    @Test(arguments: frame + text + tensors) func refused(_ file: BadFile) {
        let error = refusal(file.bytes)
        #expect(error?.problem == file.problem, "\(error?.description ?? "taken")")
        #expect(error?.description.contains("\n") == false)
    }

    @Test func limitsAreTaken() {
        let names = (0..<4096).map {
            member(String(repeating: "n", count: 252) + String($0 + 1000), "F32", "[0]", "[0,0]")
        }
        #expect(refusal(contents("{\(names.joined(separator: ","))}"), headerLimit: 1 << 22) == nil)
        #expect(refusal(contents("{}", padding: (1 << 20) - 2)) == nil)
        #expect(refusal(contents("{}", padding: 7), headerLimit: 8)?.problem == .headerLimit)
        #expect(
            refusal(contents("{\(member("é", "F4", "[2,1,1,1,1,1,1,1]", "[0,1]"))}", dataCount: 1))
                == nil)
        #expect(refusal(contents("{\(member("a", "U8", "[9007199254740992,0]", "[0,0]"))}")) == nil)
    }

    /// Sorting by offset is what finds holes, so the order of the header does not matter and 4,096
    /// tensors take no longer than they should.
    @Test func anyOrder() throws {
        let file = contents(
            "{ \(member("b", "F32", "[1]", "[4,8]")) ,\n\t\(member()) }", dataCount: 8)
        #expect(try Safetensors(file).entries.map(\.name) == ["a", "b"])
    }

    @Test func errorsNameTensorExpectedAndFound() {
        let size = refusal(contents("{\(member("x.weight", "F32", "[2]"))}", dataCount: 4))
        #expect(
            size?.description
                == "x.weight: shape and data_offsets disagree; expected 8 bytes of data, found 4")
        let dtype = refusal(contents("{\(member("x\\n\\u001b[31m\\u202e", "F33"))}", dataCount: 4))
        #expect(
            dtype?.description
                == """
                x\\n\\u{1B}[31m\\u{202E}: unknown element type; expected a known dtype, found \
                \"F33\"
                """
        )
        let long = refusal(
            contents("{\(member("a", String(repeating: "F", count: 10_000)))}", dataCount: 4))
        #expect((long?.description.count ?? 0) < 400)
    }
}
