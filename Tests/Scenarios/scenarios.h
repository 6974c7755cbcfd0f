// A scenario for each kernel of kernel_list.h: how to make its buffers, call it, and show what it
// has written. Programs that run all kernels include this once: what they look for is theirs. A
// kernel without a scenario does not compile.
#ifndef RECURRENT_SCENARIOS_H
#define RECURRENT_SCENARIOS_H

#include "trial.h"
#include "layers.h"
#include "cells.h"
#include "convolution.h"
#include "sequence.h"
#include "rows.h"
#include "normalization.h"
#include "optimizers.h"

typedef struct scenario {
    const char *kernel;
    unsigned
        variants;  ///< ways to call it: its options, and which of its buffers are missing or shared
    void (*run)(trial *trial, scenario_shape size, unsigned variant);
} scenario;

static const scenario scenarios[] = {
#define KERNEL(name, parameters) {#name, variants_of_##name, run_##name},
#include "../../CKernels/include/recurrent/kernel_list.h"
#undef KERNEL
};

enum { scenario_count = sizeof scenarios / sizeof scenarios[0] };

/// Shapes that take kernels where the shapes that all kernels share do not: to sums of more terms
/// than they add one after the other. An embedding has more indices than lists.
static const struct {
    const char *kernel;
    scenario_shape size;
} scenario_long_sums[] = {
    {"embedding_backward", {300, 17, 8200, 1}},
    {"pooling_forward", {1, 17, 2, 300}},
    {"softmax", {1, 16500, 2, 1}},
    {"softmax_backward", {1, 16500, 2, 1}},
    {"softmax_cross_entropy", {1, 16500, 2, 1}},
    {"mean_squared_error", {1, 4200, 2, 1}},
    {"mean_absolute_error", {1, 4200, 2, 1}},
    {"huber_loss", {1, 4200, 2, 1}},
    {"binary_cross_entropy", {1, 4200, 2, 1}},
};

enum { scenario_long_sum_count = sizeof scenario_long_sums / sizeof scenario_long_sums[0] };

static inline void scenario_run(const scenario *scenario, trial *trial, scenario_shape size,
                                unsigned variant) {
    const uint64_t numbers[] = {size.inputs, size.units, size.rows, size.steps, variant};
    trial_draw(trial, scenario->kernel);
    for (size_t index = 0; index < sizeof numbers / sizeof numbers[0]; ++index)
        trial->random = trial_bits(trial) ^ numbers[index];
    trial->seed = trial->random;
    scenario->run(trial, size, variant);
}

#endif
