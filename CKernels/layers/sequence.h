// What lies around a recurrent layer: sequences turned round in time and put side by side for the
// two directions of a bidirectional layer, and made one vector for an answer per sequence.

/// n_b: the time steps of row `row`.
INLINE size_t sequence_length(const recurrent_sequence_shape *shape, const size_t *lengths,
                              size_t row) {
    return lengths && lengths[row] < shape->steps ? lengths[row] : shape->steps;
}

/// 16 units from `n` on of a row of x; zeros past the last unit, and where there is no row.
INLINE lanes sequence_units(const recurrent_sequence_shape *shape, const float *x, size_t n) {
    return x && n < shape->units ? lanes_load_first(shape->units - n, x + n) : lanes_splat(0);
}

INLINE void sequence_rows(const recurrent_sequence_shape *shape, const size_t *lengths,
                          const float *x, float *y, const int adds, recurrent_partition partition) {
    size_t first, end;
    partition_of(partition, shape->steps * shape->batch, &first, &end);
    for (size_t to = first; to < end; ++to) {
        const size_t t = to / shape->batch, b = to % shape->batch,
                     length = sequence_length(shape, lengths, b);
        const size_t from = shape->reversed ? length - 1 - t : t;
        const float *row = t < length ? x + (from * shape->batch + b) * shape->x_stride : 0;
        float *at = y + to * shape->y_stride;
        for (size_t n = 0; n < shape->width; n += LANES) {
            const lanes units = sequence_units(shape, row, n);
            lanes_store_first(shape->width - n, at + n,
                              adds ? lanes_load_first(shape->width - n, at + n) + units : units);
        }
    }
}

static void sequence_copy(const recurrent_sequence_shape *shape, const size_t *lengths,
                          const float *x, float *y, recurrent_partition partition) NONBLOCKING {
    sequence_rows(shape, lengths, x, y, 0, partition);
}

static void add_sequence(const recurrent_sequence_shape *shape, const size_t *lengths,
                         const float *x, float *y, recurrent_partition partition) NONBLOCKING {
    sequence_rows(shape, lengths, x, y, 1, partition);
}

// Means are summed in double: a stream may go on for days, and a float that has grown no longer
// notices what is added to it.

/// The steps of row `row` that count.
typedef struct {
    size_t first, end;
} sequence_span;

INLINE sequence_span sequence_pooled(const recurrent_sequence_shape *shape,
                                     recurrent_sequence_pooling pooling, const size_t *lengths,
                                     size_t row) {
    const size_t length = sequence_length(shape, lengths, row);
    if (pooling == recurrent_sequence_mean || length == 0) return (sequence_span){0, length};
    const size_t last = shape->reversed ? 0 : length - 1;
    return (sequence_span){last, last + 1};
}

INLINE size_t sequence_span_steps(sequence_span span) {
    return span.end > span.first ? span.end - span.first : 1;
}

/// y = Σ_t x[t] / steps for `tiles` (1 or 2) times 16 units. x has the first `units` of a tile, y
/// has room for `width`.
INLINE void sequence_mean(size_t steps, size_t stride, const float *x, float *y, const size_t tiles,
                          const size_t units, const size_t width) {
    lanes_double sum[2] = {0};
    for (size_t t = 0; t < steps; ++t, x += stride) UNROLL
        for (size_t tile = 0; tile < tiles; ++tile) {
            const float *at = x + tile * LANES;
            sum[tile] += lanes_widen(units >= LANES ? lanes_load(at) : lanes_load_first(units, at));
        }
    const double count = steps > 0 ? (double)steps : 1;
    UNROLL for (size_t tile = 0; tile < tiles; ++tile)
        lanes_store_first(width, y + tile * LANES, lanes_narrow(sum[tile] / count));
}

static void sequence_pool(const recurrent_sequence_shape *shape, recurrent_sequence_pooling pooling,
                          const size_t *lengths, const float *x, float *y,
                          recurrent_partition partition) NONBLOCKING {
    const size_t stride = shape->batch * shape->x_stride, units = shape->units,
                 width = shape->width;
    size_t first, end;
    partition_of(partition, shape->batch, &first, &end);
    for (size_t b = first; b < end; ++b) {
        const sequence_span span = sequence_pooled(shape, pooling, lengths, b);
        const size_t steps = span.end - span.first;
        const float *row = x + span.first * stride + b * shape->x_stride;
        float *to = y + b * shape->y_stride;
        size_t n = 0;
        for (; n + 2 * LANES <= units; n += 2 * LANES)
            sequence_mean(steps, stride, row + n, to + n, 2, LANES, LANES);
        if (n + LANES <= units) {
            sequence_mean(steps, stride, row + n, to + n, 1, LANES, LANES);
            n += LANES;
        }
        if (n < units) {
            sequence_mean(steps, stride, row + n, to + n, 1, units - n, width - n);
            n += LANES;
        }
        for (; n < width; n += LANES) lanes_store_first(width - n, to + n, lanes_splat(0));
    }
}

// forward: y[b] = x[n_b - 1][b], or Σ_t x[t][b] / n_b
static void sequence_pool_backward(const recurrent_sequence_shape *shape,
                                   recurrent_sequence_pooling pooling, const size_t *lengths,
                                   const float *dy, float *dx,
                                   recurrent_partition partition) NONBLOCKING {
    size_t first, end;
    partition_of(partition, shape->batch, &first, &end);
    for (size_t b = first; b < end; ++b) {
        const sequence_span span = sequence_pooled(shape, pooling, lengths, b);
        const lanes steps = lanes_splat((float)sequence_span_steps(span));
        for (size_t n = 0; n < shape->width; n += LANES) {
            const lanes gradient = sequence_units(shape, dy + b * shape->x_stride, n) / steps;
            for (size_t t = 0; t < shape->steps; ++t)
                lanes_store_first(shape->width - n,
                                  dx + (t * shape->batch + b) * shape->y_stride + n,
                                  t >= span.first && t < span.end ? gradient : lanes_splat(0));
        }
    }
}
