// How a recurrence is split between partitions: batch rows, unit panels, or both.

// What a split of a recurrence costs, in multiply-adds of a vector, of which about one starts in
// each cycle. Only how a choice compares with another matters, and no bit depends on it, so these
// describe no processor exactly.

/// A barrier of a few threads: 120 to 440 ns.
#define BARRIER_COST 1500
/// The recurrent weights of a partition that stay in a core's first and second cache, in bytes.
#define NEAREST_CACHE (24 << 10)
#define NEAR_CACHE (768 << 10)

/// The cost of a time step for the partition that has most: `rows` rows, in tiles of at most six,
/// of `panels` panels of `terms` × 4 vectors. Where the panels do not fit the nearest cache, a tile
/// lasts as long as two or three rows at least, while its weights arrive.
INLINE size_t recurrence_cost(size_t rows, size_t panels, size_t terms) {
    const size_t bytes = panels * terms * 4 * LANES * sizeof(float);
    const size_t least = bytes <= NEAREST_CACHE ? 1
                         : bytes <= NEAR_CACHE  ? 2
                                                : 3,
                 tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
    return panels * terms * 4 * (rows > tiles * least ? rows : tiles * least);
}

/// The part of a recurrence that a partition holds at every step: batch rows [row, row_end), of
/// which partitions [first, end) hold some of the panels each.
typedef struct {
    recurrent_partition partition;
    size_t row, row_end, panels;
    size_t first, end;
} recurrence_partition;

/// Groups of rows, which are independent; where the partitions can wait for each other, the panels
/// of each group may be split too, if that costs less: for a function of the shape and the number
/// of partitions alone.
INLINE recurrence_partition recurrence_partition_of(recurrent_partition partition, size_t rows,
                                                    size_t panels) {
    const size_t count = partition.count;
    size_t row_groups = count, panel_groups = 1;
    if (partition.barrier && rows > 0) {
        size_t least = (size_t)-1;
        for (size_t split = 1; split <= count && split <= panels; ++split) {
            const size_t groups = count / split < rows ? count / split : rows;
            const size_t cost = recurrence_cost((rows + groups - 1) / groups,
                                                (panels + split - 1) / split, panels * LANES)
                                + (split > 1 ? BARRIER_COST : 0);
            if (cost >= least) continue;
            least = cost;
            row_groups = groups;
            panel_groups = split;
        }
    }
    const uint32_t group = partition.index / (uint32_t)panel_groups;
    recurrence_partition part = {.partition = partition,
                                 .panels = panels,
                                 .first = group * panel_groups,
                                 .end = (group + 1) * panel_groups};
    if (group < row_groups)
        partition_of((recurrent_partition){.index = group, .count = (uint32_t)row_groups}, rows,
                     &part.row, &part.row_end);
    return part;
}

/// Panels [panel, panel_end) of a partition at one step, which this thread does; `of` is the
/// partition.
typedef struct {
    size_t of, panel, panel_end;
    int begun;
} recurrence_piece;

/// Which of the partitions of the same rows a piece belongs to.
INLINE recurrent_partition recurrence_piece_partition(const recurrence_partition *part,
                                                      recurrence_piece piece) {
    return (recurrent_partition){.index = (uint32_t)(piece.of - part->first),
                                 .count = (uint32_t)(part->end - part->first)};
}

/// Whether the thread is to do `piece` at this step: with its own partition first, then with those
/// that other threads have not begun to do. After the last one, all partitions of the rows have
/// done the step.
INLINE int recurrence_next(const recurrence_partition *part, size_t step, recurrence_piece *piece) {
    const int split = part->end - part->first > 1;
    if (piece->begun && split) recurrent_task_finish(part->partition, piece->of);
    if (part->row == part->row_end || (piece->begun && !split)) return 0;
    piece->begun = 1;
    piece->of =
        split ? recurrent_task_take(part->partition, part->first, part->end, step) : part->first;
    if (piece->of == part->end) return 0;
    partition_of(recurrence_piece_partition(part, *piece), part->panels, &piece->panel,
                 &piece->panel_end);
    return 1;
}

/// The body that follows does `piece`, for each that this thread does at a step.
#define RECURRENCE_PIECES(part, step, piece) \
    for (recurrence_piece piece = {.begun = 0}; recurrence_next(part, step, &piece);)

INLINE void recurrence_end(const recurrence_partition *part, size_t steps) {
    if (part->end - part->first > 1) recurrent_tasks_end(part->partition, steps);
}
