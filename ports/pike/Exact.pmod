// Doubles to the bit: their patterns, and exp, log, sin, cos and pow correctly rounded by Pike's big integers.
// A real number on its way is an integer m times 2^q. Functions here may shadow the library's, which is predef::.

constant nan = Math.nan;
constant inf = Math.inf;

int to_bits(float x) {
  if (x != x)
    return 0x7ff8000000000000;
  sscanf(sprintf("%8F", x), "%8c", int bits);
  return bits;
}

float from_bits(int bits) {
  sscanf(sprintf("%8c", bits), "%8F", float x);
  return x != x ? nan : x;
}

// Pike's own division raises an error if y is zero, and its square root if x is negative.
float divide(float x, float y) {
  if (y != 0.0)
    return x / y;
  if (x != x || x == 0.0)
    return nan;
  return (x < 0.0) == (to_bits(y) >> 63) ? inf : -inf;
}

float sqrt(float x) {
  return x < 0.0 ? nan : predef::sqrt(x);
}

// x = m * 2^q, for a finite x >= 0.
private array(int) split(float x) {
  int bits = to_bits(x), exponent = bits >> 52, fraction = bits & (1 << 52) - 1;
  return exponent ? ({ fraction | 1 << 52, exponent - 1075 }) : ({ fraction, -1074 });
}

private int bit_length(int m) {
  return m && Gmp.mpz(m)->size();
}

// m divided by 2^shift, to the nearest integer, ties to even.
int shift_to_nearest(int m, int shift) {
  if (shift <= 0)
    return m << -shift;
  int result = m >> shift, rest = m - (result << shift), half = 1 << shift - 1;
  return result + (rest > half || (rest == half && result & 1));
}

// The double nearest to m * 2^q for m >= 0. A pattern read as an integer grows with the double: carries come right.
private float nearest(int m, int q) {
  int shift = max(bit_length(m) - 53, -1074 - q);
  int rounded = shift_to_nearest(m, shift);
  return rounded ? from_bits(min(rounded + (q + shift + 1074 << 52), 0x7ff << 52)) : 0.0;
}

// Ziv's loop. `compute` returns m * 2^q with an error below 2^20 units for p digits; all its steps lose far less.
private float ziv(function(int:array(int)) compute) {
  for (int p = 128;; p *= 2) {
    [int m, int q] = compute(p);
    float low = nearest(m - (1 << 20), q);
    if (m >> 20 > 0 && low == nearest(m + (1 << 20), q))
      return low;
  }
}

// From here to exp: fixed point, in units of 2^-p.

private int fixed(float x, int p) {
  [int m, int q] = split(x);
  return q + p < 0 ? m >> -(q + p) : m << q + p;
}

// first - first * square / (n (n + 1)) + ..., with n growing by two.
private int alternating(int first, int square, int n, int p) {
  int sum = first, sign = -1;
  for (int term = first; term = (term * square >> p) / (n * (n + 1)); n += 2) {
    sum += sign * term;
    sign = -sign;
  }
  return sum;
}

// arctan(1 / k)
private int inverse_tangent(int k, int p) {
  int sum, sign = 1, n = 1;
  for (int power = (1 << p) / k; power; power /= k * k) {
    sum += sign * (power / n);
    sign = -sign;
    n += 2;
  }
  return sum;
}

// artanh(1 / 3) is ln(2) / 2, pi / 4 is Machin's.
private mapping(int:array(int)) constants = ([]);

private array(int) ln2_and_half_pi(int p) {
  if (!constants[p]) {
    int ln2;
    for (int power = (2 << p) / 3, n = 1; power; power /= 9, n += 2)
      ln2 += power / n;
    constants[p] = ({ ln2, 8 * inverse_tangent(5, p) - 2 * inverse_tangent(239, p) });
  }
  return constants[p];
}

// exp(x) for 0 <= x < ln 2: the series of exp(x / 256), squared eight times.
private int exp_series(int x, int p) {
  int small = x >> 8, sum = 1 << p, n = 1;
  for (int term = small; term; term = (term * small >> p) / ++n)
    sum += term;
  for (int i = 0; i < 8; i++)
    sum = sum * sum >> p;
  return sum;
}

float exp(float x) {
  if (x != x || x > 710.0)
    return x != x ? nan : inf;
  if (x < -746.0)
    return 0.0;
  return ziv(lambda(int p) {
    int r = x < 0.0 ? -fixed(-x, p) : fixed(x, p), ln2 = ln2_and_half_pi(p)[0];
    int k = (int)floor(x / 0.6931471805599453);
    r -= k * ln2;
    return r < 0 ? ({ exp_series(r + ln2, p), k - 1 - p }) : ({ exp_series(r, p), k - p });
  });
}

float log(float x) {
  if (x == 0.0)
    return -inf;
  if (x != x || x < 0.0 || x == inf || x == 1.0)
    return x == 1.0 ? 0.0 : x == inf ? inf : nan;
  [int m, int q] = split(x);
  int size = bit_length(m);
  if (m < 3 << size - 2)  // from 3/4 to 3/2
    size--;
  float guess = predef::log((float)m / (float)(1 << size)) - 1e-12;
  int negative = x < 1.0;
  float result = ziv(lambda(int p) {
    // log(m) = guess + log(m exp(-guess)) = guess + log(1 + z), with z a little above 0
    int y = guess < 0.0 ? -fixed(-guess, p) : fixed(guess, p), ln2 = ln2_and_half_pi(p)[0];
    int exponential = y > 0 ? exp_series(ln2 - y, p) >> 1 : exp_series(-y, p);
    int z = (m * exponential >> size) - (1 << p), sign = 1, n = 1;
    int sum = y + (q + size) * ln2;
    for (int power = z; power; power = power * z >> p) {
      sum += sign * (power / n++);
      sign = -sign;
    }
    return ({ negative ? -sum : sum, -p });
  });
  return negative ? -result : result;
}

// sin(x + turns * pi / 2) for 2^-27 <= x <= 8.
private float sine(float x, int turns) {
  int negative;
  float result = ziv(lambda(int p) {
    int half_pi = ln2_and_half_pi(p)[1], angle = fixed(x, p), quadrant = angle / half_pi + turns;
    int r = angle % half_pi, square = r * r >> p;
    negative = quadrant & 2;
    return ({ quadrant & 1 ? alternating(1 << p, square, 1, p) : alternating(r, square, 2, p), -p });
  });
  return negative ? -result : result;
}

// Below 2^-27 the double nearest to sin(x) is x, and that nearest to cos(x) is 1.
float sin(float x) {
  if (abs(x) < 7e-9 || x != x)
    return x;
  return x < 0.0 ? -sine(-x, 0) : sine(x, 0);
}

float cos(float x) {
  if (x != x)
    return nan;
  return abs(x) < 7e-9 ? 1.0 : sine(abs(x), 1);
}

// y is an integer or half of one, |y| <= 4096.
float pow(float x, float y) {
  int halves = (int)(y * 2.0), odd = halves % 4 == 2;
  switch (y) {
    case 0.0: return 1.0;
    case 1.0: return x;
    case 2.0: return x * x;
    case -1.0: return divide(1.0, x);
  }
  if (x == 1.0 || x != x)
    return x;
  if (x == 0.0 || abs(x) == inf) {
    float size = (x == 0.0) == (y < 0.0) ? inf : 0.0;
    return odd && to_bits(x) >> 63 ? -size : size;
  }
  if (x < 0.0)
    return halves & 1 ? nan : odd ? -power(-x, halves) : power(-x, halves);
  return y == 0.5 ? predef::sqrt(x) : power(x, halves);
}

// The square of x^(halves / 2) is n * 2^e or 2^e / n. A last bit stands for whatever is cut off.
private float power(float x, int halves) {
  [int m, int q] = split(x);
  while (!(m & 1)) {
    m >>= 1;
    q++;
  }
  int size = abs(halves), e = q * halves, rest;
  if (halves & 1) {
    int n = m->pow(size), length = bit_length(n), shift = halves > 0 ? max(0, 132 - length) : 132 + length;
    shift += e - shift & 1;  // the exponent under the root must be even
    int square = halves > 0 ? n << shift : (1 << shift) / n;
    int root = predef::sqrt(square);
    rest = root * root < square || (halves < 0 && n > 1);
    return nearest(2 * root + rest, (e - shift) / 2 - 1);
  }
  int n = m->pow(size / 2);
  if (halves > 0)
    return nearest(n, e / 2);
  int shift = 66 + bit_length(n);
  return nearest(2 * ((1 << shift) / n) + (n > 1), e / 2 - shift - 1);
}
