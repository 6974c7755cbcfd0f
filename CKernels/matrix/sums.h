// Sums of many products of rows that begin and end in memory, tile by tile of the register tile of
// tile.h. The order of the terms is that of memory; each sum is one chain, or `product_chains`.

/// Where the sums of a tile lie in memory: vector v of row r is at `at[r * row + (v / groups) *
/// panel + (v % groups) * 16]`.
typedef struct {
    float *at;
    size_t row, panel;
    int groups;
} tile_sums;

INLINE float *tile_sum(tile_sums sums, int r, int v) {
    return sums.at + (size_t)r * sums.row + (size_t)(v / sums.groups) * sums.panel
           + (size_t)(v % sums.groups) * LANES;
}

/// Neighbouring terms, at least one. Small, because a list of them is on the stack.
typedef struct {
    uint8_t first, last;
} tile_run;

/// Terms that are not all neighbours: those of a block of a long sum. The first block goes on from
/// what the sum holds; the others `add` to it what they have summed from zero.
typedef struct {
    size_t runs;
    const tile_run *run;
    int add;
} tile_terms;

/// A product whose sums begin and end in memory: to = start + Σ for `rows` rows, where `start.at`
/// may be null (zero) and a row stride of zero gives every row the same start; or to += Σ, which
/// then starts from zero. The terms are the first `terms` or, where there are any, those of some
/// runs.
typedef struct {
    size_t rows, terms;
    tile_terms some;
    tile_scalars x;
    tile_lanes w;
    tile_sums start, to;
    int adds;
} tile_product;

/// Runs of terms, one after the other: `count` of them, `x` and `w` floats apart.
typedef struct {
    size_t count;
    ptrdiff_t x, w;
} tile_runs;

/// One run.
static const tile_runs tile_once = {.count = 1};

/// The terms of a product, run by run, for `width` vectors of R rows; only sums of one chain have
/// more than one.
INLINE void tile_neighbours(const int R, const int width, const int S, const int first,
                            const tile_product *product, tile_scalars x, tile_lanes w, lanes *sum) {
    size_t run = 0;
    do {
        tile_scalars x_run = x;
        tile_lanes w_run = w;
        size_t terms = product->terms;
        if (S == 1 && product->some.run) {
            const tile_run neighbours = product->some.run[run];
            x_run.from += neighbours.first * x.term;
            w_run.from += neighbours.first * w.term;
            terms = (size_t)neighbours.last + 1 - neighbours.first;
        }
        tile_pass(R, width, S, first, width, terms, x_run, w_run, sum);
    } while (S == 1 && ++run < product->some.runs);
}

/// V vectors of the first R rows in S chains, as many vectors at a time as the registers hold: the
/// terms of all `inner` runs of all `outer` runs.
INLINE void tile_in_memory(const int R, const int V, const int S, tile_product product,
                           tile_runs outer, tile_runs inner) {
    const int width = tile_vectors(TILE_SUMS, R, S, V);
    UNROLL for (int first = 0; first < V; first += width) {
        lanes sum[TILE_SUMS];
        FOR_EACH(r, R)
            FOR_EACH(v, width)
                sum[r * width + v] = product.start.at
                                         ? lanes_load(tile_sum(product.start, r, first + v))
                                         : lanes_splat(0);
        if (S == 1 && product.adds)  // what is needed last comes from farthest away
            FOR_EACH(r, R)
                FOR_EACH(v, width) lanes_prefetch(tile_sum(product.to, r, first + v));
        tile_scalars outer_x = product.x;
        tile_lanes outer_w = product.w;
        for (size_t o = 0; o < outer.count; ++o, outer_x.from += outer.x, outer_w.from += outer.w) {
            tile_scalars x = outer_x;
            tile_lanes w = outer_w;
            for (size_t i = 0; i < inner.count; ++i, x.from += inner.x, w.from += inner.w)
                tile_neighbours(R, width, S, first, &product, x, w, sum);
        }
        FOR_EACH(r, R)
            FOR_EACH(v, width) {
                float *to = tile_sum(product.to, r, first + v);
                lanes_store(to, S == 1 && product.adds ? lanes_load(to) + sum[r * width + v]
                                                       : sum[r * width + v]);
            }
    }
}

/// V vectors of all rows, tile by tile.
INLINE void tile_rows_in_memory(const int V, const int S, tile_product product, tile_runs outer,
                                tile_runs inner) {
    // No more rows than have all their chains in one pass.
    const int most = S == 1                                 ? TILE_ROWS
                     : TILE_ROWS_OF_CHAINS * S <= TILE_SUMS ? TILE_ROWS_OF_CHAINS
                                                            : 1;
    while (product.rows > 0) {
        const size_t count = tile_rows(product.rows, (size_t)most);
        switch (count) {
        case 1: tile_in_memory(1, V, S, product, outer, inner); break;
        case 2:
            if (2 <= most) tile_in_memory(2, V, S, product, outer, inner);
            break;
        case 3:
            if (3 <= most) tile_in_memory(3, V, S, product, outer, inner);
            break;
        case 4:
            if (4 <= most) tile_in_memory(4, V, S, product, outer, inner);
            break;
        case 5:
            if (5 <= most) tile_in_memory(5, V, S, product, outer, inner);
            break;
        case 6:
            if (6 <= most) tile_in_memory(6, V, S, product, outer, inner);
            break;
        }
        product.rows -= count;
        product.x.from += count * product.x.row;
        product.start.at = product.start.at ? product.start.at + count * product.start.row : 0;
        product.to.at += count * product.to.row;
    }
}

/// V vectors of all rows, or of a single one, in S chains, from a group of a panel of G groups on.
/// Most products are neither in runs nor added: those are compiled without asking each tile.
#define PRODUCT_TILES(G, V, S, tiles)                                                          \
    OUTLINED void product_tiles_##G##_##V##_##S(const tile_product *whole, size_t panel,       \
                                                size_t group) NONBLOCKING {                    \
        tile_product product = *whole;                                                         \
        product.w.from += panel * product.w.panel + group * LANES;                             \
        if (product.start.at) product.start.at += panel * product.start.panel + group * LANES; \
        product.to.at += panel * product.to.panel + group * LANES;                             \
        product.w.groups = product.start.groups = product.to.groups = G;                       \
        product.w.bfloat16 = 0;                                                                \
        if (S == 1 && (product.adds || product.some.run)) {                                    \
            tiles;                                                                             \
        } else {                                                                               \
            product.adds = 0;                                                                  \
            product.some.run = 0;                                                              \
            product.some.runs = 0;                                                             \
            tiles;                                                                             \
        }                                                                                      \
    }
PRODUCT_TILES(1, 1, 1, tile_rows_in_memory(1, 1, product, tile_once, tile_once))
PRODUCT_TILES(1, 2, 1, tile_rows_in_memory(2, 1, product, tile_once, tile_once))
PRODUCT_TILES(1, 3, 1, tile_rows_in_memory(3, 1, product, tile_once, tile_once))
PRODUCT_TILES(1, 4, 1, tile_rows_in_memory(4, 1, product, tile_once, tile_once))
PRODUCT_TILES(1, 5, 1, tile_in_memory(1, 5, 1, product, tile_once, tile_once))
PRODUCT_TILES(1, 6, 1, tile_in_memory(1, 6, 1, product, tile_once, tile_once))
PRODUCT_TILES(1, 7, 1, tile_in_memory(1, 7, 1, product, tile_once, tile_once))
PRODUCT_TILES(1, 8, 1, tile_in_memory(1, 8, 1, product, tile_once, tile_once))
PRODUCT_TILES(2, 2, 1, tile_rows_in_memory(2, 1, product, tile_once, tile_once))
PRODUCT_TILES(2, 4, 1, tile_in_memory(1, 4, 1, product, tile_once, tile_once))
PRODUCT_TILES(2, 8, 1, tile_in_memory(1, 8, 1, product, tile_once, tile_once))
PRODUCT_TILES(3, 3, 1, tile_rows_in_memory(3, 1, product, tile_once, tile_once))
PRODUCT_TILES(4, 4, 1, tile_rows_in_memory(4, 1, product, tile_once, tile_once))
PRODUCT_TILES(1, 1, 8, tile_rows_in_memory(1, 8, product, tile_once, tile_once))
PRODUCT_TILES(1, 1, 4, tile_rows_in_memory(1, 4, product, tile_once, tile_once))
PRODUCT_TILES(1, 2, 4, tile_rows_in_memory(2, 4, product, tile_once, tile_once))
PRODUCT_TILES(1, 1, 2, tile_rows_in_memory(1, 2, product, tile_once, tile_once))
PRODUCT_TILES(1, 2, 2, tile_rows_in_memory(2, 2, product, tile_once, tile_once))
PRODUCT_TILES(1, 3, 2, tile_rows_in_memory(3, 2, product, tile_once, tile_once))
PRODUCT_TILES(1, 4, 2, tile_rows_in_memory(4, 2, product, tile_once, tile_once))

/// Panels of two groups from `panel` on: one, or of a single row up to four. Returns how many.
INLINE size_t product_two_groups(const tile_product *product, size_t panel, size_t panels) {
    const size_t left = product->rows == 1 ? panels - panel : 1;
    if (left >= 4) {
        product_tiles_2_8_1(product, panel, 0);
        return 4;
    }
    if (left >= 2) {
        product_tiles_2_4_1(product, panel, 0);
        return 2;
    }
    product_tiles_2_2_1(product, panel, 0);
    return 1;
}

/// All of `vectors` vectors, block after block: as many at a time as the registers hold for full
/// tiles, so that a block is still in cache for the next tile; all of a panel, or up to four
/// panels, for fewer rows; up to eight panels for a single row.
OUTLINED void product_sums(size_t groups, size_t vectors, const tile_product *product) NONBLOCKING {
    const int full = product->rows >= TILE_ROWS;
    if (groups == 1)
        for (size_t panel = 0; panel < vectors;) {
            const size_t most = full ? (size_t)tile_vectors(TILE_SUMS, TILE_ROWS, 1, 4)
                                : product->rows == 1 ? 8
                                                     : 4;
            const size_t count = tile_rows(vectors - panel, most);
            switch (count) {
            case 1: product_tiles_1_1_1(product, panel, 0); break;
            case 2: product_tiles_1_2_1(product, panel, 0); break;
            case 3: product_tiles_1_3_1(product, panel, 0); break;
            case 4: product_tiles_1_4_1(product, panel, 0); break;
            case 5: product_tiles_1_5_1(product, panel, 0); break;
            case 6: product_tiles_1_6_1(product, panel, 0); break;
            case 7: product_tiles_1_7_1(product, panel, 0); break;
            case 8: product_tiles_1_8_1(product, panel, 0); break;
            }
            panel += count;
        }
    else if (full && tile_vectors(TILE_SUMS, TILE_ROWS, 1, (int)groups) == 1)
        for (size_t panel = 0; panel < vectors / groups; ++panel)
            for (size_t group = 0; group < groups; ++group)
                product_tiles_1_1_1(product, panel, group);
    else
        for (size_t panel = 0; panel < vectors / groups; ++panel) switch (groups) {
            case 2: panel += product_two_groups(product, panel, vectors / 2) - 1; break;
            case 3: product_tiles_3_3_1(product, panel, 0); break;
            case 4: product_tiles_4_4_1(product, panel, 0); break;
            }
}
