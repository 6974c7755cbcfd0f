// Activations: nonlinear functions of each element, of layers and of cells. The
// list of them is recurrent/activations.h, here is what its rows need.
//
// README.md states the largest errors of f in units in the last place, which
// ActivationAccuracyTests.swift looks for; f' is within 2^-22. SiLU and both GELUs have all digits
// in the left tail too, where f is x times a small number.

INLINE lanes lanes_clamp(lanes x, float least, float most) {
    return lanes_max(lanes_min(x, lanes_splat(most)), lanes_splat(least));
}

// The sum is exact where it is small, so that no digit is lost where f begins to rise.

/// min(max(x/width + 1/2, 0), 1)
INLINE lanes hard_sigmoid(const float width, lanes x) {
    return lanes_clamp((x + lanes_splat(width / 2)) / lanes_splat(width), 0, 1);
}

/// dy/width where 0 < y < 1, else 0.
INLINE lanes hard_sigmoid_gradient(const float width, lanes y, lanes dy) {
    return lanes_select((y <= lanes_splat(0)) | (y >= lanes_splat(1)), lanes_splat(0),
                        dy / lanes_splat(width));
}

// SiLU and both GELUs are f(x) = x G(x), where G(x) + G(-x) = 1: f(x) = x + f(-x), and f'(x) = 1 -
// f'(-x).

/// f'(x) from f'(-|x|).
INLINE lanes self_gated_derivative(lanes x, lanes left) {
    return lanes_select(x < lanes_splat(0), left, lanes_splat(1) - left);
}

// x σ(z) is x above the one and -0 below the other, and x/2 where x is small; so small that a
// factor 2^-64 would make it subnormal.
#define SELF_GATED_MOST 40.0f
#define SELF_GATED_LEAST -112.0f
#define SELF_GATED_SMALL 0x1p-32f

/// z + rest, half_rest being -rest/2.
typedef struct {
    lanes z, half_rest;
} gate;

/// x σ(z + rest), where z is x or something larger. One division: the product is rounded once, also
/// where σ itself would be subnormal.
INLINE lanes self_gated(lanes x, gate gate) {
    const lanes between =
        lanes_select(lanes_abs(x) < lanes_splat(SELF_GATED_SMALL), x * lanes_splat(0.5f),
                     sigmoid_multiple(x, gate.z, gate.half_rest));
    return lanes_select(
        gate.z > lanes_splat(SELF_GATED_MOST), x,
        lanes_select(gate.z < lanes_splat(SELF_GATED_LEAST), lanes_splat(-0.0f), between));
}

/// σ(z) (1 - t z' (1 - σ(z))), the derivative of x σ(z) at x = -t ≤ 0; z' that of z.
INLINE lanes self_gated_left(lanes t, gate gate, lanes derivative) {
    const lanes one = lanes_splat(1), sigmoid = sigmoid_multiple(one, gate.z, gate.half_rest);
    return sigmoid * lanes_fma(t * derivative, sigmoid - one, one);
}

/// x σ(x)
INLINE lanes silu(lanes x) { return self_gated(x, (gate){x, EXP_NO_REST}); }

INLINE lanes silu_derivative(lanes x) {
    const lanes t = lanes_min(lanes_abs(x), lanes_splat(-SELF_GATED_LEAST));
    const gate gate = {-t, EXP_NO_REST};
    return self_gated_derivative(x, self_gated_left(t, gate, lanes_splat(1)));
}

// (1 + tanh(u)) / 2 = σ(2 u): 2 √(2/π), and 0.044715 times that.
#define GELU_TANH_1 0x1.9884533d43651p+0
#define GELU_TANH_3 0x1.2444f2a4d8b4bp-4
// From where on σ(2 u) is 0 or 1.
#define GELU_TANH_MOST 11.0f

/// 2 √(2/π) (x + 0.044715 x³), to twice a float's digits: the error of e^-z is that of z, not that
/// of its last digit.
INLINE gate gelu_tanh_gate(lanes x) {
    const lanes_double wide = lanes_widen(x);
    const lanes_double z = wide * (GELU_TANH_1 + GELU_TANH_3 * (wide * wide));
    const lanes near = lanes_narrow(z);
    return (gate){near, lanes_narrow(z - lanes_widen(near)) * lanes_splat(-0.5f)};
}

/// x/2 (1 + tanh(√(2/π) (x + 0.044715 x³)))
INLINE lanes gelu_tanh(lanes x) {
    return self_gated(x, gelu_tanh_gate(lanes_clamp(x, -GELU_TANH_MOST, GELU_TANH_MOST)));
}

INLINE lanes gelu_tanh_derivative(lanes x) {
    const lanes t = lanes_min(lanes_abs(x), lanes_splat(GELU_TANH_MOST));
    const lanes derivative =
        lanes_fma(t * t, lanes_splat((float)(3 * GELU_TANH_3)), lanes_splat((float)GELU_TANH_1));
    return self_gated_derivative(x, self_gated_left(t, gelu_tanh_gate(-t), derivative));
}

// The normal distribution's left tail is Φ(-t) = e^(-t²/2) M(t), t ≥ 0; (t + MILLS_CENTRE) M(t) is
// the polynomial below in q = (t - MILLS_CENTRE) / (t + MILLS_CENTRE) (after Shepherd and
// Laframboise 1981). Minimax of the relative error for t ≤ NORMAL_MOST, by the linear program of
// vmath.h, coefficients rounded to floats one after the other; the centre is the 64th at which that
// costs least. Largest error 0.053 · 2^-24.
#define MILLS_CENTRE 3.171875f
#define MILLS_0 0x1.7850b2p-1f
#define MILLS_1 -0x1.0fa22ep-1f
#define MILLS_2 0x1.0b3286p-2f
#define MILLS_3 -0x1.1f7b86p-4f
#define MILLS_4 -0x1.91f59ep-9f
#define MILLS_5 0x1.0cfff8p-7f
#define MILLS_6 -0x1.e4e056p-12f
#define MILLS_7 -0x1.2c1630p-10f
#define MILLS_8 0x1.3bd73cp-16f
#define MILLS_9 0x1.5c0c4ap-13f
#define MILLS_10 0x1.0ee6f4p-15f
// From where on t Φ(-t) is 0.
#define NORMAL_MOST 14.5f
/// 1 / √(2π)
#define NORMAL_DENSITY 0x1.988454p-2f

/// e^(-t²/2) and M(t), t = |x|.
typedef struct {
    lanes t, bell, mills;
} normal_tail;

INLINE normal_tail normal_tail_of(lanes x) {
    const lanes t = lanes_min(lanes_abs(x), lanes_splat(NORMAL_MOST));
    // What the rounded square has lost matters: the square is up to 210.
    const lanes square = t * t, lost = lanes_fma(t, t, -square);
    const lanes near = lanes_exp(square * lanes_splat(-0.5f));
    // 1 / (t + MILLS_CENTRE), with a step of Newton that knows what sum (Knuth's two-sum) and
    // quotient have lost: near t = 0, Φ would have two and a half times that error.
    const lanes centre = lanes_splat(MILLS_CENTRE), one = lanes_splat(1);
    const lanes sum = t + centre, part = sum - t, rest = (t - (sum - part)) + (centre - part);
    const lanes first = one / sum, step = lanes_fma(-sum, first, one) - rest * first;
    const lanes reciprocal = lanes_fma(first, step, first);
    const lanes twice = lanes_splat(-2 * MILLS_CENTRE) * first;
    const lanes q = lanes_fma(twice, step, lanes_fma(lanes_splat(-2 * MILLS_CENTRE), first, one));
    lanes mills = lanes_fma(lanes_splat(MILLS_10), q, lanes_splat(MILLS_9));
    mills = lanes_fma(mills, q, lanes_splat(MILLS_8));
    mills = lanes_fma(mills, q, lanes_splat(MILLS_7));
    mills = lanes_fma(mills, q, lanes_splat(MILLS_6));
    mills = lanes_fma(mills, q, lanes_splat(MILLS_5));
    mills = lanes_fma(mills, q, lanes_splat(MILLS_4));
    mills = lanes_fma(mills, q, lanes_splat(MILLS_3));
    mills = lanes_fma(mills, q, lanes_splat(MILLS_2));
    mills = lanes_fma(mills, q, lanes_splat(MILLS_1));
    mills = lanes_fma(mills, q, lanes_splat(MILLS_0));
    return (normal_tail){.t = t,
                         .bell = lanes_fma(near * lost, lanes_splat(-0.5f), near),
                         .mills = mills * reciprocal};
}

/// x Φ(x)
INLINE lanes gelu(lanes x) {
    const normal_tail tail = normal_tail_of(x);
    const lanes left = tail.t * tail.mills * tail.bell;
    return lanes_select(x < lanes_splat(0), lanes_from_bits(lanes_to_bits(left) | SIGN_BIT),
                        x - left);
}

/// Φ(x) + x Φ'(x)
INLINE lanes gelu_derivative(lanes x) {
    const normal_tail tail = normal_tail_of(x);
    const lanes left = tail.bell * lanes_fma(lanes_splat(-NORMAL_DENSITY), tail.t, tail.mills);
    return self_gated_derivative(x, left);
}

#define ACTIVATION_VALUE(name, reads, value, gradient, ...) \
    case recurrent_activation_##name: return value;
#define ACTIVATION_GRADIENT(name, reads, value, gradient, ...) \
    case recurrent_activation_##name: return gradient;

/// f(x)
INLINE lanes activated(const recurrent_activation f, lanes parameter, lanes x) {
    switch (f) { RECURRENT_ACTIVATIONS(ACTIVATION_VALUE) }
}

/// dy f'(x), from x or from y = f(x), whichever f' is computed from; the other is not read.
INLINE lanes activated_backward(const recurrent_activation f, lanes parameter, lanes x, lanes y,
                                lanes dy) {
    switch (f) { RECURRENT_ACTIVATIONS(ACTIVATION_GRADIENT) }
}

#define ACTIVATION_CASE(name, reads, value, gradient, FUNCTION, ...) \
    case recurrent_activation_##name: FUNCTION(recurrent_activation_##name, __VA_ARGS__); break;
#define ACTIVATION_CELL_CASE(name, reads, value, gradient, FUNCTION, ...) \
    case recurrent_activation_##name:                                     \
        ACTIVATION_OF_##reads(FUNCTION(recurrent_activation_##name, __VA_ARGS__)) break;
#define ACTIVATION_OF_y(call) call;
#define ACTIVATION_OF_x(call)

/// FUNCTION(f, …) for an f known only at run time: a constant in each case, so that no loop decides
/// anew for each vector.
#define FOR_ACTIVATION(f, FUNCTION, ...) \
    switch (f) { RECURRENT_ACTIVATIONS(ACTIVATION_CASE, FUNCTION, __VA_ARGS__) }

/// The same for those of cells, whose derivative is computed from y.
#define FOR_CELL_ACTIVATION(f, FUNCTION, ...) \
    switch (f) { RECURRENT_ACTIVATIONS(ACTIVATION_CELL_CASE, FUNCTION, __VA_ARGS__) }

/// y[m][n] = f(x[m][n]) for some rows. σ(0) is not zero: nor would the lanes past the last unit
/// be.
INLINE void activate_rows(const recurrent_activation f, const recurrent_rows_shape *shape,
                          float parameter, const float *x, float *y,
                          recurrent_partition partition) {
    const size_t units = shape->units, stride = recurrent_padded(units);
    size_t first, end;
    partition_of(partition, shape->rows, &first, &end);
    for (size_t m = first; m < end; ++m)
        for (size_t n = 0; n < stride; n += LANES) {
            const lanes value =
                activated(f, lanes_splat(parameter), lanes_load(x + m * stride + n));
            lanes_store(y + m * stride + n, lanes_keep_first(units - n, value));
        }
}

/// dx[m][n] = dy[m][n] f'(x[m][n]) for some rows.
INLINE void activate_rows_backward(const recurrent_activation f, const recurrent_rows_shape *shape,
                                   float parameter, const float *x, const float *y, const float *dy,
                                   float *dx, recurrent_partition partition) {
    const size_t units = shape->units, stride = recurrent_padded(units);
    const float *from = recurrent_activation_reads_x(f) ? x : y;
    size_t first, end;
    partition_of(partition, shape->rows, &first, &end);
    for (size_t m = first; m < end; ++m)
        for (size_t n = 0; n < stride; n += LANES) {
            const size_t at = m * stride + n;
            const lanes value = lanes_load(from + at);
            const lanes gradient =
                activated_backward(f, lanes_splat(parameter), value, value, lanes_load(dy + at));
            lanes_store(dx + at, lanes_keep_first(units - n, gradient));
        }
}

static void activation_forward(const recurrent_rows_shape *shape, recurrent_activation activation,
                               float parameter, const float *x, float *y,
                               recurrent_partition partition) NONBLOCKING {
    FOR_ACTIVATION(activation, activate_rows, shape, parameter, x, y, partition)
}

static void activation_backward(const recurrent_rows_shape *shape, recurrent_activation activation,
                                float parameter, const float *x, const float *y, const float *dy,
                                float *dx, recurrent_partition partition) NONBLOCKING {
    FOR_ACTIVATION(activation, activate_rows_backward, shape, parameter, x, y, dy, dx, partition)
}
