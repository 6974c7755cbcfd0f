// Scenarios of vmath.h, activation.h, softmax.h, losses.h, dropout.h, of norm.h, of
// regularization.h and lbfgs.h.

/// Whether the result has a buffer of its own, is the input's buffer, or is not asked for.
typedef enum { result_apart, result_in_place, result_none } result_place;

enum { result_places = result_none + 1 };

// MARK: vmath.h

static void run_vector_function(trial *trial, scenario_shape size, bool in_place,
                                void (*function)(size_t, const float *, float *)
                                    RECURRENT_NONBLOCKING) {
    const size_t count = size.rows * size.units;
    float *x = trial_data(trial, "x", count), *y = in_place ? x : trial_result(trial, count);
    function(count, x, y);
    trial_output(trial, "y", y, count);
}

enum {
    variants_of_vector_exp = 2,
    variants_of_vector_log = 2,
    variants_of_vector_tanh = 2,
    variants_of_vector_sigmoid = 2
};  // y is x
static void run_vector_exp(trial *trial, scenario_shape size, unsigned variant) {
    run_vector_function(trial, size, variant != 0, trial->kernels->vector_exp);
}
static void run_vector_log(trial *trial, scenario_shape size, unsigned variant) {
    run_vector_function(trial, size, variant != 0, trial->kernels->vector_log);
}
static void run_vector_tanh(trial *trial, scenario_shape size, unsigned variant) {
    run_vector_function(trial, size, variant != 0, trial->kernels->vector_tanh);
}
static void run_vector_sigmoid(trial *trial, scenario_shape size, unsigned variant) {
    run_vector_function(trial, size, variant != 0, trial->kernels->vector_sigmoid);
}

// MARK: activation.h

static recurrent_rows_shape rows_shape(scenario_shape size) {
    return (recurrent_rows_shape){.rows = size.rows, .units = size.units};
}

/// Any value may stand past the last unit of these rows.
static float *rows_open(trial *trial, const char *name, recurrent_rows_shape shape) {
    return trial_rows(trial, name, shape.rows, shape.units, recurrent_padded(shape.units));
}

enum { variants_of_activation_forward = 2 * recurrent_activation_count };  // activation; in place
static void run_activation_forward(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_rows_shape shape = rows_shape(size);
    float *x = rows_open(trial, "x", shape),
          *y = variant & 1 ? x : trial_result(trial, recurrent_rows_floats(shape));
    FOR_PARTITIONS(trial)
    trial->kernels->activation_forward(&shape, (recurrent_activation)(variant / 2), 0.25f, x, y,
                                       partition);
    trial_output(trial, "y", y, recurrent_rows_floats(shape));
}

enum {
    variants_of_activation_backward = 3 * recurrent_activation_count
};  // activation; apart; in place of the gradient; in place of the output or the input
static void run_activation_backward(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_rows_shape shape = rows_shape(size);
    const recurrent_activation activation = (recurrent_activation)(variant / 3);
    const bool reads_x = recurrent_activation_reads_x(activation);
    float *read = rows_open(trial, reads_x ? "x" : "y", shape), *dy = rows_open(trial, "dy", shape);
    float *dx = variant % 3 == 0   ? trial_result(trial, recurrent_rows_floats(shape))
                : variant % 3 == 1 ? dy
                                   : read;
    FOR_PARTITIONS(trial)
    trial->kernels->activation_backward(&shape, activation, 0.25f, reads_x ? read : 0,
                                        reads_x ? 0 : read, dy, dx, partition);
    trial_output(trial, "dx", dx, recurrent_rows_floats(shape));
}

// MARK: softmax.h

enum { variants_of_softmax = 2 };  // in place
static void run_softmax(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_rows_shape shape = rows_shape(size);
    float *logits = rows_open(trial, "logits", shape);
    float *probabilities =
        variant == result_in_place ? logits : trial_result(trial, recurrent_rows_floats(shape));
    FOR_PARTITIONS(trial) trial->kernels->softmax(&shape, logits, probabilities, partition);
    trial_output(trial, "probabilities", probabilities, recurrent_rows_floats(shape));
}

enum {
    variants_of_softmax_backward = 3
};  // apart; in place of the gradient; in place of the probabilities
static void run_softmax_backward(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_rows_shape shape = rows_shape(size);
    float *p = rows_open(trial, "p", shape), *dp = rows_open(trial, "dp", shape);
    float *dlogits = variant == 0   ? trial_result(trial, recurrent_rows_floats(shape))
                     : variant == 1 ? dp
                                    : p;
    FOR_PARTITIONS(trial) trial->kernels->softmax_backward(&shape, p, dp, dlogits, partition);
    trial_output(trial, "dlogits", dlogits, recurrent_rows_floats(shape));
}

enum { variants_of_softmax_cross_entropy = result_places };
static void run_softmax_cross_entropy(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_rows_shape shape = rows_shape(size);
    const size_t floats = recurrent_rows_floats(shape);
    float *logits = rows_open(trial, "logits", shape);
    const int32_t *targets = trial_indices(trial, "targets", shape.rows, shape.units);
    float *losses = trial_result(trial, shape.rows);
    float *dlogits = variant == result_none       ? 0
                     : variant == result_in_place ? logits
                                                  : trial_result(trial, floats);
    FOR_PARTITIONS(trial)
    trial->kernels->softmax_cross_entropy(&shape, logits, targets, 0.125f, losses, dlogits,
                                          partition);
    trial_output(trial, "losses", losses, shape.rows);
    if (dlogits) trial_output(trial, "dlogits", dlogits, floats);
}

// MARK: losses.h

/// A loss of rows of numbers; Huber's has a δ beside the scale.
typedef void (*row_loss)(const recurrent_rows_shape *shape, const float *y, const float *targets,
                         const int32_t *valid, float scale, float *losses, float *dy,
                         recurrent_partition partition) RECURRENT_NONBLOCKING;
typedef void (*row_loss_with_delta)(const recurrent_rows_shape *shape, const float *y,
                                    const float *targets, const int32_t *valid, float delta,
                                    float scale, float *losses, float *dy,
                                    recurrent_partition partition) RECURRENT_NONBLOCKING;

enum { variants_of_row_loss = 2 * result_places };  // whether rows are skipped
static void run_row_loss(trial *trial, scenario_shape size, unsigned variant, row_loss loss,
                         row_loss_with_delta with_delta) {
    const recurrent_rows_shape shape = rows_shape(size);
    const size_t floats = recurrent_rows_floats(shape);
    const unsigned place = variant % result_places;
    float *y = rows_open(trial, "y", shape), *targets = rows_open(trial, "targets", shape);
    // The hashes were seeded with this name.
    const int32_t *valid =
        variant < result_places ? 0 : trial_indices(trial, "live", shape.rows, 0);
    float *losses = trial_result(trial, shape.rows);
    float *dy = place == result_none       ? 0
                : place == result_in_place ? y
                                           : trial_result(trial, floats);
    FOR_PARTITIONS(trial) {
        if (loss) loss(&shape, y, targets, valid, 0.125f, losses, dy, partition);
        else with_delta(&shape, y, targets, valid, 0.75f, 0.125f, losses, dy, partition);
    }
    trial_output(trial, "losses", losses, shape.rows);
    if (dy) trial_output(trial, "dy", dy, floats);
}

enum {
    variants_of_mean_squared_error = variants_of_row_loss,
    variants_of_mean_absolute_error = variants_of_row_loss,
    variants_of_huber_loss = variants_of_row_loss,
    variants_of_binary_cross_entropy = variants_of_row_loss,
};
static void run_mean_squared_error(trial *trial, scenario_shape size, unsigned variant) {
    run_row_loss(trial, size, variant, trial->kernels->mean_squared_error, 0);
}
static void run_mean_absolute_error(trial *trial, scenario_shape size, unsigned variant) {
    run_row_loss(trial, size, variant, trial->kernels->mean_absolute_error, 0);
}
static void run_huber_loss(trial *trial, scenario_shape size, unsigned variant) {
    run_row_loss(trial, size, variant, 0, trial->kernels->huber_loss);
}
static void run_binary_cross_entropy(trial *trial, scenario_shape size, unsigned variant) {
    run_row_loss(trial, size, variant, trial->kernels->binary_cross_entropy, 0);
}

enum { variants_of_sum_losses = 1 };
static void run_sum_losses(trial *trial, scenario_shape size, unsigned variant) {
    (void)variant;
    const size_t count = size.rows * size.units;
    const float *losses = trial_data(trial, "losses", count);
    double *sum = trial_doubles(trial, 1);
    trial->kernels->sum_losses(count, losses, sum);
    trial_output_doubles(trial, "sum", sum, 1);
}

// MARK: dropout.h

enum { variants_of_dropout = 4 };  // in place; nothing is dropped
static void run_dropout(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_rows_shape shape = rows_shape(size);
    trial_draw(trial, "mask");
    const recurrent_dropout mask = {.seed = trial_bits(trial),
                                    .counter = trial_bits(trial),
                                    .probability = variant & 2 ? 0 : 0.25f};
    float *x = trial_units(trial, "x", shape.rows, shape.units),
          *y = variant & 1 ? x : trial_result(trial, recurrent_rows_floats(shape));
    FOR_PARTITIONS(trial) trial->kernels->dropout(&shape, &mask, x, y, partition);
    trial_output(trial, "y", y, recurrent_rows_floats(shape));
}

// MARK: norm.h

enum { variants_of_sum_of_squares = 1 };
static void run_sum_of_squares(trial *trial, scenario_shape size, unsigned variant) {
    (void)variant;
    const size_t count = size.rows * size.units, blocks = recurrent_squares_blocks(count);
    const float *x = trial_data(trial, "x", count);
    double *partial = trial_doubles(trial, blocks);
    FOR_PARTITIONS(trial) trial->kernels->sum_of_squares(count, x, partial, partition);
    trial_output_doubles(trial, "partial", partial, blocks);
}

enum { variants_of_global_norm = 1 };
static void run_global_norm(trial *trial, scenario_shape size, unsigned variant) {
    (void)variant;
    const size_t blocks = size.rows * size.units;
    double *partial = trial_doubles(trial, blocks), *norm = trial_doubles(trial, 1);
    trial_draw(trial, "partial");
    for (size_t block = 0; block < blocks; ++block) {
        const double value = trial_float(trial);
        partial[block] = value * value;
    }
    trial->kernels->global_norm(blocks, partial, norm);
    trial_output_doubles(trial, "norm", norm, 1);
}

enum { variants_of_fill = 1 };
static void run_fill(trial *trial, scenario_shape size, unsigned variant) {
    (void)variant;
    const size_t count = size.rows * size.units;
    trial_draw(trial, "value");
    const float value = trial_float(trial);
    float *x = trial_result(trial, count);
    FOR_PARTITIONS(trial) trial->kernels->fill(count, value, x, partition);
    trial_output(trial, "x", x, count);
}

// MARK: regularization.h

enum { variants_of_add_norm_penalty = 4 };  // without λ1; without λ2
static void run_add_norm_penalty(trial *trial, scenario_shape size, unsigned variant) {
    const size_t count = size.rows * size.units, blocks = recurrent_squares_blocks(count);
    const float *parameters = trial_data(trial, "parameters", count);
    float *gradient = trial_data(trial, "gradient", count);
    double *partial = trial_doubles(trial, blocks);
    FOR_PARTITIONS(trial)
    trial->kernels->add_norm_penalty(count, variant & 1 ? 0 : 0.01, variant & 2 ? 0 : 0.3,
                                     parameters, gradient, partial, partition);
    trial_output(trial, "gradient", gradient, count);
    trial_output_doubles(trial, "partial", partial, blocks);
}

// MARK: lbfgs.h

enum { variants_of_dot_product = 2 };  // of x with itself
static void run_dot_product(trial *trial, scenario_shape size, unsigned variant) {
    const size_t count = size.rows * size.units, blocks = recurrent_squares_blocks(count);
    const float *x = trial_data(trial, "x", count),
                *y = variant & 1 ? x : trial_data(trial, "y", count);
    double *partial = trial_doubles(trial, blocks);
    FOR_PARTITIONS(trial) trial->kernels->dot_product(count, x, y, partial, partition);
    trial_output_doubles(trial, "partial", partial, blocks);
}

enum { variants_of_linear_combination = 3 };  // z is x; z is y
static void run_linear_combination(trial *trial, scenario_shape size, unsigned variant) {
    const size_t count = size.rows * size.units;
    float *x = trial_data(trial, "x", count), *y = trial_data(trial, "y", count);
    float *z = variant == 1 ? x : variant == 2 ? y : trial_result(trial, count);
    FOR_PARTITIONS(trial) trial->kernels->linear_combination(count, -0.3, x, 1.7, y, z, partition);
    trial_output(trial, "z", z, count);
}
