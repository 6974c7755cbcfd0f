// Linux binds threads to cores; where a system does not, nothing is done.
#define _GNU_SOURCE
#include "include/CLimits.h"

#if defined(__linux__)
#include <sched.h>

_Static_assert(sizeof(cpu_set_t) == sizeof(recurrent_affinity), "one is kept in the other");

recurrent_affinity recurrent_pin(void) {
    recurrent_affinity before = {{0}};
    cpu_set_t cores;
    CPU_ZERO(&cores);
    const int core = sched_getcpu();
    if (core < 0 || core >= CPU_SETSIZE) return before;
    if (sched_getaffinity(0, sizeof before, (cpu_set_t *)&before) != 0) return before;
    CPU_SET(core, &cores);
    sched_setaffinity(0, sizeof cores, &cores);
    return before;
}

void recurrent_unpin(const recurrent_affinity *before) {
    sched_setaffinity(0, sizeof *before, (const cpu_set_t *)before);
}
#else
recurrent_affinity recurrent_pin(void) { return (recurrent_affinity){{0}}; }

void recurrent_unpin(const recurrent_affinity *before) { (void)before; }
#endif
