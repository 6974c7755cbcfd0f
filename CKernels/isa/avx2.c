// x86-64 with AVX2 and FMA: 16 registers of 8 floats.
#include "unit.h"

#if defined(__x86_64__)

#define TILE_ROWS 6
#define TILE_SUMS 6  // of two registers each, which leaves four for operands
#define TILE_HALF_SUMS 12
#define LSTM_PANELS 1
#define UPDATE_BLOCK 2
#define lanes_fma(a, b, c) __builtin_elementwise_fma(a, b, c)

#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#include "bodies.h"
#pragma clang attribute pop

const recurrent_kernels recurrent_kernels_avx2 = {
    .isa = recurrent_isa_avx2,
#define KERNEL(name, parameters) .name = name,
#include "../include/recurrent/kernel_list.h"
#undef KERNEL
};

#endif
