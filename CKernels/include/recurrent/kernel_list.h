// The one list of kernels: KERNEL(name, parameters), each with its contract; here those of
// recurrent cells, and at the end two files with the others. Included where a table, a list of
// names or a set of pointers is made from it, so it has no include guard. Of a member of the table,
// recurrent_kernels in isa.h, an editor shows the parameters and the contract that stand here.
//
// Throughout: buffers are float32 and aligned to 4 bytes at least (64 is faster); buffers that are
// written overlap no other buffer; U = 16 ⌈H/16⌉ is the padded number of units, P = U/16 the number
// of panels; `share` says which part of the work the call does (shares.h). `add_` and "+="
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
                         float *y, recurrent_share share))

/// The same with weights in bfloat16, one group: every bit is that of product_forward with the
/// weights so rounded. For inference, with few rows: each row reads all weights.
///   w [⌈N/32⌉] pairs of panels, each 2 × 16 biases in float32 and [K][16] words: the first panel
///       in the upper halves, the second in the lower ones, zero where there is none.
KERNEL(product_forward_bfloat16, (const recurrent_product_shape *shape, const float *x,
                                  const float *w, float *y, recurrent_share share))

/// The copy of a matrix that product_backward_input reads; to be made again whenever w has changed.
///   transposed[q][j][l] = W[j][16 q + l], zero where 16 q + l ≥ K
///   w [⌈N/16⌉][1+K][G][16] in
///   transposed [⌈K/16⌉][⌈N/16⌉ G 16][16] out
///   Partitions split q.
KERNEL(product_transpose, (const recurrent_product_shape *shape, const float *w, float *transposed,
                           recurrent_share share))

/// The gradient with respect to the input of a dense layer.
///   dx[m][k] = Σ_n dy[m][n] W[n][k]
///   dy [M][⌈N/16⌉][G][16] in, zero past the last unit
///   transposed in
///   dx [M][16 ⌈K/16⌉] out
///   Partitions split the rows.
KERNEL(product_backward_input, (const recurrent_product_shape *shape, const float *dy,
                                const float *transposed, float *dx, recurrent_share share))

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
                                  const float *dy, float *dw, recurrent_share share))

// MARK: lstm.h
//
// Hochreiter and Schmidhuber 1997 with the forget gate of Gers, Schmidhuber and Cummins 2000;
// Goodfellow, Bengio and Courville 2016, equations 10.40 to 10.44; `variant` says what else a cell
// does, each of which goes with the others:
//
//   plain       i, f, o = σ(W x + U h_prev + b), g = tanh(W x + U h_prev + b),
//               c = f c_prev + i g, h = o tanh(c)
//   sigmoid     g = σ(W x + U h_prev + b), h = o σ(c): the lecture form, whose s̃ is g and s is c
//   peepholes   i, f = σ(… + p c_prev), o = σ(… + p c), a weight p for each gate and unit:
//               Gers, Schraudolph and Schmidhuber 2002
//   coupled     f = 1 - i: Greff et al. 2017, CIFG. The weights of f stay where they are, so that
//               all cells have one register tile; they are not used, and their gradient is zero
//   clip        c = min(max(f c_prev + i g, -clip), clip), with a derivative of zero where
//               |c| = clip: TensorFlow's cell_clip
//   projection  h = P m, m = o tanh(c), of R units: Sak, Senior and Beaufays 2014, without the
//               second one; PyTorch's proj_size
//
// N = R where h is projected, else H; V = 16 ⌈N/16⌉; D = 1 with peepholes, else 0. w [P][1+I+D+N][i
// f g o][16]: bias, input rows, peepholes (that of g is not used), hidden rows; behind them, where
// h is projected, P [⌈R/16⌉][H][16].
//
// Recurrent dropout, of this cell and those of rnn.h and gru.h: Gal and Ghahramani 2016, "A
// Theoretically Grounded Application of Dropout in Recurrent Neural Networks". `mask` [B][V] in
// holds 0 or 1 / (1 - p), past the last unit anything finite, for all gates and all time steps of a
// sequence: wherever a sum of U, or r, reads h_prev, it reads mask∘h_prev, and nothing else does.
// `masked` [T][B][V] out: masked[t] = mask∘h[t], also of rows that have ended. Both are null
// without dropout.

/// One time step of B independent sequences, for inference: (c, h) = the equations above. A c below
/// the smallest normal number is zero from the next step on: one that decays in silence would stay
/// at the smallest subnormal number for ever, f c rounding to c, and every operation on it be slow.
/// shape.steps is not used. Whichever of h_prev and h lies lower in memory decides in which
/// direction the panels are walked: a stream that swaps the two walks to and fro, which is faster
/// where the weights do not fit the nearest cache. No bit depends on it.
///   x [B][x_stride] in
///   h_prev [B][V] in
///   c [B][U] in, out
///   h [B][V] out
///   scratch [B][U], or null where h is not projected.
///   Partitions split the batch rows.
KERNEL(lstm_step,
       (const recurrent_lstm_shape *shape, const float *x, const float *w, const float *h_prev,
        float *c, float *h, float *RECURRENT_NULLABLE scratch, recurrent_share share))

/// The same of the plain cell with weights in bfloat16: every bit is that of lstm_step with the
/// weights so rounded.
///   w [P] panels of 64 biases in float32, then [I+H][2][16] words: the gates i | f and g | o, in
///       upper | lower halves.
KERNEL(lstm_step_bfloat16, (const recurrent_lstm_shape *shape, const float *x, const float *w,
                            const float *h_prev, float *c, float *h, recurrent_share share))

/// A whole sequence, filling the tape.
///   (c[t+1], h[t+1]) = step(x[t], h[t], c[t])
///   x [T][B][x_stride] in
///   lengths [B] in, or null: row b holds its state from step lengths[b] on
///   ifgo [T][B][P][i f g o][16] out, the activated gates, and behind them, where h is projected, m
///       [T][B][U]
///   c [T+1][B][U], h [T+1][B][V]: slot 0 in, the other slots out
///   mask [B][V] in and masked [T][B][V] out, or null
///   Partitions split the batch rows, with a barrier, and where h is not projected, also the
///       panels.
KERNEL(lstm_forward,
       (const recurrent_lstm_shape *shape, const size_t *RECURRENT_NULLABLE lengths,
        const float *RECURRENT_NULLABLE mask, const float *x, const float *w, float *ifgo, float *c,
        float *h, float *RECURRENT_NULLABLE masked, recurrent_share share))

/// The copies of the matrices that lstm_backward_data reads; to be made again whenever w has
/// changed.
///   w in
///   transposed [⌈I/16⌉ + V/16][4U][16] out, behind it the peepholes [D][P][i f g o][16] and, where
///       h is projected, P as [P][V][16].
///   Partitions split the panels of each.
KERNEL(lstm_transpose, (const recurrent_lstm_shape *shape, const float *w, float *transposed,
                        recurrent_share share))

/// Backpropagation through time, to the gates, the inputs and the initial state: Werbos 1990.
///   dh = dy[t] + Σ_j U[j] difgo[t+1][j], the sum times mask, where there is one
///   dc += dh o (1 - tanh²(c))
///   do = dh tanh(c) o (1 - o), di = dc g i (1 - i), df = dc c_prev f (1 - f), dg = dc i (1 - g²)
///   dc_prev = dc f
///
///   sigmoid      s (1 - s) for 1 - s²
///   peepholes    dc += p do, dc_prev += p di + p df
///   coupled      di = dc (g - c_prev) i (1 - i), df = 0
///   projection   Pᵀ dh for dh
///   clip         dc = 0 where |c| = clip, before the lines for di, df, dg and dc_prev
///
///   mask, or null, and transposed in
///   ifgo, c from lstm_forward in
///   dy [T][B][V] in, the loss's gradient with respect to each h, or null (zero), not read where t
///       ≥ lengths[b]
///   difgo [T][B][P][i f g o][16] out, by the pre-activations, and behind it, where h is projected,
///       dh [T][B][V]
///   dh [B][V], dc [B][U]: in the gradient with respect to the final state, out by the initial
///       state
///   dx [T][B][16 ⌈I/16⌉] out, or null
///   Partitions split the batch rows, with a barrier, and where h is not projected, also the
///       panels, and dx by time steps.
KERNEL(lstm_backward_data,
       (const recurrent_lstm_shape *shape, const size_t *RECURRENT_NULLABLE lengths,
        const float *RECURRENT_NULLABLE mask, const float *transposed, const float *ifgo,
        const float *c, const float *RECURRENT_NULLABLE dy, float *difgo, float *dh, float *dc,
        float *RECURRENT_NULLABLE dx, recurrent_share share))

/// The gradient with respect to the weights, time steps in ascending order, batch rows in ascending
/// order within each: in blocks of 256 of all T B rows, whichever of them have ended. The first
/// goes on from what dw holds; each of the others has a sum of its own, from zero, that is added.
///   dW[·][k] += Σ_t Σ_b x[t][b][k] difgo[t][b]
///   dU[·][k] += Σ_t Σ_b h[t][b][k] difgo[t][b]
///   db += Σ_t Σ_b difgo[t][b]
///   dp += Σ_t Σ_b c[t][b] di, df[t][b], c[t+1][b] do[t][b]
///   dP[·][k] += Σ_t Σ_b m[t][b][k] dh[t][b]
///   x, lengths as in lstm_forward
///   its tape: ifgo, or null where h is not projected, c, or null without peepholes, and h, or
///       masked, of which slot T is not read
///   difgo in
///   dw as w in, out
///   Rows that have ended add nothing, whatever their x holds.
///   Partitions split dw.
KERNEL(lstm_backward_weights,
       (const recurrent_lstm_shape *shape, const size_t *RECURRENT_NULLABLE lengths, const float *x,
        const float *RECURRENT_NULLABLE ifgo, const float *RECURRENT_NULLABLE c, const float *h,
        const float *difgo, float *dw, recurrent_share share))

// MARK: rnn.h
//
// The plain recurrent layer: Elman 1990, "Finding structure in time"; Goodfellow, Bengio and
// Courville 2016, equations 10.8 and 10.9. w [P][1+I+H][16]: bias, input rows, hidden rows. f:
// `activation`, as in activation.h.

/// One time step of B independent sequences, for inference.
///   h = f(W x + U h_prev + b)
///   x [B][x_stride] in
///   w in
///   h_prev [B][U] in
///   h [B][U] out
///   Partitions split the rows.
KERNEL(rnn_step, (const recurrent_rnn_shape *shape, const float *x, const float *w,
                  const float *h_prev, float *h, recurrent_share share))

/// A whole sequence, filling the tape.
///   h[t+1] = step(x[t], h[t])
///   x [T][B][x_stride] in
///   lengths [B] in, or null: row b holds its state from step lengths[b] on
///   h [T+1][B][U]: slot 0 in, the other slots out
///   mask [B][U] in and masked [T][B][U] out, or null: as in lstm.h.
///   Partitions split the batch rows.
KERNEL(rnn_forward, (const recurrent_rnn_shape *shape, const size_t *RECURRENT_NULLABLE lengths,
                     const float *RECURRENT_NULLABLE mask, const float *x, const float *w, float *h,
                     float *RECURRENT_NULLABLE masked, recurrent_share share))

/// The copies of the input and hidden matrices that rnn_backward_data reads; to be made again
/// whenever w has changed.
///   w in
///   transposed [⌈I/16⌉ + P][U][16] out
///   Partitions split the panels of transposed.
KERNEL(rnn_transpose,
       (const recurrent_rnn_shape *shape, const float *w, float *transposed, recurrent_share share))

/// Backpropagation through time, to the pre-activations z, the inputs and the initial state: Werbos
/// 1990; Goodfellow, Bengio and Courville 2016, equation 10.21.
///   dh = dy[t] + Σ_j U[j] dz[t+1][j], the sum times mask, where there is one
///   dz[t] = dh f'(z): f' as in activation_backward
///   mask, or null, and transposed in
///   h from rnn_forward in
///   dy [T][B][U] in, the loss's gradient with respect to each h, or null (zero), not read where t
///       ≥ lengths[b]
///   dz [T][B][U] out
///   dh [B][U]: in the gradient with respect to the final state, out by the initial state
///   dx [T][B][16 ⌈I/16⌉] out, or null
///   Partitions split the batch rows.
KERNEL(rnn_backward_data,
       (const recurrent_rnn_shape *shape, const size_t *RECURRENT_NULLABLE lengths,
        const float *RECURRENT_NULLABLE mask, const float *transposed, const float *h,
        const float *RECURRENT_NULLABLE dy, float *dz, float *dh, float *RECURRENT_NULLABLE dx,
        recurrent_share share))

/// The gradient with respect to the weights, time steps in ascending order, batch rows in ascending
/// order within each.
///   dW[·][k] += Σ_t Σ_b x[t][b][k] dz[t][b]
///   dU[·][k] += Σ_t Σ_b h[t][b][k] dz[t][b]
///   db += Σ_t Σ_b dz[t][b]
///   x, lengths as in rnn_forward
///   h its tape, or masked
///   dz in
///   dw [P][1+I+H][16] in, out
///   Rows that have ended add nothing, whatever their x holds.
///   Partitions split dw.
KERNEL(rnn_backward_weights,
       (const recurrent_rnn_shape *shape, const size_t *RECURRENT_NULLABLE lengths, const float *x,
        const float *h, const float *dz, float *dw, recurrent_share share))

// MARK: gru.h
//
// The gated recurrent unit. `definition` says which:
//
//   reset_after    n = tanh(W x + b + r past), past = U h_prev + b′, h = (1 - z) n + z h_prev:
//                  PyTorch, Keras by default, cuDNN
//   reset_before   n = tanh(W x + U past + b), past = r h_prev, h = (1 - z) n + z h_prev:
//                  Cho et al. 2014, equations 5 to 8
//   lecture        n = σ(W x + U past + b), past = r h_prev, h = (1 - z) h_prev + z n:
//                  the lectures' s = (1 - i) s_prev + i s̃
//
// with r, z = σ(W x + U h_prev + b) in all of them; the lectures call r o, z i and n s̃. w
// [P][1+I+D+H][r z n][16]: bias, input rows, hidden bias, hidden rows. D = 1 for reset_after, whose
// hidden bias is b′ in n and zero in r and z, which need no second one; else D = 0. An h below the
// smallest normal number is zero: one that decays in silence would stay at the smallest subnormal
// number for ever, z h rounding to h, and every operation on it be slow.

/// One time step of B independent sequences, for inference.
///   x [B][x_stride] in
///   w in
///   h_prev [B][U] in
///   h [B][U] out
///   scratch [B][4U]. shape.steps is not used.
///   Partitions split the rows.
KERNEL(gru_step, (const recurrent_gru_shape *shape, const float *x, const float *w,
                  const float *h_prev, float *h, float *scratch, recurrent_share share))

/// A whole sequence, filling the tape.
///   h[t+1] = step(x[t], h[t])
///   x [T][B][x_stride] in
///   lengths [B] in, or null: row b holds its state from step lengths[b] on
///   rzn [T][B][P][r z n][16] out, the activated gates
///   past [T][B][U] out
///   h [T+1][B][U]: slot 0 in, the other slots out
///   mask [B][U] in and masked [T][B][U] out, or null: as in lstm.h.
///   Partitions split the batch rows.
KERNEL(gru_forward,
       (const recurrent_gru_shape *shape, const size_t *RECURRENT_NULLABLE lengths,
        const float *RECURRENT_NULLABLE mask, const float *x, const float *w, float *rzn,
        float *past, float *h, float *RECURRENT_NULLABLE masked, recurrent_share share))

/// The copies of the input and hidden matrices that gru_backward_data reads; to be made again
/// whenever w has changed.
///   w in
///   transposed [⌈I/16⌉ + P][3U][16] out
///   Partitions split the panels of transposed.
KERNEL(gru_transpose,
       (const recurrent_gru_shape *shape, const float *w, float *transposed, recurrent_share share))

/// Backpropagation through time, to the gates, the inputs and the initial state: Werbos 1990.
///   dh += dy[t]
///   dz = dh (h_prev - n) z (1 - z), dn = dh (1 - z) (1 - n²), kept = dh z
///   lecture: dz = dh (n - h_prev) z (1 - z), dn = dh z n (1 - n), kept = dh (1 - z)
///
///   reset_after    dpast = dn r, dr = dn past r (1 - r), dh = kept + Σ_j U[j] (dr, dz, dpast)[j]
///   else           dpast = Σ_j U[j] dn[j], dr = dpast h_prev r (1 - r),
///                  dh = kept + dpast r + Σ_j U[j] (dr, dz)[j]
///   with a mask    masked for h_prev in dr, and all of dh but kept times mask
///
///   transposed in
///   rzn, past, h from gru_forward in
///   mask in, with masked from gru_forward in and scratch [B][U], or all three null
///   dy [T][B][U] in, the loss's gradient with respect to each h, or null (zero), not read where t
///       ≥ lengths[b]
///   drzn [T][B][P][r z n][16] out, by the pre-activations
///   dpast [T][B][U] out, by past
///   dh [B][U]: in the gradient with respect to the final state, out by the initial state
///   dx [T][B][16 ⌈I/16⌉] out, or null
///   Partitions split the batch rows.
KERNEL(gru_backward_data,
       (const recurrent_gru_shape *shape, const size_t *RECURRENT_NULLABLE lengths,
        const float *RECURRENT_NULLABLE mask, const float *transposed, const float *rzn,
        const float *past, const float *h, const float *RECURRENT_NULLABLE masked,
        const float *RECURRENT_NULLABLE dy, float *drzn, float *dpast, float *dh,
        float *RECURRENT_NULLABLE dx, float *RECURRENT_NULLABLE scratch, recurrent_share share))

/// The gradient with respect to the weights, time steps in ascending order, batch rows in ascending
/// order within each.
///   dW[·][k] += Σ_t Σ_b x[t][b][k] drzn[t][b]
///   db += Σ_t Σ_b drzn[t][b]
///   dU[·][k] += Σ_t Σ_b h[t][b][k] drzn[t][b], but for n:
///   dU[·][k] += Σ_t Σ_b h[t][b][k] dpast[t][b], db′ += Σ_t Σ_b dpast[t][b] in reset_after, Σ_t Σ_b
///       past[t][b][k] dn[t][b] else
///   x, lengths as in gru_forward
///   past, and h, or masked, its tape
///   drzn, dpast in
///   dw [P][1+I+D+H][r z n][16] in, out
///   Rows that have ended add nothing, whatever their x holds.
///   Partitions split dw.
KERNEL(gru_backward_weights,
       (const recurrent_gru_shape *shape, const size_t *RECURRENT_NULLABLE lengths, const float *x,
        const float *past, const float *h, const float *drzn, const float *dpast, float *dw,
        recurrent_share share))

RECURRENT_NONNULL_END

#include "kernel_list_layers.h"
#include "kernel_list_training.h"
