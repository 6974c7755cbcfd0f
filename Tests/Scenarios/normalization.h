// Scenarios of batch_normalization.h and layer_normalization.h.

static const float normalization_epsilon = 0x1p-16f;

/// Rows and what has one number for each unit or row; nothing may depend on what lies behind the
/// last unit.
typedef struct {
    recurrent_rows_shape shape;
    size_t padded, floats;
    const int32_t *valid;
    float *x, *gamma, *beta, *mean, *inverse_deviation;
} normalization;

/// Rows that are not valid may hold anything.
static void forget_dead(normalization layer, float *rows) {
    for (size_t row = 0; layer.valid && row < layer.shape.rows; ++row)
        if (!layer.valid[row]) trial_forget(rows + row * layer.padded, layer.padded);
}

/// `moments`: how many means and deviations there are, rows or units; they are data where the
/// kernel reads them.
static normalization normalization_of(trial *trial, scenario_shape size, bool some_valid,
                                      size_t moments, bool reads_moments) {
    normalization layer = {.shape = rows_shape(size), .padded = recurrent_padded(size.units)};
    layer.floats = recurrent_rows_floats(layer.shape);
    // The hashes were seeded with this name.
    layer.valid = some_valid ? trial_indices(trial, "live", size.rows, 0) : 0;
    layer.x = rows_open(trial, "x", layer.shape);
    forget_dead(layer, layer.x);
    layer.gamma = trial_rows(trial, "gamma", 1, size.units, layer.padded);
    layer.beta = trial_rows(trial, "beta", 1, size.units, layer.padded);
    layer.mean = reads_moments ? trial_data(trial, "mean", moments) : trial_result(trial, moments);
    layer.inverse_deviation = reads_moments ? trial_squares(trial, "inverse_deviation", moments)
                                            : trial_result(trial, moments);
    return layer;
}

static float *normalization_dy(trial *trial, normalization layer) {
    float *dy = rows_open(trial, "dy", layer.shape);
    forget_dead(layer, dy);
    return dy;
}

enum {
    variants_of_batch_normalization_forward = 4
};  // whether rows are skipped; the biased running variance
static void run_batch_normalization_forward(trial *trial, scenario_shape size, unsigned variant) {
    const size_t padded = recurrent_padded(size.units);
    const normalization layer = normalization_of(trial, size, variant & 1, padded, false);
    const recurrent_variance estimate =
        variant & 2 ? recurrent_variance_biased : recurrent_variance_unbiased;
    float *running_mean = trial_rows(trial, "running_mean", 1, size.units, padded),
          *running_variance = trial_squares(trial, "running_variance", padded);
    float *y = trial_result(trial, layer.floats);
    FOR_PARTITIONS(trial)
    trial->kernels->batch_normalization_forward(&layer.shape, layer.valid, normalization_epsilon,
                                                0.125f, estimate, layer.x, layer.gamma, layer.beta,
                                                running_mean, running_variance, layer.mean,
                                                layer.inverse_deviation, y, partition);
    trial_output(trial, "running_mean", running_mean, padded);
    trial_output(trial, "running_variance", running_variance, padded);
    trial_output(trial, "mean", layer.mean, padded);
    trial_output(trial, "inverse_deviation", layer.inverse_deviation, padded);
    trial_output(trial, "y", y, layer.floats);
}

enum { variants_of_batch_normalization_inference = 2 };  // in place
static void run_batch_normalization_inference(trial *trial, scenario_shape size, unsigned variant) {
    const size_t padded = recurrent_padded(size.units);
    const normalization layer = normalization_of(trial, size, false, padded, true);
    float *y = variant == result_in_place ? layer.x : trial_result(trial, layer.floats);
    FOR_PARTITIONS(trial)
    trial->kernels->batch_normalization_inference(&layer.shape, normalization_epsilon, layer.x,
                                                  layer.gamma, layer.beta, layer.mean,
                                                  layer.inverse_deviation, y, partition);
    trial_output(trial, "y", y, layer.floats);
}

enum { variants_of_batch_normalization_backward = 4 };  // whether rows are skipped; in place
static void run_batch_normalization_backward(trial *trial, scenario_shape size, unsigned variant) {
    const size_t padded = recurrent_padded(size.units);
    const normalization layer = normalization_of(trial, size, variant & 2, padded, true);
    float *dy = normalization_dy(trial, layer),
          *dx = variant & 1 ? dy : trial_result(trial, layer.floats);
    float *dgamma = trial_rows(trial, "dgamma", 1, size.units, padded),
          *dbeta = trial_rows(trial, "dbeta", 1, size.units, padded);
    FOR_PARTITIONS(trial)
    trial->kernels->batch_normalization_backward(&layer.shape, layer.valid, layer.x, layer.gamma,
                                                 layer.mean, layer.inverse_deviation, dy, dgamma,
                                                 dbeta, dx, partition);
    trial_output(trial, "dgamma", dgamma, padded);
    trial_output(trial, "dbeta", dbeta, padded);
    trial_output(trial, "dx", dx, layer.floats);
}

enum { variants_of_layer_normalization_forward = 1 };
static void run_layer_normalization_forward(trial *trial, scenario_shape size, unsigned variant) {
    (void)variant;
    const normalization layer = normalization_of(trial, size, false, size.rows, false);
    float *y = trial_result(trial, layer.floats);
    FOR_PARTITIONS(trial)
    trial->kernels->layer_normalization_forward(&layer.shape, normalization_epsilon, layer.x,
                                                layer.gamma, layer.beta, layer.mean,
                                                layer.inverse_deviation, y, partition);
    trial_output(trial, "mean", layer.mean, size.rows);
    trial_output(trial, "inverse_deviation", layer.inverse_deviation, size.rows);
    trial_output(trial, "y", y, layer.floats);
}

enum { variants_of_layer_normalization_backward_input = 2 };  // in place
static void run_layer_normalization_backward_input(trial *trial, scenario_shape size,
                                                   unsigned variant) {
    const normalization layer = normalization_of(trial, size, false, size.rows, true);
    float *dy = normalization_dy(trial, layer),
          *dx = variant == result_in_place ? dy : trial_result(trial, layer.floats);
    FOR_PARTITIONS(trial)
    trial->kernels->layer_normalization_backward_input(
        &layer.shape, layer.x, layer.gamma, layer.mean, layer.inverse_deviation, dy, dx, partition);
    trial_output(trial, "dx", dx, layer.floats);
}

enum { variants_of_layer_normalization_backward_parameters = 1 };
static void run_layer_normalization_backward_parameters(trial *trial, scenario_shape size,
                                                        unsigned variant) {
    (void)variant;
    const size_t padded = recurrent_padded(size.units);
    const normalization layer = normalization_of(trial, size, false, size.rows, true);
    const float *dy = normalization_dy(trial, layer);
    float *dgamma = trial_rows(trial, "dgamma", 1, size.units, padded),
          *dbeta = trial_rows(trial, "dbeta", 1, size.units, padded);
    FOR_PARTITIONS(trial)
    trial->kernels->layer_normalization_backward_parameters(
        &layer.shape, layer.x, layer.mean, layer.inverse_deviation, dy, dgamma, dbeta, partition);
    trial_output(trial, "dgamma", dgamma, padded);
    trial_output(trial, "dbeta", dbeta, padded);
}
