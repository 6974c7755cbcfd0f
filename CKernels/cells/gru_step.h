// One time step of the gated recurrent unit.

/// The gates in a panel: r z n.
#define GRU_GATES 3

/// What a GRU does differently from PyTorch's, which is all zeros but for its gates.
typedef struct {
    uint32_t reset_before, z_replaces;
    recurrent_activation activation;
    float slope;
    recurrent_activation gate;
} gru_variant;

/// Those that have code of their own: PyTorch's, Cho's and the lectures'.
static const gru_variant gru_after = {.gate = recurrent_activation_sigmoid},
                         gru_before = {.reset_before = 1, .gate = recurrent_activation_sigmoid},
                         gru_lecture = {.reset_before = 1,
                                        .z_replaces = 1,
                                        .activation = recurrent_activation_sigmoid,
                                        .gate = recurrent_activation_sigmoid};

INLINE gru_variant gru_variant_of(const recurrent_cell_shape *shape) {
    return (gru_variant){.reset_before = shape->gru.reset_before,
                         .z_replaces = shape->gru.z_replaces,
                         .activation = shape->activation,
                         .slope = shape->slope,
                         .gate = cell_gate(shape->gate_activation)};
}

typedef enum { gru_is_after, gru_is_before, gru_is_lecture, gru_is_other } gru_form;

INLINE gru_form gru_form_of(const recurrent_cell_shape *shape) {
    const recurrent_gru_variant gru = shape->gru;
    const uint32_t usual = shape->gate_activation == recurrent_gate_sigmoid,
                   tanh = shape->activation == recurrent_activation_tanh,
                   sigmoid = shape->activation == recurrent_activation_sigmoid;
    if (usual & tanh & !gru.z_replaces) return gru.reset_before ? gru_is_before : gru_is_after;
    return usual & sigmoid & gru.z_replaces & gru.reset_before ? gru_is_lecture : gru_is_other;
}

/// FUNCTION(variant, …), a constant where the variant has code of its own.
#define FOR_GRU_VARIANT(shape, FUNCTION, ...)                               \
    switch (gru_form_of(shape)) {                                           \
    case gru_is_after: FUNCTION(gru_after, __VA_ARGS__); break;             \
    case gru_is_before: FUNCTION(gru_before, __VA_ARGS__); break;           \
    case gru_is_lecture: FUNCTION(gru_lecture, __VA_ARGS__); break;         \
    case gru_is_other: FUNCTION(gru_variant_of(shape), __VA_ARGS__); break; \
    }

INLINE recurrence_layer gru_layer(const recurrent_cell_shape *shape) {
    return recurrence_layer_of(shape, GRU_GATES, shape->hidden, !shape->gru.reset_before);
}

INLINE lanes gru_gate(const gru_variant variant, lanes sum) {
    return cell_activated(variant.gate, 0, sum);
}

INLINE lanes gru_candidate(const gru_variant variant, lanes sum) {
    return cell_activated(variant.activation, variant.slope, sum);
}

/// z says what is kept of h_prev, or what is taken of n. Either way a gate of exactly 0 or 1 gives
/// one of them bit for bit.
INLINE lanes gru_state(const int z_replaces, lanes z, lanes n, lanes h_prev) {
    const lanes other = lanes_splat(1) - z;
    const lanes h = z_replaces ? lanes_fma(z, n, other * h_prev) : lanes_fma(z, h_prev, other * n);
    return lanes_select(lanes_abs(h) < lanes_splat(SMALLEST_NORMAL), lanes_splat(0), h);
}

/// sums += U h of one gate for some rows: all panels. `start` may be `to`.
OUTLINED void gru_sums(const recurrent_cell_shape *shape, size_t gate, size_t rows, const float *w,
                       const float *h, const tile_sums *start, const tile_sums *to) NONBLOCKING {
    const recurrence_layer layer = gru_layer(shape);
    const product_columns columns =
        recurrence_columns(&layer, w, 1 + layer.input + layer.inner_rows);
    const tile_product product = {.rows = rows,
                                  .terms = layer.hidden,
                                  .x = {.from = h, .term = 1, .row = columns.panels * LANES},
                                  .w = {.from = columns.from + gate * LANES,
                                        .term = GRU_GATES * LANES,
                                        .panel = columns.panel},
                                  .start = *start,
                                  .to = *to};
    recurrence_sums(columns.panels, columns.panels, &product);
}

/// Where the sums of a gate lie in rows of r z n, and where those of units lie in rows of states.
INLINE tile_sums gru_gate_sums(size_t gate, size_t panels, float *rzn) {
    return (tile_sums){
        .at = rzn + gate * LANES, .row = GRU_GATES * panels * LANES, .panel = GRU_GATES * LANES};
}
INLINE tile_sums gru_unit_sums(size_t panels, float *units) {
    return (tile_sums){.at = units, .row = panels * LANES, .panel = LANES};
}

/// past = r∘h_prev, and r activated, for some panels of some rows.
INLINE void gru_reset_of(const recurrent_activation gate, size_t panels, float *rzn, float *past,
                         const float *h_prev) {
    for (size_t panel = 0; panel < panels; ++panel) {
        const lanes r = cell_activated(gate, 0, lanes_load(rzn + panel * GRU_GATES * LANES));
        lanes_store(rzn + panel * GRU_GATES * LANES, r);
        lanes_store(past + panel * LANES, r * lanes_load(h_prev + panel * LANES));
    }
}
OUTLINED void gru_reset(recurrent_gate_activation gate, size_t panels, float *rzn, float *past,
                        const float *h_prev) NONBLOCKING {
    if (gate == recurrent_gate_sigmoid)
        gru_reset_of(recurrent_activation_sigmoid, panels, rzn, past, h_prev);
    else gru_reset_of(cell_gate(gate), panels, rzn, past, h_prev);
}

/// h, and the gates activated, for some panels of some rows.
INLINE void gru_cells_of(const gru_variant variant, const recurrent_cell_shape *shape, size_t rows,
                         float *rzn, const float *past, const float *h_prev, float *h) {
    const size_t panels = recurrent_panels(shape->hidden);
    for (size_t at = 0, panel = 0; at < rows * panels;
         ++at, panel = panel + 1 < panels ? panel + 1 : 0) {
        float *gates = rzn + at * GRU_GATES * LANES;
        lanes sum = lanes_load(gates + 2 * LANES);
        if (!variant.reset_before) {
            const lanes r = gru_gate(variant, lanes_load(gates));
            lanes_store(gates, r);
            sum = lanes_fma(r, lanes_load(past + at * LANES), sum);
        }
        const lanes z = gru_gate(variant, lanes_load(gates + LANES)),
                    n = gru_candidate(variant, sum);
        lanes_store(gates + LANES, z);
        lanes_store(gates + 2 * LANES, n);
        // σ(0) is not zero: nor would the lanes past the last unit be.
        const size_t left = shape->hidden - panel * LANES;
        const lanes state =
            gru_state((int)variant.z_replaces, z, n, lanes_load(h_prev + at * LANES));
        lanes_store(h + at * LANES, left < LANES ? lanes_keep_first(left, state) : state);
    }
}

OUTLINED void gru_cells(const recurrent_cell_shape *shape, size_t rows, float *rzn,
                        const float *past, const float *h_prev, float *h) NONBLOCKING {
    FOR_GRU_VARIANT(shape, gru_cells_of, shape, rows, rzn, past, h_prev, h);
}

/// The most panels of a row that are summed at a time: more would take more stack where registers
/// are few.
#define GRU_ROW_PANELS 3

/// One row: the sums of G gates of V / G panels, from gate `gate` of panel `panel` on, with the
/// hidden part in S chains. They start from the bias, or, where x is null, from rzn, which holds
/// the input part. Where all gates are summed, the hidden part of the candidate's starts from b′,
/// and `input` has what it would have started from.
INLINE void gru_row_sums(const int G, const int V, const int S, const recurrent_cell_shape *shape,
                         size_t gate, size_t panel, const float *x, const float *w,
                         const float *rzn, const float *h, lanes *sum, lanes *input) {
    const recurrence_layer layer = gru_layer(shape);
    const product_columns bias = recurrence_columns(&layer, w, 0);
    tile_lanes columns = {.from = bias.from + panel * bias.panel + gate * LANES,
                          .term = GRU_GATES * LANES,
                          .panel = bias.panel,
                          .groups = G};
    const tile_sums start = {.at = x ? (float *)columns.from
                                     : (float *)rzn + (panel * GRU_GATES + gate) * LANES,
                             .panel = x ? bias.panel : GRU_GATES * LANES,
                             .groups = G};
    FOR_EACH(v, V) sum[v] = lanes_load(tile_sum(start, 0, v));
    columns.from += columns.term;
    if (x) tile(1, V, 1, layer.input, (tile_scalars){.from = x, .term = 1}, columns, sum);
    columns.from += layer.input * columns.term;
    if (G == GRU_GATES) UNROLL
        for (int v = 2; v < V; v += G) {
            input[v / G] = sum[v];
            sum[v] = lanes_load(columns.from + (size_t)(v / G) * columns.panel + 2 * LANES);
        }
    columns.from += layer.inner_rows * columns.term;
    tile(1, V, S, layer.hidden, (tile_scalars){.from = h, .term = 1}, columns, sum);
}

/// The state of a unit panel, from its update gate and its candidate, which are activated.
INLINE void gru_row_state(const int z_replaces, const recurrent_cell_shape *shape, size_t panel,
                          lanes z, lanes n, float *rzn, const float *h_prev, float *h) {
    const size_t left = shape->hidden - panel * LANES;
    const lanes before = lanes_load(h_prev + panel * LANES);
    lanes_store(rzn + panel * GRU_GATES * LANES + LANES, z);
    lanes_store(rzn + panel * GRU_GATES * LANES + 2 * LANES, n);
    const lanes state = gru_state(z_replaces, z, n, before);
    lanes_store(h + panel * LANES, left < LANES ? lanes_keep_first(left, state) : state);
}

/// One row of C panels of reset-after.
INLINE void gru_row_after(const int C, const int S, const recurrent_cell_shape *shape, size_t panel,
                          const float *x, const float *w, float *rzn, float *past,
                          const float *h_prev, float *h) {
    lanes sum[GRU_GATES * GRU_ROW_PANELS], input[GRU_ROW_PANELS];
    gru_row_sums(GRU_GATES, GRU_GATES * C, S, shape, 0, panel, x, w, rzn, h_prev, sum, input);
    FOR_EACH(c, C) {
        const size_t at = panel + (size_t)c;
        const lanes r = lanes_sigmoid(sum[GRU_GATES * c]),
                    z = lanes_sigmoid(sum[GRU_GATES * c + 1]);
        lanes_store(rzn + at * GRU_GATES * LANES, r);
        lanes_store(past + at * LANES, sum[GRU_GATES * c + 2]);
        gru_row_state(0, shape, at, z, lanes_tanh(lanes_fma(r, sum[GRU_GATES * c + 2], input[c])),
                      rzn, h_prev, h);
    }
}

/// One row of C panels of reset-before: the gates, of which all panels come before any
/// candidate.
INLINE void gru_row_gates(const int C, const int S, const recurrent_cell_shape *shape, size_t panel,
                          const float *x, const float *w, float *rzn, float *past,
                          const float *h_prev, float *h) {
    (void)h;
    lanes sum[(GRU_GATES - 1) * GRU_ROW_PANELS];
    gru_row_sums(GRU_GATES - 1, (GRU_GATES - 1) * C, S, shape, 0, panel, x, w, rzn, h_prev, sum, 0);
    FOR_EACH(c, C) {
        const size_t at = panel + (size_t)c;
        const lanes r = lanes_sigmoid(sum[2 * c]);
        lanes_store(rzn + at * GRU_GATES * LANES, r);
        lanes_store(rzn + at * GRU_GATES * LANES + LANES, lanes_sigmoid(sum[2 * c + 1]));
        lanes_store(past + at * LANES, r * lanes_load(h_prev + at * LANES));
    }
}

INLINE void gru_row_candidates(const int C, const int S, const recurrent_cell_shape *shape,
                               size_t panel, const float *x, const float *w, float *rzn,
                               float *past, const float *h_prev, float *h) {
    lanes sum[GRU_ROW_PANELS];
    gru_row_sums(1, C, S, shape, 2, panel, x, w, rzn, past, sum, 0);
    FOR_EACH(c, C) {
        const size_t at = panel + (size_t)c;
        const lanes z = lanes_load(rzn + at * GRU_GATES * LANES + LANES);
        if (shape->gru.z_replaces)
            gru_row_state(1, shape, at, z, gru_candidate(gru_lecture, sum[c]), rzn, h_prev, h);
        else gru_row_state(0, shape, at, z, gru_candidate(gru_before, sum[c]), rzn, h_prev, h);
    }
}

/// One row, all panels: a part of it, with as many chains as its number of panels asks for.
#define GRU_ROW_TILE(part, C, S)                                                         \
    OUTLINED void gru_row_##part##_##C##_##S(                                            \
        const recurrent_cell_shape *shape, size_t panel, const float *x, const float *w, \
        float *rzn, float *past, const float *h_prev, float *h) NONBLOCKING {            \
        gru_row_##part(C, S, shape, panel, x, w, rzn, past, h_prev, h);                  \
    }
#define GRU_ROW(part)                                                                              \
    GRU_ROW_TILE(part, 1, 8)                                                                       \
    GRU_ROW_TILE(part, 1, 4)                                                                       \
    GRU_ROW_TILE(part, 3, 2)                                                                       \
    GRU_ROW_TILE(part, 2, 2)                                                                       \
    GRU_ROW_TILE(part, 2, 1)                                                                       \
    GRU_ROW_TILE(part, 3, 1)                                                                       \
    INLINE void gru_row_##part##_all(const recurrent_cell_shape *shape, const float *x,            \
                                     const float *w, float *rzn, float *past, const float *h_prev, \
                                     float *h) {                                                   \
        const size_t panels = recurrent_panels(shape->hidden);                                     \
        switch (panels) {                                                                          \
        case 0: return;                                                                            \
        case 1: gru_row_##part##_1_8(shape, 0, x, w, rzn, past, h_prev, h); return;                \
        case 2:                                                                                    \
            gru_row_##part##_1_4(shape, 0, x, w, rzn, past, h_prev, h);                            \
            gru_row_##part##_1_4(shape, 1, x, w, rzn, past, h_prev, h);                            \
            return;                                                                                \
        case 3: gru_row_##part##_3_2(shape, 0, x, w, rzn, past, h_prev, h); return;                \
        case 4:                                                                                    \
            gru_row_##part##_2_2(shape, 0, x, w, rzn, past, h_prev, h);                            \
            gru_row_##part##_2_2(shape, 2, x, w, rzn, past, h_prev, h);                            \
            return;                                                                                \
        }                                                                                          \
        for (size_t panel = 0; panel < panels;) {                                                  \
            const size_t count = tile_rows(panels - panel, GRU_ROW_PANELS);                        \
            if (count == 2) gru_row_##part##_2_1(shape, panel, x, w, rzn, past, h_prev, h);        \
            else gru_row_##part##_3_1(shape, panel, x, w, rzn, past, h_prev, h);                   \
            panel += count;                                                                        \
        }                                                                                          \
    }
GRU_ROW(after)
GRU_ROW(gates)
GRU_ROW(candidates)

/// Whether the gates of a single row stay in registers from their sums to the state: of variants
/// that have code of their own.
INLINE int gru_goes_by_row(const recurrent_cell_shape *shape, size_t rows) {
    return TILE_ROWS > 1 && rows == 1 && gru_form_of(shape) != gru_is_other;
}

/// One time step of one row. Where x is null, rzn holds the input part.
INLINE void gru_row(const recurrent_cell_shape *shape, const float *x, const float *w, float *rzn,
                    float *past, const float *h_prev, float *h) {
    if (!shape->gru.reset_before) {
        gru_row_after_all(shape, x, w, rzn, past, h_prev, h);
    } else {
        gru_row_gates_all(shape, x, w, rzn, past, h_prev, h);
        gru_row_candidates_all(shape, x, w, rzn, past, h_prev, h);
    }
}

/// One time step of some rows, which are valid; rzn holds the input part. What U and r multiply is
/// `seen`: h_prev, or what a mask leaves of it.
INLINE void gru_recur(const recurrent_cell_shape *shape, size_t rows, const float *w, float *rzn,
                      float *past, const float *seen, const float *h_prev, float *h) {
    if (gru_goes_by_row(shape, rows) && seen == h_prev) {
        gru_row(shape, 0, w, rzn, past, h_prev, h);
        return;
    }
    const recurrence_layer layer = gru_layer(shape);
    const size_t panels = recurrent_panels(shape->hidden);
    const tile_sums r = gru_gate_sums(0, panels, rzn), z = gru_gate_sums(1, panels, rzn),
                    n = gru_gate_sums(2, panels, rzn);
    gru_sums(shape, 0, rows, w, seen, &r, &r);
    gru_sums(shape, 1, rows, w, seen, &z, &z);
    if (!shape->gru.reset_before) {
        const product_columns bias = recurrence_columns(&layer, w, 1 + shape->input);
        const tile_sums start = {.at = (float *)bias.from + 2 * LANES,
                                 .row = 0,
                                 .panel = bias.panel},
                        to = gru_unit_sums(panels, past);
        gru_sums(shape, 2, rows, w, seen, &start, &to);
    } else {
        gru_reset(shape->gate_activation, rows * panels, rzn, past, seen);
        gru_sums(shape, 2, rows, w, past, &n, &n);
    }
    gru_cells(shape, rows, rzn, past, h_prev, h);
}

static void gru_step(const recurrent_cell_shape *shape, const float *x, const float *w,
                     const float *h_prev, float *c, float *h, float *scratch,
                     recurrent_partition partition) NONBLOCKING {
    (void)c;
    const recurrence_layer layer = gru_layer(shape);
    const size_t panels = recurrent_panels(shape->hidden), units = panels * LANES;
    size_t row, row_end;
    partition_of(partition, shape->batch, &row, &row_end);
    float *past = scratch + GRU_GATES * shape->batch * units;
    if (gru_goes_by_row(shape, row_end - row)) {
        gru_row(shape, x + row * shape->x_stride, w, scratch + GRU_GATES * row * units,
                past + row * units, h_prev + row * units, h + row * units);
        return;
    }
    const recurrence_products products = recurrence_products_of(shape->batch, row, row_end, 0, 1);
    recurrence_input(&layer, 0, panels, &products, x, w, scratch);
    const float *h_prev_rows = h_prev + row * units;
    gru_recur(shape, row_end - row, w, scratch + GRU_GATES * row * units, past + row * units,
              h_prev_rows, h_prev_rows, h + row * units);
}
