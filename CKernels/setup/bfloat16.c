// Kernel order in bfloat16: a vector of 16 lanes and the one behind it share words, the first one
// in the upper halves: gates i and f, g and o, or, where there is one gate, a panel and the next.
// Biases stay floats.
#include "../include/recurrent/recurrent.h"

static const uint32_t upper_half = 0xffff0000;

static uint32_t bits_of(const float *at) {
    uint32_t bits;
    __builtin_memcpy(&bits, at, sizeof bits);
    return bits;
}

static void set_bits(float *at, uint32_t bits) { __builtin_memcpy(at, &bits, sizeof bits); }

/// The nearest bfloat16 of a float, ties to even, as the bits of a float. A NaN stays one.
static uint32_t rounded(uint32_t bits) {
    const uint32_t infinity = 0x7f800000, quiet_bit = 0x00400000, sign = 0x80000000;
    if ((bits & ~sign) > infinity) return (bits | quiet_bit) & upper_half;
    return (bits + 0x7fff + (bits >> 16 & 1)) & upper_half;
}

/// A matrix in kernel order.
typedef struct matrix {
    size_t panels, columns, gates;
    size_t vectors;  ///< of a column that are side by side in bfloat16
} matrix;

/// Where a vector of the panels from `first` on lies in kernel order.
static size_t vector_at(matrix of, size_t first, size_t column, size_t vector) {
    const size_t panel = first + vector / of.gates;
    return ((panel * of.columns + column) * of.gates + vector % of.gates) * RECURRENT_PANEL;
}

static int has_vector(matrix of, size_t first, size_t vector) {
    return first + vector / of.gates < of.panels;
}

static void pack(matrix of, const float *w, float *words) {
    for (size_t first = 0; first < of.panels; first += of.vectors / of.gates) {
        for (size_t vector = 0; vector < of.vectors; ++vector)
            for (size_t lane = 0; lane < RECURRENT_PANEL; ++lane)
                *words++ =
                    has_vector(of, first, vector) ? w[vector_at(of, first, 0, vector) + lane] : 0;
        for (size_t column = 1; column < of.columns; ++column)
            for (size_t vector = 0; vector < of.vectors; vector += 2)
                for (size_t lane = 0; lane < RECURRENT_PANEL; ++lane) {
                    const float *upper = w + vector_at(of, first, column, vector) + lane;
                    uint32_t word = rounded(bits_of(upper));
                    if (has_vector(of, first, vector + 1))
                        word |=
                            rounded(bits_of(w + vector_at(of, first, column, vector + 1) + lane))
                            >> 16;
                    set_bits(words++, word);
                }
    }
}

static void unpack(matrix of, const float *words, float *w) {
    for (size_t first = 0; first < of.panels; first += of.vectors / of.gates) {
        for (size_t vector = 0; vector < of.vectors; ++vector)
            for (size_t lane = 0; lane < RECURRENT_PANEL; ++lane, ++words)
                if (has_vector(of, first, vector))
                    w[vector_at(of, first, 0, vector) + lane] = *words;
        for (size_t column = 1; column < of.columns; ++column)
            for (size_t vector = 0; vector < of.vectors; vector += 2)
                for (size_t lane = 0; lane < RECURRENT_PANEL; ++lane, ++words) {
                    const uint32_t word = bits_of(words);
                    set_bits(w + vector_at(of, first, column, vector) + lane, word & upper_half);
                    if (has_vector(of, first, vector + 1))
                        set_bits(w + vector_at(of, first, column, vector + 1) + lane, word << 16);
                }
    }
}

/// One gate: two panels side by side.
static matrix product(recurrent_product_shape shape) {
    return (matrix){recurrent_panels(shape.outputs), 1 + shape.inputs, 1, 2};
}

static matrix lstm(recurrent_cell_shape shape) {
    return (matrix){recurrent_panels(shape.hidden), 1 + shape.input + shape.hidden, 4, 4};
}

void recurrent_product_bfloat16_pack(recurrent_product_shape shape, const float *w, float *words) {
    pack(product(shape), w, words);
}

void recurrent_product_bfloat16_unpack(recurrent_product_shape shape, const float *words,
                                       float *w) {
    unpack(product(shape), words, w);
}

void recurrent_cell_bfloat16_pack(recurrent_cell_shape shape, const float *w, float *words) {
    pack(lstm(shape), w, words);
}

void recurrent_cell_bfloat16_unpack(recurrent_cell_shape shape, const float *words, float *w) {
    unpack(lstm(shape), words, w);
}
