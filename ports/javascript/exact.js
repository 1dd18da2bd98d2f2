/**
 * Correctly rounded exp, log, sin, cos and pow (SPEC, sections 2 and 15), and numbers with four decimals.
 *
 * A quick phase in pairs of doubles decides most calls of exp, log and pow. All others are computed in fixed point with
 * BigInt, with ever more bits until rounding cannot go two ways (Ziv, 1991). Of doubles, only + - * / and the square
 * root are relied on: Math.log gives no more than a guess.
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

const bitLength = (n) => n.toString(2).length;

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

/** `approximate(bits)` gives [v, k, slack]: the true value is v * 2^k, less than `slack` units of v off. */
function settled(approximate) {
  for (let bits = 128n; ; bits *= 2n) {
    const [v, k, slack] = approximate(bits);
    const low = nearest(v - slack, k - Number(bits));
    if (low === nearest(v + slack, k - Number(bits))) return low;
  }
}

function fixed(x, bits) {
  const [n, e] = parts(Math.abs(x));
  return (x < 0 ? -1n : 1n) * halfEven(n, e + Number(bits));
}

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

/** Constants with 16 bits more than asked for, which are then cut off: less than a unit off. */
const arc = (n, sign, bits) => arcSeries((1n << (bits + 16n)) / n, sign, bits + 16n);
const ln2 = (bits) => (2n * arc(3n, 1n, bits)) >> 16n;
const halfPi = (bits) => (8n * arc(5n, -1n, bits) - 2n * arc(239n, -1n, bits)) >> 16n; // Machin, 1706

/** e^a = series * 2^k, as [series, k]. */
function fixedExp(a, bits, unit = ln2(bits)) {
  const k = (a + (unit >> 1n)) / unit;
  return [expSeries(a - k * unit, bits), Number(k)];
}

function fixedLog(x, bits) {
  const [n, e] = parts(x);
  const k = Math.round(Math.log2(x));
  const one = 1n << BigInt(k - e); // x = n / one * 2^k
  return 2n * arcSeries(((n - one) << bits) / (n + one), 1n, bits) + BigInt(k) * ln2(bits);
}

/** sin(x + quarters * pi/2) for |x| <= 8. */
function sine(x, quarters) {
  const turns = Math.round(x / (Math.PI / 2));
  const quadrant = turns + quarters;
  return settled((bits) => {
    const r = fixed(x, bits) - BigInt(turns) * halfPi(bits);
    const value = quadrant & 1 ? cosSeries(r, bits) : sinSeries(r, bits);
    return [quadrant & 2 ? -value : value, 0, SLACK];
  });
}

/** x^(n/2) for a finite x > 0. A power that is a double or half-way between two has at most 54 bits and is exact. */
function accuratePow(x, n) {
  let [m, e] = parts(x);
  while ((m & 1n) === 0n) [m, e] = [m >> 1n, e + 1];
  const root = BigInt(Math.floor(Math.sqrt(Number(m))));
  const isSquare = root * root === m && e % 2 === 0;
  const [base, exponent, times] = n % 2 === 0 ? [m, e, n / 2] : [root, e / 2, n];
  if ((n % 2 === 0 || isSquare) && (m === 1n || (n > 0 && times < 54))) {
    const power = m === 1n ? 1n : base ** BigInt(times);
    if (bitLength(power) <= 54) return nearest(power, exponent * times);
  }
  return settled((bits) => {
    const [power, k] = fixedExp((fixedLog(x, bits) * BigInt(n)) >> 1n, bits);
    return [power, k, 2n * SLACK * BigInt(Math.abs(n))];
  });
}

const accurateExp = (x) => settled((bits) => [...fixedExp(fixed(x, bits), bits), SLACK]);
const accurateLog = (x) => settled((bits) => [fixedLog(x, bits), 0, SLACK]);

const POWERS_OF_TWO = Float64Array.from({ length: 2098 }, (_, i) => nearest(1n, i - 1074));
const LN2 = ln2(192n);
const STEP_HIGH = nearest(LN2 >> 157n, -42); // of ln 2 / 128, so short that a whole multiple is exact
const STEP_LOW = nearest(LN2 & ((1n << 157n) - 1n), -199);
const EXP_HIGH = new Float64Array(128); // 2^(i/128)
const EXP_LOW = EXP_HIGH.map((_, i) => {
  const power = expSeries((BigInt(i) * LN2) / 128n, 192n);
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

/** e^(x + xLow) = (high + low) * 2^k, less than 2^-76 off: the argument is (128 k + i) ln 2 / 128 + r, |r| < 0.003. */
function pairExp(x, xLow) {
  const steps = Math.round(x * (128 / Math.LN2));
  const [a, b] = [x - steps * STEP_HIGH, xLow - steps * STEP_LOW];
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
  return [high, product - (high - power) + error, steps >> 7];
}

/** log x = y + z, less than 2^-75 off: any guess y will do, for log x is y + log(x * e^-y). */
function pairLog(x) {
  const y = Math.log(x);
  const [high, low, k] = pairExp(-y, 0);
  const m = x * POWERS_OF_TWO[k + 1074];
  const product = m * high;
  return [y, product - 1 + (productError(m, high, product) + m * low)];
}

const isMiddling = (x) => x > 1e-300 && x < 1e300;

/** (high + low) * 2^k as a double; NaN if rounding could go two ways. */
function rounded(high, low, slack, k) {
  const result = high + (low - slack);
  return result === high + (low + slack) ? result * POWERS_OF_TWO[k + 1074] : NaN;
}

export function exp(x) {
  if (Number.isNaN(x)) return NaN;
  if (x > 710) return Infinity;
  if (x < -746) return 0;
  if (Math.abs(x) > 700) return accurateExp(x);
  const [high, low, k] = pairExp(x, 0);
  return rounded(high, low, 2 ** -72, k) || accurateExp(x);
}

export function log(x) {
  if (!(x > 0 && x < Infinity)) return x === 0 ? -Infinity : x < 0 ? NaN : x;
  if (x === 1) return 0;
  return (isMiddling(x) && rounded(...pairLog(x), 2 ** -70, 0)) || accurateLog(x);
}

/** For |x| <= 8. Below 2^-27, x^3/6 and x^2/2 are too small to count. */
export const sin = (x) => (Math.abs(x) > 7.4e-9 ? sine(x, 0) : x);
export const cos = (x) => (Math.abs(x) > 7.4e-9 ? sine(x, 1) : 1 + x * 0);

/** x^(n/2) for a finite x > 0: e^(n/2 * log x). */
function halfPower(x, n) {
  if (!isMiddling(x)) return accuratePow(x, n);
  const [y, z] = pairLog(x);
  const product = (y * n) / 2;
  if (Math.abs(product) > 700) return accuratePow(x, n);
  const [high, low, k] = pairExp(product, productError(y, n / 2, product) + (z * n) / 2);
  return rounded(high, low, (Math.abs(n) + 1) * 2 ** -73, k) || accuratePow(x, n);
}

/** For a whole or half y. */
export function pow(x, y) {
  if (y === 2) return x * x;
  if (y === 1) return x;
  if (y === 0) return 1;
  if (y === -1) return 1 / x;
  const size = Math.abs(x);
  if (Number.isNaN(x) || (x < 0 && size < Infinity && !Number.isInteger(y))) return NaN;
  let power;
  if (size === 0 || size === Infinity) power = (size === 0) === y > 0 ? 0 : Infinity;
  else power = y === 0.5 ? Math.sqrt(x) : halfPower(size, 2 * y);
  return (x < 0 || Object.is(x, -0)) && Math.abs(y % 2) === 1 ? -power : power;
}
