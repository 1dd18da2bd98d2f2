/** The page that judges outputs: takes them in, has a worker judge them, shows verdicts. Nothing is uploaded. */

import { plot } from './curve.js';
import { thousands } from './text.js';

const byId = (id) => document.getElementById(id);
const form = byId('start');
const pasted = byId('pasted');
let running = null;

function loadScript(url) {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = url;
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${url} cannot be loaded`));
    document.head.append(script);
  });
}

let loading = null;

/** The goldens, loaded with what judges when they are first needed. */
function goldens() {
  loading ??= (async () => {
    await Promise.all([loadScript(form.dataset.worker), loadScript(form.dataset.goldens)]);
    const bytes = Uint8Array.from(atob(packedData.get('check')), (character) => character.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).json();
  })();
  loading.catch(() => { loading = null; });
  return loading;
}

/** What a worker comes to: { verdicts } or { unreadable, hint }. An earlier one is given up. */
function judged(data, outputs, options) {
  running?.terminate();
  const url = URL.createObjectURL(new Blob([`(${checkWorker})();`], { type: 'text/javascript' }));
  const worker = new Worker(url);
  URL.revokeObjectURL(url);
  running = worker;
  return new Promise((resolve, reject) => {
    worker.onerror = (event) => reject(new Error(event.message || 'the worker could not be started'));
    worker.onmessage = ({ data: said }) => {
      if (said.done) say(`Computing the run: step ${thousands(said.done)} of ${thousands(said.total)} ...`, '');
      else resolve(said);
    };
    worker.postMessage({ data, outputs, options });
  }).finally(() => {
    worker.terminate();
    if (running === worker) running = null;
  });
}

function say(text, state) {
  byId('verdict').textContent = text;
  byId('verdict').dataset.state = state;
}

function elementOf(name, text, className = '') {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

function facts(rows) {
  const list = elementOf('dl', '', 'facts');
  list.append(...rows.map(([term, text]) => {
    const row = document.createElement('div');
    row.append(elementOf('dt', term), elementOf('dd', text));
    return row;
  }));
  return list;
}

const distance = (ulps) => (ulps >= 1e9 ? `${ulps.toExponential(1)} ulps` : `${thousands(ulps)} ${ulps === 1 ? 'ulp' : 'ulps'}`);

function divergence({ difference: found, compared, agreed }) {
  const rows = [
    ['Where', found.checkpoint + (found.line ? `, line ${thousands(found.line)}` : '')],
    ['Expected', found.expected],
    ['Got', found.got],
  ];
  if (found.ulps !== null) rows.push(['Distance', distance(found.ulps)]);
  if (found.bound) rows.push([found.ulps === null ? 'Distance' : 'Bound', found.bound]);
  if (compared > 1) rows.push(['In all', `${thousands(compared - agreed)} of ${thousands(compared)} values differ`]);
  return facts(rows);
}

const names = ({ variants }) => (variants.length ? ` (${variants.join(', ')})` : '');

function addCurves(made, heading, { curve, chances, difference }) {
  const steps = curve.map(([step]) => step);
  const [expected, got] = [1, 2].map((column) => curve.map((point) => point[column]));
  const whose = chances ? "right programs' mean" : "the reference's";
  const at = difference && /^step (\d+): loss$/.exec(difference.checkpoint);
  const mark = at ? Number(at[1]) : null;
  const both = elementOf('div', '', 'curves');
  const apart = elementOf('div', '', 'curves');
  plot(both, {
    steps, mark,
    label: `Loss by step: yours and ${whose}`,
    series: [{ style: 'theirs', values: expected }, { style: 'yours', values: got }],
  });
  plot(apart, {
    steps, mark,
    label: `Your loss minus ${whose}, by step`,
    series: [{ style: 'yours', values: got.map((x, i) => x - expected[i]) }],
  });
  const legend = elementOf('p', '', 'note keys');
  legend.append(elementOf('span', 'your loss', 'key yours'), elementOf('span', whose, 'key theirs'));
  if (mark !== null) legend.append(elementOf('span', 'first divergence', 'key marked'));
  heading('Loss, step by step');
  made.append(both, legend);
  heading(`Your loss minus ${whose}`);
  made.append(apart);
}

/** All about a verdict. With several, each has a heading and a sentence of its own. */
function section(verdict, isOnly) {
  const made = document.createElement('section');
  const heading = (text) => made.append(elementOf(made.querySelector('h2') ? 'h3' : 'h2', text));
  if (!isOnly) {
    heading(verdict.output);
    const sentence = elementOf('p', `${verdict.sentence}.`, 'verdict');
    sentence.dataset.state = verdict.agrees ? 'ok' : 'bad';
    made.append(sentence);
  }
  if (verdict.difference) {
    heading('First divergence');
    made.append(divergence(verdict));
  }
  if (verdict.diagnosis.length) {
    if (!verdict.difference) heading('Likely mistakes');
    made.append(facts(verdict.diagnosis.map((one, i) => [i ? 'or' : 'Diagnosis', one.sentence + names(one)])));
  }
  if (verdict.curve?.length > 1) addCurves(made, heading, verdict);
  heading('What this rests on');
  made.append(facts([['Compared with', verdict.setup], ['Seen', verdict.seen.replace(/^seen: /, '')]]));
  made.append(...verdict.notes.map((note) => elementOf('p', `Note: ${note}.`, 'note')));
  return made;
}

function show(verdicts) {
  const [first] = verdicts;
  const wrong = verdicts.filter((verdict) => !verdict.agrees).length;
  const together = `${verdicts.length - wrong} of ${verdicts.length} outputs agree`;
  const words = verdicts.length === 1 ? `${first.output}: ${first.sentence}` : together;
  say(`${words}.`, wrong ? 'bad' : 'ok');
  byId('results').replaceChildren(...verdicts.map((verdict) => section(verdict, verdicts.length === 1)));
}

/** Judges these outputs, { name, data }. */
async function check(outputs) {
  const began = performance.now();
  const fields = new FormData(form);
  const options = { preset: fields.get('preset'), pattern: fields.get('pattern'), transposed: fields.has('transposed') };
  byId('results').replaceChildren();
  byId('time').textContent = '';
  say('Judging ...', '');
  try {
    const found = await judged(await goldens(), outputs, options);
    if (found.verdicts) show(found.verdicts);
    else say(`${found.unreadable}${found.hint ? ` (${found.hint})` : ''}.`, 'bad');
    byId('time').textContent = `${((performance.now() - began) / 1000).toFixed(1)} s, in your browser`;
  } catch (problem) {
    say(`It was not judged: ${problem.message}.`, 'bad');
  }
}

const ofText = (text) => [{ name: 'the pasted text', data: new TextEncoder().encode(text) }];
const ofFiles = (files) => Promise.all(
  [...files].map(async (file) => ({ name: file.name, data: new Uint8Array(await file.arrayBuffer()) })));

async function checkFiles(files) {
  pasted.value = '';
  await check(await ofFiles(files));
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  const { files } = byId('files');
  if (pasted.value.trim() || files.length === 0) check(ofText(pasted.value));
  else checkFiles(files);
});
pasted.addEventListener('paste', () => setTimeout(() => check(ofText(pasted.value))));
byId('files').addEventListener('change', ({ target }) => target.files.length && checkFiles(target.files));

for (const kind of ['dragover', 'dragleave', 'drop']) {
  document.addEventListener(kind, (event) => {
    event.preventDefault();
    form.classList.toggle('over', kind === 'dragover');
  });
}
document.addEventListener('drop', ({ dataTransfer }) => {
  if (dataTransfer.files.length) checkFiles(dataTransfer.files);
  else if (dataTransfer.getData('text')) {
    pasted.value = dataTransfer.getData('text');
    check(ofText(pasted.value));
  }
});

/** The log of the first steps with these losses. */
const logOf = (losses, steps) =>
  losses.map((loss, i) => `step ${String(i + 1).padStart(4)} / ${steps} | loss ${loss.toFixed(4)}\n`).join('');

for (const button of document.querySelectorAll('[data-example]')) {
  button.addEventListener('click', async () => {
    const { runs } = await goldens();
    const run = runs.find(({ preset }) => preset === 'classic');
    const losses = Object.entries(run.replays[button.dataset.example].losses);
    const firsts = losses.filter(([step], i) => Number(step) === i).map(([, loss]) => loss);
    pasted.value = `num docs: ${run.documents}\n${logOf(firsts, run.steps)}`;
    check(ofText(pasted.value));
  });
}

if (typeof DecompressionStream === 'undefined') say('This browser is too old to unpack the goldens.', 'bad');
else form.hidden = false;
