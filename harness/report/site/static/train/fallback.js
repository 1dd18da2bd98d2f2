/** The JavaScript port with the engine's face (engine.js), where there is no WebAssembly. Runs in the worker. */

import { adam, codePoints } from './microgpt.js';
import { PortTraining } from './port.js';

const PRIME = 4294967291;

export class PortEngine {
  by = 'JavaScript';
  training(settings) { return new Standing(settings); }
}

class Standing extends PortTraining {
  constructor(settings) {
    super(settings);
    this.vocabulary = this.tokenizer.decode([...this.tokenizer.characters.keys()]);
    this.characters = Array.from(this.vocabulary);
    this.documents = this.lines.length;
    this.count = this.parameters.length;
    this.matrices = this.model.matrices.length;
    this.all = new Float64Array(settings.steps);
    this.seen = []; // the vectors of what was looked at last
  }

  get losses() { return this.all.subarray(0, this.step); }

  document(step = this.step) { return String.fromCodePoint(...this.lines[step % this.documents]); }

  tokens(text) { return this.tokenizer.encode(codePoints(text)); }

  advance() {
    const { model: { parameters, maths }, preset, m, v } = this;
    const loss = this.look(this.document());
    adam(preset, this.step, { parameters, gradients: this.gradients, m, v }, maths);
    this.all[this.step++] = loss;
    return loss;
  }

  look(text) {
    const { model, model: { tape } } = this;
    const seen = [];
    const loss = model.loss(this.tokens(text), (name, first, columns) => seen.push({ name, first, columns }));
    tape.backward(loss);
    this.seen = seen.map(({ name, first, columns }) => {
      const of = (numbers) => numbers.slice(first, first + columns);
      return { name, rows: 1, columns, values: of(tape.data), gradients: of(tape.grad) };
    });
    return tape.data[loss];
  }

  loss(step) { return this.model.tape.data[this.model.loss(this.tokens(this.document(step)))]; }

  tensors() {
    const { parameters, gradients, model: { matrices } } = this;
    const of = ({ start, end, ...matrix }) => ({ ...matrix, values: parameters.subarray(start, end), gradients: gradients.subarray(start, end) });
    return [...matrices.map(of), ...this.seen];
  }

  sample(temperature = 0.5) {
    const drawn = Array.from(this.model.draws(temperature, this.generator), ({ token }) => token);
    return this.tokenizer.decode(drawn.filter((token) => token !== this.tokenizer.bos));
  }

  save() {
    const { step, parameters, m, v, generator: { words, index, kept } } = this;
    return { step, index, kept, words: words.slice(), parameters: parameters.slice(), m: m.slice(), v: v.slice() };
  }

  restore({ step, index, kept, words, ...numbers }) {
    this.step = step;
    Object.assign(this.generator, { index, kept });
    this.generator.words.set(words);
    for (const [name, values] of Object.entries(numbers)) this[name].set(values);
  }

  checksum(of) { return Training.prototype.checksum.call(this, of); }

  /** SPEC, section 13. */
  sum(of) {
    const halves = new Uint32Array(Float64Array.from(this[of]).buffer);
    let [a, b] = [1, 0];
    for (let i = 0; i < halves.length; i++) {
      a = (a + halves[i ^ 1]) % PRIME; // upper halves come second here
      b = (b + a) % PRIME;
    }
    return (BigInt(a) << 32n) | BigInt(b);
  }
}
