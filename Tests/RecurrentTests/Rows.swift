import Recurrent

/// Rows of `units` as the kernels have them, each padded to whole panels.
func padded(_ floats: [Float], _ units: Int) -> [Float] {
    RowsShape(rows: floats.count / units, units: units).pack(floats)
}

/// The inverse of `padded`.
func unpadded(_ floats: [Float], _ units: Int) -> [Float] {
    let rows = floats.count / RowsShape(rows: 1, units: units).count
    return RowsShape(rows: rows, units: units).unpack(floats.span)
}
