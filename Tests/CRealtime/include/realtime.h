// Tells RealtimeSanitizer, in programs that are linked with it, where a thread must neither
// allocate nor call the system.
#ifndef REALTIME_H
#define REALTIME_H

/// Whether the program is linked with RealtimeSanitizer; the other two do nothing where it is not.
int realtime_sanitizer_is_present(void);
void realtime_enter(void);
void realtime_exit(void);

#endif
