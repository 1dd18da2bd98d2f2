/** What is measured of a log whose random numbers are its own (harness/judge/check/statistics.py). */

const STARTS = [1, 5, 10, 20, 50, 100]; // last steps of the first windows; then every hundred
const GROUPS = [[2, 20], [21, 100], [101, 4096]];
const LEAST = 4; // observations for a standard deviation

/** First and last step, from 1, of each window of a run of `total` steps. */
export function windows(total) {
  const ends = [...STARTS];
  for (let end = 200; end < total + 100; end += 100) ends.push(end);
  const kept = [...ends.filter((end) => end < total), total];
  return kept.map((end, i) => [i ? kept[i - 1] + 1 : 1, end]);
}

const groups = (total) => GROUPS.filter(([a]) => a + LEAST <= total).map(([a, b]) => [a, Math.min(b, total)]);

/** The expected loss of a right program at each step, from 1; index 0 is unused. */
export function curveOf(total, knots) {
  const centres = windows(total).map(([a, b]) => (a + b) / 2);
  const values = [0];
  let i = 0;
  for (let step = 1; step <= total; step++) {
    while (i + 2 < centres.length && step > centres[i + 1]) i += 1;
    if (step >= centres.at(-1)) values.push(knots.at(-1));
    else if (step <= centres[0]) values.push(knots[0]);
    else values.push(knots[i] + (step - centres[i]) / (centres[i + 1] - centres[i]) * (knots[i + 1] - knots[i]));
  }
  return values;
}

const sum = (values) => values.reduce((total, x) => total + x, 0);
const mean = (values) => sum(values) / values.length;
function deviation(values) {
  const middle = mean(values);
  return Math.sqrt(sum(values.map((x) => (x - middle) ** 2)) / (values.length - 1));
}

/** Statistics of losses by step, from 1, relative to the curve: by name, { value, count }. */
export function ofLosses(losses, total, curve) {
  const found = new Map();
  const between = (a, b) => {
    const chosen = [];
    for (let step = a; step <= b; step++) if (losses.has(step)) chosen.push(losses.get(step) - curve[step]);
    return chosen;
  };
  for (const [a, b] of windows(total)) {
    const chosen = between(a, b);
    if (chosen.length) found.set(`mean ${a} ${b}`, { value: mean(chosen), count: chosen.length });
  }
  for (const [a, b] of groups(total)) {
    const chosen = between(a, b);
    if (chosen.length < LEAST) continue;
    found.set(`spread ${a} ${b}`, { value: Math.log(Math.max(deviation(chosen), 1e-6)), count: chosen.length });
  }
  return found;
}

/** Statistics of samples; `known` are the dataset's documents, null if they are not at hand. */
export function ofSamples(texts, { block, characters, letters }, known) {
  const lengths = texts.map((text) => [...text].length);
  const values = {
    length: lengths,
    full: lengths.map((length) => Number(length >= block)),
    letters: texts.map((text) => score(text, block, characters, letters)).filter((x) => x !== null),
    ...(known && { known: texts.map((text) => Number(known.has(text))) }),
  };
  const some = Object.entries(values).filter(([, numbers]) => numbers.length);
  return new Map(some.map(([name, numbers]) => [name, { value: mean(numbers), count: numbers.length }]));
}

/** The mean logarithm of how its letters follow each other; null for an empty text or other letters. */
function score(text, block, characters, rows) {
  const index = new Map(Array.from(characters, (character, i) => [character, i]));
  const inner = Array.from(text, (character) => index.get(character));
  if (inner.length === 0 || inner.includes(undefined)) return null;
  const end = rows.length - 1;
  const tokens = [end, ...inner, ...(inner.length < block ? [end] : [])];
  return mean(tokens.slice(1).map((token, i) => rows[tokens[i]][token]));
}

/** The logarithm of the gamma function at a positive multiple of 1/2. */
function logGamma(x) {
  let found = Number.isInteger(x) ? 0 : Math.log(Math.PI) / 2;
  for (let k = Number.isInteger(x) ? 1 : 0.5; k < x; k++) found += Math.log(k);
  return found;
}

/** The probability that a chi-squared variable exceeds x (Abramowitz and Stegun, 26.4.19 and 6.5.31). */
export function chiSquaredTail(twice, degrees) {
  const [a, x] = [degrees / 2, twice / 2];
  if (!(x > 0)) return 1;
  const exponent = a * Math.log(x) - x - logGamma(a);
  const scale = exponent > -700 ? Math.exp(exponent) : 0;
  if (x < a + 1) {
    let term = 1 / a;
    let total = term;
    for (let n = a + 1; term > total * 1e-15; n++) total += term *= x / n;
    return Math.max(0, 1 - total * scale);
  }
  let b = x + 1 - a;
  let c = 1e300;
  let d = 1 / b;
  let h = d;
  for (let i = 1; i < 500; i++) {
    const factor = -i * (i - a);
    b += 2;
    d = 1 / (factor * d + b);
    c = b + factor / c;
    h *= d * c;
    if (Math.abs(d * c - 1) < 1e-14) break;
  }
  return scale * h;
}

/** The lower triangle L with L L' = rows; null if they are not positive definite. */
export function cholesky(rows) {
  const lower = [];
  for (const [i, row] of rows.entries()) {
    const made = [];
    for (let j = 0; j <= i; j++) {
      let left = row[j];
      const other = j < i ? lower[j] : made;
      for (let k = 0; k < j; k++) left -= made[k] * other[k];
      if (j === i && !(left > 0)) return null;
      made.push(j < i ? left / lower[j][j] : Math.sqrt(left));
    }
    lower.push(made);
  }
  return lower;
}

/** L^-1 x. */
export function solved(lower, x) {
  const found = [];
  lower.forEach((row, i) => {
    let left = x[i];
    for (let k = 0; k < i; k++) left -= row[k] * found[k];
    found.push(left / row[i]);
  });
  return found;
}
