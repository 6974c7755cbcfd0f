// The LSTM cell with forget gate: one step, whole sequences, and backpropagation through time.

INLINE product_columns lstm_columns(const recurrent_lstm_shape *shape, const float *w, size_t first) {
    return (product_columns){.from = w + first * 4 * LANES, .panel = (1 + shape->input + shape->hidden) * 4 * LANES,
                             .panels = recurrent_panels(shape->hidden), .groups = 4};
}

/// A share's batch rows at time steps [step, step_end), for a product outside the recurrence: as few products of as many rows as their
/// places allow. Each has `rows` rows that lie `stride` apart; the first begins at row `first`, the next ones `next` rows further on.
typedef struct { size_t count, rows, stride, first, next; } lstm_products;

INLINE lstm_products lstm_products_of(const recurrent_lstm_shape *shape, const recurrence_share *part, size_t step, size_t step_end) {
    const size_t batch = shape->batch, rows = part->row_end - part->row, steps = step_end - step;
    lstm_products products = {.first = step * batch + part->row};
    if (rows == batch) { products.count = 1; products.rows = steps * batch; products.stride = 1; }
    else if (steps > rows) { products.count = rows; products.rows = steps; products.stride = batch; products.next = 1; }
    else { products.count = steps; products.rows = rows; products.stride = 1; products.next = batch; }
    return products;
}

/// Rows of the input part that are computed at a time, so that its sums stay in the L2 cache until the recurrence goes on with them.
#define LSTM_INPUT_ROWS 96

static void lstm_forward(const recurrent_lstm_shape *shape, const size_t *lengths, const float *x, const float *w, float *ifgo,
                         float *c, float *h, recurrent_share share) NONBLOCKING {
    const recurrence_share part = recurrence_share_of(share, shape->batch, recurrent_panels(shape->hidden));
    const size_t units = recurrent_padded(shape->hidden), state = shape->batch * units;
    // The input part of some time steps, from the bias: by the share that goes on with it, in whose cache it then is. Where shares have to
    // wait for each other before they go on, once for all time steps.
    const size_t rows_of_step = part.row_end - part.row, some = LSTM_INPUT_ROWS / (rows_of_step + (rows_of_step == 0));
    const size_t input_steps = part.end - part.first > 1 ? shape->steps : some > 0 ? some : 1;
    size_t n = 0;
    for (size_t t = 0; t < shape->steps; ++t) {
        if (t % input_steps == 0) {
            RECURRENCE_PIECES(&part, n, piece) {
                const size_t end = shape->steps - t < input_steps ? shape->steps : t + input_steps;
                const lstm_products products = lstm_products_of(shape, &part, t, end);
                const product_columns bias = lstm_columns(shape, w + piece.panel * lstm_columns(shape, w, 0).panel, 0);
                product_columns columns = bias;
                columns.from += 4 * LANES;
                columns.panels = piece.panel_end - piece.panel;
                for (size_t k = 0, row = products.first; k < products.count; ++k, row += products.next)
                    product_add(products.rows, shape->input,
                                (tile_scalars){.from = x + row * shape->x_stride, .term = 1, .row = products.stride * shape->x_stride},
                                columns, (tile_sums){.at = (float *)bias.from, .row = 0, .panel = bias.panel},
                                ifgo + (row * units + piece.panel * LANES) * 4, products.stride * 4 * units);
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
    const size_t inputs = recurrent_panels(shape->input), panels = recurrent_panels(shape->hidden);
    size_t first, end;
    share_of(share, inputs + panels, &first, &end);
    const size_t input_end = end < inputs ? end : inputs, hidden_first = first > inputs ? first - inputs : 0;
    product_transpose_columns(lstm_columns(shape, w, 1), shape->input, transposed, first, input_end);
    if (end > inputs)
        product_transpose_columns(lstm_columns(shape, w, 1 + shape->input), shape->hidden,
                                  transposed + inputs * panels * 4 * LANES * LANES, hidden_first, end - inputs);
}

/// dh_prev += U difgo, for R rows × V vectors of the hidden columns.
INLINE void lstm_hidden_backward(const int R, const int V, const int S, const float *transposed, size_t terms,
                                 const float *difgo, float *dh, size_t units) {
    lanes sum[TILE_SUMS_MOST];
    UNROLL for (int r = 0; r < R; ++r)
        UNROLL for (int v = 0; v < V; ++v) sum[r * V + v] = lanes_load(dh + (size_t)r * units + (size_t)v * LANES);
    tile(R, V, S, terms, (tile_scalars){.from = difgo, .term = 1, .row = terms},
         (tile_lanes){.from = transposed, .term = LANES, .panel = terms * LANES, .groups = 1}, sum);
    UNROLL for (int r = 0; r < R; ++r)
        UNROLL for (int v = 0; v < V; ++v) lanes_store(dh + (size_t)r * units + (size_t)v * LANES, sum[r * V + v]);
}

/// Those vectors of `rows` rows, where a layer is so small that its sums are split into S chains: ⌈H/16⌉ is at most 4.
INLINE void lstm_hidden_backward_rows(const int V, const int S, const float *transposed, size_t terms, size_t rows,
                                      const float *difgo, float *dh, size_t units) {
    for (size_t row = 0; row < rows;) {
        const size_t count = tile_rows(rows - row, TILE_ROWS / 2);
        switch (count) {
        case 1: lstm_hidden_backward(1, V, S, transposed, terms, difgo + row * terms, dh + row * units, units); break;
        case 2: lstm_hidden_backward(2, V, S, transposed, terms, difgo + row * terms, dh + row * units, units); break;
        default: lstm_hidden_backward(3, V, S, transposed, terms, difgo + row * terms, dh + row * units, units); break;
        }
        row += count;
    }
}

/// `rows` rows that are live, in some panels: their dh by way of the gates of all panels.
static void lstm_hidden_backward_piece(recurrence_piece piece, size_t panels, const float *transposed, size_t rows,
                                       const float *difgo, float *dh) NONBLOCKING {
    const size_t units = panels * LANES, terms = 4 * units, count = piece.panel_end - piece.panel;
    const float *from = transposed + piece.panel * terms * LANES;
    if (count == 0) return;
    dh += piece.panel * LANES;
    switch (product_chains(panels)) {
    case 8: lstm_hidden_backward_rows(1, 8, from, terms, rows, difgo, dh, units); break;
    case 4:
        switch (count) {
        case 1: lstm_hidden_backward_rows(1, 4, from, terms, rows, difgo, dh, units); break;
        default: lstm_hidden_backward_rows(2, 4, from, terms, rows, difgo, dh, units); break;
        }
        break;
    case 2:
        switch (count) {
        case 1: lstm_hidden_backward_rows(1, 2, from, terms, rows, difgo, dh, units); break;
        case 2: lstm_hidden_backward_rows(2, 2, from, terms, rows, difgo, dh, units); break;
        case 3: lstm_hidden_backward_rows(3, 2, from, terms, rows, difgo, dh, units); break;
        default: lstm_hidden_backward_rows(4, 2, from, terms, rows, difgo, dh, units); break;
        }
        break;
    default:
        product_add(rows, terms, (tile_scalars){.from = difgo, .term = 1, .row = terms},
                    (product_columns){.from = from, .panel = terms * LANES, .panels = count, .groups = 1},
                    (tile_sums){.at = dh, .row = units, .panel = LANES}, dh, units);
    }
}

/// The pointwise part of some rows at one time step, in some panels; it takes dh and leaves dc_prev; dh becomes zero, for the sums to
/// come.
INLINE void lstm_cells_backward(recurrence_piece piece, size_t rows, size_t units, const float *ifgo, const float *c_prev,
                                const float *c, const float *dy, float *difgo, float *dh, float *dc) {
    for (size_t row = 0; row < rows; ++row)
        for (size_t at = row * units + piece.panel * LANES, end = row * units + piece.panel_end * LANES; at < end; at += LANES) {
            lanes gates[4], dgates[4];
            for (int v = 0; v < 4; ++v) gates[v] = lanes_load(ifgo + 4 * at + (size_t)v * LANES);
            lanes d_h = lanes_load(dh + at), d_c = lanes_load(dc + at);
            if (dy) d_h += lanes_load(dy + at);
            lstm_cell_backward(gates, lanes_load(c_prev + at), lanes_load(c + at), d_h, &d_c, dgates);
            lanes_store(dc + at, d_c);
            lanes_store(dh + at, lanes_splat(0));
            for (int v = 0; v < 4; ++v) lanes_store(difgo + 4 * at + (size_t)v * LANES, dgates[v]);
        }
}

/// The next run of rows that are live at a step, from `*row` on and before `end`: its length, zero where there is none.
INLINE size_t lstm_live_rows(const size_t *lengths, size_t step, size_t *row, size_t end) {
    while (*row < end && !lstm_live(lengths, *row, step)) ++*row;
    size_t count = 0;
    while (*row + count < end && lstm_live(lengths, *row + count, step)) ++count;
    return count;
}

static void lstm_backward_data(const recurrent_lstm_shape *shape, const size_t *lengths, const float *transposed,
                               const float *ifgo, const float *c, const float *dy, float *difgo, float *dh, float *dc, float *dx,
                               recurrent_share share) NONBLOCKING {
    const size_t panels = recurrent_panels(shape->hidden), inputs = recurrent_panels(shape->input);
    const size_t units = panels * LANES, state = shape->batch * units, terms = 4 * units;
    const recurrence_share part = recurrence_share_of(share, shape->batch, panels);
    const float *hidden = transposed + inputs * terms * LANES;
    // At step n, the gates of all panels at time T - n make dh, from which the gates of a piece at time T - n - 1 follow.
    for (size_t n = 0; n <= shape->steps; ++n)
        RECURRENCE_PIECES(&part, n, piece) {
            const size_t t = shape->steps - n;
            if (n > 0)
                for (size_t row = part.row, live; (live = lstm_live_rows(lengths, t, &row, part.row_end)) > 0; row += live)
                    lstm_hidden_backward_piece(piece, panels, hidden, live, difgo + 4 * (t * state + row * units), dh + row * units);
            if (t == 0) continue;
            for (size_t row = part.row, live; row < part.row_end; row += live) {
                // A row that has ended passes its dh and dc by, to the bit.
                for (; row < part.row_end && !lstm_live(lengths, row, t - 1); ++row)
                    for (size_t j = 4 * LANES * piece.panel; j < 4 * LANES * piece.panel_end; j += LANES)
                        lanes_store(difgo + 4 * ((t - 1) * state + row * units) + j, lanes_splat(0));
                live = lstm_live_rows(lengths, t - 1, &row, part.row_end);
                const size_t at = row * units, tape = (t - 1) * state + at;
                lstm_cells_backward(piece, live, units, ifgo + 4 * tape, c + tape, c + state + tape, dy ? dy + tape : 0,
                                    difgo + 4 * tape, dh + at, dc + at);
            }
        }
    // The last step: the gates of all panels make dx, of which each share takes some time steps.
    RECURRENCE_PIECES(&part, shape->steps + 1, piece) {
        if (!dx) continue;
        size_t step, step_end;
        share_of(recurrence_piece_share(&part, piece), shape->steps, &step, &step_end);
        const lstm_products products = lstm_products_of(shape, &part, step, step_end);
        for (size_t k = 0, row = products.first; k < products.count; ++k, row += products.next)
            product_add(products.rows, terms, (tile_scalars){.from = difgo + row * terms, .term = 1, .row = products.stride * terms},
                        (product_columns){.from = transposed, .panel = terms * LANES, .panels = inputs, .groups = 1},
                        (tile_sums){.at = 0}, dx + row * inputs * LANES, products.stride * inputs * LANES);
    }
    recurrence_end(&part, shape->steps + 2);
}

static void lstm_backward_weights(const recurrent_lstm_shape *shape, const size_t *lengths, const float *x, const float *h,
                                  const float *difgo, float *dw, recurrent_share share) NONBLOCKING {
    const size_t units = recurrent_padded(shape->hidden), width = 4 * LANES, terms = 4 * units;
    const size_t dw_panel = (1 + shape->input + shape->hidden) * width;
    const product_share part = product_share_of(share, recurrent_panels(shape->hidden), 1 + shape->input + shape->hidden);
    const product_share bias = product_share_within(part, 0, 1), inputs = product_share_within(part, 1, shape->input),
                        hidden = product_share_within(part, 1 + shape->input, shape->hidden);
    float *dw_part = dw + part.panel * dw_panel;
    const size_t all = shape->steps * shape->batch;
    for (size_t row = 0; row < all;) {
        // The longest run of rows that have not ended: all of them where there are no lengths.
        size_t count = all;
        if (lengths) {
            for (; row < all && !lstm_live(lengths, row % shape->batch, row / shape->batch); ++row) {}
            for (count = 0; row + count < all && lstm_live(lengths, (row + count) % shape->batch, (row + count) / shape->batch);) ++count;
        }
        // Block by block and panel by panel, so that the bias, the inputs and the hidden units find the gates in cache.
        for (size_t block = 0; block < count; block += WEIGHTS_BLOCK) {
            const size_t from = row + block, rows = count - block < WEIGHTS_BLOCK ? count - block : WEIGHTS_BLOCK;
            for (size_t panel = 0; panel < part.panels; ++panel) {
                const float *gates = difgo + from * terms + (part.panel + panel) * width;
                float *dw_rows = dw_part + panel * dw_panel;
                if (bias.rows) product_add_bias(4, 1, rows, gates, terms, dw_rows, dw_panel);
                product_add_weights(4, 1, inputs.rows, rows,
                                    (tile_scalars){.from = x + from * shape->x_stride + (inputs.row - 1), .term = shape->x_stride, .row = 1},
                                    gates, terms, dw_rows + inputs.row * width, dw_panel);
                product_add_weights(4, 1, hidden.rows, rows,
                                    (tile_scalars){.from = h + from * units + (hidden.row - 1 - shape->input), .term = units, .row = 1},
                                    gates, terms, dw_rows + hidden.row * width, dw_panel);
            }
        }
        row += count;
    }
}
