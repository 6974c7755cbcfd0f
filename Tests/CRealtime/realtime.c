#include "realtime.h"

#if defined(__ELF__)
extern void __rtsan_realtime_enter(void) __attribute__((weak));
extern void __rtsan_realtime_exit(void) __attribute__((weak));
#else
static void (*const __rtsan_realtime_enter)(void) = 0;
static void (*const __rtsan_realtime_exit)(void) = 0;
#endif

int realtime_sanitizer_is_present(void) { return __rtsan_realtime_enter && __rtsan_realtime_exit; }

void realtime_enter(void) {
    if (__rtsan_realtime_enter) __rtsan_realtime_enter();
}

void realtime_exit(void) {
    if (__rtsan_realtime_exit) __rtsan_realtime_exit();
}
