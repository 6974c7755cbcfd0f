// The one register tile: scalars times rows of lanes, R rows × V vectors of sums in S chains. Each of the scalars is broadcast and multiplied
// by a row of lanes, and each sum is one chain of fused multiply-adds in the order of the terms, or `product_chains` chains.

/// Vector v of term `term`.
INLINE void tile_vector(tile_lanes w, size_t term, int v, lanes *vector) {
    const float *panel = w.from + term * w.term + (size_t)(v / w.groups) * w.panel;
    const int group = v % w.groups;
    if (w.bfloat16) {
        const lanes_bits words = lanes_to_bits(lanes_load(panel + (size_t)(group / 2) * LANES));
        *vector = lanes_from_bits(group % 2 == 0 ? words & ~BFLOAT16_LOW : words << BFLOAT16_BITS);
    } else
        *vector = lanes_load(panel + (size_t)group * LANES);
}

/// sum[r * V + v] continues its chain over `terms` terms, for `width` vectors from `first`. With S > 1 the terms are
/// cut into S runs of ⌈terms / S⌉: the first run continues `sum`, the others start from zero, and the chains are added
/// by halves. R, V, S, first and width are constants wherever this is inlined.
INLINE void tile_pass(const int R, const int V, const int S, const int first, const int width, size_t terms,
                      tile_scalars x, tile_lanes w, lanes *sum) {
    lanes chain[TILE_SUMS_MOST];
    const size_t run = (terms + (size_t)S - 1) / (size_t)S;
    const size_t before_last = run * (size_t)(S - 1);
    const size_t whole = terms > before_last ? terms - before_last : 0;
    UNROLL for (int r = 0; r < R; ++r)
        UNROLL for (int v = 0; v < width; ++v)
            UNROLL for (int s = 0; s < S; ++s)
                chain[(s * R + r) * width + v] = s == 0 ? sum[r * V + first + v] : lanes_splat(0);
    for (size_t k = 0; k < whole; ++k)
        UNROLL for (int s = 0; s < S; ++s) {
            const size_t term = k + (size_t)s * run;
            lanes row[TILE_SUMS_MOST];
            UNROLL for (int v = 0; v < width; ++v) tile_vector(w, term, first + v, &row[v]);
            UNROLL for (int r = 0; r < R; ++r) {
                const lanes scalar = lanes_splat(x.from[term * x.term + (size_t)r * x.row]);
                UNROLL for (int v = 0; v < width; ++v) {
                    lanes *target = &chain[(s * R + r) * width + v];
                    *target = lanes_fma(scalar, row[v], *target);
                }
            }
        }
    if (S == 1) {
        UNROLL for (int r = 0; r < R; ++r)
            UNROLL for (int v = 0; v < width; ++v) sum[r * V + first + v] = chain[r * width + v];
        return;
    }
    // What the other runs have beyond the last one: at most one term where `terms` is large, S - 1 runs where it is small.
    for (size_t k = whole; k < run; ++k)
        UNROLL for (int s = 0; s < S; ++s) {
            const size_t term = k + (size_t)s * run;
            if (term >= terms) continue;
            UNROLL for (int r = 0; r < R; ++r)
                UNROLL for (int v = 0; v < width; ++v) {
                    lanes row, *target = &chain[(s * R + r) * width + v];
                    tile_vector(w, term, first + v, &row);
                    *target = lanes_fma(lanes_splat(x.from[term * x.term + (size_t)r * x.row]), row, *target);
                }
        }
    UNROLL for (int r = 0; r < R; ++r)
        UNROLL for (int v = 0; v < width; ++v) {
            UNROLL for (int half = S / 2; half > 0; half /= 2)
                UNROLL for (int s = 0; s < half; ++s)
                    chain[(s * R + r) * width + v] += chain[((s + half) * R + r) * width + v];
            sum[r * V + first + v] = chain[r * width + v];
        }
}

/// A tile of R rows × V vectors, in as many passes as the registers of the instruction set ask for.
INLINE void tile(const int R, const int V, const int S, size_t terms, tile_scalars x, tile_lanes w, lanes *sum) {
    const int width = tile_vectors(TILE_SUMS, R, S, V);
    UNROLL for (int first = 0; first < V; first += width) tile_pass(R, V, S, first, width, terms, x, w, sum);
}
