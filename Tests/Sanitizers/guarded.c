// guarded [--exhaustive]: every kernel on every instruction set of this machine, for sizes 0 to 130, in buffers between guard pages.
// Whatever the instruction set, the number of shares and the place in memory, the bits must be the same. What else is looked for is up
// to the flags that this is compiled with, along with the kernels: AddressSanitizer, MemorySanitizer, ….
#include "guarded_memory.h"

#include "../Scenarios/scenarios.h"

#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
#include <sanitizer/common_interface_defs.h>
#endif

static struct {
    guarded_memory memory;
    uint64_t hash;
    const char *kernel, *isa, *output;
    scenario_shape size;
    unsigned variant;
} now;

/// On standard error, without allocating: which call has just died.
static void describe(void) {
    char line[400];
    const int length = snprintf(line, sizeof line, "%s, %s, variant %u, %zu inputs, %zu units, %zu rows, %zu steps, guards %s, output %s\n",
                                now.kernel, now.isa, now.variant, now.size.inputs, now.size.units, now.size.rows, now.size.steps,
                                now.memory.place == guard_behind ? "behind" : "in front", now.output);
    if (write(STDERR_FILENO, line, (size_t)length) < 0) _exit(3);
}

static void *allocate(trial *trial, size_t bytes) {
    (void)trial;
    return guarded_allocate(&now.memory, bytes);
}

/// FNV-1a over words; any NaN counts as any other.
static void hash_output(trial *trial, const char *name, const void *data, size_t count, size_t size) {
    (void)trial;
    now.output = name;
#if __has_feature(memory_sanitizer)
    __msan_check_mem_is_initialized(data, count * size);
#endif
    for (size_t index = 0; index < count; ++index) {
        uint64_t bits = 0;
        const char *element = (const char *)data + index * size;
        __builtin_memcpy(&bits, element, size);
        if (size == sizeof(double) ? __builtin_isnan(*(const double *)element) : __builtin_isnan(*(const float *)element)) bits = ~0ull;
        now.hash = (now.hash ^ bits) * 0x100000001B3;
    }
}

static void run(const scenario *scenario, scenario_shape size, unsigned variant) {
    static const recurrent_isa isas[] = {recurrent_isa_generic, recurrent_isa_avx2, recurrent_isa_avx512};
    uint64_t expected = 0;
    int first = 1;
    now.kernel = scenario->kernel;
    now.size = size;
    now.variant = variant;
    for (size_t index = 0; index < sizeof isas / sizeof isas[0]; ++index) {
        const recurrent_kernels *kernels = recurrent_kernels_of(isas[index]);
        if (!kernels) continue;
        now.isa = recurrent_isa_name(isas[index]);
        for (int round = 0; round < 2; ++round) {
            now.memory.place = round ? guard_in_front : guard_behind;
            now.memory.used = 0;
            now.hash = 0;
            now.output = "";
            // A share, or three; on threads of their own for some shapes.
            trial trial = {.kernels = kernels, .share_count = round ? 1 : 3, .at_once = size.units % 8 == 0, .allocate = allocate, .output = hash_output};
            scenario_run(scenario, &trial, size, variant);
            if (first) expected = now.hash;
            first = 0;
            if (now.hash != expected) {
                describe();
                fputs("the bits differ\n", stderr);
                exit(1);
            }
        }
    }
}

static void die(int signal) {
    describe();
    _exit(128 + signal);
}

int main(int count, char **arguments) {
    const int exhaustive = count > 1 && !__builtin_strcmp(arguments[1], "--exhaustive");
    /// One dimension takes all sizes, the others one of these.
    static const scenario_shape others[] = {{3, 17, 2, 2}, {18, 40, 7, 1}, {1, 66, 1, 1}, {40, 130, 16, 2}};
    const size_t most = 130, other_count = exhaustive ? 4 : 2;
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
    __sanitizer_set_death_callback(describe);
#else
    signal(SIGSEGV, die);
    signal(SIGILL, die);
#endif
    (void)die;
    guarded_reserve(&now.memory);
    for (size_t index = 0; index < scenario_count; ++index)
        for (unsigned variant = 0; variant < scenarios[index].variants; ++variant) {
            for (size_t other = 0; other < other_count; ++other)
                for (size_t value = 0; value <= most; ++value) {
                    const scenario_shape size = others[other];
                    run(&scenarios[index], (scenario_shape){value, size.units, size.rows, size.steps}, variant);
                    run(&scenarios[index], (scenario_shape){size.inputs, value, size.rows, size.steps}, variant);
                    run(&scenarios[index], (scenario_shape){size.inputs, size.units, value, size.steps}, variant);
                }
        }
    printf("%d kernels\n", (int)scenario_count);
    return 0;
}
