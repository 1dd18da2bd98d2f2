/**
 * Correctly rounded exp, log, sin, cos and pow.
 *
 * "Correctly rounded" means: the double nearest to the true mathematical value, ties to even. JavaScript's own
 * Math.exp and friends are allowed to be slightly off, and each engine is off in its own way; these five give the
 * same bits everywhere. Only + - * / and Math.sqrt are used on doubles, which IEEE 754 rounds correctly already.
 * This file is no general mathematics library: pow wants whole and half exponents up to 4096, the ones a training
 * loop needs. It imports nothing and runs in any engine with BigInt.
 *
 * How it works. The true value is irrational in all interesting cases, so no program can write it down. But to round
 * it, one only has to see on which side of the nearest rounding boundary it lies. Hence two phases:
 *
 *  1. The quick phase computes the value as an unevaluated sum of two doubles, `high + low`, to about 70 bits
 *     (pow: 88), together with a proven bound on its error, `slack`. If `high + (low - slack)` and
 *     `high + (low + slack)` round to the same double, so does everything between them, the true value included: done.
 *     That holds for all but one input in some 50,000.
 *  2. The accurate phase computes with BigInt fixed-point numbers, first to 192 bits, then twice as many, and so on,
 *     until both ends of the error interval round alike (Ziv's rule). It must end, because the true value never lies
 *     exactly on a boundary: where x is a double other than 0 (log: 1), exp, log, sin and cos are transcendental
 *     (Lindemann); and the powers that are exact or half-way are computed exactly, with an error of 0.
 *
 * The tricks of the quick phase, which the comments below rely on:
 *
 *  - Rounding to a fixed place: (a + big) - big with big = 1.5 * 2^(52-n) rounds a to a multiple of 2^-n.
 *  - A product of two doubles is exact if their significant bits together are no more than 53. So tables and reduced
 *    arguments are cut into a leading part of some 26 bits and a rest.
 *  - The rounding error of a sum is itself a double (Knuth's TwoSum; Dekker's FastTwoSum where |a| >= |b| or a = 0):
 *      sum = a + b;  error = b - (sum - a).
 *  - The rounding error of a product is a double as well (Dekker), found through Veltkamp's splitting of a factor:
 *      t = a * (2^27 + 1);  top = t - (t - a);  rest = a - top.
 */

// ------------------------------------------------------------------------------------------------------------------
// Doubles from and to their bits.

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);
/** Which of the two 32-bit words holds sign and exponent on this machine. */
const HIGH = new Uint8Array(new Uint32Array([1]).buffer)[0];
const LOW = 1 - HIGH;

const MIN_NORMAL = 2.2250738585072014e-308;

/** POWER_OF_TWO[k + 1074] is 2^k, for every k from -1074 to 1023. */
const POWER_OF_TWO = new Float64Array(2098);
for (let i = 0, power = Number.MIN_VALUE; i < POWER_OF_TWO.length; i++, power *= 2) POWER_OF_TWO[i] = power;

/** @param {number} k @returns {number} 2^k, for k from -1074 to 1023 */
const powerOfTwo = (k) => POWER_OF_TWO[k + 1074];

/**
 * A finite, positive double as integer * 2^exponent, exactly.
 * @param {number} x
 * @returns {[bigint, number]}
 */
function decompose(x) {
  double[0] = x;
  const biased = words[HIGH] >>> 20;
  const fraction = (BigInt(words[HIGH] & 0xfffff) << 32n) | BigInt(words[LOW]);
  return biased === 0 ? [fraction, -1074] : [fraction | (1n << 52n), biased - 1075];
}

/** @param {bigint} n not negative @returns {number} how many binary digits n has */
function bitLength(n) {
  if (n === 0n) return 0;
  const digits = n.toString(16);
  return 4 * digits.length - (Math.clz32(parseInt(digits[0], 16)) - 28);
}

/**
 * The double nearest to n * 2^exponent, ties to even. Subnormal results are rounded once, at their own precision.
 * @param {bigint} n
 * @param {number} exponent
 * @returns {number}
 */
function nearestDouble(n, exponent) {
  if (n < 0n) return -nearestDouble(-n, exponent);
  const length = bitLength(n);
  if (length + exponent > 1024) return Infinity;
  if (length + exponent < -1074) return 0;
  const unit = Math.max(length + exponent - 53, -1074); // exponent of the result's last bit
  if (unit <= exponent) return Number(n << BigInt(exponent - unit)) * powerOfTwo(unit);
  const shift = BigInt(unit - exponent);
  let quotient = n >> shift;
  const rest = n - (quotient << shift);
  const half = 1n << (shift - 1n);
  if (rest > half || (rest === half && (quotient & 1n) === 1n)) quotient += 1n;
  return Number(quotient) * powerOfTwo(unit);
}

// ------------------------------------------------------------------------------------------------------------------
// The accurate phase: a real number v is held as the BigInt v * 2^bits ("at `bits` bits", one unit is 2^-bits).

/** Where precision starts. The hardest known cases need some 53 + 61 bits, and no bound below costs more than 60. */
const FIRST_BITS = 192;

/**
 * Ziv's rule: more and more bits until the error no longer matters.
 * @param {(bits: number) => [bigint, number, bigint]} approximate gives n, e and error, such that the true value is
 *     within n * 2^e +- error * 2^e
 * @returns {number} the double nearest to the true value
 */
function roundWithRisingPrecision(approximate) {
  for (let bits = FIRST_BITS; ; bits *= 2) {
    const [n, exponent, error] = approximate(bits);
    const below = nearestDouble(n - error, exponent);
    if (below === nearestDouble(n + error, exponent)) return below;
  }
}

/** @param {bigint} n @param {number} places @returns {bigint} floor(n * 2^places), places of either sign */
const shifted = (n, places) => (places >= 0 ? n << BigInt(places) : n >> BigInt(-places));

/**
 * A constant at any precision, computed once per precision and kept. Its error is at most 1 unit.
 * @param {(bits: number) => bigint} compute
 * @returns {(bits: number) => bigint}
 */
function constant(compute) {
  const guard = 16;
  /** @type {Map<number, bigint>} */
  const known = new Map();
  return (bits) => {
    let value = known.get(bits);
    if (value === undefined) {
      value = compute(bits + guard) >> BigInt(guard);
      known.set(bits, value);
    }
    return value;
  };
}

/** The sum of sign^k * n^-(2k+1) / (2k+1): atanh(1/n) for sign 1n, atan(1/n) for sign -1n. */
function inverseSeries(/** @type {bigint} */ n, /** @type {bigint} */ sign, /** @type {number} */ bits) {
  let power = (1n << BigInt(bits)) / n;
  let sum = 0n;
  for (let odd = 1n; power !== 0n; odd += 2n) {
    sum += power / odd;
    power = (sign * power) / (n * n);
  }
  return sum;
}

const ln2 = constant((bits) => 2n * inverseSeries(3n, 1n, bits));
const halfPi = constant((bits) => 8n * inverseSeries(5n, -1n, bits) - 2n * inverseSeries(239n, -1n, bits)); // Machin

/** exp(r) for |r| < 0.36 by Taylor's series; each term is off by less than 2 units. */
function expSeries(/** @type {bigint} */ r, /** @type {number} */ bits) {
  const places = BigInt(bits);
  let term = 1n << places;
  let sum = term;
  for (let k = 1n; term !== 0n && term !== -1n; k += 1n) {
    term = ((term * r) >> places) / k;
    sum += term;
  }
  return sum;
}

/** 2 * atanh(z) for |z| < 0.18; each term is off by less than 2 units. */
function doubleAtanhSeries(/** @type {bigint} */ z, /** @type {number} */ bits) {
  const places = BigInt(bits);
  const square = (z * z) >> places;
  let sum = 0n;
  for (let power = 2n * z, odd = 1n; power !== 0n && power !== -1n; odd += 2n) {
    sum += power / odd;
    power = (power * square) >> places;
  }
  return sum;
}

/** Taylor's series of sin (first = r, from = 1n) or cos (first = 1, from = 0n) for |r| < 0.8; errors as above. */
function circularSeries(/** @type {bigint} */ first, /** @type {bigint} */ from, /** @type {bigint} */ r,
                        /** @type {number} */ bits) {
  const places = BigInt(bits);
  const square = (r * r) >> places;
  let term = first;
  let sum = term;
  for (let k = from; term !== 0n && term !== -1n; k += 2n) {
    term = -((term * square) >> places) / ((k + 1n) * (k + 2n));
    sum += term;
  }
  return sum;
}

/** @param {number} x finite @returns {number} */
function expAccurate(x) {
  if (x === 0) return 1;
  const [integer, exponent] = decompose(Math.abs(x));
  const power = Math.round(x / Math.LN2); // below 1100 for all x that matter, so r is off by less than 1101 units
  return roundWithRisingPrecision((bits) => {
    const places = bits + exponent;
    const scaled = x < 0 ? -shifted(integer, places) : shifted(integer, places);
    return [expSeries(scaled - BigInt(power) * ln2(bits), bits), power - bits, 8192n];
  });
}

/** @param {number} x finite and positive @returns {number} */
function logAccurate(x) {
  if (x === 1) return 0;
  const [integer, exponent] = decompose(x);
  // x = integer / one * 2^twos, where the fraction is in [0.70, 1.41).
  let length = bitLength(integer);
  if (integer < shifted(181n, length - 8)) length -= 1; // 181/256 is just below the root of 1/2
  const one = 1n << BigInt(length);
  const twos = BigInt(exponent + length);
  return roundWithRisingPrecision((bits) => {
    const z = ((integer - one) << BigInt(bits)) / (integer + one);
    return [doubleAtanhSeries(z, bits) + twos * ln2(bits), -bits, 8192n];
  });
}

/** sin(x + quarters * pi/2) for any finite x. @param {number} x @param {number} quarters @returns {number} */
function sineAccurate(x, quarters) {
  if (x === 0) return quarters === 0 ? x : 1;
  const [integer, exponent] = decompose(Math.abs(x));
  return roundWithRisingPrecision((wanted) => {
    const bits = wanted + Math.max(0, -exponent - 52); // small arguments have small sines
    const extra = Math.max(0, exponent + 53); // large arguments need as many more bits of pi
    const magnitude = shifted(integer, bits + extra + exponent);
    const right = halfPi(bits + extra);
    const turns = (2n * magnitude + right) / (2n * right);
    let r = (magnitude - turns * right) >> BigInt(extra);
    if (x < 0) r = -r;
    const quadrant = Number((x < 0 ? -turns : turns) & 3n) + quarters;
    const one = 1n << BigInt(bits);
    const value = quadrant & 1 ? circularSeries(one, 0n, r, bits) : circularSeries(r, 1n, r, bits);
    return [quadrant & 2 ? -value : value, -bits, 8192n];
  });
}

/** @param {bigint} n not negative @returns {bigint} the root of n, rounded down */
function integerRoot(n) {
  if (n === 0n) return 0n;
  let root = 1n << BigInt((bitLength(n) + 1) >> 1); // not below the true root, from where Newton's steps only fall
  for (;;) {
    const next = (root + n / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** @param {number} x finite and positive @param {number} y whole or half, |y| <= 4096 @returns {number} */
function powAccurate(x, y) {
  let [odd, exponent] = decompose(x);
  while ((odd & 1n) === 0n) {
    odd >>= 1n;
    exponent += 1;
  }
  const half = !Number.isInteger(y);
  if (half && exponent % 2 === 0) {
    const root = integerRoot(odd);
    if (root * root === odd) return powAccurate(Math.sqrt(x), 2 * y); // the root is a double, and exact
  }
  if (odd === 1n && !half) return nearestDouble(1n, exponent * y);

  const times = Math.floor(Math.abs(y));
  const length = bitLength(odd);
  return roundWithRisingPrecision((bits) => {
    // Numbers are mantissa * 2^scale here, and cut to `bits` bits after each step. One cut loses less than 2 units, and
    // an error grows with the power like the power itself, so the sum of all is below 4 * (times + 8) units.
    const cut = (/** @type {bigint} */ n, /** @type {number} */ scale) => {
      const excess = bitLength(n) - bits;
      return /** @type {[bigint, number]} */ ([shifted(n, -excess), scale + excess]);
    };
    const base = cut(odd, exponent);
    let [value, scale] = times === 0 ? cut(1n, 0) : base;
    for (let bit = times === 0 ? 0 : 1 << (30 - Math.clz32(times)); bit > 0; bit >>= 1) {
      [value, scale] = cut(value * value, 2 * scale);
      if (times & bit) [value, scale] = cut(value * base[0], scale + base[1]);
    }
    if (half) {
      const places = 2 * bits + (exponent & 1);
      const root = cut(integerRoot(odd << BigInt(places)), (exponent - places) / 2);
      [value, scale] = cut(value * root[0], scale + root[1]);
    }
    if (y < 0) [value, scale] = cut((1n << BigInt(2 * bits + 1)) / value, -scale - 2 * bits - 1);
    // Nothing was cut off if the exact power fits. All powers of at most 54 bits, those that can be exact or half-way,
    // do: an odd number of at least 2 bits has less than 54 factors then, and so 192 bits hold them.
    const exact = y > 0 && !half && length * times <= bits;
    return [value, scale, exact ? 0n : BigInt(4 * (times + 8))];
  });
}

/** The accurate phase by itself, for tests: finite arguments; log and pow positive ones. */
export const accurate = {
  exp: expAccurate,
  log: logAccurate,
  sin: (/** @type {number} */ x) => sineAccurate(x, 0),
  cos: (/** @type {number} */ x) => sineAccurate(x, 1),
  pow: powAccurate,
};

// ------------------------------------------------------------------------------------------------------------------
// Tables and constants of the quick phase, made by the accurate phase when the module is loaded (some milliseconds).

const TABLE_BITS = FIRST_BITS;

/** Rounds to whole numbers what is below 2^51. */
const TO_INTEGER = 1.5 * powerOfTwo(52);
/** Rounds to multiples of 2^-36 what is below 2^15. */
const TO_36_BITS = 1.5 * powerOfTwo(16);
/** Rounds to multiples of 2^-26 what is below 2^25. */
const TO_26_BITS = 1.5 * powerOfTwo(26);
const SPLITTER = 134217729; // 2^27 + 1

/**
 * Cuts a number at TABLE_BITS into doubles whose sum it is.
 * @param {bigint} value
 * @param {number[]} places the first double is a multiple of 2^-places[0], and so on; the last one takes what is left
 * @returns {number[]}
 */
function cutAtPlaces(value, places) {
  const parts = [];
  for (const place of places) {
    const shift = BigInt(TABLE_BITS - place);
    const part = (value + (1n << (shift - 1n))) >> shift;
    parts.push(nearestDouble(part, -place));
    value -= part << shift;
  }
  parts.push(nearestDouble(value, -TABLE_BITS));
  return parts;
}

/** Like cutAtPlaces, with 26 significant bits in the first double and the rest in a second. */
function cutIn26Bits(/** @type {bigint} */ value) {
  return cutAtPlaces(value, [TABLE_BITS + 25 - bitLength(value)]);
}

const ONE = 1n << BigInt(TABLE_BITS);
const multiply = (/** @type {bigint} */ a, /** @type {bigint} */ b) => (a * b) >> BigInt(TABLE_BITS);

/** exp works in steps of (ln 2)/512: EXP_TABLE holds 2^(i/512) in pairs, 26 bits and the rest. */
const EXP_STEPS_PER_UNIT = nearestDouble((512n * ONE * ONE) / ln2(TABLE_BITS), -TABLE_BITS);
const [EXP_STEP_A, EXP_STEP_B, EXP_STEP_C] = cutAtPlaces(ln2(TABLE_BITS) / 512n, [42, 75]);
const EXP_TABLE = new Float64Array(2 * 512);
for (let i = 0, value = ONE, ratio = expSeries(ln2(TABLE_BITS) / 512n, TABLE_BITS); i < 512; i++) {
  EXP_TABLE.set(cutIn26Bits(value), 2 * i);
  value = multiply(value, ratio);
}

/**
 * log: for a mantissa m next to 1 + i/512, LOG_TABLE holds in threes a 16-bit number c close to 1/m and -log(c) as a
 * multiple of 2^-42 and a rest. From i = 213 (m above the root of 2) on, it is -log(c) - ln 2, and the exponent counts
 * one more, so that next to x = 1 the table entry and the exponent are 0 on both sides and nothing cancels.
 */
const [LN2_A, LN2_B] = cutAtPlaces(ln2(TABLE_BITS), [42]);
const LOG_TABLE = new Float64Array(3 * 513);
for (let i = 0, previous = 65536n, logarithm = 0n; i <= 512; i++) {
  const reciprocal = BigInt(Math.round((65536 * 512) / (512 + i)));
  logarithm += doubleAtanhSeries(((previous - reciprocal) * ONE) / (previous + reciprocal), TABLE_BITS);
  previous = reciprocal;
  const entry = i === 512 ? 0n : i >= 213 ? logarithm - ln2(TABLE_BITS) : logarithm;
  LOG_TABLE.set([Number(reciprocal) / 65536, ...cutAtPlaces(entry, [42])], 3 * i);
}

/** sin and cos work in steps of pi/2048: SINE_TABLE holds sin(i * pi/2048) for i from 0 to 1024, in pairs as well. */
const SINE_STEPS_PER_RADIAN = nearestDouble((1024n * ONE * ONE) / halfPi(TABLE_BITS), -TABLE_BITS);
const [SINE_STEP_A, SINE_STEP_B, SINE_STEP_C] = cutAtPlaces(halfPi(TABLE_BITS) / 1024n, [49, 89]);
const SINE_TABLE = new Float64Array(2 * 1025);
{
  const step = halfPi(TABLE_BITS) / 1024n;
  const stepSine = circularSeries(step, 1n, step, TABLE_BITS);
  const stepCosine = circularSeries(ONE, 0n, step, TABLE_BITS);
  for (let i = 0, sine = 0n, cosine = ONE; i <= 512; i++) {
    SINE_TABLE.set(cutIn26Bits(sine), 2 * i);
    SINE_TABLE.set(cutIn26Bits(cosine), 2 * (1024 - i));
    [sine, cosine] = [
      multiply(sine, stepCosine) + multiply(cosine, stepSine),
      multiply(cosine, stepCosine) - multiply(sine, stepSine),
    ];
  }
}

// ------------------------------------------------------------------------------------------------------------------
// The five functions, quick phase first.

const EXP_SLACK = powerOfTwo(-69); // of a number in [0.99, 2)
const SLACK = powerOfTwo(-69); // relative: log, sin, cos
const POW_SLACK = powerOfTwo(-88); // relative

// Between these, products and their errors neither overflow nor underflow.
const TINY = powerOfTwo(-900);
const HUGE = powerOfTwo(900);

// Up to these, x^3/6 or x^2/2 is below half the distance from x or 1 to the next double.
const SINE_IS_X = powerOfTwo(-26);
const COSINE_IS_1 = powerOfTwo(-27);

/**
 * e to the x.
 *
 * x = k * (ln 2)/512 + r, so e^x = 2^(k/512) * e^r: a power of two, a table entry t, and a short series since
 * |r| < 2^-10.5.
 * @param {number} x
 * @returns {number}
 */
export function exp(x) {
  if (!(x > -708 && x < 709)) {
    if (x !== x) return NaN;
    if (x > 709.8) return Infinity;
    if (x < -745.2) return 0;
    return expAccurate(x); // results next to the largest and, below -708, subnormal ones
  }
  const k = x * EXP_STEPS_PER_UNIT + TO_INTEGER - TO_INTEGER;
  // k has 20 bits, A and B have 33 each: both products are exact, and so is the first difference.
  const a = x - k * EXP_STEP_A;
  const b = k * EXP_STEP_B;
  const near = a - b;
  const back = near - a;
  const rest = a - (near - back) - (b + back) - k * EXP_STEP_C; // up to 2^-57: the sum needs its own rounding
  const r = near + rest;
  const rLow = rest - (r - near);

  const rTop = r + TO_36_BITS - TO_36_BITS;
  const rRest = r - rTop + rLow;
  const curve = r * r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720)))));

  const entry = 2 * (k & 511);
  const tTop = EXP_TABLE[entry];
  const tRest = EXP_TABLE[entry + 1];
  const product = tTop * rTop; // 26 + 26 bits: exact
  const high = tTop + product;
  const low = product - (high - tTop) + (tRest + (tRest * rTop + (tTop + tRest) * (rRest + curve)));

  // What is rounded is the curve times t, below 2^-21, ten times at most (the sum with the slack included), and
  // r * rLow, below 2^-73.5, is left out: in all below 2^-70.
  const result = high + (low - EXP_SLACK);
  if (result === high + (low + EXP_SLACK)) return result * POWER_OF_TWO[(k >> 9) + 1074];
  return expAccurate(x);
}

/**
 * The natural logarithm.
 *
 * x = 2^e * m and m * c = 1 + r with c from the table, so log x = e * ln 2 - log c + log(1 + r), for |r| < 2^-9.9.
 * @param {number} x
 * @returns {number}
 */
export function log(x) {
  if (!(x >= MIN_NORMAL && x < Infinity)) {
    if (x === 0) return -Infinity;
    if (x === Infinity) return Infinity;
    if (x > 0) return logAccurate(x); // subnormal
    return NaN;
  }
  if (x === 1) return 0;
  double[0] = x;
  const word = words[HIGH];
  const fraction = word & 0xfffff;
  words[HIGH] = fraction | 0x3ff00000;
  const m = double[0];
  const index = (fraction + 0x400) >> 11;
  const e = (word >>> 20) - 1023 + ((index + 299) >> 9); // one more from index 213 on
  const c = LOG_TABLE[3 * index];

  // r = m * c - 1 exactly, as a sum of two doubles: m in two halves, 27 bits and 26.
  const mTop = m + TO_26_BITS - TO_26_BITS;
  const a = mTop * c - 1;
  const b = (m - mTop) * c;
  const r = a + b;
  const back = r - a;
  const rLow = a - (r - back) + (b - back);

  const rTop = r + TO_36_BITS - TO_36_BITS;
  const rRest = r - rTop + rLow;
  const square = -0.5 * rTop * rTop; // exact: the main part of -r^2/2
  const curve = r * r * r *
    (1 / 3 - r * (1 / 4 - r * (1 / 5 - r * (1 / 6 - r * (1 / 7 - r * (1 / 8)))))) - 0.5 * rRest * (r + rTop);

  const whole = e * LN2_A + LOG_TABLE[3 * index + 1]; // multiples of 2^-42 below 2^10: exact; 0 or above |r|
  const sum = whole + r;
  const high = sum + square;
  const low = r - (sum - whole) + (square - (high - sum) + (curve + (rLow + (LOG_TABLE[3 * index + 2] + e * LN2_B))));

  // curve is below 2^-31.5 where the result can be as small as 2^-10, and below 2^-21.5 of the result if `whole` is 0.
  // It and the sums with it are rounded ten times at most: in all below 2^-71 of the result.
  const slack = high * SLACK;
  const result = high + (low - slack);
  if (result === high + (low + slack)) return result;
  return logAccurate(x);
}

/**
 * sin(x + quarters * pi/2) for 2^-27 <= |x| <= 8.
 *
 * x = k * pi/2048 + r, |r| < 2^-10.3. The sine of the sum is s * cos(r) + c * sin(r), with s and c from the table.
 * @param {number} x
 * @param {number} quarters
 * @returns {number}
 */
function sine(x, quarters) {
  const k = x * SINE_STEPS_PER_RADIAN + TO_INTEGER - TO_INTEGER;
  // k has 13 bits, A and B have 40 each: both products are exact, and so is the first difference.
  const a = x - k * SINE_STEP_A;
  const b = k * SINE_STEP_B;
  const near = a - b;
  const back = near - a;
  const rest = a - (near - back) - (b + back) - k * SINE_STEP_C;
  let r = near + rest; // at a multiple of pi/2, most of `near` is gone: |r| can fall to 2^-54, and its error is 2^-129
  let rLow = rest - (r - near);

  const quadrant = (k >> 10) + quarters;
  let index = k & 1023;
  if (quadrant & 1) {
    // sin(pi/2 + u) = sin(pi/2 - u)
    index = 1024 - index;
    r = -r;
    rLow = -rLow;
  }
  const sTop = SINE_TABLE[2 * index];
  const sRest = SINE_TABLE[2 * index + 1];
  const cTop = SINE_TABLE[2048 - 2 * index];
  const cRest = SINE_TABLE[2049 - 2 * index];

  const t = r * SPLITTER;
  const rTop = t - (t - r);
  const rRest = r - rTop + rLow;
  const rr = r * r;
  const curve = (sTop + sRest) * rr * (-1 / 2 + rr * (1 / 24 - rr * (1 / 720))) +
    (cTop + cRest) * rr * r * (-1 / 6 + rr * (1 / 120 - rr * (1 / 5040)));

  const product = cTop * rTop; // 26 + 26 bits: exact
  const high = sTop + product; // sTop is 0 or above |r|
  const low = product - (high - sTop) + (sRest + (cRest * rTop + cTop * rRest) + (cRest * rRest + curve));

  // curve is below 2^-20.6 of the result (next to the table's 0 even below 2^-23). It and the sums with it are rounded
  // ten times at most: in all below 2^-70 of the result.
  const slack = high * SLACK;
  const result = high + (low - slack);
  if (result === high + (low + slack)) return quadrant & 2 ? -result : result;
  return sineAccurate(x, quarters);
}

/**
 * The sine of x radians; quick for |x| <= 8, right everywhere.
 * @param {number} x
 * @returns {number}
 */
export function sin(x) {
  const magnitude = Math.abs(x);
  if (magnitude <= SINE_IS_X) return x;
  if (magnitude <= 8) return sine(x, 0);
  return magnitude < Infinity ? sineAccurate(x, 0) : NaN;
}

/**
 * The cosine of x radians; quick for |x| <= 8, right everywhere.
 * @param {number} x
 * @returns {number}
 */
export function cos(x) {
  const magnitude = Math.abs(x);
  if (magnitude <= COSINE_IS_1) return 1;
  if (magnitude <= 8) return sine(x, 1);
  return magnitude < Infinity ? sineAccurate(x, 1) : NaN;
}

/**
 * x to the y, for whole and half y with |y| <= 4096.
 *
 * The power is multiplied together by repeated squaring in double-double numbers, the root and the reciprocal are
 * corrected by one Newton step each. With n factors the relative error is below (n + 6) * 2^-103 < 2^-90.
 * @param {number} x
 * @param {number} y
 * @returns {number}
 * @throws {RangeError} if y is not whole or half, or too large
 */
export function pow(x, y) {
  if (y === 2) return x * x;
  if (y === -1) return 1 / x;
  const n = Math.floor(Math.abs(y));
  const half = Math.abs(y) - n;
  if (!(n <= 4096 && (half === 0 || (half === 0.5 && n < 4096)))) {
    throw new RangeError(`pow: the exponent must be whole or half and at most 4096 in size, not ${y}`);
  }
  const magnitude = Math.abs(x);
  if (y === 0.5 && magnitude < Infinity) return Math.sqrt(x) + 0; // the root of -0 is -0, but its power is +0
  if (!(magnitude > TINY && magnitude < HUGE)) return powEdge(x, y);
  if (x < 0 && half !== 0) return NaN;

  let t = magnitude * SPLITTER;
  const xTop = t - (t - magnitude);
  const xRest = magnitude - xTop;
  let high = 1;
  let low = 0;
  if (n > 0) {
    high = magnitude;
    for (let bit = 1 << (30 - Math.clz32(n)); bit > 0; bit >>= 1) {
      t = high * SPLITTER;
      let top = t - (t - high);
      let rest = high - top;
      let product = high * high;
      let error = top * top - product + 2 * top * rest + rest * rest + 2 * high * low;
      high = product + error;
      low = error - (high - product);
      if (n & bit) {
        t = high * SPLITTER;
        top = t - (t - high);
        rest = high - top;
        product = high * magnitude;
        error = top * xTop - product + top * xRest + rest * xTop + rest * xRest + low * magnitude;
        high = product + error;
        low = error - (high - product);
      }
    }
  }
  if (half !== 0) {
    const root = Math.sqrt(magnitude);
    t = root * SPLITTER;
    const rootTop = t - (t - root);
    const rootRest = root - rootTop;
    const square = root * root;
    const missing = magnitude - square - (rootTop * rootTop - square + 2 * rootTop * rootRest + rootRest * rootRest);
    const rootLow = missing / (2 * root);
    t = high * SPLITTER;
    const top = t - (t - high);
    const rest = high - top;
    const product = high * root;
    const error = top * rootTop - product + top * rootRest + rest * rootTop + rest * rootRest +
      (high * rootLow + low * root);
    high = product + error;
    low = error - (high - product);
  }
  // Powers of x move one way only, so if the last is inside these limits, all were, and nothing was lost on the way.
  // (After an overflow, high is NaN or infinite and fails this test.)
  if (!(high > TINY && high < HUGE)) return powEdge(x, y);
  if (y < 0) {
    const inverse = 1 / high;
    t = high * SPLITTER;
    const top = t - (t - high);
    const rest = high - top;
    t = inverse * SPLITTER;
    const inverseTop = t - (t - inverse);
    const inverseRest = inverse - inverseTop;
    const product = high * inverse;
    const error = top * inverseTop - product + top * inverseRest + rest * inverseTop + rest * inverseRest;
    low = inverse * (1 - product - error - inverse * low);
    high = inverse;
  }
  const slack = high * POW_SLACK;
  let result = high + (low - slack);
  if (result !== high + (low + slack)) result = powAccurate(magnitude, y);
  return x < 0 && n & 1 ? -result : result;
}

/** pow where x or the result is zero, infinite, NaN, very small or very large. */
function powEdge(/** @type {number} */ x, /** @type {number} */ y) {
  if (y === 0) return 1;
  if (x !== x) return NaN;
  const negative = (x < 0 || Object.is(x, -0)) && Math.abs(y) % 2 === 1;
  const magnitude = Math.abs(x);
  let result;
  if (magnitude === 0 || magnitude === Infinity) result = (magnitude === 0) === (y > 0) ? 0 : Infinity;
  else if (x < 0 && !Number.isInteger(y)) return NaN;
  else result = powAccurate(magnitude, y);
  return negative ? -result : result;
}
