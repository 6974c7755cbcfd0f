// AdaDelta: steps in the units of the parameters, from running averages of squared gradients and
// squared steps.

typedef struct {
    gradient_terms gradient;
    average_terms average;
    lanes epsilon, minus_rate;
} adadelta_terms;

typedef struct {
    float *parameters, *gradient, *square, *step_square;
} adadelta_buffers;

INLINE update_half adadelta_begin(const adadelta_terms *terms, const gradient_use use,
                                  adadelta_buffers at, size_t from, const size_t count) {
    const lanes g =
        gradient_ready(&terms->gradient, use, lanes_load_first(count, at.gradient + from),
                       lanes_load_first(count, at.parameters + from));
    const lanes v = average_square(terms->average, lanes_load_first(count, at.square + from), g);
    const lanes u = lanes_load_first(count, at.step_square + from);
    lanes_store_first(count, at.gradient + from, lanes_splat(0));
    lanes_store_first(count, at.square + from, v);
    return (update_half){g, (u + terms->epsilon) / (v + terms->epsilon)};
}

INLINE void adadelta_finish(const adadelta_terms *terms, const gradient_use use, update_half half,
                            adadelta_buffers at, size_t from, const size_t count) {
    // One root of the quotient instead of a quotient of two roots: half the time.
    const lanes step = lanes_sqrt(half.other) * half.gradient;
    const lanes u = lanes_load_first(count, at.step_square + from);
    lanes_store_first(count, at.step_square + from, average_square(terms->average, u, step));
    store_parameters(
        use, count, at.parameters + from,
        lanes_fma(terms->minus_rate, step, lanes_load_first(count, at.parameters + from)));
}

INLINE void adadelta_floats(const gradient_use use, size_t count, const recurrent_adadelta *hyper,
                            adadelta_buffers at, recurrent_partition partition) {
    const adadelta_terms terms = {
        .gradient = gradient_terms_of(hyper->gradient, ROOT_MOST, hyper->weight_decay),
        .average = average_terms_of(1 - hyper->decay, 1 - hyper->decay),
        .epsilon = lanes_splat((float)hyper->epsilon),
        .minus_rate = lanes_splat((float)-hyper->learning_rate),
    };
    size_t first, end;
    floats_of(partition, count, &first, &end);
    UPDATE_FLOATS(first, end, adadelta_begin(&terms, use, at, from, count),
                  adadelta_finish(&terms, use, half, at, from, count));
}

static void adadelta_update(size_t count, const recurrent_adadelta *hyper, float *parameters,
                            float *gradient, float *square, float *step_square,
                            recurrent_partition partition) NONBLOCKING {
    const adadelta_buffers at = {parameters, gradient, square, step_square};
    if (hyper->weight_decay == 0) adadelta_floats(gradient_clipped, count, hyper, at, partition);
    else adadelta_floats(gradient_decayed, count, hyper, at, partition);
}
