// Runs every kernel of an instruction set, instruction by instruction (on x86-64), and fails unless
// a call takes the same path through its code whatever the data is: zeros, random numbers,
// subnormals, NaN, infinity. How deep the stack gets is measured on the way.
//
//     paths ISA      its kernels; those that the processor lacks pass
//     paths FAULT    a kernel with this fault (planted.h), which must be found
//
// The kernel under test has an address in the table that nothing can be fetched from; the call
// faults, and from there on the processor traps after each instruction, until the kernel returns.
#define _GNU_SOURCE  // for the names of registers
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#include "../Scenarios/scenarios.h"
#include "planted.h"

enum { trap_flag = 0x100, arena_bytes = 1 << 24, alternate_stack = 1 << 16 };

/// Bytes of stack that a kernel may use, with all that it calls.
static const size_t most_stack = 2 << 10;

static char *arena;
static size_t arena_used;

/// A call that is traced.
static struct {
    char *nowhere;  ///< where the table says that the kernel is
    char *kernel;   ///< where it is
    char *back;     ///< where it returns to
    char *stack;    ///< there
    uint64_t hash, instructions;
    size_t deepest;
} trace;

static void *allocate(trial *trial, size_t bytes) {
    (void)trial;
    void *memory = arena + arena_used;
    arena_used += (bytes + 63) & ~(size_t)63;
    if (arena_used > arena_bytes) abort();
    return memory;
}

static void ignore(trial *trial, const char *name, const void *data, size_t count, size_t size) {
    (void)trial, (void)name, (void)data, (void)count, (void)size;
}

static void on_call(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    if ((char *)registers[REG_RIP] != trace.nowhere) abort();
    trace.stack = (char *)registers[REG_RSP];
    memcpy(&trace.back, trace.stack, sizeof trace.back);
    registers[REG_RIP] = (greg_t)trace.kernel;
    registers[REG_EFL] |= trap_flag;
}

static void on_instruction(int signal, siginfo_t *info, void *context) {
    (void)signal, (void)info;
    greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
    const size_t depth = (size_t)(trace.stack - (char *)registers[REG_RSP]);
    if ((char *)registers[REG_RIP] == trace.back) {
        registers[REG_EFL] &= ~(greg_t)trap_flag;
        return;
    }
    if (depth > trace.deepest) trace.deepest = depth;
    ++trace.instructions;
    trace.hash = (trace.hash ^ (uint64_t)registers[REG_RIP]) * 0x100000001B3;
}

static void handle(int signal, void (*handler)(int, siginfo_t *, void *)) {
    struct sigaction action = {.sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    if (sigaction(signal, &action, 0)) abort();
}

/// The table with the kernel of `index` nowhere; `trace.kernel` becomes its address.
static recurrent_kernels traced_table(const recurrent_kernels *kernels, size_t index) {
    recurrent_kernels table = *kernels;
    size_t row = 0;
#define KERNEL(name, parameters)              \
    if (row++ == index) {                     \
        trace.kernel = (char *)kernels->name; \
        table.name = (void *)trace.nowhere;   \
    }
#include "../../CKernels/include/recurrent/kernel_list.h"
#undef KERNEL
    return table;
}

/// Whether the path is the same for all data and the stack is small.
static bool same_path(const recurrent_kernels *kernels, size_t index, scenario_shape size,
                      unsigned variant, size_t *deepest) {
    const recurrent_kernels table = traced_table(kernels, index);
    uint64_t hash = 0, instructions = 0;
    for (scenario_values values = values_mixed; values < (scenario_values)scenario_values_count;
         ++values) {
        trace.hash = trace.instructions = trace.deepest = 0;
        arena_used = 0;
        trial trial = {.kernels = &table,
                       .partition_count = 2,
                       .values = values,
                       .allocate = allocate,
                       .output = ignore};
        scenario_run(&scenarios[index], &trial, size, variant);
        if (values == values_mixed) {
            hash = trace.hash;
            instructions = trace.instructions;
        }
        if (trace.deepest > *deepest) *deepest = trace.deepest;
        if (trace.hash == hash && trace.instructions == instructions && instructions > 0
            && trace.deepest <= most_stack)
            continue;
        printf("%s, %s, variant %u, values %u: %llu instructions, not %llu, or another path; %zu "
               "bytes of stack\n",
               scenarios[index].kernel, recurrent_isa_name(kernels->isa), variant, (unsigned)values,
               (unsigned long long)trace.instructions, (unsigned long long)instructions,
               trace.deepest);
        return false;
    }
    return true;
}

int main(int count, char **arguments) {
    static char stack[alternate_stack];
    const stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
    trace.nowhere = mmap(0, 1, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    arena = mmap(0, arena_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (sigaltstack(&alternate, 0) || trace.nowhere == MAP_FAILED || arena == MAP_FAILED) abort();
    handle(SIGSEGV, on_call);
    handle(SIGTRAP, on_instruction);

    for (size_t plant = 0; plant < planted_count && count == 2; ++plant)
        if (!strcmp(arguments[1], planted[plant].name)) {
            recurrent_kernels kernels = *recurrent_kernels_of(recurrent_isa_best());
            kernels.fill = planted[plant].fill;
            size_t index = 0, deepest = 0;
            while (strcmp(scenarios[index].kernel, "fill")) ++index;
            return same_path(&kernels, index, (scenario_shape){.units = 17, .rows = 1}, 0, &deepest)
                       ? 0
                       : 1;
        }
    recurrent_isa isa = 0;
    while (count == 2 && isa < recurrent_isa_count && strcmp(arguments[1], recurrent_isa_name(isa)))
        ++isa;
    if (count != 2 || isa == recurrent_isa_count) {
        fputs("expected an instruction set, or a fault\n", stderr);
        return 64;
    }
    const recurrent_kernels *kernels = recurrent_kernels_of(isa);
    if (!kernels) return 0;
    // A row or two of two panels, not all of whose lanes are used; a row with more panels than a
    // register tile. Fused multiply-adds in software take a hundred instructions each: one panel.
    static const scenario_shape sizes[] = {{2, 18, 2, 2}, {2, 50, 1, 1}},
                                size_in_software = {1, 3, 1, 2};
    bool same = true;
    for (size_t index = 0; index < scenario_count; ++index) {
        size_t deepest = 0;
        if (isa == recurrent_isa_generic) {
            same &= same_path(kernels, index, size_in_software, 0, &deepest);
        } else {
            for (unsigned variant = 0; variant < scenarios[index].variants; ++variant)
                same &= same_path(kernels, index, sizes[0], variant, &deepest);
            same &= same_path(kernels, index, sizes[1], 0, &deepest);
        }
        printf("%s: %s: %zu bytes of stack\n", recurrent_isa_name(isa), scenarios[index].kernel,
               deepest);
    }
    return same ? 0 : 1;
}
