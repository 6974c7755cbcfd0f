// The pointwise part of an LSTM cell: one row of one panel at one time step.

/// Gate v of i f g o.
INLINE lanes lstm_gate(const int v, lanes sum) { return v == 2 ? lanes_tanh(sum) : lanes_sigmoid(sum); }

INLINE lanes lstm_cell_state(const lanes *gates, lanes c_prev) { return lanes_fma(gates[1], c_prev, gates[0] * gates[2]); }

INLINE void lstm_cell_output(lanes o, lanes *c, lanes *h) {
    *h = o * lanes_tanh(*c);
    // Behind h, which does not wait for it.
    *c = lanes_select(lanes_abs(*c) < lanes_splat(SMALLEST_NORMAL), lanes_splat(0), *c);
}

/// The pointwise part of one row of one panel, in the order in which its results are waited for.
#define LSTM_CELL_PARTS 5
/// One of these parts. `gates` holds the pre-activations, then the activated gates.
INLINE void lstm_cell_part(const int part, lanes *gates, lanes c_prev, lanes *c, lanes *h) {
    if (part < LSTM_CELL_PARTS - 1) {
        gates[part] = lstm_gate(part, gates[part]);
    } else {
        *c = lstm_cell_state(gates, c_prev);
        lstm_cell_output(gates[3], c, h);
    }
}

INLINE void lstm_cell(lanes *gates, lanes c_prev, lanes *c, lanes *h) {
    UNROLL for (int part = 0; part < LSTM_CELL_PARTS; ++part) lstm_cell_part(part, gates, c_prev, c, h);
}

/// One row of one panel at one time step; each line is the derivative of the line of `lstm_cell` that it quotes.
INLINE void lstm_cell_backward(const lanes *gates, lanes c_prev, lanes tanh_c, lanes dh, lanes *dc, lanes *dgates) {
    const lanes i = gates[0], f = gates[1], g = gates[2], o = gates[3], one = lanes_splat(1);
    const lanes d_o = dh * tanh_c;                                             // h = o tanh(c)
    const lanes d_c = lanes_fma(dh * o, lanes_less_square(one, tanh_c), *dc);
    const lanes d_i = d_c * g, d_f = d_c * c_prev, d_g = d_c * i;              // c = f c_prev + i g
    *dc = d_c * f;
    dgates[0] = d_i * (i * (one - i));                                         // i = σ(·)
    dgates[1] = d_f * (f * (one - f));                                         // f = σ(·)
    dgates[2] = d_g * lanes_less_square(one, g);                                   // g = tanh(·)
    dgates[3] = d_o * (o * (one - o));                                         // o = σ(·)
}
