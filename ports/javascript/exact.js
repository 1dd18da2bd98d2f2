/**
 * Correctly rounded exp, log, sin, cos and pow (SPEC, sections 2 and 15), and numbers with four decimals.
 *
 * Numbers are computed in fixed point with BigInt, with ever more bits until rounding cannot go two ways (Ziv, 1991).
 * Only exp, which a step of training calls by the hundred, has a quick phase before that. Of doubles, nothing but
 * + - * / and the square root is relied on.
 */

const view = new DataView(new ArrayBuffer(8));

/** A finite x >= 0 as [n, e]: x = n * 2^e. */
function parts(x) {
  view.setFloat64(0, x);
  const pattern = view.getBigUint64(0);
  const biased = Number(pattern >> 52n);
  const fraction = pattern & 0xfffffffffffffn;
  return biased === 0 ? [fraction, -1074] : [fraction | (1n << 52n), biased - 1075];
}

function bitLength(n) {
  const digits = n.toString(16);
  return 4 * digits.length + 28 - Math.clz32(Number(`0x${digits[0]}`));
}

/** n * 2^places, rounded down. */
const shifted = (n, places) => (places >= 0 ? n << BigInt(places) : n >> BigInt(-places));

/** n * 2^places, rounded to nearest, ties to even. */
function halfEven(n, places) {
  if (places >= 0) return n << BigInt(places);
  const cut = BigInt(-places);
  return (n + (1n << (cut - 1n)) - 1n + ((n >> cut) & 1n)) >> cut;
}

/** The double nearest to n * 2^e, ties to even; rounded once, even if it is subnormal. */
function nearest(n, e) {
  if (n < 0n) return -nearest(-n, e);
  const top = bitLength(n) + e;
  if (n === 0n || top < -1074) return 0;
  if (top > 1024) return Infinity;
  const last = Math.max(top - 53, -1074);
  // The leading bit adds one to the exponent, and so does a carry out of the fraction, up to infinity.
  view.setBigUint64(0, (BigInt(last + 1074) << 52n) + halfEven(n, e - last));
  return view.getFloat64(0);
}

/** x as '%.4f' writes it: from its exact value, ties to even. */
export function decimals(x) {
  if (Number.isNaN(x)) return 'nan';
  const sign = x < 0 || Object.is(x, -0) ? '-' : '';
  if (Math.abs(x) === Infinity) return `${sign}inf`;
  const [n, e] = parts(Math.abs(x));
  const digits = halfEven(10000n * n, e).toString().padStart(5, '0');
  return `${sign}${digits.slice(0, -4)}.${digits.slice(-4)}`;
}

// A number v "at `bits` bits" is the BigInt v * 2^bits, and a unit is 2^-bits.

/** More than the errors of exp, log, sin and cos: 1,100 units from ln 2, and two from each term of a series. */
const SLACK = 8192n;

/** `approximate(bits)` gives [n, e, slack]: the true value lies between (n - slack) * 2^e and (n + slack) * 2^e. */
function settled(approximate) {
  for (let bits = 128n; ; bits *= 2n) {
    const [n, e, slack] = approximate(bits);
    const low = nearest(n - slack, e);
    if (low === nearest(n + slack, e)) return low;
  }
}

const fixed = (x, bits) => (x < 0 ? -fixed(-x, bits) : shifted(parts(x)[0], parts(x)[1] + Number(bits)));

/** first * (1 + x/d(1) * (1 + x/d(2) * ...)) */
function series(first, x, divisor, bits) {
  let sum = first;
  for (let term = first, k = 1n; term !== 0n; k += 1n) {
    term = ((term * x) >> bits) / divisor(k);
    sum += term;
  }
  return sum;
}

const expSeries = (r, bits) => series(1n << bits, r, (k) => k, bits);
const sinSeries = (r, bits) => series(r, -((r * r) >> bits), (k) => 2n * k * (2n * k + 1n), bits);
const cosSeries = (r, bits) => series(1n << bits, -((r * r) >> bits), (k) => (2n * k - 1n) * 2n * k, bits);

/** z + z^3/3 + z^5/5 ..., artanh z, for sign 1n; z - z^3/3 + z^5/5 ..., arctan z, for sign -1n. */
function arcSeries(z, sign, bits) {
  const square = sign * ((z * z) >> bits);
  let sum = 0n;
  for (let power = z, n = 1n; power !== 0n && power !== -1n; n += 2n) {
    sum += power / n;
    power = (power * square) >> bits;
  }
  return sum;
}

/** A constant at any number of bits, less than a unit off; each is computed once. */
function constant(compute, known = new Map()) {
  return (bits) => {
    if (!known.has(bits)) known.set(bits, compute((n, sign) => arcSeries((1n << (bits + 16n)) / n, sign, bits + 16n)) >> 16n);
    return known.get(bits);
  };
}

const ln2 = constant((arc) => 2n * arc(3n, 1n));
const halfPi = constant((arc) => 8n * arc(5n, -1n) - 2n * arc(239n, -1n)); // Machin, 1706

function expAccurate(x) {
  const k = Math.round(x / Math.LN2);
  return settled((bits) => [expSeries(fixed(x, bits) - BigInt(k) * ln2(bits), bits), k - Number(bits), SLACK]);
}

const EXP_SLACK = nearest(1n, -72); // the error is below 2^-76
const POWERS_OF_TWO = Float64Array.from({ length: 2098 }, (_, i) => nearest(1n, i - 1074));
const STEP_HIGH = nearest(ln2(192n) >> 157n, -42); // of ln 2 / 128, so short that a whole multiple is exact
const STEP_LOW = nearest(ln2(192n) & ((1n << 157n) - 1n), -199);
const EXP_HIGH = new Float64Array(128); // 2^(i/128)
const EXP_LOW = EXP_HIGH.map((_, i) => {
  const power = expSeries((BigInt(i) * ln2(192n)) / 128n, 192n);
  EXP_HIGH[i] = nearest(power, -192);
  return nearest(power - fixed(EXP_HIGH[i], 192n), -192);
});

/** The error of the product p = a * b (Dekker, Veltkamp). */
function productError(a, b, p) {
  const [s, t] = [a * 134217729, b * 134217729];
  const [aHigh, bHigh] = [s - (s - a), t - (t - b)];
  const [aLow, bLow] = [a - aHigh, b - bHigh];
  return aHigh * bHigh - p + aHigh * bLow + aLow * bHigh + aLow * bLow;
}

/** e^x = 2^k * 2^(i/128) * e^r for whole k and i, |r| < 0.003. All but x comes as a pair of doubles, high and low. */
export function exp(x) {
  if (Number.isNaN(x)) return NaN;
  if (x > 710) return Infinity;
  if (x < -746) return 0;
  if (Math.abs(x) > 708) return expAccurate(x);
  const steps = Math.round(x * (128 / Math.LN2));
  const [a, b] = [x - steps * STEP_HIGH, -steps * STEP_LOW];
  const r = a + b;
  const rLow = a - (r - (r - a)) + (b - (r - a)); // Knuth
  const square = r * r;
  const tail = square * r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720 + r * (1 / 5040)))));
  const f = r + square / 2; // f + fLow is e^r - 1
  const fLow = square / 2 - (f - r) + (productError(r, r, square) / 2 + (rLow + r * rLow) + tail);
  const power = EXP_HIGH[steps & 127];
  const product = power * f;
  const high = power + product;
  const error = productError(power, f, product) + (power * fLow + EXP_LOW[steps & 127] * (1 + f));
  const low = product - (high - power) + error;
  const result = high + (low - EXP_SLACK);
  return result === high + (low + EXP_SLACK) ? result * POWERS_OF_TWO[(steps >> 7) + 1074] : expAccurate(x);
}

export function log(x) {
  if (!(x > 0 && x < Infinity)) return x === 0 ? -Infinity : x < 0 ? NaN : x;
  if (x === 1) return 0;
  const [n, e] = parts(x);
  const k = Math.round(Math.log2(x));
  const one = 1n << BigInt(k - e); // x = n / one * 2^k
  return settled((bits) => {
    const z = ((n - one) << bits) / (n + one);
    return [2n * arcSeries(z, 1n, bits) + BigInt(k) * ln2(bits), -Number(bits), SLACK];
  });
}

/** sin(x + quarters * pi/2) for |x| <= 8. */
function sine(x, quarters) {
  const turns = Math.round(x / (Math.PI / 2));
  const quadrant = turns + quarters;
  return settled((bits) => {
    const r = fixed(x, bits) - BigInt(turns) * halfPi(bits);
    const value = quadrant & 1 ? cosSeries(r, bits) : sinSeries(r, bits);
    return [quadrant & 2 ? -value : value, -Number(bits), SLACK];
  });
}

/** For |x| <= 8. Below 2^-27, x^3/6 and x^2/2 are too small to count. */
export const sin = (x) => (Math.abs(x) > 7.4e-9 ? sine(x, 0) : x);
export const cos = (x) => (Math.abs(x) > 7.4e-9 ? sine(x, 1) : 1 + x * 0);

/** The root of n, rounded down, by Newton's iteration from above. */
function integerRoot(n) {
  for (let root = 1n << BigInt((bitLength(n) + 1) >> 1); ; ) {
    const next = (root + n / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** x^(n/2) for a finite x > 0. */
function halfPower(x, n) {
  let [m, e] = parts(x);
  while ((m & 1n) === 0n) [m, e] = [m >> 1n, e + 1];
  let times = Math.abs(n);
  let isRoot = n % 2 !== 0;
  if (!isRoot) times /= 2;
  else if (e % 2 === 0 && integerRoot(m) ** 2n === m) [m, e, isRoot] = [integerRoot(m), e / 2, false];

  return settled((bits) => {
    // A product is cut to `bits` bits and loses less than two units, so all of them and the ends lose 4 * times + 32.
    const product = ([a, aExponent], [b, bExponent]) => {
      const excess = Math.max(0, bitLength(a * b) - Number(bits));
      return [(a * b) >> BigInt(excess), aExponent + bExponent + excess];
    };
    const places = 2 * Number(bits) + (e & 1);
    const base = isRoot ? [integerRoot(m << BigInt(places)), (e - places) / 2] : [m, e];
    let power = base;
    for (let bit = 0x40000000 >> Math.clz32(times); bit > 0; bit >>= 1) {
      power = product(power, power);
      if (times & bit) power = product(power, base);
    }
    if (n < 0) power = [(1n << (2n * bits)) / power[0], -2 * Number(bits) - power[1]];
    // A power that is a double or half-way between two has at most 54 bits, so that nothing was cut off.
    const isExact = !isRoot && (m === 1n || (n > 0 && bitLength(m) * times <= bits));
    return [...power, isExact ? 0n : BigInt(4 * times + 32)];
  });
}

let last = { x: 1, n: 1, power: 1 }; // the gradient of a softmax asks for the same power again and again

/** For a whole or half y. */
export function pow(x, y) {
  if (y === 2) return x * x;
  if (y === 1) return x;
  if (y === 0) return 1;
  if (y === -1) return 1 / x;
  const size = Math.abs(x);
  const isNegative = (x < 0 || Object.is(x, -0)) && Math.abs(y % 2) === 1;
  let power = x;
  if (size === 0 || size === Infinity) power = (size === 0) === y > 0 ? 0 : Infinity;
  else if (Number.isNaN(x) || (x < 0 && !Number.isInteger(y))) return NaN;
  else if (y === 0.5) return Math.sqrt(x);
  else {
    if (last.x !== size || last.n !== 2 * y) last = { x: size, n: 2 * y, power: halfPower(size, 2 * y) };
    power = last.power;
  }
  return isNegative ? -power : power;
}
