/** The worker: holds a training, or two that race, and answers the page, one message for one. */

import { PortEngine } from './fallback.js';
import { GpuTraining } from './gpu.js';
import { Landscape } from './landscape.js';
import { modelFile } from './model.js';
import { PortTraining } from './port.js';
import { Race } from './race.js';
import { recordOf } from './record.js';
import { Run, goldenOf } from './run.js';

const BEGINS = 1; // milliseconds: the first step of a race is seen at once

const hasWebAssembly = typeof WebAssembly === 'object';
const loadEngine = () => (hasWebAssembly ? Engine.load() : new PortEngine());

let run = null;
let source = null; // of the run's text: the text itself and what it is called
let race = null;
let landscape = null;

const answers = {
  async start({ text, steps, golden, file }) {
    const engine = await loadEngine();
    run = new Run(engine, { preset: 'classic', text, steps }, golden && goldenOf(golden));
    source = { text, file };
    const { count, characters, documents } = run.training;
    return { about: { count, characters, documents, steps, matrices: run.training.matrices, golden: Boolean(golden), by: engine.by }, ...run.frame() };
  },
  goTo({ step }) {
    run.goTo(step);
    return run.frame();
  },
  goOn({ milliseconds }) {
    run.goOn(milliseconds);
    return run.frame();
  },
  history({ index }) {
    return { history: run.history(index) };
  },
  graph() {
    const { training, step } = run;
    const text = training.document(Math.max(0, step - 1));
    const record = recordOf(run.before, training.tokens(text), training.characters.length + 1);
    const same = training.gradients.every((gradient, i) => Object.is(gradient, record.grad[i]));
    return { graph: { ...record, step, same } };
  },
  async landscape({ text, steps }) {
    landscape = new Landscape(await loadEngine(), { preset: 'classic', text, steps });
    return { landscape: landscape.report() };
  },
  landscapeOn({ milliseconds }) {
    landscape.goOn(milliseconds);
    return { landscape: landscape.report() };
  },
  model() {
    return { model: modelFile(run.training, run.steps, source) };
  },
  async race({ text, steps, rival }) {
    if (!hasWebAssembly && rival !== 'gpu') {
      throw new Error('a second training beside the first needs WebAssembly');
    }
    const engine = await loadEngine();
    const settings = { preset: 'classic', text, steps };
    race = new Race(engine, settings, rival === 'gpu' ? new GpuTraining(engine.training(settings), steps) : new PortTraining(settings));
    return answers.raceOn({ milliseconds: BEGINS });
  },
  raceOn({ milliseconds }) {
    race.goOn(milliseconds);
    return { race: race.report() };
  },
};

self.onmessage = async ({ data }) => {
  try {
    const started = performance.now();
    const answer = await answers[data.kind](data);
    const numbers = answer.numbers ?? answer.history;
    self.postMessage({ ...answer, milliseconds: performance.now() - started }, numbers ? [numbers.buffer] : []);
  } catch (error) {
    self.postMessage({ error: error.message, kind: data.kind });
  }
};
