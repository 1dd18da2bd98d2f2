/* Correctly rounded exp, log, sin, cos and pow, each in two phases.
 *
 * A library that is wrong by a hair still rounds most results correctly: an error of 0.001 ulp does harm only
 * if the true value lies within 0.001 ulp of the middle between two doubles. So each function first works a
 * little more precisely than a double and then asks whether that was enough.
 *
 * Quick phase. The result is computed as a sum hi + lo of two doubles, whose error is proved to be below
 *     some small e (each function states its budget). If hi + (lo - e) and hi + (lo + e) round to the same
 *     double, the true value, which lies between them, rounds to it too, and we are done. This fails about once
 *     in thousands of calls.
 * Accurate phase (accurate.c). The function is computed again in fixed point with 256 fraction bits, from its
 *     Taylor series, and the two ends of that error interval are rounded. The hardest arguments known need 62
 *     bits past the 53rd; this phase has more than 130. Should the ends still disagree, it does it again with
 *     512 bits.
 *
 * Results that are doubles, or exactly in the middle between two, never separate from the middle. Those of exp,
 * log, sin and cos are exp(0), log(1), sin(0) and cos(0), as all others are transcendental (Lindemann). For pow
 * they are powers of short numbers, which accurate_pow finds with integers.
 *
 * The tables and constants of the quick phase are made by the accurate phase on first use, in 2 milliseconds,
 * so there are no long decimals here to mistrust. Every function states its error budget. There, |error| is
 * relative to the result unless said otherwise, and u is 2^-53, the greatest relative error of one operation.
 */
#include "exact.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "accurate.h"
#include "fixed.h"

#if defined __FAST_MATH__ || FLT_EVAL_METHOD != 0 || DBL_MANT_DIG != 53
#error "exact.c needs IEEE doubles, rounded after every operation: no -ffast-math, no x87"
#endif

/* Defined as 1 by those who want to test the accurate phase by itself. */
#ifndef EXACT_SKIP_QUICK_PHASE
#define EXACT_SKIP_QUICK_PHASE 0
#endif

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double double_of(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* ------------------------------------------------------------------ the quick phase's numbers: pairs */

/* hi + lo, |lo| being at most about an ulp of hi. The functions below are after Dekker (1971) and Knuth; none
 * needs a fused multiply-add, and none may be compiled to one.
 */
typedef struct { double hi, lo; } Pair;

/* a + b exactly, if |a| >= |b| or a = 0. */
static inline Pair ordered_sum(double a, double b)
{
    double sum = a + b;
    return (Pair){sum, b - (sum - a)};
}

/* a + b exactly. */
static inline Pair exact_sum(double a, double b)
{
    double sum = a + b, part = sum - a;
    return (Pair){sum, (a - (sum - part)) + (b - part)};
}

/* a as two numbers of 26 bits, for |a| < 2^996. */
static inline Pair split(double a)
{
    double scaled = 0x1.0000002p27 * a, hi = scaled - (scaled - a);
    return (Pair){hi, a - hi};
}

/* a*b exactly, unless parts overflow or underflow. */
static inline Pair exact_product(double a, double b)
{
    Pair x = split(a), y = split(b);
    double product = a * b;
    return (Pair){product, ((x.hi * y.hi - product) + x.hi * y.lo + x.lo * y.hi) + x.lo * y.lo};
}

/* |error| <= 8 u^2. */
static inline Pair pair_product(Pair a, Pair b)
{
    Pair product = exact_product(a.hi, b.hi);
    return ordered_sum(product.hi, product.lo + (a.hi * b.lo + a.lo * b.hi));
}

/* 1/a: Newton's correction of the rounded quotient. |error| <= 10 u^2. */
static Pair pair_reciprocal(Pair a)
{
    double quotient = 1.0 / a.hi;
    Pair product = exact_product(quotient, a.hi);
    double remainder = ((1.0 - product.hi) - product.lo) - quotient * a.lo;
    return ordered_sum(quotient, quotient * remainder);
}

/* The square root: Newton's correction of the rounded one. |error| <= 2 u^2. */
static Pair pair_square_root(double a)
{
    double root = sqrt(a);
    Pair square = exact_product(root, root);
    return ordered_sum(root, ((a - square.hi) - square.lo) / (2.0 * root));
}

/* The rounding test: true if all numbers within `error` of a round to the same double, which becomes *result. */
static inline bool pair_decides(Pair a, double error, double *result)
{
    *result = a.hi + (a.lo + error);
    return a.hi + (a.lo - error) == *result && !EXACT_SKIP_QUICK_PHASE;
}

/* ------------------------------------------------------------------ tables */

enum {
    EXP_STEPS = 128,          /* 2^(j/128) for j = 0..127 */
    LOG_STEPS = 128,          /* logarithms of about j/128 for j = 91..181, the nearest to sqrt(1/2)..sqrt(2) */
    LOG_FIRST = 91,
    LOG_LAST = 181,
    CIRCLE_STEPS = 512        /* sin(2 pi j/512) for j = 0..511 */
};

typedef struct {
    double inverse;           /* near 128/j, of 20 bits at most */
    double log_hi;            /* -log(inverse), a multiple of 2^-42, */
    double log_lo;            /* and the rest */
} LogEntry;

static struct {
    bool made;
    Pair power_of_two[EXP_STEPS];
    LogEntry log[LOG_LAST - LOG_FIRST + 1];
    Pair sine[CIRCLE_STEPS];
    double exp_step[2];       /* ln2/128 in two parts: the first a multiple of 2^-42 */
    double log_step[2];       /* ln2 in two parts: the first a multiple of 2^-42 */
    double circle_step[3];    /* pi/256 in three parts: multiples of 2^-49, of 2^-92, and the rest */
} table;

static void make_tables(void);

static inline void need_tables(void)
{
    if (!table.made)
        make_tables();
}

/* ------------------------------------------------------------------ making the tables */

/* A Fixed as a pair: the nearest double and the nearest double to the rest. */
static Pair pair_of(const Fixed *a)
{
    Fixed rest = *a;
    double hi = fixed_round(a, 0, LEAST_LIMBS);
    Fixed rounded = fixed_double(hi, LEAST_LIMBS);
    fixed_subtract(&rest, &rounded, LEAST_LIMBS);
    bool negative = fixed_is_negative(&rest);
    if (negative)
        fixed_negate(&rest, LEAST_LIMBS);
    double lo = fixed_round(&rest, 0, LEAST_LIMBS);
    return (Pair){hi, negative ? -lo : lo};
}

/* a cut down to a multiple of 2^-bits, and that part taken away from a. */
static double take_multiple(Fixed *a, int bits)
{
    Fixed part = {{0}};
    int last = (bits + 31) / 32;
    for (int i = 0; i <= last; i++)
        part.limb[i] = a->limb[i];
    part.limb[last] &= ~(uint32_t)0 << (32 * last - bits);
    fixed_subtract(a, &part, LEAST_LIMBS);
    return fixed_round(&part, 0, LEAST_LIMBS);
}

static void make_exp_table(void)
{
    for (uint32_t j = 0; j < EXP_STEPS; j++) {
        Fixed r = fixed_ln2();
        fixed_scale(&r, j, LEAST_LIMBS);
        fixed_divide(&r, EXP_STEPS, LEAST_LIMBS);
        Fixed power = fixed_exp(&r, LEAST_LIMBS);
        table.power_of_two[j] = pair_of(&power);
    }
    Fixed step = fixed_ln2();
    fixed_divide(&step, EXP_STEPS, LEAST_LIMBS);
    table.exp_step[0] = take_multiple(&step, 42);
    table.exp_step[1] = fixed_round(&step, 0, LEAST_LIMBS);
}

static void make_log_table(void)
{
    for (int j = LOG_FIRST; j <= LOG_LAST; j++) {
        double inverse = floor(0x1p19 * (double)LOG_STEPS / j + 0.5) * 0x1p-19;
        bool above = inverse > 1.0;
        Fixed log = fixed_log(above ? inverse : inverse * 2.0, above ? 0 : -1, LEAST_LIMBS);
        if (!above)
            fixed_negate(&log, LEAST_LIMBS);
        double hi = take_multiple(&log, 42), lo = fixed_round(&log, 0, LEAST_LIMBS);
        table.log[j - LOG_FIRST] = (LogEntry){inverse, above ? -hi : hi, above ? -lo : lo};
    }
    table.log[LOG_STEPS - LOG_FIRST] = (LogEntry){1.0, 0.0, 0.0};
    Fixed step = fixed_ln2();
    table.log_step[0] = take_multiple(&step, 42);
    table.log_step[1] = fixed_round(&step, 0, LEAST_LIMBS);
}

static void make_sine_table(void)
{
    const int quarter = CIRCLE_STEPS / 4;
    for (int j = 0; j <= quarter; j++) {
        Fixed angle = fixed_half_pi();
        fixed_scale(&angle, (uint32_t)j, LEAST_LIMBS);
        fixed_divide(&angle, (uint32_t)quarter, LEAST_LIMBS);
        Fixed value = j == quarter ? fixed_integer(1) : fixed_sin(&angle, LEAST_LIMBS);
        Pair sine = pair_of(&value), minus = {-sine.hi, -sine.lo};
        table.sine[j] = table.sine[2 * quarter - j] = sine;
        table.sine[2 * quarter + j] = table.sine[(4 * quarter - j) % CIRCLE_STEPS] = minus;
    }
    table.sine[0] = table.sine[2 * quarter] = (Pair){0.0, 0.0};
    Fixed step = fixed_half_pi();
    fixed_divide(&step, (uint32_t)quarter, LEAST_LIMBS);
    table.circle_step[0] = take_multiple(&step, 49);
    table.circle_step[1] = take_multiple(&step, 92);
    table.circle_step[2] = fixed_round(&step, 0, LEAST_LIMBS);
}

static void make_tables(void)
{
    make_exp_table();
    make_log_table();
    make_sine_table();
    table.made = true;
}

/* ------------------------------------------------------------------ the quick phase */

/* The nearest integer (to within a rounding), for |x| < 2^51. */
static inline double nearest_integer(double x)
{
    return (x + 0x1.8p52) - 0x1.8p52;
}

/* r times 2^k, if that is a normal number. */
static inline bool scale_normal(double r, int k, double *result)
{
    uint64_t bits = bits_of(r);
    int exponent = (int)(bits >> 52) + k; /* r is positive */
    *result = double_of(bits + ((uint64_t)(int64_t)k << 52));
    return 1 <= exponent && exponent <= 2046;
}

/* e^x = 2^(k/128) * e^r with k the integer nearest to 128 x/ln2, so |r| < 2^-8.52. r = d - w, where d is exact.
 * e^r = 1 + d + tail with tail = -w + r^2/2 + r^3/6 + ..., below 2^-18. In `low`, what is below 2^-51 is added
 * first.
 * Error: let a unit be 2^-53 * 2^-18. The tail has 5 units (2 from r, and 3 roundings). Times the table's
 * number, which is below 2, they are 10. That product and the last sum have 2 each. power.lo * tail, which is
 * left out, has 1. Together these are 15 units, below 2^-67.
 */
static bool quick_exp(double x, double *result)
{
    double k = nearest_integer(x * 0x1.71547652b82fep+7);
    double d = x - k * table.exp_step[0], w = k * table.exp_step[1], r = d - w, square = r * r;
    double fifth = (1.0 / 120 + r * (1.0 / 720)) + square * (1.0 / 5040); /* the series from r^5 on, over r^5 */
    double beyond = r * square * ((1.0 / 6 + r * (1.0 / 24)) + square * fifth);
    double tail = (0.5 * square + beyond) - w;

    int steps = (int)k, j = steps & (EXP_STEPS - 1);
    Pair power = table.power_of_two[j], product = exact_product(power.hi, d);
    Pair sum = ordered_sum(power.hi, product.hi);
    double low = ((sum.lo + product.lo) + power.lo * (1.0 + d)) + power.hi * tail;
    double rounded;
    return pair_decides(ordered_sum(sum.hi, low), 0x1p-67, &rounded)
        && scale_normal(rounded, (steps - j) / EXP_STEPS, result);
}

/* x = z * 2^e with z between sqrt(1/2) and sqrt(2). r = z * inverse - 1 with the table's inverse near 1/z, so
 * |r| < 2^-7.4. log x = e ln2 - log(inverse) + r - r^2/2 + tail, tail = r^3/3 - r^4/4 + ... All but the tail is
 * added without error.
 * Error: 9 roundings of the tail's size and 3 of the low parts': 12 * 2^-53 * |r|^3/3. Where inverse is 1 the
 * result is about r, and |r| < 2^-8: below 2^-67 of the result. The next smallest results are beyond 2^-8 with
 * |r| < 2^-7.9: below 2^-66.8 of them.
 */
static bool quick_log(double z, int e, double *result)
{
    const LogEntry *entry = &table.log[(int)(z * (double)LOG_STEPS + 0.5) - LOG_FIRST];
    double top = double_of(bits_of(z) & 0xffffffffffe00000); /* 32 bits, so that the products below are exact */
    Pair r = exact_sum(top * entry->inverse - 1.0, (z - top) * entry->inverse), square = exact_product(r.hi, r.hi);
    double s = square.hi;
    double seventh = s * ((1.0 / 7 - r.hi * (1.0 / 8)) + s * (1.0 / 9 - r.hi * (1.0 / 10)));
    double tail = r.hi * s * ((1.0 / 3 - r.hi * (1.0 / 4)) + s * ((1.0 / 5 - r.hi * (1.0 / 6)) + seventh));

    Pair sum = ordered_sum(e * table.log_step[0] + entry->log_hi, r.hi), rest = ordered_sum(sum.hi, -0.5 * s);
    double low = ((r.lo - r.hi * r.lo) - 0.5 * square.lo) + (e * table.log_step[1] + entry->log_lo);
    Pair log = ordered_sum(rest.hi, ((sum.lo + rest.lo) + low) + tail);
    return pair_decides(log, fabs(log.hi) * 0x1p-66, result);
}

/* sin(x + quarters * pi/2). x = k * pi/256 + r with |r| < 2^-7.34; r is a pair, good to 2^-130. Let s and c be
 * the sine and the cosine of k * pi/256 + quarters * pi/2. The result is s + c r + s (cos r - 1) + c (sin r -
 * r), and the first two terms are added without error.
 * Error: let a unit be 2^-53 * r^2/2 < 2^-68.6. The third term has 5 s units: 3 from the cosine, 1 from the
 * product, 1 for s.lo times it, which is left out. The last sum has 1 s unit more. The fourth term and its part
 * of the sum have 10 * 2^-53 * r^3/6. The result is at least s/2, so this is below 12 * 2^-68.6 + 2^-66.8 < 1.5
 * * 2^-65 of it. Where s is 0 the result is about r, and its error below 10 * 2^-53 * r^2/6 < 2^-66 of it.
 */
static bool quick_sine(double x, int quarters, double *result)
{
    double k = nearest_integer(x * 0x1.45f306dc9c883p+6);
    double d = x - k * table.circle_step[0];
    Pair r = exact_sum(d, -(k * table.circle_step[1]));
    r.lo -= k * table.circle_step[2];

    unsigned j = (unsigned)((int)k + quarters * (CIRCLE_STEPS / 4));
    Pair s = table.sine[j % CIRCLE_STEPS], c = table.sine[(j + CIRCLE_STEPS / 4) % CIRCLE_STEPS];
    double square = r.hi * r.hi;
    double sine_tail = r.hi * square * (-1.0 / 6 + square * (1.0 / 120 - square * (1.0 / 5040)));
    double cosine_tail = -0.5 * square + (square * square * (1.0 / 24 - square * (1.0 / 720)) - r.hi * r.lo);

    Pair product = exact_product(c.hi, r.hi), sum = ordered_sum(s.hi, product.hi);
    double low = ((sum.lo + product.lo) + (s.lo + c.lo * r.hi)) + c.hi * r.lo;
    Pair sine = ordered_sum(sum.hi, low + (s.hi * cosine_tail + c.hi * sine_tail));
    return pair_decides(sine, fabs(sine.hi) * 0x1.8p-65, result);
}

/* (z * 2^e)^(twice/2) for 1/2 <= z < 2 and an even e: square and multiply with pairs. While n * |log2 z| < 900
 * nothing over- or underflows.
 * Error: a product adds 8 u^2 to the errors of its factors, which makes 16 n u^2 at the most; a root and a
 * reciprocal add 20 u^2. The test allows (n + 8) * 2^-100, four times as much.
 */
static bool quick_pow(double z, int e, int twice, double *result)
{
    int n = (twice < 0 ? -twice : twice) / 2;
    if (n * (2.0 * fabs(z - 1.0)) > 900.0) /* |log2 z| <= 2 |z - 1| */
        return false;
    Pair power = {1.0, 0.0}, square = {z, 0.0};
    if (twice % 2 != 0)
        power = pair_square_root(z);
    for (int left = n; left > 0; left /= 2) {
        if (left % 2 != 0)
            power = power.hi == 1.0 && power.lo == 0.0 ? square : pair_product(power, square);
        if (left > 1)
            square = pair_product(square, square);
    }
    if (twice < 0)
        power = pair_reciprocal(power);
    double rounded;
    return pair_decides(power, power.hi * (n + 8) * 0x1p-100, &rounded)
        && scale_normal(rounded, e / 2 * twice, result);
}

/* ------------------------------------------------------------------ the functions */

/* A positive finite x as mantissa * 2^(*exponent), 1 <= mantissa < 2. */
static inline double mantissa_of(double x, int *exponent)
{
    int subnormal = x < DBL_MIN ? 54 : 0;
    uint64_t bits = bits_of(subnormal ? x * 0x1p54 : x);
    *exponent = (int)(bits >> 52) - 1023 - subnormal;
    return double_of((bits & 0xfffffffffffff) | 0x3ff0000000000000);
}

double exact_exp(double x)
{
    double result;
    if (fabs(x) < 0x1p-54)
        return 1.0;
    if (!(fabs(x) < 746.0)) /* log(2^1024) < 710, log(2^-1075) > -746 */
        return x > 0.0 ? INFINITY : x < 0.0 ? 0.0 : x;
    need_tables();
    return quick_exp(x, &result) ? result : accurate_exp(x);
}

double exact_log(double x)
{
    double result;
    int e;
    if (x == 1.0)
        return 0.0;
    if (!(x > 0.0 && x <= DBL_MAX))
        return x == 0.0 ? -INFINITY : x < 0.0 ? NAN : x;
    need_tables();
    double m = mantissa_of(x, &e);
    bool upper = m > 0x1.6a09e667f3bcdp+0; /* sqrt(2) */
    return quick_log(upper ? 0.5 * m : m, e + upper, &result) ? result : accurate_log(m, e);
}

double exact_sin(double x)
{
    double result;
    if (!(fabs(x) <= 8.0))
        return NAN;
    if (fabs(x) <= 0x1p-26) /* x^3/6 is less than a quarter of an ulp of x */
        return x;
    need_tables();
    return quick_sine(x, 0, &result) ? result : accurate_sine(x, 0);
}

double exact_cos(double x)
{
    double result;
    if (!(fabs(x) <= 8.0))
        return NAN;
    if (fabs(x) <= 0x1p-27) /* x^2/2 is less than a quarter of an ulp of 1 */
        return 1.0;
    need_tables();
    return quick_sine(x, 1, &result) ? result : accurate_sine(x, 1);
}

/* x^(twice/2) for a positive finite x. */
static double positive_pow(double x, int twice)
{
    double result;
    int e;
    need_tables();
    double m = mantissa_of(x, &e);
    bool odd = e % 2 != 0;
    return quick_pow(odd ? 0.5 * m : m, e + odd, twice, &result) ? result : accurate_pow(m, e, twice);
}

/* x^y where x is not a positive finite number, and y is not 0. */
static double unusual_pow(double x, double y)
{
    if (x != x)
        return x;
    bool integer = floor(y) == y, odd = integer && fmod(y, 2.0) != 0.0;
    if (x < 0.0 && x >= -DBL_MAX && !integer)
        return NAN;
    double size = x == 0.0                 ? (y < 0.0 ? INFINITY : 0.0)
                  : fabs(x) > DBL_MAX      ? (y < 0.0 ? 0.0 : INFINITY)
                                           : positive_pow(-x, (int)(2.0 * y));
    return odd ? copysign(size, x) : size;
}

double exact_pow(double x, double y)
{
    if (y == 2.0)
        return x * x;
    if (y == -1.0)
        return 1.0 / x;
    if (y == 0.0)
        return 1.0;
    if (!(x > 0.0 && x <= DBL_MAX))
        return unusual_pow(x, y);
    if (y == 0.5)
        return sqrt(x);
    if (y == 1.0)
        return x;
    return positive_pow(x, (int)(2.0 * y));
}
