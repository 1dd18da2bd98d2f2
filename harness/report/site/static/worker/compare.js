/**
 * Compares a reply with its golden trace, value by value, as harness/compare.py does.
 *
 * A word of 16 hex digits in the golden trace is a double, everything else must be the same text. All NaNs are equal,
 * -0 is not +0.
 */

const DOUBLE = /^[0-9a-f]{16}$/;
const INFINITY = 0x7ff0000000000000n;
const SIGN = 1n << 63n;
const NUMBERED = ['value', 'gradient', 'encoded', 'print', 'probabilities', 'token'];

const isNaN64 = (pattern) => (pattern & ~SIGN) > INFINITY;
/** Patterns as integers that grow with the double: ..., -0.0 is -1, +0.0 is 0, ... */
const ordered = (pattern) => (pattern < SIGN ? pattern : -(pattern - SIGN) - 1n);

/** How many doubles lie from one to the other; null if just one of them is NaN. */
export function ulpsBetween(a, b) {
  const x = BigInt(`0x${a}`);
  const y = BigInt(`0x${b}`);
  if (isNaN64(x) || isNaN64(y)) return isNaN64(x) && isNaN64(y) ? 0 : null;
  const distance = Number(ordered(x) - ordered(y));
  return Math.abs(distance);
}

/** Follows steps, samples and tensors through a reply, and names the quantity on each line. */
class Names {
  constructor() {
    this.prefix = '';
    this.tensor = null;
    this.counts = {};
  }

  of(line) {
    const [key, ...words] = line.split(' ');
    if (key === 'row') {
      this.tensor.row += 1;
      return this.tensor.name;
    }
    this.tensor = null;
    if ((key === 'step' || key === 'sample') && words.length === 1) {
      this.prefix = `${key} ${words[0]}: `;
      this.counts = {};
      return `the number of the ${key}`;
    }
    if (key === 'tensor' && words.length === 3) {
      this.tensor = { name: this.prefix + words[0], rows: Number(words[1]), row: -1 };
      return `the shape of ${this.tensor.name}`;
    }
    const count = (this.counts[key] = (this.counts[key] ?? -1) + 1);
    return NUMBERED.includes(key) ? `${this.prefix}${key}[${count}]` : this.prefix + key;
  }

  place(column, columns) {
    if (this.tensor !== null && this.tensor.rows > 1) return `[${this.tensor.row}][${column}]`;
    return columns > 1 || this.tensor !== null ? `[${column}]` : '';
  }
}

/** The head and the lines between head and 'end'; null if this is no reply. */
function parse(text) {
  const lines = text.split('\n');
  if (lines.pop() !== '' || lines.pop() !== 'end' || lines.length === 0) return null;
  const [, status, id, reason] = /^(ok|error) (\S+)(?: (.*))?$/.exec(lines[0]) ?? [];
  return status === undefined ? null : { ok: status === 'ok', id, reason: reason ?? '', lines: lines.slice(1) };
}

function ofErrors(golden, reply) {
  const agrees = !golden.ok && !reply.ok && (golden.reason === 'unsupported') === (reply.reason === 'unsupported');
  const said = ({ ok, reason }) => (ok ? 'ok' : `error: ${reason}`);
  const first = { checkpoint: 'the reply', expected: said(golden), got: said(reply), ulps: null };
  return { values: 1, different: agrees ? 0 : 1, worst: 0, first: agrees ? null : first, functions: {} };
}

/** The golden trace holds the reference's name; all else is the same for a port that has all verbs. */
function ofHello(golden, reply) {
  const lines = golden.lines.map((line) => line.replace(/^name .*/, 'name javascript'));
  const found = ofLines({ ...golden, lines }, reply);
  return { ...found, values: lines.length, functions: {} };
}

function ofLines(golden, reply) {
  const found = { values: 0, different: 0, worst: 0, first: null, functions: {} };
  const names = new Names();
  const differs = (difference) => {
    found.different += 1;
    found.worst = Math.max(found.worst, difference.ulps ?? 0);
    found.first ??= difference;
  };
  for (let number = 0; number < Math.max(golden.lines.length, reply.lines.length); number++) {
    const expected = golden.lines[number] ?? 'end';
    const got = reply.lines[number] ?? 'end';
    const name = names.of(expected);
    const wanted = expected.split(' ');
    const came = got.split(' ');
    const printed = wanted[0] === 'print' && came[0] === 'print';
    if (expected !== got && (printed || wanted.length !== came.length || wanted[0] !== came[0])) {
      found.values += 1;
      differs({ checkpoint: name, expected: cut(expected), got: cut(got), ulps: null });
      if (!printed) break;
      continue;
    }
    found.values += Math.max(1, wanted.length - 1);
    const distances = (found.functions[wanted[0]] ??= {});
    for (let column = 1; column < wanted.length; column++) {
      const ulps = distance(wanted[column], came[column]);
      distances[ulps] = (distances[ulps] ?? 0) + 1;
      if (ulps !== 0) {
        const checkpoint = name + names.place(column - 1, wanted.length - 1);
        differs({ checkpoint, expected: wanted[column], got: came[column], ulps });
      }
    }
  }
  return found;
}

/** The distance of two words: 0 if they are equal, null if they differ and are not both numbers. */
function distance(wanted, came) {
  if (wanted === came) return 0;
  return DOUBLE.test(wanted) && DOUBLE.test(came) ? ulpsBetween(wanted, came) : null;
}

const cut = (line) => (line.length <= 100 ? line : `${line.slice(0, 100)}...`);

/**
 * @param {string} request
 * @param {string} goldenText
 * @param {string} replyText
 * @returns {{values: number, different: number, worst: number, first: object | null, functions: object}} `functions`
 *     counts the distances of the values on lines with the same first word, such as `exp`
 */
export function compare(request, goldenText, replyText) {
  const golden = parse(goldenText);
  const reply = parse(replyText);
  if (reply === null || reply.id !== golden.id) {
    const first = { checkpoint: 'the reply', expected: 'a reply', got: cut(replyText), ulps: null };
    return { values: 1, different: 1, worst: 0, first, functions: {} };
  }
  if (!golden.ok || !reply.ok) return ofErrors(golden, reply);
  return request.startsWith('hello ') ? ofHello(golden, reply) : ofLines(golden, reply);
}
