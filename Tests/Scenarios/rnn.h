// Scenarios of rnn.h.

enum { rnn_activations = recurrent_activation_leaky_relu };  // without it, whose variants come last

/// Each of `options` options with each activation.
enum { rnn_forward_options = 4, rnn_backward_options = 8, rnn_masked = 2 };  // with a mask: whether rows end
typedef struct { unsigned activation, options; } rnn_variant;

static rnn_variant rnn_variant_of(unsigned variant, unsigned options) {
    const unsigned others = rnn_activations * options;
    return variant < others ? (rnn_variant){variant % rnn_activations, variant / rnn_activations}
                            : (rnn_variant){recurrent_activation_leaky_relu, variant - others};
}

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
    return (recurrent_rnn_shape){.input = size.inputs, .hidden = size.units, .batch = size.rows, .steps = size.steps,
                                 .x_stride = size.inputs + (gap ? 3 : 0), .activation = (recurrent_activation)activation, .slope = 0.25f};
}

static rnn_layer rnn_layer_of(trial *trial, scenario_shape size, unsigned activation, bool gap, bool ends, bool masked) {
    rnn_layer layer = {.shape = rnn_shape(size, activation, gap)};
    if (ends) layer.lengths = trial_lengths(trial, size);
    layer.x = trial_rows(trial, size.steps * size.rows, size.inputs, layer.shape.x_stride);
    forget_ended(size, layer.lengths, layer.x, layer.shape.x_stride);
    layer.w = trial_matrix(trial, size.inputs + size.units, size.units, 1);
    layer.h = trial_tape(trial, size);
    if (masked) {
        layer.mask = trial_units(trial, size.rows, size.units);
        layer.masked = trial_result(trial, size.steps * recurrent_rnn_state_floats(layer.shape));
    }
    return layer;
}

enum { variants_of_rnn_step = 2 * (rnn_activations + 1) };  // activation; whether floats lie between the rows of x
static void run_rnn_step(trial *trial, scenario_shape size, unsigned variant) {
    const rnn_variant chosen = rnn_variant_of(variant, 2);
    const recurrent_rnn_shape shape = rnn_shape(size, chosen.activation, chosen.options);
    const float *x = trial_rows(trial, shape.batch, shape.input, shape.x_stride), *h_prev = trial_units(trial, shape.batch, shape.hidden);
    const float *w = trial_matrix(trial, shape.input + shape.hidden, shape.hidden, 1);
    float *h = trial_result(trial, recurrent_rnn_state_floats(shape));
    FOR_SHARES(trial) trial->kernels->rnn_step(&shape, x, w, h_prev, h, share);
    trial_output(trial, "h", h, recurrent_rnn_state_floats(shape));
}

// And whether floats lie between the rows of x; whether rows end; or with a mask.
enum { rnn_forwards = rnn_forward_options * (rnn_activations + 1), variants_of_rnn_forward = rnn_forwards + rnn_masked };
static void run_rnn_forward(trial *trial, scenario_shape size, unsigned variant) {
    const bool masked = variant >= rnn_forwards;
    const rnn_variant chosen = masked ? (rnn_variant){0, 2 * (variant - rnn_forwards)} : rnn_variant_of(variant, rnn_forward_options);
    const rnn_layer layer = rnn_layer_of(trial, size, chosen.activation, chosen.options & 1, chosen.options & 2, masked);
    FOR_SHARES(trial) trial->kernels->rnn_forward(&layer.shape, layer.lengths, layer.mask, layer.x, layer.w, layer.h, layer.masked, share);
    trial_output(trial, "h", layer.h, recurrent_rnn_states_floats(layer.shape));
    if (masked) trial_output(trial, "masked", layer.masked, size.steps * recurrent_rnn_state_floats(layer.shape));
}

enum { variants_of_rnn_transpose = 1 };
static void run_rnn_transpose(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_rnn_shape shape = rnn_shape(size, variant, false);
    const float *w = trial_matrix(trial, shape.input + shape.hidden, shape.hidden, 1);
    float *transposed = trial_result(trial, recurrent_rnn_transposed_floats(shape));
    FOR_SHARES(trial) trial->kernels->rnn_transpose(&shape, w, transposed, share);
    trial_output(trial, "transposed", transposed, recurrent_rnn_transposed_floats(shape));
}

// And whether rows end; dy; dx; or with a mask.
enum { rnn_backwards = rnn_backward_options * (rnn_activations + 1), variants_of_rnn_backward_data = rnn_backwards + rnn_masked };
static void run_rnn_backward_data(trial *trial, scenario_shape size, unsigned variant) {
    const bool masked = variant >= rnn_backwards;
    const rnn_variant chosen = masked ? (rnn_variant){0, variant - rnn_backwards} : rnn_variant_of(variant, rnn_backward_options);
    const unsigned options = chosen.options;
    const rnn_layer layer = rnn_layer_of(trial, size, chosen.activation, false, options & 1, masked);
    const recurrent_rnn_shape shape = layer.shape;
    trial->kernels->rnn_forward(&shape, layer.lengths, layer.mask, layer.x, layer.w, layer.h, layer.masked, whole);
    float *transposed = trial_result(trial, recurrent_rnn_transposed_floats(shape));
    trial->kernels->rnn_transpose(&shape, layer.w, transposed, whole);
    float *dy = options & 2 ? 0 : trial_units(trial, shape.steps * shape.batch, shape.hidden);
    if (dy) forget_ended(size, layer.lengths, dy, recurrent_padded(shape.hidden));
    float *dx = options & 4 ? 0 : trial_result(trial, recurrent_rnn_dx_floats(shape));
    float *dz = trial_result(trial, recurrent_rnn_dz_floats(shape)), *dh = trial_units(trial, shape.batch, shape.hidden);
    FOR_SHARES(trial) trial->kernels->rnn_backward_data(&shape, layer.lengths, layer.mask, transposed, layer.h, dy, dz, dh, dx, share);
    trial_output(trial, "dz", dz, recurrent_rnn_dz_floats(shape));
    trial_output(trial, "dh", dh, recurrent_rnn_state_floats(shape));
    if (dx) trial_output(trial, "dx", dx, recurrent_rnn_dx_floats(shape));
}

enum { variants_of_rnn_backward_weights = 4 };  // whether floats lie between the rows of x; whether rows end
static void run_rnn_backward_weights(trial *trial, scenario_shape size, unsigned variant) {
    const rnn_layer layer = rnn_layer_of(trial, size, 0, variant & 1, variant & 2, false);
    const recurrent_rnn_shape *shape = &layer.shape;
    trial->kernels->rnn_forward(shape, layer.lengths, 0, layer.x, layer.w, layer.h, 0, whole);
    float *dz = trial_units(trial, shape->steps * shape->batch, shape->hidden);
    forget_ended(size, layer.lengths, dz, recurrent_padded(shape->hidden));
    float *dw = trial_matrix(trial, shape->input + shape->hidden, shape->hidden, 1);
    FOR_SHARES(trial) trial->kernels->rnn_backward_weights(shape, layer.lengths, layer.x, layer.h, dz, dw, share);
    trial_output(trial, "dw", dw, recurrent_rnn_weights_floats(*shape));
}
