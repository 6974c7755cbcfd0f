/// CRC-64/XZ: the polynomial of ECMA-182, bits reflected, all ones at the beginning and inverted at
/// the end. Any one wrong bit, any two in less than an exabyte and any burst of up to 64 bits
/// change it. It finds accidents, not intent.
public struct Checksum: Equatable, Sendable {
    /// 0x42F0E1EBA9EA3693 with its bits reversed.
    private static let polynomial: UInt64 = 0xC96C_5795_D787_0F42
    /// Bytes that one round takes, each with a table of its own ("slicing by eight": Kounavis and
    /// Berry 2005).
    private static let roundLength = 8
    /// Entry 256 k + b: what the byte b does to the register when k bytes of zeros follow it.
    private static let tables: [UInt64] = {
        var tables = (0..<256).map { byte in
            (0..<8).reduce(UInt64(byte)) { register, _ in
                register & 1 == 0 ? register >> 1 : register >> 1 ^ polynomial
            }
        }
        for index in 256..<256 * roundLength {
            let previous = tables[index - 256]
            tables.append(previous >> 8 ^ tables[Int(previous & 0xFF)])
        }
        return tables
    }()

    private var register = UInt64.max

    /// Of no bytes yet.
    public init() {}

    public var value: UInt64 { ~register }

    /// The value, lowest byte first.
    public var bytes: [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) } }

    /// Takes the bytes that come next.
    public mutating func add(_ bytes: [UInt8]) {
        let tables = Self.tables.span
        let bytes = bytes.span
        var register = register
        var index = 0
        while bytes.count - index >= Self.roundLength {
            var word: UInt64 = 0
            for byte in 0..<Self.roundLength {
                word |= UInt64(bytes[index + byte]) << UInt64(8 * byte)
            }
            word ^= register
            register = 0
            for byte in 0..<Self.roundLength {
                register ^=
                    tables[
                        256 * (Self.roundLength - 1 - byte) + Int(word >> UInt64(8 * byte) & 0xFF)]
            }
            index += Self.roundLength
        }
        while index < bytes.count {
            register =
                register >> 8 ^ tables[Int(UInt8(truncatingIfNeeded: register) ^ bytes[index])]
            index += 1
        }
        self.register = register
    }

    /// Of the contents of the file at `path`.
    public init(contentsOf path: String) throws(FileError) {
        var file = try FileReader(path)
        while true {
            let piece = try file.next(atMost: FileReader.pieceLength)
            if piece.isEmpty { return }
            add(piece)
        }
    }
}
