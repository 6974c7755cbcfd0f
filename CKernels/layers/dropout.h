// Inverted dropout, with a generator that has no state: element and key go in, random bits come
// out, so a mask depends on nothing but its numbers and need not be kept for the backward pass.
//
// The generator is Threefry-2x32-20 of Salmon, Moraes, Dror and Shaw 2011, "Parallel Random
// Numbers: As Easy as 1, 2, 3": additions, rotations and exclusive ors of 32 bits, which every
// vector instruction set has (their Philox needs products of 64 bits). 13 rounds already pass
// TestU01's BigCrush; 20 is the authors' choice, with a margin.

#define THREEFRY_ROUNDS 20
#define THREEFRY_ROUNDS_PER_KEY 4
#define THREEFRY_ROTATIONS 8
#define THREEFRY_WORD 32

/// The parity of the key schedule: Skein 1.3, in its form of 32 bits.
#define THREEFRY_PARITY 0x1BD11BDAu

/// Numbers that 32 bits can be.
#define DROPOUT_NUMBERS 0x1p32

/// Rotations in the order of rounds: Salmon et al. 2011, Threefry-2x32.
static const uint32_t threefry_rotations[THREEFRY_ROTATIONS] = {13, 15, 26, 6, 17, 29, 16, 24};

/// The two words of a key, or of a counter.
typedef struct {
    uint32_t low, high;
} threefry_words;

INLINE threefry_words threefry_split(uint64_t value) {
    return (threefry_words){.low = (uint32_t)value, .high = (uint32_t)(value >> THREEFRY_WORD)};
}

/// Encrypts 16 counters, whose words are in `low` and `high`.
INLINE void threefry(threefry_words key, lanes_bits *low, lanes_bits *high) {
    const uint32_t keys[] = {key.low, key.high, THREEFRY_PARITY ^ key.low ^ key.high};
    lanes_bits x = *low + keys[0], y = *high + keys[1];
    UNROLL for (uint32_t part = 0; part < THREEFRY_ROUNDS / THREEFRY_ROUNDS_PER_KEY; ++part) {
        UNROLL for (uint32_t round = 0; round < THREEFRY_ROUNDS_PER_KEY; ++round) {
            const uint32_t rotation =
                threefry_rotations[(part * THREEFRY_ROUNDS_PER_KEY + round) % THREEFRY_ROTATIONS];
            x += y;
            y = (y << rotation | y >> (THREEFRY_WORD - rotation)) ^ x;
        }
        x += keys[(part + 1) % 3];
        y += keys[(part + 2) % 3] + part + 1;
    }
    *low = x;
    *high = y;
}

static void dropout(const recurrent_rows_shape *shape, const recurrent_dropout *mask,
                    const float *x, float *y, recurrent_partition partition) NONBLOCKING {
    const size_t stride = recurrent_padded(shape->units);
    size_t first, end;
    partition_of(partition, shape->rows, &first, &end);
    // A key for each counter: a permutation of the counters of a seed, so no two are the same.
    const threefry_words counter = threefry_split(mask->counter);
    lanes_bits low = counter.low, high = counter.high;
    threefry(threefry_split(mask->seed), &low, &high);
    const threefry_words key = {.low = low[0], .high = high[0]};
    // Signed, because not every instruction set compares unsigned integers. p = 0 gives the least
    // one: nothing is below it.
    const lanes_int threshold =
        (int32_t)((double)mask->probability * DROPOUT_NUMBERS - DROPOUT_NUMBERS / 2);
    const lanes factor = lanes_splat(1 / (1 - mask->probability));
    for (size_t m = first; m < end; ++m)
        for (size_t at = 0; at < stride; at += 2 * LANES) {
            lanes_bits bits[2] = {(lanes_bits)lanes_index() + (uint32_t)(at / 2), (uint32_t)m};
            threefry(key, &bits[0], &bits[1]);
            for (size_t word = 0; word < 2 && at + word * LANES < stride; ++word) {
                const size_t place = m * stride + at + word * LANES;
                const lanes_int dropped = (lanes_int)bits[word] < threshold;
                lanes_store(y + place,
                            lanes_select(dropped, lanes_splat(0), lanes_load(x + place) * factor));
            }
        }
}
