/** Numbers and text as the terminal writes them, so that page and `conform check` say the same words. */

const LANGUAGE = 'en-US';

/** What a visitor can mend: a sentence, and maybe a hint. */
export class Unreadable extends Error {
  constructor(message, hint = '') {
    super(message);
    this.hint = hint;
  }
}

/** 1234567 as 1,234,567. */
export const thousands = (x) => x.toLocaleString(LANGUAGE, { maximumFractionDigits: 0 });

/** A number with its thousands separated, rounded to `places` decimals. */
export const rounded = (x, places) =>
  x.toLocaleString(LANGUAGE, { minimumFractionDigits: places, maximumFractionDigits: places, roundingMode: 'halfEven' });

/** As C's %.<digits>g. */
export function general(x, digits) {
  if (!Number.isFinite(x)) return special(x);
  if (x === 0) return Object.is(x, -0) ? '-0' : '0';
  const [mantissa, exponent] = x.toExponential(digits - 1).split('e');
  const power = Number(exponent);
  if (power < -4 || power >= digits) return `${trimmed(mantissa)}e${power < 0 ? '-' : '+'}${twoDigits(power)}`;
  return trimmed(x.toFixed(Math.max(0, digits - 1 - power)));
}

const special = (x) => (Number.isNaN(x) ? 'nan' : x > 0 ? 'inf' : '-inf');
const twoDigits = (power) => String(Math.abs(power)).padStart(2, '0');
const trimmed = (text) => (text.includes('.') ? text.replace(/\.?0+$/, '') : text);

/** The shortest decimal that is this double, in Python's notation. */
export function shortest(x) {
  if (!Number.isFinite(x)) return special(x);
  if (Object.is(x, -0)) return '-0.0';
  const size = Math.abs(x);
  if (x !== 0 && (size >= 1e16 || size < 1e-4)) {
    const [mantissa, exponent] = x.toExponential().split('e');
    return `${mantissa}e${exponent[0]}${twoDigits(Number(exponent))}`;
  }
  return Number.isInteger(x) ? `${x}.0` : String(x);
}

/** Text in quotes. */
export function quoted(text) {
  const quote = text.includes("'") && !text.includes('"') ? '"' : "'";
  const escapes = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r', [quote]: `\\${quote}` };
  return quote + Array.from(text, (character) => escapes[character] ?? character).join('') + quote;
}

/** The first `length` characters of a text. */
export const start = (text, length) => Array.from(text).slice(0, length).join('');

const view = new DataView(new ArrayBuffer(8));
const NAN = 0x7ff8000000000000n;

function bits(x) {
  view.setFloat64(0, x);
  return Number.isNaN(x) ? NAN : view.getBigUint64(0);
}

/** The 16 hex digits of a double; all NaNs are one. */
export const hexadecimal = (x) => bits(x).toString(16).padStart(16, '0');

/** The double of 16 hex digits. */
export function doubleOf(digits) {
  view.setBigUint64(0, BigInt(`0x${digits}`));
  return view.getFloat64(0);
}

const ordered = (pattern) => (pattern < 1n << 63n ? pattern : -(pattern - (1n << 63n)) - 1n);

/** How many doubles lie from one to the other; null if just one is NaN. */
export function ulpsBetween(a, b) {
  const [x, y] = [bits(a), bits(b)];
  if (x === y) return 0;
  if (x === NAN || y === NAN) return null;
  const far = Number(ordered(x) - ordered(y));
  return Math.abs(far);
}

/** A number as programs write it: decimal, C's %a, nan, inf. NaN also for what is no number: see `isNumber`. */
export function numberOf(text) {
  const word = text.trim().toLowerCase();
  const hex = /^([-+]?)0x([0-9a-f]*)\.?([0-9a-f]*)p([-+]?\d+)$/.exec(word);
  if (hex) {
    const [, sign, whole, fraction, exponent] = hex;
    const size = Number(BigInt(`0x0${whole}${fraction}`)) * 2 ** (Number(exponent) - 4 * fraction.length);
    return sign === '-' ? -size : size;
  }
  if (/^[-+]?inf(inity)?$/.test(word)) return word.startsWith('-') ? -Infinity : Infinity;
  return Number(word);
}

export const isNumber = (text) =>
  /^[-+]?(?:0x[0-9a-f.]+p[-+]?\d+|(?:\d+\.?\d*|\.\d+)(?:e[-+]?\d+)?|nan|inf(?:inity)?)$/i.test(text.trim());

const LARGEST = 64 << 20;

/** The text in these bytes, which messages call `name`. */
export function decoded(data, name) {
  if (data.length === 0) throw new Unreadable(`${name} is empty: run the program and give what it prints`);
  if (data.length > LARGEST) {
    const sizes = `${name} has ${data.length >> 20} MiB, and a log has at most ${LARGEST >> 20}`;
    throw new Unreadable(`${sizes}: give the lines with losses alone`);
  }
  const wide = { '255,254': 'utf-16le', '254,255': 'utf-16be' }[data.subarray(0, 2).join()];
  if (wide) return new TextDecoder(wide, { ignoreBOM: true }).decode(data.subarray(2));
  const head = data.subarray(0, 4096);
  if (data.includes(0) || head.filter((byte) => byte < 9).length > Math.floor(head.length / 20)) {
    throw new Unreadable(`${name} is binary: a log is text, a trace is text, .jsonl, .npz or .safetensors`);
  }
  return new TextDecoder('utf-8').decode(data);
}

const ESCAPES = /\x1b\[[0-9;?]*[A-Za-z]|\x1b\][^\x07]*\x07|[^\n]\x08/g;

/** Lines without colours; a carriage return ends one too, since programs rewrite a line so. */
export const linesOf = (text) => text.replace(ESCAPES, '').split(/\r\n|\n|\r/);
