// The pointwise part of an LSTM cell: one row of one panel at one time step. Where `variant` is a
// constant, so is what it says.

/// f of the candidate and of the cell state.
INLINE lanes lstm_activated(const lstm_variant variant, lanes x) {
    return cell_activated(variant.activation, variant.slope, x);
}

/// Gate v of i f g o; i, f and o see c through the panel's peepholes, i and f that of the step
/// before.
INLINE lanes lstm_gate(const lstm_variant variant, const int v, const float *peepholes, lanes sum,
                       lanes c) {
    if (v == 2) return lstm_activated(variant, sum);
    if (variant.peepholes) sum = lanes_fma(lanes_load(peepholes + v * LANES), c, sum);
    return cell_activated(variant.gate, 0, sum);
}

/// f of a cell whose gates are coupled: exactly 0 and 1 where i is 1 and 0.
INLINE lanes lstm_coupled(lanes i) { return lanes_splat(1) - i; }

INLINE lanes lstm_cell_state(const lstm_variant variant, lanes f, lanes c_prev, lanes i_g) {
    const lanes c = lanes_fma(f, c_prev, i_g), most = lanes_splat(variant.clip);
    return variant.clip > 0 ? lanes_max(lanes_min(c, most), -most) : c;
}

INLINE void lstm_cell_output(const lstm_variant variant, lanes o, lanes *c, lanes *h) {
    *h = o * lstm_activated(variant, *c);
    // Behind h, which does not wait for it.
    *c = lanes_select(lanes_abs(*c) < lanes_splat(SMALLEST_NORMAL), lanes_splat(0), *c);
}

/// The pointwise part of one row of one panel, in the order in which its results are waited for.
#define LSTM_CELL_PARTS 5
/// One of these parts. `gates` holds the pre-activations, then the activated gates.
INLINE void lstm_cell_part(const lstm_variant variant, const int part, const float *peepholes,
                           lanes *gates, lanes c_prev, lanes *c, lanes *h) {
    const int state_part = variant.peepholes ? 3 : 4;  // o waits for c where it sees it
    if (part == state_part) *c = lstm_cell_state(variant, gates[1], c_prev, gates[0] * gates[2]);
    if (part == LSTM_CELL_PARTS - 1) lstm_cell_output(variant, gates[3], c, h);
    else if (part == 1 && variant.coupled) gates[1] = lstm_coupled(gates[0]);
    else
        gates[part] =
            lstm_gate(variant, part, peepholes, gates[part], part == state_part ? *c : c_prev);
}

INLINE void lstm_cell(const lstm_variant variant, const float *peepholes, lanes *gates,
                      lanes c_prev, lanes *c, lanes *h) {
    FOR_EACH(part, LSTM_CELL_PARTS) lstm_cell_part(variant, part, peepholes, gates, c_prev, c, h);
}
