// AdaDelta: steps in the units of the parameters, from running averages of squared gradients and squared steps.

typedef struct {
    gradient_terms gradient;
    average_terms average;
    lanes epsilon, minus_rate;
} adadelta_terms;

INLINE void adadelta_lanes(const adadelta_terms *terms, const gradient_use use, const size_t count, float *parameters,
                           float *gradient, float *square, float *step_square) {
    lanes p = lanes_load_first(count, parameters);
    const lanes g = gradient_ready(&terms->gradient, use, lanes_load_first(count, gradient), p);
    const lanes v = average_square(terms->average, lanes_load_first(count, square), g);
    const lanes u = lanes_load_first(count, step_square);
    // One root of the quotient instead of a quotient of two roots: half the time.
    const lanes step = lanes_sqrt((u + terms->epsilon) / (v + terms->epsilon)) * g;
    lanes_store_first(count, square, v);
    lanes_store_first(count, step_square, average_square(terms->average, u, step));
    p = lanes_fma(terms->minus_rate, step, p);
    store_parameters(use, count, parameters, p);
    lanes_store_first(count, gradient, lanes_splat(0));
}

INLINE void adadelta_floats(const gradient_use use, size_t count, const recurrent_adadelta *hyper, float *parameters,
                            float *gradient, float *square, float *step_square, recurrent_share share) {
    const adadelta_terms terms = {
        .gradient = gradient_terms_of(hyper->gradient, ROOT_MOST, hyper->weight_decay),
        .average = average_terms_of(1 - hyper->decay, 1 - hyper->decay),
        .epsilon = lanes_splat((float)hyper->epsilon),
        .minus_rate = lanes_splat((float)-hyper->learning_rate),
    };
    size_t at, end;
    floats_of(share, count, &at, &end);
    for (; at + LANES <= end; at += LANES)
        adadelta_lanes(&terms, use, LANES, parameters + at, gradient + at, square + at, step_square + at);
    if (at < end) adadelta_lanes(&terms, use, end - at, parameters + at, gradient + at, square + at, step_square + at);
}

static void adadelta_update(size_t count, const recurrent_adadelta *hyper, float *parameters, float *gradient, float *square,
                            float *step_square, recurrent_share share) NONBLOCKING {
    if (hyper->weight_decay == 0)
        adadelta_floats(gradient_clipped, count, hyper, parameters, gradient, square, step_square, share);
    else
        adadelta_floats(gradient_decayed, count, hyper, parameters, gradient, square, step_square, share);
}
