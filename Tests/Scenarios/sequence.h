// Scenarios of sequence.h.

/// Rows read and written with floats between them, and units that begin a wider row.
static recurrent_sequence_shape sequence_shape(scenario_shape size, bool reversed, bool gap) {
    const size_t width = gap ? size.units : recurrent_padded(size.units);
    return (recurrent_sequence_shape){.steps = size.steps,
                                      .batch = size.rows,
                                      .units = size.units,
                                      .width = width,
                                      .x_stride = size.units + (gap ? 3 : 0),
                                      .y_stride = width + (gap ? 5 : 0),
                                      .reversed = reversed};
}

enum {
    variants_of_sequence_copy = 8,
    variants_of_add_sequence = 8
};  // reversed; rows end; floats between the rows
static void run_sequence(trial *trial, scenario_shape size, unsigned variant, bool adds) {
    const recurrent_sequence_shape shape = sequence_shape(size, variant & 1, variant & 4);
    const size_t *lengths = variant & 2 ? trial_lengths(trial, "lengths", size) : 0;
    float *x = trial_rows(trial, "x", size.steps * size.rows, size.units, shape.x_stride);
    forget_ended(size, lengths, x, shape.x_stride);
    float *y = trial_data(trial, "y", size.steps * size.rows * shape.y_stride);
    FOR_PARTITIONS(trial)
    (adds ? trial->kernels->add_sequence : trial->kernels->sequence_copy)(&shape, lengths, x, y,
                                                                          partition);
    trial_output(trial, "y", y, size.steps * size.rows * shape.y_stride);
}
static void run_sequence_copy(trial *trial, scenario_shape size, unsigned variant) {
    run_sequence(trial, size, variant, false);
}
static void run_add_sequence(trial *trial, scenario_shape size, unsigned variant) {
    run_sequence(trial, size, variant, true);
}

enum {
    variants_of_sequence_pool = 16,
    variants_of_sequence_pool_backward = 16
};  // mean; rows end; floats between the rows; reversed
static void run_sequence_pool(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_sequence_shape shape = sequence_shape(size, variant & 8, variant & 4);
    const size_t *lengths = variant & 2 ? trial_lengths(trial, "lengths", size) : 0;
    float *x = trial_rows(trial, "x", size.steps * size.rows, size.units, shape.x_stride);
    forget_ended(size, lengths, x, shape.x_stride);
    float *y = trial_data(trial, "y", size.rows * shape.y_stride);
    FOR_PARTITIONS(trial)
    trial->kernels->sequence_pool(&shape, (recurrent_sequence_pooling)(variant & 1), lengths, x, y,
                                  partition);
    trial_output(trial, "y", y, size.rows * shape.y_stride);
}
static void run_sequence_pool_backward(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_sequence_shape shape = sequence_shape(size, variant & 8, variant & 4);
    const size_t *lengths = variant & 2 ? trial_lengths(trial, "lengths", size) : 0;
    const float *dy = trial_rows(trial, "dy", size.rows, size.units, shape.x_stride);
    float *dx = trial_data(trial, "dx", size.steps * size.rows * shape.y_stride);
    FOR_PARTITIONS(trial)
    trial->kernels->sequence_pool_backward(&shape, (recurrent_sequence_pooling)(variant & 1),
                                           lengths, dy, dx, partition);
    trial_output(trial, "dx", dx, size.steps * size.rows * shape.y_stride);
}
