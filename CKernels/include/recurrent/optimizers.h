// All that is known in C of the optimizer updates: first the hyperparameters, then, where a list of
// kernels is made (kernel_list.h), their part of it. Hyperparameters are Doubles, rounded once by
// each kernel after everything that depends on them alone has been worked out; a zero enum is
// PyTorch's convention.
#ifndef RECURRENT_OPTIMIZERS_H
#define RECURRENT_OPTIMIZERS_H

#include <stdbool.h>
#include <stddef.h>

/// Floats per block of `sum_of_squares` and `add_norm_penalty`.
#define RECURRENT_SQUARES_BLOCK 4096

/// Partial sums that they write: ⌈count / 4096⌉.
static inline size_t recurrent_squares_blocks(size_t count) {
    return (count + RECURRENT_SQUARES_BLOCK - 1) / RECURRENT_SQUARES_BLOCK;
}

/// How a norm above the largest allowed one is brought down.
typedef enum recurrent_clip_convention {
    recurrent_clip_epsilon,  ///< most / (norm + 1e-6), at most 1: PyTorch
    /// most / norm where norm > most: the deep learning book, section 10.11.1
    recurrent_clip_exact,
} recurrent_clip_convention;

/// What to multiply the gradient by, so that its norm is at most `most`; NaN where the norm is NaN,
/// 0 where it is infinite.
static inline double recurrent_clip_coefficient(double norm, double most,
                                                recurrent_clip_convention convention) {
    const double against_zero = 1e-6;
    const double coefficient =
        most / (convention == recurrent_clip_epsilon ? norm + against_zero : norm);
    return coefficient > 1 || (convention == recurrent_clip_exact && norm <= most) ? 1
                                                                                   : coefficient;
}

/// What an update does to the gradient before anything else: g = min(max(scale · g, -clip_value),
/// clip_value).
typedef struct recurrent_gradient_rule {
    double scale;       ///< the caller's scale times the clip coefficient; 1 for none
    double clip_value;  ///< the largest magnitude; +∞ for none
} recurrent_gradient_rule;

/// Where a small ε keeps a root away from zero.
typedef enum recurrent_epsilon_place {
    recurrent_epsilon_outside,  ///< √v + ε; for Adam √v̂ + ε: PyTorch, Kingma and Ba's algorithm 1
    /// √(v + ε); for Adam √(v̂ + ε): Keras (but for Adam), the lecture notes
    recurrent_epsilon_inside,
    /// Adam: √v + ε̂, ε̂ not scaled by the bias correction: Keras, BNNS; else as outside
    recurrent_epsilon_uncorrected,
} recurrent_epsilon_place;

/// Where momentum has the learning rate.
typedef enum recurrent_momentum {
    recurrent_momentum_buffer,  ///< b = μ b + g, p -= η b: PyTorch
    /// b = μ b - η g, p += b: Polyak 1964, the deep learning book, Keras
    recurrent_momentum_velocity,
} recurrent_momentum;

/// Stochastic gradient descent, with momentum or without.
typedef struct recurrent_sgd {
    recurrent_gradient_rule gradient;
    double learning_rate;  ///< η
    double momentum;       ///< μ
    double dampening;      ///< τ; 0 for none
    double weight_decay;   ///< λ, into the gradient
    recurrent_momentum convention;
    bool nesterov;
    bool look_ahead;  ///< Nesterov's look-ahead form: parameters θ, gradient taken at θ + μ v
    bool first_step;  ///< b = g, without dampening, whatever b holds
} recurrent_sgd;

/// Lion.
typedef struct recurrent_lion {
    recurrent_gradient_rule gradient;
    double learning_rate;  ///< η
    double beta1, beta2;
    double weight_decay;  ///< λ, of the parameters
} recurrent_lion;

/// AdaGrad.
typedef struct recurrent_adagrad {
    recurrent_gradient_rule gradient;
    double learning_rate;  ///< η, with PyTorch's lr_decay worked in: η / (1 + (t - 1) decay)
    double epsilon;
    double weight_decay;  ///< λ, into the gradient
    recurrent_epsilon_place epsilon_place;
} recurrent_adagrad;

/// RMSProp.
typedef struct recurrent_rmsprop {
    recurrent_gradient_rule gradient;
    double learning_rate;  ///< η
    double decay;          ///< ρ (PyTorch's α)
    double epsilon;
    double momentum;      ///< μ
    double weight_decay;  ///< λ, into the gradient
    recurrent_epsilon_place epsilon_place;
    recurrent_momentum convention;
} recurrent_rmsprop;

/// AdaDelta.
typedef struct recurrent_adadelta {
    recurrent_gradient_rule gradient;
    double learning_rate;  ///< η; 1 in the paper
    double decay;          ///< ρ
    double epsilon;        ///< inside both roots; above 0
    double weight_decay;   ///< λ, into the gradient
} recurrent_adadelta;

/// Adam, AdamW (`decoupled`) and AMSGrad.
typedef struct recurrent_adam {
    recurrent_gradient_rule gradient;
    double learning_rate;  ///< η
    double beta1, beta2;
    double bias_correction1;  ///< 1 - β1^t, t = 1 in the first step; 1 for no correction
    double bias_correction2;  ///< 1 - β2^t
    double epsilon;
    double weight_decay;  ///< λ
    bool decoupled;       ///< λ shrinks the parameters (AdamW) instead of going into the gradient
    recurrent_epsilon_place epsilon_place;
} recurrent_adam;

/// NAdam. μ_t is β1 (1 - 0.96^(t ψ) / 2), which comes near β1.
typedef struct recurrent_nadam {
    recurrent_gradient_rule gradient;
    double learning_rate;  ///< η
    double beta1, beta2;
    double momentum;          ///< μ_t, t = 1 in the first step
    double next_momentum;     ///< μ_t+1
    double momentum_product;  ///< μ_1 μ_2 … μ_t, below 1
    double bias_correction2;  ///< 1 - β2^t
    double epsilon;
    double weight_decay;  ///< λ
    bool decoupled;       ///< λ shrinks the parameters instead of going into the gradient
} recurrent_nadam;

/// RAdam.
typedef struct recurrent_radam {
    recurrent_gradient_rule gradient;
    double learning_rate;  ///< η
    double beta1, beta2;
    double bias_correction1;  ///< 1 - β1^t, t = 1 in the first step
    double bias_correction2;  ///< 1 - β2^t
    double rectification;     ///< r; 0 while there is none, for a step that is not divided
    double epsilon;
    double weight_decay;  ///< λ
    bool decoupled;       ///< λ shrinks the parameters instead of going into the gradient
} recurrent_radam;

/// Adamax.
typedef struct recurrent_adamax {
    recurrent_gradient_rule gradient;
    double learning_rate;  ///< η
    double beta1, beta2;
    double bias_correction1;  ///< 1 - β1^t, t = 1 in the first step
    double epsilon;
    double weight_decay;  ///< λ, into the gradient
} recurrent_adamax;

#endif

#if defined(KERNEL)

// Of a rule that has no conventions to choose from, for the scenarios of Tests/Scenarios: its name;
// of each moment, data or squares, its name; hyperparameters of a step.
#if !defined(RULE1)
#define RULE1(name, kind, moment, ...)
#endif
#if !defined(RULE2)
#define RULE2(name, kind1, moment1, kind2, moment2, ...)
#endif

RECURRENT_NONNULL_BEGIN

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
// buffers into runs of 16 floats. η, μ, ρ … are those of the hyperparameters above.

// MARK: sgd.h

/// Gradient descent; Polyak 1964; Sutskever, Martens, Dahl and Hinton 2013. Without buffer: p -= η
/// g. With it,
///   as buffer (PyTorch)   b = μ b + (1 - τ) g, b = g in the first step
///                         p -= η b; Nesterov: p -= η (g + μ b)
///   as velocity           b = μ b - η (1 - τ) g, likewise
///                         p += b; Nesterov: p += μ b - η g
///   Nesterov, look-ahead (with buffer; whether `nesterov` or not): p -= η b, or p += b, of a
///       gradient that the caller has taken at p + μ v, where p decays: v = -η b, or b. Both forms
///       are one sequence, of which this one's p are θ, the other's θ + μ v.
///   buffer, or null for none (then μ is not read).
KERNEL(sgd_update, (size_t count, const recurrent_sgd *hyper, float *parameters, float *gradient,
                    float *RECURRENT_NULLABLE buffer, recurrent_partition partition))

// MARK: adagrad.h

/// Duchi, Hazan and Singer 2011.
///   s += g²      p -= η g / (√s + ε)      or, ε inside, η g / √(s + ε)
///   sum: s, filled by the caller with its initial value before the first step.
KERNEL(adagrad_update, (size_t count, const recurrent_adagrad *hyper, float *parameters,
                        float *gradient, float *sum, recurrent_partition partition))

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
                        float *RECURRENT_NULLABLE buffer, recurrent_partition partition))

// MARK: adadelta.h

/// Zeiler 2012, algorithm 1, with a learning rate.
///   v = ρ v + (1 - ρ) g²      d = √((u + ε) / (v + ε)) g      u = ρ u + (1 - ρ) d²      p -= η d
///   square: v; step_square: u. |g| up to 2^50 for ε = 1e-6: beyond it the quotient is subnormal.
KERNEL(adadelta_update,
       (size_t count, const recurrent_adadelta *hyper, float *parameters, float *gradient,
        float *square, float *step_square, recurrent_partition partition))
RULE2(adadelta, squares, square, squares, step_square, .learning_rate = 1, .decay = 0.9,
      .epsilon = 1e-6)

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
        float *second, float *RECURRENT_NULLABLE largest, recurrent_partition partition))

// MARK: nadam.h

/// Dozat 2016, as PyTorch has it.
///   m = β1 m + (1 - β1) g
///   v = β2 v + (1 - β2) g²
///   μ_t = β1 (1 - 0.96^(t ψ) / 2)   Π_t = μ_1 μ_2 … μ_t   decoupled decay: p *= 1 - η λ first
///   d = (1 - μ_t) / (1 - Π_t) g + μ_t+1 / (1 - Π_t+1) m
///   p -= η d / (√(v / (1 - β2^t)) + ε)
///   first: m; second: v. |d| below 2^-100 counts as zero.
KERNEL(nadam_update, (size_t count, const recurrent_nadam *hyper, float *parameters,
                      float *gradient, float *first, float *second, recurrent_partition partition))

// MARK: radam.h

/// Liu, Jiang, He, Chen, Liu, Gao and Han 2020, algorithm 2, as PyTorch has it.
///   m = β1 m + (1 - β1) g
///   v = β2 v + (1 - β2) g²
///   m̂ = m / (1 - β1^t)      decoupled decay: p *= 1 - η λ first
///   p -= η r m̂ √(1 - β2^t) / (√v + ε), or, while r is zero, η m̂
///   first: m; second: v.
KERNEL(radam_update, (size_t count, const recurrent_radam *hyper, float *parameters,
                      float *gradient, float *first, float *second, recurrent_partition partition))

// MARK: adamax.h

/// Kingma and Ba 2015, algorithm 2, with PyTorch's ε.
///   m = β1 m + (1 - β1) g
///   u = max(β2 u, |g| + ε), at least 2^-120
///   p -= η / (1 - β1^t) m / u
///   first: m; largest: u. clip_value may be any: no gradient is squared.
KERNEL(adamax_update,
       (size_t count, const recurrent_adamax *hyper, float *parameters, float *gradient,
        float *first, float *largest, recurrent_partition partition))
RULE2(adamax, data, first, squares, largest, .learning_rate = 0.01, .beta1 = 0.9, .beta2 = 0.999,
      .bias_correction1 = 0.1, .epsilon = 1e-6)

// MARK: sgd.h

/// Chen, Liang, Huang, Real, Wang, Liu, Pham, Dong, Luong, Hsieh, Lu and Le 2023, "Symbolic
/// Discovery of Optimization Algorithms".
///   u = sign(β1 m + (1 - β1) g), where sign(0) = 0
///   p = (1 - η λ) p - η u
///   m = β2 m + (1 - β2) g
///   moment: m. An argument of sign below 2^-100 counts as zero.
KERNEL(lion_update, (size_t count, const recurrent_lion *hyper, float *parameters, float *gradient,
                     float *moment, recurrent_partition partition))
RULE1(lion, data, moment, .learning_rate = 1e-4, .beta1 = 0.9, .beta2 = 0.99)

RECURRENT_NONNULL_END

#undef RULE1
#undef RULE2

#endif
