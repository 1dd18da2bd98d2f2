/* Correctly rounded exp, log, sin, cos and pow (SPEC, sections 2 and 15).
 *
 * Each is computed in fixed point, and both ends of its error interval are rounded. If they agree, that is the answer. If
 * not, more limbs are taken (Ziv, 1991): two decide all but one call in millions, four every argument that anybody has
 * found. Every reduction leaves an argument r >= 0, so no product has a sign.
 */
#pragma once
#include <float.h>
#include <math.h>

#include "memory.h"

#if defined __FAST_MATH__ || FLT_EVAL_METHOD != 0 || DBL_MANT_DIG != 53
#error "microgpt needs IEEE doubles, rounded after every operation: no -ffast-math, no x87"
#endif

enum {
    MOST = 6,   /* limbs */
    POINT = 16, /* bits before the binary point */
    STEPS = 256, TERMS = 96, /* of the tables */
    SLACK = 28, POW_SLACK = 42 /* last bits that may be wrong; fewer are: the worst is k * STEP in exponential_of, 2^18 units */
};

typedef __int128 Wide;
typedef unsigned __int128 UWide;
typedef struct { uint64_t limb[MOST]; } Fixed; /* two's complement, the first n limbs of it, the most significant first */

static const Fixed ZERO, ONE = {{0x0001000000000000}}, HALF = {{0x0000800000000000}},
    STEP /* ln 2 / STEPS */ = {{0x000000b17217f7d1, 0xcf79abc9e3b39803, 0xf2f6af40f3432672,
                                0x98b62d8a0d175b8b, 0xaafa2be7b876206d, 0xebac98559552fb4a}},
    HALF_PI = {{0x0001921fb54442d1, 0x8469898cc51701b8, 0x39a252049c1114cf,
                0x98e804177d4c7627, 0x3644a29410f31c68, 0x09bbdf2a33679a74}};

static Fixed inverse_factorial[TERMS], power_of_two[STEPS]; /* 1/i!, 2^(i/STEPS) */

/* a + factor * b */
static inline Fixed sum_of(Fixed a, int64_t factor, Fixed b, int n) {
    Wide carry = 0;
    for (int i = n - 1; i >= 0; i--, carry >>= 64) a.limb[i] = (uint64_t)(carry += a.limb[i] + (Wide)b.limb[i] * factor);
    return a;
}

/* a * b for a, b >= 0, cut off. */
static inline Fixed product_of(Fixed a, Fixed b, int n) {
    uint64_t full[2 * MOST] = {0};
    for (int i = n - 1; i >= 0; i--) {
        UWide carry = 0;
        for (int j = n - 1; j >= 0; j--, carry >>= 64)
            full[i + j + 1] = (uint64_t)(carry += (UWide)a.limb[i] * b.limb[j] + full[i + j + 1]);
        full[i] = (uint64_t)carry;
    }
    for (int i = 0; i < n; i++) a.limb[i] = full[i] << POINT | full[i + 1] >> (64 - POINT);
    return a;
}

static inline Fixed fixed(double x, int n) {
    Fixed a = ZERO;
    double rest = fabs(x) * 0x1p48;
    for (int i = 0; i < n; i++, rest *= 0x1p64) rest -= (double)(a.limb[i] = (uint64_t)rest);
    return x < 0.0 ? sum_of(ZERO, -1, a, n) : a;
}

static inline bool is_negative(Fixed a) { return a.limb[0] >> 63; }

/* a * 2^exponent for a >= 0, rounded once; a subnormal at its own last bit. */
static inline double nearest(Fixed a, int exponent, int n) {
    int i = 0;
    while (i < n && a.limb[i] == 0) i++;
    if (i == n) return 0.0;
    int zeros = __builtin_clzll(a.limb[i]), last = exponent + POINT - 127 - 64 * i - zeros;
    int drop = last + 74 < -1074 ? -1074 - last : 74;
    UWide bits = ((UWide)a.limb[i] << 64 | (i + 1 < n ? a.limb[i + 1] : 0)) << zeros;
    bits = bits >> 1 | (bits & 1);
    for (int k = i + 2; k < n; k++) bits |= a.limb[k] != 0; /* what is cut off sticks to the last bit */
    if (drop > 127) return 0.0;
    bits = (bits + (((UWide)1 << (drop - 1)) - 1) + (bits >> drop & 1)) >> drop;
    return ldexp((double)(uint64_t)bits, last + drop);
}

/* Whether all numbers within 2^slack units of a * 2^exponent round to the same double, which becomes *result. What even
 * MOST limbs do not tell from a double, or from halfway between two, is one. That happens to powers of short numbers.
 */
static inline bool decides(Fixed a, int exponent, int slack, int n, double *result) {
    Fixed unit = ZERO, size = is_negative(a) ? sum_of(ZERO, -1, a, n) : a;
    unit.limb[n - 1] = 1;
    Fixed above = sum_of(size, (int64_t)1 << slack, unit, n), below = sum_of(size, -((int64_t)1 << slack), unit, n);
    bool decided = nearest(above, exponent, n) == nearest(below, exponent, n);
    if (!decided) above.limb[MOST - 1] = above.limb[MOST - 2] = 0;
    *result = copysign(nearest(above, exponent, n), is_negative(a) ? -1.0 : 1.0);
    return decided;
}

/* 1/first! + x/(first + step)! + x^2/(first + 2 step)! + ..., added, or added and subtracted in turn. */
static inline Fixed series(Fixed x, int first, int step, int terms, int sign, int n) {
    int i = first + step * (terms - 1);
    Fixed result = inverse_factorial[i];
    while ((i -= step) >= first) result = sum_of(inverse_factorial[i], sign, product_of(result, x, n), n);
    return result;
}

static void make_tables(void) {
    inverse_factorial[0] = ONE;
    for (unsigned i = 1; i < TERMS; i++) {
        UWide rest = 0;
        for (int k = 0; k < MOST; k++, rest %= i)
            inverse_factorial[i].limb[k] = (uint64_t)((rest = rest << 64 | inverse_factorial[i - 1].limb[k]) / i);
    }
    for (int i = 0; i < STEPS; i++) power_of_two[i] = series(sum_of(ZERO, i, STEP, MOST), 0, 1, TERMS, 1, MOST);
}

/* e^p, from 1 to 2, times 2^(*exponent). p = k * STEP + r with 0 <= r < 1.00001 * STEP. */
static inline Fixed exponential_of(Fixed p, int n, int *exponent) {
    double estimate = (double)(int64_t)p.limb[0] * 0x1p-48;
    int k = (int)floor(estimate * (STEPS / 0x1.62e42fefa39efp-1) - 0x1p-20), step = k & (STEPS - 1);
    *exponent = (k - step) / STEPS;
    return product_of(series(sum_of(p, -k, STEP, n), 0, 1, 1 + 11 * n / 2, 1, n), power_of_two[step], n);
}

/* log x = y + d - d^2/2 + d^3/3 - ... with d = x e^-y - 1. The first y is anybody's logarithm, made a little smaller so
 * that 0 < d < 2^-39; the next is good to 2^-118, and the one after it to 2^-354.
 */
static inline Fixed logarithm_of(double x, int n) {
    Fixed y = fixed(log(x) - 0x1p-40, n);
    for (int limbs = 2, exponent; limbs <= n; limbs *= 2) {
        Fixed power = exponential_of(sum_of(ZERO, -1, y, n), n, &exponent);
        Fixed d = sum_of(product_of(power, fixed(ldexp(x, exponent), n), n), -1, ONE, n);
        y = sum_of(sum_of(y, 1, d, n), -1, product_of(product_of(d, d, n), HALF, n), n);
    }
    return y;
}

/* sin(x + quarters * pi/2) for x >= 0. x = turns * pi/2 + r, with r from 0 to a little more than pi/2. */
static inline Fixed sine_of(double x, int quarters, int n) {
    int turns = (int)(x * 0x1.45f306dc9c883p-1 - 0x1p-20), quadrant = (turns + quarters) & 3, terms = 5 + 13 * n / 2;
    Fixed r = sum_of(fixed(x, n), -turns, HALF_PI, n), square = product_of(r, r, n);
    Fixed sine = series(square, quadrant & 1 ? 0 : 1, 2, terms, -1, n);
    if (!(quadrant & 1)) sine = product_of(r, sine, n);
    return quadrant & 2 ? sum_of(ZERO, -1, sine, n) : sine;
}

/* x^(twice/2) as e^(log x * twice/2). */
static inline Fixed power_of(double x, int twice, int n, int *exponent) {
    Fixed log = logarithm_of(x, n), size = sum_of(ZERO, is_negative(log) ? -1 : 1, log, n);
    Fixed p = product_of(sum_of(ZERO, abs(twice), size, n), HALF, n);
    return exponential_of(sum_of(ZERO, is_negative(log) == (twice < 0) ? 1 : -1, p, n), n, exponent);
}

/* Returns a Fixed that is given in terms of n and &exponent, rounded, with as many limbs as it takes. */
#define RETURN_ROUNDED(slack, value) \
    double result; \
    int exponent = 0; \
    if (inverse_factorial[0].limb[0] == 0) make_tables(); \
    ATTEMPT(2, slack, value) ATTEMPT(4, slack, value) ATTEMPT(MOST, slack, value) return result
#define ATTEMPT(limbs, slack, value) \
    { enum { n = limbs }; Fixed attempt = value; if (decides(attempt, exponent, slack, n, &result)) return result; }

static double exact_exp(double x) {
    if (x != x || fabs(x) < 0x1p-54) return x + 1.0;
    if (fabs(x) > 746.0) return x > 0.0 ? INFINITY : 0.0; /* log(2^1024) < 710, log(2^-1075) > -746 */
    RETURN_ROUNDED(SLACK, exponential_of(fixed(x, n), n, &exponent));
}

static double exact_log(double x) {
    if (x != x || x <= 0.0 || x == 1.0 || x == INFINITY) return x == 1.0 ? 0.0 : x == 0.0 ? -INFINITY : x < 0.0 ? NAN : x;
    RETURN_ROUNDED(SLACK, logarithm_of(x, n));
}

static double positive_sine(double x, int quarters) { RETURN_ROUNDED(SLACK, sine_of(x, quarters, n)); }

static double exact_sin(double x) {
    if (x != x || fabs(x) < 0x1p-26) return x; /* x^3/6 is less than a quarter of an ulp of x */
    return copysign(1.0, x) * positive_sine(fabs(x), 0);
}

static double exact_cos(double x) {
    if (x != x || fabs(x) < 0x1p-27) return x != x ? x : 1.0; /* x^2/2 is less than a quarter of an ulp of 1 */
    return positive_sine(fabs(x), 1);
}

static double positive_pow(double x, int twice) {
    double size = log(x) * twice / 2.0;
    if (fabs(size) > 800.0) return size > 0.0 ? INFINITY : 0.0;
    RETURN_ROUNDED(POW_SLACK, power_of(x, twice, n, &exponent));
}

static double exact_pow(double x, double y) {
    double size = fabs(x);
    bool integer = floor(y) == y, odd = integer && fmod(y, 2.0) != 0.0, ordinary = size > 0.0 && size < INFINITY;
    if (y == 0.0 || x == 1.0) return 1.0;
    if (y == -1.0) return 1.0 / x;
    if (y == 1.0 || y == 2.0) return y == 1.0 ? x : x * x;
    if (x != x || (x < 0.0 && ordinary && !integer)) return NAN;
    if (ordinary) size = y == 0.5 ? sqrt(x) : positive_pow(size, (int)(2.0 * y));
    else size = (x == 0.0) == (y < 0.0) ? INFINITY : 0.0;
    return odd ? copysign(size, x) : size;
}

typedef struct { double (*exp)(double), (*log)(double), (*sin)(double), (*cos)(double), (*pow)(double, double); } Functions;

static const Functions exact = {exact_exp, exact_log, exact_sin, exact_cos, exact_pow}, native = {exp, log, sin, cos, pow};
static const Functions *math = &exact; /* those in use */
