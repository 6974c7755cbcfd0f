// The plain recurrent layer: one step, whole sequences, and backpropagation through time.

INLINE recurrence_layer rnn_layer(const recurrent_cell_shape *shape) {
    return recurrence_layer_of(shape, 1, shape->hidden, 0);
}

/// h[v] = f(h[v]) for V vectors.
INLINE void rnn_activate_of(const recurrent_activation f, const int V, lanes slope, lanes *h) {
    FOR_EACH(v, V) h[v] = activated(f, slope, h[v]);
}

INLINE void rnn_activate(const int V, const recurrent_cell_shape *shape, lanes *h){
    FOR_CELL_ACTIVATION(shape -> activation, rnn_activate_of, V, lanes_splat(shape->slope), h)}

/// h = f(sum) for V vectors of a row from panel `panel` on. σ(0) is not zero: nor would the lanes
/// past the last unit be.
INLINE void rnn_finish(const int V, const recurrent_cell_shape *shape, size_t panel, lanes *sum,
                       float *h) {
    rnn_activate(V, shape, sum);
    FOR_EACH(v, V) {
        const size_t unit = (panel + (size_t)v) * LANES, left = shape->hidden - unit;
        lanes_store(h + unit, left < LANES ? lanes_keep_first(left, sum[v]) : sum[v]);
    }
}

/// The most vectors of a row that are summed at a time: enough to hide the latency of the
/// multiplier, on every instruction set.
#define RNN_ROW_VECTORS 6

/// One row: V vectors from panel `panel` on, the hidden sums in S chains. They start from the bias,
/// or, where x is null, from h, which holds the input part.
INLINE void rnn_row_tile(const int V, const int S, const recurrent_cell_shape *shape, size_t panel,
                         const float *x, const float *w, const float *h_prev, float *h) {
    const recurrence_layer layer = rnn_layer(shape);
    const product_columns bias = recurrence_columns(&layer, w, 0);
    tile_lanes columns = {.from = bias.from + panel * bias.panel + LANES,
                          .term = LANES,
                          .panel = bias.panel,
                          .groups = 1};
    lanes sum[RNN_ROW_VECTORS];
    FOR_EACH(v, V)
        sum[v] = lanes_load(x ? bias.from + (panel + (size_t)v) * bias.panel
                              : h + (panel + (size_t)v) * LANES);
    if (x) tile(1, V, 1, shape->input, (tile_scalars){.from = x, .term = 1}, columns, sum);
    columns.from += shape->input * LANES;
    tile(1, V, S, shape->hidden, (tile_scalars){.from = h_prev, .term = 1}, columns, sum);
    rnn_finish(V, shape, panel, sum, h);
}

#define RNN_ROW_TILE(V, S)                                                                    \
    OUTLINED void rnn_row_tile_##V##_##S(const recurrent_cell_shape *shape, size_t panel,     \
                                         const float *x, const float *w, const float *h_prev, \
                                         float *h) NONBLOCKING {                              \
        rnn_row_tile(V, S, shape, panel, x, w, h_prev, h);                                    \
    }
RNN_ROW_TILE(1, 8)
RNN_ROW_TILE(2, 4)
RNN_ROW_TILE(3, 2)
RNN_ROW_TILE(4, 2)
RNN_ROW_TILE(3, 1)
RNN_ROW_TILE(4, 1)
RNN_ROW_TILE(5, 1)
RNN_ROW_TILE(6, 1)

/// One row, all panels.
INLINE void rnn_row(const recurrent_cell_shape *shape, const float *x, const float *w,
                    const float *h_prev, float *h) {
    const size_t panels = recurrent_panels(shape->hidden);
    switch (panels) {
    case 0: return;
    case 1: rnn_row_tile_1_8(shape, 0, x, w, h_prev, h); return;
    case 2: rnn_row_tile_2_4(shape, 0, x, w, h_prev, h); return;
    case 3: rnn_row_tile_3_2(shape, 0, x, w, h_prev, h); return;
    case 4: rnn_row_tile_4_2(shape, 0, x, w, h_prev, h); return;
    }
    for (size_t panel = 0; panel < panels;) {
        const size_t count = tile_rows(panels - panel, RNN_ROW_VECTORS);
        switch (count) {
        case 3: rnn_row_tile_3_1(shape, panel, x, w, h_prev, h); break;
        case 4: rnn_row_tile_4_1(shape, panel, x, w, h_prev, h); break;
        case 5: rnn_row_tile_5_1(shape, panel, x, w, h_prev, h); break;
        case 6: rnn_row_tile_6_1(shape, panel, x, w, h_prev, h); break;
        }
        panel += count;
    }
}

/// h = f(h) for some rows.
OUTLINED void rnn_cells(const recurrent_cell_shape *shape, size_t rows, float *h) NONBLOCKING {
    const size_t panels = recurrent_panels(shape->hidden);
    for (size_t row = 0; row < rows; ++row, h += panels * LANES)
        for (size_t panel = 0; panel < panels; ++panel) {
            lanes sum = lanes_load(h + panel * LANES);
            rnn_finish(1, shape, panel, &sum, h);
        }
}

/// h = f(h + U h_prev) for some rows, which are valid; h holds the input part.
INLINE void rnn_recur(const recurrent_cell_shape *shape, size_t rows, const float *w,
                      const float *h_prev, float *h) {
    if (TILE_ROWS > 1 && rows == 1) {
        rnn_row(shape, 0, w, h_prev, h);
        return;
    }
    const recurrence_layer layer = rnn_layer(shape);
    const product_columns columns = recurrence_columns(&layer, w, 1 + shape->input);
    const size_t units = columns.panels * LANES;
    const tile_sums sums = {.at = h, .row = units, .panel = LANES};
    const tile_product product = {
        .rows = rows,
        .terms = shape->hidden,
        .x = {.from = h_prev, .term = 1, .row = units},
        .w = {.from = columns.from, .term = LANES, .panel = columns.panel},
        .start = sums,
        .to = sums};
    recurrence_sums(columns.panels, columns.panels, &product);
    rnn_cells(shape, rows, h);
}

static void rnn_step(const recurrent_cell_shape *shape, const float *x, const float *w,
                     const float *h_prev, float *c, float *h, float *scratch,
                     recurrent_partition partition) NONBLOCKING {
    (void)c, (void)scratch;
    const recurrence_layer layer = rnn_layer(shape);
    const size_t panels = recurrent_panels(shape->hidden), units = panels * LANES;
    size_t row, row_end;
    partition_of(partition, shape->batch, &row, &row_end);
    if (TILE_ROWS > 1 && row_end - row == 1) {
        rnn_row(shape, x + row * shape->x_stride, w, h_prev + row * units, h + row * units);
        return;
    }
    const recurrence_products products = recurrence_products_of(shape->batch, row, row_end, 0, 1);
    recurrence_input(&layer, 0, panels, &products, x, w, h);
    rnn_recur(shape, row_end - row, w, h_prev + row * units, h + row * units);
}

static void rnn_step_of_rows(const recurrent_cell_shape *shape, size_t rows, size_t at,
                             const float *w, const float *seen,
                             const recurrent_cell_tape *tape) NONBLOCKING {
    const size_t state = shape->batch * recurrent_padded(shape->hidden);
    rnn_recur(shape, rows, w, seen, tape->h + state + at);
}

static void rnn_forward(const recurrent_cell_shape *shape, const size_t *lengths, const float *mask,
                        const float *x, const float *w, const recurrent_cell_tape *tape,
                        recurrent_partition partition) NONBLOCKING {
    const recurrence_layer layer = rnn_layer(shape);
    float *sums = tape->h + shape->batch * recurrent_padded(shape->hidden);
    recurrence_forward(&layer, shape, lengths, mask, x, w, tape, sums, partition, rnn_step_of_rows);
}

static void rnn_transpose(const recurrent_cell_shape *shape, const float *w, float *transposed,
                          recurrent_partition partition) NONBLOCKING {
    const recurrence_layer layer = rnn_layer(shape);
    recurrence_transpose(&layer, w, transposed, partition);
}

/// dz from h and dh, which becomes zero, for the sums to come; some rows.
INLINE void rnn_cells_backward_of(const recurrent_activation f, float slope, size_t floats,
                                  const float *h, const float *dy, float *dz, float *dh) {
    for (size_t at = 0; at < floats; at += LANES) {
        lanes d_h = lanes_load(dh + at);
        if (dy) d_h += lanes_load(dy + at);
        const lanes y = lanes_load(h + at);
        lanes_store(dz + at, activated_backward(f, lanes_splat(slope), y, y, d_h));
        lanes_store(dh + at, lanes_splat(0));
    }
}

OUTLINED void rnn_cells_backward(const recurrent_cell_shape *shape, size_t floats, const float *h,
                                 const float *dy, float *dz, float *dh) NONBLOCKING {
    FOR_CELL_ACTIVATION(shape->activation, rnn_cells_backward_of, shape->slope, floats, h, dy, dz,
                        dh)
}

// forward: h[t+1] = f(W x[t] + U h[t] + b)
static void rnn_step_backward(const recurrent_cell_shape *shape, size_t rows, size_t at,
                              size_t row_at, const float *mask, const float *transposed,
                              const recurrent_cell_tape *tape,
                              const recurrent_cell_gradients *gradients) NONBLOCKING {
    const recurrence_layer layer = rnn_layer(shape);
    const size_t panels = recurrent_panels(shape->hidden), units = panels * LANES,
                 state = shape->batch * units;
    const float *dy = gradients->dy;
    float *dz = gradients->dgates + at, *dh = gradients->dh + row_at;
    rnn_cells_backward(shape, rows * units, tape->h + state + at, dy ? dy + at : 0, dz, dh);
    recurrence_backward(&layer, 0, panels, transposed, rows, dz, dh);
    if (mask) recurrence_mask(rows, panels, 0, panels, mask + row_at, dh, 0, dh);
}

static void rnn_backward_data(const recurrent_cell_shape *shape, const size_t *lengths,
                              const float *mask, const float *transposed,
                              const recurrent_cell_tape *tape,
                              const recurrent_cell_gradients *gradients,
                              recurrent_partition partition) NONBLOCKING {
    const recurrence_layer layer = rnn_layer(shape);
    recurrence_backward_data(&layer, shape, lengths, mask, transposed, tape, gradients, partition,
                             rnn_step_backward);
}

// forward: h[t+1] = f(W x[t] + U h[t] + b)
static void rnn_backward_weights(const recurrent_cell_shape *shape, const size_t *lengths,
                                 const float *x, const recurrent_cell_tape *tape,
                                 const recurrent_cell_gradients *gradients, float *dw,
                                 recurrent_partition partition) NONBLOCKING {
    const recurrence_layer layer = rnn_layer(shape);
    recurrence_backward_weights(&layer, lengths, x, tape, gradients->dgates, dw, partition);
}
