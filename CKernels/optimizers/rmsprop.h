// RMSProp: the gradient divided by the root of a running average of its square, or of its variance
// (centered), with momentum or without. As in sgd.h, PyTorch's buffer and Keras's velocity are one
// body with different weights.

typedef struct {
    gradient_terms gradient;
    average_terms average;   ///< ρ
    average_terms momentum;  ///< b = μ b + enter · g / root
    root_terms root;
    lanes step;  ///< p += step · (b, or g / root)
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

typedef struct {
    float *parameters, *gradient, *square, *mean, *buffer;
} rmsprop_buffers;

INLINE update_half rmsprop_begin(const rmsprop_terms *terms, const gradient_use use,
                                 const bool centered, rmsprop_buffers at, size_t from,
                                 const size_t count) {
    const lanes g =
        gradient_ready(&terms->gradient, use, lanes_load_first(count, at.gradient + from),
                       lanes_load_first(count, at.parameters + from));
    lanes v = average_square(terms->average, lanes_load_first(count, at.square + from), g);
    lanes_store_first(count, at.gradient + from, lanes_splat(0));
    lanes_store_first(count, at.square + from, v);
    if (centered) {
        const lanes m = average_moment(terms->average, lanes_load_first(count, at.mean + from), g);
        lanes_store_first(count, at.mean + from, m);
        v = lanes_max(lanes_less_square(v, m),
                      lanes_splat(0));  // a variance, which rounding can make negative
    }
    return (update_half){g, root_of(terms->root, v)};
}

INLINE void rmsprop_finish(const rmsprop_terms *terms, const gradient_use use, const bool momentum,
                           update_half half, rmsprop_buffers at, size_t from, const size_t count) {
    lanes direction = half.gradient / half.other;
    if (momentum) {
        direction =
            average_moment(terms->momentum, lanes_load_first(count, at.buffer + from), direction);
        lanes_store_first(count, at.buffer + from, direction);
    }
    store_parameters(
        use, count, at.parameters + from,
        lanes_fma(terms->step, direction, lanes_load_first(count, at.parameters + from)));
}

INLINE void rmsprop_floats(const gradient_use use, const bool centered, const bool momentum,
                           size_t count, const recurrent_rmsprop *hyper, rmsprop_buffers at,
                           recurrent_partition partition) {
    const rmsprop_terms terms = rmsprop_terms_of(hyper, momentum);
    size_t first, end;
    floats_of(partition, count, &first, &end);
    UPDATE_FLOATS(first, end, rmsprop_begin(&terms, use, centered, at, from, count),
                  rmsprop_finish(&terms, use, momentum, half, at, from, count));
}

INLINE void rmsprop_kind(const gradient_use use, size_t count, const recurrent_rmsprop *hyper,
                         rmsprop_buffers at, recurrent_partition partition) {
    if (at.mean && at.buffer) rmsprop_floats(use, true, true, count, hyper, at, partition);
    else if (at.mean) rmsprop_floats(use, true, false, count, hyper, at, partition);
    else if (at.buffer) rmsprop_floats(use, false, true, count, hyper, at, partition);
    else rmsprop_floats(use, false, false, count, hyper, at, partition);
}

static void rmsprop_update(size_t count, const recurrent_rmsprop *hyper, float *parameters,
                           float *gradient, float *square, float *mean, float *buffer,
                           recurrent_partition partition) NONBLOCKING {
    const rmsprop_buffers at = {parameters, gradient, square, mean, buffer};
    if (hyper->weight_decay == 0) rmsprop_kind(gradient_clipped, count, hyper, at, partition);
    else rmsprop_kind(gradient_decayed, count, hyper, at, partition);
}
