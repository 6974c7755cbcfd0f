// The bits of every kernel, which are the same on every machine: hashes of what they write, with
// all their options, for 64 shapes.
//
//     hashes              prints the list, Tests/Golden/hashes.txt, which says how to make it anew
//     hashes ISA [WORK]   reads the list, and says where this instruction set gives other bits:
//                         alone, in 2 to 4 partitions one after the other, and on as many threads
//                         if the kernel knows a barrier; only shapes with no more than so many
//                         multiply-adds, or all
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../Scenarios/scenarios.h"

static const scenario_shape sizes[] = {
    // One panel: a few units, half of it, all of it, one row and many.
    {1, 1, 1, 1},
    {1, 1, 2, 3},
    {1, 2, 1, 4},
    {2, 3, 4, 2},
    {3, 5, 1, 2},
    {1, 7, 3, 2},
    {1, 8, 1, 5},
    {4, 8, 6, 1},
    {1, 9, 1, 3},
    {5, 12, 7, 2},
    {15, 15, 1, 2},
    {1, 15, 5, 1},
    {1, 16, 1, 4},
    {16, 16, 2, 2},
    {17, 16, 13, 1},
    {31, 11, 2, 3},
    {2, 16, 16, 2},
    {64, 13, 1, 1},
    // Two to five panels, the last of which is full, half empty or has one unit.
    {1, 17, 1, 3},
    {17, 17, 2, 2},
    {16, 20, 1, 4},
    {3, 24, 3, 2},
    {32, 31, 1, 2},
    {1, 32, 1, 3},
    {32, 32, 4, 1},
    {15, 32, 7, 1},
    {1, 33, 1, 2},
    {33, 33, 3, 2},
    {8, 40, 1, 3},
    {1, 40, 2, 2},
    {5, 41, 12, 1},
    {16, 47, 1, 1},
    {2, 48, 1, 3},
    {7, 49, 5, 2},
    {1, 56, 1, 2},
    {63, 63, 1, 2},
    {1, 64, 1, 3},
    {64, 64, 3, 1},
    {9, 64, 6, 2},
    {65, 65, 2, 1},
    {20, 80, 1, 2},
    {3, 72, 4, 1},
    // More panels than the tiles and the partitions have: of rows, of columns, of inputs.
    {1, 96, 1, 2},
    {7, 100, 2, 2},
    {5, 112, 1, 1},
    {31, 113, 1, 1},
    {128, 128, 1, 1},
    {2, 130, 3, 1},
    {1, 144, 1, 3},
    {3, 257, 1, 1},
    {1, 272, 2, 1},
    {257, 18, 2, 1},
    {300, 3, 1, 2},
    // Blocks: of 96 rows, of 256 terms, of 4096 floats, and the steps whose input part is computed
    // together. Sums of three blocks.
    {2, 17, 300, 2},
    {70, 3, 300, 1},
    {3, 17, 97, 1},
    {2, 5, 257, 1},
    {18, 33, 193, 1},
    {1, 17, 1, 100},
    {3, 9, 9, 29},
    {1, 16, 2, 130},
    {2, 64, 65, 1},
};

/// Shapes that have other data too. All units of the panels are used, or a few of the last one: NaN
/// and infinity reach what is past them.
static const scenario_shape sizes_of_other_values[] = {
    {3, 32, 4, 2}, {3, 20, 1, 2}, {2, 45, 1, 2}, {3, 12, 5, 2}};

static const scenario_values other_values[] = {values_zero, values_subnormal, values_nan,
                                               values_infinite};

/// The numbers of a shape, and its data.
typedef struct {
    scenario_shape size;
    scenario_values values;
} shape;

enum {
    size_count = sizeof sizes / sizeof sizes[0],
    other_value_count = sizeof other_values / sizeof other_values[0],
    shape_count =
        size_count
        + other_value_count * sizeof sizes_of_other_values / sizeof sizes_of_other_values[0],
};

/// The shapes of a scenario: those of all, and its own with long sums.
static size_t shapes_of(const scenario *scenario) {
    size_t count = shape_count;
    for (size_t index = 0; index < scenario_long_sum_count; ++index)
        count += !strcmp(scenario->kernel, scenario_long_sums[index].kernel);
    return count;
}

static shape shape_at(const scenario *scenario, size_t index) {
    if (index < size_count) return (shape){sizes[index], values_mixed};
    if (index < shape_count) {
        const size_t other = index - size_count;
        return (shape){sizes_of_other_values[other / other_value_count],
                       other_values[other % other_value_count]};
    }
    size_t of_kernel = index - shape_count, at = 0;
    while (strcmp(scenario->kernel, scenario_long_sums[at].kernel) || of_kernel-- > 0) ++at;
    return (shape){scenario_long_sums[at].size, values_mixed};
}

enum {
    most_description = 100,
    hashes_in_line = 5,
    header_lines = 3,
    arena_bytes = 1 << 25,
    most_reported = 20,
};

/// A number of partitions, and whether they run at once.
typedef struct {
    uint32_t partitions;
    bool at_once;
} manner;

static const manner manners[] = {{1, false}, {2, false}, {3, false}, {4, false},
                                 {2, true},  {3, true},  {4, true}};

static char *arena;
static size_t arena_used;

static void *allocate(trial *trial, size_t bytes) {
    (void)trial;
    void *memory = arena + arena_used;
    arena_used += (bytes + 63) & ~(size_t)63;
    if (arena_used > arena_bytes) abort();
    return memory;
}

/// FNV-1a of 64 bits (Fowler, Noll and Vo) over the bytes, low ones first; any NaN counts as any
/// other.
static void hash_output(trial *trial, const char *name, const void *data, size_t count,
                        size_t size) {
    (void)name;
    uint64_t *hash = trial->context;
    for (size_t index = 0; index < count; ++index) {
        uint64_t bits;
        if (size == sizeof(double)) {
            const double value = ((const double *)data)[index];
            __builtin_memcpy(&bits, &value, sizeof value);
            if (__builtin_isnan(value)) bits = 0x7FF8000000000000;
        } else {
            const float value = ((const float *)data)[index];
            uint32_t word;
            __builtin_memcpy(&word, &value, sizeof value);
            bits = __builtin_isnan(value) ? 0x7FC00000 : word;
        }
        for (size_t byte = 0; byte < size; ++byte)
            *hash = (*hash ^ (bits >> 8 * byte & 0xFF)) * 0x100000001B3;
    }
}

/// Folded to 32 bits. Says whether the kernel knows a barrier.
static uint32_t hash_of(const recurrent_kernels *kernels, const scenario *scenario, shape shape,
                        unsigned variant, manner manner, bool *has_barrier) {
    uint64_t hash = 0xCBF29CE484222325;
    arena_used = 0;
    trial trial = {.kernels = kernels,
                   .partition_count = manner.partitions,
                   .at_once = manner.at_once,
                   .values = shape.values,
                   .allocate = allocate,
                   .output = hash_output,
                   .context = &hash};
    scenario_run(scenario, &trial, shape.size, variant);
    *has_barrier = trial.has_barrier;
    return (uint32_t)(hash ^ hash >> 32);
}

static size_t work(scenario_shape size) {
    return (size.inputs + size.units) * size.units * 4 * size.rows * size.steps;
}

/// How a line of the list begins.
static void describe(char description[most_description], const scenario *scenario, shape shape) {
    static const char *const values[scenario_values_count] = {
        "", "-zeros", "", "-subnormals", "-nan", "-infinities"};
    snprintf(description, most_description, "%s %zux%zux%zux%zu%s:", scenario->kernel,
             shape.size.inputs, shape.size.units, shape.size.rows, shape.size.steps,
             values[shape.values]);
}

static void make(void) {
    puts("# kernel, inputs x units x rows x steps: a hash for each variant of Tests/Scenarios. "
         "Made by\n"
         "#     clang -std=gnu17 -O2 CKernels/{isa,threads}/*.c Tests/Golden/hashes.c -o hashes\n"
         "#     ./hashes >Tests/Golden/hashes.txt");
    for (const scenario *scenario = scenarios; scenario < scenarios + scenario_count; ++scenario)
        for (size_t index = 0; index < shapes_of(scenario); ++index) {
            char description[most_description];
            bool has_barrier;
            describe(description, scenario, shape_at(scenario, index));
            fputs(description, stdout);
            for (unsigned variant = 0; variant < scenario->variants; ++variant)
                printf("%s%08x", variant > 0 && variant % hashes_in_line == 0 ? "\n    " : " ",
                       hash_of(recurrent_kernels_of(recurrent_isa_best()), scenario,
                               shape_at(scenario, index), variant, manners[0], &has_barrier));
            putchar('\n');
        }
}

/// Reads the next line of the list up to its hashes.
static void expect(const char *description) {
    char kernel[most_description], rest[most_description], line[2 * most_description];
    if (scanf("%99s %99s", kernel, rest) == 2) {
        snprintf(line, sizeof line, "%s %s", kernel, rest);
        if (!strcmp(line, description)) return;
    }
    printf("the list lacks %s\n", description);
    exit(2);
}

static uint32_t expected_hash(void) {
    unsigned hash;
    if (scanf("%8x", &hash) == 1) return hash;
    puts("the list lacks a hash");
    exit(2);
}

/// How many hashes differ from the list's.
static size_t check(const recurrent_kernels *kernels, size_t most_work) {
    size_t checked = 0, different = 0;
    for (int line = 0; line < header_lines; ++line)
        while (getchar() != '\n' && !feof(stdin)) {}
    for (const scenario *scenario = scenarios; scenario < scenarios + scenario_count; ++scenario)
        for (size_t index = 0; index < shapes_of(scenario); ++index) {
            char description[most_description];
            describe(description, scenario, shape_at(scenario, index));
            expect(description);
            for (unsigned variant = 0; variant < scenario->variants; ++variant) {
                const uint32_t expected = expected_hash();
                if (work(shape_at(scenario, index).size) > most_work) continue;
                bool has_barrier = true;
                for (const manner *manner = manners;
                     manner < manners + sizeof manners / sizeof manners[0]; ++manner) {
                    // Without a barrier it would be the same call once more.
                    if (manner->at_once && !has_barrier) break;
                    const uint32_t hash = hash_of(kernels, scenario, shape_at(scenario, index),
                                                  variant, *manner, &has_barrier);
                    ++checked;
                    if (hash == expected || different++ >= most_reported) continue;
                    printf("%s variant %u: %08x, not %08x, on %s, %u partitions%s\n", description,
                           variant, hash, expected, recurrent_isa_name(kernels->isa),
                           manner->partitions, manner->at_once ? " at once" : "");
                }
            }
        }
    printf("%s: %zu hashes, %zu of them others than expected\n", recurrent_isa_name(kernels->isa),
           checked, different);
    return different;
}

int main(int count, char **arguments) {
    arena = malloc(arena_bytes);
    if (!arena) abort();
    if (count == 1) {
        make();
        return 0;
    }
    recurrent_isa isa = 0;
    while (isa < recurrent_isa_count && strcmp(arguments[1], recurrent_isa_name(isa))) ++isa;
    if (isa == recurrent_isa_count || count > 3) {
        fputs("expected an instruction set\n", stderr);
        return 64;
    }
    const recurrent_kernels *kernels = recurrent_kernels_of(isa);
    return kernels && check(kernels, count == 3 ? strtoul(arguments[2], 0, 10) : (size_t)-1) > 0;
}
