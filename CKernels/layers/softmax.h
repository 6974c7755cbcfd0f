// Softmax, and its cross-entropy with the index of the right class.

/// Independent maxima and sums of a row, which hide the latency of one another. Vector v of a row
/// belongs to chain v mod 4, except those past the last whole four, which belong to chain 0.
#define SOFTMAX_CHAINS 4

/// The classes that the chains of a sum take before they are added up.
#define SOFTMAX_BLOCK (SUM_BLOCK * SOFTMAX_CHAINS * LANES)

/// A class this far below the largest one has a probability below 1.7e-28, and counts as
/// impossible. No term, and no gradient for any sensible scale, is then subnormal, which would slow
/// this pass and all those behind it.
#define SOFTMAX_LEAST -64.0f

/// exp(z - largest), which is lanes_exp without its care for overflow and subnormal numbers.
INLINE lanes softmax_terms(lanes logits, lanes largest) {
    const lanes below = logits - largest, least = lanes_splat(SOFTMAX_LEAST);
    const exp_parts parts = exp_parts_of(1, lanes_max(below, least));
    const lanes power = lanes_from_bits(parts.exponent + POWER_OF_TWO(0)),
                twice = lanes_from_bits(parts.exponent + POWER_OF_TWO(1));
    return lanes_select(below < least, lanes_splat(0), lanes_fma(twice, parts.half, power));
}

/// The largest of `count` logits.
INLINE float softmax_largest(size_t count, const float *logits) {
    lanes largest[SOFTMAX_CHAINS];
    for (int c = 0; c < SOFTMAX_CHAINS; ++c) largest[c] = lanes_splat(logits[0]);
    size_t n = 0;
    for (; n + SOFTMAX_CHAINS * LANES <= count; n += SOFTMAX_CHAINS * LANES)
        FOR_EACH(c, SOFTMAX_CHAINS)
            largest[c] = lanes_max(lanes_load(logits + n + c * LANES), largest[c]);
    for (; n < count; n += LANES)
        largest[0] = lanes_select(lanes_first(count - n),
                                  lanes_max(lanes_load(logits + n), largest[0]), largest[0]);
    return lanes_largest(
        lanes_max(lanes_max(largest[0], largest[2]), lanes_max(largest[1], largest[3])));
}

/// Σ_n exp(z[n] - largest); `exponentials` takes the terms, zero past the last, or is null. As
/// the largest logit adds exactly one, the sum is at least one and at most `count`: no logit can
/// make it overflow or vanish.
INLINE lanes softmax_block(size_t count, const float *logits, float largest, float *exponentials) {
    const lanes most = lanes_splat(largest);
    lanes sum[SOFTMAX_CHAINS];
    for (int c = 0; c < SOFTMAX_CHAINS; ++c) sum[c] = lanes_splat(0);
    size_t n = 0;
    for (; n + SOFTMAX_CHAINS * LANES <= count; n += SOFTMAX_CHAINS * LANES)
        FOR_EACH(c, SOFTMAX_CHAINS) {
            const lanes term = softmax_terms(lanes_load(logits + n + c * LANES), most);
            if (exponentials) lanes_store(exponentials + n + c * LANES, term);
            sum[c] += term;
        }
    for (; n < count; n += LANES) {
        const lanes term = lanes_keep_first(count - n, softmax_terms(lanes_load(logits + n), most));
        if (exponentials) lanes_store(exponentials + n, term);
        sum[0] += term;
    }
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

INLINE float softmax_sum(size_t count, const float *logits, float largest, float *exponentials) {
    if (count <= SOFTMAX_BLOCK)
        return lanes_sum(softmax_block(count, logits, largest, exponentials));
    lanes sum = lanes_splat(0);
    for (size_t n = 0; n < count; n += SOFTMAX_BLOCK)
        sum += softmax_block(count - n < SOFTMAX_BLOCK ? count - n : SOFTMAX_BLOCK, logits + n,
                             largest, exponentials ? exponentials + n : 0);
    return lanes_sum(sum);
}

/// The lanes past the last stay zero even where the factor is NaN.
INLINE void softmax_scale(size_t count, float *row, float factor) {
    size_t n = 0;
    for (; n + LANES <= count; n += LANES)
        lanes_store(row + n, lanes_load(row + n) * lanes_splat(factor));
    if (n < count)
        lanes_store(row + n,
                    lanes_keep_first(count - n, lanes_load(row + n) * lanes_splat(factor)));
}

static void softmax(const recurrent_rows_shape *shape, const float *logits, float *probabilities,
                    recurrent_partition partition) NONBLOCKING {
    const size_t classes = shape->units, stride = recurrent_padded(classes);
    size_t first, end;
    partition_of(partition, shape->rows, &first, &end);
    for (size_t at = first * stride; at < end * stride; at += stride) {
        const float sum = softmax_sum(classes, logits + at, softmax_largest(classes, logits + at),
                                      probabilities + at);
        softmax_scale(classes, probabilities + at, 1 / sum);
    }
}

/// Σ_n p[n] dp[n] over a block
INLINE lanes softmax_block_product(size_t count, const float *p, const float *dp) {
    lanes sum[SOFTMAX_CHAINS];
    for (int c = 0; c < SOFTMAX_CHAINS; ++c) sum[c] = lanes_splat(0);
    size_t n = 0;
    for (; n + SOFTMAX_CHAINS * LANES <= count; n += SOFTMAX_CHAINS * LANES)
        FOR_EACH(c, SOFTMAX_CHAINS)
            sum[c] =
                lanes_fma(lanes_load(p + n + c * LANES), lanes_load(dp + n + c * LANES), sum[c]);
    for (; n < count; n += LANES)
        sum[0] = lanes_fma(lanes_keep_first(count - n, lanes_load(p + n)),
                           lanes_keep_first(count - n, lanes_load(dp + n)), sum[0]);
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

INLINE float softmax_product(size_t count, const float *p, const float *dp) {
    lanes sum = lanes_splat(0);
    for (size_t n = 0; n < count; n += SOFTMAX_BLOCK)
        sum += softmax_block_product(count - n < SOFTMAX_BLOCK ? count - n : SOFTMAX_BLOCK, p + n,
                                     dp + n);
    return lanes_sum(sum);
}

// forward: p[n] = exp(z[n]) / Σ_k exp(z[k])
static void softmax_backward(const recurrent_rows_shape *shape, const float *probabilities,
                             const float *dprobabilities, float *dlogits,
                             recurrent_partition partition) NONBLOCKING {
    const size_t classes = shape->units, stride = recurrent_padded(classes);
    size_t first, end;
    partition_of(partition, shape->rows, &first, &end);
    for (size_t at = first * stride; at < end * stride; at += stride) {
        const lanes mean =
            lanes_splat(softmax_product(classes, probabilities + at, dprobabilities + at));
        for (size_t n = 0; n < stride; n += LANES) {
            const lanes derivative =
                lanes_load(probabilities + at + n) * (lanes_load(dprobabilities + at + n) - mean);
            lanes_store(dlogits + at + n, lanes_keep_first(classes - n, derivative));
        }
    }
}

static void softmax_cross_entropy(const recurrent_rows_shape *shape, const float *logits,
                                  const int32_t *targets, float scale, float *losses,
                                  float *dlogits, recurrent_partition partition) NONBLOCKING {
    const size_t classes = shape->units, stride = recurrent_padded(classes);
    size_t first, end;
    partition_of(partition, shape->rows, &first, &end);
    // One logarithm for 16 rows.
    for (size_t block = first; block < end; block += LANES) {
        const size_t rows = end - block < LANES ? end - block : LANES;
        float sums[LANES], margins[LANES];
        for (size_t r = 0; r < LANES; ++r) {
            sums[r] = 1;  // a loss of log 1 = 0
            margins[r] = 0;
        }
        for (size_t r = 0; r < rows; ++r) {
            const int32_t target = targets[block + r];
            const float *row = logits + (block + r) * stride;
            float *drow = dlogits ? dlogits + (block + r) * stride : 0;
            if (target < 0 || (size_t)target >= classes) {
                if (drow)
                    for (size_t n = 0; n < stride; n += LANES)
                        lanes_store(drow + n, lanes_splat(0));
                continue;
            }
            const float largest = softmax_largest(classes, row);
            margins[r] = largest - row[target];
            sums[r] = softmax_sum(classes, row, largest, drow);
            if (drow) {  // loss = log Σ_k exp(z[k]) - z[target]
                softmax_scale(classes, drow, scale / sums[r]);
                drow[target] -= scale;
            }
        }
        lanes_store_first(rows, losses + block, lanes_log(lanes_load(sums)) + lanes_load(margins));
    }
}
