// Each thread counts its own arrivals, in a place that only it writes, and looks at those of the
// others: one store and one line fetched from each of the others, which the processor does at the
// same time; a shared counter would be fetched by one after the other.
#include "../include/recurrent/partitions.h"

#pragma clang diagnostic error "-Wfunction-effects"

/// Whether a count has come to `goal`. A difference, because counts wrap around.
static int barrier_reached(const size_t *count, size_t goal) RECURRENT_NONBLOCKING {
    return (ptrdiff_t)(__atomic_load_n(count, __ATOMIC_ACQUIRE) - goal) >= 0;
}

/// Between two looks at a thread that is late.
static void barrier_look_away(recurrent_partition partition, size_t looks) RECURRENT_NONBLOCKING {
    const recurrent_barrier *place = &partition.barrier[partition.index];
    if (looks < place->spins) recurrent_spin_hint();
    else place->rest();
}

void recurrent_barrier_wait(recurrent_partition partition, size_t first,
                            size_t end) RECURRENT_NONBLOCKING {
    if (!partition.barrier) return;
    recurrent_barrier *place = &partition.barrier[partition.index];
    const size_t arrivals = place->arrivals + 1;
    __atomic_store_n(&place->arrivals, arrivals, __ATOMIC_RELEASE);
    for (size_t other = first; other < end; ++other)
        for (size_t looks = 0; !barrier_reached(&partition.barrier[other].arrivals, arrivals);
             ++looks)
            barrier_look_away(partition, looks);
}

/// Whether this thread is the one that does task `number` of a partition.
static int task_claim(recurrent_barrier *of, size_t number) RECURRENT_NONBLOCKING {
    return __atomic_load_n(&of->claimed, __ATOMIC_RELAXED) == number
           && __atomic_compare_exchange_n(&of->claimed, &number, number + 1, 0, __ATOMIC_RELAXED,
                                          __ATOMIC_RELAXED);
}

size_t recurrent_task_take(recurrent_partition partition, size_t first, size_t end,
                           size_t task) RECURRENT_NONBLOCKING {
    const size_t number = partition.barrier[partition.index].tasks + task;
    if (task_claim(&partition.barrier[partition.index], number)) return partition.index;
    for (size_t other = first; other < end; ++other)
        for (size_t looks = 0; !barrier_reached(&partition.barrier[other].finished, number + 1);
             ++looks) {
            if ((looks >= recurrent_task_spins || looks >= partition.barrier[partition.index].spins)
                && task_claim(&partition.barrier[other], number))
                return other;
            barrier_look_away(partition, looks);
        }
    return end;
}

void recurrent_task_finish(recurrent_partition partition, size_t of) RECURRENT_NONBLOCKING {
    __atomic_store_n(&partition.barrier[of].finished,
                     __atomic_load_n(&partition.barrier[of].finished, __ATOMIC_RELAXED) + 1,
                     __ATOMIC_RELEASE);
}

void recurrent_tasks_end(recurrent_partition partition, size_t tasks) RECURRENT_NONBLOCKING {
    recurrent_barrier *place = &partition.barrier[partition.index];
    place->tasks += tasks;
    if (barrier_reached(&place->finished, place->tasks)) return;
    __atomic_store_n(&place->claimed, place->tasks, __ATOMIC_RELAXED);
    __atomic_store_n(&place->finished, place->tasks, __ATOMIC_RELAXED);
}

#if defined(__linux__)
// Declared here, because headers of Linux's C libraries have it only for programs that define
// _GNU_SOURCE.
int sched_getaffinity(int thread, size_t bytes, void *mask);

size_t recurrent_allowed_processors(void) {
    unsigned long mask[1024 / (8 * sizeof(unsigned long))] = {0};
    size_t count = 0;
    if (sched_getaffinity(0, sizeof mask, mask) < 0) return 0;
    for (size_t word = 0; word < sizeof mask / sizeof mask[0]; ++word)
        count += (size_t)__builtin_popcountl(mask[word]);
    return count;
}
#else
size_t recurrent_allowed_processors(void) { return 0; }
#endif
