// Sums over the blocks of a flat array, and the norm of a gradient.

/// Floats per round of `block_sum`: two chains of 16 sums hide the latency of the addition.
#define SQUARES_ROUND (2 * LANES)
/// They are kept in vectors of four doubles: conversions to wider ones are slower per float where
/// registers are split in two (Zen 4: by a third).
#define SQUARES_WIDTH 4
#define SQUARES_SUMS (SQUARES_ROUND / SQUARES_WIDTH)

typedef float squares_floats __attribute__((ext_vector_type(SQUARES_WIDTH), aligned(4)));
typedef double squares_doubles __attribute__((ext_vector_type(SQUARES_WIDTH)));

/// What `block_sum` adds up.
typedef enum { sum_of_magnitudes, sum_of_products } sum_kind;

/// sums[n] += x[n] y[n] for a round, or |x[n]|. The product of two floats is exact in double, so
/// the compiler may fuse it: the bits are the same.
INLINE void sum_round(const sum_kind kind, squares_doubles sums[SQUARES_SUMS], const float *x,
                      const float *y) {
#pragma clang fp contract(fast)
    UNROLL for (size_t n = 0; n < SQUARES_SUMS; ++n) {
        const squares_doubles a = __builtin_convertvector(
            *(const squares_floats *)(x + n * SQUARES_WIDTH), squares_doubles);
        const squares_doubles b = __builtin_convertvector(
            *(const squares_floats *)(y + n * SQUARES_WIDTH), squares_doubles);
        sums[n] += kind == sum_of_products ? a * b : __builtin_elementwise_abs(a);
    }
}

/// Σ x y over up to a block, or Σ |x|.
INLINE double block_sum(const sum_kind kind, size_t count, const float *x, const float *y) {
    squares_doubles sums[SQUARES_SUMS] = {0};
    size_t at = 0;
    for (; at + SQUARES_ROUND <= count; at += SQUARES_ROUND) sum_round(kind, sums, x + at, y + at);
    if (at < count) {
        float last_x[SQUARES_ROUND] = {0}, last_y[SQUARES_ROUND] = {0};
        for (size_t n = 0; at + n < count; ++n) {
            last_x[n] = x[at + n];
            last_y[n] = y[at + n];
        }
        sum_round(kind, sums, last_x, last_y);
    }
    // By halves: of the round, of 16, of eight, of four, of two.
    for (size_t half = SQUARES_SUMS / 2; half > 0; half /= 2)
        for (size_t n = 0; n < half; ++n) sums[n] += sums[n + half];
    const __typeof__(sums[0].lo) two = sums[0].lo + sums[0].hi;
    return two.lo + two.hi;
}

/// partial[b] = Σ x y over the blocks that a partition is.
INLINE void block_products(size_t count, const float *x, const float *y, double *partial,
                           recurrent_partition partition) {
    size_t first, end;
    partition_of(partition, recurrent_squares_blocks(count), &first, &end);
    for (size_t block = first; block < end; ++block) {
        const size_t from = block * RECURRENT_SQUARES_BLOCK, left = count - from;
        partial[block] = block_sum(sum_of_products,
                                   left < RECURRENT_SQUARES_BLOCK ? left : RECURRENT_SQUARES_BLOCK,
                                   x + from, y + from);
    }
}

static void sum_of_squares(size_t count, const float *x, double *partial,
                           recurrent_partition partition) NONBLOCKING {
    block_products(count, x, x, partial, partition);
}

static void global_norm(size_t blocks, const double *partial, double *norm) NONBLOCKING {
    double sum = 0;
    for (size_t block = 0; block < blocks; ++block) sum += partial[block];
    *norm = __builtin_elementwise_sqrt(sum);
}
