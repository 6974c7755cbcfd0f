// Batch normalization: over the rows that are valid.

/// Panels that are worked on side by side, because what lies in a row is read faster the longer it
/// is, and sums hide each other's latency: as many as the stack has room for where they are sums in
/// double.
#define BATCH_PANELS 4
#define BATCH_SUMS 2

/// The rows of a batch, and the first panel of those that are worked on.
typedef struct {
    size_t rows, stride, at, units;
    const int32_t *valid;
} batch_panels;

INLINE batch_panels batch_panels_of(const recurrent_rows_shape *shape, const int32_t *valid,
                                    size_t panel) {
    const size_t at = panel * LANES;
    return (batch_panels){.rows = shape->rows,
                          .stride = recurrent_padded(shape->units),
                          .at = at,
                          .units = shape->units - at,
                          .valid = valid};
}

/// BODY(P, …) for the panels [first, end), P at a time and then one; `panel` is the first one.
#define FOR_BATCH_PANELS(P, first, end, BODY, ...)                       \
    do {                                                                 \
        size_t panel = (first);                                          \
        for (; panel + (P) <= (end); panel += (P)) BODY(P, __VA_ARGS__); \
        for (; panel < (end); ++panel) BODY(1, __VA_ARGS__);             \
    } while (0)

/// The means and deviations of P panels over their rows; the running averages follow.
INLINE void batch_moments(const int P, const batch_panels panels, size_t count, float epsilon,
                          float momentum, recurrent_variance estimate, const float *x,
                          float *running_mean, float *running_variance, float *mean,
                          float *inverse_deviation) {
    // Without rows nothing is averaged, and of a single one the unbiased variance is taken to be
    // zero.
    const double divisor = count > 0 ? (double)count : 1;
    const double running_divisor = estimate == recurrent_variance_biased ? divisor
                                   : count > 1                           ? (double)count - 1
                                                                         : 1;
    const average_terms average =
        average_terms_of(count > 0 ? momentum : 0, count > 0 ? momentum : 0);
    lanes_double center[BATCH_SUMS], squares[BATCH_SUMS];
    FOR_EACH(p, P) center[p] = squares[p] = 0;
    for (size_t m = 0, row = panels.at; m < panels.rows; ++m, row += panels.stride)
        if (normalization_valid(panels.valid, m))
            FOR_EACH(p, P) center[p] += lanes_widen(lanes_load(x + row + p * LANES));
    FOR_EACH(p, P) center[p] /= divisor;
    for (size_t m = 0, row = panels.at; m < panels.rows; ++m, row += panels.stride)
        if (normalization_valid(panels.valid, m))
            FOR_EACH(p, P) {
                const lanes_double deviation =
                    lanes_widen(lanes_load(x + row + p * LANES)) - center[p];
                squares[p] += deviation * deviation;
            }
    FOR_EACH(p, P) {
        const size_t at = panels.at + p * LANES, units = panels.units - p * LANES;
        const lanes batch_mean = lanes_narrow(center[p]),
                    inverse = normalization_inverse(lanes_narrow(squares[p] / divisor), epsilon);
        const lanes new_mean = average_moment(average, lanes_load(running_mean + at), batch_mean);
        const lanes new_variance = average_moment(average, lanes_load(running_variance + at),
                                                  lanes_narrow(squares[p] / running_divisor));
        lanes_store(mean + at, lanes_keep_first(units, batch_mean));
        lanes_store(inverse_deviation + at, lanes_keep_first(units, inverse));
        lanes_store(running_mean + at, lanes_keep_first(units, new_mean));
        lanes_store(running_variance + at, lanes_keep_first(units, new_variance));
    }
}

OUTLINED void batch_moments_of(const recurrent_rows_shape *shape, const int32_t *valid,
                               size_t first, size_t end, float epsilon, float momentum,
                               recurrent_variance estimate, const float *x, float *running_mean,
                               float *running_variance, float *mean,
                               float *inverse_deviation) NONBLOCKING {
    const size_t count = normalization_valid_rows(valid, shape->rows);
    FOR_BATCH_PANELS(BATCH_SUMS, first, end, batch_moments, batch_panels_of(shape, valid, panel),
                     count, epsilon, momentum, estimate, x, running_mean, running_variance, mean,
                     inverse_deviation);
}

/// What y = (x - μ) scale + β takes of a panel.
typedef struct {
    lanes mean, scale, beta;
} batch_terms;

/// Rows [first, end) of P panels; zero where they do not count.
INLINE void batch_normalize(const int P, const batch_panels panels, size_t first, size_t end,
                            const batch_terms *terms, const float *x, float *y) {
    for (size_t m = first, row = first * panels.stride + panels.at; m < end;
         ++m, row += panels.stride) {
        const int valid = normalization_valid(panels.valid, m);
        FOR_EACH(p, P) {
            lanes result = lanes_splat(0);
            if (valid) {
                result = lanes_fma(lanes_load(x + row + p * LANES) - terms[p].mean, terms[p].scale,
                                   terms[p].beta);
                result = lanes_keep_first(panels.units - p * LANES, result);
            }
            lanes_store(y + row + p * LANES, result);
        }
    }
}

/// The forward pass once the moments are known.
INLINE void batch_normalize_tape(const int P, const batch_panels panels, const float *x,
                                 const float *gamma, const float *beta, const float *mean,
                                 const float *inverse_deviation, float *y) {
    batch_terms terms[BATCH_PANELS];
    FOR_EACH(p, P) {
        const size_t at = panels.at + p * LANES;
        terms[p] = (batch_terms){lanes_load(mean + at),
                                 lanes_load(gamma + at) * lanes_load(inverse_deviation + at),
                                 lanes_load(beta + at)};
    }
    batch_normalize(P, panels, 0, panels.rows, terms, x, y);
}

OUTLINED void batch_normalize_tapes(const recurrent_rows_shape *shape, const int32_t *valid,
                                    size_t first, size_t end, const float *x, const float *gamma,
                                    const float *beta, const float *mean,
                                    const float *inverse_deviation, float *y) NONBLOCKING {
    FOR_BATCH_PANELS(BATCH_PANELS, first, end, batch_normalize_tape,
                     batch_panels_of(shape, valid, panel), x, gamma, beta, mean, inverse_deviation,
                     y);
}

static void batch_normalization_forward(const recurrent_rows_shape *shape, const int32_t *valid,
                                        float epsilon, float momentum, recurrent_variance estimate,
                                        const float *x, const float *gamma, const float *beta,
                                        float *running_mean, float *running_variance, float *mean,
                                        float *inverse_deviation, float *y,
                                        recurrent_partition partition) NONBLOCKING {
    size_t first, end;
    partition_of(partition, recurrent_panels(shape->units), &first, &end);
    batch_moments_of(shape, valid, first, end, epsilon, momentum, estimate, x, running_mean,
                     running_variance, mean, inverse_deviation);
    batch_normalize_tapes(shape, valid, first, end, x, gamma, beta, mean, inverse_deviation, y);
}

/// The forward pass with running averages, for rows [first, end).
INLINE void batch_normalize_running(const int P, const batch_panels panels, size_t first,
                                    size_t end, float epsilon, const float *x, const float *gamma,
                                    const float *beta, const float *running_mean,
                                    const float *running_variance, float *y) {
    batch_terms terms[BATCH_PANELS];
    FOR_EACH(p, P) {
        const size_t at = panels.at + p * LANES;
        const lanes inverse = normalization_inverse(lanes_load(running_variance + at), epsilon);
        terms[p] = (batch_terms){lanes_load(running_mean + at), lanes_load(gamma + at) * inverse,
                                 lanes_load(beta + at)};
    }
    batch_normalize(P, panels, first, end, terms, x, y);
}

static void batch_normalization_inference(const recurrent_rows_shape *shape, float epsilon,
                                          const float *x, const float *gamma, const float *beta,
                                          const float *running_mean, const float *running_variance,
                                          float *y, recurrent_partition partition) NONBLOCKING {
    size_t first, end;
    partition_of(partition, shape->rows, &first, &end);
    FOR_BATCH_PANELS(BATCH_PANELS, 0, recurrent_panels(shape->units), batch_normalize_running,
                     batch_panels_of(shape, 0, panel), first, end, epsilon, x, gamma, beta,
                     running_mean, running_variance, y);
}

/// What the gradient with respect to x takes of a panel, beside the tape: the means of dy and,
/// times -1, of dy x̂.
typedef struct {
    lanes mean_dy, minus_mean_dy_x_hat;
} batch_derivatives;

/// The gradients with respect to γ and β.
INLINE void batch_backward_parameters(const int P, const batch_panels panels, size_t count,
                                      const float *x, const float *mean,
                                      const float *inverse_deviation, const float *dy,
                                      float *dgamma, float *dbeta, batch_derivatives *derivatives) {
    const double divisor = count > 0 ? (double)count : 1;
    normalization_sums sums[BATCH_SUMS];
    lanes center[BATCH_SUMS], inverse[BATCH_SUMS];
    FOR_EACH(p, P) {
        center[p] = lanes_load(mean + panels.at + p * LANES);
        inverse[p] = lanes_load(inverse_deviation + panels.at + p * LANES);
        sums[p] = (normalization_sums){0};
    }
    for (size_t m = 0, row = panels.at; m < panels.rows; ++m, row += panels.stride)
        if (normalization_valid(panels.valid, m))
            FOR_EACH(p, P) {
                const lanes x_hat =
                    normalized(lanes_load(x + row + p * LANES), center[p], inverse[p]);
                normalization_add(&sums[p], lanes_load(dy + row + p * LANES), x_hat);
            }
    FOR_EACH(p, P) {
        const size_t at = panels.at + p * LANES;
        normalization_add_gradient(&sums[p], panels.units - p * LANES, dgamma + at, dbeta + at);
        derivatives[p] = (batch_derivatives){lanes_narrow(sums[p].dbeta / divisor),
                                             lanes_narrow(sums[p].dgamma / -divisor)};
    }
}

OUTLINED void batch_backward_parameters_of(int P, batch_panels panels, size_t count, const float *x,
                                           const float *mean, const float *inverse_deviation,
                                           const float *dy, float *dgamma, float *dbeta,
                                           batch_derivatives *derivatives) NONBLOCKING {
    if (P == BATCH_SUMS)
        batch_backward_parameters(BATCH_SUMS, panels, count, x, mean, inverse_deviation, dy, dgamma,
                                  dbeta, derivatives);
    else
        batch_backward_parameters(1, panels, count, x, mean, inverse_deviation, dy, dgamma, dbeta,
                                  derivatives);
}

/// The gradient with respect to x.
INLINE void batch_backward_input(const int P, const batch_panels panels, const float *x,
                                 const float *gamma, const float *mean,
                                 const float *inverse_deviation, const float *dy,
                                 const batch_derivatives *derivatives, float *dx) {
    lanes center[BATCH_SUMS], inverse[BATCH_SUMS], factor[BATCH_SUMS];
    FOR_EACH(p, P) {
        center[p] = lanes_load(mean + panels.at + p * LANES);
        inverse[p] = lanes_load(inverse_deviation + panels.at + p * LANES);
        factor[p] = lanes_load(gamma + panels.at + p * LANES) * inverse[p];
    }
    for (size_t m = 0, row = panels.at; m < panels.rows; ++m, row += panels.stride) {
        const int valid = normalization_valid(panels.valid, m);
        FOR_EACH(p, P) {
            const size_t at = row + p * LANES;
            lanes derivative = lanes_splat(0);
            if (valid) {
                const lanes x_hat = normalized(lanes_load(x + at), center[p], inverse[p]);
                derivative = normalization_derivative(factor[p], lanes_load(dy + at), x_hat,
                                                      derivatives[p].mean_dy,
                                                      derivatives[p].minus_mean_dy_x_hat);
                derivative = lanes_keep_first(panels.units - p * LANES, derivative);
            }
            lanes_store(dx + at, derivative);
        }
    }
}

OUTLINED void batch_backward_input_of(int P, batch_panels panels, const float *x,
                                      const float *gamma, const float *mean,
                                      const float *inverse_deviation, const float *dy,
                                      const batch_derivatives *derivatives, float *dx) NONBLOCKING {
    if (P == BATCH_SUMS)
        batch_backward_input(BATCH_SUMS, panels, x, gamma, mean, inverse_deviation, dy, derivatives,
                             dx);
    else batch_backward_input(1, panels, x, gamma, mean, inverse_deviation, dy, derivatives, dx);
}

// forward: y = γ x̂ + β, x̂ = (x - μ) / √(v + ε), where μ and v are means over the rows too
static void batch_normalization_backward(const recurrent_rows_shape *shape, const int32_t *valid,
                                         const float *x, const float *gamma, const float *mean,
                                         const float *inverse_deviation, const float *dy,
                                         float *dgamma, float *dbeta, float *dx,
                                         recurrent_partition partition) NONBLOCKING {
    const size_t count = normalization_valid_rows(valid, shape->rows);
    size_t panel, end;
    partition_of(partition, recurrent_panels(shape->units), &panel, &end);
    for (int P; panel < end; panel += (size_t)P) {
        P = end - panel < BATCH_SUMS ? 1 : BATCH_SUMS;
        const batch_panels panels = batch_panels_of(shape, valid, panel);
        batch_derivatives derivatives[BATCH_SUMS];
        batch_backward_parameters_of(P, panels, count, x, mean, inverse_deviation, dy, dgamma,
                                     dbeta, derivatives);
        batch_backward_input_of(P, panels, x, gamma, mean, inverse_deviation, dy, derivatives, dx);
    }
}
