internal import CRecurrent

/// Rows of units, each padded to whole panels where kernels work on them, and without padding where
/// a caller sees them.
struct PaddedRows {
    let count: Int
    let units: Int

    /// Floats without padding.
    var floats: Int { count * units }
    private var padded: Int { recurrent_padded(units) }

    func unpad(_ memory: UnsafePointer<Float>, to floats: UnsafeMutablePointer<Float>) {
        for row in 0..<count {
            unsafe (floats + row * units).update(from: memory + row * padded, count: units)
        }
    }

    func unpadded(_ memory: UnsafePointer<Float>) -> [Float] {
        var floats = [Float](repeating: 0, count: floats)
        unsafe floats.withUnsafeMutableBufferPointer {
            if let start = $0.baseAddress { unsafe unpad(memory, to: start) }
        }
        return floats
    }

    /// Whether the units of a row are finite, whatever its padding is.
    func isFinite(_ memory: UnsafePointer<Float>, row: Int) -> Bool {
        (0..<units).allSatisfy { unsafe memory[row * padded + $0].isFinite }
    }

    /// Whether the units of every row are.
    func isFinite(_ memory: UnsafePointer<Float>) -> Bool {
        (0..<count).allSatisfy { unsafe isFinite(memory, row: $0) }
    }

    /// Resets a row to zero, its padding too.
    func reset(_ memory: UnsafeMutablePointer<Float>, row: Int) {
        unsafe (memory + row * padded).update(repeating: 0, count: padded)
    }

    /// Leaves the padding as it is.
    func pad(_ floats: ArraySlice<Float>, to memory: UnsafeMutablePointer<Float>) {
        for row in 0..<count {
            for unit in 0..<units {
                unsafe memory[row * padded + unit] = floats[floats.startIndex + row * units + unit]
            }
        }
    }
}
