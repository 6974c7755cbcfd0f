// Fuzzes every kernel: bytes → a scenario of Tests/Scenarios, its variant, shape and data, and in
// how many partitions it is called. Every instruction set must leave the bits that the generic one
// leaves. What else is looked for is up to the flags that this is compiled with.
#include <stdio.h>
#include <stdlib.h>

#include "../../Tests/Scenarios/scenarios.h"

enum { most_buffers = 64 };

/// The buffers of a call, each of which ends where AddressSanitizer's guards start.
typedef struct {
    void *buffers[most_buffers];
    size_t count;
    uint64_t hash;
} memory;

static void *allocate(trial *trial, size_t bytes) {
    memory *memory = trial->context;
    // Where 4 bytes are promised, no more than 4.
    const size_t offset = bytes % 8;
    char *buffer = malloc(bytes + offset);
    if (!buffer || memory->count == most_buffers) abort();
    memory->buffers[memory->count++] = buffer;
    return buffer + offset;
}

/// FNV-1a over words; any NaN counts as any other.
static void hash_output(trial *trial, const char *name, const void *data, size_t count,
                        size_t size) {
    (void)name;
    memory *memory = trial->context;
    for (size_t index = 0; index < count; ++index) {
        const char *element = (const char *)data + index * size;
        uint64_t bits = 0;
        __builtin_memcpy(&bits, element, size);
        if (size == sizeof(double) ? __builtin_isnan(*(const double *)element)
                                   : __builtin_isnan(*(const float *)element))
            bits = ~0ull;
        memory->hash = (memory->hash ^ bits) * 0x100000001B3;
    }
}

/// What the bytes of an input choose, in this order; those that are missing are zero.
typedef struct {
    uint8_t kernel[2], variant, inputs, units, rows, steps, values, partitions, seed;
} input;

static const scenario *scenario_of(const input *input) {
    return &scenarios[(input->kernel[0] | input->kernel[1] << 8) % scenario_count];
}

static uint64_t hash_of(const recurrent_kernels *kernels, const input *input, uint32_t partitions) {
    const scenario *scenario = scenario_of(input);
    // The last of the numbers of rows are those of more than a block of a long sum.
    const size_t rows = input->rows < 240 ? input->rows % 12u : 250 + input->rows % 16u * 20u;
    const scenario_shape size = {input->inputs % 48u, input->units % 80u, rows, input->steps % 6u};
    memory memory = {.hash = 0xCBF29CE484222325};
    trial trial = {.kernels = kernels,
                   .partition_count = partitions,
                   .at_once = input->partitions & 0x80,
                   .values = (scenario_values)(input->values % scenario_values_count),
                   .allocate = allocate,
                   .output = hash_output,
                   .context = &memory,
                   .seed = input->seed};
    scenario_run(scenario, &trial, size, input->variant % scenario->variants);
    while (memory.count > 0) {
        --memory.count;
        free(memory.buffers[memory.count]);
    }
    return memory.hash;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
    input input = {0};
    __builtin_memcpy(&input, bytes, count < sizeof input ? count : sizeof input);
    const uint64_t expected = hash_of(recurrent_kernels_of(recurrent_isa_generic), &input, 1);
    for (int isa = 0; isa < recurrent_isa_count; ++isa) {
        const recurrent_kernels *kernels = recurrent_kernels_of((recurrent_isa)isa);
        if (!kernels || hash_of(kernels, &input, 1 + input.partitions % 5u) == expected) continue;
        fprintf(stderr, "%s: other bits on %s\n", scenario_of(&input)->kernel,
                recurrent_isa_name((recurrent_isa)isa));
        abort();
    }
    return 0;
}
