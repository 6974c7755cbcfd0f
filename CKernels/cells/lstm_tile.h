// The LSTM, a register tile at a time: the products, and the pointwise part of each row or gate.

/// The rows of one time step: from where the gates start, to where the states go. Strides are in
/// floats.
typedef struct {
    const recurrent_cell_shape *shape;
    int plain;  ///< whether the variant is the plain one; a constant where it is
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

INLINE lstm_variant lstm_variant_in(const lstm_rows *rows) {
    return rows->plain ? lstm_plain : lstm_variant_of(rows->shape);
}

/// The units of h.
INLINE size_t lstm_outputs(const lstm_rows *rows) {
    return lstm_variant_in(rows).projection ? lstm_variant_in(rows).projection
                                            : rows->shape->hidden;
}

/// Panels of weights from `panel` on: 4 vectors of biases, then a row for each column, inputs in
/// front of peepholes and hidden units.
typedef struct {
    const float *bias;
    tile_lanes columns;
} lstm_panels;

INLINE lstm_panels lstm_panels_from(const lstm_rows *rows, size_t panel) {
    const size_t columns =
        rows->shape->input + lstm_variant_in(rows).peepholes + lstm_outputs(rows);
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
    return lstm_columns_from(panels, rows->shape->input + lstm_variant_in(rows).peepholes);
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

/// The panel, or group of panels, of this partition that is walked `index`-th out of `count`. Steps
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
    UNROLL for (int v = first; v < first + V; ++v)
        sum[v - first] =
            rows->x
                ? lanes_load(w.bias + (size_t)(v / 4) * w.columns.panel + (size_t)(v % 4) * LANES)
                : lanes_load(rows->ifgo + (row * units + panel * LANES) * 4 + (size_t)v * LANES);
}

/// Records the gates and states of one row of one panel, at `state` floats from the first state.
INLINE void lstm_finish(const lstm_rows *rows, size_t state, const lanes *gates, lanes c, lanes h) {
    if (rows->ifgo)
        FOR_EACH(v, 4) lanes_store(rows->ifgo + 4 * state + (size_t)v * LANES, gates[v]);
    lanes_store(rows->c + state, c);
    lanes_store(rows->h + state, h);
}

/// The pointwise part of one row of one panel.
INLINE void lstm_tile_cell(const lstm_rows *rows, size_t panel, size_t row, lanes *gates) {
    const size_t state = row * recurrent_padded(rows->shape->hidden) + panel * LANES;
    lanes c, h;
    lstm_cell(lstm_variant_in(rows), lstm_peepholes(rows, panel), gates,
              lanes_load(rows->c_prev + state), &c, &h);
    c = lstm_keep_units(rows, panel, c);
    h = lstm_keep_units(rows, panel, h);
    if (!recurrence_valid(rows->lengths, row, rows->step)) {
        c = lanes_load(rows->c_prev + state);
        if (!lstm_variant_in(rows).projection) h = lanes_load(rows->h_held + state);
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
    const lstm_variant variant = lstm_variant_in(rows);
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
        if (v == 0) {
            lanes_store(at_h, gate * lanes_load(at_h));
            if (variant.coupled) sums[r * stride + (stride > 1)] = lstm_coupled(gate);
        } else if (v == 1) {
            lanes_store(at_c,
                        lstm_cell_state(variant, gate, lanes_load(at_c_prev), lanes_load(at_h)));
        } else if (v == 2) {
            lanes_store(at_h, gate);
        } else {
            sums[r * stride] = gate;
        }
    }
    if (v == 3) ROLLED for (int r = 0; r < R; ++r) {
            const size_t state = first + (size_t)r * units;
            const int valid = recurrence_valid(rows->lengths, row + (size_t)r, rows->step);
            lanes c = lanes_load(rows->c + state), h;
            lstm_cell_output(variant, sums[r * stride], &c, &h);
            lanes_store(rows->h + state,
                        valid || variant.projection ? h : lanes_load(rows->h_held + state));
            lanes_store(rows->c + state, valid ? c : lanes_load(rows->c_prev + state));
        }
}

/// Gate number n of that order.
INLINE int lstm_gate_in_turn(int n) { return n == 0 ? 2 : n < 3 ? n - 1 : 3; }

/// R rows of a panel whose sums need several passes. Where a pass has one gate, its pointwise part
/// follows it, so that no sum has to wait for another pass.
INLINE void lstm_tile_by_gates(const int R, const int S, const lstm_rows *rows, size_t panel,
                               size_t row, lanes *waiting) {
    const recurrent_cell_shape *shape = rows->shape;
    const size_t outputs = recurrent_padded(lstm_outputs(rows));
    const int width = tile_vectors(TILE_SUMS, R, 1, 4),
              hidden_width = tile_vectors(TILE_SUMS, R, S, width), stride = width == 1 ? 1 : 4;
    const lstm_panels w = lstm_panels_from(rows, panel);
    UNROLL for (int pass = 0; pass < 4; pass += width) {
        const int first = width == 1 ? lstm_gate_in_turn(pass) : pass;
        if (width == 1 && first == 1 && lstm_variant_in(rows).coupled) {
            lstm_gate_of_rows(R, first, rows, panel, row, waiting, stride);
            continue;
        }
        lanes sum[TILE_SUMS];
        FOR_EACH(r, R) lstm_start(first, width, rows, panel, row + (size_t)r, sum + r * width);
        if (rows->x)
            tile_pass(R, width, 1, first, width, shape->input,
                      (tile_scalars){.from = rows->x + row * shape->x_stride,
                                     .term = 1,
                                     .row = shape->x_stride},
                      w.columns, sum);
        UNROLL for (int v = 0; v < width; v += hidden_width)
            tile_pass(
                R, width, S, first + v, hidden_width, lstm_outputs(rows),
                (tile_scalars){.from = rows->h_prev + row * outputs, .term = 1, .row = outputs},
                lstm_hidden_columns(rows, w), sum + v);
        FOR_EACH(r, R)
            FOR_EACH(v, width)
                waiting[r * stride + (width == 1 ? 0 : first + v)] = sum[r * width + v];
        if (width == 1) lstm_gate_of_rows(R, first, rows, panel, row, waiting, stride);
    }
    if (width > 1)
        FOR_EACH(n, 4)
            lstm_gate_of_rows(R, lstm_gate_in_turn(n), rows, panel, row,
                              waiting + lstm_gate_in_turn(n), stride);
}
