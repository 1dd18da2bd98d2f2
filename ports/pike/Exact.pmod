// Doubles to the bit, and exp, log, sin, cos and pow correctly rounded by Pike's big integers (reference/EXACT.md).

constant nan = Math.nan, inf = Math.inf;

int to_bits(float x) {
  sscanf(sprintf("%8F", x), "%8c", int bits);
  return x == x ? bits : 0x7ff8000000000000;
}

float from_bits(int bits) {
  sscanf(sprintf("%8c", bits), "%8F", float x);
  return x == x ? x : nan;
}

// Pike's own division raises an error if y is zero, and its square root if x is negative.
float divide(float x, float y) {
  if (y != 0.0)
    return x / y;
  return x == 0.0 || x != x ? nan : from_bits(0x7ff << 52 | (to_bits(x) ^ to_bits(y)) & 1 << 63);
}

float sqrt(float x) { return x < 0.0 ? nan : predef::sqrt(x); }

// x = m * 2^q, for a finite x > 0.
private array(int) split(float x) {
  int exponent = to_bits(x) >> 52, fraction = to_bits(x) & (1 << 52) - 1;
  return exponent ? ({ fraction | 1 << 52, exponent - 1075 }) : ({ fraction, -1074 });
}

// The double nearest to m * 2^q for m > 0, ties to even. Doubles grow with their patterns, so carries come right.
private float nearest(int m, int q) {
  int shift = max(Gmp.mpz(m)->size() - 53, -1074 - q);
  m = shift > 0 ? m + (1 << shift - 1) - !(m >> shift & 1) >> shift : m << -shift;
  return from_bits(min(m && m + (q + shift + 1074 << 52), 0x7ff << 52));
}

// Fixed point with 224 bits: the hardest arguments known need 115, after up to 54 zeros.
private constant places = 224, one = 1 << places;
private int ln2 = 2 * odd_terms(one / 3, 9, 1);
private int half_pi = 8 * odd_terms(one / 5, 25, -1) - 2 * odd_terms(one / 239, 239 * 239, -1);

// The sum of x / square^i / (2i + 1) with alternating signs if sign is -1: artanh or arctan.
private int odd_terms(int x, int square, int sign) {
  int sum, factor = 1;
  for (int n = 1; x; n += 2, x /= square, factor *= sign)
    sum += factor * (x / n);
  return sum;
}

private int fixed(float x) { return (int)(x * (float)one); }

// exp(x) for 0 <= x < ln 2: the series of exp(x / 256), squared eight times.
private int exponential(int x) {
  int small = x >> 8, sum = one, n;
  for (int term = one; term; sum += term)
    term = (term * small >> places) / ++n;
  for (int i = 0; i < 8; i++)
    sum = sum * sum >> places;
  return sum;
}

float exp(float x) {
  if (x != x || x == inf)
    return x;
  int y = fixed(min(max(x, -800.0), 800.0));
  return nearest(exponential(y % ln2), y / ln2 - places);  // division rounds down
}

float log(float x) {
  if (x == 0.0 || x == 1.0)
    return x == 0.0 ? -inf : 0.0;
  if (!(x > 0.0 && x < inf))
    return x == inf ? inf : nan;
  [int m, int q] = split(x);
  int size = Gmp.mpz(m)->size();
  if (4 * m < 3 << size)  // m / 2^size lies between 3/4 and 3/2
    size--;
  // log(m) = guess + log(m exp(-guess)) = guess + log(1 + z), with z a little above 0
  int guess = fixed(predef::log((float)m / (float)(1 << size)) - 1e-12);
  int sum = guess + (q + size) * ln2, sign = 1, n = 1;
  int z = (m * exponential(-guess % ln2) >> size + (guess > 0)) - one;
  for (int power = z; power; power = power * z >> places, sign = -sign)
    sum += sign * (power / n++);
  return x < 1.0 ? -nearest(-sum, -places) : nearest(sum, -places);
}

// sin(x + turns * pi / 2) for 2^-27 < x <= 8.
private float sine(float x, int turns) {
  int quadrant = fixed(x) / half_pi + turns, angle = fixed(x) % half_pi, square = angle * angle >> places;
  int odd = !(quadrant & 1), sum, sign = 1, n = odd;
  for (int term = odd ? angle : one; term; sign = -sign) {
    sum += sign * term;
    term = (term * square >> places) / (++n * ++n);
  }
  return quadrant & 2 ? -nearest(sum, -places) : nearest(sum, -places);
}

// Below 2^-27 the double nearest to sin(x) is x, and that nearest to cos(x) is 1.
float sin(float x) {
  return !(abs(x) > 7e-9) ? x : x < 0.0 ? -sine(-x, 0) : sine(x, 0);
}

float cos(float x) { return x != x ? x : abs(x) > 7e-9 ? sine(abs(x), 1) : 1.0; }

// y is an integer or half of one, |y| <= 4096.
float pow(float x, float y) {
  if (y == -1.0)
    return divide(1.0, x);
  if (y == 0.0 || y == 2.0)
    return y == 0.0 ? 1.0 : x * x;
  if (y == 1.0 || x == 1.0 || x != x)
    return x;
  int halves = (int)(y * 2.0), negative = halves % 4 == 2 && to_bits(x) >> 63;
  float size = abs(x), result;
  if (size == 0.0 || size == inf)
    result = (size == 0.0) == (y < 0.0) ? inf : 0.0;
  else if (x < 0.0 && halves & 1)
    return nan;
  else
    result = y == 0.5 ? predef::sqrt(x) : power(size, halves);
  return negative ? -result : result;
}

// The square of x^(halves / 2) is n * 2^e or n-th part of it. A last bit stands for whatever is cut off.
private float power(float x, int halves) {
  [int m, int q] = split(x);
  int n = m->pow(abs(halves)), e = q * halves, size = Gmp.mpz(n)->size();
  int shift = halves > 0 ? max(0, 132 - size) : 132 + size;
  shift += e - shift & 1;  // the exponent under the root must be even
  int square = halves > 0 ? n << shift : (1 << shift) / n, root = predef::sqrt(square);
  int rest = root * root < square || (halves < 0 && square * n < 1 << shift);
  return nearest(2 * root + rest, (e - shift) / 2 - 1);
}
