// Each thread counts its own arrivals, in a place that only it writes, and looks at those of the others: one store and one line
// fetched from each of the others, which the processor does at the same time; a shared counter would be fetched by one after the other.
#include "../include/shares.h"

#pragma clang diagnostic error "-Wfunction-effects"

void recurrent_barrier_wait(recurrent_share share, size_t first, size_t end) RECURRENT_NONBLOCKING {
    if (!share.barrier) return;
    recurrent_barrier *place = &share.barrier[share.index];
    const size_t arrivals = place->arrivals + 1;
    __atomic_store_n(&place->arrivals, arrivals, __ATOMIC_RELEASE);
    for (size_t other = first; other < end; ++other) {
        size_t looks = 0;
        // A difference, because the count may wrap around.
        while ((ptrdiff_t)(__atomic_load_n(&share.barrier[other].arrivals, __ATOMIC_ACQUIRE) - arrivals) < 0) {
            if (++looks < recurrent_barrier_spins) recurrent_spin_hint();
            else place->rest(looks - recurrent_barrier_spins);
        }
    }
}
