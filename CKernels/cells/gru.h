// The gated recurrent unit: whole sequences, and backpropagation through
// time.

static void gru_step_of_rows(const recurrent_cell_shape *shape, size_t rows, size_t at,
                             const float *w, const float *seen,
                             const recurrent_cell_tape *tape) NONBLOCKING {
    const size_t state = shape->batch * recurrent_padded(shape->hidden);
    gru_recur(shape, rows, w, tape->gates + GRU_GATES * at, tape->past + at, seen, tape->h + at,
              tape->h + state + at);
}

static void gru_forward(const recurrent_cell_shape *shape, const size_t *lengths, const float *mask,
                        const float *x, const float *w, const recurrent_cell_tape *tape,
                        recurrent_partition partition) NONBLOCKING {
    const recurrence_layer layer = gru_layer(shape);
    recurrence_forward(&layer, shape, lengths, mask, x, w, tape, tape->gates, partition,
                       gru_step_of_rows);
}

static void gru_transpose(const recurrent_cell_shape *shape, const float *w, float *transposed,
                          recurrent_partition partition) NONBLOCKING {
    const recurrence_layer layer = gru_layer(shape);
    recurrence_transpose(&layer, w, transposed, partition);
}

/// The pointwise part of some panels of some rows, before U is multiplied: it takes dh and leaves
/// what h_prev has of it in dh; each line is the derivative of the line of `gru_candidate` or
/// `gru_state` that it quotes.
INLINE void gru_cells_backward_of(const gru_variant variant, size_t panels, const float *rzn,
                                  const float *past, const float *h_prev, const float *dy,
                                  float *drzn, float *dpast, float *dh) {
    const lanes one = lanes_splat(1);
    for (size_t panel = 0; panel < panels; ++panel) {
        const size_t gates = panel * GRU_GATES * LANES, at = panel * LANES;
        const lanes r = lanes_load(rzn + gates), z = lanes_load(rzn + gates + LANES),
                    n = lanes_load(rzn + gates + 2 * LANES);
        const lanes h = lanes_load(h_prev + at);
        lanes d_h = lanes_load(dh + at);
        if (dy) d_h += lanes_load(dy + at);
        lanes d_z, d_n;
        if (variant.z_replaces) {  // h = (1 - z) h_prev + z n
            d_z = d_h * (n - h);
            d_n = d_h * z;
            lanes_store(dh + at, d_h * (one - z));
        } else {  // h = (1 - z) n + z h_prev
            d_z = d_h * (h - n);
            d_n = d_h * (one - z);
            lanes_store(dh + at, d_h * z);
        }
        d_n *= cell_derivative(variant.activation, variant.slope, n);  // n = f(·)
        if (!variant.reset_before) {                                   // n = f(W x + b + r past)
            lanes_store(drzn + gates,
                        d_n * lanes_load(past + at) * cell_derivative(variant.gate, 0, r));
            lanes_store(dpast + at, d_n * r);
        }
        lanes_store(drzn + gates + LANES, d_z * cell_derivative(variant.gate, 0, z));
        lanes_store(drzn + gates + 2 * LANES, d_n);
    }
}

OUTLINED void gru_cells_backward(const recurrent_cell_shape *shape, size_t panels, const float *rzn,
                                 const float *past, const float *h_prev, const float *dy,
                                 float *drzn, float *dpast, float *dh) NONBLOCKING {
    FOR_GRU_VARIANT(shape, gru_cells_backward_of, panels, rzn, past, h_prev, dy, drzn, dpast, dh);
}

// forward: past = r∘h_prev, or what a mask leaves of h_prev
INLINE void gru_reset_backward_of(const recurrent_activation gate, size_t panels, const float *rzn,
                                  const float *h_prev, float *drzn, const float *dpast, float *dh) {
    for (size_t panel = 0; panel < panels; ++panel) {
        const size_t gates = panel * GRU_GATES * LANES, at = panel * LANES;
        const lanes r = lanes_load(rzn + gates), d_past = lanes_load(dpast + at);
        lanes_store(drzn + gates, d_past * lanes_load(h_prev + at) * cell_derivative(gate, 0, r));
        lanes_store(dh + at, lanes_fma(d_past, r, lanes_load(dh + at)));
    }
}
OUTLINED void gru_reset_backward(recurrent_gate_activation gate, size_t panels, const float *rzn,
                                 const float *h_prev, float *drzn, const float *dpast,
                                 float *dh) NONBLOCKING {
    if (gate == recurrent_gate_sigmoid)
        gru_reset_backward_of(recurrent_activation_sigmoid, panels, rzn, h_prev, drzn, dpast, dh);
    else gru_reset_backward_of(cell_gate(gate), panels, rzn, h_prev, drzn, dpast, dh);
}

/// dh += Σ_j U[j] d[j] for some rows and `gates` gates from `gate` on: their panels, one after the
/// other, lie `d_panel` apart in rows of d that lie `d_row` apart. The first of them assigns, where
/// there is no `start`.
OUTLINED void gru_backward_sums(const recurrent_cell_shape *shape, size_t gate, size_t gates,
                                const float *transposed, size_t rows, const float *d,
                                size_t d_panel, size_t d_row, int start, float *dh) NONBLOCKING {
    const size_t panels = recurrent_panels(shape->hidden), terms = GRU_GATES * panels * LANES;
    const float *hidden =
        transposed + recurrent_panels(shape->input) * terms * LANES + gate * LANES * LANES;
    const tile_sums sums = gru_unit_sums(panels, dh);
    tile_product product = {.rows = rows,
                            .terms = gates * LANES,
                            .x = {.from = d, .term = 1, .row = d_row},
                            .w = {.from = hidden, .term = LANES, .panel = terms * LANES},
                            .start = sums,
                            .to = sums};
    if (!start) product.start.at = 0;
    for (size_t panel = 0; panel < panels; ++panel) {
        recurrence_sums(panels, panels, &product);
        product.start.at = dh;
        product.x.from += d_panel;
        product.w.from += GRU_GATES * LANES * LANES;
    }
}

// forward: h[t+1] = step(x[t], h[t])
static void gru_step_backward(const recurrent_cell_shape *shape, size_t rows, size_t at,
                              size_t row_at, const float *mask, const float *transposed,
                              const recurrent_cell_tape *tape,
                              const recurrent_cell_gradients *gradients) NONBLOCKING {
    const float *rzn = tape->gates + GRU_GATES * at, *h_prev = tape->h + at, *dy = gradients->dy;
    float *drzn = gradients->dgates + GRU_GATES * at, *dpast = gradients->dpast + at,
          *dh = gradients->dh + row_at;
    const size_t panels = recurrent_panels(shape->hidden), units = panels * LANES;
    const size_t gates = GRU_GATES * LANES, gates_row = GRU_GATES * units;
    // What passes the mask, before it does, apart from what is kept of it.
    float *dseen = mask ? gradients->scratch + row_at : dh;
    for (size_t unit = 0; mask && unit < rows * units; unit += LANES)
        lanes_store(dseen + unit, lanes_splat(0));
    gru_cells_backward(shape, rows * panels, rzn, tape->past + at, h_prev, dy ? dy + at : 0, drzn,
                       dpast, dh);
    if (!shape->gru.reset_before) {  // past = U h_prev + b′
        gru_backward_sums(shape, 2, 1, transposed, rows, dpast, LANES, units, 1, dseen);
    } else {  // n = f(W x + U past + b)
        gru_backward_sums(shape, 2, 1, transposed, rows, drzn + 2 * LANES, gates, gates_row, 0,
                          dpast);
        gru_reset_backward(shape->gate_activation, rows * panels, rzn,
                           mask ? tape->masked + at : h_prev, drzn, dpast, dseen);
    }
    gru_backward_sums(shape, 0, 2, transposed, rows, drzn, gates, gates_row, 1, dseen);
    if (mask) recurrence_mask(rows, panels, 0, panels, mask + row_at, dseen, dh, dh);
}

static void gru_backward_data(const recurrent_cell_shape *shape, const size_t *lengths,
                              const float *mask, const float *transposed,
                              const recurrent_cell_tape *tape,
                              const recurrent_cell_gradients *gradients,
                              recurrent_partition partition) NONBLOCKING {
    const recurrence_layer layer = gru_layer(shape);
    recurrence_backward_data(&layer, shape, lengths, mask, transposed, tape, gradients, partition,
                             gru_step_backward);
}

/// dU += Σ d h_prev of one gate over the rows of one block, for the columns and panels that `part`
/// has of U; the panels of d lie `d_panel` apart.
OUTLINED void gru_add_weights(product_partition part, size_t gate, tile_terms rows, tile_scalars h,
                              const float *d, size_t d_panel, size_t d_row, float *dw,
                              size_t dw_panel) NONBLOCKING {
    const tile_sums sums = {.at = dw + gate * LANES, .row = GRU_GATES * LANES, .panel = dw_panel},
                    zero = {.at = 0};
    const tile_product product = {
        .rows = part.rows,
        .some = rows,
        .x = h,
        .w = {.from = d + part.panel * d_panel, .term = d_row, .panel = d_panel},
        .start = rows.add ? zero : sums,
        .to = sums,
        .adds = rows.add};
    product_sums(1, part.panels, &product);
}

// forward: h[t+1] = step(x[t], h[t])
static void gru_backward_weights(const recurrent_cell_shape *shape, const size_t *lengths,
                                 const float *x, const recurrent_cell_tape *tape,
                                 const recurrent_cell_gradients *gradients, float *dw,
                                 recurrent_partition partition) NONBLOCKING {
    const float *past = tape->past, *h = recurrence_seen(tape), *drzn = gradients->dgates,
                *dpast = gradients->dpast;
    const recurrence_layer layer = gru_layer(shape);
    const size_t units = recurrent_padded(shape->hidden), biases = layer.inner_rows,
                 columns = 1 + shape->input + biases + shape->hidden;
    const size_t gates = GRU_GATES * LANES, gates_row = GRU_GATES * units,
                 dw_panel = columns * gates;
    const product_partition part =
        product_partition_of(partition, recurrent_panels(shape->hidden), columns);
    const product_partition bias = product_partition_within(part, 0, 1),
                            inputs = product_partition_within(part, 1, shape->input),
                            hidden_bias = product_partition_within(part, 1 + shape->input, biases),
                            hidden = product_partition_within(part, 1 + shape->input + biases,
                                                              shape->hidden);
    float *dw_part = dw + part.panel * dw_panel, *dw_hidden = dw_part + hidden.row * gates;
    for (size_t from = 0; from < shape->steps * shape->batch; from += WEIGHTS_BLOCK) {
        recurrence_runs runs;
        const tile_terms rows = recurrence_block(&layer, lengths, from, &runs);
        if (rows.runs == 0) continue;
        const float *d = drzn + from * gates_row, *d_past = dpast + from * units,
                    *d_part = d + part.panel * gates;
        if (bias.rows)
            product_add_bias(GRU_GATES, part.panels, rows, d_part, gates_row, dw_part, dw_panel);
        product_add_weights(GRU_GATES, part.panels, inputs.rows, rows,
                            (tile_scalars){.from = x + from * shape->x_stride + (inputs.row - 1),
                                           .term = shape->x_stride,
                                           .row = 1},
                            d_part, gates_row, dw_part + inputs.row * gates, dw_panel);
        for (size_t panel = 0; panel < hidden_bias.rows * part.panels; ++panel)
            product_add_bias(1, 1, rows, d_past + (part.panel + panel) * LANES, units,
                             dw_part + panel * dw_panel + hidden_bias.row * gates + 2 * LANES,
                             dw_panel);
        const size_t unit = from * units + (hidden.row - 1 - shape->input - biases);
        const tile_scalars states = {.from = h + unit, .term = units, .row = 1},
                           pasts = {.from = past + unit, .term = units, .row = 1};
        gru_add_weights(hidden, 0, rows, states, d, gates, gates_row, dw_hidden, dw_panel);
        gru_add_weights(hidden, 1, rows, states, d + LANES, gates, gates_row, dw_hidden, dw_panel);
        if (biases)
            gru_add_weights(hidden, 2, rows, states, d_past, LANES, units, dw_hidden, dw_panel);
        else
            gru_add_weights(hidden, 2, rows, pasts, d + 2 * LANES, gates, gates_row, dw_hidden,
                            dw_panel);
    }
}
