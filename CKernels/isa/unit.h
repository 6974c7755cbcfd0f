// What every instruction set's source starts with. System headers must come before the target
// attribute.
#include "../include/recurrent/recurrent.h"

#pragma STDC FP_CONTRACT OFF
#pragma clang fp contract(off)
#pragma clang diagnostic error "-Wfunction-effects"
#pragma clang diagnostic ignored "-Wpsabi"

#define NONBLOCKING RECURRENT_NONBLOCKING

// The thread sanitizer does not look at accesses of more than 16 bytes by itself.
#if defined(__has_feature)
#if __has_feature(thread_sanitizer)
void __tsan_read_range(void *address, size_t bytes) NONBLOCKING;
void __tsan_write_range(void *address, size_t bytes) NONBLOCKING;
#define LANES_READ(address) __tsan_read_range((void *)(address), sizeof(lanes))
#define LANES_WRITTEN(address) __tsan_write_range(address, sizeof(lanes))
#endif
#endif
#if !defined(LANES_READ)
#define LANES_READ(address) (void)0
#define LANES_WRITTEN(address) (void)0
#endif

#define UNROLL _Pragma("clang loop unroll(full)")
#define FOR_EACH(index, count) UNROLL for (int index = 0; index < (count); ++index)
#define ROLLED _Pragma("clang loop unroll(disable)")
