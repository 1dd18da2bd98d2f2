#include "fixed.h"

#include <math.h>
#include <string.h>

Fixed fixed_integer(uint32_t value)
{
    return (Fixed){{value}};
}

Fixed fixed_double(double x, int n)
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

bool fixed_is_negative(const Fixed *a)
{
    return a->limb[0] >> 31;
}

void fixed_add(Fixed *a, const Fixed *b, int n)
{
    uint64_t carry = 0;
    for (int i = n; i >= 0; i--) {
        carry += (uint64_t)a->limb[i] + b->limb[i];
        a->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

void fixed_subtract(Fixed *a, const Fixed *b, int n)
{
    uint64_t borrow = 0;
    for (int i = n; i >= 0; i--) {
        uint64_t difference = (uint64_t)a->limb[i] - b->limb[i] - borrow;
        a->limb[i] = (uint32_t)difference;
        borrow = difference >> 63;
    }
}

void fixed_negate(Fixed *a, int n)
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

void fixed_scale(Fixed *a, uint32_t factor, int n)
{
    uint64_t carry = 0;
    for (int i = n; i >= 0; i--) {
        carry += (uint64_t)a->limb[i] * factor;
        a->limb[i] = (uint32_t)carry;
        carry >>= 32;
    }
}

void fixed_divide(Fixed *a, uint32_t divisor, int n)
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

double fixed_round(const Fixed *a, int exponent, int n)
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

bool fixed_decides(const Fixed *a, int exponent, int slack, int n, double *result)
{
    Fixed error = {{0}}, below = *a, above = *a;
    error.limb[n - slack / 32] = (uint32_t)1 << slack % 32;
    fixed_subtract(&below, &error, n);
    fixed_add(&above, &error, n);
    *result = fixed_round(&above, exponent, n);
    return fixed_round(&below, exponent, n) == *result;
}

/* ------------------------------------------------------------------ constants */

/* atan(1/q), or atanh(1/q) if all signs are plus, from its series 1/q -+ 1/(3 q^3) + 1/(5 q^5) -+ ...
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

static struct {
    bool made;
    Fixed ln2, half_pi;
} constants;

static void need_constants(void)
{
    if (constants.made)
        return;
    constants.ln2 = two_term_formula(4, 6, 2, 99, false);    /* ln2 = 4 atanh(1/6) + 2 atanh(1/99) */
    constants.half_pi = two_term_formula(8, 5, 2, 239, true); /* Machin: pi/2 = 8 atan(1/5) - 2 atan(1/239) */
    constants.made = true;
}

Fixed fixed_ln2(void)
{
    need_constants();
    return constants.ln2;
}

Fixed fixed_half_pi(void)
{
    need_constants();
    return constants.half_pi;
}

/* ------------------------------------------------------------------ functions */

/* The sum of a Taylor series' terms, each of which is the one before times `factor`, divided by the next one or two (`divisors`)
 * of the numbers k, k+1, ...
 * Error: below 3 units a term, and 120 terms are enough for the factors below 2.5 here: below 2^9 units.
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

Fixed fixed_exp(const Fixed *r, int n)
{
    return taylor_series(fixed_integer(1), r, 1, 1, false, n);
}

Fixed fixed_sin(const Fixed *r, int n)
{
    Fixed square = fixed_multiply(r, r, n);
    return taylor_series(*r, &square, 2, 2, true, n);
}

Fixed fixed_cos(const Fixed *r, int n)
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

/* log(m) is the estimate plus log(1 + d) where 1 + d = m e^-estimate, so d is tiny and its series short.
 * Error: below 2^12 units, most of it from the last unit of ln2, e times.
 */
Fixed fixed_log(double m, int e, int n)
{
    double estimate = estimate_log(m);
    Fixed mantissa = fixed_double(m, n), result = fixed_double(estimate, n), rest = fixed_ln2();
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

    Fixed shift = fixed_ln2();
    fixed_scale(&shift, (uint32_t)(e < 0 ? -e : e), n);
    if (e < 0)
        fixed_subtract(&result, &shift, n);
    else
        fixed_add(&result, &shift, n);
    return result;
}

Fixed fixed_exp_anywhere(const Fixed *p, int n, int *exponent)
{
    double estimate = (int32_t)p->limb[0] + p->limb[1] * 0x1p-32; /* the top limb as a signed number */
    int k = (int)floor(estimate * 0x1.71547652b82fep+0);          /* p / ln2 */
    Fixed ln2 = fixed_ln2(), shift = ln2, r = *p;
    fixed_scale(&shift, (uint32_t)(k < 0 ? -k : k), n);
    if (k < 0)
        fixed_add(&r, &shift, n);
    else
        fixed_subtract(&r, &shift, n);
    if (fixed_is_negative(&r)) { /* the estimate was a little too large */
        fixed_add(&r, &ln2, n);
        k--;
    }
    *exponent = k;
    return fixed_exp(&r, n);
}
