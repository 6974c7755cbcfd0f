// How the work of a kernel is split between partitions.

/// Elements [first, end) of what `partition` holds out of `count`.
INLINE void partition_of(recurrent_partition partition, size_t count, size_t *first, size_t *end) {
    if (partition.count == 1) {  // so that a step of a stream does not wait for a division
        *first = 0;
        *end = count;
        return;
    }
    *first = count * partition.index / partition.count;
    *end = count * (partition.index + 1) / partition.count;
}

/// A part of a matrix of `panels` panels of `rows` rows: panels where there are many, rows where
/// there are few.
typedef struct {
    size_t panel, panels, row, rows;
} product_partition;

INLINE product_partition product_partition_of(recurrent_partition partition, size_t panels,
                                              size_t rows) {
    product_partition part = {.panel = 0, .panels = panels, .row = 0, .rows = rows};
    const int by_panel = panels >= 4 * (size_t)partition.count;
    size_t first, end;
    partition_of(partition, by_panel ? panels : rows, &first, &end);
    if (by_panel) {
        part.panel = first;
        part.panels = end - first;
    } else {
        part.row = first;
        part.rows = end - first;
    }
    return part;
}

/// The rows of `part` that lie in [first, first + count).
INLINE product_partition product_partition_within(product_partition part, size_t first,
                                                  size_t count) {
    const size_t from = part.row > first ? part.row : first;
    const size_t part_end = part.row + part.rows,
                 end = part_end < first + count ? part_end : first + count;
    part.row = from;
    part.rows = end > from ? end - from : 0;
    return part;
}
