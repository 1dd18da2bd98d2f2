/* The stream of random numbers: the Mersenne Twister as Python uses it (SPEC, section 3). */
#ifndef GENERATOR_H
#define GENERATOR_H

#include <stdbool.h>
#include <stdint.h>

#include "functions.h"

enum { STATE_WORDS = 624 };

typedef struct {
    uint32_t word[STATE_WORDS];
    int index;         /* of the next word; STATE_WORDS when all are used up */
    bool has_kept;
    double kept;       /* the second of the two normal numbers that gauss makes at a time */
} Generator;

void generator_seed(Generator *generator, uint32_t seed);
uint32_t generator_word(Generator *generator);
double generator_random(Generator *generator);                                     /* in [0, 1) */
double generator_gauss(Generator *generator, double sigma, const Functions *math); /* normal, mean 0 */
int generator_below(Generator *generator, int n);                                  /* in 0..n-1, n >= 1 */

/* An index, drawn with the given weights, or -1 if their sum is not a finite number above 0. `cumulative` is
 * room for count numbers.
 */
int generator_choice(Generator *generator, const double *weights, int count, double *cumulative);

#endif
