/** The worker: holds the training and answers the page, one message for one. */

import { Run, goldenOf } from './run.js';

let run = null;

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
};

self.onmessage = async ({ data }) => {
  try {
    const started = performance.now();
    const answer = await answers[data.kind](data);
    const numbers = answer.numbers ?? answer.history;
    self.postMessage({ ...answer, milliseconds: performance.now() - started }, [numbers.buffer]);
  } catch (error) {
    self.postMessage({ error: error.message });
  }
};
