// Scenarios of the optimizer updates. The last bit of a variant: with weight decay, or without; the
// one before it also decides about a scale and a clip value.

static size_t flat_count(scenario_shape size) { return size.rows * size.units; }

static recurrent_gradient_rule gradient_rule(unsigned variant) {
    return (recurrent_gradient_rule){.scale = variant & 2 ? 0.75 : 1,
                                     .clip_value = variant & 2 ? 0.5 : __builtin_inf()};
}

static double weight_decay(unsigned variant) { return variant & 1 ? 0.01 : 0; }

/// What every update has.
typedef struct {
    size_t count;
    float *parameters, *gradient;
} optimizer_buffers;

static optimizer_buffers optimizer_buffers_of(trial *trial, scenario_shape size) {
    const size_t count = flat_count(size);
    return (optimizer_buffers){count, trial_data(trial, "parameters", count),
                               trial_data(trial, "gradient", count)};
}

static void output_updated(trial *trial, optimizer_buffers buffers) {
    trial_output(trial, "parameters", buffers.parameters, buffers.count);
    trial_output(trial, "gradient", buffers.gradient, buffers.count);
}

/// A moment, where there is one.
static void output_moment(trial *trial, const char *name, optimizer_buffers buffers,
                          const float *moment) {
    if (moment) trial_output(trial, name, moment, buffers.count);
}

enum { variants_of_sgd_update = 40 };  // decay; buffer; velocity; Nesterov; first step; look-ahead
static void run_sgd_update(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_sgd hyper = {.gradient = gradient_rule(variant),
                                 .learning_rate = 0.1,
                                 .momentum = 0.9,
                                 .dampening = 0.25,
                                 .weight_decay = weight_decay(variant),
                                 .convention = variant & 4 ? recurrent_momentum_velocity
                                                           : recurrent_momentum_buffer,
                                 .nesterov = (variant & 8) != 0,
                                 .look_ahead = variant >= 32,
                                 .first_step = (variant & 16) != 0};
    const optimizer_buffers buffers = optimizer_buffers_of(trial, size);
    float *buffer = variant & 2 ? trial_data(trial, "buffer", buffers.count) : 0;
    FOR_PARTITIONS(trial)
    trial->kernels->sgd_update(buffers.count, &hyper, buffers.parameters, buffers.gradient, buffer,
                               partition);
    output_updated(trial, buffers);
    output_moment(trial, "buffer", buffers, buffer);
}

enum { variants_of_adagrad_update = 4 };  // decay; epsilon inside
static void run_adagrad_update(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_adagrad hyper = {.gradient = gradient_rule(variant),
                                     .learning_rate = 0.1,
                                     .epsilon = 1e-7,
                                     .weight_decay = weight_decay(variant),
                                     .epsilon_place = variant & 2 ? recurrent_epsilon_inside
                                                                  : recurrent_epsilon_outside};
    const optimizer_buffers buffers = optimizer_buffers_of(trial, size);
    float *sum = trial_squares(trial, "sum", buffers.count);
    FOR_PARTITIONS(trial)
    trial->kernels->adagrad_update(buffers.count, &hyper, buffers.parameters, buffers.gradient, sum,
                                   partition);
    output_updated(trial, buffers);
    output_moment(trial, "sum", buffers, sum);
}

enum { variants_of_rmsprop_update = 32 };  // decay; epsilon inside; centered; buffer; velocity
static void run_rmsprop_update(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_rmsprop hyper = {
        .gradient = gradient_rule(variant),
        .learning_rate = 0.01,
        .decay = 0.9,
        .epsilon = 1e-6,
        .momentum = 0.9,
        .weight_decay = weight_decay(variant),
        .epsilon_place = variant & 2 ? recurrent_epsilon_inside : recurrent_epsilon_outside,
        .convention = variant & 16 ? recurrent_momentum_velocity : recurrent_momentum_buffer};
    const optimizer_buffers buffers = optimizer_buffers_of(trial, size);
    float *square = trial_squares(trial, "square", buffers.count);
    float *mean = variant & 4 ? trial_data(trial, "mean", buffers.count) : 0,
          *buffer = variant & 8 ? trial_data(trial, "buffer", buffers.count) : 0;
    FOR_PARTITIONS(trial)
    trial->kernels->rmsprop_update(buffers.count, &hyper, buffers.parameters, buffers.gradient,
                                   square, mean, buffer, partition);
    output_updated(trial, buffers);
    output_moment(trial, "square", buffers, square);
    output_moment(trial, "mean", buffers, mean);
    output_moment(trial, "buffer", buffers, buffer);
}

enum { variants_of_adam_update = 24 };  // decay; AMSGrad; decoupled; where epsilon is
static void run_adam_update(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_adam hyper = {.gradient = gradient_rule(variant),
                                  .learning_rate = 0.01,
                                  .beta1 = 0.9,
                                  .beta2 = 0.999,
                                  .bias_correction1 = 0.1,
                                  .bias_correction2 = 0.001,
                                  .epsilon = 1e-6,
                                  .weight_decay = weight_decay(variant),
                                  .decoupled = (variant & 4) != 0,
                                  .epsilon_place = (recurrent_epsilon_place)(variant / 8)};
    const optimizer_buffers buffers = optimizer_buffers_of(trial, size);
    float *first = trial_data(trial, "first", buffers.count),
          *second = trial_squares(trial, "second", buffers.count);
    float *largest = variant & 2 ? trial_squares(trial, "largest", buffers.count) : 0;
    FOR_PARTITIONS(trial)
    trial->kernels->adam_update(buffers.count, &hyper, buffers.parameters, buffers.gradient, first,
                                second, largest, partition);
    output_updated(trial, buffers);
    output_moment(trial, "first", buffers, first);
    output_moment(trial, "second", buffers, second);
    output_moment(trial, "largest", buffers, largest);
}

enum { variants_of_nadam_update = 8 };  // decay; scale and clip value; decoupled
static void run_nadam_update(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_nadam hyper = {.gradient = gradient_rule(variant),
                                   .learning_rate = 0.01,
                                   .beta1 = 0.9,
                                   .beta2 = 0.999,
                                   .momentum = 0.45,
                                   .next_momentum = 0.5,
                                   .momentum_product = 0.2,
                                   .bias_correction2 = 0.002,
                                   .epsilon = 1e-6,
                                   .weight_decay = weight_decay(variant),
                                   .decoupled = (variant & 4) != 0};
    const optimizer_buffers buffers = optimizer_buffers_of(trial, size);
    float *first = trial_data(trial, "first", buffers.count),
          *second = trial_squares(trial, "second", buffers.count);
    FOR_PARTITIONS(trial)
    trial->kernels->nadam_update(buffers.count, &hyper, buffers.parameters, buffers.gradient, first,
                                 second, partition);
    output_updated(trial, buffers);
    output_moment(trial, "first", buffers, first);
    output_moment(trial, "second", buffers, second);
}

enum { variants_of_radam_update = 16 };  // decay; scale and clip value; decoupled; rectified
static void run_radam_update(trial *trial, scenario_shape size, unsigned variant) {
    const recurrent_radam hyper = {.gradient = gradient_rule(variant),
                                   .learning_rate = 0.01,
                                   .beta1 = 0.9,
                                   .beta2 = 0.999,
                                   .bias_correction1 = 0.1,
                                   .bias_correction2 = 0.001,
                                   .rectification = variant & 8 ? 0.25 : 0,
                                   .epsilon = 1e-6,
                                   .weight_decay = weight_decay(variant),
                                   .decoupled = (variant & 4) != 0};
    const optimizer_buffers buffers = optimizer_buffers_of(trial, size);
    float *first = trial_data(trial, "first", buffers.count),
          *second = trial_squares(trial, "second", buffers.count);
    FOR_PARTITIONS(trial)
    trial->kernels->radam_update(buffers.count, &hyper, buffers.parameters, buffers.gradient, first,
                                 second, partition);
    output_updated(trial, buffers);
    output_moment(trial, "first", buffers, first);
    output_moment(trial, "second", buffers, second);
}

// Rules without conventions: decay; scale and clip value.

#define KERNEL(name, parameters)
#define RULE(name, begin, moments, end, ...)                                               \
    enum { variants_of_##name##_update = 4 };                                              \
    static void run_##name##_update(trial *trial, scenario_shape size, unsigned variant) { \
        const recurrent_##name hyper = {.gradient = gradient_rule(variant),                \
                                        .weight_decay = weight_decay(variant),             \
                                        __VA_ARGS__};                                      \
        const optimizer_buffers buffers = optimizer_buffers_of(trial, size);               \
        begin FOR_PARTITIONS(trial)                                                        \
            trial->kernels->name##_update(buffers.count, &hyper, buffers.parameters,       \
                                          buffers.gradient, MOMENTS moments, partition);   \
        output_updated(trial, buffers);                                                    \
        end                                                                                \
    }
#define MOMENTS(...) __VA_ARGS__
#define BEGIN_MOMENT(kind, moment) float *moment = trial_##kind(trial, #moment, buffers.count);
#define END_MOMENT(moment) output_moment(trial, #moment, buffers, moment);
#define RULE1(name, kind, moment, ...) \
    RULE(name, BEGIN_MOMENT(kind, moment), (moment), END_MOMENT(moment), __VA_ARGS__)
#define RULE2(name, kind1, moment1, kind2, moment2, ...)                                      \
    RULE(name, BEGIN_MOMENT(kind1, moment1) BEGIN_MOMENT(kind2, moment2), (moment1, moment2), \
         END_MOMENT(moment1) END_MOMENT(moment2), __VA_ARGS__)
#include "../../CKernels/include/recurrent/optimizers.h"
#undef KERNEL
