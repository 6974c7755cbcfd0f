/// A square matrix in Double.
struct SquareMatrix {
    let size: Int
    /// Row by row.
    var elements: [Double]

    init(size: Int, _ element: (_ row: Int, _ column: Int) -> Double) {
        self.size = size
        elements = (0..<size * size).map { element($0 / size, $0 % size) }
    }

    subscript(row: Int, column: Int) -> Double { elements[row * size + column] }

    static func + (a: SquareMatrix, b: SquareMatrix) -> SquareMatrix {
        SquareMatrix(size: a.size) { a[$0, $1] + b[$0, $1] }
    }

    /// aᵀ times the matrix: a row of derivatives by what the matrix differentiates.
    func transposedProduct(_ a: [Double]) -> [Double] {
        (0..<size).map { column in (0..<size).reduce(0) { $0 + a[$1] * self[$1, column] } }
    }

    /// The largest singular value, ‖·‖₂. Rotations make the rows orthogonal to each other, each
    /// pair in turn, until all are (Hestenes 1958, "Inversion of matrices by biorthogonalization
    /// and related results"); then their norms are the singular values.
    var spectralNorm: Double {
        // Below this a product of two rows no longer counts: the largest singular value is right to
        // ten digits then.
        let least = 1e-13 * elements.reduce(0) { $0 + $1 * $1 }
        var rows = elements
        var isDone = false
        while !isDone {
            isDone = true
            for p in 0..<size {
                for q in 0..<p where rotate(p, q, &rows, least: least) { isDone = false }
            }
        }
        return (0..<size).map { row in
            rows[row * size..<(row + 1) * size].reduce(0) { $0 + $1 * $1 }
        }.max()!.squareRoot()
    }

    /// Makes two rows orthogonal; returns whether they were not.
    private func rotate(_ p: Int, _ q: Int, _ rows: inout [Double], least: Double) -> Bool {
        let (pStart, qStart) = (p * size, q * size)
        var (pp, qq, pq) = (0.0, 0.0, 0.0)
        for k in 0..<size {
            let (a, b) = (rows[pStart + k], rows[qStart + k])
            pp += a * a
            qq += b * b
            pq += a * b
        }
        guard abs(pq) > least else { return false }
        let cotangent = (qq - pp) / (2 * pq)
        let tangent =
            (cotangent < 0 ? -1 : 1) / (abs(cotangent) + (1 + cotangent * cotangent).squareRoot())
        let cosine = 1 / (1 + tangent * tangent).squareRoot()
        let sine = cosine * tangent
        for k in 0..<size {
            let (a, b) = (rows[pStart + k], rows[qStart + k])
            rows[pStart + k] = cosine * a - sine * b
            rows[qStart + k] = sine * a + cosine * b
        }
        return true
    }
}
