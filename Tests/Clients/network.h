// An embedding, two LSTM layers and a dense layer, as Tests/Golden/make_state_dict.py makes them
// with PyTorch: what a client writes to run and to train a network. All memory is the caller's, and
// nothing here takes more. C99 and C++11.
#ifndef NETWORK_H
#define NETWORK_H

#include <math.h>
#include <recurrent/recurrent.h>

#include "weights_file.h"

enum { vocabulary = 5, width = 3, hidden = 17, outputs = 6, layers = 2, steps = 7, batch = 2 };
enum { rows = steps * batch };

/// Floats of the caller's memory that are handed out, at multiples of 64 bytes: where it is null,
/// they are counted.
typedef struct memory {
    float *base;
    size_t used;
} memory;

static inline float *take(memory *from, size_t floats) {
    float *taken = from->base ? from->base + from->used : NULL;
    from->used += recurrent_padded(floats);
    return taken;
}

typedef struct lstm_layer {
    recurrent_cell_shape shape;
    float *w, *dw;  // parameters and their gradient
    recurrent_cell_tape tape;
    recurrent_cell_gradients gradients;  // scratch, of the backward pass
    float *transposed;
    float *state_c, *state_h[2];  // of a stream
} lstm_layer;

typedef struct network {
    const recurrent_kernels *kernels;
    recurrent_embedding_shape embedding;
    recurrent_product_shape dense;
    recurrent_rows_shape classes;
    lstm_layer lstm[layers];
    size_t parameter_count;
    float *parameters, *gradient, *first, *second;
    float *table, *dtable, *w, *dw;  // of the embedding and of the dense layer
    float *x, *logits, *dlogits, *dy, *transposed, *losses;
    double *partial;
    int step;  // of the stream: which state_h is h
    double beta1_power, beta2_power;
} network;

/// Parameters, or as many floats that belong to them; returns where they begin.
static inline float *take_parameters(network *n, memory *from, float **table, float *w[layers],
                                     float **dense) {
    const size_t begin = from->used;
    *table = take(from, recurrent_embedding_table_floats(n->embedding));
    for (int l = 0; l < layers; ++l)
        w[l] = take(from, recurrent_cell_weights_floats(n->lstm[l].shape));
    *dense = take(from, recurrent_product_weights_floats(n->dense));
    n->parameter_count = from->used - begin;
    return *table;
}

/// The network in `base`, which is zero and aligned to 64 bytes; returns how many floats it has.
static inline size_t network_place(network *n, float *base) {
    memory from = {base, 0};
    float *w[layers], *dw[layers];
    memset(n, 0, sizeof *n);
    n->kernels = recurrent_kernels_of(recurrent_isa_best());
    n->embedding.vocabulary = vocabulary;
    n->embedding.dimension = width;
    n->embedding.rows = rows;
    n->dense.rows = n->classes.rows = rows;
    n->dense.inputs = hidden;
    n->dense.outputs = n->classes.units = outputs;
    n->dense.groups = 1;
    n->dense.x_stride = recurrent_padded(hidden);
    for (int l = 0; l < layers; ++l) {
        recurrent_cell_shape *shape = &n->lstm[l].shape;
        shape->cell = recurrent_cell_lstm;
        shape->input = l == 0 ? width : hidden;
        shape->hidden = hidden;
        shape->batch = batch;
        shape->steps = steps;
        shape->x_stride = recurrent_padded(shape->input);
        require(recurrent_cell_check(*shape) == NULL, "an LSTM shape");
    }
    require(recurrent_embedding_check(n->embedding) == NULL, "the embedding's shape");
    require(recurrent_product_check(n->dense) == NULL, "the dense layer's shape");

    n->parameters = take_parameters(n, &from, &n->table, w, &n->w);
    n->gradient = take_parameters(n, &from, &n->dtable, dw, &n->dw);
    n->first = take(&from, n->parameter_count);
    n->second = take(&from, n->parameter_count);
    for (int l = 0; l < layers; ++l) {
        lstm_layer *layer = &n->lstm[l];
        const recurrent_cell_shape shape = layer->shape;
        layer->w = w[l];
        layer->dw = dw[l];
        layer->tape.gates = take(&from, recurrent_cell_gates_floats(shape));
        layer->tape.c = take(&from, recurrent_cell_state_tape_floats(shape));
        layer->tape.h = take(&from, recurrent_cell_output_tape_floats(shape));
        layer->gradients.dgates = take(&from, recurrent_cell_dgates_floats(shape));
        layer->gradients.dx = take(&from, recurrent_cell_dx_floats(shape));
        layer->gradients.dh = take(&from, recurrent_cell_output_floats(shape));
        layer->gradients.dc = take(&from, recurrent_cell_state_floats(shape));
        layer->transposed = take(&from, recurrent_cell_transposed_floats(shape));
        layer->state_c = take(&from, recurrent_cell_state_floats(shape));
        layer->state_h[0] = take(&from, recurrent_cell_output_floats(shape));
        layer->state_h[1] = take(&from, recurrent_cell_output_floats(shape));
    }
    n->x = take(&from, recurrent_embedding_rows_floats(n->embedding));
    n->logits = take(&from, recurrent_rows_floats(n->classes));
    n->dlogits = take(&from, recurrent_rows_floats(n->classes));
    n->dy = take(&from, rows * recurrent_padded(hidden));
    n->transposed = take(&from, recurrent_product_transposed_floats(n->dense));
    n->losses = take(&from, rows);
    n->partial = (double *)(void *)take(&from, 2 * recurrent_squares_blocks(n->parameter_count));
    n->beta1_power = n->beta2_power = 1;
    return from.used;
}

/// Loads what PyTorch has saved, and checks that it comes back from kernel order as it was.
static inline void network_load(network *n, const char *path) {
    enum { most = 4 * hidden * hidden, gates = 4 * hidden };
    static float ih[most], hh[most], bias_ih[gates], bias_hh[gates];
    static float ih_back[most], hh_back[most], bias_back[gates], none[gates];
    char *bytes = read_file(path), name[32];
    const recurrent_rows_shape table = {vocabulary, width};

    read_tensor(bytes, "embedding.weight", vocabulary * width, sizeof(float), ih);
    recurrent_rows_pack(table, ih, n->table);
    read_tensor(bytes, "dense.weight", outputs * hidden, sizeof(float), ih);
    read_tensor(bytes, "dense.bias", outputs, sizeof(float), bias_ih);
    recurrent_product_pack(n->dense, ih, bias_ih, n->w);
    for (int l = 0; l < layers; ++l) {
        const recurrent_cell_shape shape = n->lstm[l].shape;
        snprintf(name, sizeof name, "lstm.weight_ih_l%d", l);
        read_tensor(bytes, name, gates * shape.input, sizeof(float), ih);
        snprintf(name, sizeof name, "lstm.weight_hh_l%d", l);
        read_tensor(bytes, name, gates * hidden, sizeof(float), hh);
        snprintf(name, sizeof name, "lstm.bias_ih_l%d", l);
        read_tensor(bytes, name, gates, sizeof(float), bias_ih);
        snprintf(name, sizeof name, "lstm.bias_hh_l%d", l);
        read_tensor(bytes, name, gates, sizeof(float), bias_hh);
        recurrent_cell_pack(shape, ih, hh, bias_ih, bias_hh, NULL, NULL, n->lstm[l].w);

        recurrent_cell_unpack(shape, n->lstm[l].w, ih_back, hh_back, bias_back, none, NULL, NULL);
        require(memcmp(ih, ih_back, gates * shape.input * sizeof(float)) == 0, "weight_ih");
        require(memcmp(hh, hh_back, gates * hidden * sizeof(float)) == 0, "weight_hh");
        for (int row = 0; row < gates; ++row)
            require(bias_back[row] == bias_ih[row] + bias_hh[row] && none[row] == 0, "bias");
    }
    free(bytes);
}

/// One time step of the stream, from `batch` tokens to as many rows of logits.
static inline void network_step(network *n, const int32_t *tokens, float *logits) {
    recurrent_embedding_shape embedding = n->embedding;
    recurrent_product_shape dense = n->dense;
    const float *x = n->x;
    embedding.rows = dense.rows = batch;
    n->kernels->embedding_forward(&embedding, n->table, tokens, n->x, recurrent_all_rows);
    for (int l = 0; l < layers; ++l) {
        lstm_layer *layer = &n->lstm[l];
        float *h = layer->state_h[1 - n->step];
        n->kernels->lstm_step(&layer->shape, x, layer->w, layer->state_h[n->step], layer->state_c,
                              h, NULL, recurrent_all_rows);
        x = h;
    }
    n->kernels->product_forward(&dense, x, n->w, logits, recurrent_all_rows);
    n->step = 1 - n->step;
}

/// h of each step of a layer, slot 0 left out.
static inline float *hidden_of(lstm_layer *layer) {
    return layer->tape.h + recurrent_cell_output_floats(layer->shape);
}

/// The mean loss of a whole sequence, and its gradient.
static inline double network_gradient(network *n, const int32_t *tokens, const int32_t *targets) {
    const recurrent_kernels *kernels = n->kernels;
    const recurrent_partition all = recurrent_all_rows;
    const float *x = n->x, *dy = n->dy;
    double loss;
    kernels->embedding_forward(&n->embedding, n->table, tokens, n->x, all);
    for (int l = 0; l < layers; ++l) {
        lstm_layer *layer = &n->lstm[l];
        kernels->lstm_forward(&layer->shape, NULL, NULL, x, layer->w, &layer->tape, all);
        x = hidden_of(layer);
    }
    kernels->product_forward(&n->dense, x, n->w, n->logits, all);
    kernels->softmax_cross_entropy(&n->classes, n->logits, targets, 1.0F / rows, n->losses,
                                   n->dlogits, all);
    kernels->sum_losses(rows, n->losses, &loss);

    kernels->product_transpose(&n->dense, n->w, n->transposed, all);
    kernels->product_backward_input(&n->dense, n->dlogits, n->transposed, n->dy, all);
    kernels->product_backward_weights(&n->dense, x, n->dlogits, n->dw, all);
    for (int l = layers - 1; l >= 0; --l) {
        lstm_layer *layer = &n->lstm[l];
        kernels->lstm_transpose(&layer->shape, layer->w, layer->transposed, all);
        kernels->fill(recurrent_cell_output_floats(layer->shape), 0, layer->gradients.dh, all);
        kernels->fill(recurrent_cell_state_floats(layer->shape), 0, layer->gradients.dc, all);
        layer->gradients.dy = dy;
        kernels->lstm_backward_data(&layer->shape, NULL, NULL, layer->transposed, &layer->tape,
                                    &layer->gradients, all);
        kernels->lstm_backward_weights(&layer->shape, NULL, l == 0 ? n->x : hidden_of(layer - 1),
                                       &layer->tape, &layer->gradients, layer->dw, all);
        dy = layer->gradients.dx;
    }
    kernels->embedding_backward(&n->embedding, tokens, dy, n->dtable, all);
    return loss / rows;
}

/// One step of Adam, the gradient's norm clipped to 1.
static inline void network_update(network *n) {
    recurrent_adam adam;
    double norm;
    memset(&adam, 0, sizeof adam);
    n->kernels->sum_of_squares(n->parameter_count, n->gradient, n->partial, recurrent_all_rows);
    n->kernels->global_norm(recurrent_squares_blocks(n->parameter_count), n->partial, &norm);
    require(isfinite(norm), "the gradient is not finite");
    adam.gradient.scale = recurrent_clip_coefficient(norm, 1, recurrent_clip_epsilon);
    adam.gradient.clip_value = 9e18;  // none; 2^63 is the most
    adam.learning_rate = 0.01;
    adam.beta1 = 0.9;
    adam.beta2 = 0.999;
    adam.bias_correction1 = 1 - (n->beta1_power *= adam.beta1);
    adam.bias_correction2 = 1 - (n->beta2_power *= adam.beta2);
    adam.epsilon = 1e-8;
    n->kernels->adam_update(n->parameter_count, &adam, n->parameters, n->gradient, n->first,
                            n->second, NULL, recurrent_all_rows);
}

#endif
