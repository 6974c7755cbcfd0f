// x86-64 with AVX-512: 32 registers of 16 floats.
#include "include/CLimits.h"

#if defined(__x86_64__)
#define SUMS 24
#define lanes_fma(a, b, c) __builtin_elementwise_fma(a, b, c)
#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#include "loops.h"
#pragma clang attribute pop

const recurrent_limit_loops recurrent_limits_avx512 = LOOPS;
#endif
