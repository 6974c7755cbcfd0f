// Nonlinear functions of each element, of layers and of the plain recurrent cell.

/// f(z); `slope` is the leaky rectifier's.
INLINE lanes activated(const recurrent_activation f, lanes slope, lanes z) {
    switch (f) {
    case recurrent_activation_tanh: return lanes_tanh(z);
    case recurrent_activation_sigmoid: return lanes_sigmoid(z);
    case recurrent_activation_relu: return lanes_max(z, lanes_splat(0));
    case recurrent_activation_leaky_relu: return lanes_select(z < lanes_splat(0), slope * z, z);
    }
}

/// dz = dy f'(z), from y = f(z); each line is the derivative of the line of `activated` at its
/// place.
INLINE lanes activated_backward(const recurrent_activation f, lanes slope, lanes y, lanes dy) {
    switch (f) {
    case recurrent_activation_tanh: return dy * lanes_less_square(lanes_splat(1), y);
    case recurrent_activation_sigmoid: return dy * (y * (lanes_splat(1) - y));
    case recurrent_activation_relu: return lanes_select(y <= lanes_splat(0), lanes_splat(0), dy);
    case recurrent_activation_leaky_relu: return lanes_select(y <= lanes_splat(0), slope * dy, dy);
    }
}

/// FUNCTION(f, …) for an f known only at run time: a constant in each case, so that no loop decides
/// anew for each vector.
#define FOR_ACTIVATION(f, FUNCTION, ...)                                                           \
    switch (f) {                                                                                   \
    case recurrent_activation_tanh: FUNCTION(recurrent_activation_tanh, __VA_ARGS__); break;       \
    case recurrent_activation_sigmoid: FUNCTION(recurrent_activation_sigmoid, __VA_ARGS__); break; \
    case recurrent_activation_relu: FUNCTION(recurrent_activation_relu, __VA_ARGS__); break;       \
    case recurrent_activation_leaky_relu:                                                          \
        FUNCTION(recurrent_activation_leaky_relu, __VA_ARGS__);                                    \
        break;                                                                                     \
    }

/// Some rows; where dy is null, to[m][n] = f(from[m][n]), else to[m][n] = dy[m][n] f'(z), from y in
/// `from`. σ(0) is not zero: nor would the lanes past the last unit be.
INLINE void activate_rows(const recurrent_activation f, const recurrent_rows_shape *shape,
                          float slope, const float *from, const float *dy, float *to,
                          recurrent_share share) {
    const size_t units = shape->units, stride = recurrent_padded(units);
    size_t first, end;
    share_of(share, shape->rows, &first, &end);
    for (size_t m = first; m < end; ++m)
        for (size_t n = 0; n < stride; n += LANES) {
            const size_t at = m * stride + n;
            const lanes value = lanes_load(from + at);
            const lanes result =
                dy ? activated_backward(f, lanes_splat(slope), value, lanes_load(dy + at))
                   : activated(f, lanes_splat(slope), value);
            lanes_store(to + at, lanes_keep_first(units - n, result));
        }
}

static void activation_forward(const recurrent_rows_shape *shape, recurrent_activation activation,
                               float slope, const float *x, float *y,
                               recurrent_share share) NONBLOCKING {
    FOR_ACTIVATION(activation, activate_rows, shape, slope, x, 0, y, share)
}

static void activation_backward(const recurrent_rows_shape *shape, recurrent_activation activation,
                                float slope, const float *y, const float *dy, float *dx,
                                recurrent_share share) NONBLOCKING {
    FOR_ACTIVATION(activation, activate_rows, shape, slope, y, dy, dx, share)
}
