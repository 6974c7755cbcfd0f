// Counts the allocations of a thread, by standing in front of the C library's allocator in the
// tests' executable.
#ifndef MALLOC_COUNTER_H
#define MALLOC_COUNTER_H

#include <stdbool.h>
#include <stddef.h>

/// Whether this C library lets its allocator be counted: glibc only.
bool malloc_counter_works(void);

/// Calls of malloc and its relatives by the calling thread so far.
size_t malloc_counter_count(void);

#endif
