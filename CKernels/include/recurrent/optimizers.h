// Hyperparameters of the optimizer updates. They are Doubles, rounded once by each kernel after
// everything that depends on them alone has been worked out; a zero enum is PyTorch's convention.
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
    bool first_step;  ///< b = g, without dampening, whatever b holds
} recurrent_sgd;

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
