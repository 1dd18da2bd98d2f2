/**
 * Correctly rounded exp, log, sin, cos and pow (SPEC, sections 2 and 15), and numbers with four decimals. BigInt
 * settles every call; training calls exp so often that it tries a pair of doubles first.
 */

const view = new DataView(new ArrayBuffer(8));

/** A finite x as [n, e]: x = n * 2^e. */
function parts(x) {
  view.setFloat64(0, Math.abs(x));
  const pattern = view.getBigUint64(0);
  const biased = Number(pattern >> 52n);
  const fraction = pattern & 0xfffffffffffffn;
  const [n, e] = biased === 0 ? [fraction, -1074] : [fraction | (1n << 52n), biased - 1075];
  return [x < 0 ? -n : n, e];
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

/**
 * The double nearest to v * 2^k, where `approximate(bits)` gives [v, k], v at `bits` bits. With more bits until the
 * error cannot matter (Ziv, 1991): it is below 2^13 units, 1,100 from ln 2 and two from each term of a series.
 */
function settled(approximate) {
  for (let bits = 128n; ; bits *= 2n) {
    const [v, k] = approximate(bits);
    const low = nearest(v - 8192n, k - Number(bits));
    if (low === nearest(v + 8192n, k - Number(bits))) return low;
  }
}

const fixed = (x, bits) => halfEven(parts(x)[0], parts(x)[1] + Number(bits));

/** first * (1 + x/d(1) * (1 + x/d(2) * ...)) */
function series(first, x, divisor, bits) {
  let sum = first;
  for (let term = first, k = 1n; term !== 0n; k += 1n) {
    term = ((term * x) >> bits) / divisor(k);
    sum += term;
  }
  return sum;
}

/** z + s z^3/3 + s^2 z^5/5 ...: artanh z for the sign s = 1n, arctan z for -1n. */
function arcSeries(z, sign, bits) {
  const square = sign * ((z * z) >> bits);
  let sum = 0n;
  for (let power = z, n = 1n; power !== 0n && power !== -1n; n += 2n) {
    sum += power / n;
    power = (power * square) >> bits;
  }
  return sum;
}

/** Constants of 1,024 bits. No argument is known that needs more than 256. */
const arc = (n, sign) => arcSeries((1n << 1040n) / n, sign, 1040n);
const [LN2, HALF_PI] = [2n * arc(3n, 1n), 8n * arc(5n, -1n) - 2n * arc(239n, -1n)]; // Machin, 1706
const ln2 = (bits) => LN2 >> (1040n - bits);
const halfPi = (bits) => HALF_PI >> (1040n - bits);

const expSeries = (r, bits) => series(1n << bits, r, (k) => k, bits);

function accurateExp(x) {
  const k = BigInt(Math.round(x / Math.LN2));
  return settled((bits) => [expSeries(fixed(x, bits) - k * ln2(bits), bits), Number(k)]);
}

// The quick phase: pairs of doubles

const POWERS_OF_TWO = Float64Array.from({ length: 2098 }, (_, i) => nearest(1n, i - 1074));
const STEP_HIGH = Math.floor(Math.LN2 * 2 ** 35) / 2 ** 42; // of ln 2 / 128, so short that a whole multiple is exact
const STEP_LOW = nearest(ln2(256n) - fixed(128 * STEP_HIGH, 256n), -263);
const POWERS = Array.from({ length: 128 }, (_, i) => {
  const power = expSeries((BigInt(i) * ln2(256n)) / 128n, 256n); // 2^(i/128)
  const high = nearest(power, -256);
  return [high, nearest(power - fixed(high, 256n), -256)];
});

/** The error of the product p = a * b (Dekker, Veltkamp). */
function productError(a, b, p) {
  const [s, t] = [a * 134217729, b * 134217729];
  const [aHigh, bHigh] = [s - (s - a), t - (t - b)];
  const [aLow, bLow] = [a - aHigh, b - bHigh];
  return aHigh * bHigh - p + aHigh * bLow + aLow * bHigh + aLow * bLow;
}

export function exp(x) {
  if (Number.isNaN(x)) return NaN;
  if (x > 710) return Infinity;
  if (x < -746) return 0;
  if (Math.abs(x) > 700) return accurateExp(x);
  // x = steps * ln 2 / 128 + r, where r = d - w and |r| < 0.003. All in all, less than 2^-67 is lost.
  const steps = Math.round(x * (128 / Math.LN2));
  const d = x - steps * STEP_HIGH;
  const w = steps * STEP_LOW;
  const r = d - w;
  const tail = r * r * (1 / 2 + r * (1 / 6 + r * (1 / 24 + r * (1 / 120 + r * (1 / 720 + r * (1 / 5040)))))) - w;
  const [power, powerLow] = POWERS[steps & 127];
  const product = power * d;
  const high = power + product;
  const error = productError(power, d, product) + (power * tail + powerLow * (1 + (d + tail)));
  const low = product - (high - power) + error;
  const result = high + (low - 2 ** -66);
  return result === high + (low + 2 ** -66) ? result * POWERS_OF_TWO[(steps >> 7) + 1074] : accurateExp(x);
}

export function log(x) {
  if (!(x > 0 && x < Infinity)) return x === 0 ? -Infinity : x < 0 ? NaN : x;
  if (x === 1) return 0;
  const [n, e] = parts(x);
  const k = Math.round(Math.log2(x));
  const one = 1n << BigInt(k - e); // x = n / one * 2^k
  return settled((bits) => [2n * arcSeries(((n - one) << bits) / (n + one), 1n, bits) + BigInt(k) * ln2(bits), 0]);
}

/** sin(x + quarters * pi/2) for |x| <= 8. */
function sine(x, quarters) {
  const turns = Math.round(x / (Math.PI / 2));
  const quadrant = turns + quarters;
  return settled((bits) => {
    const r = fixed(x, bits) - BigInt(turns) * halfPi(bits);
    const [first, shift] = quadrant & 1 ? [1n << bits, -1n] : [r, 1n];
    const value = series(first, -((r * r) >> bits), (k) => 2n * k * (2n * k + shift), bits);
    return [quadrant & 2 ? -value : value, 0];
  });
}

/** For |x| <= 8. Below 2^-27, x^3/6 and x^2/2 are too small to count. */
export const sin = (x) => (Math.abs(x) > 7.4e-9 ? sine(x, 0) : x);
export const cos = (x) => (Math.abs(x) > 7.4e-9 ? sine(x, 1) : 1 + x * 0);

/** x^(n/2) for a finite x > 0: the root of an integer or of its inverse, and a last bit for whatever was left over. */
function halfPower(x, n) {
  let [m, e] = parts(x);
  while ((m & 1n) === 0n) [m, e] = [m >> 1n, e + 1];
  let [power, cut] = [1n, 0]; // x^|n| is power * 2^(cut + |n| e); beyond 640 bits, bits are cut off
  for (const digit of Math.abs(n).toString(2)) {
    power *= digit === '1' ? power * m : power;
    const excess = Math.max(0, bitLength(power) - 640);
    [power, cut] = [power >> BigInt(excess), 2 * cut + excess];
  }
  const exponent = n * e + Math.sign(n) * cut;
  let shift = 132 - Math.sign(n) * bitLength(power);
  shift += (exponent - shift) & 1; // the exponent under the root must be even
  const ratio = n > 0 ? [power, 1n] : [1n, power];
  ratio[shift < 0 ? 1 : 0] <<= BigInt(Math.abs(shift));
  const square = ratio[0] / ratio[1];
  let root = BigInt(Math.floor(Math.sqrt(Number(square))));
  root = (root + square / root) >> 1n; // Newton's step gives all its 66 bits, or one too much
  if (root * root > square) root -= 1n;
  const isExact = cut === 0 && root * root * ratio[1] === ratio[0];
  return nearest(2n * root + (isExact ? 0n : 1n), (exponent - shift) / 2 - 1);
}

/** For a whole or half y. */
export function pow(x, y) {
  if (y === 2) return x * x;
  if (y === 0) return 1;
  if (y === -1) return 1 / x;
  const size = Math.abs(x);
  if (Number.isNaN(x) || (x < 0 && size < Infinity && !Number.isInteger(y))) return NaN;
  let power;
  if (size === 0 || size === Infinity) power = (size === 0) === y > 0 ? 0 : Infinity;
  else power = y === 0.5 ? Math.sqrt(x) : halfPower(size, 2 * y);
  return (x < 0 || Object.is(x, -0)) && Math.abs(y % 2) === 1 ? -power : power;
}
