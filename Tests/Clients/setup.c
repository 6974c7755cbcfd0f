// What is done once, before the first call: every element of packed weights lies where kernel
// order's equation says and comes back, and every range of a shape is what the checks say. Compiled
// together with checks.c and LARGEST_BUFFER = INT32_MAX, it looks at the sizes that 32 bits count.
#include <math.h>
#include <recurrent/recurrent.h>

#include "ranges.h"
#include "weights_file.h"

enum { most = 1 << 17 };
static const size_t sizes[] = {1, 15, 16, 17, 31, 33, 64}, inputs[] = {1, 5, 17};
enum {
    size_count = sizeof sizes / sizeof sizes[0],
    input_count = sizeof inputs / sizeof inputs[0]
};

/// Matrices as the field has them, in distinct values of 17 bits, and what came back of them.
static float ih[most], hh[most], bias[2][most], extra[most];
static float back_ih[most], back_hh[most], back_bias[2][most], back_extra[most];
static float w[most], again[most], words[most];

static void fill(float *floats, size_t first) {
    for (size_t n = 0; n < most; ++n) floats[n] = (float)((first + n) % 99991 + 1) / 64 - 700;
}

/// `w` is read after this: an element that is not written is seen.
static void clear(void) {
    for (size_t n = 0; n < most; ++n) {
        w[n] = words[n] = again[n] = NAN;
        back_ih[n] = back_hh[n] = back_bias[0][n] = back_bias[1][n] = back_extra[n] = NAN;
    }
}

static void equal(const float *found, const float *expected, size_t count, const char *name) {
    for (size_t n = 0; n < count; ++n) require(found[n] == expected[n], name);
}

/// A part of kernel order: row-major [gates N][columns], or null for zeros.
typedef struct part {
    const float *field;
    size_t columns;
} part;

/// Whether w[p][column][g][l] is the parts' element of row g N + 16 p + l, and zero past the last
/// unit.
static size_t check_order(const float *packed, size_t units, size_t gates, const part *parts,
                          size_t part_count, const char *name) {
    const float *at = packed;
    for (size_t p = 0; p < recurrent_panels(units); ++p)
        for (size_t n = 0; n < part_count; ++n)
            for (size_t k = 0; k < parts[n].columns; ++k)
                for (size_t g = 0; g < gates; ++g)
                    for (size_t l = 0; l < RECURRENT_PANEL; ++l, ++at) {
                        const size_t unit = 16 * p + l;
                        const float expected =
                            unit < units && parts[n].field
                                ? parts[n].field[(g * units + unit) * parts[n].columns + k]
                                : 0;
                        require(*at == expected, name);
                    }
    return (size_t)(at - packed);
}

/// The sum of the two biases, of `rows` rows.
static const float *sum_of_biases(size_t rows) {
    static float sum[most];
    for (size_t n = 0; n < rows; ++n) sum[n] = bias[0][n] + bias[1][n];
    return sum;
}

static void check_lstm(size_t units, size_t input, size_t projection, uint32_t peepholes) {
    static float ifgo[most];
    const recurrent_cell_shape shape = {.input = input,
                                        .hidden = units,
                                        .lstm = {.projection = projection, .peepholes = peepholes}};
    const size_t outputs = recurrent_cell_outputs(shape);
    const float *sum = sum_of_biases(4 * units);
    clear();
    recurrent_cell_pack(shape, ih, hh, bias[0], bias[1], extra, extra + 3 * units, w);
    memcpy(ifgo, extra, 2 * units * sizeof(float));
    memset(ifgo + 2 * units, 0, units * sizeof(float));
    memcpy(ifgo + 3 * units, extra + 2 * units, units * sizeof(float));
    const part parts[] = {{sum, 1}, {ih, input}, {ifgo, peepholes}, {hh, outputs}};
    size_t count = check_order(w, units, 4, parts, 4, "lstm");
    const part projected = {extra + 3 * units, units};
    if (projection) count += check_order(w + count, projection, 1, &projected, 1, "projection");
    require(count == recurrent_cell_weights_floats(shape), "lstm: size");

    recurrent_cell_unpack(shape, w, back_ih, back_hh, back_bias[0], back_bias[1], back_extra,
                          back_extra + 3 * units);
    equal(back_ih, ih, 4 * units * input, "lstm: weight_ih");
    equal(back_hh, hh, 4 * units * outputs, "lstm: weight_hh");
    equal(back_bias[0], sum, 4 * units, "lstm: bias_ih");
    for (size_t n = 0; n < 4 * units; ++n) require(back_bias[1][n] == 0, "lstm: bias_hh");
    if (peepholes) equal(back_extra, extra, 3 * units, "lstm: peepholes");
    equal(back_extra + 3 * units, extra + 3 * units, projection * units, "lstm: weight_hr");
}

static void check_rnn(size_t units, size_t input) {
    const recurrent_cell_shape shape = {
        .cell = recurrent_cell_rnn, .input = input, .hidden = units};
    const float *sum = sum_of_biases(units);
    const part parts[] = {{sum, 1}, {ih, input}, {hh, units}};
    clear();
    recurrent_cell_pack(shape, ih, hh, bias[0], bias[1], NULL, NULL, w);
    require(check_order(w, units, 1, parts, 3, "rnn") == recurrent_cell_weights_floats(shape),
            "rnn: size");
    recurrent_cell_unpack(shape, w, back_ih, back_hh, back_bias[0], back_bias[1], NULL, NULL);
    equal(back_ih, ih, units * input, "rnn: weight_ih");
    equal(back_hh, hh, units * units, "rnn: weight_hh");
    equal(back_bias[0], sum, units, "rnn: bias_ih");
    for (size_t n = 0; n < units; ++n) require(back_bias[1][n] == 0, "rnn: bias_hh");
}

static void check_gru(size_t units, size_t input, uint32_t reset_before) {
    static float first[most], second[most];
    const recurrent_cell_shape shape = {
        .cell = recurrent_cell_gru, .input = input, .hidden = units, .gru = {reset_before, 0}};
    const size_t own = recurrent_cell_inner_rows(shape), shared = (3 - own) * units;
    memset(second, 0, sizeof second);
    memcpy(first, sum_of_biases(3 * units), 3 * units * sizeof(float));
    memcpy(first + shared, bias[0] + shared, own * units * sizeof(float));
    memcpy(second + shared, bias[1] + shared, own * units * sizeof(float));
    const part parts[] = {{first, 1}, {ih, input}, {second, own}, {hh, units}};
    clear();
    recurrent_cell_pack(shape, ih, hh, bias[0], bias[1], NULL, NULL, w);
    require(check_order(w, units, 3, parts, 4, "gru") == recurrent_cell_weights_floats(shape),
            "gru: size");
    recurrent_cell_unpack(shape, w, back_ih, back_hh, back_bias[0], back_bias[1], NULL, NULL);
    equal(back_ih, ih, 3 * units * input, "gru: weight_ih");
    equal(back_hh, hh, 3 * units * units, "gru: weight_hh");
    equal(back_bias[0], first, 3 * units, "gru: bias_ih");
    equal(back_bias[1], second, 3 * units, "gru: bias_hh");
}

/// The nearest bfloat16, by its definition: 8 significant bits, ties to even.
static float nearest_bfloat16(float x) {
    int exponent;
    const double fraction = frexp((double)x, &exponent);
    return (float)ldexp(nearbyint(ldexp(fraction, 8)), exponent - 8);
}

/// The biases as they are, other columns rounded.
static void check_rounded(size_t vectors_of_a_row, size_t columns, size_t count, const char *name) {
    for (size_t n = 0; n < count; ++n)
        require(again[n]
                    == (n / RECURRENT_PANEL / vectors_of_a_row % columns == 0
                            ? w[n]
                            : nearest_bfloat16(w[n])),
                name);
}

/// The upper or the lower half of a word, as a float.
static float half(const float *word, int upper) {
    uint32_t bits;
    float value;
    memcpy(&bits, word, sizeof bits);
    bits = upper ? bits & 0xffff0000 : bits << 16;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static void check_product(size_t units, size_t input, size_t groups) {
    const recurrent_product_shape shape = {.inputs = input, .outputs = units, .groups = groups};
    const part parts[] = {{bias[0], 1}, {ih, input}}, unbiased[] = {{NULL, 1}, {ih, input}};
    const size_t count = recurrent_product_weights_floats(shape), row = (1 + input) * 16;
    clear();
    recurrent_product_pack(shape, ih, NULL, w);
    check_order(w, units, groups, unbiased, 2, "product without bias");
    clear();
    recurrent_product_pack(shape, ih, bias[0], w);
    require(check_order(w, units, groups, parts, 2, "product") == count, "product: size");
    recurrent_product_unpack(shape, w, back_ih, back_bias[0]);
    equal(back_ih, ih, groups * units * input, "product: weight");
    equal(back_bias[0], bias[0], groups * units, "product: bias");
    if (groups != 1) return;

    recurrent_product_bfloat16_pack(shape, w, words);
    for (size_t p = 0; p < recurrent_panels(units); ++p) {
        const float *pair = words + p / 2 * (2 + input) * 16;
        for (size_t l = 0; l < 16; ++l) {
            require(pair[p % 2 * 16 + l] == w[p * row + l], "product: bfloat16 bias");
            for (size_t k = 0; k < input; ++k)
                require(half(pair + (2 + k) * 16 + l, p % 2 == 0)
                            == nearest_bfloat16(w[p * row + (1 + k) * 16 + l]),
                        "product: bfloat16 weight");
        }
    }
    recurrent_product_bfloat16_unpack(shape, words, again);
    check_rounded(1, 1 + input, count, "product: bfloat16 and back");
}

static void check_lstm_bfloat16(size_t units, size_t input) {
    const recurrent_cell_shape shape = {.input = input, .hidden = units};
    const size_t columns = 1 + input + units;
    clear();
    recurrent_cell_pack(shape, ih, hh, bias[0], NULL, NULL, NULL, w);
    recurrent_cell_bfloat16_pack(shape, w, words);
    const float *word = words;
    for (size_t p = 0; p < recurrent_panels(units); ++p) {
        const float *panel = w + p * columns * 64;
        for (size_t l = 0; l < 64; ++l) require(*word++ == panel[l], "lstm: bfloat16 bias");
        for (size_t k = 1; k < columns; ++k)
            for (size_t pair = 0; pair < 2; ++pair)
                for (size_t l = 0; l < 16; ++l, ++word)
                    for (size_t lower = 0; lower < 2; ++lower)
                        require(
                            half(word, !lower)
                                == nearest_bfloat16(panel[k * 64 + (2 * pair + lower) * 16 + l]),
                            "lstm: bfloat16 weight");
    }
    require((size_t)(word - words) == recurrent_cell_bfloat16_floats(shape), "lstm: bfloat16 size");
    recurrent_cell_bfloat16_unpack(shape, words, again);
    check_rounded(4, columns, recurrent_cell_weights_floats(shape), "lstm: bfloat16 and back");
}

/// What is not finite stays so: a NaN whose upper half alone would be an infinity, too.
static void check_special_bfloat16(void) {
    const uint32_t bits[] = {0x7f800001, 0xff800001, 0x7f800000, 0xff800000, 0x7f7fffff};
    const recurrent_product_shape shape = {.inputs = 1, .outputs = 5, .groups = 1};
    memcpy(ih, bits, sizeof bits);
    recurrent_product_pack(shape, ih, NULL, w);
    recurrent_product_bfloat16_pack(shape, w, words);
    for (size_t n = 0; n < 5; ++n) {
        const float found = half(words + 32 + n, 1);
        require(n < 2 ? isnan(found) : isinf(found) && signbit(found) == signbit(ih[n]),
                "bfloat16: what is not finite");
    }
}

static void check_convolution(size_t units, size_t input) {
    enum { taps = 6 };
    recurrent_convolution_shape shape = {.inputs = input, .outputs = units};
    shape.rows.taps = 2;
    shape.columns.taps = 3;
    clear();
    recurrent_convolution_pack(shape, ih, bias[0], w);
    // Channels change fastest: the field's taps do.
    for (size_t n = 0; n < units; ++n)
        for (size_t c = 0; c < input; ++c)
            for (size_t tap = 0; tap < taps; ++tap)
                back_ih[(n * taps + tap) * input + c] = ih[(n * input + c) * taps + tap];
    const part parts[] = {{bias[0], 1}, {back_ih, taps * input}};
    require(check_order(w, units, 1, parts, 2, "convolution")
                == recurrent_convolution_weights_floats(shape),
            "convolution: size");
    recurrent_convolution_unpack(shape, w, back_ih, back_bias[0]);
    equal(back_ih, ih, units * input * taps, "convolution: weight");
    equal(back_bias[0], bias[0], units, "convolution: bias");

    const recurrent_rows_shape rows = {taps, units};
    clear();
    recurrent_rows_pack(rows, ih, w);
    for (size_t n = 0; n < recurrent_rows_floats(rows); ++n) {
        const size_t unit = n % recurrent_padded(units);
        require(w[n] == (unit < units ? ih[n / recurrent_padded(units) * units + unit] : 0),
                "rows");
    }
    recurrent_rows_unpack(rows, w, back_ih);
    equal(back_ih, ih, taps * units, "rows and back");
}

static void check_orders(void) {
    fill(ih, 0);
    fill(hh, 20011);
    fill(bias[0], 40009);
    fill(bias[1], 60013);
    fill(extra, 80021);
    for (int n = 0; n < size_count; ++n)
        for (int k = 0; k < input_count; ++k) {
            check_lstm(sizes[n], inputs[k], 0, 0);
            check_lstm(sizes[n], inputs[k], 0, 1);
            check_lstm(sizes[n], inputs[k], 17, 0);
            check_lstm(sizes[n], inputs[k], 33, 1);
            check_lstm_bfloat16(sizes[n], inputs[k]);
            check_rnn(sizes[n], inputs[k]);
            check_gru(sizes[n], inputs[k], 0);
            check_gru(sizes[n], inputs[k], 1);
            check_product(sizes[n], inputs[k], 1);
            check_product(sizes[n], inputs[k], 3);
            check_product(sizes[n], inputs[k], 4);
            check_convolution(sizes[n], inputs[k]);
        }
    check_special_bfloat16();
}

int main(void) {
    check_orders();
#if defined(LARGEST_BUFFER)
    check_small_ranges();
#else
    check_ranges();
#endif
    return 0;
}
