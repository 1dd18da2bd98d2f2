/** The page that trains: starts the worker, hands its frames to the views, and the visitor's wishes to the player. */

import { Attention } from './attention.js';
import { Beside } from './beside.js';
import { thousands } from './doubles.js';
import { Frame } from './frame.js';
import { onScheme } from './heat.js';
import { LossCurve, runningMean } from './loss.js';
import { Names } from './names.js';
import { ParameterMaps } from './parameters.js';
import { Player } from './player.js';
import { Products } from './product.js';
import { startWorker } from './workers.js';

const byId = (id) => document.getElementById(id);
const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
const CALM_INTERVAL = 1000; // milliseconds between two pictures with reduced motion
const SPEEDS = [1, 5, 20, 100, Infinity]; // steps a second

let about = null;
let frame = null;
let curve = null;
let trained = null; // what the run on the page trains on: { text, steps }

function loadScript(url) {
  return new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = url;
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${url} cannot be loaded`));
    document.head.append(script);
  });
}

/** What the goldens' script brings: the names, and what the original computed. */
async function packed(name) {
  await loadScript(byId('train').dataset.goldens);
  const bytes = Uint8Array.from(atob(packedData.get(name)), (character) => character.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).json();
}

function say(text, state) {
  byId('ticker').textContent = text;
  byId('ticker').dataset.state = state;
}

const names = new Names(byId('names'), (step) => leap(step));
const parameters = new ParameterMaps({
  maps: byId('maps'),
  kinds: byId('kinds'),
  facts: byId('parameter').tBodies[0],
  title: byId('parameter-name'),
  terms: byId('terms'),
  history: byId('history'),
  onHistory: (index) => player.ask({ kind: 'history', index }),
});
const attention = new Attention({ maps: byId('attention'), text: byId('weight') });
const products = new Products({
  form: byId('products'), maps: byId('product'), title: byId('product-title'), body: byId('product-terms').tBodies[0], verdict: byId('product-verdict'),
});

const beside = new Beside({
  form: byId('beside'), go: byId('beside-go'), lines: byId('beside-lines'), verdict: byId('beside-verdict'),
  facts: byId('beside-facts'), charts: { loss: byId('beside-loss'), apart: byId('beside-apart') },
}, () => trained);

const player = new Player(startWorker(), {
  onFrame: taken,
  onState: (playing) => {
    byId('play').textContent = playing ? 'Pause' : 'Play';
    byId('train').dataset.state = playing ? 'playing' : 'paused';
    if (!playing && frame) player.ask({ kind: 'history', index: parameters.index });
  },
  onFail: (reason) => say(`This page cannot train here: ${reason}`, 'bad'),
  interval: calm ? CALM_INTERVAL : 0,
});

function leap(step) {
  player.pause();
  player.goTo(step);
}

function taken(data) {
  if (data.history) {
    parameters.drawHistory(data.history);
    return;
  }
  if (data.about) begin(data);
  frame = new Frame(data, about);
  show();
  if (data.about && !calm) player.play();
  if (!player.playing) player.ask({ kind: 'history', index: parameters.index });
}

function begin(data) {
  about = data.about;
  curve = new LossCurve(byId('loss'), about.characters.length + 1, leap);
  byId('scrub').max = about.steps;
  parameters.make(new Frame(data, about), about);
  byId('train').hidden = false;
}

function show() {
  const { step } = frame;
  const count = thousands(about.count);
  byId('scrub').value = step;
  byId('scrub').setAttribute('aria-valuetext', `step ${step} of ${about.steps}`);
  if (step === 0) say(`step 0: ${count} random numbers`, '');
  else if (frame.wrong.length === 0) say(`step ${thousands(step)}: ${count} of ${count} right`, 'ok');
  else say(`step ${thousands(step)}: ${frame.wrong.join(', ')} not the original’s`, 'bad');
  const all = frame.right === frame.taken ? 'all' : `${thousands(frame.right)} right of`;
  byId('checked').textContent = frame.taken === 0 ? 'no step checked yet' : `${all} ${thousands(frame.taken)} steps checked, bit by bit`;
  byId('now').textContent = step === 0
    ? `the first step will read “${frame.document}”`
    : `read “${frame.document}” · loss ${frame.losses[step - 1].toFixed(4)} · mean of the last 50: ${runningMean(frame.losses, step).toFixed(3)}`;
  for (const kind of ['parameters', 'gradients', 'm', 'v']) byId(`sum-${kind}`).textContent = step === 0 && kind === 'gradients' ? '' : frame.checksums[kind];
  byId('back').disabled = step === 0;
  byId('forward').disabled = step === about.steps;
  names.draw(frame.samples, step);
  draw();
}

function draw() {
  if (frame === null) return;
  curve.draw(frame.losses, frame.step);
  parameters.draw(frame);
  attention.draw(frame);
  products.draw(frame);
  beside.draw();
}

byId('play').addEventListener('click', () => (player.playing ? player.pause() : player.play()));
byId('back').addEventListener('click', () => leap(player.step - 1));
byId('forward').addEventListener('click', () => leap(player.step + 1));
byId('restart').addEventListener('click', () => leap(0));
byId('scrub').addEventListener('input', () => leap(byId('scrub').valueAsNumber));
byId('speed').addEventListener('change', () => { player.speed = SPEEDS[byId('speed').selectedIndex]; });
document.addEventListener('keydown', (event) => {
  if (event.target !== document.body && event.target.id !== 'main') return;
  if (event.altKey || event.ctrlKey || event.metaKey) return;
  const does = { ' ': () => byId('play').click(), ArrowLeft: () => leap(player.step - 1), ArrowRight: () => leap(player.step + 1) }[event.key];
  if (!does || about === null) return;
  event.preventDefault();
  does();
});
window.addEventListener('resize', draw);
onScheme(draw);

player.speed = SPEEDS[byId('speed').selectedIndex];
packed('train').then(
  (data) => {
    trained = { text: data.names, steps: data.steps.trimEnd().split('\n').length };
    player.start(data);
  },
  (error) => say(`This page cannot train here: ${error.message}`, 'bad'),
);
