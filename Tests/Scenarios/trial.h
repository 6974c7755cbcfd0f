// One call of a kernel, whatever for: its buffers come from the program that runs the scenarios,
// its data from a generator that the names of the kernel and the buffer, the shape and the variant
// seed, so it is the same on every machine and instruction set.
#ifndef RECURRENT_TRIAL_H
#define RECURRENT_TRIAL_H

#include <pthread.h>
#include <sched.h>

#include "../../CKernels/include/recurrent/recurrent.h"

#if __has_feature(memory_sanitizer)
#include <sanitizer/msan_interface.h>
#endif
#if __has_feature(realtime_sanitizer)
#include <sanitizer/rtsan_interface.h>
#else
static inline void __rtsan_disable(void) {}
static inline void __rtsan_enable(void) {}
#endif

/// The numbers that a scenario makes its kernel's shape of.
typedef struct scenario_shape {
    size_t inputs;  ///< I, K; entries of a vocabulary
    size_t units;   ///< H, N, E; flat buffers have rows × units floats
    size_t rows;    ///< B, M
    size_t steps;   ///< T
} scenario_shape;

/// What the data is.
typedef enum scenario_values {
    /// Mostly in -1 ..< 1; now and then a zero of either sign, a subnormal, one that saturates a
    /// gate
    values_mixed,
    values_zero,
    values_random,  ///< in -1 ..< 1
    values_subnormal,
    values_nan,
    values_infinite,  ///< of either sign
} scenario_values;

enum { scenario_values_count = values_infinite + 1 };

typedef struct trial trial;
struct trial {
    const recurrent_kernels *kernels;
    uint32_t partition_count;  ///< the kernel is called for each partition of so many
    bool
        /// On a thread for each, with a barrier, where the kernel knows one; otherwise one after
        /// the other
        at_once,
        /// Whether the kernel knows a barrier: a call says so
        has_barrier;
    scenario_values values;
    /// Memory for a buffer, aligned to 8 bytes if its size is a multiple of 8, else to 4.
    void *(*allocate)(trial *trial, size_t bytes);
    /// Takes a buffer that the kernel has written: `count` floats (size 4) or doubles (size 8).
    /// What the contract leaves open is zero.
    void (*output)(trial *trial, const char *name, const void *data, size_t count, size_t size);
    void *context;  ///< of these two functions
    uint64_t
        /// Of the data: to begin with any number, then with the kernel, the shape and the variant
        /// in it
        seed;
    uint64_t random;  ///< the generator's state
};

/// The next 64 bits of SplitMix64 (Steele, Lea and Flood 2014).
static inline uint64_t trial_bits(trial *trial) {
    trial->random += 0x9E3779B97F4A7C15;
    uint64_t z = trial->random;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    return z ^ (z >> 31);
}

/// Seeds the generator for the buffer of this name: data of a buffer is the same whichever others
/// there are.
static inline void trial_draw(trial *trial, const char *name) {
    trial->random = trial->seed;
    for (const char *letter = name; *letter; ++letter)
        trial->random = trial_bits(trial) ^ (uint64_t)(unsigned char)*letter;
}

static inline size_t trial_choice(trial *trial, size_t count) {
    return (size_t)(trial_bits(trial) % count);
}

static inline float trial_float(trial *trial) {
    const uint64_t bits = trial_bits(trial);
    const float unit = (float)(int32_t)bits * 0x1p-31f, subnormal = unit * 0x1p-130f;
    switch (trial->values) {
    case values_zero: return 0;
    case values_random: return unit;
    case values_subnormal: return subnormal;
    case values_nan: return __builtin_nanf("");
    case values_infinite: return unit < 0 ? -__builtin_inff() : __builtin_inff();
    case values_mixed: break;
    }
    switch (bits >> 59) {
    case 0: return 0;
    case 1: return -0.0f;
    case 2: return subnormal;
    case 3: return unit * 40;
    default: return unit;
    }
}

/// Makes memory that a kernel must not read before it has been written: MemorySanitizer reports a
/// use, and NaN poisons a sum.
static inline void trial_forget(float *floats, size_t count) {
    for (size_t index = 0; index < count; ++index) floats[index] = __builtin_nanf("");
#if __has_feature(memory_sanitizer)
    __msan_poison(floats, count * sizeof(float));
#endif
}

static inline float *trial_floats(trial *trial, size_t count) {
    return trial->allocate(trial, count * sizeof(float));
}

/// Memory that a kernel assigns to, every float of it.
static inline float *trial_result(trial *trial, size_t count) {
    float *floats = trial_floats(trial, count);
    trial_forget(floats, count);
    return floats;
}

static inline double *trial_doubles(trial *trial, size_t count) {
    double *doubles = trial->allocate(trial, count * sizeof(double));
    trial_forget((float *)doubles, 2 * count);
    return doubles;
}

static inline float *trial_data(trial *trial, const char *name, size_t count) {
    float *floats = trial_floats(trial, count);
    trial_draw(trial, name);
    for (size_t index = 0; index < count; ++index) floats[index] = trial_float(trial);
    return floats;
}

/// Means or sums of squares.
static inline float *trial_squares(trial *trial, const char *name, size_t count) {
    float *floats = trial_data(trial, name, count);
    for (size_t index = 0; index < count; ++index) floats[index] = __builtin_fabsf(floats[index]);
    return floats;
}

/// Rows of `used` values in `stride` floats; nothing may depend on the others.
static inline float *trial_rows(trial *trial, const char *name, size_t rows, size_t used,
                                size_t stride) {
    float *floats = trial_result(trial, rows * stride);
    trial_draw(trial, name);
    for (size_t row = 0; row < rows; ++row)
        for (size_t column = 0; column < used; ++column)
            floats[row * stride + column] = trial_float(trial);
    return floats;
}

/// `rows` rows, for each of ⌈units/16⌉ panels, of `groups` vectors of 16: zero in the lanes behind
/// the last unit.
static inline float *trial_panels(trial *trial, const char *name, size_t panel_rows, size_t batch,
                                  size_t units, size_t groups) {
    const size_t panels = recurrent_panels(units), width = groups * RECURRENT_PANEL,
                 count = batch * panels * panel_rows * width;
    float *floats = trial_floats(trial, count);
    trial_draw(trial, name);
    for (size_t index = 0; index < count; ++index) {
        const size_t unit =
            index / (panel_rows * width) % panels * RECURRENT_PANEL + index % RECURRENT_PANEL;
        floats[index] = unit < units ? trial_float(trial) : 0;
    }
    return floats;
}

/// Rows of units.
static inline float *trial_units(trial *trial, const char *name, size_t rows, size_t units) {
    return trial_panels(trial, name, 1, rows, units, 1);
}

/// Rows of gates, or of their gradients.
static inline float *trial_gates(trial *trial, const char *name, size_t rows, size_t units,
                                 size_t groups) {
    return trial_panels(trial, name, 1, rows, units, groups);
}

/// A matrix in kernel order.
static inline float *trial_matrix(trial *trial, const char *name, size_t columns, size_t units,
                                  size_t groups) {
    return trial_panels(trial, name, 1 + columns, 1, units, groups);
}

/// A word of two numbers in bfloat16, each of which is zero where there is none.
static inline float trial_word(trial *trial, bool upper, bool lower) {
    const float values[] = {upper ? trial_float(trial) : 0, lower ? trial_float(trial) : 0};
    uint32_t bits[2];
    float word;
    __builtin_memcpy(bits, values, sizeof bits);
    bits[0] = (bits[0] & 0xFFFF0000) | bits[1] >> 16;
    __builtin_memcpy(&word, bits, sizeof word);
    return word;
}

/// Numbers of -1 ... `end`: one on each side of what an index may be.
static inline int32_t *trial_indices(trial *trial, const char *name, size_t count, size_t end) {
    int32_t *indices = trial->allocate(trial, count * sizeof(int32_t));
    trial_draw(trial, name);
    for (size_t index = 0; index < count; ++index)
        indices[index] = (int32_t)trial_choice(trial, end + 2) - 1;
    return indices;
}

static inline void trial_output(trial *trial, const char *name, const float *floats, size_t count) {
    trial->output(trial, name, floats, count, sizeof(float));
}

static inline void trial_output_doubles(trial *trial, const char *name, const double *doubles,
                                        size_t count) {
    trial->output(trial, name, doubles, count, sizeof(double));
}

/// Before a call of a kernel, which takes `partition`.
#define FOR_PARTITIONS(trial)                                                 \
    for (recurrent_partition partition = {.count = (trial)->partition_count}; \
         partition.index < partition.count; ++partition.index)

enum { trial_most_partitions = 8 };

/// A partition of a call, for a thread of its own.
typedef struct {
    void (*function)(const void *call, recurrent_partition partition);
    const void *call;
    recurrent_partition partition;
} trial_thread;

static inline void *trial_thread_main(void *thread) {
    const trial_thread *self = thread;
    self->function(self->call, self->partition);
    return 0;
}

/// Lets a late thread have this one's processor: the one call of the system that the barrier is
/// allowed.
static inline void trial_rest(void) RECURRENT_NONBLOCKING {
    __rtsan_disable();
    sched_yield();
    __rtsan_enable();
}

/// Calls `function` for each partition of a kernel that knows the barrier.
static inline void trial_partitions(trial *trial,
                                    void (*function)(const void *call,
                                                     recurrent_partition partition),
                                    const void *call) {
    trial->has_barrier = true;
    if (!trial->at_once) {
        FOR_PARTITIONS(trial) function(call, partition);
        return;
    }
    recurrent_barrier places[trial_most_partitions] __attribute__((aligned(128)));
    trial_thread threads[trial_most_partitions];
    pthread_t ids[trial_most_partitions];
    for (uint32_t index = 0; index < trial->partition_count; ++index) {
        places[index] = (recurrent_barrier){.rest = trial_rest, .spins = recurrent_barrier_spins};
        threads[index] = (trial_thread){
            function, call, {.index = index, .count = trial->partition_count, .barrier = places}};
    }
    for (uint32_t index = 0; index < trial->partition_count; ++index)
        if (pthread_create(&ids[index], 0, trial_thread_main, &threads[index])) __builtin_trap();
    for (uint32_t index = 0; index < trial->partition_count; ++index) pthread_join(ids[index], 0);
}

#endif
