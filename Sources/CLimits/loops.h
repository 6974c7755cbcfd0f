// The loops, written once with a 16-lane vector, as the kernels are. Each instruction set includes
// this below its macros:
//
//   SUMS                  vectors of sums that its registers hold
//   lanes_fma(a, b, c)    a·b + c

typedef float lanes __attribute__((ext_vector_type(16)));
typedef unsigned lanes_bits __attribute__((ext_vector_type(16)));
#define LANES 16
#define UNROLL _Pragma("clang loop unroll(full)")
#define FOR_EACH(index, count) UNROLL for (int index = 0; index < (count); ++index)

static void multiply_add(size_t rounds, float *result) {
    const lanes factor = *(const lanes *)result;
    lanes sums[SUMS];
    FOR_EACH(i, SUMS) sums[i] = factor + (lanes)((float)i);
    for (size_t round = 0; round < rounds; ++round)
        FOR_EACH(i, SUMS) sums[i] = lanes_fma(sums[i], factor, factor);
    lanes all = sums[0];
    UNROLL for (int i = 1; i < SUMS; ++i)
        all += sums[i];
    *(lanes *)result = all;
}

static void chain(size_t rounds, float *result) {
    const lanes factor = *(const lanes *)result;
    lanes sum = factor + (lanes)(1);
    for (size_t round = 0; round < rounds; ++round) sum = lanes_fma(sum, factor, factor);
    *(lanes *)result = sum;
}

static void load(size_t count, const float *from, float *result) {
    enum { together = 8 };
    lanes_bits seen[together];
    FOR_EACH(i, together) seen[i] = (lanes_bits)(0);
    for (size_t n = 0; n + together * LANES <= count; n += together * LANES)
        FOR_EACH(i, together) seen[i] |= *(const lanes_bits *)(from + n + (size_t)i * LANES);
    lanes_bits all = seen[0];
    UNROLL for (int i = 1; i < together; ++i)
        all |= seen[i];
    *(lanes_bits *)result = all;
}

static inline __attribute__((always_inline)) void stream_of(const int arrays, size_t count,
                                                            float *const *at) {
    for (size_t n = 0; n + LANES <= count; n += LANES) {
        const lanes gradient = *(const lanes *)(at[arrays - 1] + n);
        FOR_EACH(a, arrays - 1) *(lanes *)(at[a] + n) += gradient;
        *(lanes *)(at[arrays - 1] + n) = (lanes)(0);
    }
}

static void stream(size_t count, size_t arrays, float *const *at) {
    switch (arrays) {
    case 2: stream_of(2, count, at); break;
    case 3: stream_of(3, count, at); break;
    case 4: stream_of(4, count, at); break;
    default: stream_of(5, count, at); break;
    }
}

#define LOOPS                                 \
    {.multiply_add = multiply_add,            \
     .multiply_adds_per_round = SUMS * LANES, \
     .chain = chain,                          \
     .load = load,                            \
     .stream = stream}
