// The ranges of shapes.
#include <float.h>

#include "../include/recurrent/recurrent.h"

#define DIMENSIONS "1 to 16777216"
#define AT_MOST_ROWS "at most 2147483648"

/// The most bytes of a buffer.
#ifndef LARGEST_BUFFER
#define LARGEST_BUFFER PTRDIFF_MAX
#endif

static const char too_large[] =
    "shape: expected buffers of fewer bytes than a pointer can span; take smaller dimensions";

static int is_dimension(uint64_t size) { return size > 0 && size <= RECURRENT_LARGEST_DIMENSION; }

static int is_row_count(uint64_t rows) { return rows > 0 && rows <= RECURRENT_LARGEST_ROW_COUNT; }

static int is_stride(uint64_t stride, uint64_t columns) {
    return stride >= columns && is_dimension(stride);
}

/// a b, or the largest number where that is larger.
static uint64_t times(uint64_t a, uint64_t b) {
    return b != 0 && a > UINT64_MAX / b ? UINT64_MAX : a * b;
}

/// Whether there can be a buffer of rows × floats.
static int fits(uint64_t rows, uint64_t floats) {
    return times(times(rows, floats), sizeof(float)) <= (uint64_t)LARGEST_BUFFER;
}

const char *recurrent_product_check(recurrent_product_shape shape) {
    if (!is_row_count(shape.rows)) return "product shape: expected 1 row or more, " AT_MOST_ROWS;
    if (!is_dimension(shape.inputs) || !is_dimension(shape.outputs))
        return "product shape: expected inputs and outputs of " DIMENSIONS;
    if (shape.groups < 1 || shape.groups > 4) return "product shape: expected 1 to 4 groups";
    if (!is_stride(shape.x_stride, shape.inputs))
        return "product shape: expected an x_stride of at least the inputs, at most 16777216";
    const uint64_t inputs = recurrent_padded(shape.inputs),
                   outputs = shape.groups * recurrent_padded(shape.outputs);
    return fits(shape.rows, shape.x_stride) && fits(shape.rows, inputs) && fits(shape.rows, outputs)
                   && fits(1 + inputs, outputs)
               ? 0
               : too_large;
}

/// Whether the sequences of a recurrent layer, and a tape of so many floats for each row, with a
/// slot before the first step, fit.
static int sequences_fit(uint64_t steps, uint64_t batch, uint64_t x_stride, uint64_t input,
                         uint64_t tape) {
    return fits(steps * batch, x_stride) && fits(steps * batch, recurrent_padded(input))
           && fits((steps + 1) * batch, tape);
}

/// What is wrong with the options of a cell, or null.
static const char *cell_options_check(recurrent_cell_shape shape) {
    if (shape.cell == recurrent_cell_lstm) {
        if (shape.lstm.peepholes > 1 || shape.lstm.coupled > 1)
            return "LSTM shape: expected 0 or 1 for peepholes and coupled";
        if (!(shape.lstm.clip >= 0 && shape.lstm.clip <= FLT_MAX))
            return "LSTM shape: expected a clip that is positive and finite, or 0 for none";
        if (shape.lstm.projection > RECURRENT_LARGEST_DIMENSION)
            return "LSTM shape: expected a projection of " DIMENSIONS ", or 0 for none";
    }
    if (shape.cell == recurrent_cell_gru
        && (shape.gru.reset_before > 1 || shape.gru.z_replaces > 1))
        return "GRU shape: expected 0 or 1 for reset_before and z_replaces";
    if (shape.cell != recurrent_cell_min_gru) {
        if ((unsigned)shape.activation >= recurrent_activation_count
            || recurrent_activation_reads_x(shape.activation))
            return "cell shape: expected an activation whose derivative is computed from y";
        if (shape.activation == recurrent_activation_leaky_relu
            && !(shape.slope >= 0 && shape.slope <= 1))
            return "cell shape: expected a slope of 0 to 1";
    }
    if ((shape.cell == recurrent_cell_lstm || shape.cell == recurrent_cell_gru)
        && (unsigned)shape.gate_activation >= recurrent_gate_activation_count)
        return "cell shape: expected a gate_activation of recurrent_gate_activation";
    return 0;
}

const char *recurrent_cell_check(recurrent_cell_shape shape) {
    if (recurrent_cell_gates(shape) == 0) return "cell shape: expected a cell of recurrent_cell";
    const char *wrong = cell_options_check(shape);
    if (wrong) return wrong;
    if (!is_dimension(shape.input) || !is_dimension(shape.hidden) || !is_dimension(shape.batch)
        || !is_dimension(shape.steps))
        return "cell shape: expected input, hidden, batch and steps of " DIMENSIONS;
    if (!is_row_count(times(shape.steps, shape.batch)))
        return "cell shape: expected steps × batch of " AT_MOST_ROWS;
    if (!is_stride(shape.x_stride, shape.input))
        return "cell shape: expected an x_stride of at least the input, at most 16777216";
    const uint64_t units = recurrent_padded(shape.hidden),
                   outputs = recurrent_padded(recurrent_cell_outputs(shape)),
                   gates = recurrent_cell_gates(shape),
                   columns = 2 + recurrent_padded(shape.input)
                             + recurrent_padded(recurrent_cell_hidden_rows(shape));
    // The gates of all steps, and behind those of an LSTM h or m; the largest of the weights'
    // copies, and behind them the projection.
    const uint64_t tape = gates * units + (shape.cell == recurrent_cell_lstm ? units + outputs : 0),
                   projection = recurrent_cell_projection(shape) ? outputs : 0;
    return sequences_fit(shape.steps, shape.batch, shape.x_stride, shape.input, tape)
                   && fits(units, gates * columns + projection)
               ? 0
               : too_large;
}

/// The rows × columns of a call's images.
static uint64_t places(uint64_t images, uint64_t rows, uint64_t columns) {
    return times(images, times(rows, columns));
}

/// What is wrong with the axes of images, or null.
static const char *images_check(uint64_t images, recurrent_axis rows, recurrent_axis columns) {
    const recurrent_axis axes[] = {rows, columns};
    if (!is_dimension(images)) return "images: expected " DIMENSIONS;
    for (int n = 0; n < 2; ++n) {
        const recurrent_axis axis = axes[n];
        if (!is_dimension(axis.size) || !is_dimension(axis.taps) || !is_dimension(axis.stride)
            || !is_dimension(axis.dilation))
            return "axis: expected a size, taps, a stride and a dilation of " DIMENSIONS;
        if (axis.padding > RECURRENT_LARGEST_DIMENSION)
            return "axis: expected a padding of 0 to 16777216";
        if (!is_row_count(axis.windows)) return "axis: expected 1 window or more, " AT_MOST_ROWS;
        const uint64_t last =
            times(axis.windows - 1, axis.stride) + times(axis.taps - 1, axis.dilation);
        if (last > (uint64_t)LARGEST_BUFFER)
            return "axis: expected places that can be counted; take fewer windows or taps";
    }
    if (!is_row_count(places(images, rows.size, columns.size))
        || !is_row_count(places(images, rows.windows, columns.windows)))
        return "images: expected places and windows of all images of " AT_MOST_ROWS;
    return 0;
}

const char *recurrent_convolution_check(recurrent_convolution_shape shape) {
    const char *wrong = images_check(shape.images, shape.rows, shape.columns);
    if (wrong) return wrong;
    if (!is_dimension(shape.inputs) || !is_dimension(shape.outputs))
        return "convolution shape: expected inputs and outputs of " DIMENSIONS;
    if (!is_row_count(places(shape.inputs, shape.rows.taps, shape.columns.taps)))
        return "convolution shape: expected terms, taps × inputs, of " AT_MOST_ROWS;
    if (!is_stride(shape.x_stride, shape.inputs))
        return "convolution shape: expected an x_stride of at least the inputs, at most 16777216";
    const uint64_t read = places(shape.images, shape.rows.size, shape.columns.size),
                   written = places(shape.images, shape.rows.windows, shape.columns.windows),
                   taps = times(shape.rows.taps, shape.columns.taps),
                   inputs = recurrent_padded(shape.inputs),
                   outputs = recurrent_padded(shape.outputs);
    return fits(read, shape.x_stride) && fits(read, inputs) && fits(written, outputs)
                   && fits(1 + taps * inputs, outputs)
               ? 0
               : too_large;
}

const char *recurrent_pooling_check(recurrent_pooling_shape shape) {
    const char *wrong = images_check(shape.images, shape.rows, shape.columns);
    if (wrong) return wrong;
    if (!is_dimension(shape.channels)) return "pooling shape: expected channels of " DIMENSIONS;
    if (!is_row_count(times(shape.rows.taps, shape.columns.taps)))
        return "pooling shape: expected taps of " AT_MOST_ROWS;
    if ((unsigned)shape.pooling > recurrent_pooling_sum)
        return "pooling shape: expected a pooling of recurrent_pooling";
    const uint64_t channels = recurrent_padded(shape.channels);
    return fits(places(shape.images, shape.rows.size, shape.columns.size), channels)
                   && fits(places(shape.images, shape.rows.windows, shape.columns.windows),
                           channels)
               ? 0
               : too_large;
}

const char *recurrent_rows_check(recurrent_rows_shape shape) {
    if (!is_row_count(shape.rows)) return "rows shape: expected 1 row or more, " AT_MOST_ROWS;
    if (!is_dimension(shape.units)) return "rows shape: expected units of " DIMENSIONS;
    return fits(shape.rows, recurrent_padded(shape.units)) ? 0 : too_large;
}

const char *recurrent_embedding_check(recurrent_embedding_shape shape) {
    if (!is_dimension(shape.vocabulary) || !is_dimension(shape.dimension))
        return "embedding shape: expected a vocabulary and a dimension of " DIMENSIONS;
    if (!is_row_count(shape.rows)) return "embedding shape: expected 1 row or more, " AT_MOST_ROWS;
    const uint64_t dimension = recurrent_padded(shape.dimension);
    return fits(shape.vocabulary, dimension) && fits(shape.rows, dimension) ? 0 : too_large;
}

const char *recurrent_sequence_check(recurrent_sequence_shape shape) {
    if (!is_dimension(shape.steps) || !is_dimension(shape.batch) || !is_dimension(shape.units))
        return "sequence shape: expected steps, batch and units of " DIMENSIONS;
    if (!is_row_count(times(shape.steps, shape.batch)))
        return "sequence shape: expected steps × batch of " AT_MOST_ROWS;
    if (shape.width < shape.units || shape.y_stride < shape.width || shape.x_stride < shape.units)
        return "sequence shape: expected units ≤ width ≤ y_stride and units ≤ x_stride";
    const uint64_t rows = times(shape.steps, shape.batch);
    return fits(rows, shape.x_stride) && fits(rows, shape.y_stride) ? 0 : too_large;
}
