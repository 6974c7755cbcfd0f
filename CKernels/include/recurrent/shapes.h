// Dimensions, and the sizes of buffers in floats. Rows of activations, states and gates are padded
// to whole unit panels (16 units); the lanes past the last unit are zero, and every kernel keeps
// them zero as long as what it reads is finite. Only the activated gates of those lanes are what
// zero weights give, and nothing reads them.
#ifndef RECURRENT_SHAPES_H
#define RECURRENT_SHAPES_H

#include <stddef.h>
#include <stdint.h>

#include "activations.h"

/// Hidden units, or outputs, in a panel.
#define RECURRENT_PANEL 16

/// Panels that hold `units` units: ⌈units / 16⌉.
static inline size_t recurrent_panels(size_t units) {
    return (units + RECURRENT_PANEL - 1) / RECURRENT_PANEL;
}

/// Floats in a padded row of `units` units: 16 ⌈units / 16⌉.
static inline size_t recurrent_padded(size_t units) {
    return recurrent_panels(units) * RECURRENT_PANEL;
}

/// A layer y = x Wᵀ + b.
typedef struct recurrent_product_shape {
    size_t rows;      ///< M, rows of x and y
    size_t inputs;    ///< K, columns of x
    size_t outputs;   ///< N, units; each has `groups` sums
    size_t groups;    ///< G, vectors of 16 sums in a row of a panel: 1 (dense) to 4 (LSTM)
    size_t x_stride;  ///< floats from one row of x to the next, at least `inputs`
} recurrent_product_shape;

/// A matrix in kernel order: ⌈N/16⌉ panels of 1 + K rows of 16 G floats.
static inline size_t recurrent_product_weights_floats(recurrent_product_shape shape) {
    return recurrent_panels(shape.outputs) * (1 + shape.inputs) * shape.groups * RECURRENT_PANEL;
}

/// The same matrix, of one group, in bfloat16: ⌈N/32⌉ pairs of panels.
static inline size_t recurrent_product_bfloat16_floats(recurrent_product_shape shape) {
    return (recurrent_panels(shape.outputs) + 1) / 2 * (2 + shape.inputs) * RECURRENT_PANEL;
}

/// The transposed copy that `product_backward_input` reads.
static inline size_t recurrent_product_transposed_floats(recurrent_product_shape shape) {
    return recurrent_padded(shape.inputs) * recurrent_padded(shape.outputs) * shape.groups;
}

/// Windows that move along one axis of images or, where the rows have size 1, of sequences. Window
/// p has a tap at each of the places p stride + k dilation - padding, k = 0 ... taps - 1; those
/// that lie outside 0 ..< size are left out.
typedef struct recurrent_axis {
    size_t size;      ///< places that are read
    size_t windows;   ///< places that are written, one for each window
    size_t taps;      ///< of a window, at least 1
    size_t stride;    ///< at least 1
    size_t dilation;  ///< at least 1
    size_t padding;   ///< places outside that lie in front of the first
} recurrent_axis;

/// A convolution of images.
typedef struct recurrent_convolution_shape {
    size_t images;           ///< N
    recurrent_axis rows;     ///< H places, H′ windows of KH taps
    recurrent_axis columns;  ///< W places, W′ windows of KW taps
    size_t inputs;           ///< C, channels of x
    size_t outputs;          ///< C′, channels of y
    size_t x_stride;         ///< floats from one place of x to the next, at least `inputs`
} recurrent_convolution_shape;

/// K, the terms of an output.
static inline size_t recurrent_convolution_terms(recurrent_convolution_shape shape) {
    return shape.rows.taps * shape.columns.taps * shape.inputs;
}
/// Parameters: ⌈C′/16⌉ panels of [ bias | KH × KW × C ] rows of 16 floats.
static inline size_t recurrent_convolution_weights_floats(recurrent_convolution_shape shape) {
    return recurrent_padded(shape.outputs) * (1 + recurrent_convolution_terms(shape));
}
/// y, or its gradient: [N][H′][W′][16 ⌈C′/16⌉].
static inline size_t recurrent_convolution_y_floats(recurrent_convolution_shape shape) {
    return shape.images * shape.rows.windows * shape.columns.windows
           * recurrent_padded(shape.outputs);
}
/// dx: [N][H][W][16 ⌈C/16⌉].
static inline size_t recurrent_convolution_dx_floats(recurrent_convolution_shape shape) {
    return shape.images * shape.rows.size * shape.columns.size * recurrent_padded(shape.inputs);
}
/// The transposed copy of the weights: for each tap ⌈C/16⌉ panels of 16 ⌈C′/16⌉ rows of 16 floats.
static inline size_t recurrent_convolution_transposed_floats(recurrent_convolution_shape shape) {
    return shape.rows.taps * shape.columns.taps * recurrent_padded(shape.inputs)
           * recurrent_padded(shape.outputs);
}

/// What the running variance of batch normalization is an average of, v being the variance of a
/// batch of L rows.
typedef enum recurrent_variance {
    recurrent_variance_unbiased,  ///< v L/(L - 1): PyTorch
    recurrent_variance_biased,    ///< v: Keras, TensorFlow, ONNX
} recurrent_variance;

/// What a window of pooling gives.
typedef enum recurrent_pooling {
    recurrent_pooling_max,  ///< the largest of the taps inside; the first of them where several are
    recurrent_pooling_average,  ///< their sum over the number of all taps, also those outside
    recurrent_pooling_sum,
} recurrent_pooling;

/// Pooling of images.
typedef struct recurrent_pooling_shape {
    size_t images;           ///< N
    recurrent_axis rows;     ///< H places, H′ windows of KH taps
    recurrent_axis columns;  ///< W places, W′ windows of KW taps
    size_t channels;         ///< C
    recurrent_pooling pooling;
} recurrent_pooling_shape;

/// x, or its gradient: [N][H][W][16 ⌈C/16⌉].
static inline size_t recurrent_pooling_x_floats(recurrent_pooling_shape shape) {
    return shape.images * shape.rows.size * shape.columns.size * recurrent_padded(shape.channels);
}
/// y, or its gradient: [N][H′][W′][16 ⌈C/16⌉].
static inline size_t recurrent_pooling_y_floats(recurrent_pooling_shape shape) {
    return shape.images * shape.rows.windows * shape.columns.windows
           * recurrent_padded(shape.channels);
}

/// Rows of units that a pointwise kernel works on: logits, outputs, activations, states.
typedef struct recurrent_rows_shape {
    size_t rows;   ///< M
    size_t units;  ///< N, in rows of 16 ⌈N/16⌉ floats
} recurrent_rows_shape;

/// [M][16 ⌈N/16⌉].
static inline size_t recurrent_rows_floats(recurrent_rows_shape shape) {
    return shape.rows * recurrent_padded(shape.units);
}

/// A table of vectors, one for each entry of a vocabulary.
typedef struct recurrent_embedding_shape {
    size_t vocabulary;  ///< V, vectors of the table
    size_t dimension;   ///< E, units of a vector
    size_t rows;        ///< M, indices to look up
} recurrent_embedding_shape;

/// The table, or its gradient: [V][16 ⌈E/16⌉].
static inline size_t recurrent_embedding_table_floats(recurrent_embedding_shape shape) {
    return shape.vocabulary * recurrent_padded(shape.dimension);
}
/// The vectors looked up, or their gradients: [M][16 ⌈E/16⌉].
static inline size_t recurrent_embedding_rows_floats(recurrent_embedding_shape shape) {
    return shape.rows * recurrent_padded(shape.dimension);
}

/// Sequences of rows of units, time-major, copied or made one row each.
typedef struct recurrent_sequence_shape {
    size_t steps;  ///< T
    size_t batch;  ///< B
    size_t units;  ///< N
    size_t width;  ///< floats of each row that are written, at least `units`: the units, then zeros
    size_t x_stride;  ///< floats from one row that is read to the next
    size_t y_stride;  ///< floats from one row that is written to the next
    int reversed;     ///< whether the steps of each sequence are taken from its last to its first
} recurrent_sequence_shape;

/// What one row is made of a sequence.
typedef enum recurrent_sequence_pooling {
    recurrent_sequence_last,  ///< its last step
    recurrent_sequence_mean,  ///< the mean of its steps
} recurrent_sequence_pooling;

/// Which elements a call of `dropout` drops.
typedef struct recurrent_dropout {
    uint64_t seed;  ///< of the generator
    uint64_t
        /// Another mask for each value: the caller counts the calls, and repeats one for its
        /// gradient
        counter;
    float probability;  ///< p, of dropping an element, 0 ≤ p < 1
} recurrent_dropout;

#endif
