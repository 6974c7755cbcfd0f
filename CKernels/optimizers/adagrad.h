// AdaGrad: every parameter's learning rate falls with the sum of its squared gradients.

typedef struct {
    gradient_terms gradient;
    root_terms root;
    lanes minus_rate;
} adagrad_terms;

INLINE void adagrad_lanes(const adagrad_terms *terms, const gradient_use use, const size_t count,
                          float *parameters, float *gradient, float *sum) {
    lanes p = lanes_load_first(count, parameters);
    const lanes g = gradient_ready(&terms->gradient, use, lanes_load_first(count, gradient), p);
    const lanes s =
        lanes_max(lanes_fma(g, g, lanes_load_first(count, sum)), lanes_splat(SQUARE_LEAST));
    p = lanes_fma(terms->minus_rate, g / root_of(terms->root, s), p);
    lanes_store_first(count, sum, s);
    store_parameters(use, count, parameters, p);
    lanes_store_first(count, gradient, lanes_splat(0));
}

INLINE void adagrad_floats(const gradient_use use, size_t count, const recurrent_adagrad *hyper,
                           float *parameters, float *gradient, float *sum,
                           recurrent_partition partition) {
    const adagrad_terms terms = {
        .gradient = gradient_terms_of(hyper->gradient, __builtin_inff(), hyper->weight_decay),
        .root = root_terms_of(hyper->epsilon_place, hyper->epsilon),
        .minus_rate = lanes_splat((float)-hyper->learning_rate),
    };
    size_t at, end;
    floats_of(partition, count, &at, &end);
    for (; at + LANES <= end; at += LANES)
        adagrad_lanes(&terms, use, LANES, parameters + at, gradient + at, sum + at);
    if (at < end) adagrad_lanes(&terms, use, end - at, parameters + at, gradient + at, sum + at);
}

static void adagrad_update(size_t count, const recurrent_adagrad *hyper, float *parameters,
                           float *gradient, float *sum, recurrent_partition partition) NONBLOCKING {
    if (hyper->weight_decay != 0)
        adagrad_floats(gradient_decayed, count, hyper, parameters, gradient, sum, partition);
    else if (hyper->gradient.clip_value < __builtin_inf())
        adagrad_floats(gradient_clipped, count, hyper, parameters, gradient, sum, partition);
    else adagrad_floats(gradient_scaled, count, hyper, parameters, gradient, sum, partition);
}
