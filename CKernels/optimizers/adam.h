// Adam, AdamW and AMSGrad. The bias corrections c1 = 1 - β1^t, c2 = 1 - β2^t are worked into the
// coefficients, so that an element costs one root and one division:
//
//   η / c1 · m / (√(v / c2) + ε) = η √c2 / c1 · m / (√v + ε √c2)
//   η / c1 · m / √(v / c2 + ε)   = η √c2 / c1 · m / √(v + ε c2)

typedef struct {
    gradient_terms gradient;
    average_terms first, second;  ///< β1, β2
    root_terms root;
    lanes shrink;  ///< 1 - η λ where decay is decoupled
    lanes minus_step;
} adam_terms;

INLINE adam_terms adam_terms_of(const recurrent_adam *hyper) {
    const double c1 = hyper->bias_correction1, c2 = hyper->bias_correction2,
                 root_c2 = __builtin_elementwise_sqrt(c2);
    const double epsilon_scale = hyper->epsilon_place == recurrent_epsilon_outside  ? root_c2
                                 : hyper->epsilon_place == recurrent_epsilon_inside ? c2
                                                                                    : 1;
    return (adam_terms){
        .gradient = gradient_terms_of(hyper->gradient, ROOT_MOST, hyper->weight_decay),
        .first = average_terms_of(1 - hyper->beta1, 1 - hyper->beta1),
        .second = average_terms_of(1 - hyper->beta2, 1 - hyper->beta2),
        .root = root_terms_of(hyper->epsilon_place, hyper->epsilon * epsilon_scale),
        .shrink = lanes_splat((float)(1 - hyper->learning_rate * hyper->weight_decay)),
        .minus_step = lanes_splat((float)(-hyper->learning_rate * root_c2 / c1)),
    };
}

typedef struct {
    float *parameters, *gradient, *first, *second, *largest;
} adam_buffers;

INLINE update_half adam_begin(const adam_terms *terms, const gradient_use use, const bool amsgrad,
                              adam_buffers at, size_t from, const size_t count) {
    const lanes g =
        gradient_ready(&terms->gradient, use, lanes_load_first(count, at.gradient + from),
                       lanes_load_first(count, at.parameters + from));
    const lanes m = average_moment(terms->first, lanes_load_first(count, at.first + from), g);
    lanes v = average_square(terms->second, lanes_load_first(count, at.second + from), g);
    lanes_store_first(count, at.gradient + from, lanes_splat(0));
    lanes_store_first(count, at.first + from, m);
    lanes_store_first(count, at.second + from, v);
    if (amsgrad) {
        v = lanes_max(v, lanes_load_first(count, at.largest + from));
        lanes_store_first(count, at.largest + from, v);
    }
    return (update_half){m, root_of(terms->root, v)};
}

INLINE void adam_finish(const adam_terms *terms, const gradient_use use, update_half half,
                        adam_buffers at, size_t from, const size_t count) {
    lanes p = lanes_load_first(count, at.parameters + from);
    if (use == gradient_decoupled) p *= terms->shrink;
    store_parameters(use, count, at.parameters + from,
                     lanes_fma(terms->minus_step, half.gradient / half.other, p));
}

INLINE void adam_floats(const gradient_use use, const bool amsgrad, size_t count,
                        const recurrent_adam *hyper, adam_buffers at, recurrent_share share) {
    const adam_terms terms = adam_terms_of(hyper);
    size_t first, end;
    floats_of(share, count, &first, &end);
    UPDATE_FLOATS(first, end, adam_begin(&terms, use, amsgrad, at, from, count),
                  adam_finish(&terms, use, half, at, from, count));
}

INLINE void adam_kind(const gradient_use use, size_t count, const recurrent_adam *hyper,
                      adam_buffers at, recurrent_share share) {
    if (at.largest) adam_floats(use, true, count, hyper, at, share);
    else adam_floats(use, false, count, hyper, at, share);
}

static void adam_update(size_t count, const recurrent_adam *hyper, float *parameters,
                        float *gradient, float *first, float *second, float *largest,
                        recurrent_share share) NONBLOCKING {
    const adam_buffers at = {parameters, gradient, first, second, largest};
    if (hyper->weight_decay == 0) adam_kind(gradient_clipped, count, hyper, at, share);
    else if (hyper->decoupled) adam_kind(gradient_decoupled, count, hyper, at, share);
    else adam_kind(gradient_decayed, count, hyper, at, share);
}
