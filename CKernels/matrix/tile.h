// The one register tile: scalars times rows of lanes, R rows × V vectors of sums in S chains. Each
// of the scalars is broadcast and multiplied by a row of lanes, and each sum is one chain of fused
// multiply-adds in the order of the terms, or `product_chains` chains.

/// Vector v of term `term`.
INLINE void tile_vector(tile_lanes w, size_t term, int v, lanes *vector) {
    const float *panel = w.from + term * w.term + (size_t)(v / w.groups) * w.panel;
    const int group = v % w.groups;
    if (w.bfloat16) {
        const lanes_bits words = lanes_to_bits(lanes_load(panel + (size_t)(group / 2) * LANES));
        *vector = lanes_from_bits(group % 2 == 0 ? words & ~BFLOAT16_LOW : words << BFLOAT16_BITS);
    } else *vector = lanes_load(panel + (size_t)group * LANES);
}

/// Chain s of the sum of row r and vector v: the first one is the sum itself.
INLINE lanes *tile_chain(const int R, const int V, const int width, int s, int r, int v, lanes *sum,
                         lanes *others) {
    return s == 0 ? &sum[r * V + v] : &others[((s - 1) * R + r) * width + v];
}

/// One term of chain s of all sums of a pass.
INLINE void tile_term(const int R, const int V, const int first, const int width, int s,
                      size_t term, tile_scalars x, tile_lanes w, lanes *sum, lanes *others) {
    lanes row[TILE_SUMS];
    FOR_EACH(v, width) tile_vector(w, term, first + v, &row[v]);
    FOR_EACH(r, R) {
        const lanes scalar = lanes_splat(x.from[term * x.term + (size_t)r * x.row]);
        FOR_EACH(v, width) {
            lanes *chain = tile_chain(R, V, width, s, r, v, sum, others);
            *chain = lanes_fma(scalar, row[v], *chain);
        }
    }
}

/// `width` vectors from `first` of R rows, in one pass over the terms: sum[r * V + v] continues its
/// chain over `terms` terms. With S > 1 the terms are cut into S runs of ⌈terms / S⌉: the first run
/// continues `sum`, the others start from zero, and the chains are added by halves. R, V, S, first
/// and width are constants wherever this is inlined.
INLINE void tile_pass(const int R, const int V, const int S, const int first, const int width,
                      size_t terms, tile_scalars x, tile_lanes w, lanes *sum) {
    lanes second[TILE_SUMS], more[TILE_CHAINS], *others = S == 2 ? second : more;
    const size_t run = (terms + (size_t)S - 1) / (size_t)S;
    const size_t before_last = run * (size_t)(S - 1);
    const size_t whole = terms > before_last ? terms - before_last : 0;
    FOR_EACH(n, (S - 1) * R * width) others[n] = lanes_splat(0);
    for (size_t k = 0; k < whole; ++k)
        FOR_EACH(s, S) tile_term(R, V, first, width, s, k + (size_t)s * run, x, w, sum, others);
    if (S == 1) return;
    // What the other runs have beyond the last one: at most one term where `terms` is large, S - 1
    // runs where it is small.
    for (size_t k = whole; k < run; ++k)
        FOR_EACH(s, S)
            if (k + (size_t)s * run < terms)
                tile_term(R, V, first, width, s, k + (size_t)s * run, x, w, sum, others);
    UNROLL for (int half = S / 2; half > 0; half /= 2)
        FOR_EACH(s, half)
            FOR_EACH(r, R)
                FOR_EACH(v, width)
                    *tile_chain(R, V, width, s, r, v, sum, others) +=
                        *tile_chain(R, V, width, s + half, r, v, sum, others);
}

/// A tile of R rows × V vectors, in as many passes as the registers of the instruction set ask for.
INLINE void tile(const int R, const int V, const int S, size_t terms, tile_scalars x, tile_lanes w,
                 lanes *sum) {
    const int width = tile_vectors(TILE_SUMS, R, S, V);
    UNROLL for (int first = 0; first < V; first += width)
        tile_pass(R, V, S, first, width, terms, x, w, sum + first);
}
