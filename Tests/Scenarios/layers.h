// Scenarios of products.h and embedding.h; rows that end.

/// All of the work.
static const recurrent_partition whole = {.count = 1};

// MARK: products.h

enum { product_variants = 6 };  // groups; whether floats lie between the rows of x

static recurrent_product_shape product_shape(scenario_shape size, unsigned variant) {
    static const size_t groups[] = {1, 3, 4};
    return (recurrent_product_shape){.rows = size.rows,
                                     .inputs = size.inputs,
                                     .outputs = size.units,
                                     .groups = groups[variant % 3],
                                     .x_stride = size.inputs + (variant < 3 ? 0 : 3)};
}

static size_t product_y_floats(recurrent_product_shape shape) {
    return shape.rows * recurrent_padded(shape.outputs) * shape.groups;
}

enum { variants_of_product_forward = product_variants };
static void run_product_forward(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_product_shape shape = product_shape(size, variant);
    const float *x = trial_rows(trial, "x", shape.rows, shape.inputs, shape.x_stride);
    const float *w = trial_matrix(trial, "w", shape.inputs, shape.outputs, shape.groups);
    float *y = trial_result(trial, product_y_floats(shape));
    FOR_PARTITIONS(trial) trial->kernels->product_forward(&shape, x, w, y, partition);
    trial_output(trial, "y", y, product_y_floats(shape));
}

/// [⌈N/32⌉] pairs of panels: 2 × 16 biases, and a row of words for each input.
static float *product_words(trial *trial, recurrent_product_shape shape) {
    const size_t count = recurrent_product_bfloat16_floats(shape),
                 pair = (2 + shape.inputs) * RECURRENT_PANEL;
    float *words = trial_floats(trial, count);
    trial_draw(trial, "w");
    for (size_t index = 0; index < count; ++index) {
        const size_t row = index % pair / RECURRENT_PANEL,
                     unit = index / pair * 2 * RECURRENT_PANEL + index % RECURRENT_PANEL;
        words[index] = row >= 2 ? trial_word(trial, unit < shape.outputs,
                                             unit + RECURRENT_PANEL < shape.outputs)
                       : unit + row * RECURRENT_PANEL < shape.outputs ? trial_float(trial)
                                                                      : 0;
    }
    return words;
}

enum { variants_of_product_forward_bfloat16 = 2 };  // whether floats lie between the rows of x
static void run_product_forward_bfloat16(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_product_shape shape = product_shape(size, 3 * variant);
    const float *x = trial_rows(trial, "x", shape.rows, shape.inputs, shape.x_stride),
                *w = product_words(trial, shape);
    float *y = trial_result(trial, product_y_floats(shape));
    FOR_PARTITIONS(trial) trial->kernels->product_forward_bfloat16(&shape, x, w, y, partition);
    trial_output(trial, "y", y, product_y_floats(shape));
}

enum { variants_of_product_transpose = product_variants };
static void run_product_transpose(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_product_shape shape = product_shape(size, variant);
    const float *w = trial_matrix(trial, "w", shape.inputs, shape.outputs, shape.groups);
    float *transposed = trial_result(trial, recurrent_product_transposed_floats(shape));
    FOR_PARTITIONS(trial) trial->kernels->product_transpose(&shape, w, transposed, partition);
    trial_output(trial, "transposed", transposed, recurrent_product_transposed_floats(shape));
}

enum { variants_of_product_backward_input = product_variants };
static void run_product_backward_input(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_product_shape shape = product_shape(size, variant);
    const float *w = trial_matrix(trial, "w", shape.inputs, shape.outputs, shape.groups);
    const float *dy = trial_gates(trial, "dy", shape.rows, shape.outputs, shape.groups);
    float *transposed = trial_result(trial, recurrent_product_transposed_floats(shape));
    trial->kernels->product_transpose(&shape, w, transposed, whole);
    const size_t count = shape.rows * recurrent_padded(shape.inputs);
    float *dx = trial_result(trial, count);
    FOR_PARTITIONS(trial)
    trial->kernels->product_backward_input(&shape, dy, transposed, dx, partition);
    trial_output(trial, "dx", dx, count);
}

enum { variants_of_product_backward_weights = product_variants };
static void run_product_backward_weights(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_product_shape shape = product_shape(size, variant);
    const float *x = trial_rows(trial, "x", shape.rows, shape.inputs, shape.x_stride);
    const float *dy = trial_gates(trial, "dy", shape.rows, shape.outputs, shape.groups);
    float *dw = trial_matrix(trial, "dw", shape.inputs, shape.outputs, shape.groups);
    FOR_PARTITIONS(trial) trial->kernels->product_backward_weights(&shape, x, dy, dw, partition);
    trial_output(trial, "dw", dw, recurrent_product_weights_floats(shape));
}

// MARK: Rows that end

static bool row_has_ended(const size_t *lengths, size_t batch, size_t row) {
    return lengths && row / batch >= lengths[row % batch];
}

/// The rows of a buffer [T][B][floats] that have ended: nothing may depend on them.
static void forget_ended(scenario_shape size, const size_t *lengths, float *buffer, size_t floats) {
    for (size_t row = 0; row < size.steps * size.rows; ++row)
        if (row_has_ended(lengths, size.rows, row)) trial_forget(buffer + row * floats, floats);
}

/// A length for each row, some of them longer than the sequence.
static size_t *trial_lengths(trial *trial, const char *name, scenario_shape size) {
    size_t *lengths = trial->allocate(trial, size.rows * sizeof(size_t));
    trial_draw(trial, name);
    for (size_t row = 0; row < size.rows; ++row) lengths[row] = trial_choice(trial, size.steps + 2);
    return lengths;
}

/// A tape of states, whose slot 0 alone holds any.
static float *trial_tape(trial *trial, const char *name, scenario_shape size) {
    float *states = trial_units(trial, name, (size.steps + 1) * size.rows, size.units);
    const size_t state = size.rows * recurrent_padded(size.units);
    trial_forget(states + state, size.steps * state);
    return states;
}

/// How a layer of cells is run. The kind of the cell is the slowest to change: that of a new one
/// adds variants behind the others.
typedef struct {
    unsigned kind;
    bool gap;     ///< floats lie between the rows of x
    bool ends;    ///< rows end before the last step
    bool masked;  ///< with a mask of dropout
    bool dy, dx;  ///< there are gradients with respect to these
} cell_variant;

enum { cell_forwards = 6, cell_backwards = 10 };

static cell_variant cell_forward_variant(unsigned variant) {
    const unsigned options = variant % cell_forwards;
    const bool masked = options >= 4;
    return (cell_variant){.kind = variant / cell_forwards,
                          .gap = !masked && options & 1,
                          .ends = options & (masked ? 1 : 2),
                          .masked = masked};
}

static cell_variant cell_backward_variant(unsigned variant) {
    const unsigned options = variant % cell_backwards;
    return (cell_variant){.kind = variant / cell_backwards,
                          .ends = options & 1,
                          .masked = options >= 8,
                          .dy = !(options & 2),
                          .dx = !(options & 4)};
}

/// A backward kernel of the weights.
enum { cell_weights_options = 4 };
static cell_variant cell_weights_variant(unsigned variant) {
    return (cell_variant){
        .kind = variant / cell_weights_options, .gap = variant & 1, .ends = variant & 2};
}

// MARK: embedding.h

static recurrent_embedding_shape embedding_shape(scenario_shape size) {
    return (recurrent_embedding_shape){
        .vocabulary = size.inputs, .dimension = size.units, .rows = size.rows};
}

enum { variants_of_embedding_forward = 1 };
static void run_embedding_forward(trial *trial, scenario_shape size, unsigned variant) {
    (void)variant;
    const recurrent_embedding_shape shape = embedding_shape(size);
    const float *table = trial_units(trial, "table", shape.vocabulary, shape.dimension);
    const int32_t *indices = trial_indices(trial, "indices", shape.rows, shape.vocabulary);
    float *y = trial_result(trial, recurrent_embedding_rows_floats(shape));
    FOR_PARTITIONS(trial) trial->kernels->embedding_forward(&shape, table, indices, y, partition);
    trial_output(trial, "y", y, recurrent_embedding_rows_floats(shape));
}

enum { variants_of_embedding_backward = 1 };
static void run_embedding_backward(trial *trial, scenario_shape size, unsigned variant) {
    (void)variant;
    const recurrent_embedding_shape shape = embedding_shape(size);
    const int32_t *indices = trial_indices(trial, "indices", shape.rows, shape.vocabulary);
    float *dy = trial_units(trial, "dy", shape.rows, shape.dimension),
          *dtable = trial_units(trial, "dtable", shape.vocabulary, shape.dimension);
    const size_t units = recurrent_padded(shape.dimension);
    for (size_t row = 0; row < shape.rows; ++row)
        if (indices[row] < 0 || (size_t)indices[row] >= shape.vocabulary)
            trial_forget(dy + row * units, units);
    FOR_PARTITIONS(trial)
    trial->kernels->embedding_backward(&shape, indices, dy, dtable, partition);
    trial_output(trial, "dtable", dtable, recurrent_embedding_table_floats(shape));
}
