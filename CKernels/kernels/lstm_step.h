// One time step of the LSTM: the products of a row or of a tile of rows, and the pointwise part behind them.

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
            if (!recurrence_live(rows->lengths, row + (size_t)r, rows->step)) {
                c = c_prev;
                h = lanes_load(rows->h_prev + state);
            }
            lstm_finish(rows, state, gates, c, h);
        }
}

/// One row of the first `panels` panels of the share, P at a time out of a multiple of P. The pointwise part of a panel waits for itself most of the time: its parts stand
/// between the products of the next panels, which fill that time.
INLINE void lstm_row_of_panels(const int P, const lstm_rows *rows, size_t row, size_t panels) {
    const recurrent_lstm_shape *shape = rows->shape;
    const size_t groups = panels / (size_t)P, units = recurrent_padded(shape->hidden);
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

/// `product_chains` of a layer of one panel; those of larger layers have one.
#define LSTM_CHAINS 2

/// Whether the last panel has so few units that a step computes only the lower half of its vectors.
INLINE int lstm_ends_half(const lstm_rows *rows) {
    return rows->x && (rows->shape->hidden - 1) % LANES < LANES / 2;
}

/// The sums of one row of that panel, the hidden ones in S chains.
INLINE void lstm_half_sums(const int S, const lstm_rows *rows, size_t row, lanes_half *gates) {
    const recurrent_lstm_shape *shape = rows->shape;
    const size_t units = recurrent_padded(shape->hidden);
    const lstm_panels w = lstm_panels_from(rows, units / LANES - 1);
    UNROLL for (int v = 0; v < 4; ++v) gates[v] = lanes_half_load(w.bias + v * LANES);
    tile(1, 4, 1, shape->input, (tile_scalars){.from = rows->x + row * shape->x_stride, .term = 1}, w.columns, gates);
    tile(1, 4, S, shape->hidden, (tile_scalars){.from = rows->h_prev + row * units, .term = 1}, lstm_columns_from(w, shape->input), gates);
}

/// Its pointwise part.
INLINE void lstm_half_cell(const lstm_rows *rows, size_t row, lanes_half *gates) {
    const size_t units = recurrent_padded(rows->shape->hidden), state = (row + 1) * units - LANES;
    lanes_half c, h;
    lstm_cell(gates, lanes_half_load(rows->c_prev + state), &c, &h);
    lanes_store(rows->c + state, c);
    lanes_store(rows->h + state, h);
    lanes_store(rows->c + state + LANES / 2, lanes_half_splat(0));
    lanes_store(rows->h + state + LANES / 2, lanes_half_splat(0));
}

/// One row that has not ended.
INLINE void lstm_row(const lstm_rows *rows, size_t row) {
    size_t panels = rows->panels;
    const int alone = recurrent_panels(rows->shape->hidden) == 1;
    lanes_half gates[4];
    // Its products come first and its pointwise part last, so that it waits while the other panels are computed.
    if (lstm_ends_half(rows)) {
        if (alone) lstm_half_sums(LSTM_CHAINS, rows, row, gates);
        else lstm_half_sums(1, rows, row, gates);
        panels -= 1;
    }
    if (panels > LSTM_PANELS && rows->bfloat16 && LSTM_PANELS >= 2 && panels % 2 == 0) lstm_row_of_panels(2, rows, row, panels);
    else if (panels > LSTM_PANELS) lstm_row_of_panels(1, rows, row, panels);
    else if (panels == 1 && alone) lstm_tile(1, 1, LSTM_CHAINS, rows, 0, row);
    else if (panels == 1) lstm_tile(1, 1, 1, rows, rows->panel, row);
    else if (panels == 2 && LSTM_PANELS >= 2) lstm_tile(1, 2, 1, rows, rows->panel, row);
    else if (panels == 3 && LSTM_PANELS >= 3) lstm_tile(1, 3, 1, rows, rows->panel, row);
    if (lstm_ends_half(rows)) lstm_half_cell(rows, row, gates);
}

/// Rows [first, end) of one time step.
INLINE void lstm_time_step(const lstm_rows *rows, size_t first, size_t end) {
    const size_t panels = rows->panels;
    if (panels == 0) return;
    if (end - first == 1 && recurrence_live(rows->lengths, first, rows->step))
        lstm_row(rows, first);
    else if (recurrent_panels(rows->shape->hidden) == 1)
        for (size_t row = first; row < end;) {
            const size_t count = tile_rows(end - row, TILE_ROWS / 2);
            switch (count) {
            case 1: lstm_tile(1, 1, LSTM_CHAINS, rows, 0, row); break;
            case 2: lstm_tile(2, 1, LSTM_CHAINS, rows, 0, row); break;
            default: lstm_tile(3, 1, LSTM_CHAINS, rows, 0, row); break;
            }
            row += count;
        }
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
