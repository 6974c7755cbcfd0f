// The activations of a cell's candidate and gates: those whose derivative is computed from y. Where
// the activation is a constant, so is the case that is taken.

#define CELL_VALUE(name, reads, value, gradient, ...) \
    case recurrent_activation_##name: return CELL_READS_##reads(value);
#define CELL_DERIVATIVE(name, reads, value, gradient, ...) \
    case recurrent_activation_##name: return CELL_READS_##reads(gradient);
#define CELL_READS_y(value) value
#define CELL_READS_x(value) x  // recurrent_cell_check refuses it

/// f(x)
INLINE lanes cell_activated(const recurrent_activation f, float slope, lanes x) {
    // Or a loop around this keeps a vector of it on the stack.
    if (!__builtin_constant_p(f)) WAIT_IN_MEMORY(slope);
    const lanes parameter = lanes_splat(slope);
    switch (f) { RECURRENT_ACTIVATIONS(CELL_VALUE) }
}

/// f'(x), from y = f(x).
INLINE lanes cell_derivative(const recurrent_activation f, float slope, lanes y) {
    const lanes parameter = lanes_splat(slope), x = y, dy = lanes_splat(1);
    switch (f) { RECURRENT_ACTIVATIONS(CELL_DERIVATIVE) }
}

#define CELL_GATE_CASE(name, ...) \
    case recurrent_gate_##name: return recurrent_activation_##name;

INLINE recurrent_activation cell_gate(const recurrent_gate_activation gate) {
    switch (gate) { RECURRENT_GATE_ACTIVATIONS(CELL_GATE_CASE) }
}
