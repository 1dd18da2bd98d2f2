/* Correctly rounded exp, log, sin, cos and pow, each in two phases.
 *
 * A library that is wrong by a hair still rounds most results correctly: an error of 0.001 ulp does harm only if the true
 * value lies within 0.001 ulp of the middle between two doubles. So each function first works a little more precisely
 * than a double and then asks whether that was enough.
 *
 * Quick phase. The result is computed as a sum hi + lo of two doubles, whose error is proved to be below some small e
 *     (each function states its budget). If hi + (lo - e) and hi + (lo + e) round to the same double, the true value,
 *     which lies between them, rounds to it too, and we are done. This fails about once in thousands of calls.
 * Accurate phase. Then the function is computed again in fixed point with 256 fraction bits, from its Taylor series, and
 *     the two ends of that error interval are rounded. The hardest arguments known need 62 bits past the 53rd; this phase
 *     has more than 130. Should the ends still disagree, it does it again with 512 bits.
 *
 * Results that are doubles, or exactly in the middle between two, never separate from the middle. Those of exp, log,
 * sin and cos are exp(0), log(1), sin(0) and cos(0), as all others are transcendental (Lindemann). For pow they are
 * powers of short numbers, and `short_power` finds them with integers.
 *
 * The tables and constants of the quick phase are made by the accurate phase on first use (1 to 2 milliseconds), so there
 * are no long decimals here to mistrust. In the budgets, |error| is relative to the result unless said otherwise, and u is
 * 2^-53, the greatest relative error of one rounded operation.
 */
#include "exact.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

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

/* ------------------------------------------------------------------ fixed point, for the accurate phase
 *
 * A Fixed is a number in 32-bit limbs, the most significant first: limb[0] before the binary point, n more behind it.
 * Subtraction wraps around, so a negative number is a two's complement with the top bit set. n, the precision, is passed along;
 * a number of higher precision can be read at a lower one by ignoring its last limbs. A "unit" is 2^(-32n).
 */
enum { LEAST_LIMBS = 8, MOST_LIMBS = 16, CONSTANT_LIMBS = 17 };

typedef struct { uint32_t limb[CONSTANT_LIMBS + 1]; } Fixed;

static Fixed fixed_integer(uint32_t value)
{
    return (Fixed){{value}};
}

/* For 0 <= x < 2^31 and no bit of x below the last limb. */
static Fixed fixed_double(double x, int n)
{
    Fixed result = {{0}};
    for (int i = 0; i <= n; i++) {
        result.limb[i] = (uint32_t)x;
        x = (x - result.limb[i]) * 0x1p32;
    }
    return result;
}

static bool fixed_is_zero(const Fixed *a, int n)
{
    for (int i = 0; i <= n; i++)
        if (a->limb[i] != 0)
            return false;
    return true;
}

static bool fixed_is_negative(const Fixed *a)
{
    return a->limb[0] >> 31;
}

static void fixed_add(Fixed *a, const Fixed *b, int n)
{
    uint64_t carry = 0;
    for (int i = n; i >= 0; i--) {
        carry += (uint64_t)a->limb[i] + b->limb[i];
        a->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

static void fixed_subtract(Fixed *a, const Fixed *b, int n)
{
    uint64_t borrow = 0;
    for (int i = n; i >= 0; i--) {
        uint64_t difference = (uint64_t)a->limb[i] - b->limb[i] - borrow;
        a->limb[i] = (uint32_t)difference;
        borrow = difference >> 63;
    }
}

static void fixed_negate(Fixed *a, int n)
{
    Fixed result = {{0}};
    fixed_subtract(&result, a, n);
    *a = result;
}

/* a*b for a, b >= 0, cut off below the last limb: at most one unit too small. */
static Fixed fixed_multiply(const Fixed *a, const Fixed *b, int n)
{
    uint32_t product[2 * CONSTANT_LIMBS + 2] = {0};
    for (int i = n; i >= 0; i--) {
        uint64_t carry = 0;
        for (int j = n; j >= 0; j--) {
            carry += (uint64_t)a->limb[i] * b->limb[j] + product[i + j + 1];
            product[i + j + 1] = (uint32_t)carry;
            carry >>= 32;
        }
        product[i] = (uint32_t)carry;
    }
    Fixed result = {{0}};
    memcpy(result.limb, product + 1, ((size_t)n + 1) * sizeof *product);
    return result;
}

static void fixed_scale(Fixed *a, uint32_t factor, int n)
{
    uint64_t carry = 0;
    for (int i = n; i >= 0; i--) {
        carry += (uint64_t)a->limb[i] * factor;
        a->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

/* a/divisor for a >= 0, cut off: at most one unit too small. */
static void fixed_divide(Fixed *a, uint32_t divisor, int n)
{
    uint64_t remainder = 0;
    for (int i = 0; i <= n; i++) {
        remainder = remainder << 32 | a->limb[i];
        a->limb[i] = (uint32_t)(remainder / divisor);
        remainder %= divisor;
    }
}

/* The bit of weight 2^position; 0 below the last limb. */
static unsigned fixed_bit(const Fixed *a, int position, int n)
{
    if (position < -32 * n)
        return 0;
    int distance = 31 - position; /* from the top bit of limb[0] */
    return a->limb[distance / 32] >> (31 - distance % 32) & 1;
}

/* The double nearest to a * 2^exponent, ties to even, for a >= 0. Subnormal results are rounded at their own precision. */
static double fixed_round(const Fixed *a, int exponent, int n)
{
    int top = 31;
    while (top >= -32 * n && fixed_bit(a, top, n) == 0)
        top--;
    if (top < -32 * n)
        return 0.0;
    int last = top + exponent - 52; /* the weight of the result's last bit */
    if (last < -1074)
        last = -1074;
    uint64_t kept = 0;
    for (int i = top; i >= last - exponent; i--)
        kept = kept << 1 | fixed_bit(a, i, n);
    int half = last - exponent - 1;
    if (half <= top && fixed_bit(a, half, n)) {
        bool tie = true;
        for (int i = half - 1; tie && i >= -32 * n; i--)
            tie = fixed_bit(a, i, n) == 0;
        if (!tie || kept & 1)
            kept++;
    }
    return ldexp((double)kept, last); /* exact, or infinity */
}

/* True if all numbers within 2^slack units of a * 2^exponent round to the same double, which becomes *result. */
static bool fixed_decides(const Fixed *a, int exponent, int slack, int n, double *result)
{
    Fixed error = {{0}}, below = *a, above = *a;
    error.limb[n - slack / 32] = (uint32_t)1 << slack % 32;
    fixed_subtract(&below, &error, n);
    fixed_add(&above, &error, n);
    *result = fixed_round(&above, exponent, n);
    return fixed_round(&below, exponent, n) == *result;
}

/* ------------------------------------------------------------------ constants */

/* They have one limb more than any function asks for, so their error is below one unit wherever they are used.
 *
 * atan(1/q), or atanh(1/q) if all signs are plus, from its series 1/q -+ 1/(3 q^3) + 1/(5 q^5) -+ ...
 * Error: below 2 units a term, and each term is at least q^2 >= 25 times smaller: below 2^8 units.
 */
static Fixed inverse_tangent(uint32_t q, bool alternating)
{
    Fixed sum = {{0}}, power = fixed_integer(1);
    fixed_divide(&power, q, CONSTANT_LIMBS);
    for (uint32_t k = 1; !fixed_is_zero(&power, CONSTANT_LIMBS); k += 2) {
        Fixed term = power;
        fixed_divide(&term, k, CONSTANT_LIMBS);
        if (alternating && k % 4 == 3)
            fixed_subtract(&sum, &term, CONSTANT_LIMBS);
        else
            fixed_add(&sum, &term, CONSTANT_LIMBS);
        fixed_divide(&power, q * q, CONSTANT_LIMBS);
    }
    return sum;
}

/* factor1 * f(1/q1) +- factor2 * f(1/q2), f being atan (and minus) or atanh (and plus). */
static Fixed two_term_formula(uint32_t factor1, uint32_t q1, uint32_t factor2, uint32_t q2, bool alternating)
{
    Fixed first = inverse_tangent(q1, alternating), second = inverse_tangent(q2, alternating);
    fixed_scale(&first, factor1, CONSTANT_LIMBS);
    fixed_scale(&second, factor2, CONSTANT_LIMBS);
    if (alternating)
        fixed_subtract(&first, &second, CONSTANT_LIMBS);
    else
        fixed_add(&first, &second, CONSTANT_LIMBS);
    return first;
}

/* ------------------------------------------------------------------ the quick phase's numbers: pairs */

/* hi + lo, |lo| being at most about an ulp of hi. The functions below are after Dekker (1971) and Knuth; none needs a
 * fused multiply-add, and none may be compiled to one.
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
    Fixed ln2, half_pi;
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

/* ------------------------------------------------------------------ the accurate phase */

/* The sum of t_0, t_1, ...: each term is the one before times `factor`, divided by the next `divisors` of the numbers k, k+1, ...
 * Error: below 3 units a term, and 120 terms are enough for the factors below 2.5 that come here: below 2^9 units.
 */
static Fixed taylor_series(Fixed term, const Fixed *factor, uint32_t k, int divisors, bool alternating, int n)
{
    Fixed sum = term;
    for (bool minus = alternating; !fixed_is_zero(&term, n); minus = alternating && !minus) {
        term = fixed_multiply(&term, factor, n);
        for (int i = 0; i < divisors; i++)
            fixed_divide(&term, k++, n);
        if (minus)
            fixed_subtract(&sum, &term, n);
        else
            fixed_add(&sum, &term, n);
    }
    return sum;
}

/* e^r for 0 <= r < 0.7. */
static Fixed fixed_exp(const Fixed *r, int n)
{
    return taylor_series(fixed_integer(1), r, 1, 1, false, n);
}

/* sin(r) for 0 <= r < 1.6. */
static Fixed fixed_sin(const Fixed *r, int n)
{
    Fixed square = fixed_multiply(r, r, n);
    return taylor_series(*r, &square, 2, 2, true, n);
}

/* cos(r) for 0 <= r < 1.6. */
static Fixed fixed_cos(const Fixed *r, int n)
{
    Fixed square = fixed_multiply(r, r, n);
    return taylor_series(fixed_integer(1), &square, 1, 2, true, n);
}

/* log(m) to about 50 bits for 1 <= m < 2, from 2 atanh((m-1)/(m+1)). At most ln2. */
static double estimate_log(double m)
{
    double s = (m - 1.0) / (m + 1.0), power = s, sum = 0.0;
    for (int k = 1; k < 37; k += 2) {
        sum += power / k;
        power *= s * s;
    }
    return fmin(2.0 * sum, 0x1.62e42fefa39efp-1);
}

/* log(m * 2^e) for 1 <= m < 2 and |e| < 1100: log(m) is the estimate plus log(1 + d) where 1 + d = m e^-estimate.
 * Error: below 2^12 units, most of it from the last unit of ln2, e times.
 */
static Fixed fixed_log(double m, int e, int n)
{
    double estimate = estimate_log(m);
    Fixed mantissa = fixed_double(m, n), result = fixed_double(estimate, n), rest = table.ln2;
    fixed_subtract(&rest, &result, n);
    Fixed twice = fixed_exp(&rest, n); /* 2 e^-estimate */
    Fixed d = fixed_multiply(&mantissa, &twice, n), two = fixed_integer(2);
    fixed_subtract(&d, &two, n);
    bool negative = fixed_is_negative(&d);
    if (negative)
        fixed_negate(&d, n);
    fixed_divide(&d, 2, n);

    Fixed power = d;
    for (uint32_t k = 1; !fixed_is_zero(&power, n); k++) { /* d - d^2/2 + d^3/3 -+ ... */
        Fixed term = power;
        fixed_divide(&term, k, n);
        if (negative || k % 2 == 0)
            fixed_subtract(&result, &term, n);
        else
            fixed_add(&result, &term, n);
        power = fixed_multiply(&power, &d, n);
    }

    Fixed shift = table.ln2;
    fixed_scale(&shift, (uint32_t)(e < 0 ? -e : e), n);
    if (e < 0)
        fixed_subtract(&result, &shift, n);
    else
        fixed_add(&result, &shift, n);
    return result;
}

/* e^p for any p, negative ones too, with |p| < 2^30: the returned number, between 1 and 2.1, times 2^(*exponent). */
static Fixed fixed_exp_anywhere(const Fixed *p, int n, int *exponent)
{
    double estimate = (int32_t)p->limb[0] + p->limb[1] * 0x1p-32; /* the top limb as a signed number */
    int k = (int)floor(estimate * 0x1.71547652b82fep+0);          /* p / ln2 */
    Fixed shift = table.ln2, r = *p;
    fixed_scale(&shift, (uint32_t)(k < 0 ? -k : k), n);
    if (k < 0)
        fixed_add(&r, &shift, n);
    else
        fixed_subtract(&r, &shift, n);
    if (fixed_is_negative(&r)) { /* the estimate was a little too large */
        fixed_add(&r, &table.ln2, n);
        k--;
    }
    *exponent = k;
    return fixed_exp(&r, n);
}

/* For 2^-54 <= |x| < 2^30. Error: below 2^13 units; k ln2 and the series have most of it. */
static double accurate_exp(double x)
{
    double result = 0.0;
    for (int n = LEAST_LIMBS; n <= MOST_LIMBS; n *= 2) {
        int exponent;
        Fixed argument = fixed_double(fabs(x), n);
        if (x < 0.0)
            fixed_negate(&argument, n);
        Fixed power = fixed_exp_anywhere(&argument, n, &exponent);
        if (fixed_decides(&power, exponent, 13, n, &result))
            break;
    }
    return result;
}

/* For x = m * 2^e, not 1. Error: below 2^12 units. */
static double accurate_log(double m, int e)
{
    double result = 0.0;
    for (int n = LEAST_LIMBS; n <= MOST_LIMBS; n *= 2) {
        Fixed log = fixed_log(m, e, n);
        bool negative = fixed_is_negative(&log);
        if (negative)
            fixed_negate(&log, n);
        bool decided = fixed_decides(&log, 0, 12, n, &result);
        if (negative)
            result = -result;
        if (decided)
            break;
    }
    return result;
}

/* sin(x + quarters * pi/2) for 2^-27 <= |x| <= 8. Error: below 2^12 units. */
static double accurate_sine(double x, int quarters)
{
    double result = 0.0;
    int turns = (int)floor(fabs(x) * 0x1.45f306dc9c883p-1 + 0.5); /* |x| / (pi/2), rounded */
    for (int n = LEAST_LIMBS; n <= MOST_LIMBS; n *= 2) {
        Fixed r = fixed_double(fabs(x), n), shift = table.half_pi;
        fixed_scale(&shift, (uint32_t)turns, n);
        fixed_subtract(&r, &shift, n);
        bool negative = fixed_is_negative(&r) != (x < 0.0); /* the sign of the angle that is left */
        if (fixed_is_negative(&r))
            fixed_negate(&r, n);
        int quadrant = ((x < 0.0 ? -turns : turns) + quarters) & 3;
        Fixed value = quadrant & 1 ? fixed_cos(&r, n) : fixed_sin(&r, n);
        bool decided = fixed_decides(&value, 0, 12, n, &result);
        if ((quadrant & 1 ? false : negative) != (quadrant >= 2))
            result = -result;
        if (decided)
            break;
    }
    return result;
}

/* If x^y for x = odd * 2^e and y = twice/2 is a number of at most 54 bits, i.e. if it is a double or in the middle between
 * two, true, and *result is the nearest double.
 */
static bool short_power(uint64_t odd, int e, int twice, double *result)
{
    uint64_t power = 1;
    int count = twice / 2;
    if (twice % 2 != 0) { /* only powers of squares are rational */
        uint64_t root = (uint64_t)sqrt((double)odd);
        if (e % 2 != 0 || root * root != odd)
            return false;
        odd = root;
        e /= 2;
        count = twice;
    }
    if (count < 0 && odd != 1) /* 1/3, 1/9, ... have no last bit */
        return false;
    for (int i = 0; odd != 1 && i < count; i++) {
        if (power > ((uint64_t)1 << 54) / odd)
            return false;
        power *= odd;
    }
    Fixed integer = {{0, (uint32_t)(power >> 32), (uint32_t)power}};
    *result = fixed_round(&integer, 64 + e * count, LEAST_LIMBS);
    return true;
}

/* (m * 2^e)^(twice/2) for 1 <= m < 2. Error: that of the logarithm times |y| <= 2^13, and k ln2: below 2^27 units. */
static double accurate_pow(double m, int e, int twice)
{
    double result = 0.0;
    uint64_t odd = (bits_of(m) & 0xfffffffffffff) | 0x10000000000000;
    int zeros = 0;
    for (; (odd & 1) == 0; zeros++)
        odd >>= 1;
    if (short_power(odd, e - 52 + zeros, twice, &result))
        return result;
    for (int n = LEAST_LIMBS; n <= MOST_LIMBS; n *= 2) {
        int exponent;
        Fixed log = fixed_log(m, e, n);
        bool negative = fixed_is_negative(&log);
        if (negative)
            fixed_negate(&log, n);
        fixed_scale(&log, (uint32_t)(twice < 0 ? -twice : twice), n);
        fixed_divide(&log, 2, n);
        if (negative != (twice < 0))
            fixed_negate(&log, n);
        Fixed power = fixed_exp_anywhere(&log, n, &exponent);
        if (fixed_decides(&power, exponent, 27, n, &result))
            break;
    }
    return result;
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
        Fixed r = table.ln2;
        fixed_scale(&r, j, LEAST_LIMBS);
        fixed_divide(&r, EXP_STEPS, LEAST_LIMBS);
        Fixed power = fixed_exp(&r, LEAST_LIMBS);
        table.power_of_two[j] = pair_of(&power);
    }
    Fixed step = table.ln2;
    fixed_divide(&step, EXP_STEPS, LEAST_LIMBS);
    table.exp_step[0] = take_multiple(&step, 42);
    table.exp_step[1] = fixed_round(&step, 0, LEAST_LIMBS);
}

static void make_log_table(void)
{
    for (int j = LOG_FIRST; j <= LOG_LAST; j++) {
        double inverse = floor(0x1p19 * LOG_STEPS / j + 0.5) * 0x1p-19;
        bool above = inverse > 1.0;
        Fixed log = fixed_log(above ? inverse : inverse * 2.0, above ? 0 : -1, LEAST_LIMBS);
        if (!above)
            fixed_negate(&log, LEAST_LIMBS);
        double hi = take_multiple(&log, 42), lo = fixed_round(&log, 0, LEAST_LIMBS);
        table.log[j - LOG_FIRST] = (LogEntry){inverse, above ? -hi : hi, above ? -lo : lo};
    }
    table.log[LOG_STEPS - LOG_FIRST] = (LogEntry){1.0, 0.0, 0.0};
    Fixed step = table.ln2;
    table.log_step[0] = take_multiple(&step, 42);
    table.log_step[1] = fixed_round(&step, 0, LEAST_LIMBS);
}

static void make_sine_table(void)
{
    const int quarter = CIRCLE_STEPS / 4;
    for (int j = 0; j <= quarter; j++) {
        Fixed angle = table.half_pi;
        fixed_scale(&angle, (uint32_t)j, LEAST_LIMBS);
        fixed_divide(&angle, (uint32_t)quarter, LEAST_LIMBS);
        Fixed value = j == quarter ? fixed_integer(1) : fixed_sin(&angle, LEAST_LIMBS);
        Pair sine = pair_of(&value), minus = {-sine.hi, -sine.lo};
        table.sine[j] = table.sine[2 * quarter - j] = sine;
        table.sine[2 * quarter + j] = table.sine[(4 * quarter - j) % CIRCLE_STEPS] = minus;
    }
    table.sine[0] = table.sine[2 * quarter] = (Pair){0.0, 0.0};
    Fixed step = table.half_pi;
    fixed_divide(&step, (uint32_t)quarter, LEAST_LIMBS);
    table.circle_step[0] = take_multiple(&step, 49);
    table.circle_step[1] = take_multiple(&step, 92);
    table.circle_step[2] = fixed_round(&step, 0, LEAST_LIMBS);
}

static void make_tables(void)
{
    table.ln2 = two_term_formula(4, 6, 2, 99, false); /* ln2 = 4 atanh(1/6) + 2 atanh(1/99) */
    table.half_pi = two_term_formula(8, 5, 2, 239, true); /* Machin: pi/2 = 8 atan(1/5) - 2 atan(1/239) */
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

/* e^x = 2^(k/128) * e^r with k the integer nearest to 128 x/ln2, so |r| < 2^-8.52. r = d - w, where d = x - k step[0] is exact.
 * e^r = 1 + d + tail, tail = -w + r^2/2 + r^3/6 + ..., below 2^-18. The parts of `low` below 2^-51 are added first.
 * Error: let a unit be 2^-53 * 2^-18. The tail has 5 (2 from r, and 3 roundings); times the table's 2^(k/128) < 2 they are 10;
 * that product and the last sum have 2 each; 1 for power.lo * tail, which is left out: 15 units, below 2^-67.
 */
static bool quick_exp(double x, double *result)
{
    double k = nearest_integer(x * 0x1.71547652b82fep+7);
    double d = x - k * table.exp_step[0], w = k * table.exp_step[1], r = d - w, square = r * r;
    double beyond = r * square * ((1.0 / 6 + r * (1.0 / 24)) + square * ((1.0 / 120 + r * (1.0 / 720)) + square * (1.0 / 5040)));
    double tail = (0.5 * square + beyond) - w;

    int steps = (int)k, j = steps & (EXP_STEPS - 1);
    Pair power = table.power_of_two[j], product = exact_product(power.hi, d);
    Pair sum = ordered_sum(power.hi, product.hi);
    double low = ((sum.lo + product.lo) + power.lo * (1.0 + d)) + power.hi * tail;
    double rounded;
    return pair_decides(ordered_sum(sum.hi, low), 0x1p-67, &rounded) && scale_normal(rounded, (steps - j) / EXP_STEPS, result);
}

/* x = z * 2^e with z between sqrt(1/2) and sqrt(2). r = z * inverse - 1 with the table's inverse near 1/z, so |r| < 2^-7.4.
 * log x = e ln2 - log(inverse) + r - r^2/2 + tail, tail = r^3/3 - r^4/4 + ... All but the tail is added without error.
 * Error: 9 roundings of the tail's size and 3 of the low parts': 12 * 2^-53 * |r|^3/3. Where inverse is 1 the result is about r, and
 * |r| < 2^-8: below 2^-67 of the result. The next smallest results are beyond 2^-8 with |r| < 2^-7.9: below 2^-66.8 of them.
 */
static bool quick_log(double z, int e, double *result)
{
    const LogEntry *entry = &table.log[(int)(z * LOG_STEPS + 0.5) - LOG_FIRST];
    double top = double_of(bits_of(z) & 0xffffffffffe00000); /* 32 bits, so that the products below are exact */
    Pair r = exact_sum(top * entry->inverse - 1.0, (z - top) * entry->inverse), square = exact_product(r.hi, r.hi);
    double s = square.hi;
    double eighth = s * ((1.0 / 7 - r.hi * (1.0 / 8)) + s * (1.0 / 9 - r.hi * (1.0 / 10)));
    double tail = r.hi * s * ((1.0 / 3 - r.hi * (1.0 / 4)) + s * ((1.0 / 5 - r.hi * (1.0 / 6)) + eighth));

    Pair sum = ordered_sum(e * table.log_step[0] + entry->log_hi, r.hi), rest = ordered_sum(sum.hi, -0.5 * s);
    double low = ((r.lo - r.hi * r.lo) - 0.5 * square.lo) + (e * table.log_step[1] + entry->log_lo);
    Pair log = ordered_sum(rest.hi, ((sum.lo + rest.lo) + low) + tail);
    return pair_decides(log, fabs(log.hi) * 0x1p-66, result);
}

/* sin(x + quarters * pi/2). x = k * pi/256 + r with |r| < 2^-7.34; r is a pair, good to 2^-130. With the sine s and the cosine c of
 * k * pi/256 (shifted by the quarters), the result is s + c r + s (cos r - 1) + c (sin r - r). The first two are added without error.
 * Error: let a unit be 2^-53 * r^2/2 < 2^-68.6. s (cos r - 1) has 5 s units (3 from the cosine, 1 its product, 1 for s.lo times it, left out),
 * the last sum 1 s, and c (sin r - r) and its part of the sum 10 * 2^-53 * r^3/6. The result is at least s/2: relative, below
 * 12 * 2^-68.6 + 2^-66.8 < 1.5 * 2^-65. Where s is 0 the result is about r, and its error below 10 * 2^-53 * r^2/6 < 2^-66.
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

/* (z * 2^e)^(twice/2) for 1/2 <= z < 2 and an even e: square and multiply with pairs. While n * |log2 z| < 900 nothing over- or underflows.
 * Error: a product adds 8 u^2 to the errors of its factors, which makes 16 n u^2 at the most; a root and a reciprocal add 20 u^2.
 * The test allows (n + 8) * 2^-100, four times as much.
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
    return pair_decides(power, power.hi * (n + 8) * 0x1p-100, &rounded) && scale_normal(rounded, e / 2 * twice, result);
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
