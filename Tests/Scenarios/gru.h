// Scenarios of gru.h.

enum { gru_definitions = 3 };

/// A layer, with everything that the forward pass takes.
typedef struct {
    recurrent_gru_shape shape;
    size_t *lengths;
    const float *w;
    float *x, *rzn, *past, *h;
    const float *mask;
    float *masked;
} gru_layer;

static recurrent_gru_shape gru_shape(scenario_shape size, unsigned definition, bool gap) {
    return (recurrent_gru_shape){.input = size.inputs,
                                 .hidden = size.units,
                                 .batch = size.rows,
                                 .steps = size.steps,
                                 .x_stride = size.inputs + (gap ? 3 : 0),
                                 .definition = (recurrent_gru_definition)definition};
}

static float *gru_matrix(trial *trial, const char *name, recurrent_gru_shape shape) {
    return trial_matrix(trial, name,
                        shape.input + recurrent_gru_hidden_biases(shape) + shape.hidden,
                        shape.hidden, 3);
}

static gru_layer gru_layer_of(trial *trial, scenario_shape size, cell_variant variant) {
    gru_layer layer = {.shape = gru_shape(size, variant.kind, variant.gap)};
    if (variant.ends) layer.lengths = trial_lengths(trial, "lengths", size);
    layer.x = trial_rows(trial, "x", size.steps * size.rows, size.inputs, layer.shape.x_stride);
    forget_ended(size, layer.lengths, layer.x, layer.shape.x_stride);
    layer.w = gru_matrix(trial, "w", layer.shape);
    layer.rzn = trial_result(trial, recurrent_gru_gates_floats(layer.shape));
    layer.past = trial_result(trial, recurrent_gru_past_floats(layer.shape));
    layer.h = trial_tape(trial, "h", size);
    if (variant.masked) {
        layer.mask = trial_units(trial, "mask", size.rows, size.units);
        layer.masked = trial_result(trial, size.steps * recurrent_gru_state_floats(layer.shape));
    }
    return layer;
}

/// Fills the tape that a backward kernel reads.
static void gru_run_forward(trial *trial, scenario_shape size, const gru_layer *layer) {
    trial->kernels->gru_forward(&layer->shape, layer->lengths, layer->mask, layer->x, layer->w,
                                layer->rzn, layer->past, layer->h, layer->masked, whole);
    forget_ended(size, layer->lengths, layer->rzn, 3 * recurrent_padded(layer->shape.hidden));
    forget_ended(size, layer->lengths, layer->past, recurrent_padded(layer->shape.hidden));
}

/// Zeros in the rows that have ended, of which nothing is promised.
static void gru_clear_ended(const gru_layer *layer, float *buffer, size_t floats) {
    for (size_t row = 0; row < layer->shape.steps * layer->shape.batch; ++row)
        if (row_has_ended(layer->lengths, layer->shape.batch, row))
            __builtin_memset(buffer + row * floats, 0, floats * sizeof(float));
}

enum {
    variants_of_gru_step = 2 * gru_definitions
};  // definition; whether floats lie between the rows of x
static void run_gru_step(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_gru_shape shape = gru_shape(size, variant / 2, variant & 1);
    const float *x = trial_rows(trial, "x", shape.batch, shape.input, shape.x_stride),
                *h_prev = trial_units(trial, "h_prev", shape.batch, shape.hidden);
    const float *w = gru_matrix(trial, "w", shape);
    float *h = trial_result(trial, recurrent_gru_state_floats(shape)),
          *scratch = trial_result(trial, recurrent_gru_scratch_floats(shape));
    FOR_SHARES(trial) trial->kernels->gru_step(&shape, x, w, h_prev, h, scratch, share);
    trial_output(trial, "h", h, recurrent_gru_state_floats(shape));
}

enum { variants_of_gru_forward = cell_forwards * gru_definitions };
static void run_gru_forward(trial *trial, scenario_shape size, unsigned variant) {
    const gru_layer layer = gru_layer_of(trial, size, cell_forward_variant(variant));
    FOR_SHARES(trial)
        trial->kernels->gru_forward(&layer.shape, layer.lengths, layer.mask, layer.x, layer.w,
                                    layer.rzn, layer.past, layer.h, layer.masked, share);
    gru_clear_ended(&layer, layer.rzn, 3 * recurrent_padded(layer.shape.hidden));
    gru_clear_ended(&layer, layer.past, recurrent_padded(layer.shape.hidden));
    trial_output(trial, "rzn", layer.rzn, recurrent_gru_gates_floats(layer.shape));
    trial_output(trial, "past", layer.past, recurrent_gru_past_floats(layer.shape));
    trial_output(trial, "h", layer.h, recurrent_gru_states_floats(layer.shape));
    if (layer.mask)
        trial_output(trial, "masked", layer.masked,
                     size.steps * recurrent_gru_state_floats(layer.shape));
}

enum { variants_of_gru_transpose = 2 };  // whether there is a hidden bias
static void run_gru_transpose(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_gru_shape shape = gru_shape(size, variant, false);
    const float *w = gru_matrix(trial, "w", shape);
    float *transposed = trial_result(trial, recurrent_gru_transposed_floats(shape));
    FOR_SHARES(trial) trial->kernels->gru_transpose(&shape, w, transposed, share);
    trial_output(trial, "transposed", transposed, recurrent_gru_transposed_floats(shape));
}

enum { variants_of_gru_backward_data = cell_backwards * gru_definitions };
static void run_gru_backward_data(trial *trial, scenario_shape size, unsigned variant) {
    const cell_variant way = cell_backward_variant(variant);
    const gru_layer layer = gru_layer_of(trial, size, way);
    const recurrent_gru_shape shape = layer.shape;
    gru_run_forward(trial, size, &layer);
    float *transposed = trial_result(trial, recurrent_gru_transposed_floats(shape));
    trial->kernels->gru_transpose(&shape, layer.w, transposed, whole);
    float *dy = way.dy ? trial_units(trial, "dy", shape.steps * shape.batch, shape.hidden) : 0;
    if (dy) forget_ended(size, layer.lengths, dy, recurrent_padded(shape.hidden));
    float *dx = way.dx ? trial_result(trial, recurrent_gru_dx_floats(shape)) : 0;
    float *drzn = trial_result(trial, recurrent_gru_gates_floats(shape)),
          *dpast = trial_result(trial, recurrent_gru_past_floats(shape));
    float *dh = trial_units(trial, "dh", shape.batch, shape.hidden);
    float *scratch = way.masked ? trial_result(trial, recurrent_gru_state_floats(shape)) : 0;
    FOR_SHARES(trial)
        trial->kernels->gru_backward_data(&shape, layer.lengths, layer.mask, transposed, layer.rzn,
                                          layer.past, layer.h, layer.masked, dy, drzn, dpast, dh,
                                          dx, scratch, share);
    trial_output(trial, "drzn", drzn, recurrent_gru_gates_floats(shape));
    trial_output(trial, "dpast", dpast, recurrent_gru_past_floats(shape));
    trial_output(trial, "dh", dh, recurrent_gru_state_floats(shape));
    if (dx) trial_output(trial, "dx", dx, recurrent_gru_dx_floats(shape));
}

enum {
    variants_of_gru_backward_weights = 2 * cell_weights_options
};  // whether there is a hidden bias
static void run_gru_backward_weights(trial *trial, scenario_shape size, unsigned variant) {
    const gru_layer layer = gru_layer_of(trial, size, cell_weights_variant(variant));
    const recurrent_gru_shape shape = layer.shape;
    gru_run_forward(trial, size, &layer);
    float *drzn = trial_gates(trial, "drzn", shape.steps * shape.batch, shape.hidden, 3);
    float *dpast = trial_units(trial, "dpast", shape.steps * shape.batch, shape.hidden);
    forget_ended(size, layer.lengths, drzn, 3 * recurrent_padded(shape.hidden));
    forget_ended(size, layer.lengths, dpast, recurrent_padded(shape.hidden));
    float *dw = gru_matrix(trial, "dw", shape);
    FOR_SHARES(trial)
        trial->kernels->gru_backward_weights(&shape, layer.lengths, layer.x, layer.past, layer.h,
                                             drzn, dpast, dw, share);
    trial_output(trial, "dw", dw, recurrent_gru_weights_floats(shape));
}
