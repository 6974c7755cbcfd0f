// What a register tile works on: how many rows and chains it has, and where its scalars and its
// rows of lanes lie.

/// The most rows of a tile whose sums are split into chains.
#define TILE_ROWS_OF_CHAINS (TILE_ROWS < 3 ? TILE_ROWS : 3)
/// The most chains of a pass: those of a full tile, or of a single sum.
#define TILE_CHAINS (TILE_SUMS > 8 ? TILE_SUMS : 8)
/// How many chains a recurrent sum over a row of `vectors` vectors is split into, so that 8 sums
/// are in flight (a fused multiply-add takes 4 cycles, and two start in each).
INLINE int product_chains(size_t vectors) {
    return vectors <= 1 ? 8 : vectors <= 2 ? 4 : vectors <= 4 ? 2 : 1;
}

/// How many rows the next tile takes, when `rows` are left and a tile takes `most`: even tiles
/// rather than a thin last one.
INLINE size_t tile_rows(size_t rows, size_t most) {
    const size_t tiles = (rows + most - 1) / most;
    return (rows + tiles - 1) / tiles;
}

/// Whether one pass can have all these sums: at most `most`, and where the vectors of weights stay
/// in registers from row to row, as many of both as a full tile has.
INLINE int tile_fits(int most, int rows, int chains, int vectors) {
    const int sums = rows * chains * vectors;
    return sums <= most && (rows == 1 || sums + vectors <= most + most / TILE_ROWS);
}

/// The vectors that are summed in one pass over the terms, out of `vectors`.
INLINE int tile_vectors(int most, int rows, int chains, int vectors) {
    return tile_fits(most, rows, chains, vectors)                           ? vectors
           : vectors % 2 == 0 && tile_fits(most, rows, chains, vectors / 2) ? vectors / 2
           : vectors % 4 == 0 && tile_fits(most, rows, chains, vectors / 4) ? vectors / 4
                                                                            : 1;
}

/// A bfloat16 is the upper half of a float.
#define BFLOAT16_BITS 16
#define BFLOAT16_LOW ((1u << BFLOAT16_BITS) - 1)

/// The scalars of a tile: term k of row r is at `from[k * term + r * row]`.
typedef struct {
    const float *from;
    size_t term, row;
} tile_scalars;

/// The rows of lanes of a tile: vector v of term k is at `from[k * term + (v / groups) * panel + (v
/// % groups) * 16]`. With `bfloat16`, vectors 2u and 2u + 1 of a panel are the upper and lower
/// halves of the 16 words at `(v / groups) * panel + u * 16`.
typedef struct {
    const float *from;
    size_t term, panel;
    int groups, bfloat16;
} tile_lanes;
