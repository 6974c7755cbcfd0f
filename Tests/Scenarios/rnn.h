// Scenarios of rnn.h.

/// The activations of cells are the first ones.
enum { rnn_kinds = recurrent_activation_leaky_relu + 1 };

/// A layer, with everything that the forward pass takes.
typedef struct {
    recurrent_rnn_shape shape;
    size_t *lengths;
    const float *w;
    float *x, *h;
    const float *mask;
    float *masked;
} rnn_layer;

static recurrent_rnn_shape rnn_shape(scenario_shape size, unsigned activation, bool gap) {
    return (recurrent_rnn_shape){.input = size.inputs,
                                 .hidden = size.units,
                                 .batch = size.rows,
                                 .steps = size.steps,
                                 .x_stride = size.inputs + (gap ? 3 : 0),
                                 .activation = (recurrent_activation)activation,
                                 .slope = 0.25f};
}

static rnn_layer rnn_layer_of(trial *trial, scenario_shape size, cell_variant variant) {
    rnn_layer layer = {.shape = rnn_shape(size, variant.kind, variant.gap)};
    if (variant.ends) layer.lengths = trial_lengths(trial, "lengths", size);
    layer.x = trial_rows(trial, "x", size.steps * size.rows, size.inputs, layer.shape.x_stride);
    forget_ended(size, layer.lengths, layer.x, layer.shape.x_stride);
    layer.w = trial_matrix(trial, "w", size.inputs + size.units, size.units, 1);
    layer.h = trial_tape(trial, "h", size);
    if (variant.masked) {
        layer.mask = trial_units(trial, "mask", size.rows, size.units);
        layer.masked = trial_result(trial, size.steps * recurrent_rnn_state_floats(layer.shape));
    }
    return layer;
}

enum {
    variants_of_rnn_step = 2 * rnn_kinds
};  // activation; whether floats lie between the rows of x
static void run_rnn_step(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_rnn_shape shape = rnn_shape(size, variant / 2, variant & 1);
    const float *x = trial_rows(trial, "x", shape.batch, shape.input, shape.x_stride),
                *h_prev = trial_units(trial, "h_prev", shape.batch, shape.hidden);
    const float *w = trial_matrix(trial, "w", shape.input + shape.hidden, shape.hidden, 1);
    float *h = trial_result(trial, recurrent_rnn_state_floats(shape));
    FOR_SHARES(trial) trial->kernels->rnn_step(&shape, x, w, h_prev, h, share);
    trial_output(trial, "h", h, recurrent_rnn_state_floats(shape));
}

enum { variants_of_rnn_forward = cell_forwards * rnn_kinds };
static void run_rnn_forward(trial *trial, scenario_shape size, unsigned variant) {
    const rnn_layer layer = rnn_layer_of(trial, size, cell_forward_variant(variant));
    FOR_SHARES(trial)
        trial->kernels->rnn_forward(&layer.shape, layer.lengths, layer.mask, layer.x, layer.w,
                                    layer.h, layer.masked, share);
    trial_output(trial, "h", layer.h, recurrent_rnn_states_floats(layer.shape));
    if (layer.mask)
        trial_output(trial, "masked", layer.masked,
                     size.steps * recurrent_rnn_state_floats(layer.shape));
}

enum { variants_of_rnn_transpose = 1 };
static void run_rnn_transpose(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_rnn_shape shape = rnn_shape(size, variant, false);
    const float *w = trial_matrix(trial, "w", shape.input + shape.hidden, shape.hidden, 1);
    float *transposed = trial_result(trial, recurrent_rnn_transposed_floats(shape));
    FOR_SHARES(trial) trial->kernels->rnn_transpose(&shape, w, transposed, share);
    trial_output(trial, "transposed", transposed, recurrent_rnn_transposed_floats(shape));
}

enum { variants_of_rnn_backward_data = cell_backwards * rnn_kinds };
static void run_rnn_backward_data(trial *trial, scenario_shape size, unsigned variant) {
    const cell_variant way = cell_backward_variant(variant);
    const rnn_layer layer = rnn_layer_of(trial, size, way);
    const recurrent_rnn_shape shape = layer.shape;
    trial->kernels->rnn_forward(&shape, layer.lengths, layer.mask, layer.x, layer.w, layer.h,
                                layer.masked, whole);
    float *transposed = trial_result(trial, recurrent_rnn_transposed_floats(shape));
    trial->kernels->rnn_transpose(&shape, layer.w, transposed, whole);
    float *dy = way.dy ? trial_units(trial, "dy", shape.steps * shape.batch, shape.hidden) : 0;
    if (dy) forget_ended(size, layer.lengths, dy, recurrent_padded(shape.hidden));
    float *dx = way.dx ? trial_result(trial, recurrent_rnn_dx_floats(shape)) : 0;
    float *dz = trial_result(trial, recurrent_rnn_dz_floats(shape)),
          *dh = trial_units(trial, "dh", shape.batch, shape.hidden);
    FOR_SHARES(trial)
        trial->kernels->rnn_backward_data(&shape, layer.lengths, layer.mask, transposed, layer.h,
                                          dy, dz, dh, dx, share);
    trial_output(trial, "dz", dz, recurrent_rnn_dz_floats(shape));
    trial_output(trial, "dh", dh, recurrent_rnn_state_floats(shape));
    if (dx) trial_output(trial, "dx", dx, recurrent_rnn_dx_floats(shape));
}

enum { variants_of_rnn_backward_weights = cell_weights_options };
static void run_rnn_backward_weights(trial *trial, scenario_shape size, unsigned variant) {
    const rnn_layer layer = rnn_layer_of(trial, size, cell_weights_variant(variant));
    const recurrent_rnn_shape *shape = &layer.shape;
    trial->kernels->rnn_forward(shape, layer.lengths, 0, layer.x, layer.w, layer.h, 0, whole);
    float *dz = trial_units(trial, "dz", shape->steps * shape->batch, shape->hidden);
    forget_ended(size, layer.lengths, dz, recurrent_padded(shape->hidden));
    float *dw = trial_matrix(trial, "dw", shape->input + shape->hidden, shape->hidden, 1);
    FOR_SHARES(trial)
        trial->kernels->rnn_backward_weights(shape, layer.lengths, layer.x, layer.h, dz, dw, share);
    trial_output(trial, "dw", dw, recurrent_rnn_weights_floats(*shape));
}
