/* exp, log, sin, cos and pow in fixed point: the double nearest to the true value. */
#import "Microgpt.h"
#include <math.h>

/* A number in fixed point has a signed integer and then limbs of 28 bits after the point, all of them >= 0. FEW limbs
   decide nearly every call, LAST of them every one that anybody has found (reference/EXACT.md). */
enum { BITS = 28, MASK = (1 << BITS) - 1, FEW = 5, LAST = 9, TERMS = 64, HALVINGS = 8 };
typedef struct {
  int64_t limb[LAST + 1];
} Fixed;

static const Fixed One = {{1}},
                   Ln2 = {{0, 0xb17217f, 0x7d1cf79, 0xabc9e3b, 0x39803f2, 0xf6af40f, 0x3432672, 0x98b62d8, 0xa0d175b,
                           0x8baafa2}},
                   HalfPi = {{1, 0x921fb54, 0x442d184, 0x69898cc, 0x51701b8, 0x39a2520, 0x49c1114, 0xcf98e80, 0x4177d4c,
                              0x7627364}};
static Fixed inverseFactorial[TERMS];

static Fixed Carried(Fixed a, int n) {
  for (int i = n; i > 0; i--) {
    a.limb[i - 1] += a.limb[i] >> BITS;
    a.limb[i] &= MASK;
  }
  return a;
}

/* a + k * b */
static Fixed Sum(Fixed a, int64_t k, Fixed b, int n) {
  for (int i = 0; i <= n; i++) a.limb[i] += k * b.limb[i];
  return Carried(a, n);
}

/* The column after the last counts for what it carries; those beyond it are cut off. */
static Fixed Product(Fixed a, Fixed b, int n) {
  Fixed product;
  int64_t beyond = 0;
  for (int j = 1; j <= n; j++) beyond += a.limb[j] * b.limb[n + 1 - j];
  for (int i = 0; i <= n; i++) {
    product.limb[i] = 0;
    for (int j = 0; j <= i; j++) product.limb[i] += a.limb[j] * b.limb[i - j];
  }
  product.limb[n] += beyond >> BITS;
  return Carried(product, n);
}

/* a / 2^bits for bits < BITS */
static Fixed Halved(Fixed a, int bits, int n) {
  for (int i = n; i > 0; i--) a.limb[i] = (a.limb[i] >> bits) + (a.limb[i - 1] << (BITS - bits) & MASK);
  a.limb[0] >>= bits;
  return a;
}

static Fixed FixedFrom(double x, int n) {
  Fixed a;
  double rest = fabs(x);
  for (int i = 0; i <= n; i++, rest *= 0x1p28) rest -= (double)(a.limb[i] = (int64_t)rest);
  return x < 0.0 ? Sum((Fixed){{0}}, -1, a, n) : a;
}

/* The double nearest to a * 2^exponent for a > 0, ties to even, rounded once at the last place that it has. */
static double Rounded(Fixed a, int exponent, int n) {
  int i = 0;
  while (i < n && a.limb[i] == 0) i++;
  uint64_t top = (uint64_t)a.limb[i], half, rest, sticky = 0; /* top gets 62 bits */
  int room = __builtin_clzll(top | 1) - 2, place = exponent - BITS * i - room;
  for (i++; i <= n || room > 0; i++) {
    uint64_t next = i <= n ? (uint64_t)a.limb[i] : 0;
    int take = MIN(room, BITS);
    top = top << take | next >> (BITS - take);
    sticky |= next & (MASK >> take);
    room -= take;
  }
  int drop = MAX(9, -1074 - place);
  if (drop > 62) return 0.0;
  half = 1ull << (drop - 1);
  rest = top & (2 * half - 1);
  top >>= drop;
  if (rest > half || (rest == half && (sticky || (top & 1)))) top++;
  uint64_t pattern = ((uint64_t)(place + drop + 1074) << 52) + top; /* a carry makes the exponent greater */
  double result;
  memcpy(&result, &pattern, sizeof result);
  return pattern >> 52 < 2047 ? result : INFINITY;
}

static void MakeInverseFactorials(void) {
  inverseFactorial[0] = One;
  for (int i = 1; i < TERMS; i++) {
    int64_t rest = 0;
    for (int j = 0; j <= LAST; j++, rest %= i)
      inverseFactorial[i].limb[j] = (rest = rest << BITS | inverseFactorial[i - 1].limb[j]) / i;
  }
}

/* 1/first! + x/(first + step)! + x^2/(first + 2 step)! + ..., or the same with alternating signs. */
static Fixed Series(Fixed x, int first, int step, int terms, int sign, int n) {
  int i = first + step * (terms - 1);
  Fixed sum = inverseFactorial[i];
  while ((i -= step) >= first) sum = Sum(inverseFactorial[i], sign, Product(sum, x, n), n);
  return sum;
}

/* e^p = the result * 2^(*exponent) */
static Fixed Exponential(Fixed p, int n, int *exponent) {
  *exponent = (int)lrint(((double)p.limb[0] + (double)p.limb[1] * 0x1p-28) * M_LOG2E);
  Fixed power = Series(Halved(Sum(p, -*exponent, Ln2, n), HALVINGS, n), 0, 1, 4 + 2 * n, 1, n);
  for (int i = 0; i < HALVINGS; i++) power = Product(power, power, n);
  return power;
}

static Fixed PowerOfE(double x, int k, int n, int *exponent) {
  (void)k;
  return Exponential(FixedFrom(x, n), n, exponent);
}

/* log m = y + d - d^2/2 + d^3/3 - ..., with d = m e^-y - 1. The library's y is good to 2^-52, the next to 2^-150. */
static Fixed Logarithm(double x, int k, int n, int *exponent) {
  int e, shift;
  double m = frexp(x, &e);
  (void)k;
  if (m < 0.75) {
    m *= 2.0;
    e--;
  }
  Fixed y = FixedFrom(log(m), LAST);
  for (int limbs = FEW; limbs <= n; limbs += LAST - FEW) {
    Fixed power = Exponential(Sum((Fixed){{0}}, -1, y, limbs), limbs, &shift);
    Fixed d = Sum(Product(power, FixedFrom(ldexp(m, shift), limbs), limbs), -1, One, limbs);
    y = Sum(Sum(y, 1, d, limbs), -1, Halved(Product(d, d, limbs), 1, limbs), limbs);
  }
  *exponent = 0;
  return Sum(y, e, Ln2, n);
}

/* sin(x + quarters * pi/2) */
static Fixed Wave(double x, int quarters, int n, int *exponent) {
  int turns = (int)lrint(x * M_2_PI), quadrant = (turns + quarters) & 3;
  Fixed r = Sum(FixedFrom(x, n), -turns, HalfPi, n);
  Fixed wave = Series(Product(r, r, n), quadrant & 1 ? 0 : 1, 2, 6 + 5 * n / 2, -1, n);
  if (!(quadrant & 1)) wave = Product(r, wave, n);
  *exponent = 0;
  return quadrant & 2 ? Sum((Fixed){{0}}, -1, wave, n) : wave;
}

/* x^(twice/2) */
static Fixed Power(double x, int twice, int n, int *exponent) {
  Fixed log = Logarithm(x, 0, n, exponent);
  return Exponential(Halved(Sum((Fixed){{0}}, twice, log, n), 1, n), n, exponent);
}

typedef Fixed (*Function)(double x, int k, int n, int *exponent);

/* The value is off by less than the slack. With all limbs, what lies within the slack of a double, or of the middle
   between two, is that: a power of a short number may be. */
static double Nearest(Function function, double x, int k) {
  if (inverseFactorial[0].limb[0] == 0) MakeInverseFactorials();
  for (int n = FEW;; n = LAST) {
    int exponent;
    Fixed value = function(x, k, n, &exponent), slack = {{0}};
    double sign = value.limb[0] < 0 ? -1.0 : 1.0;
    slack.limb[n - 1] = 1 << 14;
    value = Sum((Fixed){{0}}, (int)sign, value, n);
    Fixed above = Sum(value, 1, slack, n), below = Sum(value, -1, slack, n);
    if (n == LAST) {
      above.limb[n - 1] &= MASK & ~0x7fff;
      above.limb[n] = 0;
    }
    if (n == LAST || Rounded(above, exponent, n) == Rounded(below, exponent, n))
      return sign * Rounded(above, exponent, n);
  }
}

double ExactExp(double x) { return isnan(x) ? NAN : Nearest(PowerOfE, fmin(fmax(x, -800.0), 800.0), 0); }

double ExactLog(double x) {
  if (isnan(x) || x < 0.0) return NAN;
  if (x == 0.0 || x == INFINITY) return x == 0.0 ? -INFINITY : x;
  return x == 1.0 ? 0.0 : Nearest(Logarithm, x, 0);
}

double ExactSin(double x) {
  if (isnan(x)) return NAN;
  return fabs(x) < 0x1p-26 ? x : Nearest(Wave, x, 0); /* x - x^3/6 rounds to x */
}

double ExactCos(double x) { return isnan(x) ? NAN : Nearest(Wave, x, 1); }

double ExactPow(double x, double y) {
  BOOL whole = floor(y) == y, odd = whole && fmod(y, 2.0) != 0.0;
  if (y == 0.0 || x == 1.0) return 1.0;
  if (isnan(x)) return NAN;
  if (y == 1.0 || y == 2.0 || y == -1.0) return y == 1.0 ? x : y == 2.0 ? x * x : 1.0 / x;
  if (x == 0.0 || isinf(x)) return copysign((x == 0.0) == (y > 0.0) ? 0.0 : INFINITY, odd ? x : 1.0);
  if (x < 0.0) return !whole ? NAN : odd ? -ExactPow(-x, y) : ExactPow(-x, y);
  if (y == 0.5) return sqrt(x);
  if (fabs(log(x) * y) > 800.0) return log(x) * y > 0.0 ? INFINITY : 0.0;
  return Nearest(Power, x, (int)(2.0 * y));
}
