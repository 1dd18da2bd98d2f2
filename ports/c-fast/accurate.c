#include "accurate.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>

#include "fixed.h"

/* Error: below 2^13 units; fixed_exp_anywhere has it from a multiple of ln2. */
double accurate_exp(double x)
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

/* Error: below 2^12 units. */
double accurate_log(double m, int e)
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

/* Error: below 2^12 units. */
double accurate_sine(double x, int quarters)
{
    double result = 0.0;
    int turns = (int)floor(fabs(x) * 0x1.45f306dc9c883p-1 + 0.5); /* |x| / (pi/2), rounded */
    for (int n = LEAST_LIMBS; n <= MOST_LIMBS; n *= 2) {
        Fixed r = fixed_double(fabs(x), n), shift = fixed_half_pi();
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

/* If x^y for x = odd * 2^e and y = twice/2 is a number of at most 54 bits, i.e. if it is a double or in the
 * middle between two, true, and *result is the nearest double.
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

/* Error: that of the logarithm times |y| <= 2^13, and k ln2: below 2^27 units.
 */
double accurate_pow(double m, int e, int twice)
{
    double result = 0.0;
    uint64_t odd = (uint64_t)(m * 0x1p52);
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
