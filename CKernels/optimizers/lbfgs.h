// What L-BFGS does with its vectors.

static void dot_product(size_t count, const float *x, const float *y, double *partial,
                        recurrent_partition partition) NONBLOCKING {
    block_products(count, x, y, partial, partition);
}

static void linear_combination(size_t count, double a, const float *x, double b, const float *y,
                               float *z, recurrent_partition partition) NONBLOCKING {
    const lanes of_x = lanes_splat((float)a), of_y = lanes_splat((float)b);
    size_t first, end;
    floats_of(partition, count, &first, &end);
    for (; first < end; first += LANES) {
        const size_t left = end - first;
        lanes_store_first(left, z + first,
                          lanes_fma(of_x, lanes_load_first(left, x + first),
                                    of_y * lanes_load_first(left, y + first)));
    }
}
