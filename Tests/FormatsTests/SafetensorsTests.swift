import RecurrentFormats
import Testing

struct SafetensorsTests {
    static let tensors = [
        Tensor(name: "b", shape: [2, 3], values: [1, -2, 0.5, -0.0, .infinity, 0x1p-149]),
        Tensor(name: "a", shape: [], values: [.greatestFiniteMagnitude]),
        Tensor(name: "nothing", shape: [0, 5], values: []),
        Tensor(name: "\"\\\n\t\0/é😀", shape: [1], values: [7]),
    ]
    static let metadata = [
        "vocabulary": "\0\u{1}\u{1F}\"\\/\r\n\té\u{FEFF}😀 ", "": "empty key", "format": "",
    ]

    @Test func roundTrip() throws {
        let file = try Safetensors(Safetensors.encode(Self.tensors, metadata: Self.metadata))
        #expect(file.metadata == Self.metadata)
        #expect(file.entries.map(\.name) == Self.tensors.map(\.name))
        for tensor in Self.tensors {
            let found = try file.tensor(named: tensor.name)
            #expect(found.shape == tensor.shape)
            #expect(found.values.map(\.bitPattern) == tensor.values.map(\.bitPattern))
        }
    }

    @Test func keepsEveryKindOfNaN() throws {
        let patterns: [UInt32] = [0x7F80_0001, 0x7FC0_0000, 0xFFFF_FFFF]
        let bytes = try Safetensors.encode([
            Tensor(name: "a", shape: [3], values: patterns.map(Float.init(bitPattern:)))
        ])
        let read = try Safetensors(bytes).tensor(named: "a").values
        #expect(read.map(\.bitPattern) == patterns)
    }

    @Test func writesTheSameBytes() throws {
        let bytes = try Safetensors.encode(
            [Tensor(name: "w", shape: [1, 2], values: [1, -2])], metadata: ["b": "1", "a": "2"])
        let header = """
            {"__metadata__":{"a":"2","b":"1"},\
            "w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}
            """
        let padded = header + String(repeating: " ", count: (8 - header.utf8.count % 8) % 8)
        #expect(
            bytes == prefix(UInt64(padded.utf8.count)) + Array(padded.utf8) + [
                0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0,
            ])
    }

    @Test(arguments: 0...8) func dataBeginsAtAMultipleOfEight(_ length: Int) throws {
        let bytes = try Safetensors.encode([
            Tensor(name: String(repeating: "n", count: length + 1), shape: [0], values: [])
        ])
        #expect(bytes.count % 8 == 0)
    }

    @Test func writerRefusesWhatTheReaderWould() {
        func problem(
            _ tensors: [Tensor], metadata: [String: String] = [:], headerLimit: Int = 1 << 20
        ) -> FormatError.Problem? {
            do {
                _ = try Safetensors.encode(tensors, metadata: metadata, headerLimit: headerLimit)
                return nil
            } catch {
                return error.problem
            }
        }
        func empty(_ name: String, rank: Int = 1) -> Tensor {
            Tensor(name: name, shape: Array(repeating: 0, count: rank), values: [])
        }
        #expect(problem([empty("a"), empty("a")]) == .duplicate)
        #expect(problem([empty("__metadata__")]) == .duplicate)
        #expect(problem([empty("")]) == .wordLength)
        #expect(problem([empty("a", rank: 9)]) == .rank)
        #expect(problem((0...4096).map { empty(String($0)) }) == .tensorLimit)
        #expect(problem([], metadata: [String(repeating: "k", count: 257): ""]) == .wordLength)
        let long = ["vocabulary": String(repeating: "v", count: 1 << 20)]
        #expect(problem([], metadata: long) == .headerLimit)
        #expect(problem([], metadata: long, headerLimit: 1 << 21) == nil)
    }

    /// A small file that has everything: metadata, several types, a tensor without elements.
    static let small = contents(
        "{\"__metadata__\":{\"k\":\"\\u00e9\"},\(member("a", "F16", "[2]", "[0,4]")),"
            + "\(member("b", "F64", "[0]", "[4,4]")),\(member("c", "I8", "[3]", "[4,7]"))}",
        dataCount: 7)

    @Test func cutShortAnywhere() {
        #expect(refusal(Self.small) == nil)
        for count in Self.small.indices {
            #expect(refusal(Array(Self.small[..<count])) != nil, "\(count) bytes")
        }
    }

    /// One bit flipped anywhere is an error or still a file; what is taken can be read.
    @Test func bitFlips() throws {
        var taken = 0
        for position in Self.small.indices {
            for bit in 0..<8 {
                var bytes = Self.small
                bytes[position] ^= 1 << bit
                guard let file = try? Safetensors(bytes) else { continue }
                taken += 1
                for entry in file.entries { _ = try? file.tensor(named: entry.name) }
            }
        }
        // At least the data's own bits change no structure.
        #expect(taken >= 7 * 8)
    }

    @Test func asksForFloats() throws {
        let file = try Safetensors(Self.small)
        let missing = #expect(throws: FormatError.self) { try file.tensor(named: "d") }
        #expect(missing?.problem == .missingTensor)
        let integers = #expect(throws: FormatError.self) { try file.tensor(named: "c") }
        #expect(
            integers?.description
                == "c: elements cannot be read as floats; expected F32, F64, F16 or BF16, found I8")
        #expect(file.entry(named: "c")?.elementType == .i8)
    }

    @Test(arguments: ElementType.allCases) func everyKnownType(_ type: ElementType) {
        let bytes = type.bits
        #expect(
            refusal(
                contents("{\(member("a", type.rawValue, "[8]", "[0,\(bytes)]"))}", dataCount: bytes)
            ) == nil)
    }

    #if !(os(macOS) && arch(x86_64))
        @Test func everyBinary16() throws {
            let patterns = Array(UInt16.min...UInt16.max)
            let header = Array("{\(member("a", "F16", "[65536]", "[0,131072]"))}".utf8)
            let data = patterns.flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
            let values = try Safetensors(prefix(UInt64(header.count)) + header + data).tensor(
                named: "a"
            ).values
            let wrong = zip(values, patterns).filter { value, pattern in
                let expected = Float(Float16(bitPattern: pattern))
                return value.isNaN ? !expected.isNaN : value.bitPattern != expected.bitPattern
            }
            #expect(wrong.isEmpty)
        }
    #endif

    /// Files that the safetensors library of Python has written.
    @Test func elementTypesFromPyTorch() throws {
        let file = try golden("element_types")
        for type in ["f64", "f16", "bf16"] {
            let values = try file.tensor(named: type).values
            #expect(values == (try file.tensor(named: type + "_as_f32").values), "\(type)")
        }
        #expect(
            try file.tensor(named: "scalar") == Tensor(name: "scalar", shape: [], values: [1.5]))
        #expect(
            try file.tensor(named: "empty") == Tensor(name: "empty", shape: [0, 3], values: []))
        #expect(file.entry(named: "i64")?.elementType == .i64)
        #expect(file.entry(named: "bool")?.shape == [2])
        #expect(try golden("state_dict").metadata == ["vocabulary": "a\"\\\n\té😀"])
    }
}
