// Whatever the compiler's own target has: NEON on arm64, SSE2 on x86-64, where a product and a sum
// stand for the fused multiply-add.
#include "include/CLimits.h"

#define SUMS 3
#if defined(__aarch64__) || defined(__FMA__)
#define lanes_fma(a, b, c) __builtin_elementwise_fma(a, b, c)
#else
#define lanes_fma(a, b, c) ((a) * (b) + (c))
#endif
#include "loops.h"

const recurrent_limit_loops recurrent_limits_generic = LOOPS;
