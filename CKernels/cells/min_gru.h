// The minimal gated recurrent unit. Neither its gate nor its candidate reads h_prev: the sums of
// all time steps are one product, and what is left to the recurrence is pointwise.

/// The gates in a panel: z n.
#define MIN_GRU_GATES 2

INLINE recurrence_layer min_gru_layer(const recurrent_cell_shape *shape) {
    return recurrence_layer_of(shape, MIN_GRU_GATES, 0, 0);
}

/// h, and z activated, for some rows; zn holds the sums.
OUTLINED void min_gru_cells(const recurrent_cell_shape *shape, size_t rows, float *zn,
                            const float *h_prev, float *h) NONBLOCKING {
    const size_t panels = recurrent_panels(shape->hidden);
    for (size_t row = 0; row < rows; ++row)
        for (size_t panel = 0; panel < panels; ++panel) {
            const size_t at = (row * panels + panel) * LANES, left = shape->hidden - panel * LANES;
            float *gates = zn + MIN_GRU_GATES * at;
            const lanes z = lanes_sigmoid(lanes_load(gates)), n = lanes_load(gates + LANES);
            lanes_store(gates, z);
            // Past the last unit 0 times an infinite input would be NaN.
            const lanes state = gru_state(1, z, n, lanes_load(h_prev + at));
            lanes_store(h + at, left < LANES ? lanes_keep_first(left, state) : state);
        }
}

static void min_gru_step(const recurrent_cell_shape *shape, const float *x, const float *w,
                         const float *h_prev, float *c, float *h, float *scratch,
                         recurrent_partition partition) NONBLOCKING {
    (void)c;
    const recurrence_layer layer = min_gru_layer(shape);
    const size_t panels = recurrent_panels(shape->hidden), units = panels * LANES;
    size_t row, row_end;
    partition_of(partition, shape->batch, &row, &row_end);
    const recurrence_products products = recurrence_products_of(shape->batch, row, row_end, 0, 1);
    recurrence_input(&layer, 0, panels, &products, x, w, scratch);
    min_gru_cells(shape, row_end - row, scratch + MIN_GRU_GATES * row * units, h_prev + row * units,
                  h + row * units);
}

static void min_gru_step_of_rows(const recurrent_cell_shape *shape, size_t rows, size_t at,
                                 const float *w, const float *seen,
                                 const recurrent_cell_tape *tape) NONBLOCKING {
    (void)w, (void)seen;
    const size_t state = shape->batch * recurrent_padded(shape->hidden);
    min_gru_cells(shape, rows, tape->gates + MIN_GRU_GATES * at, tape->h + at,
                  tape->h + state + at);
}

static void min_gru_forward(const recurrent_cell_shape *shape, const size_t *lengths,
                            const float *mask, const float *x, const float *w,
                            const recurrent_cell_tape *tape,
                            recurrent_partition partition) NONBLOCKING {
    const recurrence_layer layer = min_gru_layer(shape);
    recurrence_forward(&layer, shape, lengths, mask, x, w, tape, tape->gates, partition,
                       min_gru_step_of_rows);
}

static void min_gru_transpose(const recurrent_cell_shape *shape, const float *w, float *transposed,
                              recurrent_partition partition) NONBLOCKING {
    const recurrence_layer layer = min_gru_layer(shape);
    recurrence_transpose(&layer, w, transposed, partition);
}

// forward: h = (1 - z) h_prev + z n, z = σ(·)
OUTLINED void min_gru_cells_backward(size_t panels, const float *zn, const float *h_prev,
                                     const float *dy, float *dzn, float *dh) NONBLOCKING {
    const lanes one = lanes_splat(1);
    for (size_t at = 0; at < panels * LANES; at += LANES) {
        const size_t gates = MIN_GRU_GATES * at;
        const lanes z = lanes_load(zn + gates), n = lanes_load(zn + gates + LANES);
        lanes d_h = lanes_load(dh + at);
        if (dy) d_h += lanes_load(dy + at);
        lanes_store(dzn + gates, d_h * (n - lanes_load(h_prev + at)) * (z * (one - z)));
        lanes_store(dzn + gates + LANES, d_h * z);
        lanes_store(dh + at, d_h * (one - z));
    }
}

static void min_gru_step_backward(const recurrent_cell_shape *shape, size_t rows, size_t at,
                                  size_t row_at, const float *mask, const float *transposed,
                                  const recurrent_cell_tape *tape,
                                  const recurrent_cell_gradients *gradients) NONBLOCKING {
    (void)mask, (void)transposed;  // of U, which there is not
    const float *dy = gradients->dy;
    min_gru_cells_backward(rows * recurrent_panels(shape->hidden), tape->gates + MIN_GRU_GATES * at,
                           tape->h + at, dy ? dy + at : 0, gradients->dgates + MIN_GRU_GATES * at,
                           gradients->dh + row_at);
}

static void min_gru_backward_data(const recurrent_cell_shape *shape, const size_t *lengths,
                                  const float *mask, const float *transposed,
                                  const recurrent_cell_tape *tape,
                                  const recurrent_cell_gradients *gradients,
                                  recurrent_partition partition) NONBLOCKING {
    const recurrence_layer layer = min_gru_layer(shape);
    recurrence_backward_data(&layer, shape, lengths, mask, transposed, tape, gradients, partition,
                             min_gru_step_backward);
}

static void min_gru_backward_weights(const recurrent_cell_shape *shape, const size_t *lengths,
                                     const float *x, const recurrent_cell_tape *tape,
                                     const recurrent_cell_gradients *gradients, float *dw,
                                     recurrent_partition partition) NONBLOCKING {
    const recurrence_layer layer = min_gru_layer(shape);
    recurrence_backward_weights(&layer, lengths, x, tape, gradients->dgates, dw, partition);
}
