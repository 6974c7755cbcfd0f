// The calling thread's floating-point control register: for those who want subnormal numbers
// flushed to zero. No kernel touches it.
#ifndef RECURRENT_FLOAT_MODE_H
#define RECURRENT_FLOAT_MODE_H

#include <stdint.h>

/// MXCSR on x86, FPCR on arm64, 0 elsewhere.
static inline uint64_t recurrent_float_mode(void) {
#if defined(__SSE__)
    return __builtin_ia32_stmxcsr();
#elif defined(__aarch64__)
    uint64_t mode;
    __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
    return mode;
#else
    return 0;
#endif
}

/// Sets the register to what `recurrent_float_mode` gave, or to what `recurrent_flushing_mode` made
/// of it.
static inline void recurrent_set_float_mode(uint64_t mode) {
#if defined(__SSE__)
    const uint32_t mxcsr = mode & UINT32_MAX;
    __builtin_ia32_ldmxcsr(mxcsr);
#elif defined(__aarch64__)
    __asm__ volatile("msr fpcr, %0" : : "r"(mode) : "memory");
#else
    (void)mode;
#endif
}

/// `mode`, with subnormal results and operands taken for zero.
static inline uint64_t recurrent_flushing_mode(uint64_t mode) {
#if defined(__SSE__)
    const uint64_t flush_to_zero = 1 << 15,
                   denormals_are_zero = 1 << 6;  // Intel SDM volume 1, 10.2.3
    return mode | flush_to_zero | denormals_are_zero;
#elif defined(__aarch64__)
    return mode | UINT64_C(1) << 24;  // FZ: Arm ARM, C5.2.8
#else
    return mode;
#endif
}

#endif
