// a·b + c rounded once, where the processor has no fused multiply-add: products of floats are exact
// in double; the sum is rounded to odd in double (Boldo and Melquiond 2008, "Emulation of FMA and
// correctly rounded sums: proved algorithms using rounding to odd"), after which rounding to float
// cannot round twice. No libm call, and no branch.

typedef float emulated_floats __attribute__((ext_vector_type(4), aligned(4)));
typedef double emulated_wide __attribute__((ext_vector_type(4)));
typedef int64_t emulated_wide_int __attribute__((ext_vector_type(4)));

// A real call, because inlining this into every tile would make the object file sixty times as
// large; and a loop over as many lanes as leave everything in registers.
static __attribute__((noinline)) void emulated_fma_of(const lanes *a, const lanes *b,
                                                      const lanes *c, lanes *result) NONBLOCKING {
    ROLLED for (int lane = 0; lane < LANES; lane += 4) {
        emulated_wide product =
            __builtin_convertvector(*(const emulated_floats *)((const float *)a + lane),
                                    emulated_wide)
            * __builtin_convertvector(*(const emulated_floats *)((const float *)b + lane),
                                      emulated_wide);
        emulated_wide addend = __builtin_convertvector(
            *(const emulated_floats *)((const float *)c + lane), emulated_wide);
        emulated_wide sum = product + addend;
        // Knuth's two-sum: sum + error == product + addend exactly. Infinities make the error NaN,
        // which compares false.
        emulated_wide part = sum - product;
        emulated_wide error = (product - (sum - part)) + (addend - part);
        emulated_wide_int bits = (emulated_wide_int)sum;
        emulated_wide_int inexact = (error < 0.0) | (error > 0.0);
        emulated_wide_int even = (bits & 1) == 0;
        // Away from zero if the error points away from zero, towards zero otherwise: the neighbour
        // whose last bit is odd.
        emulated_wide_int away = (error > 0.0) == (sum > 0.0);
        emulated_wide_int step = away ? (emulated_wide_int)1 : (emulated_wide_int)-1;
        bits += step & inexact & even;
        *(emulated_floats *)((float *)result + lane) =
            __builtin_convertvector((emulated_wide)bits, emulated_floats);
    }
}

INLINE lanes emulated_fma(lanes a, lanes b, lanes c) {
    lanes result;
    emulated_fma_of(&a, &b, &c, &result);
    return result;
}

INLINE lanes emulated_twice(lanes_half x) {
    return __builtin_shufflevector(x, x, 0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7);
}

INLINE lanes_half emulated_fma(lanes_half a, lanes_half b, lanes_half c) {
    return emulated_fma(emulated_twice(a), emulated_twice(b), emulated_twice(c)).lo;
}
