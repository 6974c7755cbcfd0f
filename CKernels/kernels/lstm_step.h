// One time step of the LSTM: the products of a row or of a tile of rows, and the pointwise part
// behind them.

static const recurrent_lstm_variant lstm_plain = {0};

INLINE int lstm_is_plain(recurrent_lstm_variant variant) {
    return !(variant.sigmoid | variant.peepholes | variant.coupled | variant.projection)
           && !(variant.clip > 0);
}

/// The rows of one time step: from where the gates start, to where the states go. Strides are in
/// floats.
typedef struct {
    const recurrent_lstm_shape *shape;
    recurrent_lstm_variant variant;  ///< the shape's; a constant where it is the plain one
    const float *w;
    int bfloat16;  ///< whether `w` holds bfloat16
    const float *
        /// The input row, where the sums start from the bias; null where they start from `ifgo`
        x;
    float *ifgo;  ///< partial sums in, activated gates out; null where nothing is recorded
    const float *h_prev, *c_prev;  ///< h_prev is what U multiplies
    const float *h_held;           ///< the h of rows that have ended
    float *h, *c;                  ///< where h is projected, `h` is m, of which it is made
    const size_t *lengths;
    size_t step;
    size_t panel, panels;  ///< the first panel, and their number
    int back;              ///< whether the panels are walked from the last to the first
} lstm_rows;

/// The units of h.
INLINE size_t lstm_outputs(const lstm_rows *rows) {
    return rows->variant.projection ? rows->variant.projection : rows->shape->hidden;
}

/// Panels of weights from `panel` on: 4 vectors of biases, then a row for each column, inputs in
/// front of peepholes and hidden units.
typedef struct {
    const float *bias;
    tile_lanes columns;
} lstm_panels;

INLINE lstm_panels lstm_panels_from(const lstm_rows *rows, size_t panel) {
    const size_t columns = rows->shape->input + rows->variant.peepholes + lstm_outputs(rows);
    const size_t row = (rows->bfloat16 ? 2 : 4) * LANES, floats = 4 * LANES + columns * row;
    const float *bias = rows->w + panel * floats;
    return (lstm_panels){.bias = bias,
                         .columns = {.from = bias + 4 * LANES,
                                     .term = row,
                                     .panel = floats,
                                     .groups = 4,
                                     .bfloat16 = rows->bfloat16}};
}

INLINE tile_lanes lstm_columns_from(lstm_panels panels, size_t column) {
    panels.columns.from += column * panels.columns.term;
    return panels.columns;
}

/// The columns of the hidden units.
INLINE tile_lanes lstm_hidden_columns(const lstm_rows *rows, lstm_panels panels) {
    return lstm_columns_from(panels, rows->shape->input + rows->variant.peepholes);
}

/// [i f g o][16], where there are any.
INLINE const float *lstm_peepholes(const lstm_rows *rows, size_t panel) {
    return lstm_columns_from(lstm_panels_from(rows, panel), rows->shape->input).from;
}

/// Zero past the last unit, where σ(0) is not, nor 0 x with an x that is not finite.
INLINE lanes lstm_keep_units(const lstm_rows *rows, size_t panel, lanes value) {
    return lanes_keep_first(rows->shape->hidden - panel * LANES, value);
}

/// Makes the lanes past the first `left` of a panel zero, in some rows.
OUTLINED void lstm_clear_past(size_t left, size_t rows, size_t stride, float *at) NONBLOCKING {
    for (size_t row = 0; row < rows; ++row)
        lanes_store(at + row * stride, lanes_keep_first(left, lanes_load(at + row * stride)));
}

/// The panel, or group of panels, of this share that is walked `index`-th out of `count`. Steps
/// walk to and fro, one after the other, so that each begins with the weights that the one before
/// it has left in the nearer cache.
INLINE size_t lstm_walk(const lstm_rows *rows, size_t index, size_t count) {
    return rows->back ? count - 1 - index : index;
}

/// Where the sums of V vectors, from vector `first` of panel `panel` on, start from: the bias, or
/// the partial sums of the input part.
INLINE void lstm_start(const int first, const int V, const lstm_rows *rows, size_t panel,
                       size_t row, lanes *sum) {
    const size_t units = recurrent_padded(rows->shape->hidden);
    const lstm_panels w = lstm_panels_from(rows, panel);
    UNROLL for (int v = first; v < first + V; ++v) sum[v - first] =
        rows->x ? lanes_load(w.bias + (size_t)(v / 4) * w.columns.panel + (size_t)(v % 4) * LANES)
                : lanes_load(rows->ifgo + (row * units + panel * LANES) * 4 + (size_t)v * LANES);
}

/// Records the gates and states of one row of one panel, at `state` floats from the first state.
INLINE void lstm_finish(const lstm_rows *rows, size_t state, const lanes *gates, lanes c, lanes h) {
    if (rows->ifgo)
        UNROLL for (int v = 0; v < 4; ++v)
            lanes_store(rows->ifgo + 4 * state + (size_t)v * LANES, gates[v]);
    lanes_store(rows->c + state, c);
    lanes_store(rows->h + state, h);
}

/// The pointwise part of one row of one panel.
INLINE void lstm_tile_cell(const lstm_rows *rows, size_t panel, size_t row, lanes *gates) {
    const size_t state = row * recurrent_padded(rows->shape->hidden) + panel * LANES;
    lanes c, h;
    lstm_cell(rows->variant, lstm_peepholes(rows, panel), gates, lanes_load(rows->c_prev + state),
              &c, &h);
    c = lstm_keep_units(rows, panel, c);
    h = lstm_keep_units(rows, panel, h);
    if (!recurrence_live(rows->lengths, row, rows->step)) {
        c = lanes_load(rows->c_prev + state);
        if (!rows->variant.projection) h = lanes_load(rows->h_held + state);
    }
    lstm_finish(rows, state, gates, c, h);
}

/// The most sums that wait for their pointwise part: one gate of all rows, or all gates of two.
#define LSTM_WAITING (TILE_SUMS == 1 ? TILE_ROWS : 8)

/// One gate of R rows, and what it makes of the states: h holds g, then i g, before it is h. The
/// gates come in the order g i f o, so that i leaves a coupled f where the sum of f would be. These
/// are loops, because in a stretch of code the compiler would have values of one row wait for those
/// of another.
INLINE void lstm_gate_of_rows(const int R, const int v, const lstm_rows *rows, size_t panel,
                              size_t row, lanes *sums, const int stride) {
    const size_t units = recurrent_padded(rows->shape->hidden), first = row * units + panel * LANES;
    const recurrent_lstm_variant variant = rows->variant;
    ROLLED for (int r = 0; r < R; ++r) {
        const size_t state = first + (size_t)r * units;
        float *at_c = rows->c + state, *at_h = rows->h + state;
        const float *at_c_prev = rows->c_prev + state;
        lanes gate;
        if (v == 1 && variant.coupled) gate = sums[r * stride];
        else
            gate = lstm_gate(variant, v, lstm_peepholes(rows, panel), sums[r * stride],
                             lanes_load(v == 3 ? at_c : at_c_prev));
        if (rows->ifgo) lanes_store(rows->ifgo + 4 * state + (size_t)v * LANES, gate);
        switch (v) {
        case 0:
            lanes_store(at_h, gate * lanes_load(at_h));
            if (variant.coupled) sums[r * stride + (stride > 1)] = lstm_coupled(gate);
            break;
        case 1:
            lanes_store(at_c,
                        lstm_cell_state(variant, gate, lanes_load(at_c_prev), lanes_load(at_h)));
            break;
        case 2: lanes_store(at_h, gate); break;
        default: sums[r * stride] = gate;
        }
    }
    if (v == 3) ROLLED for (int r = 0; r < R; ++r) {
            const size_t state = first + (size_t)r * units;
            const int live = recurrence_live(rows->lengths, row + (size_t)r, rows->step);
            lanes c = lanes_load(rows->c + state), h;
            lstm_cell_output(variant, sums[r * stride], &c, &h);
            lanes_store(rows->h + state,
                        live || variant.projection ? h : lanes_load(rows->h_held + state));
            lanes_store(rows->c + state, live ? c : lanes_load(rows->c_prev + state));
        }
}

/// Gate number n of that order.
INLINE int lstm_gate_in_turn(int n) { return n == 0 ? 2 : n < 3 ? n - 1 : 3; }

/// R rows of a panel whose sums need several passes. Where a pass has one gate, its pointwise part
/// follows it, so that no sum has to wait for another pass.
INLINE void lstm_tile_by_gates(const int R, const int S, const lstm_rows *rows, size_t panel,
                               size_t row, lanes *waiting) {
    const recurrent_lstm_shape *shape = rows->shape;
    const size_t outputs = recurrent_padded(lstm_outputs(rows));
    const int width = tile_vectors(TILE_SUMS, R, 1, 4),
              hidden_width = tile_vectors(TILE_SUMS, R, S, width), stride = width == 1 ? 1 : 4;
    const lstm_panels w = lstm_panels_from(rows, panel);
    UNROLL for (int pass = 0; pass < 4; pass += width) {
        const int first = width == 1 ? lstm_gate_in_turn(pass) : pass;
        if (width == 1 && first == 1 && rows->variant.coupled) {
            lstm_gate_of_rows(R, first, rows, panel, row, waiting, stride);
            continue;
        }
        lanes sum[TILE_SUMS];
        UNROLL for (int r = 0; r < R; ++r)
            lstm_start(first, width, rows, panel, row + (size_t)r, sum + r * width);
        if (rows->x)
            tile_pass(R, width, 1, first, width, shape->input,
                      (tile_scalars){.from = rows->x + row * shape->x_stride,
                                     .term = 1,
                                     .row = shape->x_stride},
                      w.columns, sum);
        UNROLL for (int v = 0; v < width; v += hidden_width) tile_pass(
            R, width, S, first + v, hidden_width, lstm_outputs(rows),
            (tile_scalars){.from = rows->h_prev + row * outputs, .term = 1, .row = outputs},
            lstm_hidden_columns(rows, w), sum + v);
        UNROLL for (int r = 0; r < R; ++r) UNROLL for (int v = 0; v < width; ++v)
            waiting[r * stride + (width == 1 ? 0 : first + v)] = sum[r * width + v];
        if (width == 1) lstm_gate_of_rows(R, first, rows, panel, row, waiting, stride);
    }
    if (width > 1)
        UNROLL for (int n = 0; n < 4; ++n) lstm_gate_of_rows(
            R, lstm_gate_in_turn(n), rows, panel, row, waiting + lstm_gate_in_turn(n), stride);
}

/// The gates of up to LSTM_PANELS panels of a row, or of a tile.
#define LSTM_SUMS (TILE_SUMS > 4 * LSTM_PANELS ? TILE_SUMS : 4 * LSTM_PANELS)

/// R rows × P panels from panel `panel`, with the hidden sums in S chains.
INLINE void lstm_tile(const int R, const int P, const int S, const lstm_rows *rows, size_t panel,
                      size_t row) {
    const recurrent_lstm_shape *shape = rows->shape;
    const size_t outputs = recurrent_padded(lstm_outputs(rows));
    const lstm_panels w = lstm_panels_from(rows, panel);
    lanes sum[LSTM_SUMS];
    UNROLL for (int r = 0; r < R; ++r)
        lstm_start(0, 4 * P, rows, panel, row + (size_t)r, sum + r * 4 * P);
    if (rows->x)
        tile(R, 4 * P, 1, shape->input,
             (tile_scalars){
                 .from = rows->x + row * shape->x_stride, .term = 1, .row = shape->x_stride},
             w.columns, sum);
    tile(R, 4 * P, S, lstm_outputs(rows),
         (tile_scalars){.from = rows->h_prev + row * outputs, .term = 1, .row = outputs},
         lstm_hidden_columns(rows, w), sum);
    UNROLL for (int r = 0; r < R; ++r) UNROLL for (int p = 0; p < P; ++p)
        lstm_tile_cell(rows, panel + (size_t)p, row + (size_t)r, &sum[(r * P + p) * 4]);
}

/// Records those of P panels.
INLINE void lstm_finish_panels(const int P, const lstm_rows *rows, size_t row, size_t panel,
                               const lanes *gates, const lanes *c, const lanes *h) {
    UNROLL for (int p = 0; p < P; ++p) {
        const size_t at = panel + (size_t)p;
        lstm_finish(rows, row * recurrent_padded(rows->shape->hidden) + at * LANES, gates + 4 * p,
                    lstm_keep_units(rows, at, c[p]), lstm_keep_units(rows, at, h[p]));
    }
}

/// One row of the first `panels` panels of the share, of the plain variant, P at a time out of a
/// multiple of P. The pointwise part of a panel waits for itself most of the time: its parts stand
/// between the products of the next panels, which fill that time.
INLINE void lstm_row_of_panels(const int P, const lstm_rows *rows, size_t row, size_t panels) {
    const recurrent_lstm_shape *shape = rows->shape;
    const size_t groups = panels / (size_t)P, units = recurrent_padded(shape->hidden);
    const tile_scalars h_prev = {.from = rows->h_prev + row * units, .term = 1};
    lanes gates[4 * LSTM_PANELS], c_prev[LSTM_PANELS], c[LSTM_PANELS], h[LSTM_PANELS];
    size_t finished = 0;
    for (size_t index = 0; index < groups; ++index) {
        const size_t panel = rows->panel + lstm_walk(rows, index, groups) * (size_t)P;
        const lstm_panels w = lstm_panels_from(rows, panel);
        lanes sum[LSTM_SUMS];
        lstm_start(0, 4 * P, rows, panel, row, sum);
        if (rows->x)
            tile(1, 4 * P, 1, shape->input,
                 (tile_scalars){.from = rows->x + row * shape->x_stride, .term = 1}, w.columns,
                 sum);
        if (index == 0)
            tile(1, 4 * P, 1, shape->hidden, h_prev, lstm_columns_from(w, shape->input), sum);
        else {
            UNROLL for (int part = 0; part < LSTM_CELL_PARTS; ++part) {
                const size_t first = shape->hidden * (size_t)part / LSTM_CELL_PARTS;
                const size_t end = shape->hidden * (size_t)(part + 1) / LSTM_CELL_PARTS;
                UNROLL for (int p = 0; p < P; ++p)
                    lstm_cell_part(rows->variant, part, 0, gates + 4 * p, c_prev[p], &c[p], &h[p]);
                tile(1, 4 * P, 1, end - first,
                     (tile_scalars){.from = h_prev.from + first, .term = 1},
                     lstm_columns_from(w, shape->input + first), sum);
            }
            lstm_finish_panels(P, rows, row, finished, gates, c, h);
        }
        finished = panel;
        UNROLL for (int p = 0; p < P; ++p) c_prev[p] =
            lanes_load(rows->c_prev + row * units + (panel + (size_t)p) * LANES);
        UNROLL for (int v = 0; v < 4 * P; ++v) gates[v] = sum[v];
    }
    UNROLL for (int p = 0; p < P; ++p)
        lstm_cell(rows->variant, 0, gates + 4 * p, c_prev[p], &c[p], &h[p]);
    lstm_finish_panels(P, rows, row, finished, gates, c, h);
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
    tile(1, 4, 1, shape->input, (tile_scalars){.from = rows->x + row * shape->x_stride, .term = 1},
         w.columns, gates);
    tile(1, 4, S, shape->hidden, (tile_scalars){.from = rows->h_prev + row * units, .term = 1},
         lstm_columns_from(w, shape->input), gates);
}

/// Its pointwise part.
INLINE void lstm_half_cell(const lstm_rows *rows, size_t row, lanes_half *gates) {
    const size_t units = recurrent_padded(rows->shape->hidden), state = (row + 1) * units - LANES;
    const size_t left = rows->shape->hidden - (units - LANES);
    lanes_half c, h;
    lstm_cell(rows->variant, 0, gates, lanes_half_load(rows->c_prev + state), &c, &h);
    lanes_store(rows->c + state, lanes_keep_first(left, c));
    lanes_store(rows->h + state, lanes_keep_first(left, h));
    lanes_store(rows->c + state + LANES / 2, lanes_half_splat(0));
    lanes_store(rows->h + state + LANES / 2, lanes_half_splat(0));
}

/// One row that has not ended, of the plain variant.
INLINE void lstm_row(const lstm_rows *rows, size_t row) {
    const int alone = recurrent_panels(rows->shape->hidden) == 1, ends_half = lstm_ends_half(rows);
    if (alone && ends_half) {
        lanes_half gates[4];
        lstm_half_sums(LSTM_CHAINS, rows, row, gates);
        lstm_half_cell(rows, row, gates);
        return;
    }
    const size_t panels = rows->panels - (size_t)ends_half;
    lanes_half last_gates[4];
    // The products of the last panel come first and its pointwise part last, so that it waits while
    // the other panels are computed.
    if (ends_half) {
        lstm_half_sums(1, rows, row, last_gates);
        UNROLL for (int v = 0; v < 4; ++v) WAIT_IN_MEMORY(last_gates[v]);
    }
    if (panels > LSTM_PANELS && rows->bfloat16 && LSTM_PANELS >= 2 && panels % 2 == 0)
        lstm_row_of_panels(2, rows, row, panels);
    else if (panels > LSTM_PANELS) lstm_row_of_panels(1, rows, row, panels);
    else if (panels == 1 && alone) lstm_tile(1, 1, LSTM_CHAINS, rows, 0, row);
    else if (panels == 1) lstm_tile(1, 1, 1, rows, rows->panel, row);
    else if (panels == 2 && LSTM_PANELS >= 2) lstm_tile(1, 2, 1, rows, rows->panel, row);
    else if (panels == 3 && LSTM_PANELS >= 3) lstm_tile(1, 3, 1, rows, rows->panel, row);
    if (ends_half) lstm_half_cell(rows, row, last_gates);
}

/// Whether the sums of a tile need several passes.
#define LSTM_BY_GATES (tile_vectors(TILE_SUMS, TILE_ROWS, 1, 4) < 4)

/// Makes the states of rows [first, end) zero past the last unit, which `lstm_gate_of_rows` does
/// not: its callers' stack has no room for one more value.
INLINE void lstm_clear_states(const lstm_rows *rows, size_t first, size_t end) {
    const size_t units = recurrent_padded(rows->shape->hidden), last = units / LANES - 1,
                 left = rows->shape->hidden - last * LANES;
    if (left >= LANES || rows->panel + rows->panels <= last) return;
    const size_t at = first * units + last * LANES;
    lstm_clear_past(left, end - first, units, rows->c + at);
    lstm_clear_past(left, end - first, units, rows->h + at);
}

/// R rows of a panel.
INLINE void lstm_tile_of_rows(const int R, const int S, const lstm_rows *rows, size_t panel,
                              size_t row, lanes *waiting) {
    if (LSTM_BY_GATES) lstm_tile_by_gates(R, S, rows, panel, row, waiting);
    else lstm_tile(R, 1, S, rows, panel, row);
}

/// Rows [first, end) of one panel, tile by tile, with the hidden sums in S chains.
INLINE void lstm_tiles(const int S, const lstm_rows *rows, size_t panel, size_t first, size_t end) {
    const int most = S == 1 ? TILE_ROWS : TILE_ROWS_OF_CHAINS;
    lanes waiting[LSTM_WAITING];
    for (size_t row = first; row < end;) {
        const size_t count = tile_rows(end - row, (size_t)most);
        switch (count) {
        case 1: lstm_tile_of_rows(1, S, rows, panel, row, waiting); break;
        case 2: lstm_tile_of_rows(2, S, rows, panel, row, waiting); break;
        case 3: lstm_tile_of_rows(3, S, rows, panel, row, waiting); break;
        case 4:
            if (4 <= most) lstm_tile_of_rows(4, S, rows, panel, row, waiting);
            break;
        case 5:
            if (5 <= most) lstm_tile_of_rows(5, S, rows, panel, row, waiting);
            break;
        default:
            if (6 <= most) lstm_tile_of_rows(6, S, rows, panel, row, waiting);
            break;
        }
        row += count;
    }
}

/// For rows of a kind, of which something is known, in most kinds that their variant is the plain
/// one: those of one panel, in a layer of one or of more; and those of one time step.
#define LSTM_TILES(kind, known)                                                                    \
    OUTLINED void lstm_tiles_alone_##kind(const lstm_rows *any, size_t first, size_t end)          \
        NONBLOCKING {                                                                              \
        lstm_rows rows = *any;                                                                     \
        known;                                                                                     \
        lstm_tiles(LSTM_CHAINS, &rows, 0, first, end);                                             \
    }                                                                                              \
    OUTLINED void lstm_tiles_##kind(const lstm_rows *any, size_t panel, size_t first, size_t end)  \
        NONBLOCKING {                                                                              \
        lstm_rows rows = *any;                                                                     \
        known;                                                                                     \
        lstm_tiles(1, &rows, panel, first, end);                                                   \
    }                                                                                              \
    INLINE void lstm_panels_##kind(const lstm_rows *rows, size_t first, size_t end) {              \
        if (recurrent_panels(rows->shape->hidden) > 1)                                             \
            for (size_t index = 0; index < rows->panels; ++index)                                  \
                lstm_tiles_##kind(rows, rows->panel + lstm_walk(rows, index, rows->panels), first, \
                                  end);                                                            \
        else if (rows->panels > 0) lstm_tiles_alone_##kind(rows, first, end);                      \
        if (LSTM_BY_GATES) lstm_clear_states(rows, first, end);                                    \
    }
LSTM_TILES(recorded, (rows.x = 0, rows.bfloat16 = 0, rows.variant = lstm_plain))
LSTM_TILES(float, (__builtin_assume(rows.x != 0), rows.ifgo = 0, rows.lengths = 0,
                   rows.bfloat16 = 0, rows.variant = lstm_plain))
LSTM_TILES(bfloat16, (__builtin_assume(rows.x != 0), rows.ifgo = 0, rows.lengths = 0,
                      rows.bfloat16 = 1, rows.variant = lstm_plain))
LSTM_TILES(variant, (rows.bfloat16 = 0))

/// One row of a sequence that has not ended.
OUTLINED void lstm_row_recorded(const lstm_rows *any, size_t row) NONBLOCKING {
    lstm_rows rows = *any;
    rows.x = 0;
    rows.bfloat16 = 0;
    rows.variant = lstm_plain;
    lstm_row(&rows, row);
}

/// Rows [first, end) of one time step of a sequence.
INLINE void lstm_time_step(const lstm_rows *rows, size_t first, size_t end) {
    if (!lstm_is_plain(rows->variant)) lstm_panels_variant(rows, first, end);
    else if (LSTM_PANELS > 0 && end - first == 1 && rows->panels > 0
             && recurrence_live(rows->lengths, first, rows->step))
        lstm_row_recorded(rows, first);
    else lstm_panels_recorded(rows, first, end);
}
