// The LSTM cell with forget gate: one step, whole sequences, and backpropagation through time.

INLINE recurrence_layer lstm_layer(const recurrent_lstm_shape *shape) {
    return (recurrence_layer){.input = shape->input, .hidden = shape->hidden, .batch = shape->batch, .steps = shape->steps,
                              .x_stride = shape->x_stride, .groups = 4};
}

static void lstm_forward(const recurrent_lstm_shape *shape, const size_t *lengths, const float *x, const float *w, float *ifgo,
                         float *c, float *h, recurrent_share share) NONBLOCKING {
    const recurrence_share part = recurrence_share_of(share, shape->batch, recurrent_panels(shape->hidden));
    const recurrence_layer layer = lstm_layer(shape);
    const size_t state = shape->batch * recurrent_padded(shape->hidden);
    // The input part of some time steps: by the share that goes on with it, in whose cache it then is. Where shares have to
    // wait for each other before they go on, once for all time steps.
    const size_t input_steps = part.end - part.first > 1 ? shape->steps : recurrence_input_steps(part.row_end - part.row);
    size_t n = 0;
    for (size_t t = 0; t < shape->steps; ++t) {
        if (t % input_steps == 0) {
            RECURRENCE_PIECES(&part, n, piece) {
                const size_t end = shape->steps - t < input_steps ? shape->steps : t + input_steps;
                const recurrence_products products = recurrence_products_of(shape->batch, part.row, part.row_end, t, end);
                recurrence_input(&layer, piece.panel, piece.panel_end, &products, x, w, ifgo);
            }
            ++n;
        }
        lstm_rows rows = {.shape = shape, .w = w, .ifgo = ifgo + t * 4 * state, .h_prev = h + t * state,
                          .c_prev = c + t * state, .h = h + (t + 1) * state, .c = c + (t + 1) * state,
                          .lengths = lengths, .step = t, .back = (int)(t & 1)};
        RECURRENCE_PIECES(&part, n, piece) {
            rows.panel = piece.panel;
            rows.panels = piece.panel_end - piece.panel;
            lstm_time_step(&rows, part.row, part.row_end);
        }
        ++n;
    }
    recurrence_end(&part, n);
}

static void lstm_transpose(const recurrent_lstm_shape *shape, const float *w, float *transposed, recurrent_share share) NONBLOCKING {
    const recurrence_layer layer = lstm_layer(shape);
    recurrence_transpose(&layer, w, transposed, share);
}

/// The pointwise part of some rows at one time step, in some panels; it takes dh and leaves dc_prev; dh becomes zero, for the sums to
/// come.
OUTLINED void lstm_cells_backward(const recurrence_piece *piece, size_t rows, size_t units, const float *ifgo, const float *c_prev,
                                  const float *c, const float *dy, float *difgo, float *dh, float *dc) NONBLOCKING {
    for (size_t row = 0; row < rows; ++row)
        for (size_t at = row * units + piece->panel * LANES, end = row * units + piece->panel_end * LANES; at < end; at += LANES) {
            const lanes tanh_c = lanes_tanh(lanes_load(c + at));  // before the rest is loaded, which would have to wait for it
            lanes gates[4], dgates[4];
            for (int v = 0; v < 4; ++v) gates[v] = lanes_load(ifgo + 4 * at + (size_t)v * LANES);
            lanes d_h = lanes_load(dh + at), d_c = lanes_load(dc + at);
            if (dy) d_h += lanes_load(dy + at);
            lstm_cell_backward(gates, lanes_load(c_prev + at), tanh_c, d_h, &d_c, dgates);
            lanes_store(dc + at, d_c);
            lanes_store(dh + at, lanes_splat(0));
            for (int v = 0; v < 4; ++v) lanes_store(difgo + 4 * at + (size_t)v * LANES, dgates[v]);
        }
}

static void lstm_backward_data(const recurrent_lstm_shape *shape, const size_t *lengths, const float *transposed,
                               const float *ifgo, const float *c, const float *dy, float *difgo, float *dh, float *dc, float *dx,
                               recurrent_share share) NONBLOCKING {
    const recurrence_layer layer = lstm_layer(shape);
    const size_t panels = recurrent_panels(shape->hidden), units = panels * LANES, state = shape->batch * units;
    const recurrence_share part = recurrence_share_of(share, shape->batch, panels);
    // At step n, the gates of all panels at time T - n make dh, from which the gates of a piece at time T - n - 1 follow.
    for (size_t n = 0; n <= shape->steps; ++n)
        RECURRENCE_PIECES(&part, n, piece) {
            const size_t t = shape->steps - n;
            if (n > 0)
                for (size_t row = part.row, live; (live = recurrence_live_rows(lengths, t, &row, part.row_end)) > 0; row += live)
                    recurrence_backward(&layer, piece.panel, piece.panel_end, transposed, live, difgo + 4 * (t * state + row * units),
                                        dh + row * units);
            if (t == 0) continue;
            for (size_t row = part.row, live; row < part.row_end; row += live) {
                // A row that has ended passes its dh and dc by, to the bit.
                for (; row < part.row_end && !recurrence_live(lengths, row, t - 1); ++row)
                    for (size_t j = 4 * LANES * piece.panel; j < 4 * LANES * piece.panel_end; j += LANES)
                        lanes_store(difgo + 4 * ((t - 1) * state + row * units) + j, lanes_splat(0));
                live = recurrence_live_rows(lengths, t - 1, &row, part.row_end);
                const size_t at = row * units, tape = (t - 1) * state + at;
                lstm_cells_backward(&piece, live, units, ifgo + 4 * tape, c + tape, c + state + tape, dy ? dy + tape : 0,
                                    difgo + 4 * tape, dh + at, dc + at);
            }
        }
    // The last step: the gates of all panels make dx, of which each share takes some time steps.
    RECURRENCE_PIECES(&part, shape->steps + 1, piece) {
        if (!dx) continue;
        size_t step, step_end;
        share_of(recurrence_piece_share(&part, piece), shape->steps, &step, &step_end);
        const recurrence_products products = recurrence_products_of(shape->batch, part.row, part.row_end, step, step_end);
        recurrence_backward_input(&layer, &products, transposed, difgo, dx);
    }
    recurrence_end(&part, shape->steps + 2);
}

static void lstm_backward_weights(const recurrent_lstm_shape *shape, const size_t *lengths, const float *x, const float *h,
                                  const float *difgo, float *dw, recurrent_share share) NONBLOCKING {
    const recurrence_layer layer = lstm_layer(shape);
    recurrence_backward_weights(&layer, lengths, x, h, difgo, dw, share);
}
