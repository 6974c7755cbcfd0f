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
            const lanes state = gru_state(recurrent_gru_lecture, z, n, lanes_load(h_prev + at));
            lanes_store(h + at, left < LANES ? lanes_keep_first(left, state) : state);
        }
}

static void min_gru_step(const recurrent_cell_shape *shape, const float *x, const float *w,
                         const float *h_prev, float *c, float *h, float *scratch,
                         recurrent_share share) NONBLOCKING {
    (void)c;
    const recurrence_layer layer = min_gru_layer(shape);
    const size_t panels = recurrent_panels(shape->hidden), units = panels * LANES;
    size_t row, row_end;
    share_of(share, shape->batch, &row, &row_end);
    const recurrence_products products = recurrence_products_of(shape->batch, row, row_end, 0, 1);
    recurrence_input(&layer, 0, panels, &products, x, w, scratch);
    min_gru_cells(shape, row_end - row, scratch + MIN_GRU_GATES * row * units, h_prev + row * units,
                  h + row * units);
}

static void min_gru_forward(const recurrent_cell_shape *shape, const size_t *lengths,
                            const float *mask, const float *x, const float *w,
                            const recurrent_cell_tape *tape, recurrent_share share) NONBLOCKING {
    float *zn = tape->gates, *h = tape->h;
    const recurrence_layer layer = min_gru_layer(shape);
    const size_t panels = recurrent_panels(shape->hidden), units = panels * LANES,
                 state = shape->batch * units;
    size_t first, end;
    share_of(share, shape->batch, &first, &end);
    const size_t input_steps = recurrence_input_steps(end - first);
    for (size_t t = 0; t < shape->steps; ++t) {
        if (t % input_steps == 0) {
            const size_t step_end = shape->steps - t < input_steps ? shape->steps : t + input_steps;
            const recurrence_products products =
                recurrence_products_of(shape->batch, first, end, t, step_end);
            recurrence_input(&layer, 0, panels, &products, x, w, zn);
        }
        const float *h_prev = h + t * state;
        if (mask) recurrence_mask_rows(units, first, end, mask, h_prev, tape->masked + t * state);
        for (size_t row = first, live; row < end; row += live) {
            if (lengths)
                row = recurrence_hold(lengths, t, row, end, units, h_prev, h + (t + 1) * state);
            live = recurrence_live_rows(lengths, t, &row, end);
            const size_t at = t * state + row * units;
            min_gru_cells(shape, live, zn + MIN_GRU_GATES * at, h + at, h + state + at);
        }
    }
}

static void min_gru_transpose(const recurrent_cell_shape *shape, const float *w, float *transposed,
                              recurrent_share share) NONBLOCKING {
    const recurrence_layer layer = min_gru_layer(shape);
    recurrence_transpose(&layer, w, transposed, share);
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

// forward: h[t+1] = (1 - z) h[t] + z n, (z, n) of W x[t] + b
static void min_gru_backward_data(const recurrent_cell_shape *shape, const size_t *lengths,
                                  const float *mask, const float *transposed,
                                  const recurrent_cell_tape *tape,
                                  const recurrent_cell_gradients *gradients,
                                  recurrent_share share) NONBLOCKING {
    (void)mask;  // U alone would read what it leaves of h
    const float *dy = gradients->dy;
    float *dzn = gradients->dgates;
    const recurrence_layer layer = min_gru_layer(shape);
    const size_t panels = recurrent_panels(shape->hidden), units = panels * LANES,
                 state = shape->batch * units;
    size_t first, end;
    share_of(share, shape->batch, &first, &end);
    for (size_t t = shape->steps; t-- > 0;)
        for (size_t row = first, live; row < end; row += live) {
            // A row that has ended passes its dh by, bit for bit.
            for (; row < end && !recurrence_live(lengths, row, t); ++row) {
                float *dzn_row = dzn + MIN_GRU_GATES * (t * state + row * units);
                for (size_t at = 0; at < MIN_GRU_GATES * units; at += LANES)
                    lanes_store(dzn_row + at, lanes_splat(0));
            }
            live = recurrence_live_rows(lengths, t, &row, end);
            const size_t at = t * state + row * units;
            min_gru_cells_backward(live * panels, tape->gates + MIN_GRU_GATES * at, tape->h + at,
                                   dy ? dy + at : 0, dzn + MIN_GRU_GATES * at,
                                   gradients->dh + row * units);
        }
    const recurrence_products products =
        recurrence_products_of(shape->batch, first, end, 0, shape->steps);
    if (gradients->dx) recurrence_backward_input(&layer, &products, transposed, dzn, gradients->dx);
}

static void min_gru_backward_weights(const recurrent_cell_shape *shape, const size_t *lengths,
                                     const float *x, const recurrent_cell_tape *tape,
                                     const recurrent_cell_gradients *gradients, float *dw,
                                     recurrent_share share) NONBLOCKING {
    const recurrence_layer layer = min_gru_layer(shape);
    recurrence_backward_weights(&layer, lengths, x, tape, gradients->dgates, dw, share);
}
