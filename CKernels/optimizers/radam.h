// RAdam: Adam whose steps are divided by the root of v only once enough of them have been made for
// the variance of that quotient to be known, and are rectified then:
//
//   η / c1 · r · m · √c2 / (√v + ε) = η r √c2 / c1 · m / (√v + ε)

typedef struct {
    gradient_terms gradient;
    average_terms first, second;  ///< β1, β2
    root_terms root;
    lanes shrink;  ///< 1 - η λ where decay is decoupled
    lanes minus_step;
} radam_terms;

INLINE radam_terms radam_terms_of(const recurrent_radam *hyper, const bool rectified) {
    const double root_c2 = __builtin_elementwise_sqrt(hyper->bias_correction2);
    const double step = (rectified ? hyper->rectification * root_c2 : 1) / hyper->bias_correction1;
    return (radam_terms){
        .gradient = gradient_terms_of(hyper->gradient, ROOT_MOST, hyper->weight_decay),
        .first = average_terms_of(1 - hyper->beta1, 1 - hyper->beta1),
        .second = average_terms_of(1 - hyper->beta2, 1 - hyper->beta2),
        .root = root_terms_of(recurrent_epsilon_outside, hyper->epsilon),
        .shrink = lanes_splat((float)(1 - hyper->learning_rate * hyper->weight_decay)),
        .minus_step = lanes_splat((float)(-hyper->learning_rate * step)),
    };
}

typedef struct {
    float *parameters, *gradient, *first, *second;
} radam_buffers;

INLINE update_half radam_begin(const radam_terms *terms, const gradient_use use,
                               const bool rectified, radam_buffers at, size_t from,
                               const size_t count) {
    const lanes g =
        gradient_ready(&terms->gradient, use, lanes_load_first(count, at.gradient + from),
                       lanes_load_first(count, at.parameters + from));
    const lanes m = average_moment(terms->first, lanes_load_first(count, at.first + from), g),
                v = average_square(terms->second, lanes_load_first(count, at.second + from), g);
    lanes_store_first(count, at.gradient + from, lanes_splat(0));
    lanes_store_first(count, at.first + from, m);
    lanes_store_first(count, at.second + from, v);
    return (update_half){m, rectified ? root_of(terms->root, v) : lanes_splat(1)};
}

INLINE void radam_finish(const radam_terms *terms, const gradient_use use, const bool rectified,
                         update_half half, radam_buffers at, size_t from, const size_t count) {
    lanes p = lanes_load_first(count, at.parameters + from);
    if (use == gradient_decoupled) p *= terms->shrink;
    const lanes direction = rectified ? half.gradient / half.other : half.gradient;
    store_parameters(use, count, at.parameters + from, lanes_fma(terms->minus_step, direction, p));
}

INLINE void radam_floats(const gradient_use use, const bool rectified, size_t count,
                         const recurrent_radam *hyper, radam_buffers at, recurrent_share share) {
    const radam_terms terms = radam_terms_of(hyper, rectified);
    size_t first, end;
    floats_of(share, count, &first, &end);
    UPDATE_FLOATS(first, end, radam_begin(&terms, use, rectified, at, from, count),
                  radam_finish(&terms, use, rectified, half, at, from, count));
}

INLINE void radam_kind(const gradient_use use, size_t count, const recurrent_radam *hyper,
                       radam_buffers at, recurrent_share share) {
    if (hyper->rectification > 0) radam_floats(use, true, count, hyper, at, share);
    else radam_floats(use, false, count, hyper, at, share);
}

static void radam_update(size_t count, const recurrent_radam *hyper, float *parameters,
                         float *gradient, float *first, float *second,
                         recurrent_share share) NONBLOCKING {
    const radam_buffers at = {parameters, gradient, first, second};
    if (hyper->weight_decay == 0) radam_kind(gradient_clipped, count, hyper, at, share);
    else if (hyper->decoupled) radam_kind(gradient_decoupled, count, hyper, at, share);
    else radam_kind(gradient_decayed, count, hyper, at, share);
}
