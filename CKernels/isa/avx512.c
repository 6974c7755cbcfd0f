// x86-64 with AVX-512 F, BW, DQ and VL: 32 registers of 16 floats.
#include "unit.h"

#if defined(__x86_64__)

#define TILE_ROWS 6   // × 4 vectors of sums
#define TILE_SUMS 24  // leaves eight for operands
#define TILE_HALF_SUMS 24
#define LSTM_PANELS 3
#define UPDATE_BLOCK 4
#define lanes_fma(a, b, c) __builtin_elementwise_fma(a, b, c)

#pragma clang attribute push( \
    __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx2,fma"))), apply_to = function)
#include "bodies.h"
#pragma clang attribute pop

const recurrent_kernels recurrent_kernels_avx512 = {
    .isa = recurrent_isa_avx512,
#define KERNEL(name, parameters) .name = name,
#include "../include/recurrent/kernel_list.h"
#undef KERNEL
};

#endif
