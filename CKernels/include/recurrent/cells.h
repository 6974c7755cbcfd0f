// Recurrent cells: their dimensions, options and buffers. One shape and one tape serve all cells;
// kernel_list.h has the equations. Who adds a cell adds a row here, and is told by the compiler and
// the tests where else it is missing.
#ifndef RECURRENT_CELLS_H
#define RECURRENT_CELLS_H

#include "compiler.h"
#include "shapes.h"

/// ROW(name, gates, …) for each cell, in the order of the enumeration: `gates` is G, the vectors of
/// 16 sums in a row of a panel.
#define RECURRENT_CELLS(ROW, ...) \
    ROW(lstm, 4, __VA_ARGS__)     \
    ROW(rnn, 1, __VA_ARGS__)      \
    ROW(gru, 3, __VA_ARGS__)      \
    ROW(min_gru, 2, __VA_ARGS__)

#define RECURRENT_CELL_CASE(name, gates, ...) recurrent_cell_##name,
typedef enum RECURRENT_CLOSED recurrent_cell {
    RECURRENT_CELLS(RECURRENT_CELL_CASE, 0)
} recurrent_cell;
#undef RECURRENT_CELL_CASE

/// What an LSTM does differently from the plain one, which is all zeros.
typedef struct recurrent_lstm_variant {
    uint32_t peepholes;  ///< whether the gates see the cell state: D rows more in a panel, 0 or 1
    uint32_t coupled;    ///< whether f = 1 - i
    float clip;          ///< the largest magnitude of the cell state; zero for any
    size_t projection;   ///< R, units of h where it is projected; zero where it is not
} recurrent_lstm_variant;

/// What a GRU does differently from PyTorch's, which is all zeros; n is the candidate.
typedef struct recurrent_gru_variant {
    uint32_t reset_before;  ///< whether n = f(W x + U (r∘h) + b), not f(W x + b + r∘(U h + b′))
    uint32_t z_replaces;    ///< whether h = (1 - z)∘h + z∘n, not (1 - z)∘n + z∘h
} recurrent_gru_variant;

/// ROW(name, …) for each activation of gates, in the order of the enumeration, the usual one first.
#define RECURRENT_GATE_ACTIVATIONS(ROW, ...) \
    ROW(sigmoid, __VA_ARGS__)                \
    ROW(tanh, __VA_ARGS__)                   \
    ROW(relu, __VA_ARGS__)                   \
    ROW(hard_sigmoid_fifth, __VA_ARGS__)     \
    ROW(hard_sigmoid_sixth, __VA_ARGS__)

#define RECURRENT_GATE_CASE(name, ...) recurrent_gate_##name,
/// The activation of the gates of a cell, its candidate apart.
typedef enum RECURRENT_CLOSED recurrent_gate_activation {
    RECURRENT_GATE_ACTIVATIONS(RECURRENT_GATE_CASE, 0)
} recurrent_gate_activation;
#undef RECURRENT_GATE_CASE
/// Those there are.
enum {
    recurrent_gate_activation_count = 0
#define RECURRENT_GATE_ONE(...) +1
    RECURRENT_GATE_ACTIVATIONS(RECURRENT_GATE_ONE, 0)
#undef RECURRENT_GATE_ONE
};

/// A recurrent layer over a batch of sequences.
typedef struct recurrent_cell_shape {
    recurrent_cell cell;
    size_t input;     ///< I, features of x
    size_t hidden;    ///< H, units
    size_t batch;     ///< B, sequences side by side
    size_t steps;     ///< T, time steps
    size_t x_stride;  ///< floats from one row of x to the next, at least `input`
    /// Of each cell its own options are read alone.
    recurrent_lstm_variant lstm;
    recurrent_gru_variant gru;
    /// f of the candidate, of an LSTM's cell state too, and of a plain recurrent layer: one whose
    /// derivative is computed from y. A minimal GRU has none
    recurrent_activation activation;
    float slope;  ///< of recurrent_activation_leaky_relu, in 0 ... 1; not read for others
    recurrent_gate_activation gate_activation;  ///< of an LSTM's i f o and a GRU's r z
} recurrent_cell_shape;

/// G, the gates in a panel: i f g o, r z n, z n, or the one sum of a plain recurrent layer.
static inline size_t recurrent_cell_gates(recurrent_cell_shape shape) {
#define RECURRENT_CELL_GATES(name, gates, ...) \
    case recurrent_cell_##name: return gates;
    switch (shape.cell) { RECURRENT_CELLS(RECURRENT_CELL_GATES, 0) }
#undef RECURRENT_CELL_GATES
    return 0;
}
/// R, units of the projection of an LSTM; zero where h is not projected.
static inline size_t recurrent_cell_projection(recurrent_cell_shape shape) {
    return shape.cell == recurrent_cell_lstm ? shape.lstm.projection : 0;
}
/// N, units of h: R where they are projected, else H.
static inline size_t recurrent_cell_outputs(recurrent_cell_shape shape) {
    const size_t projection = recurrent_cell_projection(shape);
    return projection ? projection : shape.hidden;
}
/// D, the rows of a panel between those of the inputs and those of h: the peepholes of an LSTM, the
/// bias b′ of a GRU whose reset gate acts after the product; 0 or 1.
static inline size_t recurrent_cell_inner_rows(recurrent_cell_shape shape) {
    return shape.cell == recurrent_cell_lstm  ? shape.lstm.peepholes
           : shape.cell == recurrent_cell_gru ? !shape.gru.reset_before
                                              : 0;
}
/// The rows of a panel for h: N of a cell whose gates read it, else none.
static inline size_t recurrent_cell_hidden_rows(recurrent_cell_shape shape) {
    return shape.cell == recurrent_cell_min_gru ? 0 : recurrent_cell_outputs(shape);
}
/// The projection: ⌈R/16⌉ panels of H rows of 16 floats.
static inline size_t recurrent_cell_projection_floats(recurrent_cell_shape shape) {
    return recurrent_padded(recurrent_cell_projection(shape)) * shape.hidden;
}
/// Parameters: ⌈H/16⌉ panels of [ bias | I inputs | D | hidden ] rows of G × 16 floats; behind them
/// the projection.
static inline size_t recurrent_cell_weights_floats(recurrent_cell_shape shape) {
    return recurrent_padded(shape.hidden)
               * (1 + shape.input + recurrent_cell_inner_rows(shape)
                  + recurrent_cell_hidden_rows(shape))
               * recurrent_cell_gates(shape)
           + recurrent_cell_projection_floats(shape);
}
/// Parameters of the plain LSTM in bfloat16: ⌈H/16⌉ panels of 64 biases and I + H rows of 32 words.
static inline size_t recurrent_cell_bfloat16_floats(recurrent_cell_shape shape) {
    return recurrent_panels(shape.hidden) * (4 + 2 * (shape.input + shape.hidden))
           * RECURRENT_PANEL;
}
/// A row for each sequence of H units: [B][U], U = 16 ⌈H/16⌉.
static inline size_t recurrent_cell_units_floats(recurrent_cell_shape shape) {
    return shape.batch * recurrent_padded(shape.hidden);
}
/// c of one time step, which only an LSTM has: [B][U].
static inline size_t recurrent_cell_state_floats(recurrent_cell_shape shape) {
    return shape.cell == recurrent_cell_lstm ? recurrent_cell_units_floats(shape) : 0;
}
/// The tape of c: [T+1][B][U]; slot 0 is the initial state.
static inline size_t recurrent_cell_state_tape_floats(recurrent_cell_shape shape) {
    return (shape.steps + 1) * recurrent_cell_state_floats(shape);
}
/// h of one time step: [B][V], V = 16 ⌈N/16⌉.
static inline size_t recurrent_cell_output_floats(recurrent_cell_shape shape) {
    return shape.batch * recurrent_padded(recurrent_cell_outputs(shape));
}
/// The tape of h: [T+1][B][V]; slot 0 is the initial state.
static inline size_t recurrent_cell_output_tape_floats(recurrent_cell_shape shape) {
    return (shape.steps + 1) * recurrent_cell_output_floats(shape);
}
/// Scratch of a step, and of backpropagation with a mask: [B][4U] of a GRU, [B][2U] of a minimal
/// one, [B][U] of an LSTM whose h is projected, else nothing.
static inline size_t recurrent_cell_scratch_floats(recurrent_cell_shape shape) {
    if (shape.cell == recurrent_cell_gru) return 4 * recurrent_cell_units_floats(shape);
    if (shape.cell == recurrent_cell_min_gru) return 2 * recurrent_cell_units_floats(shape);
    return recurrent_cell_projection(shape) ? recurrent_cell_units_floats(shape) : 0;
}
/// The activated gates of all time steps, [T][B][⌈H/16⌉][G][16]; behind them, where h is projected,
/// m: [T][B][U]. A plain recurrent layer needs none: its h says all.
static inline size_t recurrent_cell_gates_floats(recurrent_cell_shape shape) {
    const size_t gates = shape.cell == recurrent_cell_rnn ? 0 : recurrent_cell_gates(shape);
    return shape.steps * (gates + (recurrent_cell_projection(shape) > 0))
           * recurrent_cell_units_floats(shape);
}
/// The gradient with respect to the pre-activations of all time steps, [T][B][⌈H/16⌉][G][16];
/// behind it, where h is projected, with respect to h: [T][B][V].
static inline size_t recurrent_cell_dgates_floats(recurrent_cell_shape shape) {
    const size_t of_h = recurrent_cell_projection(shape) ? recurrent_cell_output_floats(shape) : 0;
    return shape.steps * (recurrent_cell_gates(shape) * recurrent_cell_units_floats(shape) + of_h);
}
/// The tape of what a GRU's candidate takes from h_prev, and its gradient: [T][B][U].
static inline size_t recurrent_cell_past_floats(recurrent_cell_shape shape) {
    return shape.cell == recurrent_cell_gru ? shape.steps * recurrent_cell_units_floats(shape) : 0;
}
/// The transposed copy of the weights: input columns, hidden columns; of an LSTM the peepholes as
/// they are, then the columns of the projection.
static inline size_t recurrent_cell_transposed_floats(recurrent_cell_shape shape) {
    const size_t hidden_rows = recurrent_padded(recurrent_cell_hidden_rows(shape)),
                 units = recurrent_padded(shape.hidden);
    const size_t peepholes = shape.cell == recurrent_cell_lstm ? shape.lstm.peepholes : 0;
    return (recurrent_padded(shape.input) + hidden_rows + peepholes) * units
               * recurrent_cell_gates(shape)
           + (recurrent_cell_projection(shape) ? units * hidden_rows : 0);
}
/// dx: [T][B][16 ⌈I/16⌉].
static inline size_t recurrent_cell_dx_floats(recurrent_cell_shape shape) {
    return shape.steps * shape.batch * recurrent_padded(shape.input);
}

RECURRENT_NONNULL_BEGIN

/// What a pass over whole sequences leaves for backpropagation. Buffers that a cell does not have
/// may be null: those that have no floats in a shape that recurrent_cell_check finds well.
typedef struct recurrent_cell_tape {
    float *h;                          ///< [T+1][B][V]: slot 0 in, the other slots out
    float *RECURRENT_NULLABLE c;       ///< [T+1][B][U]: slot 0 in, the other slots out
    float *RECURRENT_NULLABLE gates;   ///< recurrent_cell_gates_floats, out: activated
    float *RECURRENT_NULLABLE past;    ///< [T][B][U] out
    float *RECURRENT_NULLABLE masked;  ///< [T][B][V] out: mask∘h[t]; null without a mask
} recurrent_cell_tape;

/// The gradients of backpropagation through time. Buffers that a cell does not have may be null.
typedef struct recurrent_cell_gradients {
    /// [T][B][V] in, the loss's gradient with respect to each h, or null (zero); not read of rows
    /// that have ended
    const float *RECURRENT_NULLABLE dy;
    float *dgates;                    ///< recurrent_cell_dgates_floats, out
    float *RECURRENT_NULLABLE dpast;  ///< [T][B][U] out, with respect to `past`
    float *dh;  ///< [B][V]: with respect to the final state in, to the initial state out
    float *RECURRENT_NULLABLE dc;       ///< [B][U]: the same of c
    float *RECURRENT_NULLABLE dx;       ///< [T][B][16 ⌈I/16⌉] out, or null
    float *RECURRENT_NULLABLE scratch;  ///< recurrent_cell_scratch_floats; null without a mask
} recurrent_cell_gradients;

RECURRENT_NONNULL_END

#endif
