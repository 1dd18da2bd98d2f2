/** Correctly rounded exp, log, sin, cos and pow (SPEC, sections 2 and 15), by integers alone. */

const bytes = new DataView(new ArrayBuffer(8));

export function fromBits(pattern: bigint): number {
  bytes.setBigUint64(0, pattern);
  const x = bytes.getFloat64(0);
  return Number.isNaN(x) ? NaN : x;
}

/** All NaNs are one. */
export function toBits(x: number): bigint {
  if (Number.isNaN(x)) return 0x7ff8000000000000n;
  bytes.setFloat64(0, x);
  return bytes.getBigUint64(0);
}

/** size * 2^exponent */
type Dyadic = { size: bigint; exponent: number };

function dyadic(x: number): Dyadic {
  const pattern = toBits(x);
  const biased = Number((pattern >> 52n) & 0x7ffn);
  const size = (pattern & ((1n << 52n) - 1n)) + (biased > 0 ? 1n << 52n : 0n);
  return { size: x < 0 ? -size : size, exponent: Math.max(biased, 1) - 1075 };
}

const abs = (n: bigint): bigint => (n < 0n ? -n : n);

/** The number of bits of n >= 0. */
function bitLength(n: bigint): number {
  const hex = n.toString(16);
  return 4 * hex.length - Math.clz32(parseInt(hex[0], 16)) + 28;
}

const shift = (n: bigint, left: number): bigint => n << BigInt(left); // a negative one shifts to the right

/** n / 2^right for n >= 0, to nearest, ties to even. */
function roundedShift(n: bigint, right: number): bigint {
  if (right <= 0) return shift(n, -right);
  const kept = shift(n, -right);
  const twice = 2n * (n - shift(kept, right));
  const one = shift(1n, right);
  return twice > one || (twice === one && kept % 2n === 1n) ? kept + 1n : kept;
}

/** The nearest double, ties to even, rounded once at the last place that it has. */
function rounded({ size, exponent }: Dyadic): number {
  const last = Math.max(bitLength(abs(size)) + exponent - 53, -1074);
  // The first bit of a normal number adds one to the exponent, and so does a carry.
  const x = last > 971 ? Infinity : fromBits((BigInt(last + 1074) << 52n) + roundedShift(abs(size), last - exponent));
  return size < 0n ? -x : x;
}

/** Rounded once from the exact value, ties to even, where toFixed rounds ties up. */
export function fourDecimals(x: number): string {
  if (Number.isNaN(x)) return 'nan';
  const sign = x < 0 || Object.is(x, -0) ? '-' : '';
  if (Math.abs(x) === Infinity) return `${sign}inf`;
  const { size, exponent } = dyadic(Math.abs(x));
  const digits = roundedShift(10000n * size, -exponent).toString().padStart(5, '0');
  return `${sign}${digits.slice(0, -4)}.${digits.slice(-4)}`;
}

// Below, a number in fixed point is an integer that stands for itself / 2^bits.

const fixed = (x: number, bits: number): bigint => shift(dyadic(x).size, dyadic(x).exponent + bits);
const hasVanished = (term: bigint): boolean => term === 0n || term === -1n; // >> rounds down

/**
 * Rounds value(bits) * 2^scale, which is off by less than 2^24 units of its last place (2^17, by a generous count). If
 * the two ends of that interval do not round alike, it takes more bits (Ziv, 1991).
 */
function nearest(scale: number, value: (bits: number, places: bigint) => bigint): number {
  for (let bits = 192; ; bits *= 2) {
    const y = value(bits, BigInt(bits));
    const low = rounded({ size: y - (1n << 24n), exponent: scale - bits });
    if (low === rounded({ size: y + (1n << 24n), exponent: scale - bits })) return low;
  }
}

/** first + first * square / 3 + first * square^2 / 5 ... */
function arc(first: bigint, square: bigint, places: bigint): bigint {
  let sum = 0n;
  for (let n = 1n; !hasVanished(first); n += 2n) {
    sum += first / n;
    first = (first * square) >> places;
  }
  return sum;
}

/** artanh(1/n) for sign 1, arctan(1/n) for -1. */
const inverseArc = (n: bigint, sign: bigint, places: bigint): bigint =>
  arc((1n << places) / n, (1n << places) / (sign * n * n), places);

/** A constant that is computed once for each number of bits, with 16 to spare. */
function constant(compute: (places: bigint) => bigint): (bits: number) => bigint {
  const known = new Map<number, bigint>();
  return (bits) => {
    const value = known.get(bits) ?? compute(BigInt(bits + 16)) >> 16n;
    known.set(bits, value);
    return value;
  };
}

const ln2 = constant((places) => 2n * inverseArc(3n, 1n, places));
const halfPi = constant((places) => 8n * inverseArc(5n, -1n, places) - 2n * inverseArc(239n, -1n, places)); // Machin

export function exp(x: number): number {
  if (Number.isNaN(x)) return x;
  if (Math.abs(x) < 2 ** -54) return 1;
  if (Math.abs(x) > 800) return x > 0 ? Infinity : 0;
  const k = Math.round(x / Math.LN2);
  return nearest(k, (bits, places) => {
    const halvings = 12n;
    const r = (fixed(x, bits) - BigInt(k) * ln2(bits)) >> halvings;
    let sum = 0n;
    let term = 1n << places;
    for (let n = 1n; !hasVanished(term); n++) {
      sum += term;
      term = ((term * r) >> places) / n;
    }
    for (let i = 0n; i < halvings; i++) sum = (sum * sum) >> places;
    return sum;
  });
}

export function log(x: number): number {
  if (!(x > 0 && x < Infinity) || x === 1) return Math.log(x); // there is nothing to round
  const { size, exponent } = dyadic(x);
  const length = bitLength(size);
  const k = exponent + length - (size < shift(3n, length - 2) ? 1 : 0);
  return nearest(0, (bits, places) => {
    const m = shift(size, bits + exponent - k); // from 3/4 to 3/2
    const one = 1n << places;
    const z = ((m - one) << places) / (m + one);
    return 2n * arc(z, (z * z) >> places, places) + BigInt(k) * ln2(bits);
  });
}

/** sin(x + quarters * pi/2) for |x| <= 8. */
function wave(x: number, quarters: number): number {
  const k = Math.round(x / (Math.PI / 2));
  const quadrant = (k + quarters) & 3;
  return nearest(0, (bits, places) => {
    const r = fixed(x, bits) - BigInt(k) * halfPi(bits);
    const square = (r * r) >> places;
    let sum = 0n;
    let term = quadrant % 2 === 0 ? r : 1n << places;
    for (let n = quadrant % 2 === 0 ? 1n : 0n; !hasVanished(term); n += 2n) {
      sum += term;
      term = ((term * square) >> places) / (-(n + 1n) * (n + 2n));
    }
    return quadrant < 2 ? sum : -sum;
  });
}

/** For |x| <= 8 and NaN, as cos. */
export const sin = (x: number): number => (Math.abs(x) > 2 ** -26 ? wave(x, 0) : x);
export const cos = (x: number): number => (Math.abs(x) > 2 ** -27 ? wave(x, 1) : Number.isNaN(x) ? x : 1);

/** x to the 1/2: the square root but for -0 and -Infinity. */
export const squareRoot = (x: number): number => (x === -Infinity ? Infinity : Math.sqrt(x + 0));

/** For integers and half-integers y. What is rounded only once anyway is done at once. */
export function pow(x: number, y: number): number {
  if (y === 0 || x === 1) return 1;
  if (y === -1) return 1 / x;
  if (y === 0.5) return squareRoot(x);
  if (y === 1) return x;
  if (y === 2) return x * x;
  if (x === 0 || !Number.isFinite(x)) return x ** y; // there is nothing to round
  if (x > 0) return power(x, y);
  if (!Number.isInteger(y)) return NaN;
  return y % 2 === 0 ? pow(-x, y) : -pow(-x, y);
}

/** For x > 0, with a last bit that says whether anything was left over. */
function power(x: number, y: number): number {
  const isWhole = Number.isInteger(y);
  const t = isWhole ? y : 2 * y;
  let { size, exponent } = dyadic(x);
  for (; size % 2n === 0n; exponent++) size /= 2n;
  const n = size ** BigInt(Math.abs(t));
  const e = exponent * t;
  let left = t > 0 ? Math.max(0, 132 - bitLength(n)) : 132 + bitLength(n);
  if (!isWhole) left += (e - left) & 1;
  const square = t > 0 ? shift(n, left) : shift(1n, left) / n;
  const isExact = t > 0 || square * n === shift(1n, left);
  const root = isWhole ? square : integerRoot(square);
  const sticky = isExact && (isWhole || root * root === square) ? 0n : 1n;
  return rounded({ size: 2n * root + sticky, exponent: (isWhole ? e - left : (e - left) / 2) - 1 });
}

/** Newton's method from above. */
function integerRoot(n: bigint): bigint {
  let root = shift(1n, (bitLength(n) + 1) >> 1);
  for (;;) {
    const next = (root + n / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}
