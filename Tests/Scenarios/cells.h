// Scenarios of recurrent cells: five for each cell of CKernels/include/recurrent/cells.h.

/// What the scenarios of a cell are: the ways to call them, and the names of its gradients.
typedef struct {
    recurrent_cell cell;
    const char *dgates;
} cell_scenario;

static const cell_scenario lstm_scenario = {recurrent_cell_lstm, "difgo"},
                           rnn_scenario = {recurrent_cell_rnn, "dz"},
                           gru_scenario = {recurrent_cell_gru, "drzn"},
                           min_gru_scenario = {recurrent_cell_min_gru, "dzn"};

enum {
    /// Kinds of a cell: rows of cell_shape's tables.
    lstm_kinds = 5,
    rnn_kinds = 7,
    gru_kinds = 6,
    min_gru_kinds = 1,
    /// Those whose weights have different rows: they come first.
    lstm_matrices = 3,
    rnn_matrices = 1,
    gru_matrices = 2,
    min_gru_matrices = 1,
    /// Whether floats lie between the rows of x; and which of h_prev and h lies lower, where the
    /// walk depends on it.
    lstm_steps = 4,
    rnn_steps = 2,
    gru_steps = 2,
    min_gru_steps = 2,
};

static recurrent_cell_shape cell_shape(const cell_scenario *of, scenario_shape size, unsigned kind,
                                       bool gap) {
    const recurrent_cell_shape lstms[lstm_kinds] = {
        // The plain one; one whose panels partitions may split; one with a projection.
        {.lstm = {0}},
        {.lstm = {.peepholes = 1, .clip = 0.375f}, .activation = recurrent_activation_sigmoid},
        {.lstm =
             {.peepholes = 1, .coupled = 1, .clip = 0.375f, .projection = (size.units + 1) / 2}},
        {.lstm = {.peepholes = 1},
         .activation = recurrent_activation_hard_tanh,
         .gate_activation = recurrent_gate_hard_sigmoid_sixth},
        {.lstm = {.coupled = 1},
         .activation = recurrent_activation_relu,
         .gate_activation = recurrent_gate_tanh},
    };
    const recurrent_cell_shape grus[gru_kinds] = {
        // PyTorch's, Cho's, the lectures'.
        {.gru = {0}},
        {.gru = {.reset_before = 1}},
        {.gru = {.reset_before = 1, .z_replaces = 1}, .activation = recurrent_activation_sigmoid},
        {.gru = {.reset_before = 1, .z_replaces = 1}},
        {.gru = {.z_replaces = 1},
         .activation = recurrent_activation_leaky_relu,
         .gate_activation = recurrent_gate_hard_sigmoid_fifth},
        {.gru = {.reset_before = 1},
         .activation = recurrent_activation_relu,
         .gate_activation = recurrent_gate_relu},
    };
    static const recurrent_activation rnns[rnn_kinds] = {
        recurrent_activation_tanh,
        recurrent_activation_sigmoid,
        recurrent_activation_relu,
        recurrent_activation_leaky_relu,
        recurrent_activation_hard_tanh,
        recurrent_activation_hard_sigmoid_fifth,
        recurrent_activation_hard_sigmoid_sixth,
    };
    recurrent_cell_shape shape = {0};
    switch (of->cell) {
    case recurrent_cell_lstm: shape = lstms[kind]; break;
    case recurrent_cell_rnn: shape.activation = rnns[kind]; break;
    case recurrent_cell_gru: shape = grus[kind]; break;
    case recurrent_cell_min_gru: break;
    }
    shape.cell = of->cell;
    shape.input = size.inputs;
    shape.hidden = size.units;
    shape.batch = size.rows;
    shape.steps = size.steps;
    shape.x_stride = size.inputs + (gap ? 3 : 0);
    shape.slope = 0.25f;
    return shape;
}

/// The weights of a layer, or their gradient.
static float *cell_matrix(trial *trial, const char *name, recurrent_cell_shape shape) {
    const size_t floats = recurrent_cell_weights_floats(shape), gates = recurrent_cell_gates(shape),
                 projection = recurrent_cell_projection_floats(shape);
    const size_t columns =
        shape.input + recurrent_cell_inner_rows(shape) + recurrent_cell_hidden_rows(shape);
    if (projection == 0) return trial_matrix(trial, name, columns, shape.hidden, gates);
    const size_t panel = (1 + columns) * gates * RECURRENT_PANEL;
    float *w = trial_floats(trial, floats);
    trial_draw(trial, name);
    for (size_t index = 0; index < floats; ++index) {
        const size_t lane = index % RECURRENT_PANEL, behind = index - (floats - projection);
        const bool used = index < floats - projection
                              ? index / panel * RECURRENT_PANEL + lane < shape.hidden
                              : behind / (shape.hidden * RECURRENT_PANEL) * RECURRENT_PANEL + lane
                                    < shape.lstm.projection;
        w[index] = used ? trial_float(trial) : 0;
    }
    return w;
}

/// A layer, with everything that the forward pass takes.
typedef struct {
    recurrent_cell_shape shape;
    size_t *lengths;
    const float *mask, *w;
    float *x;
    recurrent_cell_tape tape;
} cell_layer;

/// Whether the cell has such a buffer, which may have no floats in a shape that has no units.
static bool cell_has(recurrent_cell_shape shape, size_t (*floats)(recurrent_cell_shape shape)) {
    shape.input = shape.hidden = shape.batch = shape.steps = 1;
    return floats(shape) > 0;
}

/// Null where a cell has no such buffer.
static float *cell_buffer(trial *trial, recurrent_cell_shape shape,
                          size_t (*floats)(recurrent_cell_shape shape)) {
    return cell_has(shape, floats) ? trial_result(trial, floats(shape)) : 0;
}

static cell_layer cell_layer_of(trial *trial, const cell_scenario *of, scenario_shape size,
                                cell_variant variant) {
    cell_layer layer = {.shape = cell_shape(of, size, variant.kind, variant.gap)};
    const recurrent_cell_shape shape = layer.shape;
    scenario_shape outputs = size;
    outputs.units = recurrent_cell_outputs(shape);
    if (variant.ends) layer.lengths = trial_lengths(trial, "lengths", size);
    layer.x = trial_rows(trial, "x", size.steps * size.rows, size.inputs, shape.x_stride);
    forget_ended(size, layer.lengths, layer.x, shape.x_stride);
    layer.w = cell_matrix(trial, "w", shape);
    layer.tape.gates = cell_buffer(trial, shape, recurrent_cell_gates_floats);
    layer.tape.past = cell_buffer(trial, shape, recurrent_cell_past_floats);
    if (cell_has(shape, recurrent_cell_state_floats)) layer.tape.c = trial_tape(trial, "c", size);
    layer.tape.h = trial_tape(trial, "h", outputs);
    if (variant.masked) {
        layer.mask = trial_units(trial, "mask", size.rows, outputs.units);
        layer.tape.masked = trial_result(trial, size.steps * recurrent_cell_output_floats(shape));
    }
    return layer;
}

/// Calls `function` with what the tape of the gates, and of the past, holds of rows that have
/// ended.
static void cell_of_ended(const cell_layer *layer, void (*function)(float *floats, size_t count)) {
    const recurrent_cell_shape shape = layer->shape;
    const size_t units = recurrent_padded(shape.hidden), rows = shape.steps * shape.batch,
                 gates = recurrent_cell_gates(shape) * units;
    for (size_t row = 0; row < rows; ++row) {
        if (!row_has_ended(layer->lengths, shape.batch, row)) continue;
        if (layer->tape.gates) function(layer->tape.gates + row * gates, gates);
        if (recurrent_cell_projection(shape))
            function(layer->tape.gates + rows * gates + row * units, units);
        if (layer->tape.past) function(layer->tape.past + row * units, units);
    }
}

static void cell_clear(float *floats, size_t count) {
    __builtin_memset(floats, 0, count * sizeof(float));
}

typedef struct {
    const recurrent_kernels *kernels;
    const cell_layer *layer;
    const float *transposed;
    const recurrent_cell_gradients *gradients;
} cell_call;

static void cell_forward_partition(const void *call, recurrent_partition partition) {
    const cell_call *self = call;
    const cell_layer *layer = self->layer;
    recurrent_cell_forward(self->kernels, &layer->shape, layer->lengths, layer->mask, layer->x,
                           layer->w, &layer->tape, partition);
}

/// A layer whose tape is filled, as a backward kernel reads it.
static cell_layer cell_layer_after(trial *trial, const cell_scenario *of, scenario_shape size,
                                   cell_variant variant) {
    const cell_layer layer = cell_layer_of(trial, of, size, variant);
    cell_forward_partition(&(cell_call){trial->kernels, &layer, 0, 0}, whole);
    cell_of_ended(&layer, trial_forget);
    return layer;
}

/// One time step with the weights `w`, in bfloat16 or not.
static void run_cell_step_with(trial *trial, recurrent_cell_shape shape, const float *w,
                               unsigned variant, bool bfloat16) {
    const size_t output = recurrent_cell_output_floats(shape),
                 outputs = recurrent_cell_outputs(shape);
    const float *x = trial_rows(trial, "x", shape.batch, shape.input, shape.x_stride);
    float *h_prev = trial_units(trial, "h_prev", shape.batch, outputs), *c = 0;
    if (cell_has(shape, recurrent_cell_state_floats))
        c = trial_units(trial, "c", shape.batch, shape.hidden);
    float *h = trial_result(trial, output);
    if ((h < h_prev) != (variant >= 2)) {
        float *other = h;
        h = h_prev;
        h_prev = other;
        __builtin_memcpy(h_prev, h, output * sizeof(float));
        trial_forget(h, output);
    }
    float *scratch = cell_buffer(trial, shape, recurrent_cell_scratch_floats);
    FOR_PARTITIONS(trial) {
        if (bfloat16) trial->kernels->lstm_step_bfloat16(&shape, x, w, h_prev, c, h, partition);
        else recurrent_cell_step(trial->kernels, &shape, x, w, h_prev, c, h, scratch, partition);
    }
    trial_output(trial, "c", c, recurrent_cell_state_floats(shape));
    trial_output(trial, "h", h, output);
}

/// `variant` counts the ways to call, `steps` of each kind.
static void run_cell_step(trial *trial, const cell_scenario *of, scenario_shape size,
                          unsigned variant, unsigned steps) {
    const recurrent_cell_shape shape = cell_shape(of, size, variant / steps, variant & 1);
    const float *w = cell_matrix(trial, "w", shape);
    run_cell_step_with(trial, shape, w, variant % steps, false);
}

/// An LSTM alone has partitions that wait for each other.
static void cell_partitions(trial *trial,
                            void (*function)(const void *call, recurrent_partition partition),
                            const cell_call *call) {
    if (call->layer->shape.cell == recurrent_cell_lstm) trial_partitions(trial, function, call);
    else FOR_PARTITIONS(trial) function(call, partition);
}

static void run_cell_forward(trial *trial, const cell_scenario *of, scenario_shape size,
                             unsigned variant) {
    const cell_layer layer = cell_layer_of(trial, of, size, cell_forward_variant(variant));
    const recurrent_cell_shape shape = layer.shape;
    cell_partitions(trial, cell_forward_partition, &(cell_call){trial->kernels, &layer, 0, 0});
    cell_of_ended(&layer, cell_clear);
    trial_output(trial, "gates", layer.tape.gates, recurrent_cell_gates_floats(shape));
    trial_output(trial, "past", layer.tape.past, recurrent_cell_past_floats(shape));
    trial_output(trial, "c", layer.tape.c, recurrent_cell_state_tape_floats(shape));
    trial_output(trial, "h", layer.tape.h, recurrent_cell_output_tape_floats(shape));
    if (layer.mask)
        trial_output(trial, "masked", layer.tape.masked,
                     size.steps * recurrent_cell_output_floats(shape));
}

static void run_cell_transpose(trial *trial, const cell_scenario *of, scenario_shape size,
                               unsigned variant) {
    const recurrent_cell_shape shape = cell_shape(of, size, variant, false);
    const float *w = cell_matrix(trial, "w", shape);
    float *transposed = trial_result(trial, recurrent_cell_transposed_floats(shape));
    FOR_PARTITIONS(trial)
    recurrent_cell_transpose(trial->kernels, &shape, w, transposed, partition);
    trial_output(trial, "transposed", transposed, recurrent_cell_transposed_floats(shape));
}

static void cell_backward_partition(const void *call, recurrent_partition partition) {
    const cell_call *self = call;
    const cell_layer *layer = self->layer;
    recurrent_cell_backward_data(self->kernels, &layer->shape, layer->lengths, layer->mask,
                                 self->transposed, &layer->tape, self->gradients, partition);
}

static void run_cell_backward_data(trial *trial, const cell_scenario *of, scenario_shape size,
                                   unsigned variant) {
    const cell_variant way = cell_backward_variant(variant);
    const cell_layer layer = cell_layer_after(trial, of, size, way);
    const recurrent_cell_shape shape = layer.shape;
    const size_t outputs = recurrent_cell_outputs(shape);
    float *transposed = trial_result(trial, recurrent_cell_transposed_floats(shape)), *dy = 0;
    recurrent_cell_transpose(trial->kernels, &shape, layer.w, transposed, whole);
    if (way.dy) {
        dy = trial_units(trial, "dy", shape.steps * shape.batch, outputs);
        forget_ended(size, layer.lengths, dy, recurrent_padded(outputs));
    }
    const recurrent_cell_gradients gradients = {
        .dy = dy,
        .dgates = trial_result(trial, recurrent_cell_dgates_floats(shape)),
        .dpast = cell_buffer(trial, shape, recurrent_cell_past_floats),
        .dh = trial_units(trial, "dh", shape.batch, outputs),
        .dc = cell_has(shape, recurrent_cell_state_floats)
                  ? trial_units(trial, "dc", shape.batch, shape.hidden)
                  : 0,
        .dx = way.dx ? trial_result(trial, recurrent_cell_dx_floats(shape)) : 0,
        .scratch = way.masked ? cell_buffer(trial, shape, recurrent_cell_scratch_floats) : 0};
    cell_partitions(trial, cell_backward_partition,
                    &(cell_call){trial->kernels, &layer, transposed, &gradients});
    trial_output(trial, "dgates", gradients.dgates, recurrent_cell_dgates_floats(shape));
    trial_output(trial, "dpast", gradients.dpast, recurrent_cell_past_floats(shape));
    trial_output(trial, "dh", gradients.dh, recurrent_cell_output_floats(shape));
    trial_output(trial, "dc", gradients.dc, recurrent_cell_state_floats(shape));
    if (way.dx) trial_output(trial, "dx", gradients.dx, recurrent_cell_dx_floats(shape));
}

/// The gradient with respect to the pre-activations, and to h, where that is projected.
static float *cell_dgates(trial *trial, const cell_scenario *of, recurrent_cell_shape shape) {
    const size_t rows = shape.steps * shape.batch, count = recurrent_cell_dgates_floats(shape),
                 gates = rows * recurrent_cell_gates(shape) * recurrent_padded(shape.hidden);
    float *dgates = trial_gates(trial, of->dgates, rows, shape.hidden, recurrent_cell_gates(shape));
    if (count == gates) return dgates;
    const float *dh = trial_units(trial, "dh", rows, recurrent_cell_outputs(shape));
    float *both = trial_floats(trial, count);
    __builtin_memcpy(both, dgates, gates * sizeof(float));
    __builtin_memcpy(both + gates, dh, (count - gates) * sizeof(float));
    return both;
}

static void run_cell_backward_weights(trial *trial, const cell_scenario *of, scenario_shape size,
                                      unsigned variant) {
    const cell_layer layer = cell_layer_after(trial, of, size, cell_weights_variant(variant));
    const recurrent_cell_shape shape = layer.shape;
    const size_t units = recurrent_padded(shape.hidden);
    recurrent_cell_gradients gradients = {.dgates = cell_dgates(trial, of, shape)};
    forget_ended(size, layer.lengths, gradients.dgates, recurrent_cell_gates(shape) * units);
    if (cell_has(shape, recurrent_cell_past_floats)) {
        gradients.dpast = trial_units(trial, "dpast", shape.steps * shape.batch, shape.hidden);
        forget_ended(size, layer.lengths, gradients.dpast, units);
    }
    float *dw = cell_matrix(trial, "dw", shape);
    FOR_PARTITIONS(trial)
    recurrent_cell_backward_weights(trial->kernels, &shape, layer.lengths, layer.x, &layer.tape,
                                    &gradients, dw, partition);
    trial_output(trial, "dw", dw, recurrent_cell_weights_floats(shape));
}

#define CELL_SCENARIO(name, kernel, ways, ...)                                                \
    enum { variants_of_##name##_##kernel = (ways) };                                          \
    static void run_##name##_##kernel(trial *trial, scenario_shape size, unsigned variant) {  \
        run_cell_##kernel(trial, &name##_scenario, size, variant __VA_OPT__(, ) __VA_ARGS__); \
    }
#define CELL_SCENARIOS(name, gates, ...)                                \
    CELL_SCENARIO(name, step, name##_steps *name##_kinds, name##_steps) \
    CELL_SCENARIO(name, forward, cell_forwards *name##_kinds)           \
    CELL_SCENARIO(name, transpose, name##_matrices)                     \
    CELL_SCENARIO(name, backward_data, cell_backwards *name##_kinds)    \
    CELL_SCENARIO(name, backward_weights, cell_weights_options *name##_matrices)
RECURRENT_CELLS(CELL_SCENARIOS, 0)

enum { variants_of_lstm_step_bfloat16 = lstm_steps };
static void run_lstm_step_bfloat16(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_cell_shape shape = cell_shape(&lstm_scenario, size, 0, variant & 1);
    const size_t count = recurrent_cell_bfloat16_floats(shape),
                 panel = (4 + 2 * (shape.input + shape.hidden)) * RECURRENT_PANEL;
    float *w = trial_floats(trial, count);
    trial_draw(trial, "w");
    for (size_t index = 0; index < count; ++index) {
        const bool used = index / panel * RECURRENT_PANEL + index % RECURRENT_PANEL < shape.hidden;
        w[index] = index % panel < 4 * RECURRENT_PANEL ? (used ? trial_float(trial) : 0)
                                                       : trial_word(trial, used, used);
    }
    run_cell_step_with(trial, shape, w, variant, true);
}
