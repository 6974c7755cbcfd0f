// Which kernels this processor can run.
#include "../include/recurrent/recurrent.h"

#if defined(__x86_64__)
#include <cpuid.h>

/// Whether the processor has fused multiply-adds and all of these features of cpuid's leaf 7 (in
/// ebx), and the system saves all of these registers (XCR0). Intel 64 and IA-32 Architectures
/// Software Developer's Manual, volume 1, sections 14.3 and 15.2. Of our own, because
/// __builtin_cpu_supports needs a library that programs for MSVC are not linked with.
static int processor_has(unsigned features, unsigned registers) {
    const unsigned basic = bit_FMA | bit_OSXSAVE;
    unsigned a, b, c, d;
    if (!__get_cpuid(1, &a, &b, &c, &d) || (c & basic) != basic) return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (b & features) != features) return 0;
    __asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return (a & registers) == registers;
}

enum {
    registers_of_avx = 0x6,      ///< xmm, ymm
    registers_of_avx512 = 0xe6,  ///< and masks, zmm
};
#endif

extern const recurrent_kernels recurrent_kernels_generic, recurrent_kernels_avx2,
    recurrent_kernels_avx512;

static const char *const names[recurrent_isa_count] = {"generic", "avx2", "avx512"};

const char *recurrent_isa_name(recurrent_isa isa) { return names[isa]; }

const recurrent_kernels *recurrent_kernels_of(recurrent_isa isa) {
    switch (isa) {
    case recurrent_isa_generic: return &recurrent_kernels_generic;
    case recurrent_isa_avx2:
#if defined(__x86_64__)
        if (processor_has(bit_AVX2, registers_of_avx)) return &recurrent_kernels_avx2;
#endif
        break;
    case recurrent_isa_avx512:
#if defined(__x86_64__)
        if (processor_has(bit_AVX2 | bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL,
                          registers_of_avx512))
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
