// What a register tile works on: how many rows and chains it has, and where its scalars and its rows of lanes lie.

/// The most rows of a tile: 6 × 4 vectors of sums leave 8 of 32 registers for the operands.
#define TILE_ROWS 6
/// The most sums of any tile, on any instruction set.
#define TILE_SUMS_MOST 24
/// How many chains a recurrent sum over a row of `vectors` vectors is split into, so that 8 sums are in flight
/// (a fused multiply-add takes 4 cycles, and two start in each).
INLINE int product_chains(size_t vectors) { return vectors <= 1 ? 8 : vectors <= 2 ? 4 : vectors <= 4 ? 2 : 1; }

/// How many rows the next tile takes, when `rows` are left and a tile takes `most`: even tiles rather than a thin last one.
INLINE size_t tile_rows(size_t rows, size_t most) {
    const size_t tiles = (rows + most - 1) / most;
    return (rows + tiles - 1) / tiles;
}

/// The vectors that are summed in one pass over the terms, out of `vectors`: as many as leave at most `most` sums.
INLINE int tile_vectors(int most, int rows, int chains, int vectors) {
    const int sums = rows * chains * vectors;
    return sums <= most                           ? vectors
           : vectors % 2 == 0 && sums / 2 <= most ? vectors / 2
           : vectors % 4 == 0 && sums / 4 <= most ? vectors / 4
                                                  : 1;
}

/// A bfloat16 is the upper half of a float.
#define BFLOAT16_BITS 16
#define BFLOAT16_LOW ((1u << BFLOAT16_BITS) - 1)

/// The scalars of a tile: term k of row r is at `from[k * term + r * row]`.
typedef struct { const float *from; size_t term, row; } tile_scalars;

/// The rows of lanes of a tile: vector v of term k is at `from[k * term + (v / groups) * panel + (v % groups) * 16]`. With
/// `bfloat16`, vectors 2u and 2u + 1 of a panel are the upper and lower halves of the 16 words at `(v / groups) * panel + u * 16`.
typedef struct { const float *from; size_t term, panel; int groups, bfloat16; } tile_lanes;
