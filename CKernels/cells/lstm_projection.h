// The projection of an LSTM, which stands between its cells and h.

/// The columns of P, one for each unit.
INLINE product_columns lstm_projection(const recurrent_cell_shape *shape, const float *w) {
    return (product_columns){.from = w + recurrent_cell_weights_floats(*shape)
                                     - recurrent_cell_projection_floats(*shape),
                             .panel = shape->hidden * LANES,
                             .panels = recurrent_panels(shape->lstm.projection),
                             .groups = 1};
}

/// Where the parts of the transposed copy lie: behind the columns of the inputs and of the hidden
/// units, for each panel its peepholes; then the columns of the projection.
INLINE size_t lstm_transposed_peepholes(const recurrent_cell_shape *shape) {
    return (recurrent_padded(shape->input) + recurrent_padded(recurrent_cell_outputs(*shape)))
           * recurrent_padded(shape->hidden) * 4;
}
INLINE size_t lstm_transposed_projection(const recurrent_cell_shape *shape) {
    return lstm_transposed_peepholes(shape)
           + shape->lstm.peepholes * recurrent_padded(shape->hidden) * 4;
}

/// h = P m for some rows, each sum in `product_chains` chains.
OUTLINED void lstm_project(const recurrent_cell_shape *shape, size_t rows, const float *w,
                           const float *m, float *h) NONBLOCKING {
    const product_columns columns = lstm_projection(shape, w);
    const tile_product product = {
        .rows = rows,
        .terms = shape->hidden,
        .x = {.from = m, .term = 1, .row = recurrent_padded(shape->hidden)},
        .w = {.from = columns.from, .term = LANES, .panel = columns.panel},
        .to = {.at = h, .row = columns.panels * LANES, .panel = LANES}};
    recurrence_sums(columns.panels, columns.panels, &product);
    const size_t last = (columns.panels - 1) * LANES, left = shape->lstm.projection - last;
    if (left < LANES)
        lstm_clear_past(left, rows, columns.panels * LANES,
                        h + last);  // 0 m is not zero, for an m that is not finite
}

/// The state of batch rows [row, end) after a step whose cells have left m: projected, or held
/// where they have ended.
OUTLINED void lstm_project_rows(const recurrent_cell_shape *shape, const size_t *lengths,
                                size_t step, size_t row, size_t end, const float *w, const float *m,
                                const float *h_prev, float *h) NONBLOCKING {
    const size_t units = recurrent_padded(shape->hidden),
                 outputs = recurrent_padded(shape->lstm.projection);
    for (size_t valid; row < end; row += valid) {
        if (lengths) row = recurrence_hold(lengths, step, row, end, outputs, h_prev, h);
        valid = recurrence_valid_rows(lengths, step, &row, end);
        lstm_project(shape, valid, w, m + row * units, h + row * outputs);
    }
}

// forward: h = P m
/// Some rows at one time step: takes dh, which becomes zero for the sums to come, and leaves it,
/// with dy, for the gradient with respect to P, and dm where do will be.
OUTLINED void lstm_project_backward(const recurrent_cell_shape *shape, size_t rows,
                                    const float *transposed, const float *dy, float *dh,
                                    float *dh_tape, float *difgo) NONBLOCKING {
    const size_t panels = recurrent_panels(shape->hidden),
                 outputs = recurrent_padded(shape->lstm.projection);
    for (size_t at = 0; at < rows * outputs; at += LANES) {
        const lanes d_h = lanes_load(dh + at);
        lanes_store(dh_tape + at, dy ? d_h + lanes_load(dy + at) : d_h);
        lanes_store(dh + at, lanes_splat(0));
    }
    const tile_product product = {
        .rows = rows,
        .terms = outputs,
        .x = {.from = dh_tape, .term = 1, .row = outputs},
        .w = {.from = transposed + lstm_transposed_projection(shape),
              .term = LANES,
              .panel = outputs * LANES},
        .to = {.at = difgo + 3 * LANES, .row = panels * 4 * LANES, .panel = 4 * LANES}};
    recurrence_sums(panels, panels, &product);
}
