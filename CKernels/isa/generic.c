// Whatever the compiler's own target has: vectors on arm64; elsewhere scalars, or the vectors of
// x86-64's SSE2, which has no fused multiply-add: emulated there.
#include "unit.h"

#define UPDATE_BLOCK 1

// Processors with a fused multiply-add of floats. `__FP_FAST_FMAF` alone does not tell: clang
// defines it for none of them.
#if defined(__aarch64__) || defined(__FMA__) || defined(__FP_FAST_FMAF) \
    || defined(__ARM_FEATURE_FMA) || defined(__riscv_f) || defined(__VSX__) || defined(__s390x__)
#define lanes_fma(a, b, c) __builtin_elementwise_fma(a, b, c)
#else
#define lanes_fma(a, b, c) emulated_fma(a, b, c)
#define NEEDS_EMULATED_FMA
#endif

#if defined(__aarch64__) || defined(__FMA__)
#define TILE_ROWS 6
#define TILE_SUMS 6  // of four registers each
#define TILE_HALF_SUMS 12
#define LSTM_PANELS 1
#else
#define TILE_ROWS 1  // no tiles: a row's sums fill the registers, or are in memory anyway
#define TILE_SUMS 1
#define TILE_HALF_SUMS 1
#define LSTM_PANELS 0  // nor a way of its own for a single row
#undef UNROLL
#define UNROLL _Pragma("clang loop unroll(disable)")
#endif

#include "bodies.h"

const recurrent_kernels recurrent_kernels_generic = {
    .isa = recurrent_isa_generic,
#define KERNEL(name, parameters) .name = name,
#include "../include/recurrent/kernel_list.h"
#undef KERNEL
};
