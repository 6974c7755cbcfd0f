// The parts in which an LSTM may differ from the plain one.

typedef struct {
    size_t projection;
    uint32_t peepholes, coupled;
    float clip, slope;
    recurrent_activation activation, gate;
} lstm_variant;

static const lstm_variant lstm_plain = {.gate = recurrent_activation_sigmoid};

INLINE lstm_variant lstm_variant_of(const recurrent_cell_shape *shape) {
    return (lstm_variant){.peepholes = shape->lstm.peepholes,
                          .coupled = shape->lstm.coupled,
                          .clip = shape->lstm.clip,
                          .projection = shape->lstm.projection,
                          .activation = shape->activation,
                          .slope = shape->slope,
                          .gate = cell_gate(shape->gate_activation)};
}

INLINE int lstm_is_plain(const recurrent_cell_shape *shape) {
    return !(shape->lstm.peepholes | shape->lstm.coupled | shape->lstm.projection)
           & !(shape->lstm.clip > 0) & (shape->activation == recurrent_activation_tanh)
           & (shape->gate_activation == recurrent_gate_sigmoid);
}
