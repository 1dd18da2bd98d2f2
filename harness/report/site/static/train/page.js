/** The page that trains: starts the worker, hands its frames to the views, and the visitor's wishes to the player. */

import { Attention } from './attention.js';
import { Beside } from './beside.js';
import { thousands } from './doubles.js';
import { Frame } from './frame.js';
import { Graph } from './graph.js';
import { onScheme } from './heat.js';
import { LossCurve, runningMean } from './loss.js';
import { Names } from './names.js';
import { OwnText } from './own.js';
import { ParameterMaps } from './parameters.js';
import { Plane } from './plane.js';
import { Player } from './player.js';
import { Products } from './product.js';
import { startWorker } from './workers.js';

const byId = (id) => document.getElementById(id);
const calm = window.matchMedia('(prefers-reduced-motion: reduce)').matches;
const CALM_INTERVAL = 1000; // milliseconds between two pictures with reduced motion
const GRAPH_AFTER = 250; // milliseconds
const SPEEDS = [1, 5, 20, 100, Infinity]; // steps a second

let about = null;
let frame = null;
let trained = null; // what the run on the page trains on: { text, steps, golden, file }

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

const curve = new LossCurve(byId('loss'), (step) => leap(step));
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
    if (!playing && frame) {
      player.ask({ kind: 'history', index: parameters.index });
      openGraph();
    }
  },
  onFail: (reason, kind) => {
    if (kind === 'start' && about !== null) own.refuse(reason);
    else say(`This page cannot train here: ${reason}`, 'bad');
  },
  interval: calm ? CALM_INTERVAL : 0,
});

const graph = new Graph({
  form: byId('graph-form'), holder: byId('graph'), scrub: byId('edge'), play: byId('flow'), back: byId('edge-back'), forward: byId('edge-forward'),
  next: byId('edge-here'), flowed: byId('flowed'), title: byId('node'), value: byId('node-value'), here: byId('node-so-far'), how: byId('node-how'), fan: byId('node-fan'),
  madeFrom: byId('made-from').tBodies[0], usedBy: byId('used-by').tBodies[0], verdict: byId('node-verdict'), interval: calm ? CALM_INTERVAL : 0,
});
let graphLater = null;

/** Opens the graph of the step where the training stands, once it has stood there for a moment. */
function openGraph() {
  clearTimeout(graphLater);
  if (!player.playing) graphLater = setTimeout(() => player.ask({ kind: 'graph' }), GRAPH_AFTER);
}

function opened(data) {
  if (data.step !== frame.step || data.step === graph.step) return;
  graph.open(data, data.step, frame.tokens);
  const of = data.step === 0 ? 'Before the first step' : `Step ${thousands(data.step)}`;
  byId('graph-of').textContent = data.same
    ? `${of}: ${thousands(graph.edges.order.length)} nodes, ${thousands(graph.edges.length)} edges; all ${thousands(about.count)} gradients have the engine’s bits.`
    : `${of}: the gradients are not the engine’s.`;
  byId('graph-of').dataset.state = data.same ? 'ok' : 'bad';
}

const plane = new Plane({ go: byId('plane-go'), canvas: byId('plane'), said: byId('plane-said') }, () => trained);

const own = new OwnText({
  form: byId('own'), file: byId('own-file'), said: byId('own-said'), back: byId('own-back'), download: byId('download'),
}, { onText: train, onModel: () => player.ask({ kind: 'model' }) });

/** Starts on another text: { text, steps, golden, file }. */
function train(wanted) {
  player.pause();
  beside.stop('');
  plane.clear();
  player.ask({ kind: 'start', ...wanted });
  trained = wanted;
}

function leap(step) {
  player.pause();
  player.goTo(step);
}

function taken(data) {
  if (data.graph) opened(data.graph);
  if (data.model) own.save(data.model, player.step);
  if (data.history) parameters.drawHistory(data.history);
  if (data.numbers === undefined) return;
  if (data.about) begin(data);
  frame = new Frame(data, about);
  show();
  if (data.about && !calm) player.play();
  if (!player.playing) player.ask({ kind: 'history', index: parameters.index });
  openGraph();
}

function begin(data) {
  about = data.about;
  byId('by').hidden = about.by === 'WebAssembly';
  curve.vocabulary = about.characters.length + 1;
  byId('scrub').max = about.steps;
  byId('count').textContent = thousands(about.count);
  parameters.make(new Frame(data, about), about);
  names.clear();
  products.product = null;
  graph.step = null;
  byId('train').hidden = false;
}

function show() {
  const { step } = frame;
  const count = thousands(about.count);
  byId('scrub').value = step;
  byId('scrub').setAttribute('aria-valuetext', `step ${step} of ${about.steps}`);
  if (step === 0) say(`step 0: ${count} random numbers`, '');
  else if (!about.golden) say(`step ${thousands(step)}: ${count} numbers, and no golden for this one`, '');
  else if (frame.wrong.length === 0) say(`step ${thousands(step)}: ${count} of ${count} right`, 'ok');
  else say(`step ${thousands(step)}: ${frame.wrong.join(', ')} not the original’s`, 'bad');
  const all = frame.right === frame.taken ? 'all' : `${thousands(frame.right)} right of`;
  if (!about.golden) byId('checked').textContent = 'no golden for this one; but the second witness can be asked above';
  else byId('checked').textContent = frame.taken === 0 ? 'no step checked yet' : `${all} ${thousands(frame.taken)} steps checked, bit by bit`;
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
  plane.draw(frame.step);
  if (graph.edges) graph.paint();
}

byId('witness').addEventListener('click', () => beside.witness());
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
    const home = { text: data.names, steps: data.steps.trimEnd().split('\n').length, golden: data.steps, file: 'names.txt' };
    own.home = home;
    train(home);
  },
  (error) => say(`This page cannot train here: ${error.message}`, 'bad'),
);
