/// A named array of floats in C order, of no particular file format.
public struct Tensor: Equatable, Sendable {
    public let name: String
    public let shape: [Int]
    public let values: [Float]

    /// - Precondition: `values` has as many elements as the product of `shape`.
    public init(name: String, shape: [Int], values: [Float]) {
        guard shape.reduce(1, *) == values.count else {
            fatalError("\(name): \(values.count) values, expected those of shape \(shape)")
        }
        self.name = name
        self.shape = shape
        self.values = values
    }

    /// Throws if a value is NaN or infinite.
    public func checkFinite() throws(FormatError) {
        guard let index = values.firstIndex(where: { !$0.isFinite }) else { return }
        throw FormatError(
            .notFinite, tensor: name, expected: "finite floats",
            found: "\(values[index]) at index \(index)")
    }
}

/// The types that a file's elements may have; raw values are the names in a safetensors header.
public enum ElementType: String, Sendable, CaseIterable {
    case bool = "BOOL"
    case u8 = "U8"
    case u16 = "U16"
    case u32 = "U32"
    case u64 = "U64"
    case i8 = "I8"
    case i16 = "I16"
    case i32 = "I32"
    case i64 = "I64"
    case f16 = "F16"
    case bf16 = "BF16"
    case f32 = "F32"
    case f64 = "F64"
    case c64 = "C64"
    case f8e4m3 = "F8_E4M3"
    case f8e5m2 = "F8_E5M2"
    case f8e8m0 = "F8_E8M0"
    case f8e4m3fnuz = "F8_E4M3FNUZ"
    case f8e5m2fnuz = "F8_E5M2FNUZ"
    case f6e2m3 = "F6_E2M3"
    case f6e3m2 = "F6_E3M2"
    case f4 = "F4"

    /// Bits that one element takes in a file.
    public var bits: Int {
        switch self {
        case .f4: 4
        case .f6e2m3, .f6e3m2: 6
        case .bool, .u8, .i8, .f8e4m3, .f8e5m2, .f8e8m0, .f8e4m3fnuz, .f8e5m2fnuz: 8
        case .u16, .i16, .f16, .bf16: 16
        case .u32, .i32, .f32: 32
        case .u64, .i64, .f64, .c64: 64
        }
    }

    /// The little-endian elements of `bytes` as floats, F64 rounded to the nearest; nil for a type
    /// that is not read as floats.
    func floats(_ bytes: ArraySlice<UInt8>) -> [Float]? {
        switch self {
        case .f32: elements(bytes) { Float(bitPattern: UInt32($0)) }
        case .f64: elements(bytes) { Float(Double(bitPattern: $0)) }
        case .f16: elements(bytes) { Float(binary16: UInt16($0)) }
        case .bf16: elements(bytes) { Float(bitPattern: UInt32($0) << 16) }
        case .bool, .u8, .u16, .u32, .u64, .i8, .i16, .i32, .i64, .c64, .f8e4m3, .f8e5m2, .f8e8m0,
            .f8e4m3fnuz,
            .f8e5m2fnuz, .f6e2m3, .f6e3m2, .f4:
            nil
        }
    }

    private func elements(_ bytes: ArraySlice<UInt8>, _ convert: (UInt64) -> Float) -> [Float] {
        let size = bits / 8
        return stride(from: bytes.startIndex, to: bytes.endIndex, by: size).map {
            convert(littleEndian(bytes[$0..<$0 + size]))
        }
    }
}

/// The unsigned integer that at most eight bytes spell, lowest first.
func littleEndian(_ bytes: ArraySlice<UInt8>) -> UInt64 {
    bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
}

extension Float {
    /// The value of an IEEE 754 binary16, exactly. By hand, because `Float16` does not exist on
    /// every platform.
    init(binary16 bits: UInt16) {
        let exponent = Int(bits >> 10 & 0x1F)
        let fraction = UInt32(bits & 0x3FF)
        let magnitude: Float
        switch exponent {
        case 0: magnitude = Float(fraction) * 0x1p-24
        case 0x1F: magnitude = Float(bitPattern: 0x7F80_0000 | fraction << 13)
        default: magnitude = Float(bitPattern: UInt32(exponent + 127 - 15) << 23 | fraction << 13)
        }
        self.init(bitPattern: magnitude.bitPattern | UInt32(bits & 0x8000) << 16)
    }
}
