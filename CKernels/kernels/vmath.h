// exp, tanh, sigmoid: placeholders while the real ones are written.
INLINE lanes lanes_exp(lanes x) {
    x = lanes_max(lanes_min(x, lanes_splat(88.0f)), lanes_splat(-87.0f));
    lanes k = __builtin_elementwise_rint(x * lanes_splat(1.44269504f));
    lanes r = lanes_fma(k, lanes_splat(-0.693359375f), x);
    r = lanes_fma(k, lanes_splat(2.12194440e-4f), r);
    lanes p = lanes_splat(1.9875691500e-4f);
    p = lanes_fma(p, r, lanes_splat(1.3981999507e-3f)); p = lanes_fma(p, r, lanes_splat(8.3334519073e-3f));
    p = lanes_fma(p, r, lanes_splat(4.1665795894e-2f)); p = lanes_fma(p, r, lanes_splat(1.6666665459e-1f));
    p = lanes_fma(p, r, lanes_splat(5.0000001201e-1f));
    p = lanes_fma(p, r * r, r) + lanes_splat(1);
    lanes_int e = (__builtin_convertvector(k, lanes_int) + 127) << 23;
    return p * lanes_from_bits(e);
}
INLINE lanes lanes_sigmoid(lanes x) { return lanes_splat(1) / (lanes_splat(1) + lanes_exp(-x)); }
INLINE lanes lanes_tanh(lanes x) { return lanes_splat(2) * lanes_sigmoid(x + x) - lanes_splat(1); }
