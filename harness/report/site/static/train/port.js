/** The JavaScript port as a training that stands still after every step: a witness, or a wrong one once a line has been changed. */

import {
  MATHS, MersenneTwister, Model, PRESETS, Tokenizer, codePoints, documentsOf, list, matricesOf, trainStep,
} from './microgpt.js';

const maths = MATHS.exact;

export class PortTraining {
  /** As `run` of the port begins: one stream of random numbers for the order of the documents and the parameters. */
  constructor({ text, steps }) {
    this.preset = { ...PRESETS.classic, steps };
    const generator = new MersenneTwister(42, maths);
    this.generator = generator;
    this.lines = generator.shuffle(documentsOf(text.split('\n').map(codePoints)));
    this.tokenizer = new Tokenizer(this.lines);
    const attention = list(this.preset.block, (t) => list(t + 1, (position) => position));
    const config = { ...this.preset, vocabulary: this.tokenizer.bos + 1, attention };
    this.matrices = matricesOf(config);
    const parameters = this.matrices.flatMap(({ name, rows, columns }) => {
      const sigma = /attn_wo|mlp_fc2/.test(name) ? this.preset.outputSigma : this.preset.sigma;
      return list(rows * columns, () => generator.gauss(sigma));
    });
    this.model = new Model(config, parameters, maths);
    [this.m, this.v] = [this.model.zeros(), this.model.zeros()];
    this.step = 0;
    this.isOpen = true; // all its numbers can be seen
  }

  get parameters() { return this.model.parameters; }
  get gradients() { return this.model.gradients; }

  /** The tokens that a step, counted from 0, trains on. */
  tokens(step = this.step) { return this.tokenizer.encode(this.lines[step % this.lines.length]); }

  /** One step; returns the loss before its update. */
  advance() {
    const loss = trainStep(this.model, this.preset, this.step, this.tokens(), this.m, this.v);
    this.step += 1;
    return loss;
  }

  /** All vectors of a document as [name, numbers], in the order in which they are computed; the parameters stay as they are. */
  vectors(tokens, parameters) {
    const { model } = this;
    const kept = model.parameters.slice();
    model.parameters.set(parameters);
    const found = [];
    model.loss(tokens, (name, first, length) => found.push([name, model.tape.data.slice(first, first + length)]));
    model.parameters.set(kept);
    return found;
  }
}
