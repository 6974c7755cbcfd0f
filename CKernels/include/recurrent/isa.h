// The instruction sets, and the table of kernels of each.
#ifndef RECURRENT_ISA_H
#define RECURRENT_ISA_H

#include <stddef.h>

#include "cells.h"
#include "shapes.h"
#include "partitions.h"
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

/// The partition of all rows, for a step of a stream: it is loaded whole from where it was stored
/// whole. Swift stores its parts right before it loads it, which the processor can only do once the
/// step before has ended (8 ns of an LSTM's step of 20 units).
static const recurrent_partition recurrent_all_rows = {0, 1, NULL};

/// The kernels of the shape's own cell, whichever it is; each as its contract in kernel_list.h.
#define RECURRENT_CALL(name, gates, kernel, arguments) \
    case recurrent_cell_##name: kernels->name##_##kernel arguments; return;

static inline void recurrent_cell_step(const recurrent_kernels *kernels,
                                       const recurrent_cell_shape *shape, const float *x,
                                       const float *w, const float *h_prev,
                                       float *RECURRENT_NULLABLE c, float *h,
                                       float *RECURRENT_NULLABLE scratch,
                                       recurrent_partition partition) {
    switch (shape->cell) {
        RECURRENT_CELLS(RECURRENT_CALL, step, (shape, x, w, h_prev, c, h, scratch, partition))
    }
}
static inline void recurrent_cell_forward(const recurrent_kernels *kernels,
                                          const recurrent_cell_shape *shape,
                                          const size_t *RECURRENT_NULLABLE lengths,
                                          const float *RECURRENT_NULLABLE mask, const float *x,
                                          const float *w, const recurrent_cell_tape *tape,
                                          recurrent_partition partition) {
    switch (shape->cell) {
        RECURRENT_CELLS(RECURRENT_CALL, forward, (shape, lengths, mask, x, w, tape, partition))
    }
}
static inline void recurrent_cell_transpose(const recurrent_kernels *kernels,
                                            const recurrent_cell_shape *shape, const float *w,
                                            float *transposed, recurrent_partition partition) {
    switch (shape->cell) {
        RECURRENT_CELLS(RECURRENT_CALL, transpose, (shape, w, transposed, partition))
    }
}
static inline void recurrent_cell_backward_data(
    const recurrent_kernels *kernels, const recurrent_cell_shape *shape,
    const size_t *RECURRENT_NULLABLE lengths, const float *RECURRENT_NULLABLE mask,
    const float *transposed, const recurrent_cell_tape *tape,
    const recurrent_cell_gradients *gradients, recurrent_partition partition) {
    switch (shape->cell) {
        RECURRENT_CELLS(RECURRENT_CALL, backward_data,
                        (shape, lengths, mask, transposed, tape, gradients, partition))
    }
}
static inline void recurrent_cell_backward_weights(const recurrent_kernels *kernels,
                                                   const recurrent_cell_shape *shape,
                                                   const size_t *RECURRENT_NULLABLE lengths,
                                                   const float *x, const recurrent_cell_tape *tape,
                                                   const recurrent_cell_gradients *gradients,
                                                   float *dw, recurrent_partition partition) {
    switch (shape->cell) {
        RECURRENT_CELLS(RECURRENT_CALL, backward_weights,
                        (shape, lengths, x, tape, gradients, dw, partition))
    }
}
#undef RECURRENT_CALL

/// A step of all rows of a stream: `recurrent_cell_step`, or `lstm_step_bfloat16`.
static inline void recurrent_cell_stream_step(const recurrent_kernels *kernels, int bfloat16,
                                              const recurrent_cell_shape *shape, const float *x,
                                              const float *w, const float *h_prev,
                                              float *RECURRENT_NULLABLE c, float *h,
                                              float *RECURRENT_NULLABLE scratch) {
    if (bfloat16) kernels->lstm_step_bfloat16(shape, x, w, h_prev, c, h, recurrent_all_rows);
    else recurrent_cell_step(kernels, shape, x, w, h_prev, c, h, scratch, recurrent_all_rows);
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
