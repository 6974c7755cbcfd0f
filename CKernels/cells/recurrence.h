// What the layers of all recurrent cells share: the products around the recurrence, the sums inside
// it, and rows that end.

/// Whether a row of the batch has a step: all of them do where there are no lengths.
INLINE int recurrence_valid(const size_t *lengths, size_t row, size_t step) {
    return !lengths || step < lengths[row];
}

/// The next run of rows that are valid at a step, from `*row` on and before `end`: its length, zero
/// where there is none.
INLINE size_t recurrence_valid_rows(const size_t *lengths, size_t step, size_t *row, size_t end) {
    while (*row < end && !recurrence_valid(lengths, *row, step)) ++*row;
    size_t count = 0;
    while (*row + count < end && recurrence_valid(lengths, *row + count, step)) ++count;
    return count;
}

/// Rows from `row` on that have ended hold their state; returns the first that has not.
OUTLINED size_t recurrence_hold(const size_t *lengths, size_t step, size_t row, size_t end,
                                size_t units, const float *h_prev, float *h) NONBLOCKING {
    for (; row < end && !recurrence_valid(lengths, row, step); ++row)
        for (size_t at = row * units; at < (row + 1) * units; at += LANES)
            lanes_store(h + at, lanes_load(h_prev + at));
    return row;
}

/// The dimensions of a layer, of whatever cell: panels of W are [ bias | input 0 | … | hidden 0 | …
/// ], rows of `groups` × 16 floats, with `inner_rows` more rows before the first hidden one. The
/// layer has `hidden` units; `outputs` units of h are read by the gates, none of a cell whose gates
/// read the inputs alone.
typedef struct {
    size_t input, hidden, outputs, batch, steps, x_stride, groups, inner_rows;
} recurrence_layer;

INLINE recurrence_layer recurrence_layer_of(const recurrent_cell_shape *shape, size_t groups,
                                            size_t outputs, size_t inner_rows) {
    return (recurrence_layer){.input = shape->input,
                              .hidden = shape->hidden,
                              .outputs = outputs,
                              .batch = shape->batch,
                              .steps = shape->steps,
                              .x_stride = shape->x_stride,
                              .groups = groups,
                              .inner_rows = inner_rows};
}

/// The rows of a panel.
INLINE size_t recurrence_panel_rows(const recurrence_layer *layer) {
    return 1 + layer->input + layer->inner_rows + layer->outputs;
}

/// The columns of W from column `first` on; the bias is column 0.
INLINE product_columns recurrence_columns(const recurrence_layer *layer, const float *w,
                                          size_t first) {
    const size_t width = layer->groups * LANES;
    return (product_columns){.from = w + first * width,
                             .panel = recurrence_panel_rows(layer) * width,
                             .panels = recurrent_panels(layer->hidden),
                             .groups = layer->groups};
}

/// Batch rows [row, row_end) at time steps [step, step_end), for a product outside the recurrence:
/// as few products of as many rows as their places allow. Each has `rows` rows that lie `stride`
/// apart; the first begins at row `first`, the next ones `next` rows further on.
typedef struct {
    size_t count, rows, stride, first, next;
} recurrence_products;

INLINE recurrence_products recurrence_products_of(size_t batch, size_t row, size_t row_end,
                                                  size_t step, size_t step_end) {
    const size_t rows = row_end - row, steps = step_end - step;
    recurrence_products products = {.first = step * batch + row};
    if (rows == batch) {
        products.count = 1;
        products.rows = steps * batch;
        products.stride = 1;
    } else if (steps > rows) {
        products.count = rows;
        products.rows = steps;
        products.stride = batch;
        products.next = 1;
    } else {
        products.count = steps;
        products.rows = rows;
        products.stride = 1;
        products.next = batch;
    }
    return products;
}

/// Rows of the input part that are computed at a time, so that its sums stay in the L2 cache until
/// the recurrence goes on with them.
#define RECURRENCE_INPUT_ROWS 96

/// The time steps whose input part is computed together, where a step has `rows` rows.
INLINE size_t recurrence_input_steps(size_t rows) {
    const size_t steps = RECURRENCE_INPUT_ROWS / (rows + (rows == 0));
    return steps > 0 ? steps : 1;
}

/// sums = b + W x, for panels [panel, panel_end) of rows [T][B] of `groups` × U floats.
OUTLINED void recurrence_input(const recurrence_layer *layer, size_t panel, size_t panel_end,
                               const recurrence_products *products, const float *x, const float *w,
                               float *sums) NONBLOCKING {
    const size_t row_floats = recurrent_padded(layer->hidden) * layer->groups;
    product_columns columns = recurrence_columns(layer, w, 1);
    const tile_sums bias = {
        .at = (float *)w + panel * columns.panel, .row = 0, .panel = columns.panel};
    columns.from += panel * columns.panel;
    columns.panels = panel_end - panel;
    for (size_t k = 0, row = products->first; k < products->count; ++k, row += products->next)
        product_add(products->rows, layer->input,
                    (tile_scalars){.from = x + row * layer->x_stride,
                                   .term = 1,
                                   .row = products->stride * layer->x_stride},
                    columns, bias, sums + row * row_floats + panel * layer->groups * LANES,
                    products->stride * row_floats);
}

/// A product inside the recurrence of a layer of `panels` panels, of which these are `count`, each
/// one vector wide: where they are at most 4, in `product_chains` chains.
OUTLINED void recurrence_sums(size_t panels, size_t count,
                              const tile_product *product) NONBLOCKING {
    if (count == 0) return;
    switch (product_chains(panels)) {
    case 8: product_tiles_1_1_8(product, 0, 0); break;
    case 4:
        switch (count) {
        case 1: product_tiles_1_1_4(product, 0, 0); break;
        case 2: product_tiles_1_2_4(product, 0, 0); break;
        }
        break;
    case 2:
        switch (count) {
        case 1: product_tiles_1_1_2(product, 0, 0); break;
        case 2: product_tiles_1_2_2(product, 0, 0); break;
        case 3: product_tiles_1_3_2(product, 0, 0); break;
        case 4: product_tiles_1_4_2(product, 0, 0); break;
        }
        break;
    case 1: product_blocks(1, count, product); break;
    }
}

/// The columns of W as rows: those of the inputs, then those of the hidden units.
INLINE void recurrence_transpose(const recurrence_layer *layer, const float *w, float *transposed,
                                 recurrent_partition partition) {
    const size_t inputs = recurrent_panels(layer->input),
                 terms = layer->groups * recurrent_padded(layer->hidden);
    size_t first, end;
    partition_of(partition, inputs + recurrent_panels(layer->outputs), &first, &end);
    const size_t input_end = end < inputs ? end : inputs,
                 hidden_first = first > inputs ? first - inputs : 0;
    product_transpose_columns(recurrence_columns(layer, w, 1), layer->input, transposed, first,
                              input_end);
    if (end > inputs)
        product_transpose_columns(
            recurrence_columns(layer, w, 1 + layer->input + layer->inner_rows), layer->outputs,
            transposed + inputs * terms * LANES, hidden_first, end - inputs);
}

/// dh_prev += U dgates for `rows` rows, in panels [panel, panel_end) of h.
OUTLINED void recurrence_backward(const recurrence_layer *layer, size_t panel, size_t panel_end,
                                  const float *transposed, size_t rows, const float *dgates,
                                  float *dh) NONBLOCKING {
    const size_t panels = recurrent_panels(layer->outputs),
                 terms = layer->groups * recurrent_padded(layer->hidden);
    const float *hidden = transposed + recurrent_panels(layer->input) * terms * LANES;
    const tile_sums sums = {.at = dh + panel * LANES, .row = panels * LANES, .panel = LANES};
    const tile_product product = {
        .rows = rows,
        .terms = terms,
        .x = {.from = dgates, .term = 1, .row = terms},
        .w = {.from = hidden + panel * terms * LANES, .term = LANES, .panel = terms * LANES},
        .start = sums,
        .to = sums};
    recurrence_sums(panels, panel_end - panel, &product);
}

/// y = mask∘x, or, where there is a `start`, that added to it, for `rows` rows of `panels` panels,
/// of which these are panels [panel, panel_end). All of them may be the same.
OUTLINED void recurrence_mask(size_t rows, size_t panels, size_t panel, size_t panel_end,
                              const float *mask, const float *x, const float *start,
                              float *y) NONBLOCKING {
    for (size_t row = 0; row < rows; ++row)
        for (size_t at = (row * panels + panel) * LANES, end = (row * panels + panel_end) * LANES;
             at < end; at += LANES)
            lanes_store(y + at, lanes_fma(lanes_load(mask + at), lanes_load(x + at),
                                          start ? lanes_load(start + at) : lanes_splat(0)));
}

/// masked = mask∘h for batch rows [row, end) of one time step, whose rows have `units` floats.
OUTLINED void recurrence_mask_rows(size_t units, size_t row, size_t end, const float *mask,
                                   const float *h, float *masked) NONBLOCKING {
    const size_t at = row * units, panels = units / LANES;
    recurrence_mask(end - row, panels, 0, panels, mask + at, h + at, 0, masked + at);
}

/// One time step of `rows` valid rows, whose first lies at `at` in each tape of h: U multiplies
/// `seen`, h_prev or what a mask leaves of it.
typedef void recurrence_step(const recurrent_cell_shape *shape, size_t rows, size_t at,
                             const float *w, const float *seen,
                             const recurrent_cell_tape *tape) NONBLOCKING;

/// A whole sequence of a cell without c: the input part of some steps at a time into `sums`, then
/// step after step.
INLINE void recurrence_forward(const recurrence_layer *layer, const recurrent_cell_shape *shape,
                               const size_t *lengths, const float *mask, const float *x,
                               const float *w, const recurrent_cell_tape *tape, float *sums,
                               recurrent_partition partition, recurrence_step *step) {
    float *h = tape->h, *masked = tape->masked;
    const size_t panels = recurrent_panels(shape->hidden), units = panels * LANES,
                 state = shape->batch * units;
    size_t first, end;
    partition_of(partition, shape->batch, &first, &end);
    const size_t input_steps = recurrence_input_steps(end - first);
    for (size_t t = 0; t < shape->steps; ++t) {
        if (t % input_steps == 0) {
            const size_t step_end = shape->steps - t < input_steps ? shape->steps : t + input_steps;
            const recurrence_products products =
                recurrence_products_of(shape->batch, first, end, t, step_end);
            recurrence_input(layer, 0, panels, &products, x, w, sums);
        }
        const float *h_prev = h + t * state, *seen = mask ? masked + t * state : h_prev;
        if (mask) recurrence_mask_rows(units, first, end, mask, h_prev, masked + t * state);
        for (size_t row = first, valid; row < end; row += valid) {
            if (lengths)
                row = recurrence_hold(lengths, t, row, end, units, h_prev, h + (t + 1) * state);
            valid = recurrence_valid_rows(lengths, t, &row, end);
            const size_t at = row * units;
            step(shape, valid, t * state + at, w, seen + at, tape);
        }
    }
}

/// dx = W dgates
OUTLINED void recurrence_backward_input(const recurrence_layer *layer,
                                        const recurrence_products *products,
                                        const float *transposed, const float *dgates,
                                        float *dx) NONBLOCKING {
    const size_t inputs = recurrent_panels(layer->input),
                 terms = layer->groups * recurrent_padded(layer->hidden);
    for (size_t k = 0, row = products->first; k < products->count; ++k, row += products->next)
        product_add(products->rows, terms,
                    (tile_scalars){
                        .from = dgates + row * terms, .term = 1, .row = products->stride * terms},
                    (product_columns){
                        .from = transposed, .panel = terms * LANES, .panels = inputs, .groups = 1},
                    (tile_sums){.at = 0}, dx + row * inputs * LANES,
                    products->stride * inputs * LANES);
}

/// The same step backward: from dh, which lies at `row_at` for the first row, to dgates, and to dh
/// of the step before.
typedef void recurrence_step_backward(const recurrent_cell_shape *shape, size_t rows, size_t at,
                                      size_t row_at, const float *mask, const float *transposed,
                                      const recurrent_cell_tape *tape,
                                      const recurrent_cell_gradients *gradients) NONBLOCKING;

/// Backpropagation through the time steps of a cell without c, and to the inputs.
INLINE void recurrence_backward_data(const recurrence_layer *layer,
                                     const recurrent_cell_shape *shape, const size_t *lengths,
                                     const float *mask, const float *transposed,
                                     const recurrent_cell_tape *tape,
                                     const recurrent_cell_gradients *gradients,
                                     recurrent_partition partition,
                                     recurrence_step_backward *step) {
    float *dgates = gradients->dgates,
          *dpast = recurrent_cell_past_floats(*shape) > 0 ? gradients->dpast : 0;
    const size_t units = recurrent_padded(shape->hidden), state = shape->batch * units,
                 gates = layer->groups * units;
    size_t first, end;
    partition_of(partition, shape->batch, &first, &end);
    for (size_t t = shape->steps; t-- > 0;)
        for (size_t row = first, valid; row < end; row += valid) {
            // A row that has ended passes its dh by, bit for bit.
            for (; row < end && !recurrence_valid(lengths, row, t); ++row) {
                const size_t ended = t * shape->batch + row;
                for (size_t at = 0; at < gates; at += LANES)
                    lanes_store(dgates + ended * gates + at, lanes_splat(0));
                for (size_t at = 0; dpast && at < units; at += LANES)
                    lanes_store(dpast + ended * units + at, lanes_splat(0));
            }
            valid = recurrence_valid_rows(lengths, t, &row, end);
            step(shape, valid, t * state + row * units, row * units, mask, transposed, tape,
                 gradients);
        }
    const recurrence_products products =
        recurrence_products_of(shape->batch, first, end, 0, shape->steps);
    if (gradients->dx)
        recurrence_backward_input(layer, &products, transposed, dgates, gradients->dx);
}

/// The rows of a block that have not ended: runs with at least one row between them.
typedef struct {
    tile_run run[WEIGHTS_BLOCK / 2];
} recurrence_runs;

/// Those of the block that begins at row `first` of all time steps. Blocks lie where they do
/// whatever the lengths are.
INLINE tile_terms recurrence_block(const recurrence_layer *layer, const size_t *lengths,
                                   size_t first, recurrence_runs *runs) {
    const tile_run all = weights_block(first, layer->steps * layer->batch);
    tile_terms terms = {.runs = 1, .run = runs->run, .add = first > 0};
    runs->run[0] = all;
    if (!lengths) return terms;
    terms.runs = 0;
    size_t step = first / layer->batch, row = first % layer->batch;
    for (size_t m = 0, count = 0; m <= (size_t)all.last + 1; ++m) {
        if (m <= all.last && recurrence_valid(lengths, row, step)) ++count;
        else if (count > 0) {
            runs->run[terms.runs++] =
                (tile_run){.first = (uint8_t)(m - count), .last = (uint8_t)(m - 1)};
            count = 0;
        }
        if (++row == layer->batch) {
            row = 0;
            ++step;
        }
    }
    return terms;
}

/// The h of each time step that U multiplies.
INLINE const float *recurrence_seen(const recurrent_cell_tape *tape) {
    return tape->masked ? tape->masked : tape->h;
}

/// The vectors of a register tile of the gradient with respect to the weights.
#define RECURRENCE_WEIGHTS_VECTORS 4

/// dW += dgates [1 x h_prev], over all rows that have not ended. The inner rows stay as they are.
INLINE void recurrence_backward_weights(const recurrence_layer *layer, const size_t *lengths,
                                        const float *x, const recurrent_cell_tape *tape,
                                        const float *dgates, float *dw,
                                        recurrent_partition partition) {
    const float *h = recurrence_seen(tape);
    const size_t outputs = recurrent_padded(layer->outputs), groups = layer->groups,
                 width = groups * LANES;
    const size_t terms = groups * recurrent_padded(layer->hidden),
                 rows_of_panel = recurrence_panel_rows(layer), dw_panel = rows_of_panel * width;
    const size_t hidden_row = 1 + layer->input + layer->inner_rows;
    const product_partition part =
        product_partition_of(partition, recurrent_panels(layer->hidden), rows_of_panel);
    const product_partition bias = product_partition_within(part, 0, 1),
                            inputs = product_partition_within(part, 1, layer->input),
                            hidden = product_partition_within(part, hidden_row, layer->outputs);
    float *dw_part = dw + part.panel * dw_panel;
    const size_t together =
        groups < RECURRENCE_WEIGHTS_VECTORS ? RECURRENCE_WEIGHTS_VECTORS / groups : 1;
    // Block by block and some panels at a time, so that the bias, the inputs and the hidden units
    // find the gates in cache.
    for (size_t from = 0; from < layer->steps * layer->batch; from += WEIGHTS_BLOCK) {
        recurrence_runs runs;
        const tile_terms rows = recurrence_block(layer, lengths, from, &runs);
        for (size_t panel = 0; panel < part.panels * (rows.runs > 0); panel += together) {
            const size_t panels = part.panels - panel < together ? part.panels - panel : together;
            const float *gates = dgates + from * terms + (part.panel + panel) * width;
            float *dw_rows = dw_part + panel * dw_panel;
            if (bias.rows) product_add_bias(groups, panels, rows, gates, terms, dw_rows, dw_panel);
            product_add_weights(
                groups, panels, inputs.rows, rows,
                (tile_scalars){.from = x + from * layer->x_stride + (inputs.row - 1),
                               .term = layer->x_stride,
                               .row = 1},
                gates, terms, dw_rows + inputs.row * width, dw_panel);
            product_add_weights(
                groups, panels, hidden.rows, rows,
                (tile_scalars){.from = h + from * outputs + (hidden.row - hidden_row),
                               .term = outputs,
                               .row = 1},
                gates, terms, dw_rows + hidden.row * width, dw_panel);
        }
    }
}
