// Kernel order: the one place that permutes weights.
#include "../include/recurrent/recurrent.h"

/// Columns of a matrix in kernel order that lie side by side, of one gate; and how the field has
/// them: its element of a unit and a column lies at unit · row_stride + column · column_stride.
typedef struct columns {
    size_t units;        ///< N of the matrix
    size_t gates;        ///< of the matrix
    size_t all_columns;  ///< of the matrix, the bias and what else there is included
    size_t gate, first, count;
    size_t row_stride, column_stride;
} columns;

/// Where a column of a unit lies in kernel order.
static size_t place(const columns *of, size_t unit, size_t column) {
    const size_t panel = unit / RECURRENT_PANEL, lane = unit % RECURRENT_PANEL;
    return ((panel * of->all_columns + of->first + column) * of->gates + of->gate) * RECURRENT_PANEL
           + lane;
}

/// The columns, of `field` or, where that is null, zero; and zeros past the last unit.
static void pack(columns of, const float *field, float *w) {
    for (size_t unit = 0; unit < recurrent_padded(of.units); ++unit)
        for (size_t k = 0; k < of.count; ++k)
            w[place(&of, unit, k)] =
                field && unit < of.units ? field[unit * of.row_stride + k * of.column_stride] : 0;
}

/// Adds to the columns what is in `field`, if that is not null.
static void add(columns of, const float *field, float *w) {
    for (size_t unit = 0; field && unit < of.units; ++unit)
        for (size_t k = 0; k < of.count; ++k)
            w[place(&of, unit, k)] += field[unit * of.row_stride + k * of.column_stride];
}

/// The inverse of `pack`; does nothing where `field` is null.
static void unpack(columns of, const float *w, float *field) {
    for (size_t unit = 0; field && unit < of.units; ++unit)
        for (size_t k = 0; k < of.count; ++k)
            field[unit * of.row_stride + k * of.column_stride] = w[place(&of, unit, k)];
}

/// `count` columns from the `first` on, of which the field has a row-major matrix.
static columns row_major(columns of, size_t first, size_t count) {
    of.first = first;
    of.count = of.row_stride = count;
    of.column_stride = 1;
    return of;
}

/// The part of `field` that begins at a row, where there is a field.
static const float *from(const float *field, size_t floats) { return field ? field + floats : 0; }
static float *into(float *field, size_t floats) { return field ? field + floats : 0; }

static void fill_zero(float *field, size_t count) {
    for (size_t n = 0; field && n < count; ++n) field[n] = 0;
}

// MARK: Dense layers

void recurrent_product_pack(recurrent_product_shape shape, const float *weight, const float *bias,
                            float *w) {
    columns of = {.units = shape.outputs, .gates = shape.groups, .all_columns = 1 + shape.inputs};
    for (; of.gate < shape.groups; ++of.gate) {
        const size_t row = of.gate * shape.outputs;
        pack(row_major(of, 0, 1), from(bias, row), w);
        pack(row_major(of, 1, shape.inputs), weight + row * shape.inputs, w);
    }
}

void recurrent_product_unpack(recurrent_product_shape shape, const float *w, float *weight,
                              float *bias) {
    columns of = {.units = shape.outputs, .gates = shape.groups, .all_columns = 1 + shape.inputs};
    for (; of.gate < shape.groups; ++of.gate) {
        const size_t row = of.gate * shape.outputs;
        unpack(row_major(of, 0, 1), w, into(bias, row));
        unpack(row_major(of, 1, shape.inputs), w, weight + row * shape.inputs);
    }
}

// MARK: Recurrent cells

/// The gate that is the candidate: g of i f g o, n of r z n.
enum { candidate = 2 };

static columns cell_columns(recurrent_cell_shape shape) {
    return (columns){.units = shape.hidden,
                     .gates = recurrent_cell_gates(shape),
                     .all_columns = 1 + shape.input + recurrent_cell_inner_rows(shape)
                                    + recurrent_cell_hidden_rows(shape)};
}

/// Whether the inner row of a GRU holds a bias of its own for what the gate takes from h.
static int has_hidden_bias(recurrent_cell_shape shape, size_t gate) {
    return shape.cell == recurrent_cell_gru && gate == candidate
           && recurrent_cell_inner_rows(shape);
}

/// Whether the inner row of an LSTM holds a peephole of the gate: i, f and o have one.
static int has_peephole(recurrent_cell_shape shape, size_t gate) {
    return shape.cell == recurrent_cell_lstm && gate != candidate
           && recurrent_cell_inner_rows(shape);
}

/// Where the peepholes of a gate begin.
static size_t peephole(recurrent_cell_shape shape, size_t gate) {
    return (gate < candidate ? gate : gate - 1) * shape.hidden;
}

/// P [R][H], which lies behind the gates and has no bias.
static columns cell_projection(recurrent_cell_shape shape) {
    const columns of = {
        .units = recurrent_cell_projection(shape), .gates = 1, .all_columns = shape.hidden};
    return row_major(of, 0, shape.hidden);
}
static size_t cell_projection_place(recurrent_cell_shape shape) {
    return recurrent_cell_weights_floats(shape) - recurrent_cell_projection_floats(shape);
}

void recurrent_cell_pack(recurrent_cell_shape shape, const float *weight_ih, const float *weight_hh,
                         const float *bias_ih, const float *bias_hh, const float *peepholes,
                         const float *weight_hr, float *w) {
    const size_t hidden_rows = recurrent_cell_hidden_rows(shape), inner = 1 + shape.input,
                 inner_rows = recurrent_cell_inner_rows(shape);
    columns of = cell_columns(shape);
    for (; of.gate < of.gates; ++of.gate) {
        const size_t row = of.gate * shape.hidden;
        const float *own = has_hidden_bias(shape, of.gate) ? from(bias_hh, row)
                           : has_peephole(shape, of.gate)
                               ? from(peepholes, peephole(shape, of.gate))
                               : 0;
        pack(row_major(of, 0, 1), from(bias_ih, row), w);
        if (hidden_rows && !has_hidden_bias(shape, of.gate))
            add(row_major(of, 0, 1), from(bias_hh, row), w);
        pack(row_major(of, 1, shape.input), weight_ih + row * shape.input, w);
        pack(row_major(of, inner, inner_rows), own, w);
        pack(row_major(of, inner + inner_rows, hidden_rows), from(weight_hh, row * hidden_rows), w);
    }
    pack(cell_projection(shape), weight_hr, w + cell_projection_place(shape));
}

void recurrent_cell_unpack(recurrent_cell_shape shape, const float *w, float *weight_ih,
                           float *weight_hh, float *bias_ih, float *bias_hh, float *peepholes,
                           float *weight_hr) {
    const size_t hidden_rows = recurrent_cell_hidden_rows(shape), inner = 1 + shape.input,
                 inner_rows = recurrent_cell_inner_rows(shape);
    columns of = cell_columns(shape);
    fill_zero(bias_hh, hidden_rows ? of.gates * shape.hidden : 0);
    for (; of.gate < of.gates; ++of.gate) {
        const size_t row = of.gate * shape.hidden;
        unpack(row_major(of, 0, 1), w, bias_ih + row);
        unpack(row_major(of, 1, shape.input), w, weight_ih + row * shape.input);
        if (has_hidden_bias(shape, of.gate))
            unpack(row_major(of, inner, inner_rows), w, into(bias_hh, row));
        if (has_peephole(shape, of.gate))
            unpack(row_major(of, inner, inner_rows), w, into(peepholes, peephole(shape, of.gate)));
        unpack(row_major(of, inner + inner_rows, hidden_rows), w,
               into(weight_hh, row * hidden_rows));
    }
    unpack(cell_projection(shape), w + cell_projection_place(shape), weight_hr);
}

// MARK: Convolutions, rows

/// The columns of one tap: the field has a channel's taps side by side.
static columns convolution_tap(recurrent_convolution_shape shape, size_t tap) {
    const size_t taps = shape.rows.taps * shape.columns.taps;
    return (columns){.units = shape.outputs,
                     .gates = 1,
                     .all_columns = 1 + taps * shape.inputs,
                     .first = 1 + tap * shape.inputs,
                     .count = shape.inputs,
                     .row_stride = taps * shape.inputs,
                     .column_stride = taps};
}

void recurrent_convolution_pack(recurrent_convolution_shape shape, const float *weight,
                                const float *bias, float *w) {
    pack(row_major(convolution_tap(shape, 0), 0, 1), bias, w);
    for (size_t tap = 0; tap < shape.rows.taps * shape.columns.taps; ++tap)
        pack(convolution_tap(shape, tap), weight + tap, w);
}

void recurrent_convolution_unpack(recurrent_convolution_shape shape, const float *w, float *weight,
                                  float *bias) {
    unpack(row_major(convolution_tap(shape, 0), 0, 1), w, bias);
    for (size_t tap = 0; tap < shape.rows.taps * shape.columns.taps; ++tap)
        unpack(convolution_tap(shape, tap), w, weight + tap);
}

void recurrent_rows_pack(recurrent_rows_shape shape, const float *x, float *y) {
    const size_t width = recurrent_padded(shape.units);
    for (size_t row = 0; row < shape.rows; ++row)
        for (size_t unit = 0; unit < width; ++unit)
            y[row * width + unit] = unit < shape.units ? x[row * shape.units + unit] : 0;
}

void recurrent_rows_unpack(recurrent_rows_shape shape, const float *y, float *x) {
    const size_t width = recurrent_padded(shape.units);
    for (size_t row = 0; row < shape.rows; ++row)
        for (size_t unit = 0; unit < shape.units; ++unit)
            x[row * shape.units + unit] = y[row * width + unit];
}
