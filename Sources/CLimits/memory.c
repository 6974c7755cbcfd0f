// What the limits of the process leave of its memory.
#include "include/CLimits.h"
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static uint64_t left(int resource, uint64_t used) {
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return UINT64_MAX;
    return limit.rlim_cur > used ? limit.rlim_cur - used : 0;
}

uint64_t recurrent_memory_left(void) {
    // Pages of the whole address space, and of data and stack; where the system does not say, none.
    unsigned long space = 0, data = 0;
    FILE *file = fopen("/proc/self/statm", "r");
    if (file) {
        if (fscanf(file, "%lu %*u %*u %*u %*u %lu", &space, &data) != 2) space = data = 0;
        fclose(file);
    }
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    const uint64_t of_space = left(RLIMIT_AS, space * page),
                   of_data = left(RLIMIT_DATA, data * page);
    return of_space < of_data ? of_space : of_data;
}
