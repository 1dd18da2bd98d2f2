/** The worker: holds a training, or two that race, and answers the page, one message for one. */

import { PortTraining } from './port.js';
import { Race } from './race.js';
import { Run, goldenOf } from './run.js';

const BEGINS = 1; // milliseconds: the first step of a race is seen at once

let run = null;
let race = null;

const answers = {
  async start({ names, steps }) {
    run = new Run(await Engine.load(), { preset: 'classic', text: names }, goldenOf(steps));
    const { count, characters, documents } = run.training;
    return { about: { count, characters, documents, steps: run.steps, matrices: run.matrices }, ...run.frame() };
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
  async race({ text, steps }) {
    const engine = await Engine.load();
    race = new Race(engine, { preset: 'classic', text, steps }, new PortTraining({ text, steps }));
    return answers.raceOn({ milliseconds: BEGINS });
  },
  async raceOn({ milliseconds }) {
    await race.goOn(milliseconds);
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
    self.postMessage({ error: error.message });
  }
};
