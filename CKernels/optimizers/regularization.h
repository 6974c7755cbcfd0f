// Norms of the parameters as a part of the loss.

/// λ1 sign(p) + λ2 p
INLINE lanes penalty_derivative(lanes l1, lanes l2, lanes p) {
    return lanes_fma(l2, lanes_flush(p), l1 * lanes_sign(p));
}

static void add_norm_penalty(size_t count, double l1, double l2, const float *parameters,
                             float *gradient, double *partial,
                             recurrent_partition partition) NONBLOCKING {
    const lanes sign = lanes_splat((float)l1), decay = lanes_splat((float)l2);
    size_t first, end;
    partition_of(partition, recurrent_squares_blocks(count), &first, &end);
    for (size_t block = first; block < end; ++block) {
        const size_t from = block * RECURRENT_SQUARES_BLOCK, left = count - from;
        const size_t floats = left < RECURRENT_SQUARES_BLOCK ? left : RECURRENT_SQUARES_BLOCK;
        const float *p = parameters + from;
        float *dp = gradient + from;
        partial[block] = l1 * block_sum(sum_of_magnitudes, floats, p, p)
                         + l2 / 2 * block_sum(sum_of_products, floats, p, p);
        size_t n = 0;
        for (; n + LANES <= floats; n += LANES)
            lanes_store(dp + n,
                        lanes_load(dp + n) + penalty_derivative(sign, decay, lanes_load(p + n)));
        if (n == floats) continue;
        const lanes derivative =
            penalty_derivative(sign, decay, lanes_load_first(floats - n, p + n));
        lanes_store_first(floats - n, dp + n, lanes_load_first(floats - n, dp + n) + derivative);
    }
}
