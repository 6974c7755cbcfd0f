// Loops that find the limits of the hardware: what the kernels are measured against. Only
// `recurrent bench` uses them.
#ifndef RECURRENT_CLIMITS_H
#define RECURRENT_CLIMITS_H

#include <stddef.h>
#include <stdint.h>

/// Loops of one instruction set. Each does what it says `rounds` times, or over `count` floats. All
/// buffers are aligned to 64 bytes; `result` is 16 floats, which are read and written so that no
/// compiler takes the loop away: small numbers, lest they overflow.
typedef struct recurrent_limit_loops {
    /// Multiply-adds of `multiply_adds_per_round` floats, as many at a time as the registers hold,
    /// all operands in registers.
    void (*_Nonnull multiply_add)(size_t rounds, float *_Nonnull result);
    size_t multiply_adds_per_round;
    /// One multiply-add that waits for the one before it.
    void (*_Nonnull chain)(size_t rounds, float *_Nonnull result);
    /// Loads `count` floats, a multiple of 128.
    void (*_Nonnull load)(size_t count, const float *_Nonnull from, float *_Nonnull result);
    /// Reads and writes `arrays` (2...5) arrays of `count` floats, a multiple of 16, in step, with
    /// an addition for each: the memory traffic of an optimizer whose last array, the gradient, is
    /// set to zero.
    void (*_Nonnull stream)(size_t count, size_t arrays, float *_Nonnull const *_Nonnull at);
} recurrent_limit_loops;

extern const recurrent_limit_loops recurrent_limits_generic;
#if defined(__x86_64__)
extern const recurrent_limit_loops recurrent_limits_avx2;
extern const recurrent_limit_loops recurrent_limits_avx512;
#endif

/// On which cores a thread may run; empty where the system does not say.
typedef struct recurrent_affinity {
    unsigned char cores[128];
} recurrent_affinity;

/// Bytes that the limits of this process (`ulimit -v`, `ulimit -d`) leave it to allocate;
/// UINT64_MAX where it has none.
uint64_t recurrent_memory_left(void);

/// Keeps the calling thread on the core that it is on, where the system can do that. Returns where
/// it might run before.
recurrent_affinity recurrent_pin(void);

/// Lets the calling thread run where `recurrent_pin` found it.
void recurrent_unpin(const recurrent_affinity *_Nonnull before);

#endif
