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

// A long call sums the rows of an index in blocks, as one chain of floats would err by ever more. A call of up to
// EMBEDDING_CHAIN rows adds them to the table one after the other: blocks would cost it more than the sums themselves.
#define EMBEDDING_CHAIN 8192
#define EMBEDDING_BLOCK 2048
#define EMBEDDING_SLOTS 256

/// dtable[index] += Σ dy of a block, for 16 units. Each index has the sum in its slot until the block ends or another
/// index with that slot comes.
typedef struct {
    lanes sum[EMBEDDING_SLOTS];
    float *row[EMBEDDING_SLOTS];
} embedding_sums;

INLINE void embedding_end(embedding_sums *sums, size_t slot) {
    float *row = sums->row[slot];
    if (row) lanes_store(row, lanes_load(row) + sums->sum[slot]);
    sums->row[slot] = 0;
}

/// Not inlined: its 18 KiB of stack are for long calls only.
static __attribute__((noinline)) void embedding_backward_blocks(const recurrent_embedding_shape *shape, const int32_t *indices,
                                                                const float *dy, float *dtable) NONBLOCKING {
    const size_t units = recurrent_padded(shape->dimension);
    embedding_sums sums;
    for (size_t slot = 0; slot < EMBEDDING_SLOTS; ++slot) sums.row[slot] = 0;
    for (size_t m = 0; m < shape->rows; ++m) {
        float *row = (float *)embedding_row(dtable, shape->vocabulary, units, indices[m]);
        const size_t slot = (uint32_t)indices[m] % EMBEDDING_SLOTS;
        if (row && sums.row[slot] == row) sums.sum[slot] += lanes_load(dy + m * units);
        else if (row) {
            embedding_end(&sums, slot);
            sums.row[slot] = row;
            sums.sum[slot] = lanes_load(dy + m * units);
        }
        if ((m + 1) % EMBEDDING_BLOCK == 0 || m + 1 == shape->rows)
            for (size_t each = 0; each < EMBEDDING_SLOTS; ++each) embedding_end(&sums, each);
    }
}

// forward: y[m] = table[index[m]]
static void embedding_backward(const recurrent_embedding_shape *shape, const int32_t *indices, const float *dy, float *dtable,
                               recurrent_share share) NONBLOCKING {
    const size_t units = recurrent_padded(shape->dimension);
    size_t first, end;
    share_of(share, recurrent_panels(shape->dimension), &first, &end);
    if (shape->rows > EMBEDDING_CHAIN) {
        for (; first < end; ++first) embedding_backward_blocks(shape, indices, dy + first * LANES, dtable + first * LANES);
        return;
    }
    for (size_t m = 0; m < shape->rows; ++m) {
        float *row = (float *)embedding_row(dtable, shape->vocabulary, units, indices[m]);
        if (!row) continue;
        for (size_t at = first * LANES; at < end * LANES; at += LANES)
            lanes_store(row + at, lanes_load(row + at) + lanes_load(dy + m * units + at));
    }
}
