// How the work of a kernel is split between shares.

/// Elements [first, end) of what `share` holds out of `count`.
INLINE void share_of(recurrent_share share, size_t count, size_t *first, size_t *end) {
    if (share.count == 1) {  // so that a step of a stream does not wait for a division
        *first = 0;
        *end = count;
        return;
    }
    *first = count * share.index / share.count;
    *end = count * (share.index + 1) / share.count;
}

/// A part of a matrix of `panels` panels of `rows` rows: panels where there are many, rows where
/// there are few.
typedef struct {
    size_t panel, panels, row, rows;
} product_share;

INLINE product_share product_share_of(recurrent_share share, size_t panels, size_t rows) {
    product_share part = {.panel = 0, .panels = panels, .row = 0, .rows = rows};
    const int by_panel = panels >= 4 * (size_t)share.count;
    size_t first, end;
    share_of(share, by_panel ? panels : rows, &first, &end);
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
INLINE product_share product_share_within(product_share part, size_t first, size_t count) {
    const size_t from = part.row > first ? part.row : first;
    const size_t part_end = part.row + part.rows,
                 end = part_end < first + count ? part_end : first + count;
    part.row = from;
    part.rows = end > from ? end - from : 0;
    return part;
}
