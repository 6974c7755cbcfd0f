// Adam, AdamW and AMSGrad. The bias corrections c1 = 1 - β1^t, c2 = 1 - β2^t are worked into the coefficients, so that an
// element costs one root and one division:
//
//   η / c1 · m / (√(v / c2) + ε) = η √c2 / c1 · m / (√v + ε √c2)
//   η / c1 · m / √(v / c2 + ε)   = η √c2 / c1 · m / √(v + ε c2)

typedef struct {
    gradient_terms gradient;
    average_terms first, second;  ///< β1, β2
    root_terms root;
    lanes shrink;                 ///< 1 - η λ where decay is decoupled
    lanes minus_step;
} adam_terms;

INLINE adam_terms adam_terms_of(const recurrent_adam *hyper) {
    const double c1 = hyper->bias_correction1, c2 = hyper->bias_correction2, root_c2 = __builtin_elementwise_sqrt(c2);
    const double epsilon_scale = hyper->epsilon_place == recurrent_epsilon_outside  ? root_c2
                                 : hyper->epsilon_place == recurrent_epsilon_inside ? c2
                                                                                    : 1;
    return (adam_terms){
        .gradient = gradient_terms_of(hyper->gradient, hyper->decoupled ? 0 : hyper->weight_decay, hyper->weight_decay != 0),
        .first = average_terms_of(1 - hyper->beta1, 1 - hyper->beta1),
        .second = average_terms_of(1 - hyper->beta2, 1 - hyper->beta2),
        .root = root_terms_of(hyper->epsilon_place, hyper->epsilon * epsilon_scale),
        .shrink = lanes_splat((float)(hyper->decoupled ? 1 - hyper->learning_rate * hyper->weight_decay : 1)),
        .minus_step = lanes_splat((float)(-hyper->learning_rate * root_c2 / c1)),
    };
}

INLINE void adam_lanes(const adam_terms *terms, const bool amsgrad, const size_t count, float *parameters, float *gradient,
                       float *first, float *second, float *largest) {
    lanes p = lanes_load_first(count, parameters);
    const lanes g = gradient_ready(&terms->gradient, lanes_load_first(count, gradient), p);
    const lanes m = average_moment(terms->first, lanes_load_first(count, first), g);
    lanes v = average_square(terms->second, lanes_load_first(count, second), g);
    lanes_store_first(count, first, m);
    lanes_store_first(count, second, v);
    if (amsgrad) {
        v = lanes_max(v, lanes_load_first(count, largest));
        lanes_store_first(count, largest, v);
    }
    p = lanes_fma(terms->minus_step, m / root_of(terms->root, v), p * terms->shrink);
    lanes_store_first(count, parameters, lanes_flush(p, terms->gradient.parameter_least));
    lanes_store_first(count, gradient, lanes_splat(0));
}

INLINE void adam_floats(const adam_terms *terms, const bool amsgrad, size_t first_float, size_t end, float *parameters,
                        float *gradient, float *first, float *second, float *largest) {
    size_t at = first_float;
    for (; at + LANES <= end; at += LANES)
        adam_lanes(terms, amsgrad, LANES, parameters + at, gradient + at, first + at, second + at, amsgrad ? largest + at : 0);
    if (at < end)
        adam_lanes(terms, amsgrad, end - at, parameters + at, gradient + at, first + at, second + at, amsgrad ? largest + at : 0);
}

static void adam_update(size_t count, const recurrent_adam *hyper, float *parameters, float *gradient, float *first,
                        float *second, float *largest, recurrent_share share) NONBLOCKING {
    const adam_terms terms = adam_terms_of(hyper);
    size_t first_float, end;
    floats_of(share, count, &first_float, &end);
    if (largest)
        adam_floats(&terms, true, first_float, end, parameters, gradient, first, second, largest);
    else
        adam_floats(&terms, false, first_float, end, parameters, gradient, first, second, largest);
}
