// The part of kernel_list.h with what is done with gradients: norms, penalties, updates. What
// stands there holds here.

RECURRENT_NONNULL_BEGIN

// MARK: norm.h, update.h

/// The squares of a gradient, for its global norm: Goodfellow, Bengio and Courville 2016, section
/// 10.11.1.
///   partial[b] = Σ x²   over the floats 4096 b ... 4096 b + 4095, in double: 32 running sums,
///       added by halves
///   x [count] in
///   partial [recurrent_squares_blocks(count)] out
///   No finite x overflows.
///   Partitions split the blocks.
KERNEL(sum_of_squares,
       (size_t count, const float *x, double *partial, recurrent_partition partition))

/// The norm whose squares are in `partial`: of one buffer, or of several whose partial sums lie one
/// after the other.
///   norm = √ Σ_b partial[b]   in ascending order
///   partial [blocks] in
///   norm [1] out: not finite where an x was not; then the caller leaves weights and moments alone.
KERNEL(global_norm, (size_t blocks, const double *partial, double *norm))

/// x = value: a gradient that is dropped, a moment at the start.
///   x [count] out
///   Partitions split x into runs of 16.
KERNEL(fill, (size_t count, float value, float *x, recurrent_partition partition))

// MARK: regularization.h

/// Parameter norm penalties as a part of the loss, L1 and L2: Goodfellow, Bengio and Courville
/// 2016, sections 7.1.1 and 7.1.2.
///   gradient += λ1 sign(p) + λ2 p, where sign(0) = 0
///   partial[b] = Σ λ1 |p| + λ2/2 p²   over the blocks of sum_of_squares
///   parameters p [count] in
///   gradient [count] in, out
///   partial [recurrent_squares_blocks(count)] out, in double.
///   So that nothing decays into subnormals, λ2 p is zero for |p| < 2^-100.
///   What is not finite stays so.
///   Partitions split the blocks, as those of sum_of_squares.
KERNEL(add_norm_penalty, (size_t count, double l1, double l2, const float *parameters,
                          float *gradient, double *partial, recurrent_partition partition))

// MARK: lbfgs.h

/// The inner products of L-BFGS: Nocedal and Wright 2006, algorithm 7.4.
///   partial[b] = Σ x y   over the blocks of sum_of_squares, in its order: for y = x it gives the
///       same bits
///   x, y [count] in, may overlap
///   partial [recurrent_squares_blocks(count)] out
///   Partitions split the blocks.
KERNEL(dot_product, (size_t count, const float *x, const float *y, double *partial,
                     recurrent_partition partition))

/// Its sums of vectors.
///   z = a x + (b y)   the sum rounded once, a and b as floats
///   x, y [count] in
///   z [count] out, may be x or y.
///   Partitions split the buffers into runs of 16 floats.
KERNEL(linear_combination, (size_t count, double a, const float *x, double b, const float *y,
                            float *z, recurrent_partition partition))

RECURRENT_NONNULL_END

#include "optimizers.h"
