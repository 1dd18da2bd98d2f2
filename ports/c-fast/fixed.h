/* Fixed-point numbers with hundreds of bits, for the accurate phase of the exact functions (see exact.c).
 *
 * A Fixed is a number in 32-bit limbs, the most significant first: limb[0] before the binary point, n more behind
 * it. Subtraction wraps around, so a negative number is a two's complement with the top bit set. n, the precision,
 * is passed along; a number of higher precision can be read at a lower one by ignoring its last limbs. A "unit" is
 * 2^(-32n), the weight of the last bit. Limbs of 32 bits need no wider product than C's uint64_t.
 */
#ifndef FIXED_H
#define FIXED_H

#include <stdbool.h>
#include <stdint.h>

enum { LEAST_LIMBS = 8, MOST_LIMBS = 16, CONSTANT_LIMBS = 17 };

typedef struct { uint32_t limb[CONSTANT_LIMBS + 1]; } Fixed;

Fixed fixed_integer(uint32_t value);
Fixed fixed_double(double x, int n); /* for 0 <= x < 2^31 and no bit of x below the last limb */
bool fixed_is_negative(const Fixed *a);

void fixed_add(Fixed *a, const Fixed *b, int n);
void fixed_subtract(Fixed *a, const Fixed *b, int n);
void fixed_negate(Fixed *a, int n);
void fixed_scale(Fixed *a, uint32_t factor, int n);
void fixed_divide(Fixed *a, uint32_t divisor, int n); /* for a >= 0, cut off: at most one unit too small */

/* ln2 and pi/2, made with one limb more than any function uses: there their error is below one unit. */
Fixed fixed_ln2(void);
Fixed fixed_half_pi(void);

/* Errors are below 2^9 units, of fixed_log below 2^12, where the argument is exact. */
Fixed fixed_exp(const Fixed *r, int n);        /* for 0 <= r < 0.7 */
Fixed fixed_sin(const Fixed *r, int n);        /* for 0 <= r < 1.6 */
Fixed fixed_cos(const Fixed *r, int n);        /* for 0 <= r < 1.6 */
Fixed fixed_log(double m, int e, int n);       /* log(m * 2^e) for 1 <= m < 2 and |e| < 1100 */

/* e^p for |p| < 2^30, p < 0 too: the returned number, between 1 and 2.1, times 2^(*exponent). */
Fixed fixed_exp_anywhere(const Fixed *p, int n, int *exponent);

/* The double nearest to a * 2^exponent, ties to even, for a >= 0. A subnormal is rounded at its own precision. */
double fixed_round(const Fixed *a, int exponent, int n);

/* True if all numbers within 2^slack units of a * 2^exponent round to the same double, which becomes *result. */
bool fixed_decides(const Fixed *a, int exponent, int slack, int n, double *result);

#endif
