// The instruction sets, and the table of kernels of each.
#ifndef RECURRENT_ISA_H
#define RECURRENT_ISA_H

#include <stddef.h>

#include "shapes.h"
#include "shares.h"
#include "optimizers.h"
#include "compiler.h"

RECURRENT_EXTERN_C_BEGIN

typedef enum recurrent_isa {
    recurrent_isa_generic,  ///< whatever the compiler's target has; NEON on arm64
    recurrent_isa_avx2,     ///< x86-64 with AVX2 and FMA
    recurrent_isa_avx512,   ///< x86-64 with AVX-512 F, BW, DQ and VL
} recurrent_isa;

enum { recurrent_isa_count = 3 };

/// One function pointer for each row of kernel_list.h, with its parameters and its contract.
typedef struct recurrent_kernels {
    recurrent_isa isa;
#define KERNEL(name, parameters) void(*name) parameters RECURRENT_NONBLOCKING;
#include "kernel_list.h"
#undef KERNEL
} recurrent_kernels;

RECURRENT_NONNULL_BEGIN

/// The share of all rows, for a step of a stream: it is loaded whole from where it was stored
/// whole. Swift stores its parts right before it loads it, which the processor can only do once the
/// step before has ended (8 ns of an LSTM's step of 20 units).
static const recurrent_share recurrent_all_rows = {0, 1, NULL};

/// `lstm_step`, or `lstm_step_bfloat16`, of all rows.
static inline void recurrent_lstm_step(const recurrent_kernels *kernels, int bfloat16,
                                       const recurrent_lstm_shape *shape, const float *x,
                                       const float *w, const float *h_prev, float *c, float *h,
                                       float *RECURRENT_NULLABLE scratch) {
    if (bfloat16) kernels->lstm_step_bfloat16(shape, x, w, h_prev, c, h, recurrent_all_rows);
    else kernels->lstm_step(shape, x, w, h_prev, c, h, scratch, recurrent_all_rows);
}

/// `rnn_step` of all rows.
static inline void recurrent_rnn_step(const recurrent_kernels *kernels,
                                      const recurrent_rnn_shape *shape, const float *x,
                                      const float *w, const float *h_prev, float *h) {
    kernels->rnn_step(shape, x, w, h_prev, h, recurrent_all_rows);
}

/// `gru_step` of all rows.
static inline void recurrent_gru_step(const recurrent_kernels *kernels,
                                      const recurrent_gru_shape *shape, const float *x,
                                      const float *w, const float *h_prev, float *h,
                                      float *scratch) {
    kernels->gru_step(shape, x, w, h_prev, h, scratch, recurrent_all_rows);
}

/// "generic", "avx2" or "avx512".
const char *recurrent_isa_name(recurrent_isa isa);

/// The kernels of `isa`, or null where this processor (or this build) lacks it.
const recurrent_kernels *RECURRENT_NULLABLE recurrent_kernels_of(recurrent_isa isa);

/// The fastest instruction set of this processor.
recurrent_isa recurrent_isa_best(void);

/// The names in kernel_list.h, in its order; null from index `recurrent_kernel_count` on.
const char *RECURRENT_NULLABLE recurrent_kernel_name(size_t index);

RECURRENT_NONNULL_END
RECURRENT_EXTERN_C_END

#endif
