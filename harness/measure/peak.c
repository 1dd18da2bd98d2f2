/* Floating-point operations a second that one core can do without fused operations: independent products and sums of doubles in
 * the widest vectors that the processor has, all in registers. Prints that number.
 */
#include <stdint.h>
#include <stdio.h>
#include <time.h>

enum { SUMS = 14, TURNS = 1 << 20, TRIES = 9 };

#define LOOP(name, lanes, wanted)                                                          \
    wanted static double name(double seed) {                                               \
        typedef double V __attribute__((vector_size(8 * lanes)));                          \
        V sum[SUMS], factor = seed * 0.999999 - (V){0}, term = seed * 1e-6 - (V){0};       \
        for (int i = 0; i < SUMS; i++) sum[i] = factor + i;                                \
        for (int turn = 0; turn < TURNS; turn++) {                                         \
            _Pragma("GCC unroll 14")                                                       \
            for (int i = 0; i < SUMS; i++) sum[i] = sum[i] * factor + term;                \
        }                                                                                  \
        for (int i = 1; i < SUMS; i++) sum[0] += sum[i];                                   \
        return sum[0][0];                                                                  \
    }

LOOP(plain, 2, )
#ifdef __x86_64__
LOOP(avx2, 4, __attribute__((target("avx2"))))
LOOP(avx512, 8, __attribute__((target("avx512f"))))
#endif

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

int main(int count, char **argument) {
    double (*loop)(double) = plain, lanes = 2.0, best = 0.0;
    volatile double sink = count;
    (void)argument;
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2")) loop = avx2, lanes = 4.0;
    if (__builtin_cpu_supports("avx512f")) loop = avx512, lanes = 8.0;
#endif
    for (int i = 0; i < TRIES; i++) {
        double began = now();
        sink = loop(1.0 + 0.0 * sink);
        double rate = 2.0 * lanes * SUMS * TURNS / (now() - began);
        best = rate > best ? rate : best;
    }
    printf("%.6e\n", best);
}
