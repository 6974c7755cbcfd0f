// Every activation, a nonlinear function of each element: y = f(x), dx = dy f'(x). Who adds one
// adds a row here, and is told by the tests where else it is missing.
#ifndef RECURRENT_ACTIVATIONS_H
#define RECURRENT_ACTIVATIONS_H

// ROW(name, reads, y, dx, …) for each activation, in the order of the enumeration.
//   reads   whether f' is computed from x or from y, which then may lie in the buffer of x; those
//           from y are also of cells, whose tape has y alone
//   y, dx   as the kernels compute it (CKernels/layers/activation.h) from x, or from x or y and dy,
//           and from `parameter`, where there is one
//
//   tanh, sigmoid (1 / (1 + e^-x)), relu (max(x, 0))
//   leaky_relu            x, or parameter x where x < 0: Maas, Hannun and Ng 2013
//   elu                   x, or parameter (e^x - 1) where x < 0: Clevert, Unterthiner and
//                         Hochreiter 2016
//   hard_tanh             min(max(x, -1), 1): Collobert 2004
//   hard_sigmoid_fifth    min(max(x/5 + 1/2, 0), 1): ONNX, Keras 2
//   hard_sigmoid_sixth    min(max(x/6 + 1/2, 0), 1): PyTorch, Keras 3
//   silu                  x σ(x): Hendrycks and Gimpel 2016; Elfwing, Uchibe and Doya 2018
//   gelu                  x Φ(x), Φ the normal distribution: Hendrycks and Gimpel 2016
//   gelu_tanh             x/2 (1 + tanh(√(2/π) (x + 0.044715 x³))), which they give for it
//   softplus              ln(1 + e^x): Dugas, Bengio, Bélisle, Nadeau and Garcia 2001
#define RECURRENT_ACTIVATIONS(ROW, ...)                                                           \
    ROW(tanh, y, lanes_tanh(x), lanes_less_square(lanes_splat(1), y) * dy, __VA_ARGS__)           \
    ROW(sigmoid, y, lanes_sigmoid(x), y *(lanes_splat(1) - y) * dy, __VA_ARGS__)                  \
    ROW(relu, y, lanes_max(x, lanes_splat(0)),                                                    \
        lanes_select(y <= lanes_splat(0), lanes_splat(0), dy), __VA_ARGS__)                       \
    ROW(leaky_relu, y, lanes_select(x < lanes_splat(0), parameter * x, x),                        \
        lanes_select(y <= lanes_splat(0), parameter * dy, dy), __VA_ARGS__)                       \
    ROW(elu, x, lanes_select(x > lanes_splat(0), x, parameter * lanes_expm1(x)),                  \
        lanes_select(x > lanes_splat(0), dy, parameter * lanes_exp(x) * dy), __VA_ARGS__)         \
    ROW(hard_tanh, y, lanes_clamp(x, -1, 1),                                                      \
        lanes_select(lanes_abs(y) >= lanes_splat(1), lanes_splat(0), dy), __VA_ARGS__)            \
    ROW(hard_sigmoid_fifth, y, hard_sigmoid(5, x), hard_sigmoid_gradient(5, y, dy), __VA_ARGS__)  \
    ROW(hard_sigmoid_sixth, y, hard_sigmoid(6, x), hard_sigmoid_gradient(6, y, dy), __VA_ARGS__)  \
    ROW(silu, x, silu(x), silu_derivative(x) * dy, __VA_ARGS__)                                   \
    ROW(gelu, x, gelu(x), gelu_derivative(x) * dy, __VA_ARGS__)                                   \
    ROW(gelu_tanh, x, gelu_tanh(x), gelu_tanh_derivative(x) * dy, __VA_ARGS__)                    \
    ROW(softplus, x, lanes_max(x, lanes_splat(0)) + lanes_log_one_plus(lanes_exp(-lanes_abs(x))), \
        lanes_sigmoid(x) * dy, __VA_ARGS__)

/// What Swift may switch over without a default.
#if defined(__has_attribute)
#if __has_attribute(enum_extensibility)
#define RECURRENT_CLOSED __attribute__((enum_extensibility(closed)))
#endif
#endif
#if !defined(RECURRENT_CLOSED)
#define RECURRENT_CLOSED
#endif

/// A nonlinear function of each element.
typedef enum RECURRENT_CLOSED recurrent_activation {
#define RECURRENT_ROW(name, ...) recurrent_activation_##name,
    RECURRENT_ACTIVATIONS(RECURRENT_ROW, )
#undef RECURRENT_ROW
} recurrent_activation;

/// Activations there are.
enum {
    recurrent_activation_count = 0
#define RECURRENT_ROW(...) +1
    RECURRENT_ACTIVATIONS(RECURRENT_ROW, )
#undef RECURRENT_ROW
};

/// Whether the derivative is computed from x; otherwise it is from y.
static inline int recurrent_activation_reads_x(recurrent_activation activation) {
    enum { recurrent_reads_x = 1, recurrent_reads_y = 0 };
    switch (activation) {
#define RECURRENT_ROW(name, reads, ...) \
    case recurrent_activation_##name: return recurrent_reads_##reads;
        RECURRENT_ACTIVATIONS(RECURRENT_ROW, )
#undef RECURRENT_ROW
    }
    return 0;
}

#endif
