// The elementary functions of vmath.h over whole buffers.

/// y[n] = lanes_`f`(x[n]) as a kernel.
#define VECTOR_KERNEL(f)                                                                         \
    static void vector_##f(size_t count, const float *x, float *y) NONBLOCKING {                 \
        size_t n = 0;                                                                            \
        for (; n + LANES <= count; n += LANES) lanes_store(y + n, lanes_##f(lanes_load(x + n))); \
        if (n < count)                                                                           \
            lanes_store_first(count - n, y + n, lanes_##f(lanes_load_first(count - n, x + n)));  \
    }
VECTOR_KERNEL(exp)
VECTOR_KERNEL(log)
VECTOR_KERNEL(tanh)
VECTOR_KERNEL(sigmoid)
