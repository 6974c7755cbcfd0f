// Scenarios of lstm.h.

/// The plain cell; one whose panels shares may split; and one with a projection.
enum { lstm_kinds = 3 };

static recurrent_lstm_shape lstm_shape(scenario_shape size, unsigned kind, bool gap) {
    const recurrent_lstm_variant kinds[] = {
        {0},
        {.sigmoid = 1, .peepholes = 1, .clip = 0.375f},
        {.peepholes = 1, .coupled = 1, .clip = 0.375f, .projection = (size.units + 1) / 2}};
    return (recurrent_lstm_shape){.input = size.inputs,
                                  .hidden = size.units,
                                  .batch = size.rows,
                                  .steps = size.steps,
                                  .x_stride = size.inputs + (gap ? 3 : 0),
                                  .variant = kinds[kind]};
}

/// The weights of a layer, or their gradient.
static float *lstm_matrix(trial *trial, const char *name, recurrent_lstm_shape shape) {
    const size_t floats = recurrent_lstm_weights_floats(shape),
                 projection = recurrent_lstm_projection_floats(shape);
    const size_t columns = shape.input + shape.variant.peepholes + recurrent_lstm_outputs(shape);
    if (projection == 0) return trial_matrix(trial, name, columns, shape.hidden, 4);
    float *w = trial_floats(trial, floats);
    trial_draw(trial, name);
    const size_t panel = (1 + columns) * 4 * RECURRENT_PANEL;
    for (size_t index = 0; index < floats; ++index) {
        const size_t lane = index % RECURRENT_PANEL, behind = index - (floats - projection);
        const bool used = index < floats - projection
                              ? index / panel * RECURRENT_PANEL + lane < shape.hidden
                              : behind / (shape.hidden * RECURRENT_PANEL) * RECURRENT_PANEL + lane
                                    < shape.variant.projection;
        w[index] = used ? trial_float(trial) : 0;
    }
    return w;
}

/// A layer, with everything that the forward pass takes.
typedef struct {
    recurrent_lstm_shape shape;
    size_t *lengths;
    const float *w;
    float *x, *ifgo, *c, *h;
    const float *mask;
    float *masked;
} lstm_layer;

static lstm_layer lstm_layer_of(trial *trial, scenario_shape size, cell_variant variant) {
    lstm_layer layer = {.shape = lstm_shape(size, variant.kind, variant.gap)};
    scenario_shape outputs = size;
    outputs.units = recurrent_lstm_outputs(layer.shape);
    if (variant.ends) layer.lengths = trial_lengths(trial, "lengths", size);
    layer.x = trial_rows(trial, "x", size.steps * size.rows, size.inputs, layer.shape.x_stride);
    forget_ended(size, layer.lengths, layer.x, layer.shape.x_stride);
    layer.w = lstm_matrix(trial, "w", layer.shape);
    layer.ifgo = trial_result(trial, recurrent_lstm_gates_floats(layer.shape));
    layer.c = trial_tape(trial, "c", size);
    layer.h = trial_tape(trial, "h", outputs);
    if (variant.masked) {
        layer.mask = trial_units(trial, "mask", size.rows, outputs.units);
        layer.masked = trial_result(trial, size.steps * recurrent_lstm_output_floats(layer.shape));
    }
    return layer;
}

/// Calls `forget` with what the tape of the gates holds of rows that have ended.
static void lstm_forget_ended(scenario_shape size, const lstm_layer *layer, float *ifgo,
                              void (*forget)(float *floats, size_t count)) {
    const size_t units = recurrent_padded(layer->shape.hidden), rows = size.steps * size.rows;
    for (size_t row = 0; row < rows; ++row) {
        if (!row_has_ended(layer->lengths, size.rows, row)) continue;
        forget(ifgo + row * 4 * units, 4 * units);
        if (layer->shape.variant.projection) forget(ifgo + (rows * 4 + row) * units, units);
    }
}

static void lstm_clear(float *floats, size_t count) {
    __builtin_memset(floats, 0, count * sizeof(float));
}

/// Fills the tape that a backward kernel reads.
static void lstm_run_forward(trial *trial, scenario_shape size, lstm_layer *layer) {
    trial->kernels->lstm_forward(&layer->shape, layer->lengths, layer->mask, layer->x, layer->w,
                                 layer->ifgo, layer->c, layer->h, layer->masked, whole);
    lstm_forget_ended(size, layer, layer->ifgo, trial_forget);
}

enum {
    lstm_step_variants = 4
};  // whether floats lie between the rows of x; which of h_prev and h lies lower

/// One time step with the weights `w`, in bfloat16 or not.
static void run_lstm_step_with(trial *trial, recurrent_lstm_shape shape, const float *w,
                               unsigned variant, bool bfloat16) {
    const size_t output = recurrent_lstm_output_floats(shape),
                 outputs = recurrent_lstm_outputs(shape);
    const float *x = trial_rows(trial, "x", shape.batch, shape.input, shape.x_stride);
    float *h_prev = trial_units(trial, "h_prev", shape.batch, outputs),
          *c = trial_units(trial, "c", shape.batch, shape.hidden);
    float *h = trial_result(trial, output);
    if ((h < h_prev) != (variant >= 2)) {
        float *other = h;
        h = h_prev;
        h_prev = other;
        __builtin_memcpy(h_prev, h, output * sizeof(float));
        trial_forget(h, output);
    }
    float *scratch =
        shape.variant.projection ? trial_result(trial, recurrent_lstm_scratch_floats(shape)) : 0;
    FOR_SHARES(trial) {
        if (bfloat16) trial->kernels->lstm_step_bfloat16(&shape, x, w, h_prev, c, h, share);
        else trial->kernels->lstm_step(&shape, x, w, h_prev, c, h, scratch, share);
    }
    trial_output(trial, "c", c, recurrent_lstm_state_floats(shape));
    trial_output(trial, "h", h, output);
}

enum { variants_of_lstm_step = lstm_step_variants * lstm_kinds };
static void run_lstm_step(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_lstm_shape shape = lstm_shape(size, variant / lstm_step_variants, variant & 1);
    const float *w = lstm_matrix(trial, "w", shape);
    run_lstm_step_with(trial, shape, w, variant % lstm_step_variants, false);
}

enum { variants_of_lstm_step_bfloat16 = lstm_step_variants };
static void run_lstm_step_bfloat16(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_lstm_shape shape = lstm_shape(size, 0, variant & 1);
    const size_t count = recurrent_lstm_bfloat16_floats(shape),
                 panel = (4 + 2 * (shape.input + shape.hidden)) * RECURRENT_PANEL;
    float *w = trial_floats(trial, count);
    trial_draw(trial, "w");
    for (size_t index = 0; index < count; ++index) {
        const bool used = index / panel * RECURRENT_PANEL + index % RECURRENT_PANEL < shape.hidden;
        w[index] = index % panel < 4 * RECURRENT_PANEL ? (used ? trial_float(trial) : 0)
                                                       : trial_word(trial, used, used);
    }
    run_lstm_step_with(trial, shape, w, variant, true);
}

typedef struct {
    const recurrent_kernels *kernels;
    const lstm_layer *layer;
} lstm_forward_call;

static void lstm_forward_share(const void *call, recurrent_share share) {
    const lstm_forward_call *self = call;
    const lstm_layer *layer = self->layer;
    self->kernels->lstm_forward(&layer->shape, layer->lengths, layer->mask, layer->x, layer->w,
                                layer->ifgo, layer->c, layer->h, layer->masked, share);
}

enum { variants_of_lstm_forward = cell_forwards * lstm_kinds };
static void run_lstm_forward(trial *trial, scenario_shape size, unsigned variant) {
    lstm_layer layer = lstm_layer_of(trial, size, cell_forward_variant(variant));
    const recurrent_lstm_shape *shape = &layer.shape;
    trial_shares(trial, lstm_forward_share, &(lstm_forward_call){trial->kernels, &layer});
    lstm_forget_ended(size, &layer, layer.ifgo, lstm_clear);
    trial_output(trial, "ifgo", layer.ifgo, recurrent_lstm_gates_floats(*shape));
    trial_output(trial, "c", layer.c, recurrent_lstm_states_floats(*shape));
    trial_output(trial, "h", layer.h, recurrent_lstm_outputs_floats(*shape));
    if (layer.mask)
        trial_output(trial, "masked", layer.masked,
                     size.steps * recurrent_lstm_output_floats(*shape));
}

enum { variants_of_lstm_transpose = lstm_kinds };
static void run_lstm_transpose(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_lstm_shape shape = lstm_shape(size, variant, false);
    const float *w = lstm_matrix(trial, "w", shape);
    float *transposed = trial_result(trial, recurrent_lstm_transposed_floats(shape));
    FOR_SHARES(trial) trial->kernels->lstm_transpose(&shape, w, transposed, share);
    trial_output(trial, "transposed", transposed, recurrent_lstm_transposed_floats(shape));
}

typedef struct {
    const recurrent_kernels *kernels;
    const lstm_layer *layer;
    const float *transposed, *dy;
    float *difgo, *dh, *dc, *dx;
} lstm_backward_call;

static void lstm_backward_share(const void *call, recurrent_share share) {
    const lstm_backward_call *self = call;
    const lstm_layer *layer = self->layer;
    self->kernels->lstm_backward_data(&layer->shape, layer->lengths, layer->mask, self->transposed,
                                      layer->ifgo, layer->c, self->dy, self->difgo, self->dh,
                                      self->dc, self->dx, share);
}

enum { variants_of_lstm_backward_data = cell_backwards * lstm_kinds };
static void run_lstm_backward_data(trial *trial, scenario_shape size, unsigned variant) {
    const cell_variant way = cell_backward_variant(variant);
    lstm_layer layer = lstm_layer_of(trial, size, way);
    lstm_run_forward(trial, size, &layer);
    const recurrent_lstm_shape *shape = &layer.shape;
    const size_t outputs = recurrent_lstm_outputs(*shape),
                 gates = recurrent_lstm_gates_gradient_floats(*shape);
    float *transposed = trial_result(trial, recurrent_lstm_transposed_floats(*shape));
    trial->kernels->lstm_transpose(shape, layer.w, transposed, whole);
    float *dy = way.dy ? trial_units(trial, "dy", shape->steps * shape->batch, outputs) : 0;
    if (dy) forget_ended(size, layer.lengths, dy, recurrent_padded(outputs));
    float *dx = way.dx ? trial_result(trial, recurrent_lstm_dx_floats(*shape)) : 0;
    float *difgo = trial_result(trial, gates);
    float *dh = trial_units(trial, "dh", shape->batch, outputs),
          *dc = trial_units(trial, "dc", shape->batch, shape->hidden);
    trial_shares(trial, lstm_backward_share,
                 &(lstm_backward_call){trial->kernels, &layer, transposed, dy, difgo, dh, dc, dx});
    trial_output(trial, "difgo", difgo, gates);
    trial_output(trial, "dh", dh, recurrent_lstm_output_floats(*shape));
    trial_output(trial, "dc", dc, recurrent_lstm_state_floats(*shape));
    if (dx) trial_output(trial, "dx", dx, recurrent_lstm_dx_floats(*shape));
}

enum { variants_of_lstm_backward_weights = cell_weights_options * lstm_kinds };
static void run_lstm_backward_weights(trial *trial, scenario_shape size, unsigned variant) {
    lstm_layer layer = lstm_layer_of(trial, size, cell_weights_variant(variant));
    lstm_run_forward(trial, size, &layer);
    const recurrent_lstm_shape *shape = &layer.shape;
    const size_t gates = size.steps * 4 * recurrent_lstm_state_floats(*shape),
                 count = recurrent_lstm_gates_gradient_floats(*shape);
    float *difgo = trial_gates(trial, "difgo", size.steps * size.rows, shape->hidden, 4);
    if (count > gates) {  // and the gradient with respect to h
        float *gates_gradient = difgo, *dh = trial_units(trial, "dh", size.steps * size.rows,
                                                         recurrent_lstm_outputs(*shape));
        difgo = trial_floats(trial, count);
        __builtin_memcpy(difgo, gates_gradient, gates * sizeof(float));
        __builtin_memcpy(difgo + gates, dh, (count - gates) * sizeof(float));
    }
    float *dw = lstm_matrix(trial, "dw", *shape);
    const float *ifgo = shape->variant.projection ? layer.ifgo : 0,
                *c = shape->variant.peepholes ? layer.c : 0;
    FOR_SHARES(trial)
        trial->kernels->lstm_backward_weights(shape, layer.lengths, layer.x, ifgo, c, layer.h,
                                              difgo, dw, share);
    trial_output(trial, "dw", dw, recurrent_lstm_weights_floats(*shape));
}
