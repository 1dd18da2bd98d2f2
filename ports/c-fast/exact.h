/* Correctly rounded exp, log, sin, cos and pow: every result is the double nearest to the true value, ties to
 * even.
 *
 * No errno, no exceptions, no dependence on the C library's own functions. Where a function has no ordinary
 * value it follows IEEE 754 (log(0) is -infinity, log(-1) is NaN). How it is done is told at the top of
 * exact.c.
 */
#ifndef EXACT_H
#define EXACT_H

double exact_exp(double x);            /* every x */
double exact_log(double x);            /* every x */
double exact_sin(double x);            /* |x| <= 8, or NaN */
double exact_cos(double x);            /* |x| <= 8, or NaN */
double exact_pow(double x, double y);  /* every x; y an integer or half-integer with |y| <= 8192 */

#endif
