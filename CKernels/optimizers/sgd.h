// Stochastic gradient descent: plain, with momentum, with Nesterov's momentum. PyTorch's buffer and
// the textbook's velocity (minus the learning rate times the buffer) are one body with different
// weights. And Lion, whose steps have the sign of the momentum alone.

typedef struct {
    gradient_terms gradient;
    average_terms average;  ///< b = μ b + enter · g
    lanes by_gradient;      ///< p += by_gradient · g + by_buffer · b
    lanes by_buffer;
    lanes ahead;  ///< a gradient of the look-ahead form is taken at p + ahead · b
} sgd_terms;

INLINE sgd_terms sgd_terms_of(const recurrent_sgd *hyper) {
    const bool velocity = hyper->convention == recurrent_momentum_velocity;
    const double enter = hyper->first_step ? 1 : 1 - hyper->dampening;
    const double buffer_step = velocity ? 1 : -hyper->learning_rate;
    return (sgd_terms){
        .gradient = gradient_terms_of(hyper->gradient, __builtin_inff(), hyper->weight_decay),
        .average = average_terms_of(hyper->first_step ? 1 : 1 - hyper->momentum,
                                    velocity ? -hyper->learning_rate * enter : enter),
        .by_gradient = lanes_splat((float)-hyper->learning_rate),
        .by_buffer =
            lanes_splat((float)(hyper->nesterov > hyper->look_ahead ? buffer_step * hyper->momentum
                                                                    : buffer_step)),
        .ahead = lanes_splat((float)(buffer_step * hyper->momentum)),
    };
}

typedef struct {
    float *parameters, *gradient, *buffer;
} sgd_buffers;

/// `ahead`: the parameters decay where the look-ahead form takes the gradient.
INLINE update_half sgd_begin(const sgd_terms *terms, const gradient_use use, const bool ahead,
                             sgd_buffers at, size_t from, const size_t count) {
    lanes p = lanes_load_first(count, at.parameters + from);
    if (ahead) p = lanes_fma(terms->ahead, lanes_load_first(count, at.buffer + from), p);
    return (update_half){
        .gradient =
            gradient_ready(&terms->gradient, use, lanes_load_first(count, at.gradient + from), p)};
}

INLINE void sgd_finish(const sgd_terms *terms, const gradient_use use, const bool momentum,
                       const bool nesterov, update_half half, sgd_buffers at, size_t from,
                       const size_t count) {
    lanes p = lanes_load_first(count, at.parameters + from);
    if (momentum) {
        const lanes b = average_moment(terms->average, lanes_load_first(count, at.buffer + from),
                                       half.gradient);
        lanes_store_first(count, at.buffer + from, b);
        p = lanes_fma(terms->by_buffer, b, p);
    }
    if (!momentum || nesterov) p = lanes_fma(terms->by_gradient, half.gradient, p);
    store_parameters(use, count, at.parameters + from, p);
    lanes_store_first(count, at.gradient + from, lanes_splat(0));
}

INLINE void sgd_floats(const gradient_use use, const bool momentum, const bool nesterov,
                       const bool ahead, size_t count, const recurrent_sgd *hyper, sgd_buffers at,
                       recurrent_partition partition) {
    const sgd_terms terms = sgd_terms_of(hyper);
    size_t first, end;
    floats_of(partition, count, &first, &end);
    UPDATE_FLOATS(first, end, sgd_begin(&terms, use, ahead, at, from, count),
                  sgd_finish(&terms, use, momentum, nesterov, half, at, from, count));
}

INLINE void sgd_kind(const gradient_use use, size_t count, const recurrent_sgd *hyper,
                     sgd_buffers at, recurrent_partition partition) {
    if (!at.buffer) sgd_floats(use, false, false, false, count, hyper, at, partition);
    else if (use == gradient_decayed && hyper->look_ahead > hyper->first_step)
        sgd_floats(use, true, false, true, count, hyper, at, partition);
    else if (hyper->nesterov > hyper->look_ahead)
        sgd_floats(use, true, true, false, count, hyper, at, partition);
    else sgd_floats(use, true, false, false, count, hyper, at, partition);
}

static void sgd_update(size_t count, const recurrent_sgd *hyper, float *parameters, float *gradient,
                       float *buffer, recurrent_partition partition) NONBLOCKING {
    const sgd_buffers at = {parameters, gradient, buffer};
    if (hyper->weight_decay != 0) sgd_kind(gradient_decayed, count, hyper, at, partition);
    else if (hyper->gradient.clip_value < __builtin_inf())
        sgd_kind(gradient_clipped, count, hyper, at, partition);
    else sgd_kind(gradient_scaled, count, hyper, at, partition);
}

typedef struct {
    gradient_terms gradient;
    average_terms ahead, average;  ///< β1, β2
    lanes shrink;                  ///< 1 - η λ
    lanes minus_rate;
} lion_terms;

INLINE void lion_lanes(const lion_terms *terms, const gradient_use use, const size_t count,
                       float *parameters, float *gradient, float *moment) {
    lanes p = lanes_load_first(count, parameters);
    const lanes m = lanes_load_first(count, moment),
                g = gradient_ready(&terms->gradient, use, lanes_load_first(count, gradient), p);
    const lanes u = lanes_sign(average_moment(terms->ahead, m, g));
    if (use == gradient_decoupled) p *= terms->shrink;
    p = lanes_fma(terms->minus_rate, u, p);
    lanes_store_first(count, moment, average_moment(terms->average, m, g));
    store_parameters(use, count, parameters, p);
    lanes_store_first(count, gradient, lanes_splat(0));
}

INLINE void lion_floats(const gradient_use use, size_t count, const recurrent_lion *hyper,
                        float *parameters, float *gradient, float *moment,
                        recurrent_partition partition) {
    const lion_terms terms = {
        .gradient = gradient_terms_of(hyper->gradient, __builtin_inff(), hyper->weight_decay),
        .ahead = average_terms_of(1 - hyper->beta1, 1 - hyper->beta1),
        .average = average_terms_of(1 - hyper->beta2, 1 - hyper->beta2),
        .shrink = lanes_splat((float)(1 - hyper->learning_rate * hyper->weight_decay)),
        .minus_rate = lanes_splat((float)-hyper->learning_rate),
    };
    size_t at, end;
    floats_of(partition, count, &at, &end);
    for (; at + LANES <= end; at += LANES)
        lion_lanes(&terms, use, LANES, parameters + at, gradient + at, moment + at);
    if (at < end) lion_lanes(&terms, use, end - at, parameters + at, gradient + at, moment + at);
}

static void lion_update(size_t count, const recurrent_lion *hyper, float *parameters,
                        float *gradient, float *moment, recurrent_partition partition) NONBLOCKING {
    if (hyper->weight_decay != 0)
        lion_floats(gradient_decoupled, count, hyper, parameters, gradient, moment, partition);
    else lion_floats(gradient_clipped, count, hyper, parameters, gradient, moment, partition);
}
