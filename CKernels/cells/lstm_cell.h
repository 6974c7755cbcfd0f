// The pointwise part of an LSTM cell: one row of one panel at one time step. Where `variant` is a
// constant, so is what it says.

/// f of the candidate and of the cell state.
INLINE lanes lstm_activated(const lstm_variant variant, lanes x) {
    return cell_activated(variant.activation, variant.slope, x);
}

/// f', from y = f(x).
INLINE lanes lstm_derivative(const lstm_variant variant, lanes y) {
    return cell_derivative(variant.activation, variant.slope, y);
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

/// One row of one panel at one time step; each line is the derivative of the line of `lstm_cell`
/// that it quotes.
INLINE void lstm_cell_backward(const lstm_variant variant, const float *peepholes,
                               const lanes *gates, lanes c_prev, lanes c, lanes activated_c,
                               lanes dh, lanes *dc, lanes *dgates) {
    const lanes i = gates[0], f = gates[1], g = gates[2], o = gates[3];
    const lanes d_o = dh * activated_c;                     // h = o f(c)
    dgates[3] = d_o * cell_derivative(variant.gate, 0, o);  // o = σ(·)
    lanes d_c = lanes_fma(dh * o, lstm_derivative(variant, activated_c), *dc);
    if (variant.peepholes)  // o = σ(· + p c)
        d_c = lanes_fma(dgates[3], lanes_load(peepholes + 3 * LANES), d_c);
    if (variant.clip > 0)  // c = min(max(·, -clip), clip)
        d_c = lanes_select(lanes_abs(c) >= lanes_splat(variant.clip), lanes_splat(0), d_c);
    lanes d_i = d_c * g, d_f = d_c * c_prev;  // c = f c_prev + i g
    const lanes d_g = d_c * i;
    *dc = d_c * f;
    if (variant.coupled) {  // f = 1 - i
        d_i -= d_f;
        d_f = lanes_splat(0);
    }
    dgates[0] = d_i * cell_derivative(variant.gate, 0, i);  // i = σ(·)
    dgates[1] = d_f * cell_derivative(variant.gate, 0, f);  // f = σ(·)
    dgates[2] = d_g * lstm_derivative(variant, g);          // g = f(·)
    if (variant.peepholes) {  // i = σ(· + p c_prev), f = σ(· + p c_prev)
        *dc = lanes_fma(dgates[0], lanes_load(peepholes), *dc);
        if (!variant.coupled) *dc = lanes_fma(dgates[1], lanes_load(peepholes + LANES), *dc);
    }
}
