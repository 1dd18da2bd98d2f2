// Python's random numbers: the Mersenne Twister MT19937 and what is drawn from it (SPEC, section 3).

import .Exact;

array(int) words = ({ 19650218 });
int index = 624;
array(float) kept = ({});  // the value that gauss keeps, if any

protected void create(int seed) {
  for (int i = 1; i < 624; i++)
    words += ({ 1812433253 * (words[-1] ^ words[-1] >> 30) + i & 0xffffffff });
  for (int n = 0, i = 1; n < 1247; n++) {
    int before = words[i - 1] ^ words[i - 1] >> 30, first = n < 624;
    words[i] = (words[i] ^ before * (first ? 1664525 : 1566083941)) + (first ? seed : -i) & 0xffffffff;
    if (i == 623)
      words[0] = words[623];
    i = i % 623 + 1;
  }
  words[0] = 0x80000000;
}

int next() {
  if (index == 624) {
    for (int i = 0; i < 624; i++) {
      int y = words[i] & 0x80000000 | words[(i + 1) % 624] & 0x7fffffff;
      words[i] = words[(i + 397) % 624] ^ y >> 1 ^ (y & 1 && 0x9908b0df);
    }
    index = 0;
  }
  int y = words[index++];
  y ^= y >> 11;
  y ^= y << 7 & 0x9d2c5680;
  y ^= y << 15 & 0xefc60000;
  return y ^ y >> 18;
}

float uniform() {
  int a = next() >> 5, b = next() >> 6;
  return (a << 26 | b) / 9007199254740992.0;
}

float gauss(float sigma) {
  float z;
  if (sizeof(kept)) {
    z = kept[0];
    kept = ({});
  } else {
    float x = uniform() * 6.283185307179586, r = sqrt(-2.0 * log(1.0 - uniform()));
    z = cos(x) * r;
    kept = ({ sin(x) * r });
  }
  return 0.0 + z * sigma;
}

array shuffle(array items) {
  items += ({});
  for (int i = sizeof(items) - 1, j; i > 0; i--) {
    do
      j = next() >> 32 - Gmp.mpz(i + 1)->size();
    while (j > i);
    [items[i], items[j]] = ({ items[j], items[i] });
  }
  return items;
}

// An index into the weights.
int choice(array(float) weights) {
  array(float) cumulative = weights[..0];
  foreach (weights[1..], float weight)
    cumulative += ({ cumulative[-1] + weight });
  float total = cumulative[-1] + 0.0;
  if (!(total > 0.0 && total < inf))
    .Protocol.refuse("the weights need a finite total above zero, not %g", total);
  float u = uniform() * total;
  int low, high = sizeof(weights) - 1;
  while (low < high) {
    int middle = (low + high) / 2;
    if (u < cumulative[middle])
      high = middle;
    else
      low = middle + 1;
  }
  return low;
}
