/**
 * A reply is right if it is the golden trace, character by character: that is the whole contract. Where it is not, the
 * first line that differs is told, with the line above it that names what stands there.
 */

const NAMES = /^(step|sample|tensor) /;
const cut = (text) => (text.length <= 100 ? text : `${text.slice(0, 100)}...`);

/** How many lines differ, and the first of them. A port's hello has its own name. */
export function compare(goldenText, replyText) {
  const golden = goldenText.replace(/^name reference$/m, 'name javascript').split('\n');
  const reply = replyText.split('\n');
  const lines = Math.max(golden.length, reply.length);
  let different = 0;
  let first = null;
  let named = '';
  for (let i = 0; i < lines; i++) {
    if (NAMES.test(golden[i] ?? '')) named = golden[i];
    if (golden[i] === reply[i]) continue;
    different += 1;
    first ??= firstDifference(golden[i] ?? '(nothing)', reply[i] ?? '(nothing)', i + 1, named);
  }
  return { values: lines, different, first };
}

/** The first word that differs, with its place. */
function firstDifference(expected, got, line, named) {
  const wanted = expected.split(' ');
  const came = got.split(' ');
  const word = wanted.findIndex((text, i) => text !== came[i]);
  const place = `line ${line} of the reply${named && named !== expected ? `, below '${cut(named)}'` : ''}`;
  if (word < 1 || wanted.length !== came.length) return { checkpoint: place, expected: cut(expected), got: cut(got) };
  return { checkpoint: `${place}: word ${word} of '${wanted[0]}'`, expected: wanted[word], got: came[word] };
}

const INFINITY = 0x7ff0000000000000n;
const SIGN = 1n << 63n;
/** Patterns as integers that grow with the double: ..., -0.0 is -1, +0.0 is 0, ... */
const ordered = (pattern) => (pattern < SIGN ? pattern : -(pattern - SIGN) - 1n);

/** By function, how many answers are so many ulps from the right double: 'far' where just one of the two is NaN. */
export function distances(goldenText, replyText) {
  const reply = replyText.split('\n');
  const found = {};
  goldenText.split('\n').forEach((line, i) => {
    const [name, expected] = line.split(' ');
    if (!/^[0-9a-f]{16}$/.test(expected ?? '') || reply[i] === undefined) return;
    const [x, y] = [expected, reply[i].split(' ')[1]].map((word) => BigInt(`0x${word}`));
    const [a, b] = [x, y].map((pattern) => (pattern & ~SIGN) > INFINITY);
    const ulps = a || b ? (a && b ? 0 : 'far') : Math.abs(Number(ordered(x) - ordered(y)));
    found[name] ??= {};
    found[name][ulps] = (found[name][ulps] ?? 0) + 1;
  });
  return found;
}
