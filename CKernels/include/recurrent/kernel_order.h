// The way between weights as the field's files have them and as the kernels have them: kernel
// order, which no other C than these functions and the kernels knows.
//
// The field's matrices are PyTorch's: row-major, a row for each gate and unit, gate after gate, as
// recurrent_cell_gates names them. In kernel order they lie in panels of 16 units, in them a row
// for the bias and for each column, in each row the gates side by side:
//
//     w[p][1 + k][g][l] = W[g N + 16 p + l][k]
//     w[p][0][g][l] = b[g N + 16 p + l]      zero where 16 p + l ≥ N
//
// Of a shape, only what the weights' size depends on is read: rows, batch, steps, images and
// strides are not. It is one that its `*_check` finds nothing wrong with. Gradients are in kernel
// order too. A buffer that is written overlaps no other one; `w` is written whole, padding
// included.
#ifndef RECURRENT_KERNEL_ORDER_H
#define RECURRENT_KERNEL_ORDER_H

#include "cells.h"
#include "compiler.h"
#include "shapes.h"

RECURRENT_EXTERN_C_BEGIN
RECURRENT_NONNULL_BEGIN

/// A dense layer, or any matrix of G gates.
///   weight [G N][K] in
///   bias [G N] in, or null: zero
///   w [recurrent_product_weights_floats] out
void recurrent_product_pack(recurrent_product_shape shape, const float *weight,
                            const float *RECURRENT_NULLABLE bias, float *w);

/// The inverse of recurrent_product_pack; bias may be null.
void recurrent_product_unpack(recurrent_product_shape shape, const float *w, float *weight,
                              float *RECURRENT_NULLABLE bias);

/// A recurrent layer of any cell, G gates.
///   weight_ih [G H][I] in
///   weight_hh [G H][N] in, N = R where h is projected, else H; null is zero
///   bias_ih, bias_hh [G H] in, or null: zero. The kernels have one bias, their sum; but of n of a
///       GRU without reset_before b is bias_ih's and b′ is bias_hh's
///   weight_hh, bias_hh are read where the gates read h
///   peepholes [3H] in, of i, f and o: read where an LSTM has them; null is zero
///   weight_hr [R][H] in: read where h is projected
///   w [recurrent_cell_weights_floats] out
void recurrent_cell_pack(recurrent_cell_shape shape, const float *weight_ih,
                         const float *RECURRENT_NULLABLE weight_hh,
                         const float *RECURRENT_NULLABLE bias_ih,
                         const float *RECURRENT_NULLABLE bias_hh,
                         const float *RECURRENT_NULLABLE peepholes,
                         const float *RECURRENT_NULLABLE weight_hr, float *w);

/// The inverse of recurrent_cell_pack: the one bias is bias_ih, and bias_hh, where it is not null,
/// is zero but for b′, which null loses. weight_hh, bias_hh, peepholes and weight_hr are written
/// where the cell has them, and they are not null.
void recurrent_cell_unpack(recurrent_cell_shape shape, const float *w, float *weight_ih,
                           float *RECURRENT_NULLABLE weight_hh, float *bias_ih,
                           float *RECURRENT_NULLABLE bias_hh, float *RECURRENT_NULLABLE peepholes,
                           float *RECURRENT_NULLABLE weight_hr);

/// A convolution.
///   weight [C′][C][KH][KW] in
///   bias [C′] in, or null: zero
///   w [recurrent_convolution_weights_floats] out
void recurrent_convolution_pack(recurrent_convolution_shape shape, const float *weight,
                                const float *RECURRENT_NULLABLE bias, float *w);

/// The inverse of recurrent_convolution_pack; bias may be null.
void recurrent_convolution_unpack(recurrent_convolution_shape shape, const float *w, float *weight,
                                  float *RECURRENT_NULLABLE bias);

/// Rows of units, which the kernels pad: activations, states, targets, and an embedding's table.
///   x [M][N] in
///   y [M][16 ⌈N/16⌉] out, zero past the last unit
void recurrent_rows_pack(recurrent_rows_shape shape, const float *x, float *y);

/// The inverse of recurrent_rows_pack.
void recurrent_rows_unpack(recurrent_rows_shape shape, const float *y, float *x);

/// Weights in kernel order as product_forward_bfloat16 reads them, each but the biases rounded to
/// the nearest bfloat16, ties to even. The shape has one group.
///   w [recurrent_product_weights_floats] in
///   words [recurrent_product_bfloat16_floats] out
void recurrent_product_bfloat16_pack(recurrent_product_shape shape, const float *w, float *words);

/// The inverse: w is what was rounded.
void recurrent_product_bfloat16_unpack(recurrent_product_shape shape, const float *words, float *w);

/// Weights of the plain cell in kernel order as lstm_step_bfloat16 reads them.
///   w [recurrent_cell_weights_floats] in
///   words [recurrent_cell_bfloat16_floats] out
void recurrent_cell_bfloat16_pack(recurrent_cell_shape shape, const float *w, float *words);

/// The inverse: w is what was rounded.
void recurrent_cell_bfloat16_unpack(recurrent_cell_shape shape, const float *words, float *w);

RECURRENT_NONNULL_END
RECURRENT_EXTERN_C_END

#endif
