// RAdam: Adam whose steps are divided by the root of v only once enough of them have been made for
// the variance of that quotient to be known, and are rectified then:
//
//   η / c1 · r · m · √c2 / (√v + ε) = η r √c2 / c1 · m / (√v + ε)

static void radam_update(size_t count, const recurrent_radam *hyper, float *parameters,
                         float *gradient, float *first, float *second,
                         recurrent_partition partition) NONBLOCKING {
    const recurrent_adam adam = {.gradient = hyper->gradient,
                                 .learning_rate = hyper->learning_rate,
                                 .beta1 = hyper->beta1,
                                 .beta2 = hyper->beta2,
                                 .bias_correction2 = hyper->bias_correction2,
                                 .epsilon = hyper->epsilon,
                                 .weight_decay = hyper->weight_decay,
                                 .decoupled = hyper->decoupled,
                                 .epsilon_place = recurrent_epsilon_uncorrected};
    const bool rectified = hyper->rectification > 0;
    const double root_c2 = __builtin_elementwise_sqrt(hyper->bias_correction2);
    const double step = (rectified ? hyper->rectification * root_c2 : 1) / hyper->bias_correction1;
    const adam_factors factors = {.minus_step = -hyper->learning_rate * step};
    const adam_buffers at = {parameters, gradient, first, second, 0};
    if (rectified) adam_pass(adam_divided, count, &adam, factors, at, partition);
    else adam_pass(adam_undivided, count, &adam, factors, at, partition);
}
