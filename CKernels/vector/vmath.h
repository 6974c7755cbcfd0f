// exp, log, tanh and sigmoid: our own polynomials, so that every instruction set gives the same
// bits. Only operations that IEEE 754 rounds exactly are used, so the same holds in debug and
// release builds and under valgrind.
//
// Largest errors, over all floats (VMathTests.swift measures them), in units in the last place
// (ULP) of the true value:
//
//   exp 0.90    log 0.96    tanh 1.15    sigmoid 1.95
//
// exp, tanh and sigmoid share one reduction: e^a = 2^k e^(2r), k = round(a log2 e), r = (a - k ln
// 2) / 2, and, with X and Y cubic polynomials in r that the processor evaluates side by side,
//
//   (e^(2r) - 1) / 2 = r + X Y,   X = r + r² (x0 + x1 r),   Y = r + r² (y0 + y1 r)
//
// tanh and sigmoid are monotone because every step is: r + X Y is rounded once and X Y is small
// beside r; the divisor is that times a power of two plus a constant, rounded once; and the
// quotient depends on the divisor alone.

// X Y / r² is the polynomial of degree 4 with constant term 1 that minimizes the relative error of
// e^(2r) over |r| ≤ ln 2 / 4 (linear program on 1,500 Chebyshev nodes), split into its two real
// quadratic factors; the four coefficients were then searched among the neighbouring floats.
// Largest relative error of e^(2r): 0.061 · 2^-24.
#define EXP_X0 -0x1.cf32fap-4f
#define EXP_X1 0x1.a07062p-3f
#define EXP_Y0 0x1.8f3b02p-1f
#define EXP_Y1 0x1.bed37ep-3f

// The floats next to log2 e and ln 2 / 2, and what the latter leaves. k HALF_LN2 - a/2 is exact for
// every k used here.
#define LOG2_E 0x1.715476p+0f
#define HALF_LN2 0x1.62e43p-2f
#define HALF_LN2_REST -0x1.05c61p-30f

// Added to a number below 2^22, this leaves the nearest integer in the low bits of the sum.
#define TO_INTEGER 0x1.8p+23f

// The layout of a float.
#define EXPONENT_SHIFT 23
#define SIGN_BIT 0x80000000u
/// The bits of 2^n.
#define POWER_OF_TWO(n) ((uint32_t)(127 + (n)) << EXPONENT_SHIFT)
#define SMALLEST_NORMAL 0x1p-126f

/// a - x², rounded once. Not as a fused product with its sign changed, whose zero is -0 under
/// valgrind (3.19).
INLINE lanes lanes_less_square(lanes a, lanes x) { return lanes_splat(0) - lanes_fma(x, x, -a); }

/// X and Y. `start` is r with the last correction, `near` may be without it: the correction is so
/// small (below 2^-21 for
/// |k| ≤ 150) that the higher terms need not wait for it.
typedef struct {
    lanes x, y;
} exp_factors;

INLINE exp_factors exp_factors_of(lanes near, lanes start) {
    const lanes square = near * near;
    return (exp_factors){
        .x = lanes_fma(square, lanes_fma(lanes_splat(EXP_X1), near, lanes_splat(EXP_X0)), start),
        .y = lanes_fma(square, lanes_fma(lanes_splat(EXP_Y1), near, lanes_splat(EXP_Y0)), start),
    };
}

/// e^a = 2^k (1 + 2 half)
typedef struct {
    lanes k;
    lanes_bits exponent;  ///< k as it is added to the exponent of a float
    lanes near, rest;     ///< r = near + rest, before that sum is rounded
    lanes half;           ///< (e^(2r) - 1) / 2, the shortest way
} exp_parts;

// Where `a` is exact; -0, because x + 0 is not x where x is -0.
#define EXP_NO_REST lanes_splat(-0.0f)

/// The parts of e^(sign a + 2 half_rest); `sign` is 1 or -1. They mean nothing where |a| > 128, but
/// NaN stays NaN in `half`.
INLINE exp_parts exp_parts_of(const float sign, lanes a, lanes half_rest) {
    const lanes rounded = lanes_fma(a, lanes_splat(sign * LOG2_E), lanes_splat(TO_INTEGER));
    const lanes k = rounded - lanes_splat(TO_INTEGER);
    const lanes near = lanes_fma(k, lanes_splat(-HALF_LN2), a * lanes_splat(sign / 2));
    const lanes rest = k * lanes_splat(-HALF_LN2_REST) + half_rest, start = near + rest;
    const exp_factors factors = exp_factors_of(near, start);
    return (exp_parts){.k = k,
                       .exponent = lanes_to_bits(rounded) << EXPONENT_SHIFT,
                       .near = near,
                       .rest = rest,
                       .half = lanes_fma(factors.x, factors.y, start)};
}
INLINE exp_parts exp_parts_of(const float sign, lanes a) {
    return exp_parts_of(sign, a, EXP_NO_REST);
}

// e^x is 0 below the one and infinite above the other.
#define EXP_LEAST -104.0f
#define EXP_MOST 89.0f

/// e^x
INLINE lanes lanes_exp(lanes x) {
    const exp_parts parts =
        exp_parts_of(1, lanes_max(lanes_min(x, lanes_splat(EXP_MOST)), lanes_splat(EXP_LEAST)));
    // A longer way to `half`, which adds the unrounded r and has the correction in every term: 0.90
    // ULP instead of 1.13.
    const lanes r = parts.near + parts.rest;
    const exp_factors factors = exp_factors_of(r, r);
    const lanes half = parts.near + lanes_fma(factors.x, factors.y, parts.rest);
    // 2^k in two factors, because k goes from -150 to 128; the second one rounds results below the
    // smallest normal float.
    const lanes_bits first = (lanes_bits)((lanes_int)parts.exponent >> (EXPONENT_SHIFT + 1))
                             << EXPONENT_SHIFT;
    const lanes power = lanes_fma(lanes_from_bits(first + POWER_OF_TWO(1)), half,
                                  lanes_from_bits(first + POWER_OF_TWO(0)));
    return power * lanes_from_bits(parts.exponent - first + POWER_OF_TWO(0));
}

// e^x - 1 is x between the one and 0, and -1 below the other.
#define EXPM1_SMALL -0x1p-25f
#define EXPM1_LEAST -30.0f

/// e^x - 1 for x ≤ 0; above, it is 0.
INLINE lanes lanes_expm1(lanes x) {
    const exp_parts parts =
        exp_parts_of(1, lanes_max(lanes_min(x, lanes_splat(0)), lanes_splat(EXPM1_LEAST)));
    const lanes power = lanes_from_bits(parts.exponent + POWER_OF_TWO(0)),
                twice = lanes_from_bits(parts.exponent + POWER_OF_TWO(1));
    return lanes_select(x > lanes_splat(EXPM1_SMALL), lanes_min(x, lanes_splat(0)),
                        lanes_fma(twice, parts.half, power - lanes_splat(1)));
}

// σ is exactly 1 above the one and exactly 0 below the other; in between, a common factor 2^-64
// keeps all powers of two within the range of normal floats.
#define SIGMOID_MOST 40.0f
#define SIGMOID_LEAST -104.0f
#define SIGMOID_SCALE -64
#define SIGMOID_ONE 0x1p-64f
// Where k is 24, 2^k + 1 falls between two floats and loses its 1; the numerator makes up for it.
#define SIGMOID_TIE 24
#define SIGMOID_TIE_ONE 0x1.fffffep-65f

/// factor / (1 + e^-(x + rest)), half_rest being -rest/2; it means nothing where x is outside of
/// -128 ... 40.
INLINE lanes sigmoid_multiple(lanes factor, lanes x, lanes half_rest) {
    const exp_parts parts = exp_parts_of(-1, x, half_rest);
    const lanes power = lanes_from_bits(parts.exponent + POWER_OF_TWO(SIGMOID_SCALE));
    const lanes twice = lanes_from_bits(parts.exponent + POWER_OF_TWO(SIGMOID_SCALE + 1));
    const lanes one = lanes_select(parts.k == lanes_splat(SIGMOID_TIE),
                                   lanes_splat(SIGMOID_TIE_ONE), lanes_splat(SIGMOID_ONE));
    return factor * one / lanes_fma(twice, parts.half, power + lanes_splat(SIGMOID_ONE));
}

/// 1 / (1 + e^-x)
INLINE lanes lanes_sigmoid(lanes x) {
    const lanes between = sigmoid_multiple(lanes_splat(1), x, EXP_NO_REST);
    // Limits are selected at the end: to clamp x first would make every lane wait longer.
    return lanes_select(x > lanes_splat(SIGMOID_MOST), lanes_splat(1),
                        lanes_select(x < lanes_splat(SIGMOID_LEAST), lanes_splat(0), between));
}

// tanh x = x + x³ (t0 + t1 x² + t2 x⁴ + t3 x⁶) below TANH_SMALL: minimax of the relative error, by
// the same linear program, coefficients rounded to floats one after the other; largest error 0.25 ·
// 2^-24.
#define TANH_SMALL 0.5f
#define TANH_0 -0x1.5554d6p-2f
#define TANH_1 0x1.10e9fp-3f
#define TANH_2 -0x1.b28af4p-5f
#define TANH_3 0x1.1a74dap-6f
// tanh rounds to the float before 1 from TANH_LEVEL on, and to 1 from 13 ln 2 on (the first float
// above it).
#define TANH_LEVEL 8.6640625f
#define TANH_BEFORE_ONE 0x1.fffffep-1f
#define TANH_ONE 0x1.205968p+3f

/// (e^2x - 1) / (e^2x + 1): between TANH_SMALL and TANH_LEVEL as (D - w) / D, D = (e^2x + 1) w / 2,
/// w = 2^-k, where D - w is exact.
INLINE lanes lanes_tanh(lanes x) {
    const lanes magnitude = lanes_abs(x);
    const lanes_bits sign = lanes_to_bits(x) & SIGN_BIT;
    const lanes rounded = lanes_fma(magnitude, lanes_splat(2 * LOG2_E), lanes_splat(TO_INTEGER));
    const lanes r = lanes_fma(rounded - lanes_splat(TO_INTEGER), lanes_splat(-HALF_LN2), magnitude);
    const lanes_bits exponent = lanes_to_bits(rounded) << EXPONENT_SHIFT;
    const lanes w = lanes_from_bits(POWER_OF_TWO(0) - exponent),
                half_w = lanes_from_bits(POWER_OF_TWO(-1) - exponent);
    const exp_factors factors = exp_factors_of(r, r);
    const lanes divisor = lanes_fma(factors.x, factors.y, (half_w + lanes_splat(0.5f)) + r);

    const lanes square = magnitude * magnitude;
    lanes series = lanes_fma(lanes_splat(TANH_3), square, lanes_splat(TANH_2));
    series = lanes_fma(series, square, lanes_splat(TANH_1));
    series = lanes_fma(series, square, lanes_splat(TANH_0));
    const lanes small = lanes_fma(series, magnitude * square, magnitude);
    const lanes limit = lanes_select(magnitude < lanes_splat(TANH_ONE),
                                     lanes_splat(TANH_BEFORE_ONE), lanes_splat(1));
    const lanes_int is_large = magnitude >= lanes_splat(TANH_LEVEL);
    const lanes ends = lanes_from_bits(lanes_to_bits(lanes_select(is_large, limit, small)) | sign);

    const lanes between = (divisor - w) / lanes_from_bits(lanes_to_bits(divisor) | sign);
    return lanes_select((magnitude < lanes_splat(TANH_SMALL)) | is_large, ends, between);
}

// log(1 + f) = f + f² (l0 + l1 f + … + l8 f⁸) for √½ ≤ 1 + f ≤ √2, l0 = -1/2 given, the others
// minimax of the relative error as above; largest error 0.10 · 2^-24.
#define LOG_0 -0.5f
#define LOG_1 0x1.555554p-2f
#define LOG_2 -0x1.000226p-2f
#define LOG_3 0x1.99a01ap-3f
#define LOG_4 -0x1.547282p-3f
#define LOG_5 0x1.22d954p-3f
#define LOG_6 -0x1.0d82e2p-3f
#define LOG_7 0x1.055e4ap-3f
#define LOG_8 -0x1.38c522p-4f
// ln 2 in two parts; the first has so few bits that its multiples by an exponent are exact.
#define LN2 0x1.63p-1f
#define LN2_REST -0x1.bd0106p-13f
/// The bits of √½.
#define ROOT_HALF 0x3f3504f3u
// Subnormal numbers are made normal first.
#define SUBNORMAL_SCALE 24
#define SUBNORMAL_POWER 0x1p+24f

/// ln x; -∞ at ±0, NaN below.
INLINE lanes lanes_log(lanes x) {
    const lanes_int subnormal = x < lanes_splat(SMALLEST_NORMAL);
    const lanes scaled = lanes_select(subnormal, x * lanes_splat(SUBNORMAL_POWER), x);
    // x = 2^k (1 + f)
    const lanes_bits above = lanes_to_bits(scaled) - ROOT_HALF;
    const lanes k = __builtin_convertvector((lanes_int)above >> EXPONENT_SHIFT, lanes)
                    - lanes_select(subnormal, lanes_splat(SUBNORMAL_SCALE), lanes_splat(0));
    const lanes f =
        lanes_from_bits((above & ((1u << EXPONENT_SHIFT) - 1)) + ROOT_HALF) - lanes_splat(1);

    const lanes f2 = f * f, f4 = f2 * f2;
    const lanes high = lanes_fma(
        f2, lanes_fma(f2, lanes_splat(LOG_8), lanes_fma(lanes_splat(LOG_7), f, lanes_splat(LOG_6))),
        lanes_fma(lanes_splat(LOG_5), f, lanes_splat(LOG_4)));
    const lanes low = lanes_fma(f2, lanes_fma(lanes_splat(LOG_3), f, lanes_splat(LOG_2)),
                                lanes_fma(lanes_splat(LOG_1), f, lanes_splat(LOG_0)));
    const lanes series = lanes_fma(f4, high, low);
    // k ln 2 + f with what its rounding loses: Dekker 1971, as |k ln 2| > |f| unless k = 0.
    const lanes multiple = k * lanes_splat(LN2), sum = multiple + f, lost = f - (sum - multiple);
    const lanes log = sum + lanes_fma(f2, series, lanes_fma(k, lanes_splat(LN2_REST), lost));

    const lanes finite = lanes_select(x < lanes_splat(__builtin_inff()), log, x);
    const lanes outside = lanes_select(x == lanes_splat(0), lanes_splat(-__builtin_inff()),
                                       lanes_splat(__builtin_nanf("")));
    return lanes_select(x > lanes_splat(0), finite, outside);
}

/// ln(1 + x), x in 0 ... 1.
INLINE lanes lanes_log_one_plus(lanes x) {
    const lanes one = lanes_splat(1), sum = one + x, lost = x - (sum - one);
    // What the sum has lost to rounding is most of a small logarithm, and a small part of a large
    // one.
    return lanes_fma(lost, one / sum, lanes_log(sum));
}
