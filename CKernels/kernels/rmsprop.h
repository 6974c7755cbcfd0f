// RMSProp: the gradient divided by the root of a running average of its square, or of its variance (centered), with
// momentum or without. As in sgd.h, PyTorch's buffer and Keras's velocity are one body with different weights.

typedef struct {
    gradient_terms gradient;
    average_terms average;   ///< ρ
    average_terms momentum;  ///< b = μ b + enter · g / root
    root_terms root;
    lanes step;              ///< p += step · (b, or g / root)
} rmsprop_terms;

INLINE rmsprop_terms rmsprop_terms_of(const recurrent_rmsprop *hyper, const bool momentum) {
    const bool velocity = momentum && hyper->convention == recurrent_momentum_velocity;
    return (rmsprop_terms){
        .gradient = gradient_terms_of(hyper->gradient, ROOT_MOST, hyper->weight_decay),
        .average = average_terms_of(1 - hyper->decay, 1 - hyper->decay),
        .momentum = average_terms_of(1 - hyper->momentum, velocity ? -hyper->learning_rate : 1),
        .root = root_terms_of(hyper->epsilon_place, hyper->epsilon),
        .step = lanes_splat(velocity ? 1 : (float)-hyper->learning_rate),
    };
}

INLINE void rmsprop_lanes(const rmsprop_terms *terms, const gradient_use use, const bool centered, const bool momentum,
                          const size_t count, float *parameters, float *gradient, float *square, float *mean, float *buffer) {
    lanes p = lanes_load_first(count, parameters);
    const lanes g = gradient_ready(&terms->gradient, use, lanes_load_first(count, gradient), p);
    lanes v = average_square(terms->average, lanes_load_first(count, square), g);
    lanes_store_first(count, square, v);
    if (centered) {
        const lanes m = average_moment(terms->average, lanes_load_first(count, mean), g);
        lanes_store_first(count, mean, m);
        v = lanes_max(lanes_fma(-m, m, v), lanes_splat(0));  // a variance, which rounding can make negative
    }
    lanes direction = g / root_of(terms->root, v);
    if (momentum) {
        direction = average_moment(terms->momentum, lanes_load_first(count, buffer), direction);
        lanes_store_first(count, buffer, direction);
    }
    p = lanes_fma(terms->step, direction, p);
    store_parameters(use, count, parameters, p);
    lanes_store_first(count, gradient, lanes_splat(0));
}

INLINE void rmsprop_floats(const gradient_use use, const bool centered, const bool momentum, size_t count,
                           const recurrent_rmsprop *hyper, float *parameters, float *gradient, float *square, float *mean,
                           float *buffer, recurrent_share share) {
    const rmsprop_terms terms = rmsprop_terms_of(hyper, momentum);
    size_t at, end;
    floats_of(share, count, &at, &end);
    for (; at + LANES <= end; at += LANES)
        rmsprop_lanes(&terms, use, centered, momentum, LANES, parameters + at, gradient + at, square + at,
                      centered ? mean + at : 0, momentum ? buffer + at : 0);
    if (at < end)
        rmsprop_lanes(&terms, use, centered, momentum, end - at, parameters + at, gradient + at, square + at,
                      centered ? mean + at : 0, momentum ? buffer + at : 0);
}

INLINE void rmsprop_kind(const gradient_use use, size_t count, const recurrent_rmsprop *hyper, float *parameters,
                         float *gradient, float *square, float *mean, float *buffer, recurrent_share share) {
    if (mean && buffer)
        rmsprop_floats(use, true, true, count, hyper, parameters, gradient, square, mean, buffer, share);
    else if (mean)
        rmsprop_floats(use, true, false, count, hyper, parameters, gradient, square, mean, buffer, share);
    else if (buffer)
        rmsprop_floats(use, false, true, count, hyper, parameters, gradient, square, mean, buffer, share);
    else
        rmsprop_floats(use, false, false, count, hyper, parameters, gradient, square, mean, buffer, share);
}

static void rmsprop_update(size_t count, const recurrent_rmsprop *hyper, float *parameters, float *gradient, float *square,
                           float *mean, float *buffer, recurrent_share share) NONBLOCKING {
    if (hyper->weight_decay == 0)
        rmsprop_kind(gradient_clipped, count, hyper, parameters, gradient, square, mean, buffer, share);
    else
        rmsprop_kind(gradient_decayed, count, hyper, parameters, gradient, square, mean, buffer, share);
}
