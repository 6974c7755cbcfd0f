// The 16-lane vector that every kernel is written in. Included once per instruction set, below its
// macros:
//
//   lanes_fma(a, b, c)   a·b + c, rounded once
//   UNROLL               before a loop over the constants of a register tile
//   FOR_EACH(v, V)       such a loop, over v in [0, V)
//   ROLLED               before a loop that is not to be unrolled
//   LANES_READ(address), LANES_WRITTEN(address)
//                        beside an access of a whole vector, for the thread sanitizer
//
// clang splits a vector into the registers that the instruction set has (AVX-512 one, AVX2 two,
// NEON and SSE2 four); the value of every lane is the same on all of them.

typedef float lanes __attribute__((ext_vector_type(16)));
typedef int32_t lanes_int __attribute__((ext_vector_type(16)));
typedef uint32_t lanes_bits __attribute__((ext_vector_type(16)));
typedef float lanes_half __attribute__((ext_vector_type(8)));
typedef int32_t lanes_half_int __attribute__((ext_vector_type(8)));
typedef uint32_t lanes_half_bits __attribute__((ext_vector_type(8)));
typedef double lanes_half_double __attribute__((ext_vector_type(8)));
typedef double lanes_double __attribute__((ext_vector_type(16)));
typedef int64_t lanes_long __attribute__((ext_vector_type(16)));

// Memory is aligned to a float only: rows of a caller's matrix start anywhere.
typedef float lanes_memory __attribute__((ext_vector_type(16), aligned(4)));
typedef float lanes_half_memory __attribute__((ext_vector_type(8), aligned(4)));

#define LANES 16

/// Terms of a sum of floats that are added one after the other before their sum is added to that of
/// the terms before them, where nothing else cuts long sums: with n terms its error grows as √(n /
/// 256), not as √n.
#define SUM_BLOCK 256
/// Overloadable, because what isa/half.h includes exists for `lanes` and for `lanes_half`.
#define INLINE static inline __attribute__((always_inline, overloadable))

/// For a part of a kernel that has registers and a stack of its own: what the compiler hoists out
/// of its loops and spills around them does not add to that of the other parts. It begins a line of
/// the cache, so that its time does not depend on what lies in front of it: an LSTM's step of 40
/// units takes 293 ns or 313.
#define OUTLINED static __attribute__((noinline, aligned(64)))

/// Leaves a value in memory until it is next used: left to itself, the compiler may keep it there
/// inside a loop that changes it, and something that waits for longer in a register.
#define WAIT_IN_MEMORY(value) __asm__("" : "+m"(value))

INLINE lanes lanes_splat(float value) { return (lanes)(value); }
INLINE lanes lanes_load(const float *from) {
    LANES_READ(from);
    return *(const lanes_memory *)from;
}
INLINE void lanes_store(float *to, lanes value) {
    LANES_WRITTEN(to);
    *(lanes_memory *)to = value;
}

/// Asks for memory that will soon be read and written.
INLINE void lanes_prefetch(const float *at) { __builtin_prefetch(at, 1); }

INLINE lanes_half lanes_half_splat(float value) { return (lanes_half)(value); }
INLINE lanes_half lanes_half_load(const float *from) { return *(const lanes_half_memory *)from; }
INLINE void lanes_store(float *to, lanes_half value) { *(lanes_half_memory *)to = value; }

/// The first `count` (1...16) floats; the lanes behind them are zero.
INLINE lanes lanes_load_first(size_t count, const float *from) {
    if (count >= LANES) return lanes_load(from);
    float buffer[LANES] = {0};
    for (size_t lane = 0; lane < count; ++lane) buffer[lane] = from[lane];
    return lanes_load(buffer);
}

/// Stores the first `count` (1...16) lanes.
INLINE void lanes_store_first(size_t count, float *to, lanes value) {
    if (count >= LANES) {
        lanes_store(to, value);
        return;
    }
    float buffer[LANES];
    lanes_store(buffer, value);
    for (size_t lane = 0; lane < count; ++lane) to[lane] = buffer[lane];
}

INLINE lanes lanes_sqrt(lanes x) { return __builtin_elementwise_sqrt(x); }
INLINE lanes lanes_abs(lanes x) { return __builtin_elementwise_abs(x); }
INLINE lanes_half lanes_abs(lanes_half x) { return __builtin_elementwise_abs(x); }

/// `condition` holds all ones or all zeros in each lane, as a comparison gives it.
INLINE lanes lanes_select(lanes_int condition, lanes yes, lanes no) { return condition ? yes : no; }
INLINE lanes_half lanes_select(lanes_half_int condition, lanes_half yes, lanes_half no) {
    return condition ? yes : no;
}

INLINE lanes_bits lanes_to_bits(lanes x) { return (lanes_bits)x; }
INLINE lanes_half_bits lanes_to_bits(lanes_half x) { return (lanes_half_bits)x; }
INLINE lanes lanes_from_bits(lanes_bits bits) { return (lanes)bits; }
INLINE lanes_half lanes_from_bits(lanes_half_bits bits) { return (lanes_half)bits; }

/// min and max as comparisons, so that a NaN in `x` stays: every instruction set gives the same
/// bits.
INLINE lanes lanes_min(lanes x, lanes bound) { return lanes_select(x > bound, bound, x); }
INLINE lanes lanes_max(lanes x, lanes bound) { return lanes_select(x < bound, bound, x); }
INLINE lanes_half lanes_min(lanes_half x, lanes_half bound) {
    return lanes_select(x > bound, bound, x);
}
INLINE lanes_half lanes_max(lanes_half x, lanes_half bound) {
    return lanes_select(x < bound, bound, x);
}

/// 1 or -1; a zero or NaN stays.
INLINE lanes lanes_sign(lanes x) {
    return lanes_select(x > lanes_splat(0), lanes_splat(1),
                        lanes_select(x < lanes_splat(0), lanes_splat(-1), x));
}

INLINE lanes_int lanes_index(void) {
    return (lanes_int){0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
}

/// All ones in the first `count` lanes.
INLINE lanes_int lanes_first(size_t count) { return lanes_index() < (lanes_int)((int32_t)count); }

/// Zero behind the first `count` lanes.
INLINE lanes lanes_keep_first(size_t count, lanes x) {
    return lanes_select(lanes_first(count), x, lanes_splat(0));
}

INLINE lanes_double lanes_widen(lanes x) { return __builtin_convertvector(x, lanes_double); }
INLINE lanes lanes_narrow(lanes_double x) { return __builtin_convertvector(x, lanes); }
INLINE lanes_half lanes_keep_first(size_t count, lanes_half x) {
    return lanes_select((lanes_half_int){0, 1, 2, 3, 4, 5, 6, 7} < (lanes_half_int)((int32_t)count),
                        x, lanes_half_splat(0));
}
INLINE lanes_double lanes_keep_first(size_t count, lanes_double x) {
    return __builtin_convertvector(lanes_first(count), lanes_long) ? x : (lanes_double)(0);
}

/// The one tree by which lanes are summed: halves, quarters, eighths, sixteenths.
INLINE float lanes_sum(lanes v) {
    lanes_half eight = v.lo + v.hi;
    __typeof__(eight.lo) four = eight.lo + eight.hi;
    __typeof__(four.lo) two = four.lo + four.hi;
    return two.lo + two.hi;
}

/// The same tree for the sums in double of lanes 0 and 8, 1 and 9, ….
INLINE double lanes_sum_double(lanes_half_double eight) {
    __typeof__(eight.lo) four = eight.lo + eight.hi;
    __typeof__(four.lo) two = four.lo + four.hi;
    return two.lo + two.hi;
}

/// The largest lane.
INLINE float lanes_largest(lanes v) {
    lanes_half eight = v.lo > v.hi ? v.lo : v.hi;
    __typeof__(eight.lo) four = eight.lo > eight.hi ? eight.lo : eight.hi;
    __typeof__(four.lo) two = four.lo > four.hi ? four.lo : four.hi;
    return two.lo > two.hi ? two.lo : two.hi;
}

/// rows[i][j] and rows[j][i] change places. One round writes rows i and i + 8, interleaved, to rows
/// 2i and 2i + 1, which rotates the eight bits of (row, lane) by one; four rounds exchange row and
/// lane.
INLINE void lanes_transpose(lanes rows[LANES]) {
    lanes other[LANES];
    for (int round = 0; round < 4; ++round) {
        for (int i = 0; i < LANES / 2; ++i) {
            other[2 * i] = __builtin_shufflevector(rows[i], rows[i + 8], 0, 16, 1, 17, 2, 18, 3, 19,
                                                   4, 20, 5, 21, 6, 22, 7, 23);
            other[2 * i + 1] = __builtin_shufflevector(rows[i], rows[i + 8], 8, 24, 9, 25, 10, 26,
                                                       11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        }
        for (int i = 0; i < LANES; ++i) rows[i] = other[i];
    }
}
