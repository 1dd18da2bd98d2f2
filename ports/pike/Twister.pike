// Python's random numbers: the Mersenne Twister MT19937 and what is drawn from it (SPEC, section 3).

import .Exact;

constant size = 624;

array(int) words = ({ 19650218 });
int index = size;
array(float) kept = ({});  // the value that gauss keeps, if any

private int spread(int word) {
  return word ^ word >> 30;
}

protected void create(int seed) {
  for (int i = 1; i < size; i++)
    words += ({ 1812433253 * spread(words[i - 1]) + i & 0xffffffff });
  int i = 1;
  void next_word(int factor, int addend) {
    words[i] = (words[i] ^ spread(words[i - 1]) * factor) + addend & 0xffffffff;
    if (++i == size) {
      words[0] = words[size - 1];
      i = 1;
    }
  };
  for (int n = 0; n < size; n++)
    next_word(1664525, seed);
  for (int n = 1; n < size; n++)
    next_word(1566083941, -i);
  words[0] = 0x80000000;
}

private void renew() {
  for (int i = 0; i < size; i++) {
    int y = words[i] & 0x80000000 | words[(i + 1) % size] & 0x7fffffff;
    words[i] = words[(i + 397) % size] ^ y >> 1 ^ (y & 1 && 0x9908b0df);
  }
  index = 0;
}

int next() {
  if (index == size)
    renew();
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
  if (sizeof(kept)) {
    float z = kept[0];
    kept = ({});
    return 0.0 + z * sigma;
  }
  float x = uniform() * 6.283185307179586, r = sqrt(-2.0 * log(1.0 - uniform()));
  kept = ({ sin(x) * r });
  return 0.0 + cos(x) * r * sigma;
}

private int below(int n) {
  int shift = 32 - Gmp.mpz(n)->size(), word;
  do
    word = next() >> shift;
  while (word >= n);
  return word;
}

array shuffle(array items) {
  items += ({});
  for (int i = sizeof(items) - 1; i > 0; i--) {
    int j = below(i + 1);
    [items[i], items[j]] = ({ items[j], items[i] });
  }
  return items;
}

// An index into the weights.
int choice(array(float) weights) {
  float total = 0.0;
  array(float) cumulative = ({});
  foreach (weights; int i; float weight)
    cumulative += ({ total = i ? total + weight : weight });
  total += 0.0;
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
