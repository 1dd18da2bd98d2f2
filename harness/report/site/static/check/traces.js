/** The verdict on a trace: how far each quantity agrees, and the first that does not (harness/judge/check/traces.py). */

import { bound, HALF } from './agreement.js';
import { State } from './golden.js';
import { KINDS, order, shape } from './names.js';
import { general, hexadecimal, quoted, shortest, thousands, ulpsBetween, Unreadable } from './text.js';

const MOST_STEPS = 100; // with whole tensors
const WORDS = { grad: 'gradients', m: 'm', v: 'v', parameters: 'parameters' };
const CONSTANTS = {
  init: 'the initial sigma is another one',
  grad: 'the loss is a sum, or divided by another number',
  m: '1 - beta1 is another number',
  v: '1 - beta2 is another number',
};

/** The verdict on one trace. `runs`: those with their documents. */
export function judgeTrace(name, trace, runs, { bounds, documents, transposed, progress }) {
  const [run, state] = fitting(trace, runs.map((one) => [one, new State(one.preset, documents)]));
  const { golden, missing } = computed(trace, run, state, progress);
  const key = ({ quantity }) => order(quantity, state.config);
  const compared = trace.written
    .filter(({ quantity }) => golden.has(quantity.words))
    .sort((a, b) => byOrder(key(a), key(b)))
    .map((one) => compare(one, golden.get(one.quantity.words), shape(one.quantity, state.config), { bounds, transposed }));
  const samples = trace.written.filter(({ quantity }) => quantity.kind === 'sample');
  if (compared.length + samples.length === 0) {
    throw new Unreadable(`${name} has no quantity that ${run.words} has: ${missing.join('; ')}`);
  }
  const bad = samples.filter(({ quantity, text }) => run.samples[quantity.number - 1] !== text);
  const notes = [...missing];
  if (trace.unknown.length) {
    notes.push(`${trace.unknown.length} names are no quantities and were left out, such as ${quoted(trace.unknown[0])}`);
  }
  const verdict = {
    output: name, kind: 'trace', agreement: 'wrong', agrees: false, sentence: '', setup: run.words,
    seen: seen(compared, samples, run, state), width: '', difference: null, diagnosis: [], notes, chances: null, run,
    agreed: compared.filter((one) => one.how !== 'wrong').length + samples.length - bad.length,
    compared: compared.length + samples.length,
  };
  return sumUp(verdict, trace, compared, bad, bounds);
}

function byOrder(a, b) {
  const place = a.findIndex((x, i) => x !== b[i]);
  return place < 0 ? 0 : a[place] - b[place];
}

/** The run whose first losses or initial parameters are nearest to those of the trace. */
function fitting(trace, tried) {
  const distance = ([run, state]) => {
    let [misfits, off] = [0, 0];
    for (const { quantity, values } of trace.written) {
      const size = shape(quantity, state.config);
      if (size === null || (values.length && size[0] * size[1] !== values.length)) misfits += 1;
      if (!values.length) continue;
      const matrix = state.matrices.get(quantity.name);
      if (quantity.kind === 'init' && matrix) off += Math.abs(state.initial[matrix.start] - values[0]);
      if (quantity.kind === 'loss' && quantity.step < run.losses.length) {
        off += Math.min(10, Math.abs(run.losses[quantity.step] - values[0]));
      }
    }
    return [misfits, off];
  };
  const distances = tried.map(distance);
  const nearest = distances.reduce((best, one, i) => (byOrder(one, distances[best]) < 0 ? i : best), 0);
  return tried[nearest];
}

/** The golden values of what the trace holds, by name, and sentences about what could not be compared. */
function computed(trace, run, state, progress) {
  const missing = [];
  let wanted = [];
  for (const { quantity } of trace.written) {
    const isLate = quantity.kind !== 'sample' && quantity.step >= run.steps;
    if (shape(quantity, state.config) === null || isLate) missing.push(`${run.words} has no ${quantity.words}`);
    else if (quantity.kind !== 'sample') wanted.push(quantity);
  }
  const withTensors = wanted.filter(({ kind }) => KINDS.includes(kind)).map(({ step }) => step);
  const before = wanted.filter(({ kind, step }) => kind === 'activation' && step > 0).map(({ step }) => step - 1);
  let full = [...new Set([...withTensors, ...before])].sort((a, b) => a - b);
  if (full.length > MOST_STEPS) {
    missing.push(`tensors of ${full.length} steps are there; the first ${MOST_STEPS} of these steps were compared`);
    full = full.slice(0, MOST_STEPS);
    wanted = wanted.filter(({ kind, step }) => ['init', 'loss'].includes(kind) || step <= full.at(-1));
  }
  if (full.length) state.train(full.at(-1) + 1, new Set(full), progress);
  const golden = new Map();
  const forward = new Map();
  for (const quantity of wanted) {
    const { kind, step, name, number, words } = quantity;
    if (kind === 'init') golden.set(words, state.matrix(name, state.initial));
    else if (kind === 'loss') golden.set(words, [run.losses[step]]);
    else if (KINDS.includes(kind)) golden.set(words, state.matrix(name, state.steps[step].tensors[kind]));
    else {
      if (!forward.has(step)) forward.set(step, state.forward(step));
      const values = forward.get(step).get(`pos${number}.${name}`);
      if (values) golden.set(words, values);
      else missing.push(`the document of step ${step} is shorter: it has no ${words}`);
    }
  }
  return { golden, missing };
}

/** One quantity beside its golden values. how: bit, float64, float32, printed or wrong. */
function compare(written, expected, [rows, columns], { bounds, transposed }) {
  if (written.values.length !== expected.length) {
    const product = rows > 1 ? `${rows} x ${columns} = ` : '';
    const counts = `${thousands(written.values.length)} values, and ${product}${thousands(expected.length)} were expected`;
    throw new Unreadable(`${written.quantity.words} has ${counts}`);
  }
  const isMatrix = Math.min(rows, columns) > 1;
  const turned = () => ({
    ...written, values: written.values.map((_, k) => written.values[(k % columns) * rows + Math.floor(k / columns)]),
  });
  if (transposed && isMatrix) return compareValues(turned(), expected, bounds);
  const found = compareValues(written, expected, bounds);
  if (found.how === 'wrong' && isMatrix) {
    const other = compareValues(turned(), expected, bounds);
    if (other.how !== 'wrong') return { ...other, transposed: true };
  }
  return found;
}

const same = (a, b) => Object.is(a, b) || (Number.isNaN(a) && Number.isNaN(b));
const scaleOf = (expected) => expected.reduce((most, x) => (Number.isFinite(x) ? Math.max(most, Math.abs(x)) : most), 0);

function compareValues(written, expected, bounds) {
  const { quantity, values, digits } = written;
  const places = expected.map((_, i) => i);
  const different = places.filter((i) => !same(expected[i], values[i]));
  const made = (how, index = 0) => ({ written, expected, how, index, different: different.length, transposed: false });
  if (different.length === 0) return made('bit');
  if (digits < 17 && places.every((i) => isPrinted(expected[i], values[i], digits))) return made('printed', different[0]);
  const scale = scaleOf(expected);
  const beyond = {};
  for (const width of ['float64', 'float32']) {
    const limit = bound(bounds, width, quantity.kind, quantity.step, scale);
    beyond[width] = different.find((i) => !(Math.abs(expected[i] - values[i]) <= limit));
    if (beyond[width] === undefined) return made(width, different[0]);
  }
  return made('wrong', beyond.float32 ?? beyond.float64);
}

function isPrinted(expected, got, digits) {
  if (!Number.isFinite(expected) || !Number.isFinite(got)) return same(expected, got);
  if (expected === got) return true;
  const unit = 10 ** (Math.floor(Math.log10(Math.max(Math.abs(expected), 5e-324))) + 1 - digits);
  return Math.abs(expected - got) <= HALF * unit;
}

/** Whether every value is one that float32 has, or is written with no more digits than that. */
const looksSingle = (trace) => trace.written.filter(({ values }) => values.length).every(({ width, digits, values }) =>
  width === 'float32' || digits < 12 || values.every((x) => same(Math.fround(x), x)));

function sumUp(verdict, trace, compared, bad, bounds) {
  const single = looksSingle(trace);
  const turned = compared.filter((one) => one.transposed);
  const notes = [...verdict.notes];
  if (turned.length) notes.push(`${turned.length} matrices agree when transposed, such as ${turned[0].written.quantity.words}`);
  const wrong = compared.filter(({ how }) => how === 'wrong' || (how === 'float32' && !single));
  const count = `${thousands(verdict.compared)} quantities`;
  if (wrong.length) {
    const [first] = wrong;
    const before = compared.indexOf(first);
    const agreeing = before ? `the ${thousands(before)} quantities before it agree` : 'it is the first that is there';
    const sentence = `wrong from ${first.written.quantity.words} on: ${agreeing}, `
      + `and ${thousands(wrong.length)} of ${thousands(compared.length)} do not`;
    const agreed = compared.length - wrong.length;
    return { ...verdict, notes, sentence, agreed, difference: differenceOf(first, single, bounds), diagnosis: proportion(first) };
  }
  if (bad.length) {
    const [{ quantity, text }] = bad;
    const expected = verdict.run.samples[quantity.number - 1] ?? 'no such sample';
    const difference = {
      kind: 'text', checkpoint: quantity.words, expected: quoted(expected), got: quoted(text), ulps: null, line: 0, asked: '', bound: '',
    };
    return { ...verdict, notes, difference, sentence: `its numbers agree, and ${bad.length} samples do not: sampling is wrong` };
  }
  const has = (how) => compared.filter((one) => one.how === how).length;
  const agrees = { ...verdict, notes, agrees: true };
  if (has('float32') || has('float64')) {
    const width = has('float32') ? 'float32' : 'float64';
    const differing = compared.find(({ different }) => different);
    const sentence = width === 'float32'
      ? `right within float32: all ${count} are within the measured bound of a float32 program`
      : `right within float64: ${thousands(has('bit'))} of ${count} are bit-exact, the others within the measured bound`;
    return { ...agrees, agreement: 'tolerance', width, sentence, difference: differenceOf(differing, single, bounds) };
  }
  if (has('printed')) {
    return { ...agrees, agreement: 'printed', sentence: `right as far as it is written: all ${count} agree in all digits` };
  }
  return { ...agrees, agreement: 'bit', sentence: `bit-exact: all ${count} are the reference's` };
}

function differenceOf(one, single, bounds) {
  const { quantity } = one.written;
  const [expected, got] = [one.expected[one.index], one.written.values[one.index]];
  const width = single ? 'float32' : 'float64';
  const limit = bound(bounds, width, quantity.kind, quantity.step, scaleOf(one.expected));
  return {
    kind: 'value',
    checkpoint: `${quantity.words}[${one.index}]`,
    expected: `${hexadecimal(expected)}  ${shortest(expected)}`,
    got: `${hexadecimal(got)}  ${shortest(got)}`,
    ulps: ulpsBetween(expected, got), line: 0, asked: '',
    bound: `off by ${general(Math.abs(expected - got), 3)}; a ${width} program may be by ${general(limit, 3)}`,
  };
}

/** Whether all values are the same multiple of the expected ones; then a constant is another one. */
function proportion({ written, expected }) {
  const pairs = expected.map((e, i) => [e, written.values[i]]).filter(([e]) => e !== 0);
  if (pairs.length < 2) return [];
  const ratio = pairs[0][1] / pairs[0][0];
  if (ratio === 0 || !pairs.every(([e, g]) => Math.abs(g - ratio * e) <= 1e-5 * Math.abs(ratio * e))) return [];
  const meaning = CONSTANTS[written.quantity.kind] ?? 'a constant factor is another one';
  return [{ variants: [], sentence: `every value is ${general(ratio, 6)} times the expected one: ${meaning}` }];
}

/** What was there and what was not. */
function seen(compared, samples, run, state) {
  const matrices = state.matrices.size;
  const of = (kind) => compared.filter(({ written }) => written.quantity.kind === kind);
  const parts = [];
  if (of('init').length) parts.push(`${of('init').length} of ${matrices} initial matrices`);
  const losses = of('loss').length;
  if (losses) parts.push(losses > 1 ? `loss of ${thousands(losses)} steps` : 'loss of 1 step');
  if (of('activation').length) parts.push(`${of('activation').length} activations`);
  for (const [kind, word] of Object.entries(WORDS)) {
    const steps = [...new Set(of(kind).map(({ written }) => written.quantity.step))];
    const count = of(kind).length;
    if (steps.length === 1) parts.push(`${count} of ${matrices} ${word} of step ${steps[0]}`);
    else if (steps.length) parts.push(`${count} of ${matrices * steps.length} ${word} of ${steps.length} steps`);
  }
  if (samples.length) parts.push(`${samples.length} of ${run.samples.length} samples`);
  const unseen = Object.entries({ init: 'initial parameters', loss: 'losses', ...WORDS })
    .filter(([kind]) => of(kind).length === 0).map(([, word]) => word);
  return `seen: ${parts.join(', ')}; not seen: ${unseen.join(', ') || 'nothing'}`;
}
