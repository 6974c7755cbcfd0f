// Embedding: a row of a table for each index.

/// The row of `index`, or null where it is padding.
INLINE const float *embedding_row(const float *table, size_t vocabulary, size_t units,
                                  int32_t index) {
    return index >= 0 && (size_t)index < vocabulary ? table + (size_t)index * units : 0;
}

static void embedding_forward(const recurrent_embedding_shape *shape, const float *table,
                              const int32_t *indices, float *y,
                              recurrent_partition partition) NONBLOCKING {
    const size_t units = recurrent_padded(shape->dimension);
    size_t first, end;
    partition_of(partition, shape->rows, &first, &end);
    for (size_t m = first; m < end; ++m) {
        const float *row = embedding_row(table, shape->vocabulary, units, indices[m]);
        for (size_t at = 0; at < units; at += LANES)
            lanes_store(y + m * units + at, row ? lanes_load(row + at) : lanes_splat(0));
    }
}

/// Up to so many rows are added to the table one after the other: sums of their own would cost them
/// more than a few bits of a long sum are worth. More rows are summed in blocks, index by index,
/// before they are added.
#define EMBEDDING_CHAIN 8192
/// Rows of a block, in which the gradients of an index have a sum of their own, and lists that its
/// indices are spread over.
#define EMBEDDING_BLOCK SUM_BLOCK
#define EMBEDDING_LISTS 64

/// The rows of a block by their index. A list goes from the first row of one index to that of
/// another, and from each of these a chain goes on to the later rows of the same index.
/// EMBEDDING_BLOCK ends lists and chains.
typedef struct {
    uint16_t list[EMBEDDING_LISTS], other[EMBEDDING_BLOCK], same[EMBEDDING_BLOCK];
} embedding_rows;

INLINE void embedding_find_rows(size_t count, const int32_t *indices, embedding_rows *rows) {
    for (size_t n = 0; n < EMBEDDING_LISTS; ++n) rows->list[n] = EMBEDDING_BLOCK;
    for (size_t m = count; m-- > 0;) {
        uint16_t *place = &rows->list[(uint32_t)indices[m] % EMBEDDING_LISTS];
        while (*place < EMBEDDING_BLOCK && indices[*place] != indices[m])
            place = &rows->other[*place];
        rows->same[m] = *place;
        rows->other[m] = *place < EMBEDDING_BLOCK ? rows->other[*place] : EMBEDDING_BLOCK;
        *place = (uint16_t)m;
    }
}

/// dtable[index] += Σ dy[m] over the rows of a chain that begins at row `m`, for floats [at, end).
INLINE void embedding_add(const embedding_rows *rows, size_t m, size_t at, size_t end,
                          const float *dy, size_t units, float *row) {
    for (; at < end; at += LANES) {
        lanes sum = lanes_load(dy + m * units + at);
        for (size_t next = rows->same[m]; next < EMBEDDING_BLOCK; next = rows->same[next])
            sum += lanes_load(dy + next * units + at);
        lanes_store(row + at, lanes_load(row + at) + sum);
    }
}

/// The floats [at, end) of all rows, block by block.
OUTLINED void embedding_add_blocks(const recurrent_embedding_shape *shape, const int32_t *indices,
                                   size_t at, size_t end, const float *dy,
                                   float *dtable) NONBLOCKING {
    const size_t units = recurrent_padded(shape->dimension);
    for (size_t block = 0; block < shape->rows; block += EMBEDDING_BLOCK) {
        embedding_rows rows;
        embedding_find_rows(shape->rows - block < EMBEDDING_BLOCK ? shape->rows - block
                                                                  : EMBEDDING_BLOCK,
                            indices + block, &rows);
        for (size_t n = 0; n < EMBEDDING_LISTS; ++n)
            for (size_t m = rows.list[n]; m < EMBEDDING_BLOCK; m = rows.other[m]) {
                float *row =
                    (float *)embedding_row(dtable, shape->vocabulary, units, indices[block + m]);
                if (row) embedding_add(&rows, m, at, end, dy + block * units, units, row);
            }
    }
}

// forward: y[m] = table[index[m]]
static void embedding_backward(const recurrent_embedding_shape *shape, const int32_t *indices,
                               const float *dy, float *dtable,
                               recurrent_partition partition) NONBLOCKING {
    const size_t units = recurrent_padded(shape->dimension);
    size_t first, end;
    partition_of(partition, recurrent_panels(shape->dimension), &first, &end);
    if (shape->rows > EMBEDDING_CHAIN) {
        if (first < end)
            embedding_add_blocks(shape, indices, first * LANES, end * LANES, dy, dtable);
        return;
    }
    for (size_t m = 0; m < shape->rows; ++m) {
        float *row = (float *)embedding_row(dtable, shape->vocabulary, units, indices[m]);
        if (!row) continue;
        for (size_t at = first * LANES; at < end * LANES; at += LANES)
            lanes_store(row + at, lanes_load(row + at) + lanes_load(dy + m * units + at));
    }
}
