/** The worker's own part: outputs come in by message, progress and verdicts go out. */

import { check } from './judge.js';
import { curveOf } from './statistics.js';
import { Unreadable } from './text.js';

const OFTEN = 50; // steps between two words on progress

/** A verdict without what only the judging needs, and with the points of its curves: [step, expected, got]. */
function shown({ log, run, ...verdict }) {
  if (!log) return { ...verdict, curve: null };
  const { total, knots } = run.chances;
  const expected = verdict.chances ? curveOf(total, knots).slice(1) : run.losses;
  const points = [...log.losses].filter(([step]) => step in expected);
  return { ...verdict, curve: points.map(([step, { value }]) => [step + log.first, expected[step], value]) };
}

self.onmessage = async ({ data: { data, outputs, options } }) => {
  const progress = (done, total) => {
    if (done % OFTEN === 0) self.postMessage({ done, total });
  };
  try {
    const verdicts = await check(data, outputs, { ...options, progress });
    self.postMessage({ verdicts: verdicts.map(shown) });
  } catch (problem) {
    const words = problem instanceof Unreadable ? problem.message : `this page is at fault: ${problem.message}`;
    self.postMessage({ unreadable: words, hint: problem.hint ?? '' });
  }
};
