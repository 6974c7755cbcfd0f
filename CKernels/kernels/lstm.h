// The LSTM cell with forget gate: one step, whole sequences, and backpropagation through time.

INLINE product_columns lstm_columns(const recurrent_lstm_shape *shape, const float *w, size_t first) {
    return (product_columns){.from = w + first * 4 * LANES, .panel = (1 + shape->input + shape->hidden) * 4 * LANES,
                             .panels = recurrent_panels(shape->hidden), .groups = 4};
}

/// Where a row of the tape holds its state from: all steps are live where there are no lengths.
INLINE int lstm_live(const size_t *lengths, size_t row, size_t step) { return !lengths || step < lengths[row]; }

/// The pointwise part of one row of one panel, in the order in which its results are waited for.
#define LSTM_CELL_PARTS 5
/// One of these parts. `gates` holds the pre-activations, then the activated gates.
INLINE void lstm_cell_part(const int part, lanes *gates, lanes c_prev, lanes *c, lanes *h) {
    switch (part) {
    case 0: gates[0] = lanes_sigmoid(gates[0]); break;                                    // i
    case 1: gates[1] = lanes_sigmoid(gates[1]); break;                                    // f
    case 2: gates[2] = lanes_tanh(gates[2]); break;                                       // g
    case 3: gates[3] = lanes_sigmoid(gates[3]); break;                                    // o
    default:
        *c = lanes_fma(gates[1], c_prev, gates[0] * gates[2]);
        *h = gates[3] * lanes_tanh(*c);
    }
}

INLINE void lstm_cell(lanes *gates, lanes c_prev, lanes *c, lanes *h) {
    UNROLL for (int part = 0; part < LSTM_CELL_PARTS; ++part) lstm_cell_part(part, gates, c_prev, c, h);
}

/// The rows of one time step: from where the gates start, to where the states go. Strides are in floats.
typedef struct {
    const recurrent_lstm_shape *shape;
    const float *w;
    int bfloat16;         ///< whether `w` holds bfloat16
    const float *x;       ///< the input row, where the sums start from the bias; null where they start from `ifgo`
    float *ifgo;          ///< partial sums in, activated gates out; null where nothing is recorded
    const float *h_prev, *c_prev;
    float *h, *c;
    const size_t *lengths;
    size_t step;
    size_t panel, panels; ///< the first panel, and their number
    int back;             ///< whether the panels are walked from the last to the first
} lstm_rows;

/// Panels of weights from `panel` on: 4 vectors of biases, then a row for each column, inputs in front of hidden units.
typedef struct { const float *bias; tile_lanes columns; } lstm_panels;

INLINE lstm_panels lstm_panels_from(const lstm_rows *rows, size_t panel) {
    const size_t row = (rows->bfloat16 ? 2 : 4) * LANES, floats = 4 * LANES + (rows->shape->input + rows->shape->hidden) * row;
    const float *bias = rows->w + panel * floats;
    return (lstm_panels){.bias = bias, .columns = {.from = bias + 4 * LANES, .term = row, .panel = floats, .groups = 4,
                                                   .bfloat16 = rows->bfloat16}};
}

INLINE tile_lanes lstm_columns_from(lstm_panels panels, size_t column) {
    panels.columns.from += column * panels.columns.term;
    return panels.columns;
}

/// The panel, or group of panels, of this share that is walked `index`-th out of `count`. Steps walk to and fro, one after the other, so that
/// each begins with the weights that the one before it has left in the nearer cache.
INLINE size_t lstm_walk(const lstm_rows *rows, size_t index, size_t count) { return rows->back ? count - 1 - index : index; }

/// Where the sums of V vectors from panel `panel` on start from: the bias, or the partial sums of the input part.
INLINE void lstm_start(const int V, const lstm_rows *rows, size_t panel, size_t row, lanes *sum) {
    const size_t units = recurrent_padded(rows->shape->hidden);
    const lstm_panels w = lstm_panels_from(rows, panel);
    UNROLL for (int v = 0; v < V; ++v)
        sum[v] = rows->x ? lanes_load(w.bias + (size_t)(v / 4) * w.columns.panel + (size_t)(v % 4) * LANES)
                         : lanes_load(rows->ifgo + (row * units + panel * LANES) * 4 + (size_t)v * LANES);
}

/// Records the gates and states of one row of one panel, at `state` floats from the first state.
INLINE void lstm_finish(const lstm_rows *rows, size_t state, const lanes *gates, lanes c, lanes h) {
    if (rows->ifgo)
        UNROLL for (int v = 0; v < 4; ++v) lanes_store(rows->ifgo + 4 * state + (size_t)v * LANES, gates[v]);
    lanes_store(rows->c + state, c);
    lanes_store(rows->h + state, h);
}

/// R rows × P panels from panel `panel`, with the hidden sums in S chains.
INLINE void lstm_tile(const int R, const int P, const int S, const lstm_rows *rows, size_t panel, size_t row) {
    const recurrent_lstm_shape *shape = rows->shape;
    const size_t units = recurrent_padded(shape->hidden);
    const lstm_panels w = lstm_panels_from(rows, panel);
    lanes sum[TILE_SUMS_MOST];
    UNROLL for (int r = 0; r < R; ++r) lstm_start(4 * P, rows, panel, row + (size_t)r, sum + r * 4 * P);
    if (rows->x)
        tile(R, 4 * P, 1, shape->input, (tile_scalars){.from = rows->x + row * shape->x_stride, .term = 1, .row = shape->x_stride},
             w.columns, sum);
    tile(R, 4 * P, S, shape->hidden, (tile_scalars){.from = rows->h_prev + row * units, .term = 1, .row = units},
         lstm_columns_from(w, shape->input), sum);
    UNROLL for (int r = 0; r < R; ++r)
        UNROLL for (int p = 0; p < P; ++p) {
            const size_t state = (row + (size_t)r) * units + (panel + (size_t)p) * LANES;
            lanes *gates = &sum[(r * P + p) * 4];
            const lanes c_prev = lanes_load(rows->c_prev + state);
            lanes c, h;
            lstm_cell(gates, c_prev, &c, &h);
            if (!lstm_live(rows->lengths, row + (size_t)r, rows->step)) {
                c = c_prev;
                h = lanes_load(rows->h_prev + state);
            }
            lstm_finish(rows, state, gates, c, h);
        }
}

/// One row, P panels at a time out of a multiple of P. The pointwise part of a panel waits for itself most of the time: its parts stand
/// between the products of the next panels, which fill that time.
INLINE void lstm_row(const int P, const lstm_rows *rows, size_t row) {
    const recurrent_lstm_shape *shape = rows->shape;
    const size_t groups = rows->panels / (size_t)P, units = recurrent_padded(shape->hidden);
    const tile_scalars h_prev = {.from = rows->h_prev + row * units, .term = 1};
    lanes gates[TILE_SUMS_MOST], c_prev[TILE_SUMS_MOST], c[TILE_SUMS_MOST], h[TILE_SUMS_MOST];
    size_t state = 0;
    for (size_t index = 0; index < groups; ++index) {
        const size_t panel = rows->panel + lstm_walk(rows, index, groups) * (size_t)P;
        const lstm_panels w = lstm_panels_from(rows, panel);
        lanes sum[TILE_SUMS_MOST];
        lstm_start(4 * P, rows, panel, row, sum);
        if (rows->x) tile(1, 4 * P, 1, shape->input, (tile_scalars){.from = rows->x + row * shape->x_stride, .term = 1}, w.columns, sum);
        if (index == 0)
            tile(1, 4 * P, 1, shape->hidden, h_prev, lstm_columns_from(w, shape->input), sum);
        else {
            UNROLL for (int part = 0; part < LSTM_CELL_PARTS; ++part) {
                const size_t first = shape->hidden * (size_t)part / LSTM_CELL_PARTS;
                const size_t end = shape->hidden * (size_t)(part + 1) / LSTM_CELL_PARTS;
                UNROLL for (int p = 0; p < P; ++p) lstm_cell_part(part, gates + 4 * p, c_prev[p], &c[p], &h[p]);
                tile(1, 4 * P, 1, end - first, (tile_scalars){.from = h_prev.from + first, .term = 1},
                     lstm_columns_from(w, shape->input + first), sum);
            }
            UNROLL for (int p = 0; p < P; ++p) lstm_finish(rows, state + (size_t)p * LANES, gates + 4 * p, c[p], h[p]);
        }
        state = row * units + panel * LANES;
        UNROLL for (int p = 0; p < P; ++p) c_prev[p] = lanes_load(rows->c_prev + state + (size_t)p * LANES);
        UNROLL for (int v = 0; v < 4 * P; ++v) gates[v] = sum[v];
    }
    UNROLL for (int p = 0; p < P; ++p) {
        lstm_cell(gates + 4 * p, c_prev[p], &c[p], &h[p]);
        lstm_finish(rows, state + (size_t)p * LANES, gates + 4 * p, c[p], h[p]);
    }
}

/// Rows [first, end) of one time step.
INLINE void lstm_time_step(const lstm_rows *rows, size_t first, size_t end) {
    const size_t panels = rows->panels;
    if (panels == 0) return;
    if (product_chains(recurrent_panels(rows->shape->hidden) * 4) > 1)  // one panel
        for (size_t row = first; row < end;) {
            const size_t count = tile_rows(end - row, TILE_ROWS / 2);
            switch (count) {
            case 1: lstm_tile(1, 1, 2, rows, 0, row); break;
            case 2: lstm_tile(2, 1, 2, rows, 0, row); break;
            default: lstm_tile(3, 1, 2, rows, 0, row); break;
            }
            row += count;
        }
    else if (end - first == 1 && panels > LSTM_PANELS && lstm_live(rows->lengths, first, rows->step))
        if (rows->bfloat16 && LSTM_PANELS >= 2 && panels % 2 == 0) lstm_row(2, rows, first);
        else lstm_row(1, rows, first);
    else if (end - first == 1 && panels == 2 && LSTM_PANELS >= 2)
        lstm_tile(1, 2, 1, rows, rows->panel, first);
    else if (end - first == 1 && panels == 3 && LSTM_PANELS >= 3)
        lstm_tile(1, 3, 1, rows, rows->panel, first);
    else
        for (size_t index = 0; index < panels; ++index) {
            const size_t panel = rows->panel + lstm_walk(rows, index, panels);
            for (size_t row = first; row < end;) {
                const size_t count = tile_rows(end - row, TILE_ROWS);
                switch (count) {
                case 1: lstm_tile(1, 1, 1, rows, panel, row); break;
                case 2: lstm_tile(2, 1, 1, rows, panel, row); break;
                case 3: lstm_tile(3, 1, 1, rows, panel, row); break;
                case 4: lstm_tile(4, 1, 1, rows, panel, row); break;
                case 5: lstm_tile(5, 1, 1, rows, panel, row); break;
                default: lstm_tile(6, 1, 1, rows, panel, row); break;
                }
                row += count;
            }
        }
}

INLINE void lstm_stream(const recurrent_lstm_shape *shape, const float *x, const float *w, const int bfloat16, const float *h_prev,
                        float *c, float *h, recurrent_share share) {
    size_t first, end;
    share_of(share, shape->batch, &first, &end);
    const lstm_rows rows = {.shape = shape, .w = w, .bfloat16 = bfloat16, .x = x, .h_prev = h_prev, .c_prev = c, .h = h, .c = c,
                            .panels = recurrent_panels(shape->hidden), .back = h < h_prev};  // a stream swaps its two buffers from step to step
    lstm_time_step(&rows, first, end);
}

static void lstm_step(const recurrent_lstm_shape *shape, const float *x, const float *w, const float *h_prev, float *c,
                      float *h, recurrent_share share) NONBLOCKING {
    lstm_stream(shape, x, w, 0, h_prev, c, h, share);
}

static void lstm_step_bfloat16(const recurrent_lstm_shape *shape, const float *x, const float *w, const float *h_prev, float *c,
                               float *h, recurrent_share share) NONBLOCKING {
    lstm_stream(shape, x, w, 1, h_prev, c, h, share);
}

/// The rows of all time steps that a share takes in a product outside the recurrence: `count` times `rows` rows, from `row`.
typedef struct { size_t row, rows, count; } lstm_products;

/// Any rows where the shares wait for each other before and after; those of the share's own sequences, step by step, where not.
INLINE lstm_products lstm_products_of(const recurrent_lstm_shape *shape, const recurrence_share *part) {
    size_t first = part->row, end = part->row_end;
    const int any = part->share.count == 1 || part->share.barrier;
    if (any) share_of(part->share, shape->steps * shape->batch, &first, &end);
    return (lstm_products){.row = first, .rows = end - first, .count = end == first ? 0 : any ? 1 : shape->steps};
}

static void lstm_forward(const recurrent_lstm_shape *shape, const size_t *lengths, const float *x, const float *w, float *ifgo,
                         float *c, float *h, recurrent_share share) NONBLOCKING {
    const recurrence_share part = recurrence_share_of(share, shape->batch, recurrent_panels(shape->hidden));
    const size_t units = recurrent_padded(shape->hidden), state = shape->batch * units;
    // The input part of all time steps, from the bias: one product where shares can take any rows of it.
    const lstm_products products = lstm_products_of(shape, &part);
    for (size_t n = 0; n < products.count; ++n) {
        const size_t row = products.row + n * shape->batch;
        product_add(products.rows, shape->input,
                    (tile_scalars){.from = x + row * shape->x_stride, .term = 1, .row = shape->x_stride},
                    lstm_columns(shape, w, 1),
                    (tile_sums){.at = (float *)w, .row = 0, .panel = lstm_columns(shape, w, 0).panel},
                    ifgo + row * 4 * units, 4 * units);
    }
    share_wait(share);
    for (size_t t = 0; t < shape->steps; ++t) {
        const lstm_rows rows = {.shape = shape, .w = w, .ifgo = ifgo + t * 4 * state, .h_prev = h + t * state,
                                .c_prev = c + t * state, .h = h + (t + 1) * state, .c = c + (t + 1) * state,
                                .lengths = lengths, .step = t, .panel = part.panel, .panels = part.panel_end - part.panel,
                                .back = (int)(t & 1)};
        lstm_time_step(&rows, part.row, part.row_end);
        recurrence_wait(&part);
    }
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

/// One row of one panel at one time step; each line is the derivative of the line of `lstm_cell` that it quotes.
INLINE void lstm_cell_backward(const lanes *gates, lanes c_prev, lanes c, lanes dh, lanes *dc, lanes *dgates) {
    const lanes i = gates[0], f = gates[1], g = gates[2], o = gates[3], one = lanes_splat(1);
    const lanes tanh_c = lanes_tanh(c);
    const lanes d_o = dh * tanh_c;                                             // h = o tanh(c)
    const lanes d_c = lanes_fma(dh * o, lanes_fma(-tanh_c, tanh_c, one), *dc);
    const lanes d_i = d_c * g, d_f = d_c * c_prev, d_g = d_c * i;              // c = f c_prev + i g
    *dc = d_c * f;
    dgates[0] = d_i * (i * (one - i));                                         // i = σ(·)
    dgates[1] = d_f * (f * (one - f));                                         // f = σ(·)
    dgates[2] = d_g * lanes_fma(-g, g, one);                                   // g = tanh(·)
    dgates[3] = d_o * (o * (one - o));                                         // o = σ(·)
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

/// `rows` rows that are live, in the panels of a share: their dh by way of the gates of all panels.
static void lstm_hidden_backward_part(const recurrence_share *part, size_t panels, const float *transposed, size_t rows,
                                      const float *difgo, float *dh) NONBLOCKING {
    const size_t units = panels * LANES, terms = 4 * units, count = part->panel_end - part->panel;
    const float *from = transposed + part->panel * terms * LANES;
    dh += part->panel * LANES;
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

/// The pointwise part of some rows at one time step, in the panels of a share; it takes dh and leaves dc_prev; dh becomes zero, for
/// the sums to come.
INLINE void lstm_cells_backward(const recurrence_share *part, size_t rows, size_t units, const float *ifgo, const float *c_prev,
                                const float *c, const float *dy, float *difgo, float *dh, float *dc) {
    for (size_t row = 0; row < rows; ++row)
        for (size_t at = row * units + part->panel * LANES, end = row * units + part->panel_end * LANES; at < end; at += LANES) {
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
    for (size_t t = shape->steps; t-- > 0;) {
        for (size_t row = part.row, live; row < part.row_end; row += live) {
            // A row that has ended passes its dh and dc by, to the bit.
            for (live = 0; row < part.row_end && !lstm_live(lengths, row, t); ++row)
                for (size_t j = 4 * LANES * part.panel; j < 4 * LANES * part.panel_end; j += LANES)
                    lanes_store(difgo + 4 * (t * state + row * units) + j, lanes_splat(0));
            live = lstm_live_rows(lengths, t, &row, part.row_end);
            const size_t at = row * units, tape = t * state + at;
            lstm_cells_backward(&part, live, units, ifgo + 4 * tape, c + tape, c + state + tape, dy ? dy + tape : 0, difgo + 4 * tape,
                                dh + at, dc + at);
        }
        recurrence_wait(&part);
        for (size_t row = part.row, live; (live = lstm_live_rows(lengths, t, &row, part.row_end)) > 0; row += live)
            lstm_hidden_backward_part(&part, panels, hidden, live, difgo + 4 * (t * state + row * units), dh + row * units);
    }
    if (!dx) return;
    share_wait(share);
    const lstm_products products = lstm_products_of(shape, &part);
    for (size_t n = 0; n < products.count; ++n) {
        const size_t row = products.row + n * shape->batch;
        product_add(products.rows, terms, (tile_scalars){.from = difgo + row * terms, .term = 1, .row = terms},
                    (product_columns){.from = transposed, .panel = terms * LANES, .panels = inputs, .groups = 1},
                    (tile_sums){.at = 0}, dx + row * inputs * LANES, inputs * LANES);
    }
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
        const float *difgo_run = difgo + row * terms + part.panel * width;
        if (bias.rows) product_add_bias(4, part.panels, count, difgo_run, terms, dw_part, dw_panel);
        product_add_weights(4, part.panels, inputs.rows, count,
                            (tile_scalars){.from = x + row * shape->x_stride + (inputs.row - 1), .term = shape->x_stride, .row = 1},
                            difgo_run, terms, dw_part + inputs.row * width, dw_panel);
        product_add_weights(4, part.panels, hidden.rows, count,
                            (tile_scalars){.from = h + row * units + (hidden.row - 1 - shape->input), .term = units, .row = 1},
                            difgo_run, terms, dw_part + hidden.row * width, dw_panel);
        row += count;
    }
}
