// NAdam: Adam with Nesterov's momentum, whose size μ_t grows from step to step. The bias
// corrections are worked into the coefficients, as in adam.h:
//
//   η ((1 - μ_t) / (1 - Π_t) g + μ_t+1 / (1 - Π_t+1) m) / (√(v / c2) + ε)
//     = η √c2 ((1 - μ_t) / (1 - Π_t) g + μ_t+1 / (1 - Π_t+1) m) / (√v + ε √c2),   Π_t = μ_1 … μ_t

typedef struct {
    gradient_terms gradient;
    average_terms first, second;  ///< β1, β2
    lanes of_gradient, of_first;  ///< what g and m count for
    root_terms root;
    lanes shrink;  ///< 1 - η λ where decay is decoupled
    lanes minus_step;
} nadam_terms;

INLINE nadam_terms nadam_terms_of(const recurrent_nadam *hyper) {
    const double root_c2 = __builtin_elementwise_sqrt(hyper->bias_correction2),
                 product = hyper->momentum_product;
    const double of_gradient = (1 - hyper->momentum) / (1 - product),
                 of_first = hyper->next_momentum / (1 - product * hyper->next_momentum);
    return (nadam_terms){
        .gradient = gradient_terms_of(hyper->gradient, ROOT_MOST, hyper->weight_decay),
        .first = average_terms_of(1 - hyper->beta1, 1 - hyper->beta1),
        .second = average_terms_of(1 - hyper->beta2, 1 - hyper->beta2),
        .of_gradient = lanes_splat((float)of_gradient),
        .of_first = lanes_splat((float)of_first),
        .root = root_terms_of(recurrent_epsilon_outside, hyper->epsilon * root_c2),
        .shrink = lanes_splat((float)(1 - hyper->learning_rate * hyper->weight_decay)),
        .minus_step = lanes_splat((float)(-hyper->learning_rate * root_c2)),
    };
}

typedef struct {
    float *parameters, *gradient, *first, *second;
} nadam_buffers;

INLINE update_half nadam_begin(const nadam_terms *terms, const gradient_use use, nadam_buffers at,
                               size_t from, const size_t count) {
    const lanes g =
        gradient_ready(&terms->gradient, use, lanes_load_first(count, at.gradient + from),
                       lanes_load_first(count, at.parameters + from));
    const lanes m = average_moment(terms->first, lanes_load_first(count, at.first + from), g),
                v = average_square(terms->second, lanes_load_first(count, at.second + from), g);
    lanes_store_first(count, at.gradient + from, lanes_splat(0));
    lanes_store_first(count, at.first + from, m);
    lanes_store_first(count, at.second + from, v);
    return (update_half){lanes_flush(lanes_fma(terms->of_gradient, g, terms->of_first * m)),
                         root_of(terms->root, v)};
}

INLINE void nadam_finish(const nadam_terms *terms, const gradient_use use, update_half half,
                         nadam_buffers at, size_t from, const size_t count) {
    lanes p = lanes_load_first(count, at.parameters + from);
    if (use == gradient_decoupled) p *= terms->shrink;
    store_parameters(use, count, at.parameters + from,
                     lanes_fma(terms->minus_step, half.gradient / half.other, p));
}

INLINE void nadam_floats(const gradient_use use, size_t count, const recurrent_nadam *hyper,
                         nadam_buffers at, recurrent_share share) {
    const nadam_terms terms = nadam_terms_of(hyper);
    size_t first, end;
    floats_of(share, count, &first, &end);
    UPDATE_FLOATS(first, end, nadam_begin(&terms, use, at, from, count),
                  nadam_finish(&terms, use, half, at, from, count));
}

static void nadam_update(size_t count, const recurrent_nadam *hyper, float *parameters,
                         float *gradient, float *first, float *second,
                         recurrent_share share) NONBLOCKING {
    const nadam_buffers at = {parameters, gradient, first, second};
    if (hyper->weight_decay == 0) nadam_floats(gradient_clipped, count, hyper, at, share);
    else if (hyper->decoupled) nadam_floats(gradient_decoupled, count, hyper, at, share);
    else nadam_floats(gradient_decayed, count, hyper, at, share);
}
