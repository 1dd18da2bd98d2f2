/** Programs with random numbers of their own, judged by chances (harness/judge/check/chances.py). */

import { chiSquaredTail, cholesky, curveOf, ofLosses, ofSamples, solved } from './statistics.js';

const ALARM = 1 / 2000; // of each of the two tests
const FITS = 1 / 1000; // a mistake whose distance is exceeded more rarely than this does not explain a log
const EARLY = 50; // a log that ends before this step shows the first steps only
const LIMITS = 3.29; // standard deviations that hold 999 of 1,000 normal numbers

/** The statistics of one log: `losses` by step from 1. */
export function vector(table, losses, texts, known) {
  const found = ofLosses(losses, table.total, curveOf(table.total, table.knots));
  return texts.length ? new Map([...found, ...ofSamples(texts, table, known)]) : found;
}

/** What the statistics of one log or of several (runs of one program) say. */
export function judge(table, logs) {
  const places = table.statistics.map((_, i) => i).filter((i) => logs.every((seen) => seen.has(table.statistics[i])));
  const names = places.map((i) => table.statistics[i]);
  const values = names.map((name) => logs.reduce((sum, seen) => sum + seen.get(name).value, 0) / logs.length);
  const counts = names.map((name) => logs.length / logs.reduce((sum, seen) => sum + 1 / seen.get(name).count, 0));
  const shown = { places, names, values, counts, runs: logs.length };
  const [right, ...mistakes] = table.hypotheses;
  const own = distance(table, right, shown);
  const summary = { runs: logs.length, statistics: names.length, rates: table.rates };
  if (own === null || names.length === 0) return { consistent: true, share: 1, oddities: [], candidates: [], ...summary };
  const [stretch, leastGain] = table.thresholds[formOf(table, names, counts)];
  const candidates = [];
  for (const one of mistakes) {
    const found = distance(table, one, shown);
    if (found === null) continue;
    const gain = (own.squared - found.squared + own.size - found.size) / 2;
    const share = chiSquaredTail(found.squared / stretch, names.length);
    if (gain > 0 && share > FITS) candidates.push({ name: one.name, what: one.what, gain, share });
  }
  candidates.sort((a, b) => b.gain - a.gain);
  const share = chiSquaredTail(own.squared / stretch, names.length);
  const likelier = candidates.length > 0 && candidates[0].gain > leastGain;
  return { consistent: !(likelier || share < ALARM), share, oddities: oddities(table, right, shown), candidates, ...summary };
}

/** How much of the losses a log shows: each form has thresholds of its own. */
function formOf(table, names, counts) {
  let shown = 0;
  let isLate = false;
  names.forEach((name, i) => {
    if (!name.startsWith('mean ')) return;
    shown += counts[i];
    isLate ||= Number(name.split(' ')[1]) > EARLY;
  });
  if (!isLate) return 'the first steps';
  if (3 * shown >= table.total) return 'every step';
  return 30 * shown >= table.total ? 'every tenth' : 'every hundredth';
}

/** The squared distance of the values from a hypothesis, and the logarithm of its covariance's determinant. */
function distance(table, one, { places, values, counts, runs }) {
  const correlation = (i, j) => table.correlation[i]?.[j] ?? table.correlation[j]?.[i] ?? 0;
  const covariance = places.map((i, a) => places.map((j, b) => (a === b
    ? (one.between[i] ** 2 + one.within[i] / counts[a]) / runs + 1e-12
    : correlation(i, j) * one.between[i] * one.between[j] / runs)));
  const lower = cholesky(covariance);
  if (lower === null) return null;
  const off = solved(lower, places.map((i, a) => values[a] - one.mean[i]));
  return {
    squared: off.reduce((sum, x) => sum + x * x, 0),
    size: 2 * lower.reduce((sum, row) => sum + Math.log(row.at(-1)), 0),
  };
}

/** The statistics that lie outside the limits of 999 of 1,000 right runs, the furthest first. */
function oddities(table, right, { places, names, values, counts, runs }) {
  const found = [];
  names.forEach((name, a) => {
    const i = places[a];
    const deviation = Math.sqrt((right.between[i] ** 2 + right.within[i] / counts[a]) / runs) + 1e-12;
    const deviations = (values[a] - right.mean[i]) / deviation;
    if (!(Math.abs(deviations) > LIMITS)) return;
    const base = baseOf(table, name);
    const [low, high] = [-1, 1].map((sign) => right.mean[i] + base + sign * LIMITS * deviation);
    found.push({ name, value: values[a] + base, low, high, deviations });
  });
  return found.sort((a, b) => Math.abs(b.deviations) - Math.abs(a.deviations));
}

/** What a window's mean loss is relative to, so that people are shown losses. */
function baseOf(table, name) {
  if (!name.startsWith('mean ')) return 0;
  const [a, b] = name.split(' ').slice(1).map(Number);
  const inside = curveOf(table.total, table.knots).slice(a, b + 1);
  return inside.reduce((sum, x) => sum + x, 0) / inside.length;
}
