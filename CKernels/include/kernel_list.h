// The one list of kernels: KERNEL(name, parameters), each with its contract. Included where a table, a list of names or
// a set of pointers is made from it, so it has no include guard.
//
// Throughout: buffers are float32 and aligned to 4 bytes at least (64 is faster); buffers that are written overlap no
// other buffer; U = 16 ⌈H/16⌉ is the padded number of units, P = U/16 the number of panels; `share` says which part of
// the work the call does (shares.h). `add_` and "+=" accumulate, everything else assigns.

// MARK: vmath.h
//
// Elementary functions. x [count] in; y [count] out, may be x. A NaN stays one; errors are in units in the last place.

// y[n] = e^x[n]
//   Within 0.90 ULP; ∞ where it overflows, subnormal results and 0 where it underflows.
KERNEL(vector_exp, (size_t count, const float *_Nonnull x, float *_Nonnull y))

// y[n] = ln x[n]
//   Within 0.96 ULP, subnormal x included; -∞ at ±0, NaN below 0.
KERNEL(vector_log, (size_t count, const float *_Nonnull x, float *_Nonnull y))

// y[n] = tanh x[n]
//   Within 1.15 ULP; odd, monotone; ±1 wherever that is the nearest float.
KERNEL(vector_tanh, (size_t count, const float *_Nonnull x, float *_Nonnull y))

// y[n] = σ(x[n]) = 1 / (1 + e^-x[n])
//   Within 1.95 ULP, subnormal results included; monotone; 0 or 1 wherever that is the nearest float.
KERNEL(vector_sigmoid, (size_t count, const float *_Nonnull x, float *_Nonnull y))

// MARK: products.h

// A dense layer, or the products of any cell: Goodfellow, Bengio and Courville 2016, "Deep Learning", equation 6.36.
//   y[m][n] = b[n] + Σ_k W[n][k] x[m][k]
//   x [M][x_stride] in; w [⌈N/16⌉][1+K][G][16] in; y [M][⌈N/16⌉][G][16] out. Shares split the rows.
KERNEL(product_forward, (const recurrent_product_shape *_Nonnull shape, const float *_Nonnull x, const float *_Nonnull w,
                         float *_Nonnull y, recurrent_share share))

// The same with weights in bfloat16, one group: every bit is that of product_forward with the weights so rounded. For inference, with
// few rows: each row reads all weights.
//   w [⌈N/32⌉] pairs of panels, each 2 × 16 biases in float32 and [K][16] words: the first panel in the upper halves, the second in the
//   lower ones, zero where there is none.
KERNEL(product_forward_bfloat16, (const recurrent_product_shape *_Nonnull shape, const float *_Nonnull x, const float *_Nonnull w,
                                  float *_Nonnull y, recurrent_share share))

// The copy of a matrix that product_backward_input reads; to be made again whenever w has changed.
//   transposed[q][j][l] = W[j][16 q + l], zero where 16 q + l ≥ K
//   w [⌈N/16⌉][1+K][G][16] in; transposed [⌈K/16⌉][⌈N/16⌉ G 16][16] out. Shares split q.
KERNEL(product_transpose, (const recurrent_product_shape *_Nonnull shape, const float *_Nonnull w,
                           float *_Nonnull transposed, recurrent_share share))

// The gradient with respect to the input of a dense layer.
//   dx[m][k] = Σ_n dy[m][n] W[n][k]
//   dy [M][⌈N/16⌉][G][16] in, zero behind the last unit; transposed in; dx [M][16 ⌈K/16⌉] out. Shares split the rows.
KERNEL(product_backward_input, (const recurrent_product_shape *_Nonnull shape, const float *_Nonnull dy,
                                const float *_Nonnull transposed, float *_Nonnull dx, recurrent_share share))

// The gradient with respect to the weights of a dense layer, rows in ascending order.
//   dW[n][k] += Σ_m dy[m][n] x[m][k]      db[n] += Σ_m dy[m][n]
//   x [M][x_stride] in; dy [M][⌈N/16⌉][G][16] in; dw [⌈N/16⌉][1+K][G][16] in, out. Shares split dw.
KERNEL(product_backward_weights, (const recurrent_product_shape *_Nonnull shape, const float *_Nonnull x,
                                  const float *_Nonnull dy, float *_Nonnull dw, recurrent_share share))

// MARK: lstm.h
//
// Hochreiter and Schmidhuber 1997 with the forget gate of Gers, Schmidhuber and Cummins 2000; Goodfellow, Bengio and
// Courville 2016, equations 10.40 to 10.44; `variant` says what else a cell does, each of which goes with the others:
//
//   plain       i, f, o = σ(W x + U h_prev + b)     g = tanh(W x + U h_prev + b)     c = f c_prev + i g     h = o tanh(c)
//   sigmoid     g = σ(W x + U h_prev + b), h = o σ(c): the lecture form, whose s̃ is g and whose s is c
//   peepholes   i, f = σ(… + p c_prev), o = σ(… + p c), a weight p for each gate and unit: Gers, Schraudolph and Schmidhuber 2002
//   coupled     f = 1 - i: Greff et al. 2017, CIFG. The weights of f stay where they are, so that all cells have one register tile; they
//               are not used, and their gradient is zero
//   clip        c = min(max(f c_prev + i g, -clip), clip); its derivative is zero where |c| = clip: Sak, Senior and Beaufays 2014
//   projection  h = P m, m = o tanh(c), of R units: Sak, Senior and Beaufays 2014, equation 6, without the second projection; PyTorch
//
// N = R where h is projected, else H; V = 16 ⌈N/16⌉; D = 1 with peepholes, else 0. w [P][1+I+D+N][i f g o][16]: bias, input rows, peepholes
// (that of g is not used), hidden rows; behind them, where h is projected, P [⌈R/16⌉][H][16].

// One time step of B independent sequences, for inference.
//   (c, h) = the equations above
//   A c below the smallest normal number is zero from the next step on: one that decays in silence would stay at the
//   smallest subnormal number for ever, f c rounding to c, and every operation on it be slow.
//   x [B][x_stride] in; h_prev [B][V] in; c [B][U] in, out; h [B][V] out; scratch [B][U], or null where h is not projected.
//   shape.steps is not used.
//   Whichever of h_prev and h lies lower in memory decides in which direction the panels are walked: a stream that swaps
//   the two walks to and fro, which is faster where the weights do not fit the nearest cache. No bit depends on it.
//   Shares split the batch rows.
KERNEL(lstm_step, (const recurrent_lstm_shape *_Nonnull shape, const float *_Nonnull x, const float *_Nonnull w,
                   const float *_Nonnull h_prev, float *_Nonnull c, float *_Nonnull h, float *_Nullable scratch, recurrent_share share))

// The same of the plain cell with weights in bfloat16: every bit is that of lstm_step with the weights so rounded.
//   w [P] panels of 64 biases in float32, then [I+H][2][16] words: the gates i | f and g | o, in upper | lower halves.
KERNEL(lstm_step_bfloat16, (const recurrent_lstm_shape *_Nonnull shape, const float *_Nonnull x, const float *_Nonnull w,
                            const float *_Nonnull h_prev, float *_Nonnull c, float *_Nonnull h, recurrent_share share))

// A whole sequence, filling the tape.
//   (c[t+1], h[t+1]) = step(x[t], h[t], c[t])
//   x [T][B][x_stride] in; lengths [B] in, or null: row b holds its state from step lengths[b] on;
//   ifgo [T][B][P][i f g o][16] out, the activated gates, and behind them, where h is projected, m [T][B][U]; c [T+1][B][U],
//   h [T+1][B][V]: slot 0 in, the other slots out.
//   Shares split the batch rows, with a barrier, and where h is not projected, also the panels.
KERNEL(lstm_forward, (const recurrent_lstm_shape *_Nonnull shape, const size_t *_Nullable lengths, const float *_Nonnull x,
                      const float *_Nonnull w, float *_Nonnull ifgo, float *_Nonnull c, float *_Nonnull h,
                      recurrent_share share))

// The copies of the matrices that lstm_backward_data reads; to be made again whenever w has changed.
//   w in; transposed [⌈I/16⌉ + V/16][4U][16] out, behind it the peepholes [D][P][i f g o][16] and, where h is projected, P as
//   [P][V][16]. Shares split the panels of each.
KERNEL(lstm_transpose, (const recurrent_lstm_shape *_Nonnull shape, const float *_Nonnull w, float *_Nonnull transposed,
                        recurrent_share share))

// Backpropagation through time, to the gates, the inputs and the initial state: Werbos 1990.
//   dh = dy[t] + Σ_j U[j] difgo[t+1][j]      dc += dh o (1 - tanh²(c))      difgo[t] = the gates' derivatives
//   do = dh tanh(c) o (1 - o)   di = dc g i (1 - i)   df = dc c_prev f (1 - f)   dg = dc i (1 - g²)   dc_prev = dc f
//   and with a variant:
//   sigmoid     s (1 - s) for 1 - s²                      peepholes   dc += p do, dc_prev += p di + p df
//   coupled     di = dc (g - c_prev) i (1 - i), df = 0    projection  Pᵀ dh for dh
//   clip        dc = 0 where |c| = clip, before the lines for di, df, dg and dc_prev
//   transposed in; ifgo, c from lstm_forward in; dy [T][B][V] in, the loss's gradient by each h, or null (zero), not read
//   where t ≥ lengths[b]; difgo [T][B][P][i f g o][16] out, by the pre-activations, and behind it, where h is projected, dh [T][B][V];
//   dh [B][V], dc [B][U]: in the gradient by the final state, out by the initial state; dx [T][B][16 ⌈I/16⌉] out, or null.
//   Shares split the batch rows, with a barrier, and where h is not projected, also the panels, and dx by time steps.
KERNEL(lstm_backward_data, (const recurrent_lstm_shape *_Nonnull shape, const size_t *_Nullable lengths,
                            const float *_Nonnull transposed, const float *_Nonnull ifgo, const float *_Nonnull c,
                            const float *_Nullable dy, float *_Nonnull difgo, float *_Nonnull dh, float *_Nonnull dc,
                            float *_Nullable dx, recurrent_share share))

// The gradient by the weights, time steps in ascending order, batch rows in ascending order within each.
//   dW[·][k] += Σ_t Σ_b x[t][b][k] difgo[t][b]    dU[·][k] += Σ_t Σ_b h[t][b][k] difgo[t][b]    db += Σ_t Σ_b difgo[t][b]
//   dp += Σ_t Σ_b c[t][b] di, df[t][b], c[t+1][b] do[t][b]    dP[·][k] += Σ_t Σ_b m[t][b][k] dh[t][b]
//   x, lengths as in lstm_forward; its tape: ifgo, or null where h is not projected, c, or null without peepholes, and h; difgo in; dw as w
//   in, out. Rows that have ended add nothing, whatever their x holds. Shares split dw.
KERNEL(lstm_backward_weights, (const recurrent_lstm_shape *_Nonnull shape, const size_t *_Nullable lengths,
                               const float *_Nonnull x, const float *_Nullable ifgo, const float *_Nullable c, const float *_Nonnull h,
                               const float *_Nonnull difgo, float *_Nonnull dw, recurrent_share share))

// MARK: rnn.h
//
// The plain recurrent layer: Elman 1990, "Finding structure in time"; Goodfellow, Bengio and Courville 2016, equations 10.8 and 10.9.
// w [P][1+I+H][16]: bias, input rows, hidden rows. f: `activation`, as in activation.h.

// One time step of B independent sequences, for inference.
//   h = f(W x + U h_prev + b)
//   x [B][x_stride] in; w in; h_prev [B][U] in; h [B][U] out. Shares split the rows.
KERNEL(rnn_step, (const recurrent_rnn_shape *_Nonnull shape, const float *_Nonnull x, const float *_Nonnull w,
                  const float *_Nonnull h_prev, float *_Nonnull h, recurrent_share share))

// A whole sequence, filling the tape.
//   h[t+1] = step(x[t], h[t])
//   x [T][B][x_stride] in; lengths [B] in, or null: row b holds its state from step lengths[b] on; h [T+1][B][U]: slot 0 in,
//   the other slots out. Shares split the batch rows.
KERNEL(rnn_forward, (const recurrent_rnn_shape *_Nonnull shape, const size_t *_Nullable lengths, const float *_Nonnull x,
                     const float *_Nonnull w, float *_Nonnull h, recurrent_share share))

// The copies of the input and hidden matrices that rnn_backward_data reads; to be made again whenever w has changed.
//   w in; transposed [⌈I/16⌉ + P][U][16] out. Shares split the panels of transposed.
KERNEL(rnn_transpose, (const recurrent_rnn_shape *_Nonnull shape, const float *_Nonnull w, float *_Nonnull transposed,
                       recurrent_share share))

// Backpropagation through time, to the pre-activations z, the inputs and the initial state: Werbos 1990; Goodfellow, Bengio and
// Courville 2016, equation 10.21.
//   dh = dy[t] + Σ_j U[j] dz[t+1][j]      dz[t] = dh f'(z): f' as in activation_backward
//   transposed in; h from rnn_forward in; dy [T][B][U] in, the loss's gradient by each h, or null (zero), not read where
//   t ≥ lengths[b]; dz [T][B][U] out; dh [B][U]: in the gradient by the final state, out by the initial state;
//   dx [T][B][16 ⌈I/16⌉] out, or null. Shares split the batch rows.
KERNEL(rnn_backward_data, (const recurrent_rnn_shape *_Nonnull shape, const size_t *_Nullable lengths,
                           const float *_Nonnull transposed, const float *_Nonnull h, const float *_Nullable dy,
                           float *_Nonnull dz, float *_Nonnull dh, float *_Nullable dx, recurrent_share share))

// The gradient by the weights, time steps in ascending order, batch rows in ascending order within each.
//   dW[·][k] += Σ_t Σ_b x[t][b][k] dz[t][b]    dU[·][k] += Σ_t Σ_b h[t][b][k] dz[t][b]    db += Σ_t Σ_b dz[t][b]
//   x, lengths as in rnn_forward; h its tape; dz in; dw [P][1+I+H][16] in, out. Rows that have ended add nothing, whatever
//   their x holds. Shares split dw.
KERNEL(rnn_backward_weights, (const recurrent_rnn_shape *_Nonnull shape, const size_t *_Nullable lengths,
                              const float *_Nonnull x, const float *_Nonnull h, const float *_Nonnull dz,
                              float *_Nonnull dw, recurrent_share share))

// MARK: gru.h
//
// The gated recurrent unit. `definition` says which:
//
//   reset_after    n = tanh(W x + b + r past), past = U h_prev + b′    h = (1 - z) n + z h_prev    PyTorch, Keras by default, cuDNN
//   reset_before   n = tanh(W x + U past + b), past = r h_prev         h = (1 - z) n + z h_prev    Cho et al. 2014, equations 5 to 8
//   lecture        n = σ(W x + U past + b),    past = r h_prev         h = (1 - z) h_prev + z n    s = (1 - i) s_prev + i s̃
//
// with r, z = σ(W x + U h_prev + b) in all of them; the lectures call r o, z i and n s̃.
// w [P][1+I+D+H][r z n][16]: bias, input rows, hidden bias, hidden rows. D = 1 for reset_after, whose hidden bias is b′ in n and zero in
// r and z, which need no second one; else D = 0.
// An h below the smallest normal number is zero: one that decays in silence would stay at the smallest subnormal number for ever, z h
// rounding to h, and every operation on it be slow.

// One time step of B independent sequences, for inference.
//   x [B][x_stride] in; w in; h_prev [B][U] in; h [B][U] out; scratch [B][4U]. shape.steps is not used. Shares split the rows.
KERNEL(gru_step, (const recurrent_gru_shape *_Nonnull shape, const float *_Nonnull x, const float *_Nonnull w,
                  const float *_Nonnull h_prev, float *_Nonnull h, float *_Nonnull scratch, recurrent_share share))

// A whole sequence, filling the tape.
//   h[t+1] = step(x[t], h[t])
//   x [T][B][x_stride] in; lengths [B] in, or null: row b holds its state from step lengths[b] on; rzn [T][B][P][r z n][16] out, the
//   activated gates; past [T][B][U] out; h [T+1][B][U]: slot 0 in, the other slots out. Shares split the batch rows.
KERNEL(gru_forward, (const recurrent_gru_shape *_Nonnull shape, const size_t *_Nullable lengths, const float *_Nonnull x,
                     const float *_Nonnull w, float *_Nonnull rzn, float *_Nonnull past, float *_Nonnull h, recurrent_share share))

// The copies of the input and hidden matrices that gru_backward_data reads; to be made again whenever w has changed.
//   w in; transposed [⌈I/16⌉ + P][3U][16] out. Shares split the panels of transposed.
KERNEL(gru_transpose, (const recurrent_gru_shape *_Nonnull shape, const float *_Nonnull w, float *_Nonnull transposed,
                       recurrent_share share))

// Backpropagation through time, to the gates, the inputs and the initial state: Werbos 1990.
//   dh += dy[t]      dz = dh (h_prev - n) z (1 - z)    dn = dh (1 - z) (1 - n²)      kept = dh z          lecture:
//                    dz = dh (n - h_prev) z (1 - z)    dn = dh z n (1 - n)           kept = dh (1 - z)
//   reset_after      dpast = dn r                      dr = dn past r (1 - r)        dh = kept + Σ_j U[j] (dr, dz, dpast)[j]
//   else             dpast = Σ_j U[j] dn[j]            dr = dpast h_prev r (1 - r)   dh = kept + dpast r + Σ_j U[j] (dr, dz)[j]
//   transposed in; rzn, past, h from gru_forward in; dy [T][B][U] in, the loss's gradient by each h, or null (zero), not read where
//   t ≥ lengths[b]; drzn [T][B][P][r z n][16] out, by the pre-activations; dpast [T][B][U] out, by past; dh [B][U]: in the gradient by
//   the final state, out by the initial state; dx [T][B][16 ⌈I/16⌉] out, or null. Shares split the batch rows.
KERNEL(gru_backward_data, (const recurrent_gru_shape *_Nonnull shape, const size_t *_Nullable lengths, const float *_Nonnull transposed,
                           const float *_Nonnull rzn, const float *_Nonnull past, const float *_Nonnull h, const float *_Nullable dy,
                           float *_Nonnull drzn, float *_Nonnull dpast, float *_Nonnull dh, float *_Nullable dx, recurrent_share share))

// The gradient by the weights, time steps in ascending order, batch rows in ascending order within each.
//   dW[·][k] += Σ_t Σ_b x[t][b][k] drzn[t][b]    db += Σ_t Σ_b drzn[t][b]    dU[·][k] += Σ_t Σ_b h[t][b][k] drzn[t][b], but for n:
//   dU[·][k] += Σ_t Σ_b h[t][b][k] dpast[t][b], db′ += Σ_t Σ_b dpast[t][b] in reset_after, Σ_t Σ_b past[t][b][k] dn[t][b] else
//   x, lengths as in gru_forward; past, h its tape; drzn, dpast in; dw [P][1+I+D+H][r z n][16] in, out. Rows that have ended add
//   nothing, whatever their x holds. Shares split dw.
KERNEL(gru_backward_weights, (const recurrent_gru_shape *_Nonnull shape, const size_t *_Nullable lengths, const float *_Nonnull x,
                              const float *_Nonnull past, const float *_Nonnull h, const float *_Nonnull drzn,
                              const float *_Nonnull dpast, float *_Nonnull dw, recurrent_share share))

// MARK: convolution.h
//
// Convolutions with any number of channels, stride, dilation and padding (as the field calls them: the kernel is not flipped): LeCun et al. 1989,
// "Backpropagation Applied to Handwritten Zip Code Recognition"; Goodfellow, Bengio and Courville 2016, equations 9.7 to 9.13. A sequence is an
// image of one row. Channels lie side by side: x [N][H][W][x_stride], y [N][H′][W′][16 ⌈C′/16⌉]; w [⌈C′/16⌉][1 + KH KW C][16]: bias, then a row
// for each kernel row, kernel column and channel, the last of which changes fastest. Taps outside the image are left out of the sums.

// Forward: from the bias, kernel rows in ascending order, in them kernel columns, in them channels.
//   y[n][i][j][m] = b[m] + Σ_k Σ_l Σ_c W[m][k][l][c] x[n][i s + k d - p][j s + l d - p][c], stride s, dilation d, padding p of each axis
//   x, w in; y out. Shares split images, rows or columns, whichever are most.
KERNEL(convolution_forward, (const recurrent_convolution_shape *_Nonnull shape, const float *_Nonnull x, const float *_Nonnull w,
                             float *_Nonnull y, recurrent_share share))

// The copy of the weights that convolution_backward_input reads; to be made again whenever w has changed.
//   transposed[k][l][q][m][lane] = W[m][k][l][16 q + lane], zero where 16 q + lane ≥ C
//   w in; transposed [KH][KW][⌈C/16⌉][16 ⌈C′/16⌉][16] out. Shares split q.
KERNEL(convolution_transpose, (const recurrent_convolution_shape *_Nonnull shape, const float *_Nonnull w, float *_Nonnull transposed,
                               recurrent_share share))

// The gradient by the input: equation 9.13. Kernel rows in ascending order, in them kernel columns, in them channels of y.
//   dx[n][i][j][c] = Σ_k Σ_l Σ_m W[m][k][l][c] dy[n][(i + p - k d) / s][(j + p - l d) / s][m], over the quotients that are whole and inside
//   dy, transposed in; dx [N][H][W][16 ⌈C/16⌉] out. Shares split images, rows or columns, whichever are most.
KERNEL(convolution_backward_input, (const recurrent_convolution_shape *_Nonnull shape, const float *_Nonnull dy,
                                    const float *_Nonnull transposed, float *_Nonnull dx, recurrent_share share))

// The gradient by the weights: equation 9.11. Images in ascending order, in them rows, in them columns.
//   dW[m][k][l][c] += Σ_n Σ_i Σ_j x[n][i s + k d - p][j s + l d - p][c] dy[n][i][j][m]      db[m] += Σ_n Σ_i Σ_j dy[n][i][j][m]
//   x in; dy in, zero behind the last channel; dw, as w, in, out. Shares split dw.
KERNEL(convolution_backward_weights, (const recurrent_convolution_shape *_Nonnull shape, const float *_Nonnull x, const float *_Nonnull dy,
                                      float *_Nonnull dw, recurrent_share share))

// MARK: pooling.h
//
// Each channel by itself: Goodfellow, Bengio and Courville 2016, section 9.3. x [N][H][W][16 ⌈C/16⌉], y [N][H′][W′][16 ⌈C/16⌉]. Taps outside
// the image are left out; a window without any other gives zero.

// Forward, kernel rows in ascending order, in them kernel columns.
//   y[n][i][j] = max_k max_l x[n][i s + k d - p][j s + l d - p], NaN where one is; their sum; or their mean: the sum / (KH KW)
//   x in; y out. Shares split images, rows or columns, whichever are most.
KERNEL(pooling_forward, (const recurrent_pooling_shape *_Nonnull shape, const float *_Nonnull x, float *_Nonnull y, recurrent_share share))

// The gradient by the input, windows in ascending order.
//   dx of a tap += dy, or dy / (KH KW) for the mean; for the largest only the first tap of a window that equals y, or is NaN where y is
//   x, y from pooling_forward in, not read but for the largest; dy as y in; dx as x out. Shares split images and panels of channels.
KERNEL(pooling_backward, (const recurrent_pooling_shape *_Nonnull shape, const float *_Nonnull x, const float *_Nonnull y,
                          const float *_Nonnull dy, float *_Nonnull dx, recurrent_share share))

// MARK: activation.h
//
// A nonlinear function of each element, of a dense layer or any other. With one output and σ, a dense layer is the sigmoid neuron
// y = σ(w·x + b).

// y[m][n] = f(x[m][n])
//   f = tanh, σ, max(·, 0), or the leaky rectifier of Maas, Hannun and Ng 2013: z, but slope z where z < 0
//   slope in 0 ... 1, read for the leaky one alone; x [M][16 ⌈N/16⌉] in, any value behind the last unit; y [M][16 ⌈N/16⌉] out, zero
//   there; may be the same buffer. Errors as those of vmath.h. Shares split the rows.
KERNEL(activation_forward, (const recurrent_rows_shape *_Nonnull shape, recurrent_activation activation, float slope,
                            const float *_Nonnull x, float *_Nonnull y, recurrent_share share))

// Its gradient, from what it gave.
//   dx[m][n] = dy[m][n] f'(x[m][n]): dy (1 - y²) for tanh, dy y (1 - y) for σ, and where y > 0 dy, else 0 or, for the leaky one, slope dy
//   y, dy [M][16 ⌈N/16⌉] in, any value behind the last unit; dx [M][16 ⌈N/16⌉] out, zero there; may be the buffer of dy or of y.
//   Shares split the rows.
KERNEL(activation_backward, (const recurrent_rows_shape *_Nonnull shape, recurrent_activation activation, float slope,
                             const float *_Nonnull y, const float *_Nonnull dy, float *_Nonnull dx, recurrent_share share))

// MARK: normalization.h
//
// x̂ = (x - μ) / √(v + ε)      y = γ x̂ + β
// μ and v are the mean and the variance of x over the rows (batch normalization) or over the units of a row (layer normalization). Means,
// variances and the sums of gradients are in double, each rounded once. Rows are [M][16 ⌈N/16⌉], of which any value may stand behind the last unit
// in what is read, and zero does in what is written; γ, β and whatever else has one number for each unit is [16 ⌈N/16⌉].
// epsilon: ε, above 0; |x| up to 2^62.

// Batch normalization in training: Ioffe and Szegedy 2015, algorithm 1.
//   μ[n] = 1/L Σ_m x[m][n]      v[n] = 1/L Σ_m (x[m][n] - μ[n])²      over the L rows that are live
//   running_mean += momentum (μ - running_mean)      running_variance += momentum (v L/(L - 1) - running_variance)
//   live [M] in, or null: a row where it is zero has no part in anything, whatever its x, and a y of zero. x in; gamma, beta in; running_mean,
//   running_variance in, out, below 2^-100 zero; for L = 0 they stay, for L = 1 v is zero. mean, inverse_deviation 1/√(v + ε) out, the tape;
//   y out. Shares split the units, by 16.
KERNEL(batch_normalization_forward, (const recurrent_rows_shape *_Nonnull shape, const int32_t *_Nullable live, float epsilon,
                                     float momentum, const float *_Nonnull x, const float *_Nonnull gamma, const float *_Nonnull beta,
                                     float *_Nonnull running_mean, float *_Nonnull running_variance, float *_Nonnull mean,
                                     float *_Nonnull inverse_deviation, float *_Nonnull y, recurrent_share share))

// Batch normalization with what was found in training: Ioffe and Szegedy 2015, algorithm 2.
//   μ = running_mean      v = running_variance
//   x in; y out, may be the same buffer. Shares split the rows.
KERNEL(batch_normalization_inference, (const recurrent_rows_shape *_Nonnull shape, float epsilon, const float *_Nonnull x,
                                       const float *_Nonnull gamma, const float *_Nonnull beta, const float *_Nonnull running_mean,
                                       const float *_Nonnull running_variance, float *_Nonnull y, recurrent_share share))

// The gradient of batch_normalization_forward: Ioffe and Szegedy 2015, section 3.
//   dγ[n] += Σ_m dy[m][n] x̂[m][n]      dβ[n] += Σ_m dy[m][n]
//   dx[m][n] = γ[n]/√(v[n] + ε) (dy[m][n] - 1/L Σ_m dy[m][n] - x̂[m][n] 1/L Σ_m dy[m][n] x̂[m][n])
//   live, x, gamma as in the forward pass; mean, inverse_deviation its tape; dy in, not read for rows that are not live; dgamma, dbeta in,
//   out; dx out, zero for such rows; may be the same buffer as dy. Shares split the units, by 16.
KERNEL(batch_normalization_backward, (const recurrent_rows_shape *_Nonnull shape, const int32_t *_Nullable live, const float *_Nonnull x,
                                      const float *_Nonnull gamma, const float *_Nonnull mean, const float *_Nonnull inverse_deviation,
                                      const float *_Nonnull dy, float *_Nonnull dgamma, float *_Nonnull dbeta, float *_Nonnull dx,
                                      recurrent_share share))

// Layer normalization: Ba, Kiros and Hinton 2016, equations 3 and 4.
//   μ[m] = 1/N Σ_n x[m][n]      v[m] = 1/N Σ_n (x[m][n] - μ[m])²
//   x in; gamma, beta in; mean, inverse_deviation 1/√(v + ε) [M] out, the tape; y out. Shares split the rows.
KERNEL(layer_normalization_forward, (const recurrent_rows_shape *_Nonnull shape, float epsilon, const float *_Nonnull x,
                                     const float *_Nonnull gamma, const float *_Nonnull beta, float *_Nonnull mean,
                                     float *_Nonnull inverse_deviation, float *_Nonnull y, recurrent_share share))

// The gradient of layer_normalization_forward by its input.
//   dx[m][n] = 1/√(v[m] + ε) (g[m][n] - 1/N Σ_n g[m][n] - x̂[m][n] 1/N Σ_n g[m][n] x̂[m][n]), g = γ dy
//   x, gamma as in the forward pass; mean, inverse_deviation its tape; dy in; dx out, may be the same buffer as dy. Shares split the rows.
KERNEL(layer_normalization_backward_input, (const recurrent_rows_shape *_Nonnull shape, const float *_Nonnull x,
                                            const float *_Nonnull gamma, const float *_Nonnull mean,
                                            const float *_Nonnull inverse_deviation, const float *_Nonnull dy, float *_Nonnull dx,
                                            recurrent_share share))

// The gradient of layer_normalization_forward by γ and β, rows in ascending order.
//   dγ[n] += Σ_m dy[m][n] x̂[m][n]      dβ[n] += Σ_m dy[m][n]
//   x, mean, inverse_deviation, dy as above; dgamma, dbeta in, out. Shares split the units, by 16.
KERNEL(layer_normalization_backward_parameters, (const recurrent_rows_shape *_Nonnull shape, const float *_Nonnull x,
                                                 const float *_Nonnull mean, const float *_Nonnull inverse_deviation,
                                                 const float *_Nonnull dy, float *_Nonnull dgamma, float *_Nonnull dbeta,
                                                 recurrent_share share))
// MARK: sequence.h
//
// Around recurrent layers. lengths [B] in, or null: n_b = min(lengths[b], T) are the steps of sequence b. Of each row of `width` floats the
// first N are its units, the others zero.

// A copy, in time or, `reversed`, against it: what the second direction of a bidirectional layer reads and gives (Schuster and Paliwal 1997).
//   y[t][b] = x[t][b], or x[n_b - 1 - t][b]; zero for t ≥ n_b
//   x [T][B][x_stride] in, N floats of each row; y [T][B][y_stride] out, `width` floats of each row. Shares split the rows of y.
KERNEL(sequence_copy, (const recurrent_sequence_shape *_Nonnull shape, const size_t *_Nullable lengths, const float *_Nonnull x,
                       float *_Nonnull y, recurrent_share share))

// The same, added: y[t][b] += x[t][b], or x[n_b - 1 - t][b]; y in, out.
KERNEL(add_sequence, (const recurrent_sequence_shape *_Nonnull shape, const size_t *_Nullable lengths, const float *_Nonnull x,
                      float *_Nonnull y, recurrent_share share))

// One row of each sequence, for an answer to the whole of it.
//   last   y[b] = x[n_b - 1][b], or, `reversed`, x[0][b]      mean   y[b] = Σ_t x[t][b] / n_b, steps in ascending order
//   zero where n_b = 0
//   x [T][B][x_stride] in, N floats of each row; y [B][y_stride] out, `width` floats of each row. Shares split b.
KERNEL(sequence_pool, (const recurrent_sequence_shape *_Nonnull shape, recurrent_sequence_pooling pooling, const size_t *_Nullable lengths,
                       const float *_Nonnull x, float *_Nonnull y, recurrent_share share))

// The gradient by the steps.
//   last   dx[n_b - 1][b], or dx[0][b], = dy[b], zero elsewhere      mean   dx[t][b] = dy[b] / n_b, zero for t ≥ n_b
//   dy [B][x_stride] in, N floats of each row; dx [T][B][y_stride] out, `width` floats of each row. Shares split b.
KERNEL(sequence_pool_backward, (const recurrent_sequence_shape *_Nonnull shape, recurrent_sequence_pooling pooling, const size_t *_Nullable lengths,
                                const float *_Nonnull dy, float *_Nonnull dx, recurrent_share share))

// MARK: embedding.h
//
// Vectors of a vocabulary: Bengio, Ducharme, Vincent and Jauvin 2003, "A Neural Probabilistic Language Model", section 2.
// An index outside 0 ..< V is padding.

// The vectors of some indices.
//   y[m] = table[index[m]], zero for padding
//   table [V][16 ⌈E/16⌉] in; indices [M] in; y [M][16 ⌈E/16⌉] out. Shares split the rows.
KERNEL(embedding_forward, (const recurrent_embedding_shape *_Nonnull shape, const float *_Nonnull table,
                           const int32_t *_Nonnull indices, float *_Nonnull y, recurrent_share share))

// The gradient by the table, rows in ascending order.
//   dtable[v] += Σ_{m: index[m] = v} dy[m]
//   indices as in embedding_forward; dy [M][16 ⌈E/16⌉] in, not read for padding; dtable [V][16 ⌈E/16⌉] in, out.
//   Shares split the columns, by 16.
KERNEL(embedding_backward, (const recurrent_embedding_shape *_Nonnull shape, const int32_t *_Nonnull indices,
                            const float *_Nonnull dy, float *_Nonnull dtable, recurrent_share share))

// MARK: softmax.h

// The probabilities of N classes: Goodfellow, Bengio and Courville 2016, equation 6.29.
//   p[m][n] = exp(z[m][n] - max_k z[m][k]) / Σ_k exp(z[m][k] - max_k z[m][k])
//   logits z [M][16 ⌈N/16⌉] in, any value behind the last class; probabilities p [M][16 ⌈N/16⌉] out, zero there; may be
//   the same buffer. A logit more than 64 below the largest, or -∞, is a probability of zero; a row with a NaN, a +∞ or
//   nothing but -∞ becomes NaN. Shares split the rows.
KERNEL(softmax, (const recurrent_rows_shape *_Nonnull shape, const float *_Nonnull logits, float *_Nonnull probabilities,
                 recurrent_share share))

// The gradient of softmax: its Jacobian diag(p) - p pᵀ, which is symmetric, times dp.
//   dz[m][n] = p[m][n] (dp[m][n] - Σ_k p[m][k] dp[m][k])
//   probabilities p, dprobabilities dp [M][16 ⌈N/16⌉] in, any value behind the last class; dlogits dz [M][16 ⌈N/16⌉] out, zero there; may be
//   the buffer of p or of dp. Shares split the rows.
KERNEL(softmax_backward, (const recurrent_rows_shape *_Nonnull shape, const float *_Nonnull probabilities,
                          const float *_Nonnull dprobabilities, float *_Nonnull dlogits, recurrent_share share))

// Softmax and cross-entropy, and its gradient: Goodfellow, Bengio and Courville 2016, equation 6.30.
//   loss[m] = log Σ_k exp(z[m][k]) - z[m][target[m]]      dz[m][n] = scale (p[m][n] - [n = target[m]])
//   logits z as in softmax; targets [M] in, where a target outside 0 ..< N makes its row's loss and gradient zero, whatever
//   its logits; losses [M] out, in nats, never negative; dlogits dz [M][16 ⌈N/16⌉] out, zero behind the last class, or null;
//   may be the same buffer as logits. Shares split the rows.
KERNEL(softmax_cross_entropy, (const recurrent_rows_shape *_Nonnull shape, const float *_Nonnull logits,
                               const int32_t *_Nonnull targets, float scale, float *_Nonnull losses,
                               float *_Nullable dlogits, recurrent_share share))

// MARK: losses.h
//
// Each is the mean over the units of a row. y, targets [M][16 ⌈N/16⌉] in, any value behind the last unit; live [M] in, or null: a row
// where it is zero has a loss and a gradient of zero, whatever its y; losses [M] out; dy [M][16 ⌈N/16⌉] out, zero behind the last unit, or
// null; may be the same buffer as y. Shares split the rows.

// The mean of the squared errors of a row, and its gradient: Goodfellow, Bengio and Courville 2016, equation 5.4.
//   loss[m] = 1/N Σ_n (y[m][n] - target[m][n])²      dy[m][n] = scale 2/N (y[m][n] - target[m][n])
KERNEL(mean_squared_error, (const recurrent_rows_shape *_Nonnull shape, const float *_Nonnull y, const float *_Nonnull targets,
                            const int32_t *_Nullable live, float scale, float *_Nonnull losses, float *_Nullable dy,
                            recurrent_share share))

// The mean of the absolute errors of a row, and its gradient, the subgradient 0 where y is the target.
//   loss[m] = 1/N Σ_n |y[m][n] - target[m][n]|      dy[m][n] = scale/N sign(y[m][n] - target[m][n])
KERNEL(mean_absolute_error, (const recurrent_rows_shape *_Nonnull shape, const float *_Nonnull y, const float *_Nonnull targets,
                             const int32_t *_Nullable live, float scale, float *_Nonnull losses, float *_Nullable dy,
                             recurrent_share share))

// Squared near the target, absolute far from it: Huber 1964, "Robust estimation of a location parameter".
//   loss[m] = 1/N Σ_n ρ(e), e = y[m][n] - target[m][n], ρ = e²/2 for |e| ≤ δ, δ (|e| - δ/2) otherwise
//   dy[m][n] = scale/N min(max(e, -δ), δ)
//   delta: δ, finite and above 0.
KERNEL(huber_loss, (const recurrent_rows_shape *_Nonnull shape, const float *_Nonnull y, const float *_Nonnull targets,
                    const int32_t *_Nullable live, float delta, float scale, float *_Nonnull losses, float *_Nullable dy,
                    recurrent_share share))

// Binary cross-entropy of sigmoids, from their logits z: Goodfellow, Bengio and Courville 2016, equations 6.24 to 6.26.
//   loss[m] = 1/N Σ_n max(z, 0) - z target[m][n] + log(1 + e^-|z|), z = z[m][n]      dz[m][n] = scale/N (σ(z) - target[m][n])
//   logits z, dlogits dz as y, dy; targets in 0 ... 1. No loss is negative. Beyond 64 in magnitude a logit is certain: e^-|z| is zero.
//   The loss of one that is NaN or infinite is NaN or infinite.
KERNEL(binary_cross_entropy, (const recurrent_rows_shape *_Nonnull shape, const float *_Nonnull logits, const float *_Nonnull targets,
                              const int32_t *_Nullable live, float scale, float *_Nonnull losses, float *_Nullable dlogits,
                              recurrent_share share))

// The sum of losses, to report: in double, in one order.
//   sum = Σ_m loss[m]
//   losses [count] in; sum [1] out. Not shared.
KERNEL(sum_losses, (size_t count, const float *_Nonnull losses, double *_Nonnull sum))

// MARK: dropout.h

// Inverted dropout: Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov 2014, section 10. The gradient is the same
// call on dy: the mask is a function of (seed, counter, row, unit) and p, and is never stored.
//   y[m][n] = x[m][n] / (1 - p) with probability 1 - p, else 0
//   bits[m][n] = word ⌊n/16⌋ mod 2 of Threefry(Threefry(seed, counter), (16 ⌊n/32⌋ + n mod 16, m)); dropped where
//   bits, as a signed number, < p 2³² - 2³¹; Threefry(key, counter) is Threefry-2x32-20, low words first.
//   x [M][16 ⌈N/16⌉] in; y [M][16 ⌈N/16⌉] out, may be the same buffer. p = 0 copies. M, N < 2³². Shares split the rows.
KERNEL(dropout, (const recurrent_rows_shape *_Nonnull shape, const recurrent_dropout *_Nonnull mask, const float *_Nonnull x,
                 float *_Nonnull y, recurrent_share share))

// MARK: clip.h

// The squares of a gradient, for its global norm: Goodfellow, Bengio and Courville 2016, section 10.11.1.
//   partial[b] = Σ x²   over the floats 4096 b ... 4096 b + 4095, in double: 32 running sums, added by halves
//   x [count] in; partial [recurrent_squares_blocks(count)] out. No finite x overflows. Shares split the blocks.
KERNEL(sum_of_squares, (size_t count, const float *_Nonnull x, double *_Nonnull partial, recurrent_share share))

// The norm whose squares are in `partial`: of one buffer, or of several whose partial sums lie one after the other.
//   norm = √ Σ_b partial[b]   in ascending order
//   partial [blocks] in; norm [1] out: not finite where an x was not; then the caller leaves weights and moments alone.
KERNEL(global_norm, (size_t blocks, const double *_Nonnull partial, double *_Nonnull norm))

// x = value: a gradient that is dropped, a moment at the start.
//   x [count] out. Shares split x into runs of 16.
KERNEL(fill, (size_t count, float value, float *_Nonnull x, recurrent_share share))

// MARK: regularization.h

// Parameter norm penalties as a part of the loss, L1 and L2: Goodfellow, Bengio and Courville 2016, sections 7.1.1 and 7.1.2.
//   gradient += λ1 sign(p) + λ2 p, where sign(0) = 0      partial[b] = Σ λ1 |p| + λ2/2 p²   over the blocks of sum_of_squares
//   parameters p [count] in; gradient [count] in, out; partial [recurrent_squares_blocks(count)] out, in double. So that nothing decays
//   into subnormals, λ2 p is zero for |p| < 2^-100. What is not finite stays so. Shares split the blocks, as those of sum_of_squares.
KERNEL(add_norm_penalty, (size_t count, double l1, double l2, const float *_Nonnull parameters, float *_Nonnull gradient,
                          double *_Nonnull partial, recurrent_share share))

// MARK: lbfgs.h

// The inner products of L-BFGS: Nocedal and Wright 2006, algorithm 7.4.
//   partial[b] = Σ x y   over the blocks of sum_of_squares, in its order: for y = x it gives the same bits
//   x, y [count] in, may overlap; partial [recurrent_squares_blocks(count)] out. Shares split the blocks.
KERNEL(dot_product, (size_t count, const float *_Nonnull x, const float *_Nonnull y, double *_Nonnull partial, recurrent_share share))

// Its sums of vectors.
//   z = a x + (b y)   the sum rounded once, a and b as floats
//   x, y [count] in; z [count] out, may be x or y. Shares split the buffers into runs of 16 floats.
KERNEL(linear_combination, (size_t count, double a, const float *_Nonnull x, double b, const float *_Nonnull y, float *_Nonnull z,
                            recurrent_share share))

// MARK: Optimizer updates
//
// Each is one pass over flat buffers of `count` floats, in the order of the parameters. In all of them
//   g = min(max(scale · gradient, -clip_value), clip_value)      then with decay into the gradient   g += λ p
//   gradient = 0
// parameters and gradient [count] in, out; every other buffer [count] in, out, zero before the first step unless said.
// So that nothing decays into subnormals, averages of gradients and momentum below 2^-100 become zero, with decay
// parameters too, and averages and sums of squares are 2^-120 at least. Where an average of squares is kept, clip_value is
// 2^63 at most. An infinite parameter stays as it is, but becomes NaN where λ p goes into the gradient. Shares split the
// buffers into runs of 16 floats. η, μ, ρ … are in optimizers.h.

// MARK: sgd.h

// Gradient descent; Polyak 1964; Sutskever, Martens, Dahl and Hinton 2013. Without buffer: p -= η g. With it,
//   as buffer (PyTorch)    b = μ b + (1 - τ) g, b = g in the first step    p -= η b    Nesterov: p -= η (g + μ b)
//   as velocity            b = μ b - η (1 - τ) g, likewise                 p += b      Nesterov: p += μ b - η g
//   buffer, or null for none (then μ is not read).
KERNEL(sgd_update, (size_t count, const recurrent_sgd *_Nonnull hyper, float *_Nonnull parameters, float *_Nonnull gradient,
                    float *_Nullable buffer, recurrent_share share))

// MARK: adagrad.h

// Duchi, Hazan and Singer 2011.
//   s += g²      p -= η g / (√s + ε)      or, ε inside, η g / √(s + ε)
//   sum: s, filled by the caller with its initial value before the first step.
KERNEL(adagrad_update, (size_t count, const recurrent_adagrad *_Nonnull hyper, float *_Nonnull parameters,
                        float *_Nonnull gradient, float *_Nonnull sum, recurrent_share share))

// MARK: rmsprop.h

// Hinton 2012, lecture 6e; centered: Graves 2013, equations 38 to 45.
//   v = ρ v + (1 - ρ) g²      m = ρ m + (1 - ρ) g, v̄ = max(v - m², 0)  (centered; otherwise v̄ = v)
//   d = g / (√v̄ + ε)  or, ε inside, g / √(v̄ + ε)      p -= η d
//   with momentum, as buffer (PyTorch) b = μ b + d, p -= η b;   as velocity (Keras) b = μ b - η d, p += b
//   square: v; mean: m, or null where not centered; buffer: b, or null for no momentum.
KERNEL(rmsprop_update, (size_t count, const recurrent_rmsprop *_Nonnull hyper, float *_Nonnull parameters,
                        float *_Nonnull gradient, float *_Nonnull square, float *_Nullable mean, float *_Nullable buffer,
                        recurrent_share share))

// MARK: adadelta.h

// Zeiler 2012, algorithm 1, with a learning rate.
//   v = ρ v + (1 - ρ) g²      d = √((u + ε) / (v + ε)) g      u = ρ u + (1 - ρ) d²      p -= η d
//   square: v; step_square: u. |g| up to 2^50 for ε = 1e-6: beyond it the quotient is subnormal.
KERNEL(adadelta_update, (size_t count, const recurrent_adadelta *_Nonnull hyper, float *_Nonnull parameters,
                         float *_Nonnull gradient, float *_Nonnull square, float *_Nonnull step_square,
                         recurrent_share share))

// MARK: adam.h

// Kingma and Ba 2015, algorithm 1; AdamW: Loshchilov and Hutter 2019; AMSGrad: Reddi, Kale and Kumar 2018.
//   m = β1 m + (1 - β1) g      v = β2 v + (1 - β2) g²      AMSGrad: w = max(w, v), then w instead of v
//   m̂ = m / (1 - β1^t)         v̂ = v / (1 - β2^t)          decoupled decay: p *= 1 - η λ first
//   p -= η m̂ / (√v̂ + ε)   or, ε inside, η m̂ / √(v̂ + ε)   or, ε uncorrected, η √(1 - β2^t) m̂ / (√v + ε)
//   first: m; second: v; largest: w, or null for no AMSGrad.
KERNEL(adam_update, (size_t count, const recurrent_adam *_Nonnull hyper, float *_Nonnull parameters,
                     float *_Nonnull gradient, float *_Nonnull first, float *_Nonnull second, float *_Nullable largest,
                     recurrent_share share))
