// The one list of kernels: KERNEL(name, parameters), each with its contract; here those of
// recurrent cells, and at the end two files with the others. Included where a table, a list of
// names or a set of pointers is made from it, so it has no include guard. Of a member of the table,
// recurrent_kernels in isa.h, an editor shows the parameters and the contract that stand here.
//
// Throughout: buffers are float32 and aligned to 4 bytes at least (64 is faster); buffers that are
// written overlap no other buffer; U = 16 ⌈H/16⌉ is the padded number of units, P = U/16 the number
// of panels; `partition` says which part of the work the call does (partitions.h). `add_` and "+="
// accumulate, everything else assigns.

RECURRENT_NONNULL_BEGIN

// MARK: vmath.h
//
// Elementary functions. x [count] in; y [count] out, may be x. A NaN stays one; errors are in units
// in the last place.

/// y[n] = e^x[n]
///   Within 0.90 ULP; ∞ where it overflows, subnormal results and 0 where it underflows.
KERNEL(vector_exp, (size_t count, const float *x, float *y))

/// y[n] = ln x[n]
///   Within 0.96 ULP, subnormal x included; -∞ at ±0, NaN below 0.
KERNEL(vector_log, (size_t count, const float *x, float *y))

/// y[n] = tanh x[n]
///   Within 1.15 ULP; odd, monotone; ±1 wherever that is the nearest float.
KERNEL(vector_tanh, (size_t count, const float *x, float *y))

/// y[n] = σ(x[n]) = 1 / (1 + e^-x[n])
///   Within 1.95 ULP, subnormal results included; monotone; 0 or 1 wherever that is the nearest
///       float.
KERNEL(vector_sigmoid, (size_t count, const float *x, float *y))

// MARK: products.h

/// A dense layer, or the products of any cell: Goodfellow, Bengio and Courville 2016, "Deep
/// Learning", equation 6.36.
///   y[m][n] = b[n] + Σ_k W[n][k] x[m][k]
///   x [M][x_stride] in
///   w [⌈N/16⌉][1+K][G][16] in
///   y [M][⌈N/16⌉][G][16] out
///   Partitions split the rows.
KERNEL(product_forward, (const recurrent_product_shape *shape, const float *x, const float *w,
                         float *y, recurrent_partition partition))

/// The same with weights in bfloat16, one group: every bit is that of product_forward with the
/// weights so rounded. For inference, with few rows: each row reads all weights.
///   w [⌈N/32⌉] pairs of panels, each 2 × 16 biases in float32 and [K][16] words: the first panel
///       in the upper halves, the second in the lower ones, zero where there is none.
KERNEL(product_forward_bfloat16, (const recurrent_product_shape *shape, const float *x,
                                  const float *w, float *y, recurrent_partition partition))

/// The copy of a matrix that product_backward_input reads; to be made again whenever w has changed.
///   transposed[q][j][l] = W[j][16 q + l], zero where 16 q + l ≥ K
///   w [⌈N/16⌉][1+K][G][16] in
///   transposed [⌈K/16⌉][⌈N/16⌉ G 16][16] out
///   Partitions split q.
KERNEL(product_transpose, (const recurrent_product_shape *shape, const float *w, float *transposed,
                           recurrent_partition partition))

/// The gradient with respect to the input of a dense layer.
///   dx[m][k] = Σ_n dy[m][n] W[n][k]
///   dy [M][⌈N/16⌉][G][16] in, zero past the last unit
///   transposed in
///   dx [M][16 ⌈K/16⌉] out
///   Partitions split the rows.
KERNEL(product_backward_input, (const recurrent_product_shape *shape, const float *dy,
                                const float *transposed, float *dx, recurrent_partition partition))

/// The gradient with respect to the weights of a dense layer, rows in ascending order. The first
/// 256 rows go on from what dw holds; each 256 after them have a sum of their own, from zero, which
/// is added to dw, or, of a db of more than 256 rows, to a sum in double: no error grows with every
/// row. So do the other kernels that add rows to a gradient.
///   dW[n][k] += Σ_m dy[m][n] x[m][k]      db[n] += Σ_m dy[m][n]
///   x [M][x_stride] in
///   dy [M][⌈N/16⌉][G][16] in
///   dw [⌈N/16⌉][1+K][G][16] in, out
///   Partitions split dw.
KERNEL(product_backward_weights, (const recurrent_product_shape *shape, const float *x,
                                  const float *dy, float *dw, recurrent_partition partition))

// MARK: Recurrent cells
//
// Five kernels for each cell of cells.h, of the same parameters; a kernel takes shapes of its own
// cell. What a cell computes, and which rows its weights have, stands below them.
//
//   N       units of h, V = 16 ⌈N/16⌉: H, or R of an LSTM whose h is projected
//   w       recurrent_cell_weights_floats in: [P][1+I+D+N][G][16], the rows bias, inputs, D, hidden
//   x       [T][B][x_stride] in
//   lengths [B] in, or null: row b holds its state from step lengths[b] on
//   mask    [B][V] in, or null: recurrent dropout of Gal and Ghahramani 2016, "A Theoretically
//           Grounded Application of Dropout in Recurrent Neural Networks". It holds 0 or
//           1 / (1 - p), past the last unit anything finite, for all gates and all time steps of a
//           sequence: wherever a sum of U, or r, reads h_prev, it reads mask∘h_prev, and nothing
//           else does. tape->masked has them, also of rows that have ended
//
//   name_step: one time step of B independent sequences, for inference. shape->steps is not used.
//   Of an LSTM, whichever of h_prev and h lies lower in memory decides in which direction the
//   panels are walked: a stream that swaps the two walks to and fro, which is faster where the
//   weights do not fit the nearest cache. No bit depends on it.
//     x [B][x_stride] in
//     h_prev [B][V] in
//     c [B][U] in, out; null of cells that have none
//     h [B][V] out
//     scratch [recurrent_cell_scratch_floats]; null where that is zero
//     Partitions split the batch rows.
//
//   name_forward: a whole sequence, filling the tape.
//     (c[t+1], h[t+1]) = step(x[t], c[t], h[t])
//     tape->c, tape->h: slot 0 in, the other slots out; its other buffers out
//     Partitions split the batch rows; of an LSTM whose h is not projected, with a barrier, also
//         the panels.
//
//   name_transpose: the copies of the matrices that name_backward_data reads; to be made again
//   whenever w has changed.
//     transposed [⌈I/16⌉ + V/16][G U][16] out; of an LSTM, behind it, the peepholes [D][P][G][16]
//         and, where h is projected, P as [P][V][16]
//     Partitions split the panels of each.
//
//   name_backward_data: backpropagation through time, to the pre-activations, the inputs and the
//   initial state: Werbos 1990; Goodfellow, Bengio and Courville 2016, equation 10.21.
//     dh += dy[t] + Σ_j U[j] dgates[t+1][j], the sum times mask, where there is one
//     transposed, mask, tape in
//     gradients: dy in; dh, dc in, out; dgates, dpast, dx out. Rows that have ended have a dgates
//         of zero, and pass their dh and dc by
//     Partitions split as those of name_forward, and dx by time steps.
//
//   name_backward_weights: the gradient with respect to the weights, time steps in ascending order,
//   batch rows in ascending order within each: in blocks of 256 of all T B rows, whichever of them
//   have ended. The first goes on from what dw holds; each of the others has a sum of its own, from
//   zero, that is added.
//     dW[·][k] += Σ_t Σ_b x[t][b][k] dgates[t][b]
//     dU[·][k] += Σ_t Σ_b h[t][b][k] dgates[t][b], h masked where there is a mask
//     db += Σ_t Σ_b dgates[t][b]
//     tape, and of the gradients dgates and dpast, in
//     dw as w in, out
//     Rows that have ended add nothing, whatever their x holds.
//     Partitions split dw.
#define CELL_KERNELS(name, gates, ...)                                                      \
    KERNEL(name##_step, (const recurrent_cell_shape *shape, const float *x, const float *w, \
                         const float *h_prev, float *RECURRENT_NULLABLE c, float *h,        \
                         float *RECURRENT_NULLABLE scratch, recurrent_partition partition)) \
    KERNEL(name##_forward,                                                                  \
           (const recurrent_cell_shape *shape, const size_t *RECURRENT_NULLABLE lengths,    \
            const float *RECURRENT_NULLABLE mask, const float *x, const float *w,           \
            const recurrent_cell_tape *tape, recurrent_partition partition))                \
    KERNEL(name##_transpose, (const recurrent_cell_shape *shape, const float *w,            \
                              float *transposed, recurrent_partition partition))            \
    KERNEL(name##_backward_data,                                                            \
           (const recurrent_cell_shape *shape, const size_t *RECURRENT_NULLABLE lengths,    \
            const float *RECURRENT_NULLABLE mask, const float *transposed,                  \
            const recurrent_cell_tape *tape, const recurrent_cell_gradients *gradients,     \
            recurrent_partition partition))                                                 \
    KERNEL(name##_backward_weights,                                                         \
           (const recurrent_cell_shape *shape, const size_t *RECURRENT_NULLABLE lengths,    \
            const float *x, const recurrent_cell_tape *tape,                                \
            const recurrent_cell_gradients *gradients, float *dw, recurrent_partition partition))
RECURRENT_CELLS(CELL_KERNELS, 0)
#undef CELL_KERNELS

/// lstm_step of the plain LSTM with weights in bfloat16: every bit is that of lstm_step with the
/// weights so rounded.
///   w [P] panels of 64 biases in float32, then [I+H][2][16] words: the gates i | f and g | o, in
///       upper | lower halves.
KERNEL(lstm_step_bfloat16, (const recurrent_cell_shape *shape, const float *x, const float *w,
                            const float *h_prev, float *c, float *h, recurrent_partition partition))

// lstm.h: Hochreiter and Schmidhuber 1997 with the forget gate of Gers, Schmidhuber and Cummins
// 2000; Goodfellow, Bengio and Courville 2016, equations 10.40 to 10.44. G = 4, i f g o. `lstm`
// says what else a cell does, each of which goes with the others:
//
//   plain       i, f, o = σ(W x + U h_prev + b), g = s(W x + U h_prev + b),
//               c = f c_prev + i g, h = o s(c). A c below the smallest normal number is zero
//               from the next step on, and to backward: one that decays in silence would stay at
//               the smallest subnormal number for ever, f c rounding to c, and every operation on
//               it be slow
//   peepholes   i, f = σ(… + p c_prev), o = σ(… + p c), a weight p for each gate and unit:
//               Gers, Schraudolph and Schmidhuber 2002. D = 1, else 0; that of g is not used
//   coupled     f = 1 - i: Greff et al. 2017, CIFG. The weights of f stay where they are, so that
//               all cells have one register tile; they are not used, and their gradient is zero
//   clip        c = min(max(f c_prev + i g, -clip), clip), with a derivative of zero where
//               |c| = clip: TensorFlow's cell_clip
//   projection  h = P m, m = o s(c), of R units: Sak, Senior and Beaufays 2014, without the
//               second one; PyTorch's proj_size. w has P [⌈R/16⌉][H][16] behind the panels
//
// s is `activation`, tanh where the shape is zero; σ is `gate_activation`. The lecture form has σ
// for s; its s̃ is g and its s is c. Derivatives are as in activation_backward, from y.
//
//   backward: dc += dh o s'(c)
//   do = dh s(c) σ'(o), di = dc g σ'(i), df = dc c_prev σ'(f), dg = dc i s'(g), dc_prev = dc f
//
//   peepholes    dc += p do, dc_prev += p di + p df;
//                dp += Σ_t Σ_b c[t][b] di, df[t][b], c[t+1][b] do[t][b]
//   coupled      di = dc (g - c_prev) σ'(i), df = 0
//   projection   Pᵀ dh for dh, which lies behind dgates; dP[·][k] += Σ_t Σ_b m[t][b][k] dh[t][b]
//   clip         dc = 0 where |c| = clip, before the lines for di, df, dg and dc_prev
//
// rnn.h: the plain recurrent layer, Elman 1990, "Finding structure in time"; Goodfellow, Bengio and
// Courville 2016, equations 10.8 and 10.9. G = 1, D = 0, f: `activation`.
//
//   z = W x + U h_prev + b, h = f(z)
//   backward: dz = dh f'(z), f' as in activation_backward; dgates is dz
//
// gru.h: the gated recurrent unit. G = 3, r z n; r, z = σ(W x + U h_prev + b), n = s(…), s and σ as
// those of the LSTM. `gru` says which, where the shape is zero PyTorch's, Keras' and cuDNN's:
//
//   reset_before  0: n = s(W x + b + r past), past = U h_prev + b′. D = 1: b′ in n, and zero in r
//                    and z, which need no second bias
//                 1: n = s(W x + U past + b), past = r h_prev: Cho et al. 2014, equations 5 to 8.
//                    D = 0
//   z_replaces    0: h = (1 - z) n + z h_prev
//                 1: h = (1 - z) h_prev + z n, with reset_before the lectures': s = σ in the first
//                    one, whose o is r, i is z and s̃ is n, and tanh in the last
//
// An h below the smallest normal number is zero, as a c of the LSTM is from the next step on.
//
//   backward: dz = dh (h_prev - n) σ'(z), dn = dh (1 - z) s'(n), kept = dh z
//   z_replaces: dz = dh (n - h_prev) σ'(z), dn = dh z s'(n), kept = dh (1 - z)
//
//   reset_before 0: dpast = dn r, dr = dn past σ'(r), dh = kept + Σ_j U[j] (dr, dz, dpast)[j]
//                   dU of n += Σ_t Σ_b h[t][b][k] dpast[t][b], db′ += Σ_t Σ_b dpast[t][b]
//   reset_before 1: dpast = Σ_j U[j] dn[j], dr = dpast h_prev σ'(r),
//                   dh = kept + dpast r + Σ_j U[j] (dr, dz)[j]
//                   dU of n += Σ_t Σ_b past[t][b][k] dn[t][b]
//   with a mask     masked for h_prev in dr, and all of dh but kept times mask
//
// min_gru.h: the minimal GRU of Feng, Tung, Ahmed, Bengio and Hajimirsadeghi 2024, "Were RNNs All
// We Needed?", section 3.1. G = 2, z n; D = 0, and no gate reads h: a panel has no rows for it, and
// a mask changes nothing.
//
//   z = σ(W x + b), n = W x + b, h = (1 - z) h_prev + z n. An h below the smallest normal number is
//   zero
//   backward: dz = dh (n - h_prev) z (1 - z), dn = dh z, dh_prev = dh (1 - z)

RECURRENT_NONNULL_END

#include "kernel_list_layers.h"
#include "kernel_list_training.h"
