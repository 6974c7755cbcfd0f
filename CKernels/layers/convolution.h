// Convolutions of images with any number of channels, by the register tile of tile.h. Channels lie
// side by side, so a tap of a window is a run of terms, and neighbouring windows are rows of a
// tile. Taps outside the image are left out: the places of an image fall into rectangles that have
// the same taps, and nothing is copied.

/// An axis along which places of one grid are written from those of another: the floats from place
/// to place of what is read, of what is written, and from tap to tap of the weights.
typedef struct {
    window_axis window;
    window_range places;
    size_t read, written, weights;
} convolution_axis;

/// to[place] = start + Σ over its taps, `terms` terms each, for `images` images.
typedef struct {
    size_t images, image_read, image_written;
    convolution_axis rows, columns;
    size_t terms, panels;
    const float *x;
    tile_lanes w;
    tile_sums start, to;
} convolution_product;

#define CONVOLUTION_TILES(V)                                                            \
    OUTLINED void convolution_tiles_##V(const tile_product *whole, size_t panel,        \
                                        const tile_runs *outer, const tile_runs *inner) \
        NONBLOCKING {                                                                   \
        tile_product product = *whole;                                                  \
        product.w.from += panel * product.w.panel;                                      \
        if (product.start.at) product.start.at += panel * product.start.panel;          \
        product.to.at += panel * product.to.panel;                                      \
        product.w.groups = product.start.groups = product.to.groups = 1;                \
        product.w.bfloat16 = 0;                                                         \
        tile_rows_in_memory(V, 1, product, *outer, *inner);                             \
    }
CONVOLUTION_TILES(1)
CONVOLUTION_TILES(2)
CONVOLUTION_TILES(3)
CONVOLUTION_TILES(4)

/// The most panels of a pass.
#define CONVOLUTION_PANELS 4

/// The terms of all runs, for all panels; runs without a gap between them become one.
OUTLINED void convolution_sums(size_t panels, const tile_product *whole, tile_runs outer,
                               tile_runs inner) NONBLOCKING {
    tile_product product = *whole;
    for (int level = 0; level < 2; ++level)
        if (inner.count == 1
            || (inner.x == (ptrdiff_t)(product.terms * product.x.term)
                && inner.w == (ptrdiff_t)(product.terms * product.w.term))) {
            product.terms *= inner.count;
            inner = outer;
            outer = tile_once;
        }
    const size_t most = product.rows < TILE_ROWS
                            ? CONVOLUTION_PANELS
                            : (size_t)tile_vectors(TILE_SUMS, TILE_ROWS, 1, CONVOLUTION_PANELS);
    for (size_t panel = 0; panel < panels;) {
        const size_t count = tile_rows(panels - panel, most);
        switch (count) {
        case 1: convolution_tiles_1(&product, panel, &outer, &inner); break;
        case 2: convolution_tiles_2(&product, panel, &outer, &inner); break;
        case 3: convolution_tiles_3(&product, panel, &outer, &inner); break;
        case 4: convolution_tiles_4(&product, panel, &outer, &inner); break;
        }
        panel += count;
    }
}

/// One of the three directions in which a rectangle of all images extends, and the floats from step
/// to step.
typedef struct {
    size_t count, read, written;
} convolution_way;

/// The places of a rectangle, which have the same taps: its longest direction has the rows of the
/// tiles.
INLINE void convolution_rectangle(const convolution_product *c, window_range rows,
                                  window_range row_taps, window_range columns,
                                  window_range column_taps) {
    const convolution_axis *down = &c->rows, *across = &c->columns;
    convolution_way long_way = {.count = columns.end - columns.first,
                                .read = (size_t)across->window.move * across->read,
                                .written = across->written};
    convolution_way others[] = {
        {.count = rows.end - rows.first,
         .read = (size_t)down->window.move * down->read,
         .written = down->written},
        {.count = c->images, .read = c->image_read, .written = c->image_written},
    };
    for (int other = 0; other < 2; ++other)
        if (others[other].count > long_way.count) {
            const convolution_way way = long_way;
            long_way = others[other];
            others[other] = way;
        }
    const tile_runs outer = {.count = row_taps.end - row_taps.first,
                             .x = down->window.tap * (ptrdiff_t)down->read,
                             .w = (ptrdiff_t)down->weights};
    const tile_runs inner = {.count = column_taps.end - column_taps.first,
                             .x = across->window.tap * (ptrdiff_t)across->read,
                             .w = (ptrdiff_t)across->weights};
    tile_product product = {.rows = long_way.count,
                            .terms = c->terms,
                            .x = {.from = c->x, .term = 1, .row = long_way.read},
                            .w = c->w,
                            .start = c->start,
                            .to = c->to};
    product.w.from += row_taps.first * down->weights + column_taps.first * across->weights;
    product.to.row = long_way.written;
    product.to.at += rows.first * down->written + columns.first * across->written;
    if (outer.count > 0 && inner.count > 0)
        product.x.from +=
            window_at(&down->window, rows.first, row_taps.first) * (ptrdiff_t)down->read
            + window_at(&across->window, columns.first, column_taps.first)
                  * (ptrdiff_t)across->read;
    const float *x = product.x.from;
    float *to = product.to.at;
    for (size_t i = 0; i < others[0].count; ++i)
        for (size_t j = 0; j < others[1].count; ++j) {
            product.x.from = x + i * others[0].read + j * others[1].read;
            product.to.at = to + i * others[0].written + j * others[1].written;
            convolution_sums(c->panels, &product, outer, inner);
        }
}

/// All places, rectangle by rectangle.
OUTLINED void convolution_places(const convolution_product *c) NONBLOCKING {
    for (window_range rows = c->rows.places; rows.first < c->rows.places.end;
         rows.first = rows.end) {
        const window_range row_taps = window_taps(&c->rows.window, rows.first);
        rows.end = window_run_end(&c->rows.window, rows.first, c->rows.places.end, row_taps);
        for (window_range columns = c->columns.places; columns.first < c->columns.places.end;
             columns.first = columns.end) {
            const window_range column_taps = window_taps(&c->columns.window, columns.first);
            columns.end = window_run_end(&c->columns.window, columns.first, c->columns.places.end,
                                         column_taps);
            convolution_rectangle(c, rows, row_taps, columns, column_taps);
        }
    }
}

static void convolution_forward(const recurrent_convolution_shape *shape, const float *x,
                                const float *w, float *y,
                                recurrent_partition partition) NONBLOCKING {
    const window_part part =
        window_part_of(partition, shape->images, shape->rows.windows, shape->columns.windows);
    const size_t panels = recurrent_panels(shape->outputs),
                 panel = (1 + recurrent_convolution_terms(*shape)) * LANES;
    const size_t x_row = shape->columns.size * shape->x_stride, y_place = panels * LANES,
                 y_row = shape->columns.windows * y_place;
    const size_t tap = shape->inputs * LANES;
    convolution_product c = {.images = part.images.end - part.images.first,
                             .image_read = shape->rows.size * x_row,
                             .image_written = shape->rows.windows * y_row,
                             .rows = {.window = window_axis_of(&shape->rows),
                                      .places = part.rows,
                                      .read = x_row,
                                      .written = y_row,
                                      .weights = shape->columns.taps * tap},
                             .columns = {.window = window_axis_of(&shape->columns),
                                         .places = part.columns,
                                         .read = shape->x_stride,
                                         .written = y_place,
                                         .weights = tap},
                             .terms = shape->inputs,
                             .panels = panels,
                             .w = {.from = w + LANES, .term = LANES, .panel = panel},
                             .start = {.at = (float *)w, .row = 0, .panel = panel},
                             .to = {.panel = LANES}};
    c.x = x + part.images.first * c.image_read;
    c.to.at = y + part.images.first * c.image_written;
    convolution_places(&c);
}

static void convolution_transpose(const recurrent_convolution_shape *shape, const float *w,
                                  float *transposed, recurrent_partition partition) NONBLOCKING {
    const size_t panels = recurrent_panels(shape->outputs),
                 columns = recurrent_panels(shape->inputs);
    size_t first, end;
    partition_of(partition, columns, &first, &end);
    for (size_t tap = 0; tap < shape->rows.taps * shape->columns.taps; ++tap)
        product_transpose_columns(
            (product_columns){.from = w + (1 + tap * shape->inputs) * LANES,
                              .panel = (1 + recurrent_convolution_terms(*shape)) * LANES,
                              .panels = panels,
                              .groups = 1},
            shape->inputs, transposed + tap * columns * panels * LANES * LANES, first, end);
}

/// The places first, first + stride, … of an axis, which the same taps reach: how their gradients
/// are read from those of the windows. The first of these taps is `*tap`.
INLINE convolution_axis convolution_axis_backward(const recurrent_axis *axis, window_range places,
                                                  size_t first, size_t *tap) {
    size_t taps[2], count = 0;
    for (size_t k = 0; k < axis->taps && count < 2; ++k)
        if ((first + axis->padding) % axis->stride == k * axis->dilation % axis->stride)
            taps[count++] = k;
    const size_t step = count == 2 ? taps[1] - taps[0] : axis->taps;
    convolution_axis backward = {
        .places = {.first = places.first <= first
                                ? 0
                                : (places.first - first + axis->stride - 1) / axis->stride,
                   .end = places.end <= first
                              ? 0
                              : (places.end - first + axis->stride - 1) / axis->stride},
        .window = {.places = axis->size, .size = axis->windows, .move = 1},
        .weights = step};
    if (count == 0) return backward;
    *tap = taps[0];
    backward.window.taps = (axis->taps - taps[0] + step - 1) / step;
    backward.window.start =
        ((ptrdiff_t)(first + axis->padding) - (ptrdiff_t)(taps[0] * axis->dilation))
        / (ptrdiff_t)axis->stride;
    backward.window.tap = -(ptrdiff_t)(step * axis->dilation / axis->stride);
    return backward;
}

// forward: y[i][j] = b + Σ_k Σ_l W[k][l] x[i stride + k dilation - padding][j …]
static void convolution_backward_input(const recurrent_convolution_shape *shape, const float *dy,
                                       const float *transposed, float *dx,
                                       recurrent_partition partition) NONBLOCKING {
    const window_part part =
        window_part_of(partition, shape->images, shape->rows.size, shape->columns.size);
    const size_t panels = recurrent_panels(shape->inputs), dx_place = panels * LANES,
                 dx_row = shape->columns.size * dx_place;
    const size_t dy_place = recurrent_padded(shape->outputs),
                 dy_row = shape->columns.windows * dy_place;
    const size_t panel = dy_place * LANES, tap = panels * panel;
    convolution_product c = {.images = part.images.end - part.images.first,
                             .image_read = shape->rows.windows * dy_row,
                             .image_written = shape->rows.size * dx_row,
                             .terms = shape->outputs,
                             .panels = panels};
    c.x = dy + part.images.first * c.image_read;
    for (size_t row = 0; row < shape->rows.stride && row < part.rows.end; ++row)
        for (size_t column = 0; column < shape->columns.stride && column < part.columns.end;
             ++column) {
            size_t row_tap = 0, column_tap = 0;
            c.rows = convolution_axis_backward(&shape->rows, part.rows, row, &row_tap);
            c.rows.read = dy_row;
            c.rows.written = shape->rows.stride * dx_row;
            c.rows.weights *= shape->columns.taps * tap;
            c.columns =
                convolution_axis_backward(&shape->columns, part.columns, column, &column_tap);
            c.columns.read = dy_place;
            c.columns.written = shape->columns.stride * dx_place;
            c.columns.weights *= tap;
            c.w = (tile_lanes){.from =
                                   transposed + (row_tap * shape->columns.taps + column_tap) * tap,
                               .term = LANES,
                               .panel = panel};
            c.to = (tile_sums){.at = dx + part.images.first * c.image_written + row * dx_row
                                     + column * dx_place,
                               .panel = LANES};
            convolution_places(&c);
        }
}

/// dW of `inputs` neighbouring rows, which are read at one tap, or side by side at all taps of a
/// row: += Σ x dy over the places of a block.
INLINE void convolution_add_weights(const recurrent_convolution_shape *shape, window_range images,
                                    window_range rows, window_range columns, size_t row_tap,
                                    size_t column_tap, product_partition part, const float *x,
                                    const float *dy, float *dw, int add) {
    const window_axis down = window_axis_of(&shape->rows), across = window_axis_of(&shape->columns);
    const size_t dy_place = recurrent_padded(shape->outputs),
                 dy_row = shape->columns.windows * dy_place;
    const size_t x_row = shape->columns.size * shape->x_stride,
                 dw_panel = (1 + recurrent_convolution_terms(*shape)) * LANES;
    rows = window_places(&down, row_tap, rows);
    columns = window_places(&across, column_tap, columns);
    if (part.rows == 0 || rows.first == rows.end || columns.first == columns.end) return;
    const tile_sums sums = {.at = dw, .row = LANES, .panel = dw_panel}, zero = {.at = 0};
    const tile_product product = {
        .rows = part.rows,
        .terms = columns.end - columns.first,
        .x = {.from = x
                      + (images.first * shape->rows.size
                         + (size_t)window_at(&down, rows.first, row_tap))
                            * x_row
                      + (size_t)window_at(&across, columns.first, column_tap) * shape->x_stride,
              .term = shape->columns.stride * shape->x_stride,
              .row = 1},
        .w = {.from = dy + (images.first * shape->rows.windows + rows.first) * dy_row
                      + columns.first * dy_place,
              .term = dy_place,
              .panel = LANES},
        .start = add ? zero : sums,
        .to = sums,
        .adds = add};
    convolution_sums(part.panels, &product,
                     (tile_runs){.count = images.end - images.first,
                                 .x = (ptrdiff_t)(shape->rows.size * x_row),
                                 .w = (ptrdiff_t)(shape->rows.windows * dy_row)},
                     (tile_runs){.count = rows.end - rows.first,
                                 .x = (ptrdiff_t)(shape->rows.stride * x_row),
                                 .w = (ptrdiff_t)dy_row});
}

/// How many of `count` places, each of them `inside` windows, a block of the gradient with respect
/// to the weights takes.
INLINE size_t convolution_block(size_t count, size_t inside) {
    const size_t most = WEIGHTS_BLOCK / inside;
    return most == 0 ? 1 : most < count ? most : count;
}

// forward: y[i][j] = b + Σ_k Σ_l W[k][l] x[i stride + k dilation - padding][j …]
static void convolution_backward_weights(const recurrent_convolution_shape *shape, const float *x,
                                         const float *dy, float *dw,
                                         recurrent_partition partition) NONBLOCKING {
    const size_t panels = recurrent_panels(shape->outputs),
                 terms = recurrent_convolution_terms(*shape), dw_panel = (1 + terms) * LANES;
    const size_t images = shape->images, rows = shape->rows.windows,
                 columns = shape->columns.windows, windows = rows * columns;
    const product_partition part = product_partition_of(partition, panels, 1 + terms);
    if (windows == 0 || part.panels == 0) return;
    dy += part.panel * LANES;
    dw += part.panel * dw_panel;
    if (product_partition_within(part, 0, 1).rows)
        product_add_bias_of_rows(1, part.panels, images * windows, dy, panels * LANES, dw,
                                 dw_panel);
    // Where no window reaches beyond a row and its taps lie side by side, they are rows of one
    // tile.
    const int together =
        shape->columns.padding == 0 && shape->columns.dilation == 1
        && shape->x_stride == shape->inputs
        && (columns - 1) * shape->columns.stride + shape->columns.taps <= shape->columns.size;
    const size_t column_taps = together ? 1 : shape->columns.taps,
                 inputs = terms / (shape->rows.taps * column_taps);
    const size_t image_block = convolution_block(images, windows),
                 row_block = convolution_block(rows, columns);
    const size_t column_block = convolution_block(columns, 1);
    for (size_t image = 0; image < images; image += image_block)
        for (size_t row = 0; row < rows; row += row_block)
            for (size_t column = 0; column < columns; column += column_block)
                for (size_t tap = 0; tap < shape->rows.taps * column_taps; ++tap) {
                    const product_partition within =
                        product_partition_within(part, 1 + tap * inputs, inputs);
                    convolution_add_weights(shape, window_block(image, image_block, images),
                                            window_block(row, row_block, rows),
                                            window_block(column, column_block, columns),
                                            tap / column_taps, tap % column_taps, within,
                                            x + (within.row - 1 - tap * inputs), dy,
                                            dw + within.row * LANES, image + row + column > 0);
                }
}
