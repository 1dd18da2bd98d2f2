#include "generator.h"

#include <math.h>

void generator_seed(Generator *generator, uint32_t seed)
{
    uint32_t *mt = generator->word;
    mt[0] = 19650218;
    for (uint32_t i = 1; i < STATE_WORDS; i++)
        mt[i] = 1812433253 * (mt[i - 1] ^ mt[i - 1] >> 30) + i;

    uint32_t i = 1; /* init_by_array with a key of one word, after Matsumoto and Nishimura */
    for (int count = 0; count < STATE_WORDS; count++) {
        mt[i] = (mt[i] ^ (mt[i - 1] ^ mt[i - 1] >> 30) * 1664525) + seed;
        if (++i == STATE_WORDS) {
            mt[0] = mt[STATE_WORDS - 1];
            i = 1;
        }
    }
    for (int count = 0; count < STATE_WORDS - 1; count++) {
        mt[i] = (mt[i] ^ (mt[i - 1] ^ mt[i - 1] >> 30) * 1566083941) - i;
        if (++i == STATE_WORDS) {
            mt[0] = mt[STATE_WORDS - 1];
            i = 1;
        }
    }
    mt[0] = 0x80000000;
    generator->index = STATE_WORDS;
    generator->has_kept = false;
}

static void make_words(uint32_t *mt)
{
    for (int i = 0; i < STATE_WORDS; i++) {
        uint32_t y = (mt[i] & 0x80000000) | (mt[(i + 1) % STATE_WORDS] & 0x7fffffff);
        mt[i] = mt[(i + 397) % STATE_WORDS] ^ y >> 1 ^ (y & 1 ? 0x9908b0df : 0);
    }
}

uint32_t generator_word(Generator *generator)
{
    if (generator->index == STATE_WORDS) {
        make_words(generator->word);
        generator->index = 0;
    }
    uint32_t y = generator->word[generator->index++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680;
    y ^= y << 15 & 0xefc60000;
    return y ^ y >> 18;
}

double generator_random(Generator *generator)
{
    uint32_t a = generator_word(generator) >> 5, b = generator_word(generator) >> 6;
    return (a * 0x1p26 + b) / 0x1p53;
}

/* Box and Muller: two uniform numbers give two independent normal ones. */
double generator_gauss(Generator *generator, double sigma, const Functions *math)
{
    double z;
    if (generator->has_kept) {
        z = generator->kept;
        generator->has_kept = false;
    } else {
        double angle = generator_random(generator) * 0x1.921fb54442d18p+2;
        double radius = sqrt(-2.0 * math->log(1.0 - generator_random(generator)));
        z = math->cos(angle) * radius;
        generator->kept = math->sin(angle) * radius;
        generator->has_kept = true;
    }
    return 0.0 + z * sigma;
}

int generator_below(Generator *generator, int n)
{
    int bits = 0;
    while (n >> bits != 0)
        bits++;
    uint32_t word;
    do
        word = generator_word(generator) >> (32 - bits);
    while (word >= (uint32_t)n);
    return (int)word;
}

int generator_choice(Generator *generator, const double *weights, int count, double *cumulative)
{
    cumulative[0] = weights[0];
    for (int i = 1; i < count; i++)
        cumulative[i] = cumulative[i - 1] + weights[i];
    double total = cumulative[count - 1] + 0.0;
    if (!(total > 0.0 && isfinite(total)))
        return -1;
    double u = generator_random(generator) * total;
    int low = 0, high = count - 1;
    while (low < high) {
        int middle = (low + high) / 2;
        if (u < cumulative[middle])
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}
