/* The accurate phase of the exact functions: right for every argument, and slow (microseconds). See exact.c. */
#ifndef ACCURATE_H
#define ACCURATE_H

double accurate_exp(double x);                       /* for 2^-54 <= |x| < 2^30 */
double accurate_log(double m, int e);                /* log(m * 2^e), not of 1; 1 <= m < 2 */
double accurate_sine(double x, int quarters);        /* sin(x + quarters * pi/2) for 2^-27 <= |x| <= 8 */
double accurate_pow(double m, int e, int twice);     /* (m * 2^e)^(twice/2); 1 <= m < 2, |twice| <= 16384 */

#endif
