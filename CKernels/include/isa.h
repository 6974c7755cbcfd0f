// The instruction sets, and the table of kernels of each.
#ifndef RECURRENT_ISA_H
#define RECURRENT_ISA_H

#include "shapes.h"
#include "shares.h"
#include "optimizers.h"

typedef enum recurrent_isa {
    recurrent_isa_generic,  ///< whatever the compiler's target has; NEON on arm64
    recurrent_isa_avx2,     ///< x86-64 with AVX2 and FMA
    recurrent_isa_avx512,   ///< x86-64 with AVX-512 F, BW, DQ and VL
} recurrent_isa;

enum { recurrent_isa_count = 3 };

/// One function pointer for each row of kernel_list.h.
typedef struct recurrent_kernels {
    recurrent_isa isa;
#define KERNEL(name, parameters) void (*_Nonnull name) parameters RECURRENT_NONBLOCKING;
#include "kernel_list.h"
#undef KERNEL
} recurrent_kernels;

/// "generic", "avx2" or "avx512".
const char *_Nonnull recurrent_isa_name(recurrent_isa isa);

/// The kernels of `isa`, or null where this processor (or this build) lacks it.
const recurrent_kernels *_Nullable recurrent_kernels_of(recurrent_isa isa);

/// The fastest instruction set of this processor.
recurrent_isa recurrent_isa_best(void);

/// The names in kernel_list.h, in its order; null from index `recurrent_kernel_count` on.
const char *_Nullable recurrent_kernel_name(size_t index);

#endif
