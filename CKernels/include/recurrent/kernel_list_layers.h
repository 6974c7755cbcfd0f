// The part of kernel_list.h with what lies around recurrent layers: other layers, and losses. What
// stands there holds here.

RECURRENT_NONNULL_BEGIN

// MARK: convolution.h
//
// Convolutions with any number of channels, stride, dilation and padding (as the field calls them:
// the kernel is not flipped): LeCun et al. 1989, "Backpropagation Applied to Handwritten Zip Code
// Recognition"; Goodfellow, Bengio and Courville 2016, equations 9.7 to 9.13. A sequence is an
// image of one row. Channels lie side by side: x [N][H][W][x_stride], y [N][H′][W′][16 ⌈C′/16⌉]; w
// [⌈C′/16⌉][1 + KH KW C][16]: bias, then a row for each kernel row, kernel column and channel, the
// last of which changes fastest. Taps outside the image are left out of the sums.

/// Forward: from the bias, kernel rows in ascending order, in them kernel columns, in them
/// channels.
///   y[n][i][j][m] = b[m] + Σ_k Σ_l Σ_c W[m][k][l][c] x[n][i s + k d - p][j s + l d - p][c], stride
///       s, dilation d, padding p of each axis
///   x, w in
///   y out
///   Partitions split images, rows or columns, whichever are most.
KERNEL(convolution_forward, (const recurrent_convolution_shape *shape, const float *x,
                             const float *w, float *y, recurrent_partition partition))

/// The copy of the weights that convolution_backward_input reads; to be made again whenever w has
/// changed.
///   transposed[k][l][q][m][lane] = W[m][k][l][16 q + lane], zero where 16 q + lane ≥ C
///   w in
///   transposed [KH][KW][⌈C/16⌉][16 ⌈C′/16⌉][16] out
///   Partitions split q.
KERNEL(convolution_transpose, (const recurrent_convolution_shape *shape, const float *w,
                               float *transposed, recurrent_partition partition))

/// The gradient with respect to the input: equation 9.13. Kernel rows in ascending order, in them
/// kernel columns, in them channels of y.
///   dx[n][i][j][c] = Σ_k Σ_l Σ_m W[m][k][l][c] dy[n][(i + p - k d) / s][(j + p - l d) / s][m],
///       over the quotients that are whole and inside
///   dy, transposed in
///   dx [N][H][W][16 ⌈C/16⌉] out
///   Partitions split images, rows or columns, whichever are most.
KERNEL(convolution_backward_input,
       (const recurrent_convolution_shape *shape, const float *dy, const float *transposed,
        float *dx, recurrent_partition partition))

/// The gradient with respect to the weights: equation 9.11. Images in ascending order, in them
/// rows, in them columns.
///   dW[m][k][l][c] += Σ_n Σ_i Σ_j x[n][i s + k d - p][j s + l d - p][c] dy[n][i][j][m]
///   db[m] += Σ_n Σ_i Σ_j dy[n][i][j][m]
///   x in
///   dy in, zero past the last channel
///   dw, as w, in, out
///   Partitions split dw.
KERNEL(convolution_backward_weights, (const recurrent_convolution_shape *shape, const float *x,
                                      const float *dy, float *dw, recurrent_partition partition))

// MARK: pooling.h
//
// Each channel by itself: Goodfellow, Bengio and Courville 2016, section 9.3. x [N][H][W][16
// ⌈C/16⌉], y [N][H′][W′][16 ⌈C/16⌉]. Taps outside the image are left out; a window without any
// other gives zero.

/// Forward, kernel rows in ascending order, in them kernel columns; where there are more than 256
/// taps, each 256 have a sum of their own.
///   y[n][i][j] = max_k max_l x[n][i s + k d - p][j s + l d - p], NaN where one is; their sum; or
///       their mean: the sum / (KH KW)
///   x in
///   y out
///   Partitions split images, rows or columns, whichever are most.
KERNEL(pooling_forward, (const recurrent_pooling_shape *shape, const float *x, float *y,
                         recurrent_partition partition))

/// The gradient with respect to the input, windows in ascending order.
///   dx of a tap += dy, or dy / (KH KW) for the mean; for the largest only the first tap of a
///       window that equals y, or is NaN where y is
///   x, y from pooling_forward in, not read but for the largest
///   dy as y in
///   dx as x out
///   Partitions split images and panels of channels.
KERNEL(pooling_backward, (const recurrent_pooling_shape *shape, const float *x, const float *y,
                          const float *dy, float *dx, recurrent_partition partition))

// MARK: activation.h
//
// A nonlinear function of each element, of a dense layer or any other. With one output and σ, a
// dense layer is the sigmoid neuron y = σ(w·x + b).

/// y[m][n] = f(x[m][n]); activations.h has each f.
///   parameter: of leaky_relu, in 0 ... 1, and of elu; not read for others
///   x [M][16 ⌈N/16⌉] in, any value past the last unit
///   y [M][16 ⌈N/16⌉] out, zero there; may be the same buffer
///   Errors as README.md states them. At ±∞ f is its limit. Partitions split the rows.
KERNEL(activation_forward,
       (const recurrent_rows_shape *shape, recurrent_activation activation, float parameter,
        const float *x, float *y, recurrent_partition partition))

/// Its gradient.
///   dx[m][n] = dy[m][n] f'(x[m][n]), where f has a bend the derivative of the flatter side
///   x, y [M][16 ⌈N/16⌉] in, any value past the last unit: x or y, whichever
///       recurrent_activation_reads_x says; the other is not read, and may be null
///   dy [M][16 ⌈N/16⌉] in, any value there
///   dx [M][16 ⌈N/16⌉] out, zero there; may be the buffer of dy, x or y
///   f' within 2^-22 of its value. Partitions split the rows.
KERNEL(activation_backward,
       (const recurrent_rows_shape *shape, recurrent_activation activation, float parameter,
        const float *RECURRENT_NULLABLE x, const float *RECURRENT_NULLABLE y, const float *dy,
        float *dx, recurrent_partition partition))

// MARK: batch_normalization.h, layer_normalization.h
//
// x̂ = (x - μ) / √(v + ε)      y = γ x̂ + β
// μ and v are the mean and the variance of x over the rows (batch normalization) or over the units
// of a row (layer normalization). Means, variances and the sums of gradients are in double, each
// rounded once. Rows are [M][16 ⌈N/16⌉], of which any value may stand past the last unit in what is
// read, and zero does in what is written; γ, β and whatever else has one number for each unit is
// [16 ⌈N/16⌉]. epsilon: ε, above 0; |x| up to 2^62.

/// Batch normalization in training: Ioffe and Szegedy 2015, algorithm 1.
///   μ[n] = 1/L Σ_m x[m][n]      v[n] = 1/L Σ_m (x[m][n] - μ[n])²      over the L rows that are
///       valid
///   running_mean += momentum (μ - running_mean)
///   running_variance += momentum (w - running_variance)
///   w[n] = v[n] L/(L - 1) of recurrent_variance_unbiased, v[n] of recurrent_variance_biased
///   valid [M] in, or null: a row where it is zero has no part in anything, whatever its x, and a y
///       of zero.
///   x in
///   gamma, beta in
///   running_mean, running_variance in, out, below 2^-100 zero; for L = 0 they stay, for L = 1 v is
///       zero.
///   mean, inverse_deviation 1/√(v + ε) out, the tape
///   y out
///   Partitions split the units, by 16.
KERNEL(batch_normalization_forward,
       (const recurrent_rows_shape *shape, const int32_t *RECURRENT_NULLABLE valid, float epsilon,
        float momentum, recurrent_variance estimate, const float *x, const float *gamma,
        const float *beta, float *running_mean, float *running_variance, float *mean,
        float *inverse_deviation, float *y, recurrent_partition partition))

/// Batch normalization with what was found in training: Ioffe and Szegedy 2015, algorithm 2.
///   μ = running_mean      v = running_variance
///   x in
///   y out, may be the same buffer.
///   Partitions split the rows.
KERNEL(batch_normalization_inference,
       (const recurrent_rows_shape *shape, float epsilon, const float *x, const float *gamma,
        const float *beta, const float *running_mean, const float *running_variance, float *y,
        recurrent_partition partition))

/// The gradient of batch_normalization_forward: Ioffe and Szegedy 2015, section 3.
///   dγ[n] += Σ_m dy[m][n] x̂[m][n]      dβ[n] += Σ_m dy[m][n]
///   dx[m][n] = γ[n]/√(v[n] + ε) (dy[m][n] - 1/L Σ_m dy[m][n] - x̂[m][n] 1/L Σ_m dy[m][n] x̂[m][n])
///   valid, x, gamma as in the forward pass
///   mean, inverse_deviation its tape
///   dy in, not read for rows that are not valid
///   dgamma, dbeta in, out
///   dx out, zero for such rows; may be the same buffer as dy.
///   Partitions split the units, by 16.
KERNEL(batch_normalization_backward,
       (const recurrent_rows_shape *shape, const int32_t *RECURRENT_NULLABLE valid, const float *x,
        const float *gamma, const float *mean, const float *inverse_deviation, const float *dy,
        float *dgamma, float *dbeta, float *dx, recurrent_partition partition))

/// Layer normalization: Ba, Kiros and Hinton 2016, equations 3 and 4.
///   μ[m] = 1/N Σ_n x[m][n]      v[m] = 1/N Σ_n (x[m][n] - μ[m])²
///   x in
///   gamma, beta in
///   mean, inverse_deviation 1/√(v + ε) [M] out, the tape
///   y out
///   Partitions split the rows.
KERNEL(layer_normalization_forward,
       (const recurrent_rows_shape *shape, float epsilon, const float *x, const float *gamma,
        const float *beta, float *mean, float *inverse_deviation, float *y,
        recurrent_partition partition))

/// The gradient of layer_normalization_forward by its input.
///   dx[m][n] = 1/√(v[m] + ε) (g[m][n] - 1/N Σ_n g[m][n] - x̂[m][n] 1/N Σ_n g[m][n] x̂[m][n]), g =
///       γ dy
///   x, gamma as in the forward pass
///   mean, inverse_deviation its tape
///   dy in
///   dx out, may be the same buffer as dy.
///   Partitions split the rows.
KERNEL(layer_normalization_backward_input,
       (const recurrent_rows_shape *shape, const float *x, const float *gamma, const float *mean,
        const float *inverse_deviation, const float *dy, float *dx, recurrent_partition partition))

/// The gradient of layer_normalization_forward by γ and β, rows in ascending order.
///   dγ[n] += Σ_m dy[m][n] x̂[m][n]      dβ[n] += Σ_m dy[m][n]
///   x, mean, inverse_deviation, dy as above
///   dgamma, dbeta in, out
///   Partitions split the units, by 16.
KERNEL(layer_normalization_backward_parameters,
       (const recurrent_rows_shape *shape, const float *x, const float *mean,
        const float *inverse_deviation, const float *dy, float *dgamma, float *dbeta,
        recurrent_partition partition))
// MARK: sequence.h
//
// Around recurrent layers. lengths [B] in, or null: n_b = min(lengths[b], T) are the steps of
// sequence b. Of each row of `width` floats the first N are its units, the others zero.

/// A copy, in time or, `reversed`, against it: what the second direction of a bidirectional layer
/// reads and gives (Schuster and Paliwal 1997).
///   y[t][b] = x[t][b], or x[n_b - 1 - t][b]; zero for t ≥ n_b
///   x [T][B][x_stride] in, N floats of each row
///   y [T][B][y_stride] out, `width` floats of each row.
///   Partitions split the rows of y.
KERNEL(sequence_copy,
       (const recurrent_sequence_shape *shape, const size_t *RECURRENT_NULLABLE lengths,
        const float *x, float *y, recurrent_partition partition))

/// The same, added: y[t][b] += x[t][b], or x[n_b - 1 - t][b]; y in, out.
KERNEL(add_sequence,
       (const recurrent_sequence_shape *shape, const size_t *RECURRENT_NULLABLE lengths,
        const float *x, float *y, recurrent_partition partition))

/// One row of each sequence, for an answer to the whole of it.
///   last   y[b] = x[n_b - 1][b], or, `reversed`, x[0][b]
///   mean   y[b] = Σ_t x[t][b] / n_b, the sum in double,
///   steps in ascending order; zero where n_b = 0
///   x [T][B][x_stride] in, N floats of each row
///   y [B][y_stride] out, `width` floats of each row.
///   Partitions split b.
KERNEL(sequence_pool, (const recurrent_sequence_shape *shape, recurrent_sequence_pooling pooling,
                       const size_t *RECURRENT_NULLABLE lengths, const float *x, float *y,
                       recurrent_partition partition))

/// The gradient with respect to the steps.
///   last   dx[n_b - 1][b], or dx[0][b], = dy[b], zero elsewhere
///   mean   dx[t][b] = dy[b] / n_b, zero for t ≥ n_b
///   dy [B][x_stride] in, N floats of each row
///   dx [T][B][y_stride] out, `width` floats of each row.
///   Partitions split b.
KERNEL(sequence_pool_backward,
       (const recurrent_sequence_shape *shape, recurrent_sequence_pooling pooling,
        const size_t *RECURRENT_NULLABLE lengths, const float *dy, float *dx,
        recurrent_partition partition))

// MARK: embedding.h
//
// Vectors of a vocabulary: Bengio, Ducharme, Vincent and Jauvin 2003, "A Neural Probabilistic
// Language Model", section 2. An index outside 0 ..< V is padding.

/// The vectors of some indices.
///   y[m] = table[index[m]], zero for padding
///   table [V][16 ⌈E/16⌉] in
///   indices [M] in
///   y [M][16 ⌈E/16⌉] out
///   Partitions split the rows.
KERNEL(embedding_forward, (const recurrent_embedding_shape *shape, const float *table,
                           const int32_t *indices, float *y, recurrent_partition partition))

/// The gradient with respect to the table, rows in ascending order; where there are more than 8192
/// rows, those of an index in each 256 of them have a sum of their own, which is added to dtable.
///   dtable[v] += Σ_{m: index[m] = v} dy[m]
///   indices as in embedding_forward
///   dy [M][16 ⌈E/16⌉] in, not read for padding
///   dtable [V][16 ⌈E/16⌉] in, out
///   Partitions split the columns, by 16.
KERNEL(embedding_backward, (const recurrent_embedding_shape *shape, const int32_t *indices,
                            const float *dy, float *dtable, recurrent_partition partition))

// MARK: softmax.h

/// The probabilities of N classes: Goodfellow, Bengio and Courville 2016, equation 6.29. Each
/// 16,384 classes have a sum of their own.
///   p[m][n] = exp(z[m][n] - max_k z[m][k]) / Σ_k exp(z[m][k] - max_k z[m][k])
///   logits z [M][16 ⌈N/16⌉] in, any value past the last class
///   probabilities p [M][16 ⌈N/16⌉] out, zero there; may be the same buffer.
///   A logit more than 64 below the largest, or -∞, is a probability of zero; a row with a NaN, a
///       +∞ or nothing but -∞ becomes NaN.
///   Partitions split the rows.
KERNEL(softmax, (const recurrent_rows_shape *shape, const float *logits, float *probabilities,
                 recurrent_partition partition))

/// The gradient of softmax: its Jacobian diag(p) - p pᵀ, which is symmetric, times dp.
///   dz[m][n] = p[m][n] (dp[m][n] - Σ_k p[m][k] dp[m][k])
///   probabilities p, dprobabilities dp [M][16 ⌈N/16⌉] in, any value past the last class
///   dlogits dz [M][16 ⌈N/16⌉] out, zero there; may be the buffer of p or of dp.
///   Partitions split the rows.
KERNEL(softmax_backward,
       (const recurrent_rows_shape *shape, const float *probabilities, const float *dprobabilities,
        float *dlogits, recurrent_partition partition))

/// Softmax and cross-entropy, and its gradient: Goodfellow, Bengio and Courville 2016, equation
/// 6.30.
///   loss[m] = log Σ_k exp(z[m][k]) - z[m][target[m]]
///   dz[m][n] = scale (p[m][n] - [n = target[m]])
///   logits z as in softmax
///   targets [M] in, where a target outside 0 ..< N makes its row's loss and gradient zero,
///       whatever its logits
///   losses [M] out, in nats, never negative
///   dlogits dz [M][16 ⌈N/16⌉] out, zero past the last class, or null; may be the same buffer as
///       logits.
///   Partitions split the rows.
KERNEL(softmax_cross_entropy,
       (const recurrent_rows_shape *shape, const float *logits, const int32_t *targets, float scale,
        float *losses, float *RECURRENT_NULLABLE dlogits, recurrent_partition partition))

// MARK: losses.h
//
// Each is the mean over the units of a row, in 16 sums; where there are more than 4096 units, each
// 4096 have sums of their own. y, targets [M][16 ⌈N/16⌉] in, any value past the last unit; valid
// [M] in, or null: a row where it is zero has a loss and a gradient of zero, whatever its y; losses
// [M] out; dy [M][16 ⌈N/16⌉] out, zero past the last unit, or null; may be the same buffer as y.
// Partitions split the rows.

/// The mean of the squared errors of a row, and its gradient: Goodfellow, Bengio and Courville
/// 2016, equation 5.4.
///   loss[m] = 1/N Σ_n (y[m][n] - target[m][n])²      dy[m][n] = scale 2/N (y[m][n] - target[m][n])
KERNEL(mean_squared_error, (const recurrent_rows_shape *shape, const float *y, const float *targets,
                            const int32_t *RECURRENT_NULLABLE valid, float scale, float *losses,
                            float *RECURRENT_NULLABLE dy, recurrent_partition partition))

/// The mean of the absolute errors of a row, and its gradient, the subgradient 0 where y is the
/// target.
///   loss[m] = 1/N Σ_n |y[m][n] - target[m][n]|      dy[m][n] = scale/N sign(y[m][n] -
///       target[m][n])
KERNEL(mean_absolute_error,
       (const recurrent_rows_shape *shape, const float *y, const float *targets,
        const int32_t *RECURRENT_NULLABLE valid, float scale, float *losses,
        float *RECURRENT_NULLABLE dy, recurrent_partition partition))

/// Squared near the target, absolute far from it: Huber 1964, "Robust estimation of a location
/// parameter".
///   loss[m] = 1/N Σ_n ρ(e), e = y[m][n] - target[m][n], ρ = e²/2 for |e| ≤ δ, δ (|e| - δ/2)
///       otherwise
///   dy[m][n] = scale/N min(max(e, -δ), δ)
///   delta: δ, finite and above 0.
KERNEL(huber_loss, (const recurrent_rows_shape *shape, const float *y, const float *targets,
                    const int32_t *RECURRENT_NULLABLE valid, float delta, float scale,
                    float *losses, float *RECURRENT_NULLABLE dy, recurrent_partition partition))

/// Binary cross-entropy of sigmoids, from their logits z: Goodfellow, Bengio and Courville 2016,
/// equations 6.24 to 6.26.
///   loss[m] = 1/N Σ_n max(z, 0) - z target[m][n] + log(1 + e^-|z|), z = z[m][n]
///   dz[m][n] = scale/N (σ(z) - target[m][n])
///   logits z, dlogits dz as y, dy
///   targets in 0 ... 1.
///   No loss is negative.
///   Beyond 64 in magnitude a logit is certain: e^-|z| is zero.
///   The loss of one that is NaN or infinite is NaN or infinite.
KERNEL(binary_cross_entropy,
       (const recurrent_rows_shape *shape, const float *logits, const float *targets,
        const int32_t *RECURRENT_NULLABLE valid, float scale, float *losses,
        float *RECURRENT_NULLABLE dlogits, recurrent_partition partition))

/// The sum of losses, to report: in double, in one order.
///   sum = Σ_m loss[m]
///   losses [count] in
///   sum [1] out
///   Not shared.
KERNEL(sum_losses, (size_t count, const float *losses, double *sum))

// MARK: dropout.h

/// Inverted dropout: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov 2014, section 10.
/// The gradient is the same call on dy: the mask is a function of (seed, counter, row, unit) and p,
/// and is never stored.
///   y[m][n] = x[m][n] / (1 - p) with probability 1 - p, else 0
///   bits[m][n] = word ⌊n/16⌋ mod 2 of Threefry(Threefry(seed, counter), (16 ⌊n/32⌋ + n mod 16, m))
///   dropped where bits, as a signed number, < p 2³² - 2³¹; Threefry(key, counter) is
///       Threefry-2x32-20, low words first
///   x [M][16 ⌈N/16⌉] in
///   y [M][16 ⌈N/16⌉] out, may be the same buffer
///   p = 0 copies. M, N < 2³². Partitions split the rows.
KERNEL(dropout, (const recurrent_rows_shape *shape, const recurrent_dropout *mask, const float *x,
                 float *y, recurrent_partition partition))

RECURRENT_NONNULL_END
