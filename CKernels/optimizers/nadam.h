// NAdam: Adam with Nesterov's momentum, whose size μ_t grows from step to step. The bias
// corrections are worked into the coefficients, as in adam.h:
//
//   η ((1 - μ_t) / (1 - Π_t) g + μ_t+1 / (1 - Π_t+1) m) / (√(v / c2) + ε)
//     = η √c2 ((1 - μ_t) / (1 - Π_t) g + μ_t+1 / (1 - Π_t+1) m) / (√v + ε √c2),   Π_t = μ_1 … μ_t

static void nadam_update(size_t count, const recurrent_nadam *hyper, float *parameters,
                         float *gradient, float *first, float *second,
                         recurrent_partition partition) NONBLOCKING {
    const recurrent_adam adam = {.gradient = hyper->gradient,
                                 .learning_rate = hyper->learning_rate,
                                 .beta1 = hyper->beta1,
                                 .beta2 = hyper->beta2,
                                 .bias_correction2 = hyper->bias_correction2,
                                 .epsilon = hyper->epsilon,
                                 .weight_decay = hyper->weight_decay,
                                 .decoupled = hyper->decoupled};
    const double root_c2 = __builtin_elementwise_sqrt(hyper->bias_correction2),
                 product = hyper->momentum_product, next = hyper->next_momentum;
    const adam_factors factors = {.minus_step = -hyper->learning_rate * root_c2,
                                  .of_gradient = (1 - hyper->momentum) / (1 - product),
                                  .of_first = next / (1 - product * next)};
    const adam_buffers at = {parameters, gradient, first, second, 0};
    adam_pass(adam_nesterov, count, &adam, factors, at, partition);
}
