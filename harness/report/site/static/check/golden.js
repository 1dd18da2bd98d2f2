/** The numbers of a run that are not stored, computed here by the JavaScript port, which is bit-exact. */

import {
  codePoints, documentsOf, list, MATHS, matricesOf, MersenneTwister, Model, PRESETS, Tokenizer, trainStep,
} from './microgpt.js';
import { answer } from './protocol.js';
import { doubleOf, hexadecimal } from './text.js';

/** A run of a preset on these documents. Tensors are lists of all parameters' numbers, matrix after matrix. */
export class State {
  constructor(preset, documents) {
    this.preset = PRESETS[preset];
    const { block, sigma, outputSigma } = this.preset;
    const generator = new MersenneTwister(42, MATHS.exact);
    this.documents = generator.shuffle(documentsOf(documents.map(codePoints)));
    this.tokenizer = new Tokenizer(this.documents);
    const attention = list(block, (t) => list(t + 1, (position) => position));
    this.config = { ...this.preset, vocabulary: this.tokenizer.bos + 1, attention };
    this.initial = Float64Array.from(matricesOf(this.config).flatMap(({ name, rows, columns }) =>
      list(rows * columns, () => generator.gauss(/attn_wo|mlp_fc2/.test(name) ? outputSigma : sigma))));
    this.model = new Model(this.config, this.initial, MATHS.exact);
    [this.m, this.v] = [this.model.zeros(), this.model.zeros()];
    this.matrices = new Map(matricesOf(this.config).map((matrix) => [matrix.name, matrix]));
    this.steps = [];
  }
  /** The first `count` steps: { loss, tensors }, tensors for the steps in `full` only. */
  train(count, full, progress) {
    const { documents, tokenizer, model, m, v } = this;
    while (this.steps.length < count) {
      const step = this.steps.length;
      const loss = trainStep(model, this.preset, step, tokenizer.encode(documents[step % documents.length]), m, v);
      const tensors = { grad: model.gradients, m, v, parameters: model.parameters };
      const kept = full.has(step)
        ? Object.fromEntries(Object.entries(tensors).map(([kind, numbers]) => [kind, Float64Array.from(numbers)]))
        : null;
      this.steps.push({ loss, tensors: kept });
      progress(step + 1, count);
    }
  }
  /** The part of `numbers` that is the matrix `name`. */
  matrix(name, numbers) {
    const { start, end } = this.matrices.get(name);
    return Array.from(numbers.subarray(start, end));
  }
  /** The parameters that step `step` starts from. */
  parameters(step) {
    return step === 0 ? this.initial : this.steps[step - 1].tensors.parameters;
  }
  /** All activations of a step, by their names in a reply to `forward`. */
  forward(step) {
    const { layers, heads, embedding, block, vocabulary, activation, attention } = this.config;
    const { documents, tokenizer } = this;
    const settings = Object.entries({ math: 'exact', layers, heads, embedding, block, vocabulary, activation });
    const lines = [
      'forward check', ...settings.map(([name, value]) => `${name} ${value}`),
      ...attention.map((positions) => `attend ${positions.join(' ')}`),
      `tokens ${tokenizer.encode(documents[step % documents.length]).join(' ')}`,
    ];
    for (const { name, rows, columns } of this.matrices.values()) {
      lines.push(`tensor ${name} ${rows} ${columns}`);
      const words = this.matrix(name, this.parameters(step)).map(hexadecimal);
      for (let i = 0; i < words.length; i += columns) lines.push(`row ${words.slice(i, i + columns).join(' ')}`);
    }
    const found = new Map();
    let name = '';
    for (const line of answer(`${lines.join('\n')}\nend\n`).split('\n')) {
      const [key, ...words] = line.split(' ');
      if (key === 'tensor') found.set(name = words[0], []);
      else if (key === 'row') found.get(name).push(...words.map(doubleOf));
    }
    return found;
  }
}
