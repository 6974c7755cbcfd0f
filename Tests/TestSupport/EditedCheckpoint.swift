import Foundation
public import RecurrentFormats

/// A checkpoint taken apart, to be written again with other contents and the right checksum.
public struct EditedCheckpoint {
    public var metadata: [String: String]
    /// All but the checksum.
    public var tensors: [(name: String, elementType: ElementType, shape: [Int])]
    /// Of all these tensors.
    public var data: [UInt8]

    public init(contentsOf path: String) throws {
        let bytes = try readFile(path)
        let header = try Safetensors.Header(bytes, fileLength: bytes.count, limit: .max)
        metadata = header.metadata
        tensors = header.entries.dropLast().map {
            (name: $0.name, elementType: $0.elementType, shape: $0.shape)
        }
        data = Array(bytes[header.count..<bytes.count - 8])
    }

    /// Where a tensor begins, in bytes.
    public func offset(of name: String) -> Int {
        tensors.prefix { $0.name != name }.reduce(0) {
            $0 + $1.shape.reduce($1.elementType.bits / 8, *)
        }
    }

    public mutating func set(_ name: String, _ index: Int, _ value: Float) {
        for byte in 0..<4 {
            data[offset(of: name) + 4 * index + byte] = UInt8(
                truncatingIfNeeded: value.bitPattern >> UInt32(8 * byte))
        }
    }

    public func write(to path: String) throws {
        let all = tensors + [(name: "checksum", elementType: ElementType.u64, shape: [1])]
        let bytes = try Safetensors.encodeHeader(all, metadata: metadata, limit: .max) + data
        var checksum = Checksum()
        checksum.add(bytes)
        // Not by `writeFile`, whose sync takes its time.
        try Data(bytes + checksum.bytes).write(to: URL(fileURLWithPath: path))
    }
}
