// Pooling: the largest, the mean or the sum of the taps of each window, channel by channel. Taps
// outside the image are left out.

/// The taps of one window that lie inside, `first` and so on, in floats from the first place of an
/// image; no rows where there are none.
typedef struct {
    size_t rows, columns, first, row_step, column_step;
} pooling_taps;

INLINE pooling_taps pooling_taps_of(const recurrent_pooling_shape *shape, size_t row,
                                    size_t column) {
    const window_axis down = window_axis_of(&shape->rows), across = window_axis_of(&shape->columns);
    const window_range rows = window_taps(&down, row), columns = window_taps(&across, column);
    const size_t place = recurrent_padded(shape->channels), x_row = shape->columns.size * place;
    pooling_taps taps = {.rows = rows.end - rows.first,
                         .columns = columns.end - columns.first,
                         .row_step = shape->rows.dilation * x_row,
                         .column_step = shape->columns.dilation * place};
    if (taps.columns == 0) taps.rows = 0;
    if (taps.rows > 0)
        taps.first = (size_t)window_at(&down, row, rows.first) * x_row
                     + (size_t)window_at(&across, column, columns.first) * place;
    return taps;
}

/// What the sum of a window is divided by.
INLINE lanes pooling_divisor(const recurrent_pooling_shape *shape) {
    return lanes_splat(shape->pooling == recurrent_pooling_average
                           ? (float)(shape->rows.taps * shape->columns.taps)
                           : 1);
}

/// Panels of a window that are worked on together.
#define POOLING_PANELS 4

/// What is made of a window. A long sum has more than SUM_BLOCK taps, each so many of which have a
/// sum of their own.
typedef enum { pooling_largest, pooling_sum, pooling_long_sum } pooling_kind;

/// So many taps from `at` to `result`; where the next ones are.
INLINE const float *pooling_run(const int largest, const int V, size_t taps, size_t step,
                                const float *at, lanes *result) {
    for (size_t tap = 0; tap < taps; ++tap, at += step)
        FOR_EACH(v, V) {
            const lanes value = lanes_load(at + v * LANES);
            const lanes_int larger = ~(value <= result[v]) & (result[v] == result[v]);
            result[v] = largest ? lanes_select(larger, value, result[v]) : result[v] + value;
        }
    return at;
}

/// V panels of a window: the sums of the taps over the divisor, or the largest of them, the first
/// where several are, or the first NaN.
INLINE void pooling_window(const pooling_kind kind, const int V, pooling_taps taps, lanes divisor,
                           const float *x, float *y) {
    const int largest = kind == pooling_largest;
    lanes result[POOLING_PANELS], long_sum[POOLING_PANELS];
    size_t left = SUM_BLOCK;
    if (kind == pooling_long_sum)
        FOR_EACH(v, V) long_sum[v] = lanes_splat(0);
    FOR_EACH(v, V)
        result[v] =
            largest && taps.rows > 0 ? lanes_load(x + taps.first + v * LANES) : lanes_splat(0);
    const float *from = x + taps.first;
    for (size_t row = 0; row < taps.rows; ++row, from += taps.row_step) {
        const float *at = from;
        size_t columns = taps.columns;
        if (kind == pooling_long_sum) {
            for (; columns > left; columns -= left, left = SUM_BLOCK) {
                at = pooling_run(largest, V, left, taps.column_step, at, result);
                FOR_EACH(v, V) {
                    long_sum[v] += result[v];
                    result[v] = lanes_splat(0);
                }
            }
            left -= columns;
        }
        pooling_run(largest, V, columns, taps.column_step, at, result);
    }
    if (kind == pooling_long_sum)
        FOR_EACH(v, V) result[v] += long_sum[v];
    FOR_EACH(v, V) lanes_store(y + v * LANES, largest ? result[v] : result[v] / divisor);
}

INLINE void pooling_forward_of(const pooling_kind kind, const recurrent_pooling_shape *shape,
                               const float *x, float *y, recurrent_partition partition) {
    const size_t place = recurrent_padded(shape->channels),
                 image_floats = shape->rows.size * shape->columns.size * place;
    const window_part part =
        window_part_of(partition, shape->images, shape->rows.windows, shape->columns.windows);
    const lanes divisor = pooling_divisor(shape);
    for (size_t image = part.images.first; image < part.images.end; ++image)
        for (size_t row = part.rows.first; row < part.rows.end; ++row)
            for (size_t column = part.columns.first; column < part.columns.end; ++column) {
                const pooling_taps taps = pooling_taps_of(shape, row, column);
                const float *from = x + image * image_floats;
                float *to =
                    y
                    + ((image * shape->rows.windows + row) * shape->columns.windows + column)
                          * place;
                size_t at = 0;
                for (; at + POOLING_PANELS * LANES <= place; at += POOLING_PANELS * LANES)
                    pooling_window(kind, POOLING_PANELS, taps, divisor, from + at, to + at);
                for (; at < place; at += LANES)
                    pooling_window(kind, 1, taps, divisor, from + at, to + at);
            }
}

static void pooling_forward(const recurrent_pooling_shape *shape, const float *x, float *y,
                            recurrent_partition partition) NONBLOCKING {
    if (shape->pooling == recurrent_pooling_max)
        pooling_forward_of(pooling_largest, shape, x, y, partition);
    else if (shape->rows.taps * shape->columns.taps <= SUM_BLOCK)
        pooling_forward_of(pooling_sum, shape, x, y, partition);
    else pooling_forward_of(pooling_long_sum, shape, x, y, partition);
}

/// dx of the taps of a window: dy where the largest is, which is y.
INLINE void pooling_window_backward_largest(pooling_taps taps, const float *x, lanes y, lanes dy,
                                            float *dx) {
    lanes_int found = lanes_first(0);
    for (size_t row = 0; row < taps.rows; ++row)
        for (size_t column = 0; column < taps.columns; ++column) {
            const size_t at = taps.first + row * taps.row_step + column * taps.column_step;
            const lanes value = lanes_load(x + at), sum = lanes_load(dx + at);
            const lanes_int here = ((value == y) | ((value != value) & (y != y))) & ~found;
            found |= here;
            lanes_store(dx + at, lanes_select(here, sum + dy, sum));
        }
}

/// dx += dy of the taps of a window.
INLINE void pooling_window_backward_sum(pooling_taps taps, lanes dy, float *dx) {
    for (size_t row = 0; row < taps.rows; ++row)
        for (size_t column = 0; column < taps.columns; ++column) {
            float *at = dx + taps.first + row * taps.row_step + column * taps.column_step;
            lanes_store(at, lanes_load(at) + dy);
        }
}

// forward: y = the largest tap of x, or Σ x / divisor
static void pooling_backward(const recurrent_pooling_shape *shape, const float *x, const float *y,
                             const float *dy, float *dx,
                             recurrent_partition partition) NONBLOCKING {
    const size_t place = recurrent_padded(shape->channels),
                 panels = recurrent_panels(shape->channels);
    const size_t places = shape->rows.size * shape->columns.size,
                 windows = shape->rows.windows * shape->columns.windows;
    const lanes divisor = pooling_divisor(shape);
    size_t first, end;
    partition_of(partition, shape->images * panels, &first, &end);
    for (size_t n = first; n < end; ++n) {
        const size_t image = n / panels, channel = n % panels * LANES,
                     at_image = image * places * place + channel;
        for (size_t at = 0; at < places; ++at)
            lanes_store(dx + at_image + at * place, lanes_splat(0));
        for (size_t window = 0; window < windows; ++window) {
            const pooling_taps taps = pooling_taps_of(shape, window / shape->columns.windows,
                                                      window % shape->columns.windows);
            const size_t at_window = (image * windows + window) * place + channel;
            const lanes d = lanes_load(dy + at_window);
            if (shape->pooling == recurrent_pooling_max)
                pooling_window_backward_largest(taps, x + at_image, lanes_load(y + at_window), d,
                                                dx + at_image);
            else pooling_window_backward_sum(taps, d / divisor, dx + at_image);
        }
    }
}
