#ifdef __linux__
#define _GNU_SOURCE
#endif
#include "file_faults.h"
#include <string.h>

#if defined(__linux__) && !__has_feature(thread_sanitizer)

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const names[FILE_CALLS] = {
    "open", "read", "write", "fsync", "rename", "fchmod", "flock",
};

struct plan {
    enum file_call call;
    long number;
    bool and_all_behind;
    int error;
    long counts[FILE_CALLS];
    /// As many as there is room for.
    char created[16384];
};

static _Thread_local struct plan of_thread;
static struct plan of_process;
static bool is_process;
static const char *log_path;

static struct plan *current(void) { return is_process ? &of_process : &of_thread; }

bool file_faults_work(void) { return true; }

void file_faults_plan(enum file_call call, long number, int error) {
    memset(&of_thread, 0, sizeof of_thread);
    of_thread.call = call;
    of_thread.number = number;
    of_thread.error = error;
}

long file_faults_count(enum file_call call) { return of_thread.counts[call]; }

const char *file_faults_created(void) { return of_thread.created; }

/// Counts a call; the error that it is to have, or 0.
static int fault(enum file_call call) {
    struct plan *plan = current();
    const long count = ++plan->counts[call];
    if (call != plan->call || plan->number == 0) return 0;
    const bool is_hit = count == plan->number || (plan->and_all_behind && count > plan->number);
    return is_hit ? plan->error : 0;
}

/// Whether the call fails, with errno.
static bool fails(enum file_call call) {
    const int error = fault(call);
    if (error > 0) errno = error;
    return error > 0;
}

// A function of the C library, found at its first call.
#define REAL(name, ...) \
    static __VA_ARGS__; \
    if (!real) real = (__typeof__(real))dlsym(RTLD_NEXT, name)

static int opened(const char *name, const char *path, int flags, mode_t mode) {
    REAL(name, int (*real)(const char *, int, ...));
    const int error = fault(FILE_OPEN);
    if (error > 0) {
        errno = error;
        return -1;
    }
    if (flags & O_CREAT) {
        struct plan *plan = current();
        const size_t used = strlen(plan->created);
        if (error == FILE_PLANT) {
            const int planted = real(path, O_WRONLY | O_CREAT | O_EXCL, 0666);
            if (planted < 0 || syscall(SYS_write, planted, "theirs", 6) != 6) abort();
            close(planted);
        }
        const size_t length = strlen(path);
        if (used + length + 2 <= sizeof plan->created) {
            memcpy(plan->created + used, path, length);
            memcpy(plan->created + used + length, "\n", 2);
        }
    }
    return real(path, flags, mode);
}

#define OPEN(function)                                                          \
    int function(const char *path, int flags, ...) {                            \
        va_list list;                                                           \
        va_start(list, flags);                                                  \
        const bool makes = flags & O_CREAT || (flags & O_TMPFILE) == O_TMPFILE; \
        const mode_t mode = makes ? va_arg(list, mode_t) : 0;                   \
        va_end(list);                                                           \
        return opened(#function, path, flags, mode);                            \
    }

OPEN(open)
OPEN(open64)

ssize_t read(int file, void *bytes, size_t size) {
    REAL("read", ssize_t(*real)(int, void *, size_t));
    const int error = fault(FILE_READ);
    if (error > 0) {
        errno = error;
        return -1;
    }
    return real(file, bytes, error == FILE_SHORT ? (size + 1) / 2 : size);
}

ssize_t write(int file, const void *bytes, size_t size) {
    REAL("write", ssize_t(*real)(int, const void *, size_t));
    // The error's own message has to get through.
    const int error = file == STDERR_FILENO ? 0 : fault(FILE_WRITE);
    if (error > 0) {
        errno = error;
        return -1;
    }
    return real(file, bytes, error == FILE_SHORT ? (size + 1) / 2 : size);
}

int fsync(int file) {
    REAL("fsync", int (*real)(int));
    return fails(FILE_FSYNC) ? -1 : real(file);
}

int rename(const char *from, const char *to) {
    REAL("rename", int (*real)(const char *, const char *));
    return fails(FILE_RENAME) ? -1 : real(from, to);
}

int fchmod(int file, mode_t mode) {
    REAL("fchmod", int (*real)(int, mode_t));
    return fails(FILE_FCHMOD) ? -1 : real(file, mode);
}

int flock(int file, int operation) {
    REAL("flock", int (*real)(int, int));
    return fails(FILE_FLOCK) ? -1 : real(file, operation);
}

__attribute__((constructor)) static void begin(void) {
    const char *text = getenv("FILE_FAULT");
    log_path = getenv("FILE_FAULT_LOG");
    is_process = text || log_path;
    if (!text) return;
    char *end;
    const size_t length = strcspn(text, ":");
    for (of_process.call = 0; of_process.call < FILE_CALLS; ++of_process.call) {
        const char *name = names[of_process.call];
        if (strlen(name) == length && !strncmp(text, name, length)) break;
    }
    if (of_process.call == FILE_CALLS || text[length] != ':') abort();
    of_process.number = strtol(text + length + 1, &end, 10);
    of_process.and_all_behind = *end == '+';
    if (of_process.and_all_behind) ++end;
    if (*end != ':') abort();
    of_process.error = strcmp(end + 1, "short") ? atoi(end + 1) : FILE_SHORT;
}

__attribute__((destructor)) static void end(void) {
    FILE *log = log_path ? fopen(log_path, "w") : NULL;
    if (!log) return;
    char *rest = of_process.created;
    for (char *line; (line = strsep(&rest, "\n")) && *line;) fprintf(log, "created %s\n", line);
    for (int call = 0; call < FILE_CALLS; ++call)
        fprintf(log, "%s %ld\n", names[call], of_process.counts[call]);
    fclose(log);
}

#else

bool file_faults_work(void) { return false; }
void file_faults_plan(enum file_call call, long number, int error) {
    (void)call, (void)number, (void)error;
}
long file_faults_count(enum file_call call) { return (void)call, 0; }
const char *file_faults_created(void) { return ""; }

#endif
