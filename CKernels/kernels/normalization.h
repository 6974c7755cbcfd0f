// Batch normalization and layer normalization. Means, variances and the sums of the backward pass are in double, a unit's or a row's
// values in one order, and each is rounded once to float: no error grows with the number of rows or units.

typedef double lanes_double __attribute__((ext_vector_type(LANES)));
typedef int64_t lanes_long __attribute__((ext_vector_type(LANES)));

INLINE lanes_double lanes_widen(lanes x) { return __builtin_convertvector(x, lanes_double); }
INLINE lanes lanes_narrow(lanes_double x) { return __builtin_convertvector(x, lanes); }
INLINE lanes_double lanes_keep_first(size_t count, lanes_double x) {
    return __builtin_convertvector(lanes_first(count), lanes_long) ? x : (lanes_double)(0);
}

/// x̂ = (x - μ) / √(v + ε)
INLINE lanes normalized(lanes x, lanes mean, lanes inverse_deviation) { return (x - mean) * inverse_deviation; }

/// 1 / √(v + ε)
INLINE lanes normalization_inverse(lanes variance, float epsilon) { return lanes_splat(1) / lanes_sqrt(variance + lanes_splat(epsilon)); }

/// dx = factor (g - mean of g - x̂ mean of g x̂), where factor is γ's and the deviation's
INLINE lanes normalization_slope(lanes factor, lanes g, lanes x_hat, lanes mean_g, lanes minus_mean_g_x_hat) {
    return factor * lanes_fma(x_hat, minus_mean_g_x_hat, g - mean_g);
}

/// Whether a row counts.
INLINE int normalization_live(const int32_t *live, size_t row) { return !live || live[row]; }

INLINE size_t normalization_live_rows(const int32_t *live, size_t rows) {
    size_t count = 0;
    for (size_t m = 0; m < rows; ++m) count += normalization_live(live, m) ? 1 : 0;
    return count;
}

/// Σ dy x̂ and Σ dy of 16 units, over the rows that count.
typedef struct { lanes_double dgamma, dbeta; } normalization_sums;

INLINE void normalization_add(normalization_sums *sums, lanes dy, lanes x_hat) {
    sums->dgamma += lanes_widen(dy) * lanes_widen(x_hat);  // the product of two floats is exact in double
    sums->dbeta += lanes_widen(dy);
}

INLINE void normalization_add_gradient(const normalization_sums *sums, size_t units, float *dgamma, float *dbeta) {
    lanes_store(dgamma, lanes_keep_first(units, lanes_load(dgamma) + lanes_narrow(sums->dgamma)));
    lanes_store(dbeta, lanes_keep_first(units, lanes_load(dbeta) + lanes_narrow(sums->dbeta)));
}

// MARK: Batch normalization

/// y = (x - μ) γ / √(v + ε) + β for the first `units` of 16 units, in rows [first, end) that lie `stride` floats apart; zero in rows that do
/// not count.
INLINE void batch_normalize(size_t units, size_t first, size_t end, size_t stride, const int32_t *live, lanes mean, lanes scale, lanes beta,
                            const float *x, float *y) {
    for (size_t m = first; m < end; ++m) {
        if (normalization_live(live, m))
            lanes_store(y + m * stride, lanes_keep_first(units, lanes_fma(lanes_load(x + m * stride) - mean, scale, beta)));
        else lanes_store(y + m * stride, lanes_splat(0));
    }
}

static void batch_normalization_forward(const recurrent_rows_shape *shape, const int32_t *live, float epsilon, float momentum, const float *x,
                                        const float *gamma, const float *beta, float *running_mean, float *running_variance, float *mean,
                                        float *inverse_deviation, float *y, recurrent_share share) NONBLOCKING {
    const size_t rows = shape->rows, stride = recurrent_padded(shape->units), count = normalization_live_rows(live, rows);
    // Without rows nothing is averaged, and of a single one the unbiased variance is taken to be zero.
    const double divisor = count > 0 ? (double)count : 1, unbiased = count > 1 ? (double)count - 1 : 1;
    const average_terms average = average_terms_of(count > 0 ? momentum : 0, count > 0 ? momentum : 0);
    size_t first, end;
    share_of(share, recurrent_panels(shape->units), &first, &end);
    for (size_t at = first * LANES; at < end * LANES; at += LANES) {
        const size_t units = shape->units - at;
        lanes_double sum = 0, squares = 0;
        for (size_t m = 0; m < rows; ++m)
            if (normalization_live(live, m)) sum += lanes_widen(lanes_load(x + m * stride + at));
        const lanes_double center = sum / divisor;
        for (size_t m = 0; m < rows; ++m)
            if (normalization_live(live, m)) {
                const lanes_double deviation = lanes_widen(lanes_load(x + m * stride + at)) - center;
                squares += deviation * deviation;
            }
        const lanes batch_mean = lanes_narrow(center), inverse = normalization_inverse(lanes_narrow(squares / divisor), epsilon);
        const lanes new_mean = average_moment(average, lanes_load(running_mean + at), batch_mean);
        const lanes new_variance = average_moment(average, lanes_load(running_variance + at), lanes_narrow(squares / unbiased));
        lanes_store(mean + at, lanes_keep_first(units, batch_mean));
        lanes_store(inverse_deviation + at, lanes_keep_first(units, inverse));
        lanes_store(running_mean + at, lanes_keep_first(units, new_mean));
        lanes_store(running_variance + at, lanes_keep_first(units, new_variance));
        batch_normalize(units, 0, rows, stride, live, batch_mean, lanes_load(gamma + at) * inverse, lanes_load(beta + at), x + at, y + at);
    }
}

static void batch_normalization_inference(const recurrent_rows_shape *shape, float epsilon, const float *x, const float *gamma,
                                          const float *beta, const float *running_mean, const float *running_variance, float *y,
                                          recurrent_share share) NONBLOCKING {
    const size_t stride = recurrent_padded(shape->units);
    size_t first, end;
    share_of(share, shape->rows, &first, &end);
    for (size_t at = 0; at < stride; at += LANES) {
        const lanes scale = lanes_load(gamma + at) * normalization_inverse(lanes_load(running_variance + at), epsilon);
        batch_normalize(shape->units - at, first, end, stride, 0, lanes_load(running_mean + at), scale, lanes_load(beta + at), x + at, y + at);
    }
}

// forward: y = γ x̂ + β, x̂ = (x - μ) / √(v + ε), where μ and v are means over the rows too
static void batch_normalization_backward(const recurrent_rows_shape *shape, const int32_t *live, const float *x, const float *gamma,
                                         const float *mean, const float *inverse_deviation, const float *dy, float *dgamma, float *dbeta,
                                         float *dx, recurrent_share share) NONBLOCKING {
    const size_t rows = shape->rows, stride = recurrent_padded(shape->units), count = normalization_live_rows(live, rows);
    const double divisor = count > 0 ? (double)count : 1;
    size_t first, end;
    share_of(share, recurrent_panels(shape->units), &first, &end);
    for (size_t at = first * LANES; at < end * LANES; at += LANES) {
        const size_t units = shape->units - at;
        const lanes center = lanes_load(mean + at), inverse = lanes_load(inverse_deviation + at);
        normalization_sums sums = {0};
        for (size_t m = 0, row = at; m < rows; ++m, row += stride)
            if (normalization_live(live, m))
                normalization_add(&sums, lanes_load(dy + row), normalized(lanes_load(x + row), center, inverse));
        normalization_add_gradient(&sums, units, dgamma + at, dbeta + at);
        const lanes factor = lanes_load(gamma + at) * inverse, mean_dy = lanes_narrow(sums.dbeta / divisor);
        const lanes minus_mean_dy_x_hat = lanes_narrow(sums.dgamma / -divisor);
        for (size_t m = 0, row = at; m < rows; ++m, row += stride) {
            lanes slope = lanes_splat(0);
            if (normalization_live(live, m)) {
                const lanes x_hat = normalized(lanes_load(x + row), center, inverse);
                slope = lanes_keep_first(units, normalization_slope(factor, lanes_load(dy + row), x_hat, mean_dy, minus_mean_dy_x_hat));
            }
            lanes_store(dx + row, slope);
        }
    }
}

// MARK: Layer normalization

static void layer_normalization_forward(const recurrent_rows_shape *shape, float epsilon, const float *x, const float *gamma,
                                        const float *beta, float *mean, float *inverse_deviation, float *y,
                                        recurrent_share share) NONBLOCKING {
    const size_t units = shape->units, stride = recurrent_padded(units);
    size_t first, end;
    share_of(share, shape->rows, &first, &end);
    for (size_t m = first; m < end; ++m) {
        const float *x_row = x + m * stride;
        float *y_row = y + m * stride;
        lanes_double sum = 0, squares = 0;
        for (size_t n = 0; n < stride; n += LANES) sum += lanes_widen(lanes_keep_first(units - n, lanes_load(x_row + n)));
        const double center = lanes_sum_double(sum.lo + sum.hi) / (double)units;
        for (size_t n = 0; n < stride; n += LANES) {
            const lanes_double deviation = lanes_keep_first(units - n, lanes_widen(lanes_load(x_row + n)) - center);
            squares += deviation * deviation;
        }
        const lanes row_mean = lanes_splat((float)center);
        const lanes inverse = normalization_inverse(lanes_splat((float)(lanes_sum_double(squares.lo + squares.hi) / (double)units)), epsilon);
        mean[m] = row_mean[0];
        inverse_deviation[m] = inverse[0];
        for (size_t n = 0; n < stride; n += LANES) {
            const lanes x_hat = normalized(lanes_load(x_row + n), row_mean, inverse);
            lanes_store(y_row + n, lanes_keep_first(units - n, lanes_fma(x_hat, lanes_load(gamma + n), lanes_load(beta + n))));
        }
    }
}

// forward: y = γ x̂ + β, x̂ = (x - μ) / √(v + ε), where μ and v are means over the units too
static void layer_normalization_backward_input(const recurrent_rows_shape *shape, const float *x, const float *gamma, const float *mean,
                                               const float *inverse_deviation, const float *dy, float *dx,
                                               recurrent_share share) NONBLOCKING {
    const size_t units = shape->units, stride = recurrent_padded(units);
    size_t first, end;
    share_of(share, shape->rows, &first, &end);
    for (size_t m = first; m < end; ++m) {
        const float *x_row = x + m * stride, *dy_row = dy + m * stride;
        const lanes center = lanes_splat(mean[m]), inverse = lanes_splat(inverse_deviation[m]);
        normalization_sums sums = {0};  // of g = γ dy
        for (size_t n = 0; n < stride; n += LANES)
            normalization_add(&sums, lanes_keep_first(units - n, lanes_load(gamma + n) * lanes_load(dy_row + n)),
                              lanes_keep_first(units - n, normalized(lanes_load(x_row + n), center, inverse)));
        const lanes mean_g = lanes_splat((float)(lanes_sum_double(sums.dbeta.lo + sums.dbeta.hi) / (double)units));
        const lanes minus_mean_g_x_hat = lanes_splat((float)(lanes_sum_double(sums.dgamma.lo + sums.dgamma.hi) / -(double)units));
        for (size_t n = 0; n < stride; n += LANES) {
            const lanes g = lanes_load(gamma + n) * lanes_load(dy_row + n), x_hat = normalized(lanes_load(x_row + n), center, inverse);
            lanes_store(dx + m * stride + n, lanes_keep_first(units - n, normalization_slope(inverse, g, x_hat, mean_g, minus_mean_g_x_hat)));
        }
    }
}

// forward: y = γ x̂ + β
static void layer_normalization_backward_parameters(const recurrent_rows_shape *shape, const float *x, const float *mean,
                                                    const float *inverse_deviation, const float *dy, float *dgamma, float *dbeta,
                                                    recurrent_share share) NONBLOCKING {
    const size_t stride = recurrent_padded(shape->units);
    size_t first, end;
    share_of(share, recurrent_panels(shape->units), &first, &end);
    for (size_t at = first * LANES; at < end * LANES; at += LANES) {
        normalization_sums sums = {0};
        for (size_t m = 0; m < shape->rows; ++m) {
            const lanes x_hat = normalized(lanes_load(x + m * stride + at), lanes_splat(mean[m]), lanes_splat(inverse_deviation[m]));
            normalization_add(&sums, lanes_load(dy + m * stride + at), x_hat);
        }
        normalization_add_gradient(&sums, shape->units - at, dgamma + at, dbeta + at);
    }
}
