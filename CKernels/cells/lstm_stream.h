// One time step of streams, by the LSTM.

/// The rows of one time step of a stream, which swaps its two buffers of h from step to step.
INLINE lstm_rows lstm_stream_of(const recurrent_cell_shape *shape, const float *x, const float *w,
                                const int bfloat16, const float *h_prev, float *c, float *h) {
    return (lstm_rows){.shape = shape,
                       .plain = 1,
                       .w = w,
                       .bfloat16 = bfloat16,
                       .x = x,
                       .h_prev = h_prev,
                       .c_prev = c,
                       .h = h,
                       .c = c,
                       .panels = recurrent_panels(shape->hidden),
                       .back = h < h_prev};
}

/// One row, or rows [first, end), of a stream whose weights are of a kind. The last thing that a
/// step does is to call the former, with all arguments in registers: a jump.
#define LSTM_STREAM(kind, bfloat16)                                                                \
    OUTLINED void lstm_stream_row_##kind(const recurrent_cell_shape *shape, const float *x,        \
                                         const float *w, const float *h_prev, float *c, float *h)  \
        NONBLOCKING {                                                                              \
        const lstm_rows rows = lstm_stream_of(shape, x, w, bfloat16, h_prev, c, h);                \
        if (rows.panels > 0) lstm_row(&rows, 0);                                                   \
    }                                                                                              \
    OUTLINED void lstm_stream_rows_##kind(const recurrent_cell_shape *shape, const float *x,       \
                                          const float *w, const float *h_prev, float *c, float *h, \
                                          size_t first, size_t end) NONBLOCKING {                  \
        const lstm_rows rows = lstm_stream_of(shape, x, w, bfloat16, h_prev, c, h);                \
        lstm_panels_##kind(&rows, first, end);                                                     \
    }                                                                                              \
    INLINE void lstm_stream_##kind(const recurrent_cell_shape *shape, const float *x,              \
                                   const float *w, const float *h_prev, float *c, float *h,        \
                                   recurrent_partition partition) {                                \
        size_t first, end;                                                                         \
        partition_of(partition, shape->batch, &first, &end);                                       \
        const size_t state = first * recurrent_padded(shape->hidden);                              \
        if (LSTM_PANELS > 0 && end - first == 1)                                                   \
            lstm_stream_row_##kind(shape, x + first * shape->x_stride, w, h_prev + state,          \
                                   c + state, h + state);                                          \
        else lstm_stream_rows_##kind(shape, x, w, h_prev, c, h, first, end);                       \
    }
LSTM_STREAM(float, 0)
LSTM_STREAM(bfloat16, 1)

/// A stream whose variant is another than the plain one. It takes what a step takes, which then
/// only jumps to it.
OUTLINED void lstm_stream_variant(const recurrent_cell_shape *shape, const float *x, const float *w,
                                  const float *h_prev, float *c, float *h, float *m,
                                  recurrent_partition partition) NONBLOCKING {
    const int is_projected = shape->lstm.projection > 0;
    lstm_rows rows = lstm_stream_of(shape, x, w, 0, h_prev, c, h);
    rows.plain = 0;
    if (is_projected) rows.h = m;
    size_t first, end;
    partition_of(partition, shape->batch, &first, &end);
    lstm_panels_variant(&rows, first, end);
    if (is_projected)
        lstm_project(shape, end - first, w, m + first * recurrent_padded(shape->hidden),
                     h + first * recurrent_padded(lstm_outputs(&rows)));
}

static void lstm_step(const recurrent_cell_shape *shape, const float *x, const float *w,
                      const float *h_prev, float *c, float *h, float *scratch,
                      recurrent_partition partition) NONBLOCKING {
    if (lstm_is_plain(shape)) lstm_stream_float(shape, x, w, h_prev, c, h, partition);
    else lstm_stream_variant(shape, x, w, h_prev, c, h, scratch, partition);
}

static void lstm_step_bfloat16(const recurrent_cell_shape *shape, const float *x, const float *w,
                               const float *h_prev, float *c, float *h,
                               recurrent_partition partition) NONBLOCKING {
    lstm_stream_bfloat16(shape, x, w, h_prev, c, h, partition);
}
