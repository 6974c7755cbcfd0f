// Stochastic gradient descent: plain, with momentum, with Nesterov's momentum. PyTorch's buffer and the textbook's
// velocity (minus the learning rate times the buffer) are one body with different weights.

typedef struct {
    gradient_terms gradient;
    average_terms average;  ///< b = μ b + enter · g
    lanes by_gradient;      ///< p += by_gradient · g + by_buffer · b
    lanes by_buffer;
} sgd_terms;

INLINE sgd_terms sgd_terms_of(const recurrent_sgd *hyper) {
    const bool velocity = hyper->convention == recurrent_momentum_velocity;
    const double enter = hyper->first_step ? 1 : 1 - hyper->dampening;
    const double buffer_step = velocity ? 1 : -hyper->learning_rate;
    return (sgd_terms){
        .gradient = gradient_terms_of(hyper->gradient, __builtin_inff(), hyper->weight_decay),
        .average = average_terms_of(hyper->first_step ? 1 : 1 - hyper->momentum, velocity ? -hyper->learning_rate * enter : enter),
        .by_gradient = lanes_splat((float)-hyper->learning_rate),
        .by_buffer = lanes_splat((float)(hyper->nesterov ? buffer_step * hyper->momentum : buffer_step)),
    };
}

INLINE void sgd_lanes(const sgd_terms *terms, const gradient_use use, const bool momentum, const bool nesterov,
                      const size_t count, float *parameters, float *gradient, float *buffer) {
    lanes p = lanes_load_first(count, parameters);
    const lanes g = gradient_ready(&terms->gradient, use, lanes_load_first(count, gradient), p);
    if (momentum) {
        const lanes b = average_moment(terms->average, lanes_load_first(count, buffer), g);
        lanes_store_first(count, buffer, b);
        p = lanes_fma(terms->by_buffer, b, p);
    }
    if (!momentum || nesterov) p = lanes_fma(terms->by_gradient, g, p);
    store_parameters(use, count, parameters, p);
    lanes_store_first(count, gradient, lanes_splat(0));
}

INLINE void sgd_floats(const gradient_use use, const bool momentum, const bool nesterov, size_t count, const recurrent_sgd *hyper,
                       float *parameters, float *gradient, float *buffer, recurrent_share share) {
    const sgd_terms terms = sgd_terms_of(hyper);
    size_t at, end;
    floats_of(share, count, &at, &end);
    for (; at + LANES <= end; at += LANES)
        sgd_lanes(&terms, use, momentum, nesterov, LANES, parameters + at, gradient + at, momentum ? buffer + at : 0);
    if (at < end)
        sgd_lanes(&terms, use, momentum, nesterov, end - at, parameters + at, gradient + at, momentum ? buffer + at : 0);
}

INLINE void sgd_kind(const gradient_use use, size_t count, const recurrent_sgd *hyper, float *parameters, float *gradient,
                     float *buffer, recurrent_share share) {
    if (!buffer)
        sgd_floats(use, false, false, count, hyper, parameters, gradient, buffer, share);
    else if (hyper->nesterov)
        sgd_floats(use, true, true, count, hyper, parameters, gradient, buffer, share);
    else
        sgd_floats(use, true, false, count, hyper, parameters, gradient, buffer, share);
}

static void sgd_update(size_t count, const recurrent_sgd *hyper, float *parameters, float *gradient, float *buffer,
                       recurrent_share share) NONBLOCKING {
    if (hyper->weight_decay != 0)
        sgd_kind(gradient_decayed, count, hyper, parameters, gradient, buffer, share);
    else if (hyper->gradient.clip_value < __builtin_inf())
        sgd_kind(gradient_clipped, count, hyper, parameters, gradient, buffer, share);
    else
        sgd_kind(gradient_scaled, count, hyper, parameters, gradient, buffer, share);
}
