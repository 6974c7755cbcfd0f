// The three products of a layer whose matrix lies in kernel order, by the register tile of tile.h.
//
//   panel p of W = [ bias | input 0 | input 1 | … ]   rows of `groups` × 16 floats
//
//   forward            y[m] = bias + Σ_k x[m][k] W[·][k]   lanes are outputs
//   backward, input    dx[m] = Σ_j dy[m][j] W[j][·]        lanes are inputs, W transposed
//   backward, weights  dW[·][k] += Σ_m x[m][k] dy[m]       lanes are outputs
//
// In each of them a scalar is broadcast and multiplied by a row of lanes, and each output is one
// chain of fused multiply-adds in the order of the terms. Where a whole row has so few vectors that
// one chain per output would wait for the latency of the multiplier, a recurrent sum is split into
// `product_chains` chains: a number that depends on the shape alone.

/// Rows per block of the backward product to the weights. Each block has a sum of its own, which is
/// added to dW: a chain of rows as long as a batch would lose a bit of precision with every
/// fourfold length. The block of dy that a tile walks, 64 KiB, stays in the L2 cache, and dW is
/// read and written once per block.
#define WEIGHTS_BLOCK 256
/// Rows per block of the other two products, which stay in the L2 cache while they pass by all the
/// weights.
#define PRODUCT_BLOCK 96

/// `product_sums`, some rows at a time.
OUTLINED void product_blocks(size_t groups, size_t vectors,
                             const tile_product *product) NONBLOCKING {
    tile_product block = *product;
    for (size_t left = product->rows; left > 0; left -= block.rows) {
        block.rows = left < PRODUCT_BLOCK ? left : PRODUCT_BLOCK;
        product_sums(groups, vectors, &block);
        block.x.from += block.rows * block.x.row;
        if (block.start.at) block.start.at += block.rows * block.start.row;
        block.to.at += block.rows * block.to.row;
    }
}

/// Columns of a matrix in kernel order: `from` is the first of their rows in panel 0, panels lie
/// `panel` floats apart.
typedef struct {
    const float *from;
    size_t panel, panels, groups;
} product_columns;

/// y[m] = start + Σ_k x[m][k] W[·][k]
INLINE void product_add(size_t rows, size_t terms, tile_scalars x, product_columns w,
                        tile_sums start, float *y, size_t y_row) {
    const size_t width = w.groups * LANES;
    const tile_product product = {.rows = rows,
                                  .terms = terms,
                                  .x = x,
                                  .w = {.from = w.from, .term = width, .panel = w.panel},
                                  .start = start,
                                  .to = {.at = y, .row = y_row, .panel = width}};
    product_blocks(w.groups, w.panels * w.groups, &product);
}

/// The columns of W as rows: to[q][j][lane] = W[j][16 q + lane], j over panels × groups × 16, q
/// over ⌈columns / 16⌉. Lanes beyond the last column are zero.
INLINE void product_transpose_columns(product_columns w, size_t columns, float *to, size_t first,
                                      size_t end) {
    const size_t width = w.groups * LANES;
    const size_t sums = w.panels * width;
    for (size_t q = first; q < end; ++q) {
        const size_t count = columns - q * LANES < LANES ? columns - q * LANES : LANES;
        for (size_t p = 0; p < w.panels; ++p)
            for (size_t group = 0; group < w.groups; ++group) {
                const float *block = w.from + p * w.panel + q * LANES * width + group * LANES;
                lanes row[LANES];
                for (size_t k = 0; k < LANES; ++k)
                    row[k] = k < count ? lanes_load(block + k * width) : lanes_splat(0);
                lanes_transpose(row);
                float *out = to + q * sums * LANES + (p * width + group * LANES) * LANES;
                for (size_t lane = 0; lane < LANES; ++lane)
                    lanes_store(out + lane * LANES, row[lane]);
            }
    }
}

/// dW[·][k] += Σ_m x[m][k] dy[m] over the rows of one block, for `count` columns of x; `dw` is the
/// row of the first of them in the first of `panels` panels.
INLINE void product_add_weights(size_t groups, size_t panels, size_t count, tile_terms rows,
                                tile_scalars x, const float *dy, size_t dy_row, float *dw,
                                size_t dw_panel) {
    const size_t width = groups * LANES;
    const tile_sums sums = {.at = dw, .row = width, .panel = dw_panel}, zero = {.at = 0};
    tile_product product = {.rows = count,
                            .some = rows,
                            .x = x,
                            .w = {.from = dy, .term = dy_row, .panel = width},
                            .start = rows.add ? zero : sums,
                            .to = sums,
                            .adds = rows.add};
    if (rows.runs == 1) {  // neighbours, as most blocks are: no list to go through
        product.some = (tile_terms){.runs = 0};
        product.x.from += rows.run->first * x.term;
        product.w.from += rows.run->first * dy_row;
        product.terms = (size_t)rows.run->last + 1 - rows.run->first;
    }
    product_sums(groups, panels * groups, &product);
}

/// Vectors of a bias that are summed side by side, which hides the latency of an addition.
#define BIAS_VECTORS 4

/// sum += Σ over the rows of a block of dy, for V of its vectors.
INLINE void product_bias_sums(const int V, tile_terms rows, const float *dy, size_t dy_row,
                              lanes *sum) {
    for (size_t run = 0; run < rows.runs; ++run)
        for (size_t m = rows.run[run].first, end = (size_t)rows.run[run].last + 1; m < end; ++m)
            FOR_EACH(v, V) sum[v] += lanes_load(dy + m * dy_row + (size_t)v * LANES);
}

/// Vector `vector` of the bias.
INLINE float *product_bias(size_t groups, size_t vector, float *dw, size_t dw_panel) {
    return dw + vector / groups * dw_panel + vector % groups * LANES;
}

/// BODY(V, …) for so many vectors of a bias; `vector` is the first one.
#define FOR_BIAS_VECTORS(vectors, BODY, ...)                               \
    do {                                                                   \
        size_t vector = 0;                                                 \
        for (; vector + BIAS_VECTORS <= (vectors); vector += BIAS_VECTORS) \
            BODY(BIAS_VECTORS, vector, __VA_ARGS__);                       \
        for (; vector < (vectors); ++vector) BODY(1, vector, __VA_ARGS__); \
    } while (0)

INLINE void product_add_bias_vectors(const int V, size_t vector, size_t groups, tile_terms rows,
                                     const float *dy, size_t dy_row, float *dw, size_t dw_panel) {
    lanes sum[BIAS_VECTORS];
    FOR_EACH(v, V)
        sum[v] = rows.add ? lanes_splat(0)
                          : lanes_load(product_bias(groups, vector + (size_t)v, dw, dw_panel));
    product_bias_sums(V, rows, dy + vector * LANES, dy_row, sum);
    FOR_EACH(v, V) {
        float *at = product_bias(groups, vector + (size_t)v, dw, dw_panel);
        lanes_store(at, rows.add ? lanes_load(at) + sum[v] : sum[v]);
    }
}

/// dW[·][bias] += Σ_m dy[m] over the rows of one block.
INLINE void product_add_bias(size_t groups, size_t panels, tile_terms rows, const float *dy,
                             size_t dy_row, float *dw, size_t dw_panel) {
    FOR_BIAS_VECTORS(panels * groups, product_add_bias_vectors, groups, rows, dy, dy_row, dw,
                     dw_panel);
}

/// The rows of the block that begins at row `first` out of `rows`, which are more.
INLINE tile_run weights_block(size_t first, size_t rows) {
    return (tile_run){
        .last = (uint8_t)(rows - first < WEIGHTS_BLOCK ? rows - first - 1 : WEIGHTS_BLOCK - 1)};
}

INLINE void product_add_bias_blocks(const int V, size_t vector, size_t groups, size_t rows,
                                    const float *dy, size_t dy_row, float *dw, size_t dw_panel) {
    lanes_double sum[BIAS_VECTORS];
    FOR_EACH(v, V) sum[v] = 0;
    for (size_t m = 0; m < rows; m += WEIGHTS_BLOCK) {
        const tile_run block = weights_block(m, rows);
        lanes block_sum[BIAS_VECTORS];
        FOR_EACH(v, V) block_sum[v] = lanes_splat(0);
        product_bias_sums(V, (tile_terms){.runs = 1, .run = &block},
                          dy + m * dy_row + vector * LANES, dy_row, block_sum);
        FOR_EACH(v, V) sum[v] += lanes_widen(block_sum[v]);
    }
    FOR_EACH(v, V) {
        float *at = product_bias(groups, vector + (size_t)v, dw, dw_panel);
        lanes_store(at, lanes_load(at) + lanes_narrow(sum[v]));
    }
}

/// dW[·][bias] += Σ_m dy[m] over all rows: the sums of several blocks in double.
OUTLINED void product_add_bias_of_rows(size_t groups, size_t panels, size_t rows, const float *dy,
                                       size_t dy_row, float *dw, size_t dw_panel) NONBLOCKING {
    if (rows == 0) return;
    if (rows <= WEIGHTS_BLOCK) {
        const tile_run block = weights_block(0, rows);
        product_add_bias(groups, panels, (tile_terms){.runs = 1, .run = &block}, dy, dy_row, dw,
                         dw_panel);
    } else {
        FOR_BIAS_VECTORS(panels * groups, product_add_bias_blocks, groups, rows, dy, dy_row, dw,
                         dw_panel);
    }
}

static void product_forward(const recurrent_product_shape *shape, const float *x, const float *w,
                            float *y, recurrent_partition partition) NONBLOCKING {
    size_t first, end;
    partition_of(partition, shape->rows, &first, &end);
    if (first == end) return;
    const size_t panels = recurrent_panels(shape->outputs), width = shape->groups * LANES;
    const size_t panel = (1 + shape->inputs) * width, y_row = panels * width;
    product_add(
        end - first, shape->inputs,
        (tile_scalars){.from = x + first * shape->x_stride, .term = 1, .row = shape->x_stride},
        (product_columns){
            .from = w + width, .panel = panel, .panels = panels, .groups = shape->groups},
        (tile_sums){.at = (float *)w, .row = 0, .panel = panel}, y + first * y_row, y_row);
}

/// The vectors of a pass, of one row: 8 sums in flight, of four pairs of panels.
#define BFLOAT16_VECTORS 8

INLINE void product_bfloat16_vectors(const int V, size_t inputs, const float *x, const float *w,
                                     size_t panel, float *y) {
    const tile_product product = {
        .terms = inputs,
        .x = {.from = x, .term = 1},
        .w = {.from = w + 2 * LANES, .term = LANES, .panel = panel, .groups = 2, .bfloat16 = 1},
        .start = {.at = (float *)w, .panel = panel, .groups = 2},
        .to = {.at = y, .panel = 2 * LANES, .groups = 2}};
    tile_in_memory(1, V, 1, product, tile_once, tile_once);
}

static void product_forward_bfloat16(const recurrent_product_shape *shape, const float *x,
                                     const float *w, float *y,
                                     recurrent_partition partition) NONBLOCKING {
    size_t first, end;
    partition_of(partition, shape->rows, &first, &end);
    const size_t vectors = recurrent_panels(shape->outputs), inputs = shape->inputs,
                 panel = (2 + inputs) * LANES;
    for (size_t vector = 0; vector < vectors; vector += BFLOAT16_VECTORS)
        for (size_t row = first; row < end; ++row) {
            const float *x_row = x + row * shape->x_stride, *w_block = w + vector / 2 * panel;
            float *y_row = y + (row * vectors + vector) * LANES;
            const size_t left = vectors - vector;
            switch (left < BFLOAT16_VECTORS ? left : BFLOAT16_VECTORS) {
            case 1: product_bfloat16_vectors(1, inputs, x_row, w_block, panel, y_row); break;
            case 2: product_bfloat16_vectors(2, inputs, x_row, w_block, panel, y_row); break;
            case 3: product_bfloat16_vectors(3, inputs, x_row, w_block, panel, y_row); break;
            case 4: product_bfloat16_vectors(4, inputs, x_row, w_block, panel, y_row); break;
            case 5: product_bfloat16_vectors(5, inputs, x_row, w_block, panel, y_row); break;
            case 6: product_bfloat16_vectors(6, inputs, x_row, w_block, panel, y_row); break;
            case 7: product_bfloat16_vectors(7, inputs, x_row, w_block, panel, y_row); break;
            case 8: product_bfloat16_vectors(8, inputs, x_row, w_block, panel, y_row); break;
            }
        }
}

static void product_transpose(const recurrent_product_shape *shape, const float *w,
                              float *transposed, recurrent_partition partition) NONBLOCKING {
    size_t first, end;
    partition_of(partition, recurrent_panels(shape->inputs), &first, &end);
    const size_t width = shape->groups * LANES;
    product_transpose_columns((product_columns){.from = w + width,
                                                .panel = (1 + shape->inputs) * width,
                                                .panels = recurrent_panels(shape->outputs),
                                                .groups = shape->groups},
                              shape->inputs, transposed, first, end);
}

// forward: y[m] = bias + Σ_k x[m][k] W[·][k]
static void product_backward_input(const recurrent_product_shape *shape, const float *dy,
                                   const float *transposed, float *dx,
                                   recurrent_partition partition) NONBLOCKING {
    size_t first, end;
    partition_of(partition, shape->rows, &first, &end);
    if (first == end) return;
    const size_t terms = recurrent_panels(shape->outputs) * shape->groups * LANES;
    const size_t panels = recurrent_panels(shape->inputs), dx_row = panels * LANES;
    product_add(end - first, terms,
                (tile_scalars){.from = dy + first * terms, .term = 1, .row = terms},
                (product_columns){
                    .from = transposed, .panel = terms * LANES, .panels = panels, .groups = 1},
                (tile_sums){.at = 0}, dx + first * dx_row, dx_row);
}

// forward: y[m] = bias + Σ_k x[m][k] W[·][k]
static void product_backward_weights(const recurrent_product_shape *shape, const float *x,
                                     const float *dy, float *dw,
                                     recurrent_partition partition) NONBLOCKING {
    const size_t panels = recurrent_panels(shape->outputs), width = shape->groups * LANES;
    const size_t dw_panel = (1 + shape->inputs) * width;
    product_partition part = product_partition_of(partition, panels, 1 + shape->inputs);
    const float *dy_part = dy + part.panel * width;
    float *dw_part = dw + part.panel * dw_panel;
    const product_partition inputs = product_partition_within(part, 1, shape->inputs);
    if (product_partition_within(part, 0, 1).rows)
        product_add_bias_of_rows(shape->groups, part.panels, shape->rows, dy_part, panels * width,
                                 dw_part, dw_panel);
    for (size_t m = 0; m < shape->rows; m += WEIGHTS_BLOCK) {
        const tile_run block = weights_block(m, shape->rows);
        const tile_terms rows = {.runs = 1, .run = &block, .add = m > 0};
        product_add_weights(shape->groups, inputs.panels, inputs.rows, rows,
                            (tile_scalars){.from = x + m * shape->x_stride + (inputs.row - 1),
                                           .term = shape->x_stride,
                                           .row = 1},
                            dy_part + m * panels * width, panels * width,
                            dw_part + inputs.row * width, dw_panel);
    }
}
