// Losses of regression, and the sum of the losses of all rows.

static void mean_squared_error(const recurrent_rows_shape *shape, const float *y, const float *targets, const int32_t *live,
                               float scale, float *losses, float *dy, recurrent_share share) NONBLOCKING {
    const size_t units = shape->units, stride = recurrent_padded(units);
    const lanes factor = lanes_splat(2 * scale / (float)units);
    size_t first, end;
    share_of(share, shape->rows, &first, &end);
    for (size_t m = first; m < end; ++m) {
        const int skipped = live && !live[m];
        lanes sum = lanes_splat(0);
        for (size_t n = 0; n < stride; n += LANES) {
            const lanes difference = lanes_load(y + m * stride + n) - lanes_load(targets + m * stride + n);
            const lanes error = skipped ? lanes_splat(0) : lanes_keep_first(units - n, difference);
            sum = lanes_fma(error, error, sum);
            if (dy) lanes_store(dy + m * stride + n, error * factor);  // loss = 1/N Σ (y - target)²
        }
        losses[m] = lanes_sum(sum) / (float)units;
    }
}

static void sum_losses(size_t count, const float *losses, double *sum) NONBLOCKING {
    lanes_half_double low = 0, high = 0;
    for (size_t m = 0; m < count; m += LANES) {
        const lanes row = lanes_load_first(count - m, losses + m);
        low += __builtin_convertvector(row.lo, lanes_half_double);
        high += __builtin_convertvector(row.hi, lanes_half_double);
    }
    *sum = lanes_sum_double(low + high);
}
