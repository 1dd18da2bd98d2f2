/* Correctly rounded exp, log, sin, cos and pow (SPEC, sections 2 and 15), in fixed point with two limbs of 64 bits. The
 * ends of the error interval are rounded; if they agree, that is the answer. If not, which is rare, four limbs decide
 * (Ziv, 1991): nobody has found an argument that needs more. Reductions leave an r >= 0, so no product has a sign. */
#pragma once
#include <float.h>
#include <math.h>
#include "memory.h"

#if defined __FAST_MATH__ || FLT_EVAL_METHOD != 0 || DBL_MANT_DIG != 53
#error "microgpt needs IEEE doubles, rounded after every operation: no -ffast-math, no x87"
#endif
/* The most limbs, the bits before the point, the sizes of the tables, and how many of the last bits may be wrong. Fewer
 * are: 18, in k * STEP, and 30 in a power, whose logarithm is multiplied by up to 2^12. */
enum { MOST = 4, POINT = 16, STEPS = 256, TERMS = 64, SLACK = 42 };
typedef __int128 Wide; typedef unsigned __int128 UWide;
typedef struct { uint64_t limb[MOST]; } Fixed; /* two's complement, n limbs of it, the most significant first */
static const Fixed ZERO, ONE = {{0x0001000000000000}}, HALF = {{0x0000800000000000}},
    STEP /* ln 2 / STEPS */ = {{0x000000b17217f7d1, 0xcf79abc9e3b39803, 0xf2f6af40f3432672, 0x98b62d8a0d175b8b}},
    HALF_PI = {{0x0001921fb54442d1, 0x8469898cc51701b8, 0x39a252049c1114cf, 0x98e804177d4c7627}};
static Fixed inverse_factorial[TERMS], power_of_two[STEPS]; /* 1/i!, 2^(i/STEPS) */
/* a + factor * b */
static inline Fixed sum_of(Fixed a, int64_t factor, Fixed b, int n) {
    Wide carry = 0;
    for (int i = n - 1; i >= 0; i--, carry >>= 64) a.limb[i] = carry += a.limb[i] + (Wide)b.limb[i] * factor;
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
static inline Fixed with_sign(Fixed a, bool minus, int n) { return minus ? sum_of(ZERO, -1, a, n) : a; }
static inline bool is_negative(Fixed a) { return a.limb[0] >> 63; }
static inline Fixed fixed(double x, int n) {
    Fixed a = ZERO;
    double rest = fabs(x) * 0x1p48;
    for (int i = 0; i < n; i++, rest *= 0x1p64) rest -= (double)(a.limb[i] = (uint64_t)rest);
    return with_sign(a, x < 0.0, n);
}
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
static inline Fixed power_of_e(double x, int twice, int n, int *exponent) {
    return (void)twice, exponential_of(fixed(x, n), n, exponent);
}
/* log x = y + d - d^2/2 + d^3/3 - ... with d = x e^-y - 1. The first y is anybody's logarithm, made a little smaller so
 * that 0 < d < 2^-39; the next is good to 2^-118, and the one after it to 2^-354. */
static inline Fixed logarithm_of(double x, int twice, int n, int *exponent) {
    Fixed y = fixed(log(x) - 0x1p-40, n);
    for (int limbs = 2; limbs <= n; limbs *= 2) {
        Fixed power = exponential_of(with_sign(y, true, n), n, exponent);
        Fixed d = sum_of(product_of(power, fixed(ldexp(x, *exponent), n), n), -1, ONE, n);
        y = sum_of(sum_of(y, 1, d, n), -1, product_of(product_of(d, d, n), HALF, n), n);
    }
    return (void)twice, *exponent = 0, y;
}
/* sin(x + quarters * pi/2) for x >= 0. x = turns * pi/2 + r, with r from 0 to a little more than pi/2. */
static inline Fixed sine_of(double x, int quarters, int n, int *exponent) {
    int turns = (int)(x * 0x1.45f306dc9c883p-1 - 0x1p-20), quadrant = (turns + quarters) & 3, terms = 5 + 13 * n / 2;
    Fixed r = sum_of(fixed(x, n), -turns, HALF_PI, n), square = product_of(r, r, n);
    Fixed sine = series(square, quadrant & 1 ? 0 : 1, 2, terms, -1, n);
    if (!(quadrant & 1)) sine = product_of(r, sine, n);
    return *exponent = 0, with_sign(sine, quadrant & 2, n);
}
/* x^(twice/2) as e^(log x * twice/2). */
static inline Fixed power_of(double x, int twice, int n, int *exponent) {
    Fixed log = logarithm_of(x, 0, n, exponent), size = with_sign(log, is_negative(log), n);
    Fixed p = product_of(sum_of(ZERO, abs(twice), size, n), HALF, n);
    return exponential_of(with_sign(p, is_negative(log) != (twice < 0), n), n, exponent);
}
#ifndef INLINE /* where size matters more, it may be defined as nothing */
#define INLINE inline __attribute__((always_inline))
#endif
typedef Fixed Function(double x, int k, int n, int *exponent);
/* f(x, k) rounded, or a NaN if n limbs are not sure of it. MOST limbs are: what they do not tell from a double, or from
 * halfway between two, is one, as powers of short numbers may be. */
static INLINE double attempt(Function f, double x, int k, int n) {
    int exponent = 0;
    Fixed value = f(x, k, n, &exponent), size = with_sign(value, is_negative(value), n), slack = ZERO;
    slack.limb[n - 1] = (uint64_t)1 << SLACK;
    Fixed above = sum_of(size, 1, slack, n), below = sum_of(size, -1, slack, n);
    if (n == MOST) above.limb[n - 1] &= -((uint64_t)2 << SLACK);
    double result = nearest(above, exponent, n);
    if (n < MOST && result != nearest(below, exponent, n)) return NAN;
    return is_negative(value) ? -result : result;
}
static INLINE double rounded(Function f, double x, int k) {
    if (inverse_factorial[0].limb[0] == 0) make_tables();
    double result = attempt(f, x, k, 2);
    return result == result ? result : attempt(f, x, k, MOST);
}
/* The results that IEEE 754 fixes, such as that of an infinity, are the library's. */
static double exact_exp(double x) { return x != x ? x : rounded(power_of_e, fmin(fmax(x, -800.0), 800.0), 0); }
static double exact_log(double x) { return x > 0.0 && x < INFINITY && x != 1.0 ? rounded(logarithm_of, x, 0) : log(x); }
static double sine(double x, int quarters) { return x != x ? x : rounded(sine_of, fabs(x), quarters); }
static double exact_cos(double x) { return sine(x, 1); }
static double exact_sin(double x) { return fabs(x) < 0x1p-26 ? x : copysign(1.0, x) * sine(x, 0); } /* x - x^3/6 */
static double exact_pow(double x, double y) {
    if (y == 1.0 || y == 2.0 || y == -1.0) return y == 1.0 ? x : y == 2.0 ? x * x : 1.0 / x;
    if (x == 0.0 || !isfinite(x) || (x < 0.0 && floor(y) != y)) return pow(x, y);
    if (x < 0.0) return fmod(y, 2.0) == 0.0 ? exact_pow(-x, y) : -exact_pow(-x, y);
    double logarithm = log(x) * y;
    if (fabs(logarithm) > 800.0) return logarithm > 0.0 ? INFINITY : 0.0;
    return y == 0.5 ? sqrt(x) : rounded(power_of, x, (int)(2.0 * y));
}
typedef double Unary(double);
typedef struct { Unary *exp, *log, *sin, *cos; double (*pow)(double, double); } Functions;
static const Functions exact = {exact_exp, exact_log, exact_sin, exact_cos, exact_pow};
static const Functions native = {exp, log, sin, cos, pow}, *math = &exact; /* those in use */
