// Embedding: a row of a table for each index.

/// The row of `index`, or null where it is padding.
INLINE const float *embedding_row(const float *table, size_t vocabulary, size_t units, int32_t index) {
    return index >= 0 && (size_t)index < vocabulary ? table + (size_t)index * units : 0;
}

static void embedding_forward(const recurrent_embedding_shape *shape, const float *table, const int32_t *indices, float *y,
                              recurrent_share share) NONBLOCKING {
    const size_t units = recurrent_padded(shape->dimension);
    size_t first, end;
    share_of(share, shape->rows, &first, &end);
    for (size_t m = first; m < end; ++m) {
        const float *row = embedding_row(table, shape->vocabulary, units, indices[m]);
        for (size_t at = 0; at < units; at += LANES) lanes_store(y + m * units + at, row ? lanes_load(row + at) : lanes_splat(0));
    }
}

// forward: y[m] = table[index[m]]
static void embedding_backward(const recurrent_embedding_shape *shape, const int32_t *indices, const float *dy, float *dtable,
                               recurrent_share share) NONBLOCKING {
    const size_t units = recurrent_padded(shape->dimension);
    size_t first, end;
    share_of(share, recurrent_panels(shape->dimension), &first, &end);
    for (size_t m = 0; m < shape->rows; ++m) {
        float *row = (float *)embedding_row(dtable, shape->vocabulary, units, indices[m]);
        if (!row) continue;
        for (size_t at = first * LANES; at < end * LANES; at += LANES)
            lanes_store(row + at, lanes_load(row + at) + lanes_load(dy + m * units + at));
    }
}
