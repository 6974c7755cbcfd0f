// Windows that move along an axis: which of their taps lie inside, and at which places a tap does.

/// Place p of what is written reads, at tap k, the place start + p move + k tap of what is read,
/// where there is one. A gradient is read against the direction of the windows: then `tap` is
/// negative. `move` is at least 1.
typedef struct {
    size_t places, taps, size;
    ptrdiff_t start, move, tap;
} window_axis;

/// Places, or taps.
typedef struct {
    size_t first, end;
} window_range;

/// `count` places from `first` on, or as many as there are before `end`.
INLINE window_range window_block(size_t first, size_t count, size_t end) {
    return (window_range){.first = first, .end = end - first < count ? end : first + count};
}

INLINE window_axis window_axis_of(const recurrent_axis *axis) {
    return (window_axis){.places = axis->windows,
                         .taps = axis->taps,
                         .size = axis->size,
                         .start = -(ptrdiff_t)axis->padding,
                         .move = (ptrdiff_t)axis->stride,
                         .tap = (ptrdiff_t)axis->dilation};
}

INLINE ptrdiff_t window_at(const window_axis *axis, size_t place, size_t tap) {
    return axis->start + (ptrdiff_t)place * axis->move + (ptrdiff_t)tap * axis->tap;
}

/// The taps of a place that lie inside are neighbours.
INLINE window_range window_taps(const window_axis *axis, size_t place) {
    window_range taps = {.first = 0};
    while (taps.first < axis->taps && (size_t)window_at(axis, place, taps.first) >= axis->size)
        ++taps.first;
    taps.end = taps.first;
    while (taps.end < axis->taps && (size_t)window_at(axis, place, taps.end) < axis->size)
        ++taps.end;
    return taps;
}

/// The end of the run of places, from `place` on and before `end`, that have these taps, as `place`
/// has.
INLINE size_t window_run_end(const window_axis *axis, size_t place, size_t end, window_range taps) {
    if (taps.end - taps.first == axis->taps && axis->taps > 0) {
        // All taps lie inside as long as the furthest does.
        const ptrdiff_t furthest = window_at(axis, 0, axis->tap > 0 ? axis->taps - 1 : 0);
        const size_t run_end = (size_t)(((ptrdiff_t)axis->size - 1 - furthest) / axis->move) + 1;
        return run_end < end ? run_end : end;
    }
    for (size_t next = place + 1; next < end; ++next) {
        const window_range others = window_taps(axis, next);
        if (others.first != taps.first || others.end != taps.end) return next;
    }
    return end;
}

/// Those of some places at which a tap lies inside.
INLINE window_range window_places(const window_axis *axis, size_t tap, window_range places) {
    const ptrdiff_t at = window_at(axis, 0, tap), beyond = (ptrdiff_t)axis->size - at;
    const size_t first = at < 0 ? (size_t)((-at + axis->move - 1) / axis->move) : 0;
    const size_t end = beyond > 0 ? (size_t)((beyond + axis->move - 1) / axis->move) : 0;
    if (first > places.first) places.first = first;
    if (end < places.end) places.end = end;
    if (places.end < places.first) places.end = places.first;
    return places;
}

/// What a partition has of images, rows and columns.
typedef struct {
    window_range images, rows, columns;
} window_part;

/// Partitions split whichever are most.
INLINE window_part window_part_of(recurrent_partition partition, size_t images, size_t rows,
                                  size_t columns) {
    window_part part = {.images = {0, images}, .rows = {0, rows}, .columns = {0, columns}};
    window_range *split = images >= rows && images >= columns ? &part.images
                          : rows >= columns                   ? &part.rows
                                                              : &part.columns;
    partition_of(partition, split->end, &split->first, &split->end);
    return part;
}
