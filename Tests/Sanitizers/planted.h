// `fill` with a fault of each kind that a sanitizer or a guard page must find.

static void plant_behind(size_t count, float value, float *x,
                         recurrent_partition partition) RECURRENT_NONBLOCKING {
    (void)partition;
    for (size_t n = 0; n <= count; ++n) ((volatile float *)x)[n] = value;
}

static void plant_in_front(size_t count, float value, float *x,
                           recurrent_partition partition) RECURRENT_NONBLOCKING {
    (void)partition;
    for (size_t n = 0; n <= count; ++n) ((volatile float *)x - 1)[n] = value;
}

/// Not the last float.
static void plant_uninitialized(size_t count, float value, float *x,
                                recurrent_partition partition) RECURRENT_NONBLOCKING {
    (void)partition;
    for (size_t n = 0; n + 1 < count; ++n) x[n] = value;
}

static void plant_overflow(size_t count, float value, float *x,
                           recurrent_partition partition) RECURRENT_NONBLOCKING {
    (void)partition;
    volatile int32_t number = INT32_MAX;
    number += 1;
    for (size_t n = 0; n < count; ++n) x[n] = value;
}

static void plant_allocation(size_t count, float value, float *x,
                             recurrent_partition partition) RECURRENT_NONBLOCKING {
    (void)partition;
    float *volatile copy = malloc(count * sizeof(float));
    for (size_t n = 0; n < count; ++n) x[n] = copy[n] = value;
    free(copy);
}

/// More instructions for some values.
static void plant_branch(size_t count, float value, float *x,
                         recurrent_partition partition) RECURRENT_NONBLOCKING {
    (void)partition;
    for (size_t n = 0; n < count; ++n) ((volatile float *)x)[n] = value;
    if (value != value) *(volatile float *)x = value;
}

/// 16 KiB of stack.
static void plant_stack(size_t count, float value, float *x,
                        recurrent_partition partition) RECURRENT_NONBLOCKING {
    (void)partition;
    volatile float buffer[4096];
    for (size_t n = 0; n < count; ++n) buffer[n] = value;
    for (size_t n = 0; n < count; ++n) x[n] = buffer[n];
}

static const struct {
    const char *name;
    void (*fill)(size_t count, float value, float *x,
                 recurrent_partition partition) RECURRENT_NONBLOCKING;
} planted[] = {
    {"behind", plant_behind},
    {"in_front", plant_in_front},
    {"uninitialized", plant_uninitialized},
    {"overflow", plant_overflow},
    {"allocation", plant_allocation},
    {"branch", plant_branch},
    {"stack", plant_stack},
};

enum { planted_count = sizeof planted / sizeof planted[0] };
