/// The vectors of `indices`, zero for an index that the table does not have: y[m] =
/// table[indices[m]].
public func embeddingForward(table: [[Double]], indices: [Int]) -> [[Double]] {
    let dimension = table.first?.count ?? 0
    return indices.map {
        table.indices.contains($0) ? table[$0] : [Double](repeating: 0, count: dimension)
    }
}

/// The gradient of the loss by the table, from the one by the vectors looked up: dtable[v] = Σ over
/// the m with indices[m] = v of dy[m].
public func embeddingBackward(dy: [[Double]], indices: [Int], vocabulary: Int, dimension: Int)
    -> [[Double]]
{
    var dtable = [[Double]](repeating: [Double](repeating: 0, count: dimension), count: vocabulary)
    for (index, dyRow) in zip(indices, dy) where dtable.indices.contains(index) {
        for unit in 0..<dimension { dtable[index][unit] += dyRow[unit] }
    }
    return dtable
}
