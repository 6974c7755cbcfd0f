// Goodfellow, Bengio and Courville 2016, section 9.3. Images are [image][row][column][channel]; a
// sequence is an image of one row.

/// The largest, the mean or the sum of the taps of each window. Taps outside are left out, but the
/// mean is over the number of all taps.
public struct Pooling: Sendable {
    public enum Kind: CaseIterable, Sendable { case max, average, sum }

    public var rows, columns: WindowAxis
    public var kind: Kind

    public init(rows: WindowAxis, columns: WindowAxis, kind: Kind) {
        (self.rows, self.columns, self.kind) = (rows, columns, kind)
    }

    /// The places of the taps of a window that lie inside.
    private func places(_ i: Int, _ j: Int) -> [(row: Int, column: Int)] {
        (0..<rows.taps).compactMap { rows.place(window: i, tap: $0) }.flatMap { row in
            (0..<columns.taps).compactMap { columns.place(window: j, tap: $0) }.map { (row, $0) }
        }
    }

    /// The first of the largest.
    private func largest<S: Scalar>(_ values: [S]) -> Int? {
        var largest = values.indices.first
        for index in values.indices where S.heaviside(values[index] - values[largest!]) == 1 {
            largest = index
        }
        return largest
    }

    private func divisor<S: Scalar>() -> S {
        kind == .average ? S(exactly: rows.taps * columns.taps)! : 1
    }

    public func forward<S: Scalar>(x: [[[[S]]]]) -> [[[[S]]]] {
        x.map { image in
            (0..<rows.windows).map { i in
                (0..<columns.windows).map { j in
                    let places = places(i, j)
                    return image[0][0].indices.map { c in
                        let values = places.map { image[$0.row][$0.column][c] }
                        return kind == .max
                            ? largest(values).map { values[$0] } ?? 0
                            : values.reduce(0, +) / divisor()
                    }
                }
            }
        }
    }

    /// The gradient with respect to x, windows in ascending order.
    public func backward<S: Scalar>(x: [[[[S]]]], dy: [[[[S]]]]) -> [[[[S]]]] {
        var dx = x.map { $0.map { $0.map { $0.map { _ in 0 as S } } } }
        for image in x.indices {
            for i in 0..<rows.windows {
                for j in 0..<columns.windows {
                    let places = places(i, j)
                    for c in x[image][0][0].indices {
                        let d = dy[image][i][j][c] / divisor()
                        let taps =
                            kind == .max
                            ? largest(places.map { x[image][$0.row][$0.column][c] }).map {
                                [places[$0]]
                            } ?? [] : places
                        for tap in taps { dx[image][tap.row][tap.column][c] += d }
                    }
                }
            }
        }
        return dx
    }
}
