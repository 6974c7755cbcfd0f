/// Where the elements of matrices and rows lie in kernel order, written anew, so that it also
/// checks the module that owns the permutations.
public struct KernelOrder: Sendable {
    public let units: Int
    public let groups: Int
    /// Columns of the matrix, the bias among them as column 0.
    public let columns: Int

    public init(units: Int, groups: Int, columns: Int) {
        self.units = units
        self.groups = groups
        self.columns = columns
    }

    static let lanes = 16
    public static func panels(_ units: Int) -> Int { (units + lanes - 1) / lanes }
    public static func padded(_ units: Int) -> Int { panels(units) * lanes }

    public var matrixCount: Int { Self.padded(units) * groups * columns }
    public func matrixIndex(group: Int, unit: Int, column: Int) -> Int {
        ((unit / Self.lanes * columns + column) * groups + group) * Self.lanes + unit % Self.lanes
    }

    /// Floats in a row of gates: [panel][group][16].
    public var rowCount: Int { Self.padded(units) * groups }
    public func rowIndex(row: Int, group: Int, unit: Int) -> Int {
        row * rowCount + (unit / Self.lanes * groups + group) * Self.lanes + unit % Self.lanes
    }

    /// The matrix, with zeros past the last unit; `element(group, unit, column)`.
    public func matrix(_ element: (Int, Int, Int) -> Double) -> [Float] {
        matrix(zero: 0) { Float(element($0, $1, $2)) }
    }

    public func matrix<Element>(zero: Element, _ element: (Int, Int, Int) -> Element) -> [Element] {
        var elements = [Element](repeating: zero, count: matrixCount)
        for unit in 0..<units {
            for group in 0..<groups {
                for column in 0..<columns {
                    elements[matrixIndex(group: group, unit: unit, column: column)] = element(
                        group, unit, column)
                }
            }
        }
        return elements
    }

    /// Rows of gates, with zeros past the last unit; `element(row, group, unit)`.
    public func rows(_ count: Int, _ element: (Int, Int, Int) -> Double) -> [Float] {
        rows(count, zero: 0) { Float(element($0, $1, $2)) }
    }

    public func rows<Element>(
        _ count: Int, zero: Element, _ element: (Int, Int, Int) -> Element
    ) -> [Element] {
        var elements = [Element](repeating: zero, count: count * rowCount)
        for row in 0..<count {
            for group in 0..<groups {
                for unit in 0..<units {
                    elements[rowIndex(row: row, group: group, unit: unit)] = element(
                        row, group, unit)
                }
            }
        }
        return elements
    }

    /// Rows of states, padded to whole panels with zeros.
    public static func padded(_ rows: [[Double]]) -> [Float] {
        rows.flatMap { row in
            row.map { Float($0) } + [Float](repeating: 0, count: padded(row.count) - row.count)
        }
    }

    /// The first `units` of each of `count` padded rows.
    public static func unpadded(_ floats: [Float], rows count: Int, units: Int) -> [[Double]] {
        (0..<count).map { row in (0..<units).map { Double(floats[row * padded(units) + $0]) } }
    }

    /// The indices of lanes past the last unit, in a matrix.
    public var matrixPadding: [Int] {
        (units..<max(units, Self.padded(units))).flatMap { unit in
            (0..<groups).flatMap { group in
                (0..<columns).map { matrixIndex(group: group, unit: unit, column: $0) }
            }
        }
    }

    /// The indices of lanes past the last unit, in `count` rows.
    public func rowPadding(_ count: Int) -> [Int] {
        (0..<count).flatMap { row in
            (units..<max(units, Self.padded(units))).flatMap { unit in
                (0..<groups).map { rowIndex(row: row, group: $0, unit: unit) }
            }
        }
    }
}
