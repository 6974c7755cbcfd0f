// Partitions of a kernel's work, and the barrier at which threads that do the partitions of one
// call wait for each other.
#ifndef RECURRENT_PARTITIONS_H
#define RECURRENT_PARTITIONS_H

#include <stddef.h>
#include <stdint.h>

#include "compiler.h"

RECURRENT_EXTERN_C_BEGIN
RECURRENT_NONNULL_BEGIN

/// The place of one thread at a barrier: a barrier is an array with one of them for each partition,
/// zero at first but for `rest`, aligned to 128 bytes. What others look at and what they seldom
/// touch are two cache lines apart, because processors fetch lines in pairs.
typedef struct recurrent_barrier {
    size_t arrivals;  ///< how often this thread has arrived
    size_t finished;  ///< how many tasks of this partition are done
    size_t tasks;     ///< how many of them belong to earlier calls
    /// Called between two looks at a thread that is late, from the `spins`-th look on; the one way
    /// by which a kernel may reach the system, because where there are more threads than processors
    /// the late one needs this one's processor.
    void (*rest)(void) RECURRENT_NONBLOCKING;
    /// `recurrent_barrier_spins`, or zero where there are more threads than processors.
    size_t spins;
    size_t unused[11];
    size_t claimed;  ///< how many tasks of this partition are done or being done
    size_t unused_either[15];
} recurrent_barrier;

enum {
    /// Looks at a thread that is late before the first rest: longer than threads that all run wait
    /// for each other as a rule.
    recurrent_barrier_spins = 2048,
    /// Looks at a partition that nobody has begun to work on before another thread takes its task.
    recurrent_task_spins = 128,
};

/// Which part of a kernel's work a call does: part `index` of `count`. {0, 1} is all of it. The
/// parts write to different places, so they may run on different threads; no sum is split between
/// them, so their number changes no bit.
///
/// Without a barrier the calls for the parts depend on nothing but their arguments, and may be made
/// one after the other, in any order. With one, all `count` calls must be made at the same time,
/// each on a thread of its own, and each thread must make the same calls in the same order: kernels
/// then split the inside of a recurrence too, and wait for each other between its steps.
typedef struct recurrent_partition {
    uint32_t index;
    uint32_t count;
    recurrent_barrier *RECURRENT_NULLABLE barrier;  ///< [count], or null
} recurrent_partition;

/// Arrives, and waits until the partitions [first, end) have arrived as often as this one; an empty
/// range waits for nobody. Does nothing where there is no barrier.
void recurrent_barrier_wait(recurrent_partition partition, size_t first,
                            size_t end) RECURRENT_NONBLOCKING;

// Between the steps of a recurrence, waiting for a thread that has lost its processor would cost
// more than its work: each step of each partition is a task, which its own thread claims and does,
// or else one that waits for it. Whoever does it, the bits are the same.

/// Which partition's `task` this thread is to do: one of [first, end), its own before others; `end`
/// once all of them have done it.
size_t recurrent_task_take(recurrent_partition partition, size_t first, size_t end,
                           size_t task) RECURRENT_NONBLOCKING;

/// That task of the partition `of` is done.
void recurrent_task_finish(recurrent_partition partition, size_t of) RECURRENT_NONBLOCKING;

/// The call's `tasks` are over for this partition, whether it had any work or none.
void recurrent_tasks_end(recurrent_partition partition, size_t tasks) RECURRENT_NONBLOCKING;

/// Processors on which the calling thread may run; 0 where the system does not say. For set-up: a
/// system call.
size_t recurrent_allowed_processors(void);

/// Tells the processor that this thread waits in a loop.
static inline void recurrent_spin_hint(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    __asm__ volatile("yield");
#endif
}

RECURRENT_NONNULL_END
RECURRENT_EXTERN_C_END

#endif
