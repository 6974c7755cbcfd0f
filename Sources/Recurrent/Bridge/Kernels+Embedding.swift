internal import CRecurrent

/// The dimensions of a table of learned vectors.
///
/// C counterpart: `recurrent_embedding_shape`.
public struct EmbeddingShape: Hashable, Sendable {
    /// V, vectors in the table.
    public let vocabulary: Int
    /// E, units of a vector, in rows of 16 ⌈E/16⌉ floats.
    public let dimension: Int
    /// M, indices to look up.
    public let rows: Int

    /// - Precondition: dimensions are in 1...`ModelShape.largestDimension`, rows in 1...2^31.
    public init(vocabulary: Int, dimension: Int, rows: Int) {
        self.vocabulary = vocabulary
        self.dimension = dimension
        self.rows = rows
        unsafe requireShape(recurrent_embedding_check(cValue), self)
    }

    var cValue: recurrent_embedding_shape {
        recurrent_embedding_shape(vocabulary: vocabulary, dimension: dimension, rows: rows)
    }
    /// Floats of the table. C counterpart: `recurrent_embedding_table_floats`.
    public var tableCount: Int { recurrent_embedding_table_floats(cValue) }
    /// Floats of the vectors looked up. C counterpart: `recurrent_embedding_rows_floats`.
    public var count: Int { recurrent_embedding_rows_floats(cValue) }
}

extension Kernels {
    /// y[m] = table[indices[m]]; zero for an index outside the table. Kernel: `embedding_forward`.
    public func embeddingForward(
        _ shape: EmbeddingShape, table rows: UnsafePointer<Float>, indices: UnsafePointer<Int32>,
        y: UnsafeMutablePointer<Float>, partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.embedding_forward(&shape, rows, indices, y, partition.cValue)
    }

    /// Adds the rows' gradients to the table's. Kernel: `embedding_backward`.
    public func embeddingBackward(
        _ shape: EmbeddingShape, indices: UnsafePointer<Int32>,
        outputGradient: UnsafePointer<Float>,
        tableGradient: UnsafeMutablePointer<Float>, partition: Partition = .all
    ) {
        var shape = shape.cValue
        unsafe table.pointee.embedding_backward(
            &shape, indices, outputGradient, tableGradient, partition.cValue)
    }
}
