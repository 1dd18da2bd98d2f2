/** Names the mistake behind a log: the known mistakes that print its very digits (harness/explain/mutants/printed.py). */

import { HALF, unitsOff } from './agreement.js';
import { thousands } from './text.js';

const DIGITS = 6; // decimals, or significant digits less one, of all losses together that tell a mistake from chance
const SLACK = 1e-8; // of a stored loss, which has ten digits

/** The mistakes that print this log's losses or, where those are right, its samples. */
export function explain(log, run, found) {
  const rows = Object.entries(run.replays);
  if (found.wrong.length === 0) return bySamples(log, rows);
  const first = found.wrong[0].step;
  const tried = rows.map(([name, row]) => [name, row.what, reproduced(log, row.losses ?? {}, first)]);
  const most = tried.reduce((best, [, , count]) => Math.max(best, count), 0);
  if (most * Math.max(log.style[0], log.style[1] - 1) < DIGITS) return [];
  const best = tried.filter(([, , count]) => count === most);
  return [cause(best, most > 1 ? `all ${thousands(most)} losses that were tried` : 'the one loss that was tried')];
}

function bySamples(log, rows) {
  const matching = rows.filter(([, { samples }]) =>
    samples?.length && [...log.samples].every(([number, text]) => samples[number] === text));
  if (matching.length === 0 || log.samples.size === 0) return [];
  return [cause(matching.map(([name, { what }]) => [name, what]), `all ${log.samples.size} samples`)];
}

/** How many losses of the log a mistake prints (null is NaN), the first wrong one among them; 0 if it prints another. */
function reproduced(log, losses, first) {
  if (!(first in losses)) return 0;
  let count = 0;
  for (const [step, printed] of log.losses) {
    if (!(step in losses)) continue;
    const expected = losses[step] ?? NaN;
    const isNear = Math.abs(printed.value - expected) <= SLACK * Math.abs(expected); // never so for a NaN
    if (unitsOff(log, printed, expected) > HALF && !isNear) return 0;
    count += 1;
  }
  return count;
}

function cause(best, evidence) {
  const meanings = best.slice(0, 3).map(([, what]) => what).join(', or when ');
  return { variants: best.map(([name]) => name), sentence: `this is what you get when ${meanings}: ${evidence}` };
}
