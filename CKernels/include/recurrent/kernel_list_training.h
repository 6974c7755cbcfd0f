// The part of kernel_list.h with what is done with gradients: norms, penalties, updates. What
// stands there holds here.

RECURRENT_NONNULL_BEGIN

// MARK: norm.h, update.h

/// The squares of a gradient, for its global norm: Goodfellow, Bengio and Courville 2016, section
/// 10.11.1.
///   partial[b] = Σ x²   over the floats 4096 b ... 4096 b + 4095, in double: 32 running sums,
///       added by halves
///   x [count] in
///   partial [recurrent_squares_blocks(count)] out
///   No finite x overflows.
///   Partitions split the blocks.
KERNEL(sum_of_squares, (size_t count, const float *x, double *partial, recurrent_share share))

/// The norm whose squares are in `partial`: of one buffer, or of several whose partial sums lie one
/// after the other.
///   norm = √ Σ_b partial[b]   in ascending order
///   partial [blocks] in
///   norm [1] out: not finite where an x was not; then the caller leaves weights and moments alone.
KERNEL(global_norm, (size_t blocks, const double *partial, double *norm))

/// x = value: a gradient that is dropped, a moment at the start.
///   x [count] out
///   Partitions split x into runs of 16.
KERNEL(fill, (size_t count, float value, float *x, recurrent_share share))

// MARK: regularization.h

/// Parameter norm penalties as a part of the loss, L1 and L2: Goodfellow, Bengio and Courville
/// 2016, sections 7.1.1 and 7.1.2.
///   gradient += λ1 sign(p) + λ2 p, where sign(0) = 0
///   partial[b] = Σ λ1 |p| + λ2/2 p²   over the blocks of sum_of_squares
///   parameters p [count] in
///   gradient [count] in, out
///   partial [recurrent_squares_blocks(count)] out, in double.
///   So that nothing decays into subnormals, λ2 p is zero for |p| < 2^-100.
///   What is not finite stays so.
///   Partitions split the blocks, as those of sum_of_squares.
KERNEL(add_norm_penalty, (size_t count, double l1, double l2, const float *parameters,
                          float *gradient, double *partial, recurrent_share share))

// MARK: lbfgs.h

/// The inner products of L-BFGS: Nocedal and Wright 2006, algorithm 7.4.
///   partial[b] = Σ x y   over the blocks of sum_of_squares, in its order: for y = x it gives the
///       same bits
///   x, y [count] in, may overlap
///   partial [recurrent_squares_blocks(count)] out
///   Partitions split the blocks.
KERNEL(dot_product,
       (size_t count, const float *x, const float *y, double *partial, recurrent_share share))

/// Its sums of vectors.
///   z = a x + (b y)   the sum rounded once, a and b as floats
///   x, y [count] in
///   z [count] out, may be x or y.
///   Partitions split the buffers into runs of 16 floats.
KERNEL(linear_combination, (size_t count, double a, const float *x, double b, const float *y,
                            float *z, recurrent_share share))

// MARK: Optimizer updates
//
// Each is one pass over flat buffers of `count` floats, in the order of the parameters. In all of
// them
//   g = min(max(scale · gradient, -clip_value), clip_value)
//   then with decay into the gradient   g += λ p
//   gradient = 0
// parameters and gradient [count] in, out; every other buffer [count] in, out, zero before the
// first step unless said. So that nothing decays into subnormals, averages of gradients and
// momentum below 2^-100 become zero, with decay parameters too, and averages and sums of squares
// are 2^-120 at least. Where an average of squares is kept, clip_value is 2^63 at most. An infinite
// parameter stays as it is, but becomes NaN where λ p goes into the gradient. Partitions split the
// buffers into runs of 16 floats. η, μ, ρ … are in optimizers.h.

// MARK: sgd.h

/// Gradient descent; Polyak 1964; Sutskever, Martens, Dahl and Hinton 2013. Without buffer: p -= η
/// g. With it,
///   as buffer (PyTorch)   b = μ b + (1 - τ) g, b = g in the first step
///                         p -= η b; Nesterov: p -= η (g + μ b)
///   as velocity           b = μ b - η (1 - τ) g, likewise
///                         p += b; Nesterov: p += μ b - η g
///   buffer, or null for none (then μ is not read).
KERNEL(sgd_update, (size_t count, const recurrent_sgd *hyper, float *parameters, float *gradient,
                    float *RECURRENT_NULLABLE buffer, recurrent_share share))

// MARK: adagrad.h

/// Duchi, Hazan and Singer 2011.
///   s += g²      p -= η g / (√s + ε)      or, ε inside, η g / √(s + ε)
///   sum: s, filled by the caller with its initial value before the first step.
KERNEL(adagrad_update, (size_t count, const recurrent_adagrad *hyper, float *parameters,
                        float *gradient, float *sum, recurrent_share share))

// MARK: rmsprop.h

/// Hinton 2012, lecture 6e; centered: Graves 2013, equations 38 to 45.
///   v = ρ v + (1 - ρ) g²
///   m = ρ m + (1 - ρ) g, v̄ = max(v - m², 0)  (centered; otherwise v̄ = v)
///   d = g / (√v̄ + ε)  or, ε inside, g / √(v̄ + ε)      p -= η d
///   with momentum, as buffer (PyTorch)   b = μ b + d, p -= η b
///                  as velocity (Keras)   b = μ b - η d, p += b
///   square: v; mean: m, or null where not centered; buffer: b, or null for no momentum.
KERNEL(rmsprop_update, (size_t count, const recurrent_rmsprop *hyper, float *parameters,
                        float *gradient, float *square, float *RECURRENT_NULLABLE mean,
                        float *RECURRENT_NULLABLE buffer, recurrent_share share))

// MARK: adadelta.h

/// Zeiler 2012, algorithm 1, with a learning rate.
///   v = ρ v + (1 - ρ) g²      d = √((u + ε) / (v + ε)) g      u = ρ u + (1 - ρ) d²      p -= η d
///   square: v; step_square: u. |g| up to 2^50 for ε = 1e-6: beyond it the quotient is subnormal.
KERNEL(adadelta_update, (size_t count, const recurrent_adadelta *hyper, float *parameters,
                         float *gradient, float *square, float *step_square, recurrent_share share))

// MARK: adam.h

/// Kingma and Ba 2015, algorithm 1; AdamW: Loshchilov and Hutter 2019; AMSGrad: Reddi, Kale and
/// Kumar 2018.
///   m = β1 m + (1 - β1) g
///   v = β2 v + (1 - β2) g²
///   AMSGrad: w = max(w, v), then w instead of v
///   m̂ = m / (1 - β1^t)         v̂ = v / (1 - β2^t)          decoupled decay: p *= 1 - η λ first
///   p -= η m̂ / (√v̂ + ε), or, ε inside, η m̂ / √(v̂ + ε),
///        or, ε uncorrected, η √(1 - β2^t) m̂ / (√v + ε)
///   first: m; second: v; largest: w, or null for no AMSGrad.
KERNEL(adam_update,
       (size_t count, const recurrent_adam *hyper, float *parameters, float *gradient, float *first,
        float *second, float *RECURRENT_NULLABLE largest, recurrent_share share))

// MARK: nadam.h

/// Dozat 2016, as PyTorch has it.
///   m = β1 m + (1 - β1) g
///   v = β2 v + (1 - β2) g²
///   μ_t = β1 (1 - 0.96^(t ψ) / 2)   Π_t = μ_1 μ_2 … μ_t   decoupled decay: p *= 1 - η λ first
///   d = (1 - μ_t) / (1 - Π_t) g + μ_t+1 / (1 - Π_t+1) m
///   p -= η d / (√(v / (1 - β2^t)) + ε)
///   first: m; second: v. |d| below 2^-100 counts as zero.
KERNEL(nadam_update, (size_t count, const recurrent_nadam *hyper, float *parameters,
                      float *gradient, float *first, float *second, recurrent_share share))

// MARK: radam.h

/// Liu, Jiang, He, Chen, Liu, Gao and Han 2020, algorithm 2, as PyTorch has it.
///   m = β1 m + (1 - β1) g
///   v = β2 v + (1 - β2) g²
///   m̂ = m / (1 - β1^t)      decoupled decay: p *= 1 - η λ first
///   p -= η r m̂ √(1 - β2^t) / (√v + ε), or, while r is zero, η m̂
///   first: m; second: v.
KERNEL(radam_update, (size_t count, const recurrent_radam *hyper, float *parameters,
                      float *gradient, float *first, float *second, recurrent_share share))

// MARK: adamax.h

/// Kingma and Ba 2015, algorithm 2, with PyTorch's ε.
///   m = β1 m + (1 - β1) g
///   u = max(β2 u, |g| + ε), at least 2^-120
///   p -= η / (1 - β1^t) m / u
///   first: m; largest: u. clip_value may be any: no gradient is squared.
KERNEL(adamax_update, (size_t count, const recurrent_adamax *hyper, float *parameters,
                       float *gradient, float *first, float *largest, recurrent_share share))

RECURRENT_NONNULL_END
