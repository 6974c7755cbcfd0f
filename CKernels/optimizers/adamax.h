// Adamax: Adam with the largest gradient, which fades, in the place of the root of mean squares.

typedef struct {
    gradient_terms gradient;
    average_terms first;    ///< β1
    average_terms largest;  ///< β2
    lanes epsilon, minus_step;
} adamax_terms;

INLINE void adamax_lanes(const adamax_terms *terms, const gradient_use use, const size_t count,
                         float *parameters, float *gradient, float *first, float *largest) {
    const lanes p = lanes_load_first(count, parameters),
                g = gradient_ready(&terms->gradient, use, lanes_load_first(count, gradient), p);
    const lanes m = average_moment(terms->first, lanes_load_first(count, first), g);
    const lanes faded = average_kept(terms->largest, lanes_load_first(count, largest));
    // The floor keeps 0 / 0 away where ε is 0, and what fades from becoming subnormal.
    const lanes u =
        lanes_max(lanes_max(lanes_abs(g) + terms->epsilon, faded), lanes_splat(SQUARE_LEAST));
    lanes_store_first(count, gradient, lanes_splat(0));
    lanes_store_first(count, first, m);
    lanes_store_first(count, largest, u);
    store_parameters(use, count, parameters, lanes_fma(terms->minus_step, m / u, p));
}

INLINE void adamax_floats(const gradient_use use, size_t count, const recurrent_adamax *hyper,
                          float *parameters, float *gradient, float *first, float *largest,
                          recurrent_partition partition) {
    const adamax_terms terms = {
        .gradient = gradient_terms_of(hyper->gradient, __builtin_inff(), hyper->weight_decay),
        .first = average_terms_of(1 - hyper->beta1, 1 - hyper->beta1),
        .largest = average_terms_of(1 - hyper->beta2, 0),
        .epsilon = lanes_splat((float)hyper->epsilon),
        .minus_step = lanes_splat((float)(-hyper->learning_rate / hyper->bias_correction1)),
    };
    size_t at, end;
    floats_of(partition, count, &at, &end);
    for (; at + LANES <= end; at += LANES)
        adamax_lanes(&terms, use, LANES, parameters + at, gradient + at, first + at, largest + at);
    if (at < end)
        adamax_lanes(&terms, use, end - at, parameters + at, gradient + at, first + at,
                     largest + at);
}

static void adamax_update(size_t count, const recurrent_adamax *hyper, float *parameters,
                          float *gradient, float *first, float *largest,
                          recurrent_partition partition) NONBLOCKING {
    if (hyper->weight_decay != 0)
        adamax_floats(gradient_decayed, count, hyper, parameters, gradient, first, largest,
                      partition);
    else
        adamax_floats(gradient_clipped, count, hyper, parameters, gradient, first, largest,
                      partition);
}
