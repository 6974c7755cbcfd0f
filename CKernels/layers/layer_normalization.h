// Layer normalization: over the units of a row.

/// BODY(count, n, …) for the vectors of a row of so many units: `count` of the 16 units from n on,
/// a constant but for the last vector.
#define FOR_ROW_VECTORS(units, BODY, ...)                                     \
    do {                                                                      \
        size_t n = 0;                                                         \
        for (; n + LANES <= (units); n += LANES) BODY(LANES, n, __VA_ARGS__); \
        if (n < (units)) BODY((units) - n, n, __VA_ARGS__);                   \
    } while (0)

INLINE void layer_add(size_t count, size_t n, const float *x, lanes_double *sum) {
    *sum += lanes_widen(lanes_keep_first(count, lanes_load(x + n)));
}

INLINE void layer_add_square(size_t count, size_t n, const float *x, double center,
                             lanes_double *sum) {
    const lanes_double deviation = lanes_keep_first(count, lanes_widen(lanes_load(x + n)) - center);
    *sum += deviation * deviation;
}

INLINE double layer_mean(lanes_double sum, size_t units) {
    return lanes_sum_double(sum.lo + sum.hi) / (double)units;
}

INLINE void layer_normalize(size_t count, size_t n, const float *x, lanes mean, lanes inverse,
                            const float *gamma, const float *beta, float *y) {
    const lanes x_hat = normalized(lanes_load(x + n), mean, inverse);
    lanes_store(y + n, lanes_keep_first(
                           count, lanes_fma(x_hat, lanes_load(gamma + n), lanes_load(beta + n))));
}

static void layer_normalization_forward(const recurrent_rows_shape *shape, float epsilon,
                                        const float *x, const float *gamma, const float *beta,
                                        float *mean, float *inverse_deviation, float *y,
                                        recurrent_partition partition) NONBLOCKING {
    const size_t units = shape->units, stride = recurrent_padded(units);
    size_t first, end;
    partition_of(partition, shape->rows, &first, &end);
    for (size_t m = first; m < end; ++m) {
        const float *x_row = x + m * stride;
        lanes_double sum = 0, squares = 0;
        FOR_ROW_VECTORS(units, layer_add, x_row, &sum);
        const double center = layer_mean(sum, units);
        FOR_ROW_VECTORS(units, layer_add_square, x_row, center, &squares);
        const lanes row_mean = lanes_splat((float)center);
        const lanes inverse =
            normalization_inverse(lanes_splat((float)layer_mean(squares, units)), epsilon);
        mean[m] = row_mean[0];
        inverse_deviation[m] = inverse[0];
        FOR_ROW_VECTORS(units, layer_normalize, x_row, row_mean, inverse, gamma, beta,
                        y + m * stride);
    }
}

/// The sums of g = γ dy.
INLINE void layer_add_derivatives(size_t count, size_t n, const float *x, lanes mean, lanes inverse,
                                  const float *gamma, const float *dy, normalization_sums *sums) {
    normalization_add(sums, lanes_keep_first(count, lanes_load(gamma + n) * lanes_load(dy + n)),
                      lanes_keep_first(count, normalized(lanes_load(x + n), mean, inverse)));
}

INLINE void layer_derivative(size_t count, size_t n, const float *x, lanes mean, lanes inverse,
                             const float *gamma, const float *dy, lanes mean_g,
                             lanes minus_mean_g_x_hat, float *dx) {
    const lanes g = lanes_load(gamma + n) * lanes_load(dy + n),
                x_hat = normalized(lanes_load(x + n), mean, inverse);
    lanes_store(dx + n, lanes_keep_first(count, normalization_derivative(inverse, g, x_hat, mean_g,
                                                                         minus_mean_g_x_hat)));
}

// forward: y = γ x̂ + β, x̂ = (x - μ) / √(v + ε), where μ and v are means over the units too
static void layer_normalization_backward_input(const recurrent_rows_shape *shape, const float *x,
                                               const float *gamma, const float *mean,
                                               const float *inverse_deviation, const float *dy,
                                               float *dx,
                                               recurrent_partition partition) NONBLOCKING {
    const size_t units = shape->units, stride = recurrent_padded(units);
    size_t first, end;
    partition_of(partition, shape->rows, &first, &end);
    for (size_t m = first; m < end; ++m) {
        const float *x_row = x + m * stride, *dy_row = dy + m * stride;
        const lanes center = lanes_splat(mean[m]), inverse = lanes_splat(inverse_deviation[m]);
        normalization_sums sums = {0};
        FOR_ROW_VECTORS(units, layer_add_derivatives, x_row, center, inverse, gamma, dy_row, &sums);
        const lanes mean_g = lanes_splat((float)layer_mean(sums.dbeta, units));
        const lanes minus_mean_g_x_hat = lanes_splat((float)-layer_mean(sums.dgamma, units));
        FOR_ROW_VECTORS(units, layer_derivative, x_row, center, inverse, gamma, dy_row, mean_g,
                        minus_mean_g_x_hat, dx + m * stride);
    }
}

// forward: y = γ x̂ + β
static void layer_normalization_backward_parameters(const recurrent_rows_shape *shape,
                                                    const float *x, const float *mean,
                                                    const float *inverse_deviation, const float *dy,
                                                    float *dgamma, float *dbeta,
                                                    recurrent_partition partition) NONBLOCKING {
    const size_t stride = recurrent_padded(shape->units);
    size_t first, end;
    partition_of(partition, recurrent_panels(shape->units), &first, &end);
    for (size_t at = first * LANES; at < end * LANES; at += LANES) {
        normalization_sums sums = {0};
        for (size_t m = 0; m < shape->rows; ++m) {
            const lanes x_hat = normalized(lanes_load(x + m * stride + at), lanes_splat(mean[m]),
                                           lanes_splat(inverse_deviation[m]));
            normalization_add(&sums, lanes_load(dy + m * stride + at), x_hat);
        }
        normalization_add_gradient(&sums, shape->units - at, dgamma + at, dbeta + at);
    }
}
