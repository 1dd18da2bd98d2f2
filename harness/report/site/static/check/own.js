/** The verdict on programs with random numbers of their own (the second half of harness/judge/check/logs.py). */

import { judge, vector } from './chances.js';
import { general, rounded, thousands, Unreadable } from './text.js';

const DENSITY = { classic: 5, seed: 15 }; // of differences of neighbouring losses, near 0, in the first steps
const SMOOTH = 3.5; // digits of the probability that a right program is taken for an average
const NEAR = 3; // natural logarithm from which on a likelier mistake is mentioned
const SMOOTHED = ['loss-averaged', 'loss-averaged-slowly', 'one-document'];
const GREATEST = 1000; // a loss that is greater counts as this

/** The verdict on logs (runs of one program) whose random numbers are their own. */
export function byChances(begun, logs, run) {
  const numbers = 'its random numbers are its own';
  const table = run.chances;
  const vectors = logs.map((log) => {
    const finite = [...log.losses].filter(([, loss]) => Number.isFinite(loss.value));
    const losses = new Map(finite.map(([step, loss]) => [step + 1, Math.min(loss.value, GREATEST)]));
    const texts = [...log.samples].sort(([a], [b]) => a - b).map(([, text]) => text);
    return vector(table, losses, texts, run.known);
  });
  const chances = judge(table, vectors);
  const verdict = { ...begun, chances, notes: [...begun.notes, ...nearNotes(chances), ...rateNotes(chances)] };
  const lengths = logs.flatMap((log) => Array.from(log.samples.values(), (text) => [...text].length));
  const longest = Math.max(0, ...lengths);
  if (longest > table.block) {
    const first = logs.length === 1 ? `; its first loss is ${general(logs[0].losses.get(logs[0].firstStep).value, 4)}` : '';
    const sentence = `another model: a sample has ${longest} letters, and this one has room for ${table.block}${first}`;
    return { ...verdict, sentence };
  }
  if (logs.some((log) => isSmooth(log, run.preset))) {
    const sentence = 'no single losses: from step to step they hardly change, '
      + 'as an average does, or one document again and again';
    return { ...verdict, sentence, diagnosis: smoothCauses(chances) };
  }
  if (chances.consistent) {
    const { share } = chances;
    const often = share >= 0.01 ? `${rounded(100 * share, 0)} of 100` : `${(1000 * share).toFixed(1)} of 1,000`;
    const over = logs.length === 1 ? '' : ` over ${logs.length} runs`;
    const sentence = `consistent with a right program: ${numbers}, and ${often} right programs are further from the usual`
      + `${over} (float32 and other roundings cannot be seen so)`;
    return { ...verdict, agreement: 'consistent', agrees: true, sentence };
  }
  const diagnosis = chances.candidates.slice(0, 3).map((one) => ({
    variants: [one.name],
    sentence: `this is what you get when ${one.what}: ${likelier(one.gain)} than a right program`,
  }));
  const odd = chances.oddities.length ? oddityWords(chances.oddities[0]) : 'all taken together it is too far from the usual';
  if (diagnosis.length === 0) {
    return { ...verdict, sentence: `not a right program, nor any known mistake: ${odd}; another model or another program?` };
  }
  const isMean = diagnosis[0].variants[0].startsWith('loss-averaged');
  return { ...verdict, sentence: isMean ? 'no single losses: what it prints is an average' : `not a right program: ${odd}`, diagnosis };
}

/** The verdict on several logs whose random numbers are their own, taken as runs of one program. */
export function together(verdicts) {
  const [first] = verdicts;
  if (verdicts.some((one) => one.setup !== first.setup)) {
    throw new Unreadable('these outputs are not of one program: check one at a time');
  }
  const notes = new Set(verdicts.flatMap((one) => one.notes).filter((note) => !note.startsWith('error rates')));
  const begun = { ...first, agreement: 'wrong', agrees: false, diagnosis: [], output: `${verdicts.length} logs`, notes: [...notes] };
  return byChances(begun, verdicts.map((one) => one.log), first.run);
}

/** Whether losses of neighbouring steps are nearer together than different documents make them. */
function isSmooth(log, preset) {
  const changes = [...log.losses]
    .filter(([step]) => log.losses.has(step + 1))
    .map(([step, loss]) => Math.abs(log.losses.get(step + 1).value - loss.value));
  const share = DENSITY[preset] * changes.reduce((most, x) => Math.max(most, x), changes.length ? 0 : 1);
  return changes.length >= 4 && share < 1 && changes.length * Math.log10(Math.max(share, 1e-9)) < -SMOOTH;
}

const smoothCauses = ({ candidates }) => candidates
  .filter(({ name }) => SMOOTHED.includes(name))
  .slice(0, 1)
  .map(({ name, what }) => ({ variants: [name], sentence: `this is what you get when ${what}` }));

const WHAT = {
  mean: (a, b) => (a === b ? 'loss of the first step' : `mean loss of steps ${a} to ${b}`),
  spread: (a, b) => `standard deviation of the losses of steps ${a} to ${b}`,
  length: () => 'mean length of its samples',
  full: () => 'share of its samples that fill the block',
  letters: () => 'mean logarithm of how its letters follow each other',
  known: () => 'share of its samples that are in the dataset',
};

/** The statistic that is furthest out, in words. */
function oddityWords({ name, value, low, high }) {
  const [kind, ...steps] = name.split(' ');
  const places = Math.abs(high) < 100 ? 2 : 0;
  const shown = kind === 'spread' ? (x) => Math.exp(Math.min(x, 50)).toFixed(2) : (x) => rounded(x, places);
  const what = WHAT[kind](...steps.map((step) => thousands(Number(step))));
  return `${what} is ${shown(value)}; right programs stay between ${shown(low)} and ${shown(high)} in 999 of 1,000 runs`;
}

/** The mistake that fits better than a right program, though not by enough to say so. */
function nearNotes({ consistent, candidates: [near], runs }) {
  if (!consistent || !near || near.gain < NEAR) return [];
  const more = runs === 1 ? 'more logs of it tell more' : 'that is not enough to say so';
  return [`it would be ${likelier(near.gain)} if ${near.what} (${near.name}): ${more}`];
}

function rateNotes({ rates: r }) {
  if (!r) return [];
  return [
    `error rates on held-out seeds: ${r.alarms} false alarms in ${thousands(r.right)} right logs; of ${r.mistakes} mistakes `
      + `one log catches ${r.caught}, ten logs ${r.caught_by_ten}, in half of the tries or more`,
  ];
}

/** How much likelier, from a natural logarithm, as far as the number means anything. */
const likelier = (gain) =>
  (gain < Math.log(1e6) ? `${rounded(Math.exp(gain), 0)} times likelier` : 'over a million times likelier');
