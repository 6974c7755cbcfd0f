// Scenarios of products.h, lstm.h and embedding.h.

/// All of the work.
static const recurrent_share whole = {.count = 1};

// MARK: products.h

enum { product_variants = 6 };  // groups; whether floats lie between the rows of x

static recurrent_product_shape product_shape(scenario_shape size, unsigned variant) {
    static const size_t groups[] = {1, 3, 4};
    return (recurrent_product_shape){.rows = size.rows, .inputs = size.inputs, .outputs = size.units, .groups = groups[variant % 3],
                                     .x_stride = size.inputs + (variant < 3 ? 0 : 3)};
}

static size_t product_y_floats(recurrent_product_shape shape) { return shape.rows * recurrent_padded(shape.outputs) * shape.groups; }

enum { variants_of_product_forward = product_variants };
static void run_product_forward(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_product_shape shape = product_shape(size, variant);
    const float *x = trial_rows(trial, shape.rows, shape.inputs, shape.x_stride);
    const float *w = trial_matrix(trial, shape.inputs, shape.outputs, shape.groups);
    float *y = trial_result(trial, product_y_floats(shape));
    FOR_SHARES(trial) trial->kernels->product_forward(&shape, x, w, y, share);
    trial_output(trial, "y", y, product_y_floats(shape));
}

/// [⌈N/32⌉] pairs of panels: 2 × 16 biases, and a row of words for each input.
static float *product_words(trial *trial, recurrent_product_shape shape) {
    const size_t count = recurrent_product_bfloat16_floats(shape), pair = (2 + shape.inputs) * RECURRENT_PANEL;
    float *words = trial_floats(trial, count);
    for (size_t index = 0; index < count; ++index) {
        const size_t row = index % pair / RECURRENT_PANEL, unit = index / pair * 2 * RECURRENT_PANEL + index % RECURRENT_PANEL;
        words[index] = row >= 2 ? trial_word(trial, unit < shape.outputs, unit + RECURRENT_PANEL < shape.outputs)
                       : unit + row * RECURRENT_PANEL < shape.outputs ? trial_float(trial)
                                                                      : 0;
    }
    return words;
}

enum { variants_of_product_forward_bfloat16 = 2 };  // whether floats lie between the rows of x
static void run_product_forward_bfloat16(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_product_shape shape = product_shape(size, 3 * variant);
    const float *x = trial_rows(trial, shape.rows, shape.inputs, shape.x_stride), *w = product_words(trial, shape);
    float *y = trial_result(trial, product_y_floats(shape));
    FOR_SHARES(trial) trial->kernels->product_forward_bfloat16(&shape, x, w, y, share);
    trial_output(trial, "y", y, product_y_floats(shape));
}

enum { variants_of_product_transpose = product_variants };
static void run_product_transpose(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_product_shape shape = product_shape(size, variant);
    const float *w = trial_matrix(trial, shape.inputs, shape.outputs, shape.groups);
    float *transposed = trial_result(trial, recurrent_product_transposed_floats(shape));
    FOR_SHARES(trial) trial->kernels->product_transpose(&shape, w, transposed, share);
    trial_output(trial, "transposed", transposed, recurrent_product_transposed_floats(shape));
}

enum { variants_of_product_backward_input = product_variants };
static void run_product_backward_input(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_product_shape shape = product_shape(size, variant);
    const float *w = trial_matrix(trial, shape.inputs, shape.outputs, shape.groups);
    const float *dy = trial_gates(trial, shape.rows, shape.outputs, shape.groups);
    float *transposed = trial_result(trial, recurrent_product_transposed_floats(shape));
    trial->kernels->product_transpose(&shape, w, transposed, whole);
    const size_t count = shape.rows * recurrent_padded(shape.inputs);
    float *dx = trial_result(trial, count);
    FOR_SHARES(trial) trial->kernels->product_backward_input(&shape, dy, transposed, dx, share);
    trial_output(trial, "dx", dx, count);
}

enum { variants_of_product_backward_weights = product_variants };
static void run_product_backward_weights(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_product_shape shape = product_shape(size, variant);
    const float *x = trial_rows(trial, shape.rows, shape.inputs, shape.x_stride);
    const float *dy = trial_gates(trial, shape.rows, shape.outputs, shape.groups);
    float *dw = trial_matrix(trial, shape.inputs, shape.outputs, shape.groups);
    FOR_SHARES(trial) trial->kernels->product_backward_weights(&shape, x, dy, dw, share);
    trial_output(trial, "dw", dw, recurrent_product_weights_floats(shape));
}

// MARK: Rows that end

static bool row_has_ended(const size_t *lengths, size_t batch, size_t row) { return lengths && row / batch >= lengths[row % batch]; }

/// The rows of a buffer [T][B][floats] that have ended: nothing may depend on them.
static void forget_ended(scenario_shape size, const size_t *lengths, float *buffer, size_t floats) {
    for (size_t row = 0; row < size.steps * size.rows; ++row)
        if (row_has_ended(lengths, size.rows, row)) trial_forget(buffer + row * floats, floats);
}

/// A length for each row, some of them longer than the sequence.
static size_t *trial_lengths(trial *trial, scenario_shape size) {
    size_t *lengths = trial->allocate(trial, size.rows * sizeof(size_t));
    for (size_t row = 0; row < size.rows; ++row) lengths[row] = trial_choice(trial, size.steps + 2);
    return lengths;
}

/// A tape of states, whose slot 0 alone holds any.
static float *trial_tape(trial *trial, scenario_shape size) {
    float *states = trial_units(trial, (size.steps + 1) * size.rows, size.units);
    const size_t state = size.rows * recurrent_padded(size.units);
    trial_forget(states + state, size.steps * state);
    return states;
}

// MARK: lstm.h

/// A layer, with everything that the forward pass takes.
typedef struct {
    recurrent_lstm_shape shape;
    size_t *lengths;
    const float *w;
    float *x, *ifgo, *c, *h;
} lstm_layer;

static lstm_layer lstm_layer_of(trial *trial, scenario_shape size, bool gap, bool ends) {
    lstm_layer layer = {.shape = {.input = size.inputs, .hidden = size.units, .batch = size.rows, .steps = size.steps,
                                  .x_stride = size.inputs + (gap ? 3 : 0)}};
    if (ends) layer.lengths = trial_lengths(trial, size);
    layer.x = trial_rows(trial, size.steps * size.rows, size.inputs, layer.shape.x_stride);
    forget_ended(size, layer.lengths, layer.x, layer.shape.x_stride);
    layer.w = trial_matrix(trial, size.inputs + size.units, size.units, 4);
    layer.ifgo = trial_result(trial, recurrent_lstm_gates_floats(layer.shape));
    layer.c = trial_tape(trial, size);
    layer.h = trial_tape(trial, size);
    return layer;
}

/// Fills the tape that a backward kernel reads.
static void lstm_run_forward(trial *trial, scenario_shape size, lstm_layer *layer) {
    trial->kernels->lstm_forward(&layer->shape, layer->lengths, layer->x, layer->w, layer->ifgo, layer->c, layer->h, whole);
    forget_ended(size, layer->lengths, layer->ifgo, 4 * recurrent_padded(layer->shape.hidden));
}

enum { lstm_step_variants = 4 };  // whether floats lie between the rows of x; which of h_prev and h lies lower

/// One time step with the weights `w`, by a kernel that reads them so.
static void run_lstm_step_with(trial *trial, recurrent_lstm_shape shape, const float *w, unsigned variant,
                               void (*step)(const recurrent_lstm_shape *, const float *, const float *, const float *, float *, float *,
                                            recurrent_share) RECURRENT_NONBLOCKING) {
    const size_t state = recurrent_lstm_state_floats(shape);
    const float *x = trial_rows(trial, shape.batch, shape.input, shape.x_stride);
    float *h_prev = trial_units(trial, shape.batch, shape.hidden), *c = trial_units(trial, shape.batch, shape.hidden);
    float *h = trial_result(trial, state);
    if ((h < h_prev) != (variant >= 2)) {
        float *other = h;
        h = h_prev;
        h_prev = other;
        __builtin_memcpy(h_prev, h, state * sizeof(float));
        trial_forget(h, state);
    }
    FOR_SHARES(trial) step(&shape, x, w, h_prev, c, h, share);
    trial_output(trial, "c", c, state);
    trial_output(trial, "h", h, state);
}

static recurrent_lstm_shape lstm_step_shape(scenario_shape size, unsigned variant) {
    return (recurrent_lstm_shape){.input = size.inputs, .hidden = size.units, .batch = size.rows, .x_stride = size.inputs + (variant & 1 ? 3 : 0)};
}

enum { variants_of_lstm_step = lstm_step_variants };
static void run_lstm_step(trial *trial, scenario_shape size, unsigned variant) {
    const float *w = trial_matrix(trial, size.inputs + size.units, size.units, 4);
    run_lstm_step_with(trial, lstm_step_shape(size, variant), w, variant, trial->kernels->lstm_step);
}

enum { variants_of_lstm_step_bfloat16 = lstm_step_variants };
static void run_lstm_step_bfloat16(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_lstm_shape shape = lstm_step_shape(size, variant);
    const size_t count = recurrent_lstm_bfloat16_floats(shape), panel = (4 + 2 * (shape.input + shape.hidden)) * RECURRENT_PANEL;
    float *w = trial_floats(trial, count);
    for (size_t index = 0; index < count; ++index) {
        const bool used = index / panel * RECURRENT_PANEL + index % RECURRENT_PANEL < shape.hidden;
        w[index] = index % panel < 4 * RECURRENT_PANEL ? (used ? trial_float(trial) : 0) : trial_word(trial, used, used);
    }
    run_lstm_step_with(trial, shape, w, variant, trial->kernels->lstm_step_bfloat16);
}

typedef struct { const recurrent_kernels *kernels; const lstm_layer *layer; } lstm_forward_call;

static void lstm_forward_share(const void *call, recurrent_share share) {
    const lstm_forward_call *self = call;
    const lstm_layer *layer = self->layer;
    self->kernels->lstm_forward(&layer->shape, layer->lengths, layer->x, layer->w, layer->ifgo, layer->c, layer->h, share);
}

enum { variants_of_lstm_forward = 4 };  // whether floats lie between the rows of x; whether rows end
static void run_lstm_forward(trial *trial, scenario_shape size, unsigned variant) {
    lstm_layer layer = lstm_layer_of(trial, size, variant & 1, variant & 2);
    const recurrent_lstm_shape *shape = &layer.shape;
    trial_shares(trial, lstm_forward_share, &(lstm_forward_call){trial->kernels, &layer});
    const size_t width = 4 * recurrent_padded(shape->hidden);
    for (size_t row = 0; row < shape->steps * shape->batch; ++row)
        if (row_has_ended(layer.lengths, size.rows, row)) __builtin_memset(layer.ifgo + row * width, 0, width * sizeof(float));
    trial_output(trial, "ifgo", layer.ifgo, recurrent_lstm_gates_floats(*shape));
    trial_output(trial, "c", layer.c, recurrent_lstm_states_floats(*shape));
    trial_output(trial, "h", layer.h, recurrent_lstm_states_floats(*shape));
}

enum { variants_of_lstm_transpose = 1 };
static void run_lstm_transpose(trial *trial, scenario_shape size, unsigned variant) {
    (void)variant;
    const recurrent_lstm_shape shape = {.input = size.inputs, .hidden = size.units};
    const float *w = trial_matrix(trial, shape.input + shape.hidden, shape.hidden, 4);
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
    self->kernels->lstm_backward_data(&layer->shape, layer->lengths, self->transposed, layer->ifgo, layer->c, self->dy, self->difgo, self->dh,
                                      self->dc, self->dx, share);
}

enum { variants_of_lstm_backward_data = 8 };  // whether rows end; dy; dx
static void run_lstm_backward_data(trial *trial, scenario_shape size, unsigned variant) {
    lstm_layer layer = lstm_layer_of(trial, size, 0, variant & 1);
    lstm_run_forward(trial, size, &layer);
    const recurrent_lstm_shape *shape = &layer.shape;
    const size_t state = recurrent_lstm_state_floats(*shape);
    float *transposed = trial_result(trial, recurrent_lstm_transposed_floats(*shape));
    trial->kernels->lstm_transpose(shape, layer.w, transposed, whole);
    float *dy = variant & 2 ? 0 : trial_units(trial, shape->steps * shape->batch, shape->hidden);
    if (dy) forget_ended(size, layer.lengths, dy, recurrent_padded(shape->hidden));
    float *dx = variant & 4 ? 0 : trial_result(trial, recurrent_lstm_dx_floats(*shape));
    float *difgo = trial_result(trial, recurrent_lstm_gates_floats(*shape));
    float *dh = trial_units(trial, shape->batch, shape->hidden), *dc = trial_units(trial, shape->batch, shape->hidden);
    trial_shares(trial, lstm_backward_share, &(lstm_backward_call){trial->kernels, &layer, transposed, dy, difgo, dh, dc, dx});
    trial_output(trial, "difgo", difgo, recurrent_lstm_gates_floats(*shape));
    trial_output(trial, "dh", dh, state);
    trial_output(trial, "dc", dc, state);
    if (dx) trial_output(trial, "dx", dx, recurrent_lstm_dx_floats(*shape));
}

enum { variants_of_lstm_backward_weights = 4 };  // whether floats lie between the rows of x; whether rows end
static void run_lstm_backward_weights(trial *trial, scenario_shape size, unsigned variant) {
    lstm_layer layer = lstm_layer_of(trial, size, variant & 1, variant & 2);
    lstm_run_forward(trial, size, &layer);
    const recurrent_lstm_shape *shape = &layer.shape;
    const float *difgo = trial_gates(trial, shape->steps * shape->batch, shape->hidden, 4);
    float *dw = trial_matrix(trial, shape->input + shape->hidden, shape->hidden, 4);
    FOR_SHARES(trial) trial->kernels->lstm_backward_weights(shape, layer.lengths, layer.x, layer.h, difgo, dw, share);
    trial_output(trial, "dw", dw, recurrent_lstm_weights_floats(*shape));
}

// MARK: embedding.h

static recurrent_embedding_shape embedding_shape(scenario_shape size) {
    return (recurrent_embedding_shape){.vocabulary = size.inputs, .dimension = size.units, .rows = size.rows};
}

enum { variants_of_embedding_forward = 1 };
static void run_embedding_forward(trial *trial, scenario_shape size, unsigned variant) {
    (void)variant;
    const recurrent_embedding_shape shape = embedding_shape(size);
    const float *table = trial_units(trial, shape.vocabulary, shape.dimension);
    const int32_t *indices = trial_indices(trial, shape.rows, shape.vocabulary);
    float *y = trial_result(trial, recurrent_embedding_rows_floats(shape));
    FOR_SHARES(trial) trial->kernels->embedding_forward(&shape, table, indices, y, share);
    trial_output(trial, "y", y, recurrent_embedding_rows_floats(shape));
}

enum { variants_of_embedding_backward = 1 };
static void run_embedding_backward(trial *trial, scenario_shape size, unsigned variant) {
    (void)variant;
    const recurrent_embedding_shape shape = embedding_shape(size);
    const int32_t *indices = trial_indices(trial, shape.rows, shape.vocabulary);
    float *dy = trial_units(trial, shape.rows, shape.dimension), *dtable = trial_units(trial, shape.vocabulary, shape.dimension);
    const size_t units = recurrent_padded(shape.dimension);
    for (size_t row = 0; row < shape.rows; ++row)
        if (indices[row] < 0 || (size_t)indices[row] >= shape.vocabulary) trial_forget(dy + row * units, units);
    FOR_SHARES(trial) trial->kernels->embedding_backward(&shape, indices, dy, dtable, share);
    trial_output(trial, "dtable", dtable, recurrent_embedding_table_floats(shape));
}
