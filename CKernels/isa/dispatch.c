// Which kernels this processor can run.
#include "../include/recurrent/recurrent.h"

extern const recurrent_kernels recurrent_kernels_generic, recurrent_kernels_avx2,
    recurrent_kernels_avx512;

static const char *const names[recurrent_isa_count] = {"generic", "avx2", "avx512"};

const char *recurrent_isa_name(recurrent_isa isa) { return names[isa]; }

const recurrent_kernels *recurrent_kernels_of(recurrent_isa isa) {
    switch (isa) {
    case recurrent_isa_generic: return &recurrent_kernels_generic;
    case recurrent_isa_avx2:
#if defined(__x86_64__)
        if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
            return &recurrent_kernels_avx2;
#endif
        break;
    case recurrent_isa_avx512:
#if defined(__x86_64__)
        if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw")
            && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")
            && __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
            return &recurrent_kernels_avx512;
#endif
        break;
    }
    return 0;
}

recurrent_isa recurrent_isa_best(void) {
    for (int isa = recurrent_isa_count - 1; isa > 0; --isa)
        if (recurrent_kernels_of((recurrent_isa)isa)) return (recurrent_isa)isa;
    return recurrent_isa_generic;
}

const char *recurrent_kernel_name(size_t index) {
    static const char *const kernels[] = {
#define KERNEL(name, parameters) #name,
#include "../include/recurrent/kernel_list.h"
#undef KERNEL
    };
    return index < sizeof kernels / sizeof kernels[0] ? kernels[index] : 0;
}
