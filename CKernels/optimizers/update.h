// What all updates of optimizers have in common: the floats that a partition is, the gradient made
// ready, moments kept away from subnormals, roots kept away from zero.

/// Where momentum and averages of gradients end in zero: a weight of ordinary size does not notice
/// 2^-100 times a learning rate, even after a division by an ε of 1e-8; the smallest normal float
/// is 2^-126, so no quotient by a root up to 2^26 is subnormal either.
#define MOMENT_LEAST 0x1p-100f
/// The least average or sum of squares: its root, 2^-60, changes an ε of 1e-10 by 1e-8 of itself,
/// and a decay rate above 2^-6 leaves what is kept a normal float. A floor rather than zero: one
/// instruction instead of three.
#define SQUARE_LEAST 0x1p-120f
/// The largest gradient whose square is a float, with room for the rounding of an average.
#define ROOT_MOST 0x1p63f

/// The floats [first, end) of a flat array that a partition is: whole vectors, but for the last
/// one.
INLINE void floats_of(recurrent_partition partition, size_t count, size_t *first, size_t *end) {
    partition_of(partition, (count + LANES - 1) / LANES, first, end);
    *first *= LANES;
    *end *= LANES;
    if (*end > count) *end = count;
}

static void fill(size_t count, float value, float *x, recurrent_partition partition) NONBLOCKING {
    size_t first, end;
    floats_of(partition, count, &first, &end);
    for (; first + LANES <= end; first += LANES) lanes_store(x + first, lanes_splat(value));
    if (first < end) lanes_store_first(end - first, x + first, lanes_splat(value));
}

/// What is done to a gradient and to a parameter whatever the optimizer.
typedef struct {
    lanes scale, most, least, decay;
} gradient_terms;

/// How much of that an update needs: a constant wherever it is used, because nothing is left to
/// hide what is not needed. Scaled only; clipped too; with decay into the gradient too; clipped,
/// with decay of the parameters by the optimizer.
typedef enum {
    gradient_scaled,
    gradient_clipped,
    gradient_decayed,
    gradient_decoupled
} gradient_use;

/// `most`: the largest magnitude that the optimizer can square, or infinity.
INLINE gradient_terms gradient_terms_of(recurrent_gradient_rule rule, float most,
                                        double weight_decay) {
    const float clip = (float)rule.clip_value < most ? (float)rule.clip_value : most;
    return (gradient_terms){lanes_splat((float)rule.scale), lanes_splat(clip), lanes_splat(-clip),
                            lanes_splat((float)weight_decay)};
}

/// g = min(max(scale · g, -clip), clip) + λ p
INLINE lanes gradient_ready(const gradient_terms *terms, const gradient_use use, lanes g, lanes p) {
    g *= terms->scale;
    if (use != gradient_scaled) g = lanes_max(lanes_min(g, terms->most), terms->least);
    return use == gradient_decayed ? lanes_fma(terms->decay, p, g) : g;
}

/// x, or zero where it is tiny; NaN stays.
INLINE lanes lanes_flush(lanes x) {
    return lanes_select(lanes_abs(x) < lanes_splat(MOMENT_LEAST), lanes_splat(0), x);
}

/// Decay takes parameters without a gradient down to subnormals; without decay no parameter is
/// touched.
INLINE void store_parameters(const gradient_use use, const size_t count, float *parameters,
                             lanes p) {
    lanes_store_first(count, parameters,
                      use == gradient_decayed || use == gradient_decoupled ? lanes_flush(p) : p);
}

/// The weights of an average a = (1 - rest) a + enter · new.
typedef struct {
    lanes minus_rest, enter;
} average_terms;

INLINE average_terms average_terms_of(double rest, double enter) {
    return (average_terms){lanes_splat((float)-rest), lanes_splat((float)enter)};
}

/// (1 - rest) a: by way of 1 - β, whose float is as exact as β's own but not, like it, wrong by
/// 1e-5 of 1 - β for β = 0.999.
INLINE lanes average_kept(average_terms terms, lanes a) {
    return lanes_fma(terms.minus_rest, a, a);
}

/// m = β m + (1 - β) g
INLINE lanes average_moment(average_terms terms, lanes m, lanes g) {
    return lanes_flush(lanes_fma(terms.enter, g, average_kept(terms, m)));
}

/// v = β v + (1 - β) g²
INLINE lanes average_square(average_terms terms, lanes v, lanes g) {
    return lanes_max(lanes_fma(terms.enter * g, g, average_kept(terms, v)),
                     lanes_splat(SQUARE_LEAST));
}

/// √(v + inside) + outside
typedef struct {
    lanes inside, outside;
} root_terms;

INLINE root_terms root_terms_of(recurrent_epsilon_place place, double epsilon) {
    return (root_terms){lanes_splat(place == recurrent_epsilon_inside ? (float)epsilon : 0),
                        lanes_splat(place == recurrent_epsilon_inside ? 0 : (float)epsilon)};
}

INLINE lanes root_of(root_terms terms, lanes v) {
    return lanes_sqrt(v + terms.inside) + terms.outside;
}

/// What the second half of an update's step needs of the first: a gradient or moment, and what it
/// is divided by or added to.
typedef struct {
    lanes gradient, other;
} update_half;

#define BEGIN_BLOCK(halves, at_block, begin)                       \
    UNROLL for (size_t v = 0; v < UPDATE_BLOCK; ++v) {             \
        const size_t from = (at_block) + v * LANES, count = LANES; \
        (halves)[v] = begin;                                       \
    }

#define FINISH_BLOCK(halves, at_block, finish)                     \
    UNROLL for (size_t v = 0; v < UPDATE_BLOCK; ++v) {             \
        const size_t from = (at_block) + v * LANES, count = LANES; \
        const update_half half = (halves)[v];                      \
        finish;                                                    \
    }

/// Goes over the floats [first, end) of an update in vectors, each in two halves: `begin`, an
/// expression in `from` and `count` that gives an `update_half`, and `finish`, an expression in
/// `half`, `from` and `count`. A block is begun before the block before it is finished, as roots,
/// quotients and stores that wait for each other fill the processor's queues: up to 30 % slower.
/// UPDATE_BLOCK, the vectors of a block, is the instruction set's: as many as its registers hold.
#define UPDATE_FLOATS(first, end, begin, finish)                                               \
    do {                                                                                       \
        const size_t block = UPDATE_BLOCK * LANES;                                             \
        size_t at_float = (first);                                                             \
        if (at_float + block <= (end)) {                                                       \
            update_half begun[UPDATE_BLOCK], next[UPDATE_BLOCK];                               \
            BEGIN_BLOCK(begun, at_float, begin)                                                \
            for (; at_float + 2 * block <= (end); at_float += block) {                         \
                BEGIN_BLOCK(next, at_float + block, begin)                                     \
                FINISH_BLOCK(begun, at_float, finish)                                          \
                UNROLL for (size_t v = 0; v < UPDATE_BLOCK; ++v)                               \
                    begun[v] = next[v];                                                        \
            }                                                                                  \
            FINISH_BLOCK(begun, at_float, finish)                                              \
            at_float += block;                                                                 \
        }                                                                                      \
        for (; at_float < (end); at_float += LANES) {                                          \
            const size_t from = at_float, count = (end) - from < LANES ? (end) - from : LANES; \
            const update_half half = begin;                                                    \
            finish;                                                                            \
        }                                                                                      \
    } while (0)
