// The LSTM cell with forget gate, and its variants: whole sequences, and backpropagation through
// time.

INLINE recurrence_layer lstm_layer(const recurrent_cell_shape *shape) {
    return recurrence_layer_of(shape, 4, recurrent_cell_outputs(*shape), shape->lstm.peepholes);
}

/// Between the cells of a time step and those of the next one stands the projection, which reads
/// all panels: then partitions split rows alone.
INLINE recurrence_partition lstm_partition_of(const recurrent_cell_shape *shape,
                                              recurrent_partition partition) {
    if (shape->lstm.projection) partition.barrier = 0;
    return recurrence_partition_of(partition, shape->batch, recurrent_panels(shape->hidden));
}

/// The panels of h that belong to a piece: its own, or, where h is projected, all of them.
typedef struct {
    size_t all, panel, panel_end;
} lstm_output_panels;

INLINE lstm_output_panels lstm_output_panels_of(const recurrent_cell_shape *shape,
                                                recurrence_piece piece) {
    const size_t all = recurrent_panels(recurrent_cell_outputs(*shape));
    return shape->lstm.projection ? (lstm_output_panels){.all = all, .panel_end = all}
                                  : (lstm_output_panels){.all = all,
                                                         .panel = piece.panel,
                                                         .panel_end = piece.panel_end};
}

/// y = mask∘x for batch rows [row, end) of h, in the panels of a piece.
INLINE void lstm_mask(const recurrent_cell_shape *shape, recurrence_piece piece, size_t row,
                      size_t end, const float *mask, const float *x, float *y) {
    const lstm_output_panels panels = lstm_output_panels_of(shape, piece);
    const size_t at = row * panels.all * LANES;
    recurrence_mask(end - row, panels.all, panels.panel, panels.panel_end, mask + at, x + at, 0,
                    y + at);
}

static void lstm_forward(const recurrent_cell_shape *shape, const size_t *lengths,
                         const float *mask, const float *x, const float *w,
                         const recurrent_cell_tape *tape,
                         recurrent_partition partition) NONBLOCKING {
    float *ifgo = tape->gates, *c = tape->c, *h = tape->h, *masked = tape->masked;
    const recurrence_partition part = lstm_partition_of(shape, partition);
    const recurrence_layer layer = lstm_layer(shape);
    const size_t state = recurrent_cell_units_floats(*shape),
                 output = recurrent_cell_output_floats(*shape);
    // The input part of some time steps: by the partition that goes on with it, in whose cache it
    // then is. Where partitions have to wait for each other before they go on, once for all time
    // steps.
    const size_t input_steps =
        part.end - part.first > 1 ? shape->steps : recurrence_input_steps(part.row_end - part.row);
    size_t n = 0;
    for (size_t t = 0; t < shape->steps; ++t) {
        if (t % input_steps == 0) {
            RECURRENCE_PIECES(&part, n, piece) {
                const size_t end = shape->steps - t < input_steps ? shape->steps : t + input_steps;
                const recurrence_products products =
                    recurrence_products_of(shape->batch, part.row, part.row_end, t, end);
                recurrence_input(&layer, piece.panel, piece.panel_end, &products, x, w, ifgo);
                if (mask && t == 0)
                    lstm_mask(shape, piece, part.row, part.row_end, mask, h, masked);
            }
            ++n;
        }
        const float *h_prev = h + t * output;
        float *h_next = h + (t + 1) * output,
              *m = shape->lstm.projection ? ifgo + (4 * shape->steps + t) * state : h_next;
        lstm_rows rows = {.shape = shape,
                          .w = w,
                          .ifgo = ifgo + t * 4 * state,
                          .h_prev = mask ? masked + t * output : h_prev,
                          .h_held = h_prev,
                          .c_prev = c + t * state,
                          .h = m,
                          .c = c + (t + 1) * state,
                          .lengths = lengths,
                          .step = t,
                          .back = (int)(t & 1)};
        RECURRENCE_PIECES(&part, n, piece) {
            rows.panel = piece.panel;
            rows.panels = piece.panel_end - piece.panel;
            lstm_time_step(&rows, part.row, part.row_end);
            if (shape->lstm.projection)
                lstm_project_rows(shape, lengths, t, part.row, part.row_end, w, m, h_prev, h_next);
            if (mask && t + 1 < shape->steps)
                lstm_mask(shape, piece, part.row, part.row_end, mask, h_next,
                          masked + (t + 1) * output);
        }
        ++n;
    }
    recurrence_end(&part, n);
}

static void lstm_transpose(const recurrent_cell_shape *shape, const float *w, float *transposed,
                           recurrent_partition partition) NONBLOCKING {
    const recurrence_layer layer = lstm_layer(shape);
    recurrence_transpose(&layer, w, transposed, partition);
    size_t first, end;
    partition_of(partition, recurrent_panels(shape->hidden), &first, &end);
    const product_columns peepholes = recurrence_columns(&layer, w, 1 + shape->input);
    for (size_t at = first * 4 * LANES; at < end * 4 * LANES * shape->lstm.peepholes; at += LANES)
        lanes_store(
            transposed + lstm_transposed_peepholes(shape) + at,
            lanes_load(peepholes.from + at / (4 * LANES) * peepholes.panel + at % (4 * LANES)));
    if (shape->lstm.projection)
        product_transpose_columns(lstm_projection(shape, w), shape->hidden,
                                  transposed + lstm_transposed_projection(shape), first, end);
}

/// f', from y = f(x).
INLINE lanes lstm_derivative(const lstm_variant variant, lanes y) {
    return cell_derivative(variant.activation, variant.slope, y);
}

/// One row of one panel at one time step; each line is the derivative of the line of `lstm_cell`
/// that it quotes.
INLINE void lstm_cell_backward(const lstm_variant variant, const float *peepholes,
                               const lanes *gates, lanes c_prev, lanes c, lanes activated_c,
                               lanes dh, lanes *dc, lanes *dgates) {
    const lanes i = gates[0], f = gates[1], g = gates[2], o = gates[3];
    const lanes d_o = dh * activated_c;                     // h = o f(c)
    dgates[3] = d_o * cell_derivative(variant.gate, 0, o);  // o = σ(·)
    lanes d_c = lanes_fma(dh * o, lstm_derivative(variant, activated_c), *dc);
    if (variant.peepholes)  // o = σ(· + p c)
        d_c = lanes_fma(dgates[3], lanes_load(peepholes + 3 * LANES), d_c);
    if (variant.clip > 0)  // c = min(max(·, -clip), clip)
        d_c = lanes_select(lanes_abs(c) >= lanes_splat(variant.clip), lanes_splat(0), d_c);
    lanes d_i = d_c * g, d_f = d_c * c_prev;  // c = f c_prev + i g
    const lanes d_g = d_c * i;
    *dc = d_c * f;
    if (variant.coupled) {  // f = 1 - i
        d_i -= d_f;
        d_f = lanes_splat(0);
    }
    dgates[0] = d_i * cell_derivative(variant.gate, 0, i);  // i = σ(·)
    dgates[1] = d_f * cell_derivative(variant.gate, 0, f);  // f = σ(·)
    dgates[2] = d_g * lstm_derivative(variant, g);          // g = f(·)
    if (variant.peepholes) {  // i = σ(· + p c_prev), f = σ(· + p c_prev)
        *dc = lanes_fma(dgates[0], lanes_load(peepholes), *dc);
        if (!variant.coupled) *dc = lanes_fma(dgates[1], lanes_load(peepholes + LANES), *dc);
    }
}

/// The pointwise part of some rows at one time step, in some panels; it leaves dc_prev, and takes
/// dh, which becomes zero for the sums to come, or, where h is projected, takes dm from where do
/// will be.
INLINE void lstm_cells_backward(const lstm_variant variant, const recurrence_piece *piece,
                                size_t rows, size_t units, const float *peepholes,
                                const float *ifgo, const float *c_prev, const float *c,
                                const float *dy, float *difgo, float *dh, float *dc) {
    for (size_t row = 0; row < rows; ++row)
        for (size_t at = row * units + piece->panel * LANES,
                    end = row * units + piece->panel_end * LANES;
             at < end; at += LANES) {
            const float *own_peepholes = variant.peepholes ? peepholes + 4 * (at - row * units) : 0;
            // Before the rest is loaded, which would have to wait for it.
            const lanes new_c = lanes_load(c + at), activated_c = lstm_activated(variant, new_c);
            lanes gates[4], dgates[4];
            for (int v = 0; v < 4; ++v) gates[v] = lanes_load(ifgo + 4 * at + (size_t)v * LANES);
            lanes d_h = lanes_load(variant.projection ? difgo + 4 * at + 3 * LANES : dh + at),
                  d_c = lanes_load(dc + at);
            if (dy) d_h += lanes_load(dy + at);
            lstm_cell_backward(variant, own_peepholes, gates, lanes_load(c_prev + at), new_c,
                               activated_c, d_h, &d_c, dgates);
            lanes_store(dc + at, d_c);
            if (!variant.projection) lanes_store(dh + at, lanes_splat(0));
            for (int v = 0; v < 4; ++v) lanes_store(difgo + 4 * at + (size_t)v * LANES, dgates[v]);
        }
}
OUTLINED void lstm_cells_backward_plain(const recurrence_piece *piece, size_t rows, size_t units,
                                        const float *ifgo, const float *c_prev, const float *c,
                                        const float *dy, float *difgo, float *dh,
                                        float *dc) NONBLOCKING {
    lstm_cells_backward(lstm_plain, piece, rows, units, 0, ifgo, c_prev, c, dy, difgo, dh, dc);
}
OUTLINED void lstm_cells_backward_variant(const recurrent_cell_shape *shape,
                                          const recurrence_piece *piece, size_t rows, size_t units,
                                          const float *peepholes, const float *ifgo,
                                          const float *c_prev, const float *c, const float *dy,
                                          float *difgo, float *dh, float *dc) NONBLOCKING {
    lstm_cells_backward(lstm_variant_of(shape), piece, rows, units, peepholes, ifgo, c_prev, c, dy,
                        difgo, dh, dc);
}

static void lstm_backward_data(const recurrent_cell_shape *shape, const size_t *lengths,
                               const float *mask, const float *transposed,
                               const recurrent_cell_tape *tape,
                               const recurrent_cell_gradients *gradients,
                               recurrent_partition partition) NONBLOCKING {
    const float *ifgo = tape->gates, *c = tape->c, *dy = gradients->dy;
    float *difgo = gradients->dgates, *dh = gradients->dh, *dc = gradients->dc;
    const recurrence_layer layer = lstm_layer(shape);
    const size_t projection = shape->lstm.projection;
    const size_t panels = recurrent_panels(shape->hidden), units = panels * LANES,
                 state = shape->batch * units;
    const size_t outputs = recurrent_padded(layer.outputs), output = shape->batch * outputs;
    const recurrence_partition part = lstm_partition_of(shape, partition);
    float *dh_tape = difgo + 4 * shape->steps * state;
    // At step n, the gates of all panels at time T - n make dh, from which the gates of a piece at
    // time T - n - 1 follow.
    for (size_t n = 0; n <= shape->steps; ++n) RECURRENCE_PIECES(&part, n, piece) {
            const size_t t = shape->steps - n;
            const lstm_output_panels dh_panels = lstm_output_panels_of(shape, piece);
            if (n > 0)
                for (size_t row = part.row, valid;
                     (valid = recurrence_valid_rows(lengths, t, &row, part.row_end)) > 0;
                     row += valid) {
                    recurrence_backward(&layer, dh_panels.panel, dh_panels.panel_end, transposed,
                                        valid, difgo + 4 * (t * state + row * units),
                                        dh + row * outputs);
                    if (mask) lstm_mask(shape, piece, row, row + valid, mask, dh, dh);
                }
            if (t == 0) continue;
            for (size_t row = part.row, valid; row < part.row_end; row += valid) {
                // A row that has ended passes its dh and dc by, bit for bit.
                for (; row < part.row_end && !recurrence_valid(lengths, row, t - 1); ++row) {
                    for (size_t j = 4 * LANES * piece.panel; j < 4 * LANES * piece.panel_end;
                         j += LANES)
                        lanes_store(difgo + 4 * ((t - 1) * state + row * units) + j,
                                    lanes_splat(0));
                    for (size_t j = 0; projection && j < outputs; j += LANES)
                        lanes_store(dh_tape + (t - 1) * output + row * outputs + j, lanes_splat(0));
                }
                valid = recurrence_valid_rows(lengths, t - 1, &row, part.row_end);
                const size_t at = row * units, tape = (t - 1) * state + at,
                             at_h = (t - 1) * output + row * outputs;
                const float *dy_rows = dy ? dy + at_h : 0;
                if (lstm_is_plain(shape)) {
                    lstm_cells_backward_plain(&piece, valid, units, ifgo + 4 * tape, c + tape,
                                              c + state + tape, dy_rows, difgo + 4 * tape, dh + at,
                                              dc + at);
                    continue;
                }
                if (projection) {
                    lstm_project_backward(shape, valid, transposed, dy_rows, dh + row * outputs,
                                          dh_tape + at_h, difgo + 4 * tape);
                    dy_rows = 0;
                }
                lstm_cells_backward_variant(shape, &piece, valid, units,
                                            transposed + lstm_transposed_peepholes(shape),
                                            ifgo + 4 * tape, c + tape, c + state + tape, dy_rows,
                                            difgo + 4 * tape, dh + row * outputs, dc + at);
            }
        }
    // The last step: the gates of all panels make dx, of which each partition takes some time
    // steps.
    RECURRENCE_PIECES(&part, shape->steps + 1, piece) {
        if (!gradients->dx) continue;
        size_t step, step_end;
        partition_of(recurrence_piece_partition(&part, piece), shape->steps, &step, &step_end);
        const recurrence_products products =
            recurrence_products_of(shape->batch, part.row, part.row_end, step, step_end);
        recurrence_backward_input(&layer, &products, transposed, difgo, gradients->dx);
    }
    recurrence_end(&part, shape->steps + 2);
}

// forward: i = σ(· + p c_prev), f = σ(· + p c_prev), o = σ(· + p c)
/// The gradient with respect to the peepholes of some panels, from the rows of one block of the
/// tape.
OUTLINED void lstm_add_peepholes(size_t panels, tile_terms rows, size_t units, const float *c_prev,
                                 const float *c, const float *difgo, float *dw,
                                 size_t dw_panel) NONBLOCKING {
    for (size_t panel = 0; panel < panels; ++panel) {
        float *at = dw + panel * dw_panel;
        lanes d_i = lanes_splat(0), d_f = d_i, d_o = d_i;
        if (!rows.add) {
            d_i = lanes_load(at);
            d_f = lanes_load(at + LANES);
            d_o = lanes_load(at + 3 * LANES);
        }
        for (size_t run = 0; run < rows.runs; ++run)
            for (size_t row = rows.run[run].first, end = (size_t)rows.run[run].last + 1; row < end;
                 ++row) {
                const size_t state = row * units + panel * LANES;
                const float *gates = difgo + 4 * state;
                const lanes before = lanes_load(c_prev + state);
                d_i = lanes_fma(lanes_load(gates), before, d_i);
                d_f = lanes_fma(lanes_load(gates + LANES), before, d_f);
                d_o = lanes_fma(lanes_load(gates + 3 * LANES), lanes_load(c + state), d_o);
            }
        lanes_store(at, rows.add ? lanes_load(at) + d_i : d_i);
        lanes_store(at + LANES, rows.add ? lanes_load(at + LANES) + d_f : d_f);
        lanes_store(at + 3 * LANES, rows.add ? lanes_load(at + 3 * LANES) + d_o : d_o);
    }
}

static void lstm_backward_weights(const recurrent_cell_shape *shape, const size_t *lengths,
                                  const float *x, const recurrent_cell_tape *tape,
                                  const recurrent_cell_gradients *gradients, float *dw,
                                  recurrent_partition partition) NONBLOCKING {
    const float *ifgo = tape->gates, *c = tape->c, *difgo = gradients->dgates;
    const recurrence_layer layer = lstm_layer(shape);
    recurrence_backward_weights(&layer, lengths, x, tape, difgo, dw, partition);
    if (lstm_is_plain(shape)) return;
    const size_t units = recurrent_padded(shape->hidden), outputs = recurrent_padded(layer.outputs),
                 state = shape->batch * units;
    const size_t panel_rows = recurrence_panel_rows(&layer), dw_panel = panel_rows * 4 * LANES,
                 behind = 4 * shape->steps * state;
    const product_partition part = product_partition_of(partition, units / LANES, panel_rows);
    const product_partition peepholes =
        product_partition_within(part, 1 + shape->input, shape->lstm.peepholes);
    const product_partition projection =
        product_partition_of(partition, recurrent_panels(shape->lstm.projection), shape->hidden);
    float *dw_peepholes = dw + part.panel * dw_panel + peepholes.row * 4 * LANES;
    float *dw_projection =
        dw + units / LANES * dw_panel + (projection.panel * shape->hidden + projection.row) * LANES;
    for (size_t row = 0; row < shape->steps * shape->batch; row += WEIGHTS_BLOCK) {
        recurrence_runs runs;
        const tile_terms rows = recurrence_block(&layer, lengths, row, &runs);
        const size_t at = row * units + part.panel * LANES;
        if (peepholes.rows)
            lstm_add_peepholes(part.panels, rows, units, c + at, c + state + at, difgo + 4 * at,
                               dw_peepholes, dw_panel);
        if (shape->lstm.projection && rows.runs > 0)
            product_add_weights(1, projection.panels, projection.rows, rows,
                                (tile_scalars){.from = ifgo + behind + row * units + projection.row,
                                               .term = units,
                                               .row = 1},
                                difgo + behind + row * outputs + projection.panel * LANES, outputs,
                                dw_projection, shape->hidden * LANES);
    }
}
