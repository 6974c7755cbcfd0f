// Buffers flush against pages that nobody may touch: of two runs, one has the page right behind
// each buffer, the other right in front of it. AddressSanitizer guards the other end as well, to
// eight bytes.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#if __has_feature(address_sanitizer)
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(from, bytes) ((void)(from), (void)(bytes))
#define ASAN_UNPOISON_MEMORY_REGION(from, bytes) ((void)(from), (void)(bytes))
#endif

/// Buffers of one call, and the most bytes of one.
enum { guarded_slots = 16, guarded_capacity = 1 << 26, guarded_page = 1 << 16 };

typedef enum { guard_behind, guard_in_front } guard_place;

typedef struct {
    char *slots[guarded_slots];
    guard_place place;
    int used;
} guarded_memory;

static void guarded_reserve(guarded_memory *memory) {
    const size_t bytes = (size_t)guarded_capacity + 2 * guarded_page;
    for (int slot = 0; slot < guarded_slots; ++slot) {
        char *pages = mmap(0, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        if (pages == MAP_FAILED
            || mprotect(pages + guarded_page, guarded_capacity, PROT_READ | PROT_WRITE)) {
            perror("guard pages");
            exit(2);
        }
        memory->slots[slot] = pages + guarded_page;
    }
}

static void *guarded_allocate(guarded_memory *memory, size_t bytes) {
    if (memory->used == guarded_slots || bytes > guarded_capacity) {
        fputs("a scenario needs more guarded memory\n", stderr);
        exit(2);
    }
    char *slot = memory->slots[memory->used++];
    const size_t rest = guarded_capacity - bytes,
                 margin = rest < guarded_page ? rest : guarded_page;
    char *buffer = memory->place == guard_behind ? slot + rest : slot;
    ASAN_POISON_MEMORY_REGION(memory->place == guard_behind ? buffer - margin : buffer + bytes,
                              margin);
    ASAN_UNPOISON_MEMORY_REGION(buffer, bytes);
    return buffer;
}
