/** A training as the model file that `microgpt generate` and `microgpt train --resume` read (reference/app/modelfile.py), byte for byte. */

import { sha256 } from './sha256.js';

const LOSSES_KEPT = 100;
const PRESET = { layers: 1, heads: 4, embedding: 16, block: 16 }; // `classic`
const ADAM = { learning_rate: 0.01, beta1: 0.85, beta2: 0.99, epsilon: 1e-8 };

const view = new DataView(new ArrayBuffer(8));

function word(x) {
  if (!Number.isFinite(x)) throw new Error(`the model has the number ${x}, so its training has diverged and it was not saved`);
  view.setFloat64(0, x);
  return view.getBigUint64(0).toString(16).padStart(16, '0');
}

const row = (numbers) => Array.from(numbers, word).join(' ');

/** The text of the file; `source` is { text, file } of the dataset. */
export function modelFile(training, steps, { text, file }) {
  const bytes = new TextEncoder().encode(text);
  const shapes = training.tensors().filter(({ name }) => !name.startsWith('pos')).map(({ name, rows, columns }) => ({ name, rows, columns }));
  const matrices = (numbers) => {
    let at = 0;
    return Object.fromEntries(shapes.map(({ name, rows, columns }) => [
      name, Array.from({ length: rows }, () => row(numbers.subarray(at, (at += columns)))),
    ]));
  };
  const lengths = Array.from({ length: training.documents }, (_, i) => Array.from(training.document(i)).length);
  const { words, index, kept } = training.generator;
  const model = {
    format: 'microgpt model',
    version: 1,
    trained_on: { file, sha256: sha256(bytes), documents: training.documents, characters: lengths.reduce((sum, length) => sum + length) },
    preset: 'classic',
    seed: 42,
    math: 'exact',
    characters: training.vocabulary,
    config: {
      ...PRESET,
      vocabulary: training.characters.length + 1,
      activation: 'relu',
      attention: Array.from({ length: PRESET.block }, (_, t) => Array.from({ length: t + 1 }, (__, s) => s).join(' ')),
    },
    optimizer: { ...ADAM, schedule: 'linear', steps },
    steps_done: training.step,
    last_losses: row(training.losses.slice(-LOSSES_KEPT)),
    generator: { words: words.join(' '), index, kept: kept === null ? null : word(kept) },
    parameters: matrices(training.parameters),
    m: matrices(training.m),
    v: matrices(training.v),
  };
  return `${JSON.stringify(model, null, 1).replace('"epsilon": 1e-8', '"epsilon": 1e-08').replace(/[\u007f-\uffff]/g, escaped)}\n`;
}

const escaped = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
