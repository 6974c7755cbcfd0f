// Batch normalization and layer normalization. Means, variances and the sums of the backward pass
// are in double, a unit's or a row's values in one order, and each is rounded once to float: no
// error grows with the number of rows or units.

/// x̂ = (x - μ) / √(v + ε)
INLINE lanes normalized(lanes x, lanes mean, lanes inverse_deviation) {
    return (x - mean) * inverse_deviation;
}

/// 1 / √(v + ε)
INLINE lanes normalization_inverse(lanes variance, float epsilon) {
    return lanes_splat(1) / lanes_sqrt(variance + lanes_splat(epsilon));
}

/// dx = factor (g - mean of g - x̂ mean of g x̂), where factor is γ's and the deviation's
INLINE lanes normalization_derivative(lanes factor, lanes g, lanes x_hat, lanes mean_g,
                                      lanes minus_mean_g_x_hat) {
    return factor * lanes_fma(x_hat, minus_mean_g_x_hat, g - mean_g);
}

/// Whether a row counts.
INLINE int normalization_valid(const int32_t *valid, size_t row) { return !valid || valid[row]; }

INLINE size_t normalization_valid_rows(const int32_t *valid, size_t rows) {
    size_t count = 0;
    for (size_t m = 0; m < rows; ++m) count += normalization_valid(valid, m) ? 1 : 0;
    return count;
}

/// Σ dy x̂ and Σ dy of 16 units, over the rows that count.
typedef struct {
    lanes_double dgamma, dbeta;
} normalization_sums;

INLINE void normalization_add(normalization_sums *sums, lanes dy, lanes x_hat) {
    sums->dgamma +=
        lanes_widen(dy) * lanes_widen(x_hat);  // the product of two floats is exact in double
    sums->dbeta += lanes_widen(dy);
}

INLINE void normalization_add_gradient(const normalization_sums *sums, size_t units, float *dgamma,
                                       float *dbeta) {
    lanes_store(dgamma, lanes_keep_first(units, lanes_load(dgamma) + lanes_narrow(sums->dgamma)));
    lanes_store(dbeta, lanes_keep_first(units, lanes_load(dbeta) + lanes_narrow(sums->dbeta)));
}
