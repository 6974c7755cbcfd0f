// Adam, AdamW and AMSGrad; and what NAdam and RAdam have in common with them: two moments, from
// which a direction and a root are made. The bias corrections c1 = 1 - β1^t, c2 = 1 - β2^t are
// worked into the coefficients, so that an element costs one root and one division:
//
//   η / c1 · m / (√(v / c2) + ε) = η √c2 / c1 · m / (√v + ε √c2)
//   η / c1 · m / √(v / c2 + ε)   = η √c2 / c1 · m / √(v + ε c2)

/// What a rule makes of the moments m and v: a constant wherever it is used.
typedef enum {
    adam_divided,    ///< m / root of v
    adam_largest,    ///< m / root of the largest v so far
    adam_nesterov,   ///< (of_gradient g + of_first m) / root of v
    adam_undivided,  ///< m
} adam_direction;

typedef struct {
    gradient_terms gradient;
    average_terms first, second;  ///< β1, β2
    lanes of_gradient, of_first;  ///< what g and m count for in Nesterov's direction
    root_terms root;
    lanes shrink;  ///< 1 - η λ where decay is decoupled
    lanes minus_step;
} adam_terms;

/// What a rule's hyperparameters come to in a step.
typedef struct {
    double minus_step, of_gradient, of_first;
} adam_factors;

INLINE adam_terms adam_terms_of(const recurrent_adam *hyper, adam_factors factors) {
    const double c2 = hyper->bias_correction2, root_c2 = __builtin_elementwise_sqrt(c2);
    const double epsilon_scale = hyper->epsilon_place == recurrent_epsilon_outside  ? root_c2
                                 : hyper->epsilon_place == recurrent_epsilon_inside ? c2
                                                                                    : 1;
    return (adam_terms){
        .gradient = gradient_terms_of(hyper->gradient, ROOT_MOST, hyper->weight_decay),
        .first = average_terms_of(1 - hyper->beta1, 1 - hyper->beta1),
        .second = average_terms_of(1 - hyper->beta2, 1 - hyper->beta2),
        .of_gradient = lanes_splat((float)factors.of_gradient),
        .of_first = lanes_splat((float)factors.of_first),
        .root = root_terms_of(hyper->epsilon_place, hyper->epsilon * epsilon_scale),
        .shrink = lanes_splat((float)(1 - hyper->learning_rate * hyper->weight_decay)),
        .minus_step = lanes_splat((float)factors.minus_step),
    };
}

typedef struct {
    float *parameters, *gradient, *first, *second, *largest;
} adam_buffers;

INLINE update_half adam_begin(const adam_terms *terms, const gradient_use use,
                              const adam_direction direction, adam_buffers at, size_t from,
                              const size_t count) {
    const lanes g =
        gradient_ready(&terms->gradient, use, lanes_load_first(count, at.gradient + from),
                       lanes_load_first(count, at.parameters + from));
    const lanes m = average_moment(terms->first, lanes_load_first(count, at.first + from), g);
    lanes v = average_square(terms->second, lanes_load_first(count, at.second + from), g);
    lanes_store_first(count, at.gradient + from, lanes_splat(0));
    lanes_store_first(count, at.first + from, m);
    lanes_store_first(count, at.second + from, v);
    if (direction == adam_undivided) return (update_half){m, lanes_splat(1)};
    if (direction == adam_largest) {
        v = lanes_max(v, lanes_load_first(count, at.largest + from));
        lanes_store_first(count, at.largest + from, v);
    }
    return (update_half){direction == adam_nesterov
                             ? lanes_flush(lanes_fma(terms->of_gradient, g, terms->of_first * m))
                             : m,
                         root_of(terms->root, v)};
}

INLINE void adam_finish(const adam_terms *terms, const gradient_use use,
                        const adam_direction direction, update_half half, adam_buffers at,
                        size_t from, const size_t count) {
    lanes p = lanes_load_first(count, at.parameters + from);
    if (use == gradient_decoupled) p *= terms->shrink;
    const lanes d = direction == adam_undivided ? half.gradient : half.gradient / half.other;
    store_parameters(use, count, at.parameters + from, lanes_fma(terms->minus_step, d, p));
}

INLINE void adam_floats(const gradient_use use, const adam_direction direction, size_t count,
                        const recurrent_adam *hyper, adam_factors factors, adam_buffers at,
                        recurrent_partition partition) {
    const adam_terms terms = adam_terms_of(hyper, factors);
    size_t first, end;
    floats_of(partition, count, &first, &end);
    UPDATE_FLOATS(first, end, adam_begin(&terms, use, direction, at, from, count),
                  adam_finish(&terms, use, direction, half, at, from, count));
}

INLINE void adam_pass(const adam_direction direction, size_t count, const recurrent_adam *hyper,
                      adam_factors factors, adam_buffers at, recurrent_partition partition) {
    if (hyper->weight_decay == 0)
        adam_floats(gradient_clipped, direction, count, hyper, factors, at, partition);
    else if (hyper->decoupled)
        adam_floats(gradient_decoupled, direction, count, hyper, factors, at, partition);
    else adam_floats(gradient_decayed, direction, count, hyper, factors, at, partition);
}

static void adam_update(size_t count, const recurrent_adam *hyper, float *parameters,
                        float *gradient, float *first, float *second, float *largest,
                        recurrent_partition partition) NONBLOCKING {
    const double root_c2 = __builtin_elementwise_sqrt(hyper->bias_correction2);
    const adam_factors factors = {.minus_step =
                                      -hyper->learning_rate * root_c2 / hyper->bias_correction1};
    const adam_buffers at = {parameters, gradient, first, second, largest};
    if (largest) adam_pass(adam_largest, count, hyper, factors, at, partition);
    else adam_pass(adam_divided, count, hyper, factors, at, partition);
}
