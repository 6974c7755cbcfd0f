// Every kernel on every instruction set of this machine, for sizes 0 to 130, in buffers between
// guard pages. Whatever the instruction set, the number of partitions and the place in memory, the
// bits must be the same. What else is looked for is up to the flags that this is compiled with,
// along with the kernels: AddressSanitizer, MemorySanitizer, RealtimeSanitizer, ….
//
//     guarded quick|exhaustive PART PARTS   one of so many equal parts of the work
//     guarded FAULT                         runs a kernel with this fault (planted.h), to be found
#include "guarded_memory.h"

#include "../Scenarios/scenarios.h"
#include "planted.h"

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
    const int length = snprintf(
        line, sizeof line,
        "%s, %s, variant %u, %zu inputs, %zu units, %zu rows, %zu steps, guards %s, output %s\n",
        now.kernel, now.isa, now.variant, now.size.inputs, now.size.units, now.size.rows,
        now.size.steps, now.memory.place == guard_behind ? "behind" : "in front", now.output);
    if (write(STDERR_FILENO, line, (size_t)length) < 0) _exit(3);
}

static void *allocate(trial *trial, size_t bytes) {
    (void)trial;
    return guarded_allocate(&now.memory, bytes);
}

/// FNV-1a over words; any NaN counts as any other.
static void hash_output(trial *trial, const char *name, const void *data, size_t count,
                        size_t size) {
    (void)trial;
    now.output = name;
#if __has_feature(memory_sanitizer)
    __msan_check_mem_is_initialized(data, count * size);
#endif
    for (size_t index = 0; index < count; ++index) {
        uint64_t bits = 0;
        const char *element = (const char *)data + index * size;
        __builtin_memcpy(&bits, element, size);
        if (size == sizeof(double) ? __builtin_isnan(*(const double *)element)
                                   : __builtin_isnan(*(const float *)element))
            bits = ~0ull;
        now.hash = (now.hash ^ bits) * 0x100000001B3;
    }
}

/// The place of a call in memory, its partitions and its threads.
static void run_on(const recurrent_kernels *kernels, const scenario *scenario, scenario_shape size,
                   unsigned variant, guard_place place) {
    now.kernel = scenario->kernel;
    now.isa = recurrent_isa_name(kernels->isa);
    now.size = size;
    now.variant = variant;
    now.memory.place = place;
    now.memory.used = 0;
    now.hash = 0;
    now.output = "";
    trial trial = {.kernels = kernels,
                   .partition_count = place == guard_in_front ? 1
                                      : size.units % 8 == 0   ? 4
                                                              : 3,
                   .at_once = size.units % 8 == 0,
                   .allocate = allocate,
                   .output = hash_output};
    scenario_run(scenario, &trial, size, variant);
}

static void run(const scenario *scenario, scenario_shape size, unsigned variant, bool exhaustive) {
    uint64_t expected = 0;
    bool first = true;
    for (int isa = recurrent_isa_best(); isa >= 0; --isa) {
        // Fused multiply-adds in software are slow: a quarter of the sizes.
        if (isa == recurrent_isa_generic && !first && !exhaustive
            && (size.inputs + size.units + size.rows) % 8 > 1)
            continue;
        const recurrent_kernels *kernels = recurrent_kernels_of((recurrent_isa)isa);
        if (!kernels) continue;
        for (guard_place place = guard_behind; place <= guard_in_front; ++place) {
            run_on(kernels, scenario, size, variant, place);
            if (first) expected = now.hash;
            first = false;
            if (now.hash == expected) continue;
            describe();
            fputs("the bits differ\n", stderr);
            exit(1);
        }
    }
}

/// Whether the quick form takes this size: up to three panels all of them, and from there on those
/// around a whole number of panels.
static bool in_quick_form(size_t size) { return size <= 50 || (size + 2) % 16 <= 4; }

/// Each dimension takes all sizes in turn, while the others have some that call for tiles of all
/// kinds, for partitions and for steps. The quick form has fewer: for the first of these, the sizes
/// above; for two more, those that are tens. There the many variants of a kernel share the sizes,
/// each of which `quick_variants` of them have.
static void run_all(bool exhaustive, size_t part, size_t parts) {
    static const scenario_shape others[] = {{3, 17, 2, 2},  {2, 12, 5, 2}, {2, 64, 1, 3},
                                            {18, 40, 7, 1}, {1, 66, 1, 3}, {40, 130, 16, 2}};
    enum { quick_variants = 8 };
    const size_t most = 130, other_count = exhaustive ? sizeof others / sizeof others[0] : 3;
    size_t turn = 0;
    for (const scenario *scenario = scenarios; scenario < scenarios + scenario_count; ++scenario)
        for (unsigned variant = 0; variant < scenario->variants; ++variant)
            for (const scenario_shape *other = others; other < others + other_count; ++other) {
                const size_t step = exhaustive || other == others ? 1 : 10,
                             kinds = (scenario->variants + quick_variants - 1) / quick_variants;
                for (size_t value = 0; value <= most; value += step) {
                    if (!exhaustive
                        && (!in_quick_form(value) || (value / step + variant) % kinds != 0))
                        continue;
                    if (turn++ % parts != part) continue;
                    run(scenario, (scenario_shape){value, other->units, other->rows, other->steps},
                        variant, exhaustive);
                    run(scenario, (scenario_shape){other->inputs, value, other->rows, other->steps},
                        variant, exhaustive);
                    run(scenario,
                        (scenario_shape){other->inputs, other->units, value, other->steps}, variant,
                        exhaustive);
                }
            }
    for (const scenario *scenario = scenarios; scenario < scenarios + scenario_count; ++scenario)
        for (size_t index = 0; index < scenario_long_sum_count; ++index)
            for (unsigned variant = 0;
                 variant < scenario->variants
                 && !strcmp(scenario->kernel, scenario_long_sums[index].kernel);
                 ++variant)
                if (turn++ % parts == part)
                    run(scenario, scenario_long_sums[index].size, variant, exhaustive);
}

#if !__has_feature(address_sanitizer) && !__has_feature(memory_sanitizer)
static void die(int signal) {
    describe();
    _exit(128 + signal);
}
#endif

int main(int count, char **arguments) {
#if __has_feature(address_sanitizer) || __has_feature(memory_sanitizer)
    __sanitizer_set_death_callback(describe);
#else
    signal(SIGSEGV, die);
    signal(SIGABRT, die);
#endif
    guarded_reserve(&now.memory);
    if (count == 4) {
        run_all(!strcmp(arguments[1], "exhaustive"), strtoul(arguments[2], 0, 10),
                strtoul(arguments[3], 0, 10));
        return 0;
    }
    for (size_t index = 0; index < planted_count && count == 2; ++index)
        if (!strcmp(arguments[1], planted[index].name)) {
            const recurrent_kernels kernels = {.fill = planted[index].fill};
            const scenario fill = {"fill", 1, run_fill};
            for (guard_place place = guard_behind; place <= guard_in_front; ++place)
                run_on(&kernels, &fill, (scenario_shape){.units = 17, .rows = 1}, 0, place);
            return 0;
        }
    fputs("expected quick or exhaustive with a part and a number of parts, or a fault\n", stderr);
    return 64;
}
