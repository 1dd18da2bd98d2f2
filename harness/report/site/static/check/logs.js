/** The verdict on a printed log: which run it is, how far it agrees, and what explains the rest (judge/check/logs.py). */

import { compareLog } from './agreement.js';
import { general, quoted, rounded, thousands, Unreadable } from './text.js';
import { explain } from './mutants.js';
import { byChances } from './own.js';

const FIRST = 10; // losses that tell whose random numbers these are
const FLOAT32 = 'what that is worth: a float32 program prints 997 of the 1,000 losses of classic right';

/** The verdict on one log. `runs`: those that it may be of; `asked`: the one that was named, or null. */
export function judgeLog(name, log, runs, asked, bounds) {
  const tried = runs.map((run) => attempt(log, run, bounds));
  let best = tried.reduce((most, one) => (isLikelier(log, one, most) ? one : most));
  if (!best.beginsRight) best = tried.find((one) => causes(log, one, bounds).length) ?? best;
  if (best.found.compared === 0) {
    throw new Unreadable(`${name} has no step that ${best.run.words} has: it ends with step ${best.run.steps}`);
  }
  if (asked && best.run !== asked && !best.beginsRight) best = tried.find((one) => one.run === asked);
  const verdict = decide(name, log, best, bounds);
  const other = asked && verdict.agrees ? otherRun(log, best.run, asked, verdict) : '';
  return other ? { ...verdict, agreement: 'wrong', agrees: false, sentence: `another run than was asked for: ${other}` } : verdict;
}

function otherRun(log, run, asked, verdict) {
  if (run !== asked) return `it is ${run.words}, not ${asked.words}; ${verdict.sentence}`;
  return otherShape(log, asked);
}

function attempt(log, run, bounds) {
  const found = compareLog(bounds, log, run.losses);
  const wrong = new Set(found.wrong.map((one) => one.step));
  const first = [...log.losses.keys()].find((step) => step < Math.min(FIRST, run.losses.length));
  const beginsRight = first === undefined ? wrong.size * 2 < found.compared : !wrong.has(first);
  return { run, found, beginsRight, right: found.compared - wrong.size };
}

/** What tells the run that a log is of: the same random numbers, else the number of steps, else chance. */
function isLikelier(log, one, other) {
  const [a, b] = [one, other].map(({ beginsRight, right, found, run }) => {
    const share = right / Math.max(1, found.compared);
    return [Number(beginsRight), Number([null, run.steps].includes(log.total) || share > 0.5), share];
  });
  const place = a.findIndex((x, i) => x !== b[i]);
  return place >= 0 && a[place] > b[place];
}

function decide(name, log, best, bounds) {
  const { found, run } = best;
  const verdict = {
    output: name, kind: 'log', agreement: 'wrong', agrees: false, sentence: '', setup: run.words, seen: seen(log, best),
    agreed: best.right, compared: found.compared, width: '', difference: null, diagnosis: [],
    notes: [...log.notes, ...headerNotes(log, run), ...sampleNotes(log, run), ...nanNotes(log)],
    chances: null, log, run,
  };
  if (found.isBit || found.wrong.length === 0) return right(verdict, best);
  const few = found.wrong.length * 20 <= found.compared;
  if (best.beginsRight && found.inside.float32 && !log.isExact && few) return within(verdict, best, 'float32');
  if (log.isExact && best.beginsRight) {
    for (const width of ['float64', 'float32']) if (found.inside[width]) return within(verdict, best, width);
  }
  const diagnosis = causes(log, best, bounds);
  if (best.beginsRight || diagnosis.length) return wrong(verdict, best, diagnosis);
  return byChances(verdict, [log], run);
}

/** All losses agree: then the samples decide. */
function right(verdict, { found, run }) {
  const { log } = verdict;
  const bad = wrongSamples(log, run);
  const count = `${thousands(found.compared)} losses`;
  if (bad.length) {
    const [number, expected, got] = bad[0];
    const difference = {
      kind: 'text', checkpoint: `sample ${number + 1}`, expected: quoted(expected), got: quoted(got),
      ulps: null, line: 0, asked: '', bound: '',
    };
    const sentence = `all ${count} agree, but ${bad.length} of ${log.samples.size} samples do not: sampling is wrong`;
    return { ...verdict, sentence, difference, diagnosis: explain(log, run, found) };
  }
  const samples = log.samples.size ? ` and ${log.samples.size} samples` : '';
  const agrees = { agrees: true };
  if (found.isBit) return { ...verdict, ...agrees, agreement: 'bit', sentence: `bit-exact: all ${count}${samples} are the reference's` };
  const places = log.style[0] ? `${log.style[0]} decimals` : `${log.style[1]} digits`;
  const sentence = `right as far as it is printed: all ${count}${samples} agree in all ${places} (${FLOAT32})`;
  return { ...verdict, ...agrees, agreement: 'printed', sentence };
}

function within(verdict, best, width) {
  const { log } = verdict;
  const { wrong: off, compared } = best.found;
  const bad = wrongSamples(log, best.run);
  if (bad.length && width === 'float64') return right(verdict, best);
  const most = off.reduce((largest, one) => Math.max(largest, one.units), 0);
  const differ = `${thousands(off.length)} of ${thousands(compared)} losses differ, by up to ${rounded(most, 0)} in the last place`;
  const whose = width === 'float32' && !log.isExact ? 'a float32 program' : width;
  let sentence = `right within ${width}: ${differ}, and each is within the measured bound of ${whose}`;
  if (bad.length) sentence += `; ${bad.length} of ${log.samples.size} samples differ, which such a program may`;
  return { ...verdict, agreement: 'tolerance', agrees: true, width, sentence, difference: differenceOf(log, off[0]) };
}

function wrong(verdict, best, diagnosis) {
  const { log } = verdict;
  const { wrong: off, compared } = best.found;
  const [first] = off;
  const before = [...log.losses.keys()].filter((step) => step < first.step).length;
  const some = before === 1 ? 'the first loss agrees' : `the first ${thousands(before)} losses agree`;
  const agreed = before ? some : 'its first loss is another one already';
  const sentence = `wrong from step ${first.step + log.first} on: ${agreed}, `
    + `and ${thousands(off.length)} of ${thousands(compared)} do not`;
  return { ...verdict, sentence, difference: differenceOf(log, first), diagnosis };
}

function differenceOf(log, { step, printed, expected, units }) {
  const [decimals, digits] = log.style;
  const fixed = decimals && !log.isExact;
  return {
    kind: 'text',
    checkpoint: `step ${step + log.first}: loss`,
    expected: fixed ? expected.toFixed(decimals) : general(expected, log.isExact ? 17 : digits),
    got: printed.text,
    ulps: null, line: printed.line, asked: '',
    bound: units === Infinity ? 'no finite number' : `${rounded(units, 0)} in the last printed place`,
  };
}

/** What gives these losses instead of those of this run. */
const causes = (log, one, bounds) => [...shifted(log, one, bounds), ...explain(log, one.run, one.found)];

/** Whether these are the right losses of other steps. */
function shifted(log, { run }, bounds) {
  const cases = [
    [1, 'each loss is that of the next step: it is printed under the number of the step before'],
    [-1, 'each loss is that of the step before: it is printed under the number of the next step'],
  ];
  for (const [shift, words] of cases) {
    const found = compareLog(bounds, log, run.losses, shift);
    if (found.compared <= 2 || found.wrong.length * 10 >= found.compared) continue;
    const agreeing = found.compared - found.wrong.length;
    const sentence = `${words} (${thousands(agreeing)} of ${thousands(found.compared)} agree when moved by one)`;
    return [{ variants: [], sentence }];
  }
  return [];
}

/** Number (from 0), expected and got of each sample that differs. */
function wrongSamples(log, run) {
  return [...log.samples]
    .sort(([a], [b]) => a - b)
    .filter(([number, text]) => number < run.samples.length && text !== run.samples[number])
    .map(([number, text]) => [number, run.samples[number], text]);
}

function seen(log, { found, run }) {
  const steps = `${thousands(found.compared)} of ${thousands(run.steps)} losses`;
  const samples = log.samples.size ? `, ${log.samples.size} of ${run.samples.length} samples` : ', no samples';
  return `seen: ${steps}${samples}; not seen: gradients, moments, parameters`;
}

function nanNotes(log) {
  const steps = [...log.losses.keys()].filter((step) => !Number.isFinite(log.losses.get(step).value));
  if (steps.length === 0) return [];
  const { text } = log.losses.get(steps[0]);
  return [`from step ${steps[0] + log.first} on its loss is ${text}: ${thousands(steps.length)} losses are no numbers`];
}

/** What the first lines say that is not so in this run. */
function headerNotes(log, run) {
  const notes = [];
  const { documents } = log.headers;
  if (documents !== undefined && documents !== run.documents) {
    const has = `${run.dataset} has ${thousands(run.documents)}`;
    notes.push(`wrong dataset? It says ${thousands(documents)} documents; ${has}`);
  }
  const other = otherShape(log, run);
  if (other) notes.push(other);
  if (log.total !== null && log.total !== run.steps) {
    notes.push(`its steps count to ${thousands(log.total)}, those of ${run.words} to ${thousands(run.steps)}: give --steps`);
  }
  return notes;
}

/** What the log says of its vocabulary or parameters that this run does not have; '' if it fits. */
function otherShape(log, run) {
  for (const [name, what] of [['vocabulary', 'a vocabulary of'], ['parameters', 'a number of parameters of']]) {
    const came = log.headers[name];
    if (came === undefined || came === run[name]) continue;
    return `it says ${what} ${thousands(came)}; ${run.words} has ${thousands(run[name])}`;
  }
  return '';
}

function sampleNotes(log, run) {
  if (log.samples.size === 0) return [];
  const last = Math.max(...log.samples.keys());
  const missing = Array.from({ length: last }, (_, number) => number).filter((number) => !log.samples.has(number));
  const notes = missing.length ? [`sample ${missing[0] + 1} is missing`] : [];
  if (log.samples.size + missing.length < run.samples.length) {
    notes.push(`${log.samples.size} samples of ${run.samples.length} are printed`);
  }
  return notes;
}
