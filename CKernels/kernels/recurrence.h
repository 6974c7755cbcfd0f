// How a recurrence is split between shares: batch rows, unit panels, or both.

// What a split of a recurrence costs, in multiply-adds of a vector, of which about one starts in each cycle. Only how a choice compares
// with another matters, and no bit depends on it, so these describe no processor exactly.

/// A barrier of a few threads: 120 to 440 ns.
#define BARRIER_COST 1500
/// The recurrent weights of a share that stay in a core's first and second cache, in bytes.
#define NEAREST_CACHE (24 << 10)
#define NEAR_CACHE (768 << 10)

/// The part of a recurrence over `rows` batch rows × `panels` unit panels that a share holds, at every time step.
typedef struct {
    size_t row, row_end, panel, panel_end;
    size_t first, end;     ///< the shares that hold the same rows, and must wait for each other at every time step
    recurrent_share share;
} recurrence_share;

/// Waits for the shares that hold the same rows; one that holds none only keeps count.
INLINE void recurrence_wait(const recurrence_share *part) {
    if (part->end - part->first > 1) recurrent_barrier_wait(part->share, part->first, part->row < part->row_end ? part->end : part->first);
}

/// The cost of a time step for the share that has most: `rows` rows, in tiles of at most six, of `panels` panels of `terms` × 4 vectors.
/// Where the panels do not fit the nearest cache, a tile lasts as long as two or three rows at least, while its weights arrive.
INLINE size_t recurrence_cost(size_t rows, size_t panels, size_t terms) {
    const size_t bytes = panels * terms * 4 * LANES * sizeof(float);
    const size_t least = bytes <= NEAREST_CACHE ? 1 : bytes <= NEAR_CACHE ? 2 : 3, tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
    return panels * terms * 4 * (rows > tiles * least ? rows : tiles * least);
}

/// Groups of rows, which are independent; where the shares can wait for each other, the panels of each group may be split too, if that
/// costs less: for a function of the shape and the number of shares alone.
INLINE recurrence_share recurrence_share_of(recurrent_share share, size_t rows, size_t panels) {
    const size_t count = share.count;
    size_t row_groups = count, panel_groups = 1;
    if (count > 1 && share.barrier) {
        size_t least = (size_t)-1;
        for (size_t split = 1; split <= count && split <= panels; ++split) {
            const size_t groups = count / split < rows ? count / split : rows;
            const size_t cost = recurrence_cost((rows + groups - 1) / groups, (panels + split - 1) / split, panels * LANES)
                                + (split > 1 ? BARRIER_COST : 0);
            if (cost >= least) continue;
            least = cost;
            row_groups = groups;
            panel_groups = split;
        }
    }
    recurrence_share part = {.share = share};
    const uint32_t group = share.index / (uint32_t)panel_groups;
    if (group < row_groups) {
        share_of((recurrent_share){.index = group, .count = (uint32_t)row_groups}, rows, &part.row, &part.row_end);
        share_of((recurrent_share){.index = share.index % (uint32_t)panel_groups, .count = (uint32_t)panel_groups}, panels,
                 &part.panel, &part.panel_end);
    }
    part.first = group * panel_groups;
    part.end = part.first + panel_groups;
    return part;
}
