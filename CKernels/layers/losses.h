// Losses of regression and of yes or no, each the mean over the units of a row, and the sum of the
// losses of all rows.

/// What is summed over the units of a row.
typedef enum { loss_squared, loss_absolute, loss_huber, loss_binary } unit_loss;

/// |z| missed + log(1 + e^-|z|), where `missed` is how far the target is from the likelier answer:
/// max(z, 0) - z target without a difference of large numbers. Neither term is negative, so the
/// loss of a good answer is as exact as that of a bad one; so is the derivative.
INLINE lanes binary_loss(lanes z, lanes target, lanes *derivative) {
    const lanes_int yes = z > lanes_splat(0);
    const lanes one = lanes_splat(1), missed = lanes_select(yes, one - target, target);
    const lanes power = softmax_terms(-lanes_abs(z), lanes_splat(0));
    const lanes unlikely = power * (one / (one + power));  // σ(-|z|)
    *derivative = lanes_select(yes, missed - unlikely, unlikely - missed);
    return lanes_fma(lanes_abs(z), missed, lanes_log_one_plus(power));
}

/// sum + the losses of the units that count, zero for the others; `derivative` becomes the
/// derivative by y, of a square half of it.
INLINE lanes add_unit_loss(const unit_loss loss, lanes_int counts, lanes delta, lanes sum, lanes y,
                           lanes target, lanes *derivative) {
    if (loss == loss_binary) {
        const lanes units = binary_loss(y, target, derivative);
        *derivative = lanes_select(counts, *derivative, lanes_splat(0));
        return sum + lanes_select(counts, units, lanes_splat(0));
    }
    const lanes error = lanes_select(counts, y - target, lanes_splat(0)),
                magnitude = lanes_abs(error);
    if (loss == loss_squared) {
        *derivative = error;
        return lanes_fma(error, error, sum);
    }
    if (loss == loss_absolute) {
        *derivative = lanes_sign(error);
        return sum + magnitude;
    }
    // error²/2 up to δ, δ (|error| - δ/2) above.
    const lanes bounded = lanes_min(magnitude, delta);
    *derivative = lanes_select(error < lanes_splat(0), -bounded, bounded);
    return lanes_fma(bounded, lanes_fma(bounded, lanes_splat(-0.5f), magnitude), sum);
}

/// A loss of the first `units` of a row, or of none of them where `skips`; `dy` takes `factor`
/// times its derivative, or is null.
INLINE lanes block_loss(const unit_loss loss, const int skips, lanes delta, size_t units,
                        const float *y, const float *targets, lanes factor, float *dy) {
    lanes sum = lanes_splat(0), derivative;
    size_t n = 0;
    for (; n + LANES <= units; n += LANES) {
        sum = add_unit_loss(loss, lanes_first(skips ? 0 : LANES), delta, sum, lanes_load(y + n),
                            lanes_load(targets + n), &derivative);
        if (dy) lanes_store(dy + n, derivative * factor);
    }
    if (n < units) {
        sum = add_unit_loss(loss, lanes_first(skips ? 0 : units - n), delta, sum, lanes_load(y + n),
                            lanes_load(targets + n), &derivative);
        if (dy) lanes_store(dy + n, derivative * factor);
    }
    return sum;
}

/// The rows of every such loss; `delta` is Huber's.
INLINE void row_losses(const unit_loss loss, float delta, const recurrent_rows_shape *shape,
                       const float *y, const float *targets, const int32_t *valid, float scale,
                       float *losses, float *dy, recurrent_partition partition) {
    const size_t units = shape->units, stride = recurrent_padded(units);
    const lanes deltas = lanes_splat(delta),
                factor = lanes_splat((loss == loss_squared ? 2 * scale : scale) / (float)units);
    size_t first, end;
    partition_of(partition, shape->rows, &first, &end);
    for (size_t m = first; m < end; ++m) {
        const int skips = valid && !valid[m];
        lanes sum = lanes_splat(0);
        for (size_t n = 0; n < units; n += SUM_BLOCK * LANES) {
            const size_t count = units - n < SUM_BLOCK * LANES ? units - n : SUM_BLOCK * LANES,
                         at = m * stride + n;
            float *dy_block = dy ? dy + at : 0;
            sum += skips
                       ? block_loss(loss, 1, deltas, count, y + at, targets + at, factor, dy_block)
                       : block_loss(loss, 0, deltas, count, y + at, targets + at, factor, dy_block);
        }
        losses[m] = lanes_sum(sum) / (float)units;
    }
}

static void mean_squared_error(const recurrent_rows_shape *shape, const float *y,
                               const float *targets, const int32_t *valid, float scale,
                               float *losses, float *dy,
                               recurrent_partition partition) NONBLOCKING {
    row_losses(loss_squared, 0, shape, y, targets, valid, scale, losses, dy, partition);
}

static void mean_absolute_error(const recurrent_rows_shape *shape, const float *y,
                                const float *targets, const int32_t *valid, float scale,
                                float *losses, float *dy,
                                recurrent_partition partition) NONBLOCKING {
    row_losses(loss_absolute, 0, shape, y, targets, valid, scale, losses, dy, partition);
}

static void huber_loss(const recurrent_rows_shape *shape, const float *y, const float *targets,
                       const int32_t *valid, float delta, float scale, float *losses, float *dy,
                       recurrent_partition partition) NONBLOCKING {
    row_losses(loss_huber, delta, shape, y, targets, valid, scale, losses, dy, partition);
}

static void binary_cross_entropy(const recurrent_rows_shape *shape, const float *logits,
                                 const float *targets, const int32_t *valid, float scale,
                                 float *losses, float *dlogits,
                                 recurrent_partition partition) NONBLOCKING {
    row_losses(loss_binary, 0, shape, logits, targets, valid, scale, losses, dlogits, partition);
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
