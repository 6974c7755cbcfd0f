// What compilers spell differently. The headers are for C99 and C++11 and later, of any compiler;
// clang, and Swift by it, also read from them which pointers may be null, and that kernels do not
// block.
#ifndef RECURRENT_COMPILER_H
#define RECURRENT_COMPILER_H

#if defined(__cplusplus)
#define RECURRENT_EXTERN_C_BEGIN extern "C" {
#define RECURRENT_EXTERN_C_END }
#else
#define RECURRENT_EXTERN_C_BEGIN
#define RECURRENT_EXTERN_C_END
#endif

/// Between these two, no pointer is null, unless it is declared RECURRENT_NULLABLE.
#if defined(__clang__)
#define RECURRENT_NONNULL_BEGIN                                         \
    _Pragma("clang diagnostic push")                                    \
        _Pragma("clang diagnostic ignored \"-Wnullability-extension\"") \
            _Pragma("clang assume_nonnull begin")
#define RECURRENT_NONNULL_END _Pragma("clang assume_nonnull end") _Pragma("clang diagnostic pop")
#define RECURRENT_NULLABLE _Nullable
#else
#define RECURRENT_NONNULL_BEGIN
#define RECURRENT_NONNULL_END
#define RECURRENT_NULLABLE
#endif

/// Of functions that neither allocate nor lock nor call what may: clang 20 and later check it.
#if defined(__has_attribute)
#if __has_attribute(nonblocking)
#define RECURRENT_NONBLOCKING __attribute__((nonblocking))
#endif
#endif
#if !defined(RECURRENT_NONBLOCKING)
#define RECURRENT_NONBLOCKING
#endif

#endif
