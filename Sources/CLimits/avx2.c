// x86-64 with AVX2 and FMA: 16 registers of 8 floats.
#include "include/CLimits.h"

#if defined(__x86_64__)
#define SUMS 6
#define lanes_fma(a, b, c) __builtin_elementwise_fma(a, b, c)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#include "loops.h"
#pragma clang attribute pop

const recurrent_limit_loops recurrent_limits_avx2 = LOOPS;
#endif
