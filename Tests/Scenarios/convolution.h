// Scenarios of convolution.h and pooling.h.

// MARK: convolution.h

/// Sequences, and images of a few rows, as long as there are steps; no more channels than keep them
/// quick.
enum { convolution_variants = 10, convolution_most_images = 7 };

static recurrent_axis convolution_axis_of(size_t size, size_t taps, size_t stride, size_t dilation,
                                          size_t padding) {
    const size_t span = dilation * (taps - 1) + 1, places = size + 2 * padding;
    return (recurrent_axis){.size = size,
                            .windows = places < span ? 0 : (places - span) / stride + 1,
                            .taps = taps,
                            .stride = stride,
                            .dilation = dilation,
                            .padding = padding};
}

static recurrent_axis convolution_one_place(void) { return convolution_axis_of(1, 1, 1, 1, 0); }

static recurrent_convolution_shape convolution_shape(scenario_shape size, unsigned variant) {
    const size_t length = size.steps + 2,
                 images = size.rows <= convolution_most_images ? size.rows : 1 + size.rows % 3;
    const struct {
        recurrent_axis rows, columns;
        size_t gap;
    } ways[convolution_variants] = {
        {convolution_one_place(), convolution_axis_of(length, 3, 1, 1, 1),
         0},  // three taps side by side, and a place around the sequence
        {convolution_one_place(), convolution_axis_of(length, 2, 1, 2, 2), 3},  // taps apart
        {convolution_one_place(), convolution_axis_of(length, 2, 2, 1, 0), 0},  // no place outside
        {convolution_axis_of(3, 2, 1, 1, 1), convolution_axis_of(length, 3, 1, 1, 1), 0},
        {convolution_axis_of(4, 2, 2, 1, 0), convolution_axis_of(length, 2, 1, 1, 0), 1},
        {convolution_axis_of(4, 2, 3, 2, 1), convolution_axis_of(length, 3, 2, 3, 4), 0},
        // Taps that lie outside in every window.
        {{.size = 2, .windows = 3, .taps = 2, .stride = 1, .dilation = 4},
         {.size = length, .windows = length, .taps = 2, .stride = 1, .dilation = length},
         0},
        // Windows of one tap with places between them, the last of them beyond the end, or none;
        // windows that lie outside altogether.
        {convolution_one_place(),
         {.size = length,
          .windows = size.steps > 0 ? length + 2 : 0,
          .taps = 1,
          .stride = 2,
          .dilation = 1},
         0},
        {{.size = 2, .windows = 5, .taps = 1, .stride = 1, .dilation = 1, .padding = 2},
         {.size = length,
          .windows = length + 6,
          .taps = 2,
          .stride = 1,
          .dilation = 1,
          .padding = 4},
         0},
        {convolution_one_place(), convolution_axis_of(length, length, 1, 1, 0),
         0},  // a window that has all places
    };
    return (recurrent_convolution_shape){.images = images,
                                         .rows = ways[variant].rows,
                                         .columns = ways[variant].columns,
                                         .inputs = size.inputs,
                                         .outputs = size.units,
                                         .x_stride = size.inputs + ways[variant].gap};
}

static float *convolution_x(trial *trial, recurrent_convolution_shape shape) {
    return trial_rows(trial, "x", shape.images * shape.rows.size * shape.columns.size, shape.inputs,
                      shape.x_stride);
}
static float *convolution_w(trial *trial, const char *name, recurrent_convolution_shape shape) {
    return trial_matrix(trial, name, recurrent_convolution_terms(shape), shape.outputs, 1);
}
static float *convolution_dy(trial *trial, recurrent_convolution_shape shape) {
    return trial_units(trial, "dy", shape.images * shape.rows.windows * shape.columns.windows,
                       shape.outputs);
}

enum { variants_of_convolution_forward = convolution_variants };
static void run_convolution_forward(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_convolution_shape shape = convolution_shape(size, variant);
    const float *x = convolution_x(trial, shape), *w = convolution_w(trial, "w", shape);
    float *y = trial_result(trial, recurrent_convolution_y_floats(shape));
    FOR_PARTITIONS(trial) trial->kernels->convolution_forward(&shape, x, w, y, partition);
    trial_output(trial, "y", y, recurrent_convolution_y_floats(shape));
}

enum { variants_of_convolution_transpose = convolution_variants };
static void run_convolution_transpose(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_convolution_shape shape = convolution_shape(size, variant);
    const float *w = convolution_w(trial, "w", shape);
    float *transposed = trial_result(trial, recurrent_convolution_transposed_floats(shape));
    FOR_PARTITIONS(trial) trial->kernels->convolution_transpose(&shape, w, transposed, partition);
    trial_output(trial, "transposed", transposed, recurrent_convolution_transposed_floats(shape));
}

enum { variants_of_convolution_backward_input = convolution_variants };
static void run_convolution_backward_input(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_convolution_shape shape = convolution_shape(size, variant);
    const float *w = convolution_w(trial, "w", shape), *dy = convolution_dy(trial, shape);
    float *transposed = trial_result(trial, recurrent_convolution_transposed_floats(shape));
    trial->kernels->convolution_transpose(&shape, w, transposed, whole);
    float *dx = trial_result(trial, recurrent_convolution_dx_floats(shape));
    FOR_PARTITIONS(trial)
    trial->kernels->convolution_backward_input(&shape, dy, transposed, dx, partition);
    trial_output(trial, "dx", dx, recurrent_convolution_dx_floats(shape));
}

enum { variants_of_convolution_backward_weights = convolution_variants };
static void run_convolution_backward_weights(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_convolution_shape shape = convolution_shape(size, variant);
    const float *x = convolution_x(trial, shape), *dy = convolution_dy(trial, shape);
    float *dw = convolution_w(trial, "dw", shape);
    FOR_PARTITIONS(trial)
    trial->kernels->convolution_backward_weights(&shape, x, dy, dw, partition);
    trial_output(trial, "dw", dw, recurrent_convolution_weights_floats(shape));
}

// MARK: pooling.h

/// Kind; whether windows are apart, overlap and reach outside, lie there altogether, or there is
/// one that has all places.
enum { pooling_kinds = 3, pooling_variants = 4 * pooling_kinds };

static recurrent_pooling_shape pooling_shape(scenario_shape size, unsigned variant) {
    static const unsigned ways[] = {4, 3, 8, 9};
    const recurrent_convolution_shape images =
        convolution_shape(size, ways[variant / pooling_kinds]);
    return (recurrent_pooling_shape){.images = images.images,
                                     .rows = images.rows,
                                     .columns = images.columns,
                                     .channels = size.units,
                                     .pooling = (recurrent_pooling)(variant % pooling_kinds)};
}
static float *pooling_x(trial *trial, recurrent_pooling_shape shape) {
    return trial_units(trial, "x", shape.images * shape.rows.size * shape.columns.size,
                       shape.channels);
}

enum { variants_of_pooling_forward = pooling_variants };
static void run_pooling_forward(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_pooling_shape shape = pooling_shape(size, variant);
    const float *x = pooling_x(trial, shape);
    float *y = trial_result(trial, recurrent_pooling_y_floats(shape));
    FOR_PARTITIONS(trial) trial->kernels->pooling_forward(&shape, x, y, partition);
    trial_output(trial, "y", y, recurrent_pooling_y_floats(shape));
}

enum { variants_of_pooling_backward = pooling_variants };
static void run_pooling_backward(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_pooling_shape shape = pooling_shape(size, variant);
    const float *x = pooling_x(trial, shape);
    float *y = trial_result(trial, recurrent_pooling_y_floats(shape));
    trial->kernels->pooling_forward(&shape, x, y, whole);
    const float *dy = trial_units(
        trial, "dy", shape.images * shape.rows.windows * shape.columns.windows, shape.channels);
    float *dx = trial_result(trial, recurrent_pooling_x_floats(shape));
    FOR_PARTITIONS(trial) trial->kernels->pooling_backward(&shape, x, y, dy, dx, partition);
    trial_output(trial, "dx", dx, recurrent_pooling_x_floats(shape));
}
