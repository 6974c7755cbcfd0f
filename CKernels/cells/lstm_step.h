// One time step of the LSTM: whole tiles, and single rows.

/// The gates of up to LSTM_PANELS panels of a row, or of a tile.
#define LSTM_SUMS (TILE_SUMS > 4 * LSTM_PANELS ? TILE_SUMS : 4 * LSTM_PANELS)

/// R rows × P panels from panel `panel`, with the hidden sums in S chains.
INLINE void lstm_tile(const int R, const int P, const int S, const lstm_rows *rows, size_t panel,
                      size_t row) {
    const recurrent_cell_shape *shape = rows->shape;
    const size_t outputs = recurrent_padded(lstm_outputs(rows));
    const lstm_panels w = lstm_panels_from(rows, panel);
    lanes sum[LSTM_SUMS];
    FOR_EACH(r, R) lstm_start(0, 4 * P, rows, panel, row + (size_t)r, sum + r * 4 * P);
    if (rows->x)
        tile(R, 4 * P, 1, shape->input,
             (tile_scalars){
                 .from = rows->x + row * shape->x_stride, .term = 1, .row = shape->x_stride},
             w.columns, sum);
    tile(R, 4 * P, S, lstm_outputs(rows),
         (tile_scalars){.from = rows->h_prev + row * outputs, .term = 1, .row = outputs},
         lstm_hidden_columns(rows, w), sum);
    FOR_EACH(r, R)
        FOR_EACH(p, P)
            lstm_tile_cell(rows, panel + (size_t)p, row + (size_t)r, &sum[(r * P + p) * 4]);
}

/// Records those of P panels.
INLINE void lstm_finish_panels(const int P, const lstm_rows *rows, size_t row, size_t panel,
                               const lanes *gates, const lanes *c, const lanes *h) {
    FOR_EACH(p, P) {
        const size_t at = panel + (size_t)p;
        lstm_finish(rows, row * recurrent_padded(rows->shape->hidden) + at * LANES, gates + 4 * p,
                    lstm_keep_units(rows, at, c[p]), lstm_keep_units(rows, at, h[p]));
    }
}

/// One row of the first `panels` panels of the partition, of the plain variant, P at a time out of
/// a multiple of P. The pointwise part of a panel waits for itself most of the time: its parts
/// stand between the products of the next panels, which fill that time.
INLINE void lstm_row_of_panels(const int P, const lstm_rows *rows, size_t row, size_t panels) {
    const recurrent_cell_shape *shape = rows->shape;
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
            FOR_EACH(part, LSTM_CELL_PARTS) {
                const size_t first = shape->hidden * (size_t)part / LSTM_CELL_PARTS;
                const size_t end = shape->hidden * (size_t)(part + 1) / LSTM_CELL_PARTS;
                FOR_EACH(p, P)
                    lstm_cell_part(lstm_variant_in(rows), part, 0, gates + 4 * p, c_prev[p], &c[p],
                                   &h[p]);
                tile(1, 4 * P, 1, end - first,
                     (tile_scalars){.from = h_prev.from + first, .term = 1},
                     lstm_columns_from(w, shape->input + first), sum);
            }
            lstm_finish_panels(P, rows, row, finished, gates, c, h);
        }
        finished = panel;
        FOR_EACH(p, P)
            c_prev[p] = lanes_load(rows->c_prev + row * units + (panel + (size_t)p) * LANES);
        FOR_EACH(v, 4 * P) gates[v] = sum[v];
    }
    FOR_EACH(p, P) lstm_cell(lstm_variant_in(rows), 0, gates + 4 * p, c_prev[p], &c[p], &h[p]);
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
    const recurrent_cell_shape *shape = rows->shape;
    const size_t units = recurrent_padded(shape->hidden);
    const lstm_panels w = lstm_panels_from(rows, units / LANES - 1);
    FOR_EACH(v, 4) gates[v] = lanes_half_load(w.bias + v * LANES);
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
    lstm_cell(lstm_variant_in(rows), 0, gates, lanes_half_load(rows->c_prev + state), &c, &h);
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
        FOR_EACH(v, 4) WAIT_IN_MEMORY(last_gates[v]);
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
        case 6:
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
        known;                                                                                     \
        lstm_tiles(LSTM_CHAINS, rows, 0, first, end);                                              \
    }                                                                                              \
    OUTLINED void lstm_tiles_##kind(const lstm_rows *any, size_t panel, size_t first, size_t end)  \
        NONBLOCKING {                                                                              \
        known;                                                                                     \
        lstm_tiles(1, rows, panel, first, end);                                                    \
    }                                                                                              \
    INLINE void lstm_panels_##kind(const lstm_rows *rows, size_t first, size_t end) {              \
        if (recurrent_panels(rows->shape->hidden) > 1)                                             \
            for (size_t index = 0; index < rows->panels; ++index)                                  \
                lstm_tiles_##kind(rows, rows->panel + lstm_walk(rows, index, rows->panels), first, \
                                  end);                                                            \
        else if (rows->panels > 0) lstm_tiles_alone_##kind(rows, first, end);                      \
        if (LSTM_BY_GATES) lstm_clear_states(rows, first, end);                                    \
    }
/// A copy of them with these fields, which are then constants.
#define LSTM_KNOWN(fields)              \
    lstm_rows own = *any, *rows = &own; \
    fields
LSTM_TILES(recorded, LSTM_KNOWN((own.x = 0, own.bfloat16 = 0, own.plain = 1)))
LSTM_TILES(float, LSTM_KNOWN((own.ifgo = 0, own.lengths = 0, own.bfloat16 = 0, own.plain = 1));
           __builtin_assume(own.x != 0))
LSTM_TILES(bfloat16, LSTM_KNOWN((own.ifgo = 0, own.lengths = 0, own.bfloat16 = 1, own.plain = 1));
           __builtin_assume(own.x != 0))
LSTM_TILES(variant, const lstm_rows *rows = any; __builtin_assume(!(any->bfloat16 | any->plain)))

/// One row of a sequence that has not ended.
OUTLINED void lstm_row_recorded(const lstm_rows *any, size_t row) NONBLOCKING {
    lstm_rows rows = *any;
    rows.x = 0;
    rows.bfloat16 = 0;
    rows.plain = 1;
    lstm_row(&rows, row);
}

/// Rows [first, end) of one time step of a sequence.
INLINE void lstm_time_step(const lstm_rows *rows, size_t first, size_t end) {
    if (!lstm_is_plain(rows->shape)) lstm_panels_variant(rows, first, end);
    else if (LSTM_PANELS > 0 && end - first == 1 && rows->panels > 0
             && recurrence_valid(rows->lengths, first, rows->step))
        lstm_row_recorded(rows, first);
    else lstm_panels_recorded(rows, first, end);
}
