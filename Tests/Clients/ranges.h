// The ranges of the checks, at both ends.
#ifndef RANGES_H
#define RANGES_H

#include <math.h>
#include <recurrent/recurrent.h>

#include "weights_file.h"

// Fields that are not written are zero.
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

/// The message of a shape begins with `expected`, or there is none.
static void expect(const char *found, const char *expected, const char *shape) {
    if (expected ? found && strstr(found, expected) != NULL : !found) return;
    fprintf(stderr, "%s: expected \"%s\", found \"%s\"\n", shape, expected ? expected : "nothing",
            found ? found : "nothing");
    exit(1);
}

#define CHECK(kind, expected, ...)                                                        \
    expect(recurrent_##kind##_check((recurrent_##kind##_shape){__VA_ARGS__}), (expected), \
           #kind " {" #__VA_ARGS__ "}")

enum { D = RECURRENT_LARGEST_DIMENSION, ODD = D + 1 };
#define PLACES 32768, 32768, 1, 1, 1, 0

/// The dimensions of a cell: input, hidden, batch, steps, x_stride.
#define CHECK_CELL(name, gates, ...)                                                  \
    CHECK(cell, NULL, recurrent_cell_##name, 1, 1, 1, 1, 1);                          \
    CHECK(cell, NULL, recurrent_cell_##name, D, D, D, 128, D);                        \
    CHECK(cell, NULL, recurrent_cell_##name, D, D, 128, D, D);                        \
    CHECK(cell, "input, hidden", recurrent_cell_##name, 0, 1, 1, 1, 1);               \
    CHECK(cell, "input, hidden", recurrent_cell_##name, ODD, 1, 1, 1, ODD);           \
    CHECK(cell, "input, hidden", recurrent_cell_##name, 1, 0, 1, 1, 1);               \
    CHECK(cell, "input, hidden", recurrent_cell_##name, 1, ODD, 1, 1, 1);             \
    CHECK(cell, "input, hidden", recurrent_cell_##name, 1, 1, 0, 1, 1);               \
    CHECK(cell, "input, hidden", recurrent_cell_##name, 1, 1, ODD, 1, 1);             \
    CHECK(cell, "input, hidden", recurrent_cell_##name, 1, 1, 1, 0, 1);               \
    CHECK(cell, "input, hidden", recurrent_cell_##name, 1, 1, 1, ODD, 1);             \
    CHECK(cell, "input, hidden", recurrent_cell_##name, SIZE_MAX, 1, 1, 1, SIZE_MAX); \
    CHECK(cell, "steps × batch", recurrent_cell_##name, 1, 1, 129, D, 1);             \
    CHECK(cell, "steps × batch", recurrent_cell_##name, 1, 1, D, D, 1);               \
    CHECK(cell, "x_stride", recurrent_cell_##name, 2, 1, 1, 1, 1);                    \
    CHECK(cell, "x_stride", recurrent_cell_##name, 1, 1, 1, 1, ODD);

static inline void check_ranges(void) {
    const size_t most = RECURRENT_LARGEST_ROW_COUNT;
    CHECK(product, NULL, 1, 1, 1, 1, 1);
    CHECK(product, NULL, most, D, D, 4, D);
    CHECK(product, NULL, 1, 1, 1, 3, 1);
    CHECK(product, "1 row", 0, 1, 1, 1, 1);
    CHECK(product, "1 row", most + 1, 1, 1, 1, 1);
    CHECK(product, "inputs", 1, 0, 1, 1, 1);
    CHECK(product, "inputs", 1, ODD, 1, 1, ODD);
    CHECK(product, "inputs", 1, 1, 0, 1, 1);
    CHECK(product, "inputs", 1, 1, ODD, 1, 1);
    CHECK(product, "groups", 1, 1, 1, 0, 1);
    CHECK(product, "groups", 1, 1, 1, 5, 1);
    CHECK(product, "x_stride", 1, 2, 1, 1, 1);
    CHECK(product, "x_stride", 1, 1, 1, 1, ODD);

    RECURRENT_CELLS(CHECK_CELL, 0)
    CHECK(cell, "of recurrent_cell", (recurrent_cell)99, 1, 1, 1, 1, 1);
    CHECK(cell, NULL, recurrent_cell_lstm, 1, 1, 1, 1, 1, {1, 1, 0.5F, D});
    CHECK(cell, NULL, recurrent_cell_lstm, D, D, D, 128, D, {1, 1, 0.5F, D});
    CHECK(cell, "0 or 1", recurrent_cell_lstm, 1, 1, 1, 1, 1, {2, 0, 0, 0});
    CHECK(cell, "0 or 1", recurrent_cell_lstm, 1, 1, 1, 1, 1, {0, 2, 0, 0});
    CHECK(cell, "clip", recurrent_cell_lstm, 1, 1, 1, 1, 1, {0, 0, -1, 0});
    CHECK(cell, "clip", recurrent_cell_lstm, 1, 1, 1, 1, 1, {0, 0, NAN, 0});
    CHECK(cell, "clip", recurrent_cell_lstm, 1, 1, 1, 1, 1, {0, 0, INFINITY, 0});
    CHECK(cell, "projection", recurrent_cell_lstm, 1, 1, 1, 1, 1, {0, 0, 0, ODD});

    CHECK(cell, NULL, recurrent_cell_rnn, 1, 1, 1, 1, 1,
          .activation = recurrent_activation_leaky_relu, .slope = 1);
    CHECK(cell, NULL, recurrent_cell_rnn, 1, 1, 1, 1, 1, .slope = NAN,
          .gate_activation = (recurrent_gate_activation)99);
    CHECK(cell, NULL, recurrent_cell_min_gru, 1, 1, 1, 1, 1,
          .activation = (recurrent_activation)99);
    for (int cell = recurrent_cell_lstm; cell <= recurrent_cell_gru; ++cell) {
        const int bad[] = {recurrent_activation_elu, recurrent_activation_softplus,
                           recurrent_activation_count, 99, -1};
        for (int n = 0; n < 5; ++n)
            CHECK(cell, "activation", (recurrent_cell)cell, 1, 1, 1, 1, 1,
                  .activation = (recurrent_activation)bad[n]);
        const float slopes[] = {1.5F, -0.5F, NAN};
        for (int n = 0; n < 3; ++n)
            CHECK(cell, "slope", (recurrent_cell)cell, 1, 1, 1, 1, 1,
                  .activation = recurrent_activation_leaky_relu, .slope = slopes[n]);
    }

    CHECK(cell, NULL, recurrent_cell_gru, 1, 1, 1, 1, 1, .gru = {1, 1},
          .activation = recurrent_activation_hard_sigmoid_sixth,
          .gate_activation = recurrent_gate_hard_sigmoid_sixth);
    CHECK(cell, "0 or 1", recurrent_cell_gru, 1, 1, 1, 1, 1, .gru = {2, 0});
    CHECK(cell, "0 or 1", recurrent_cell_gru, 1, 1, 1, 1, 1, .gru = {0, 2});
    CHECK(cell, "gate_activation", recurrent_cell_gru, 1, 1, 1, 1, 1,
          .gate_activation = (recurrent_gate_activation)recurrent_gate_activation_count);
    CHECK(cell, "gate_activation", recurrent_cell_lstm, 1, 1, 1, 1, 1,
          .gate_activation = (recurrent_gate_activation)-1);

    CHECK(convolution, NULL, 1, {1, 1, 1, 1, 1, 0}, {1, 1, 1, 1, 1, 0}, 1, 1, 1);
    CHECK(convolution, NULL, 2, {PLACES}, {PLACES}, D, D, D);
    CHECK(convolution, NULL, 1, {1, 1, 1, D, D, D}, {D, 128, 128, 1, 1, 0}, D, D, D);
    CHECK(convolution, "images", 0, {PLACES}, {PLACES}, 1, 1, 1);
    CHECK(convolution, "images", ODD, {1, 1, 1, 1, 1, 0}, {1, 1, 1, 1, 1, 0}, 1, 1, 1);
    CHECK(convolution, "places", 3, {PLACES}, {32768, 1, 1, 1, 1, 0}, 1, 1, 1);
    CHECK(convolution, "places", 3, {PLACES}, {1, 32768, 1, 1, 1, 0}, 1, 1, 1);
    CHECK(convolution, "size", 1, {0, 1, 1, 1, 1, 0}, {1, 1, 1, 1, 1, 0}, 1, 1, 1);
    CHECK(convolution, "taps", 1, {1, 1, 1, 1, 1, 0}, {1, 1, 0, 1, 1, 0}, 1, 1, 1);
    CHECK(convolution, "stride", 1, {1, 1, 1, 0, 1, 0}, {1, 1, 1, 1, 1, 0}, 1, 1, 1);
    CHECK(convolution, "dilation", 1, {1, 1, 1, 1, ODD, 0}, {1, 1, 1, 1, 1, 0}, 1, 1, 1);
    CHECK(convolution, "padding", 1, {1, 1, 1, 1, 1, ODD}, {1, 1, 1, 1, 1, 0}, 1, 1, 1);
    CHECK(convolution, "1 window", 1, {1, 0, 1, 1, 1, 0}, {1, 1, 1, 1, 1, 0}, 1, 1, 1);
    CHECK(convolution, "terms", 1, {1, 1, 128, 1, 1, 0}, {1, 1, 2, 1, 1, 0}, D, 1, D);
    CHECK(convolution, "inputs", 1, {1, 1, 1, 1, 1, 0}, {1, 1, 1, 1, 1, 0}, 0, 1, 1);
    CHECK(convolution, "outputs", 1, {1, 1, 1, 1, 1, 0}, {1, 1, 1, 1, 1, 0}, 1, ODD, 1);
    CHECK(convolution, "x_stride", 1, {1, 1, 1, 1, 1, 0}, {1, 1, 1, 1, 1, 0}, 2, 1, 1);

    CHECK(pooling, NULL, 2, {PLACES}, {PLACES}, D, recurrent_pooling_sum);
    CHECK(pooling, "places", 3, {PLACES}, {PLACES}, 1, recurrent_pooling_max);
    CHECK(pooling, "taps", 1, {1, 1, D, 1, 1, 0}, {1, 1, 129, 1, 1, 0}, 1, recurrent_pooling_max);
    CHECK(pooling, "channels", 1, {PLACES}, {PLACES}, 0, recurrent_pooling_max);
    CHECK(pooling, "a pooling", 1, {PLACES}, {PLACES}, 1, (recurrent_pooling)3);

    CHECK(rows, NULL, most, D);
    CHECK(rows, "1 row", 0, 1);
    CHECK(rows, "1 row", most + 1, 1);
    CHECK(rows, "units", 1, 0);
    CHECK(rows, "units", 1, ODD);

    CHECK(embedding, NULL, D, D, most);
    CHECK(embedding, "vocabulary", ODD, 1, 1);
    CHECK(embedding, "dimension", 1, 0, 1);
    CHECK(embedding, "1 row", 1, 1, 0);

    CHECK(sequence, NULL, D, 128, D, D, D, D, 1);
    CHECK(sequence, "steps, batch", 0, 1, 1, 1, 1, 1, 0);
    CHECK(sequence, "steps, batch", 1, ODD, 1, 1, 1, 1, 0);
    CHECK(sequence, "steps, batch", 1, 1, 0, 1, 1, 1, 0);
    CHECK(sequence, "steps × batch", D, 129, 1, 1, 1, 1, 0);
    CHECK(sequence, "width", 1, 1, 2, 1, 2, 2, 0);
    CHECK(sequence, "y_stride", 1, 1, 1, 2, 1, 1, 0);
    CHECK(sequence, "x_stride", 1, 1, 2, 2, 1, 2, 0);
    CHECK(sequence, "span", 4, 1, 1, 1, SIZE_MAX / 8, 1, 0);
    CHECK(sequence, "span", 4, 1, 1, 1, 1, SIZE_MAX, 0);
}

/// Where a buffer has 2^31 - 1 bytes at most: 2^29 floats are one too many.
static inline void check_small_ranges(void) {
    const char *span = "span";
    CHECK(product, NULL, 1 << 24, 16, 16, 1, 16);
    CHECK(product, span, 1 << 25, 16, 16, 1, 16);
    CHECK(product, span, 1 << 25, 1, 1, 1, 16);
    CHECK(product, span, 1, D, 32, 1, D);
    CHECK(cell, NULL, recurrent_cell_lstm, 1, 4096, 1, 1, 1);
    CHECK(cell, span, recurrent_cell_lstm, 1, 16384, 1, 1, 1);
    CHECK(cell, span, recurrent_cell_lstm, 1, 16, 1, 1 << 23, 1);
    CHECK(cell, NULL, recurrent_cell_rnn, 1, 16384, 1, 1, 1);
    CHECK(cell, span, recurrent_cell_rnn, 1, 32768, 1, 1, 1);
    CHECK(cell, span, recurrent_cell_rnn, 1, 1, 1, 1 << 20, 1 << 10);
    CHECK(cell, NULL, recurrent_cell_gru, 1, 8192, 1, 1, 1);
    CHECK(cell, span, recurrent_cell_gru, 1, 16384, 1, 1, 1);
    CHECK(cell, NULL, recurrent_cell_min_gru, 1, 16384, 1, 1, 1);
    CHECK(cell, span, recurrent_cell_min_gru, 16384, 16384, 1, 1, 16384);
    CHECK(convolution, NULL, 1, {1, 1, 3, 1, 1, 0}, {1, 1, 3, 1, 1, 0}, 4096, 4096, 4096);
    CHECK(convolution, span, 1, {1, 1, 3, 1, 1, 0}, {1, 1, 3, 1, 1, 0}, 8192, 8192, 8192);
    CHECK(convolution, span, 1, {D, 1, 1, 1, 1, 0}, {1, 1, 1, 1, 1, 0}, 32, 1, 32);
    CHECK(convolution, "counted", 1, {1, D, 1, D, 1, 0}, {1, 1, 1, 1, 1, 0}, 1, 1, 1);
    CHECK(pooling, span, 1, {D, 1, 1, 1, 1, 0}, {1, 1, 1, 1, 1, 0}, 32, recurrent_pooling_max);
    CHECK(rows, NULL, 1 << 24, 16);
    CHECK(rows, span, 1 << 25, 16);
    CHECK(embedding, span, D, 32, 1);
    CHECK(embedding, span, 1, 32, D);
    CHECK(sequence, span, D, 1, 1, 1, 32, 1, 0);
}

#endif
