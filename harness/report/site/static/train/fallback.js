/** The JavaScript port behind the engine's face (engine.js), for a browser without WebAssembly: the same bits, more slowly. In the worker. */

import { adam } from './microgpt.js';
import { PortTraining } from './port.js';

const PRIME = 4294967291;

export class PortEngine {
  by = 'JavaScript';
  training(settings) { return new Standing(settings); }
}

class Standing extends PortTraining {
  constructor(settings) {
    super(settings);
    this.characters = this.tokenizer.characters.map((point) => String.fromCodePoint(point));
    this.vocabulary = this.characters.join('');
    this.documents = this.lines.length;
    this.count = this.parameters.length;
    this.matrices = this.model.matrices.length;
    this.all = new Float64Array(settings.steps);
    this.seen = []; // the vectors of what was looked at last
  }

  get losses() { return this.all.subarray(0, this.step); }

  document(step = this.step) { return String.fromCodePoint(...this.lines[step % this.documents]); }

  tokens(text = this.document()) {
    return this.tokenizer.encode(Array.from(text, (character) => character.codePointAt(0)));
  }

  advance(count, observed) {
    const loss = observed ? this.observe() : super.advance();
    this.all[this.step - 1] = loss;
    return loss;
  }

  observe() {
    const { model: { parameters, maths }, preset, step } = this;
    const loss = this.look(this.document());
    adam(preset, step, { parameters, gradients: this.gradients, m: this.m, v: this.v }, maths);
    this.step += 1;
    return loss;
  }

  look(text) {
    const { model, model: { tape } } = this;
    const places = [];
    const loss = model.loss(this.tokens(text), (name, first, length) => places.push([name, first, length]));
    tape.backward(loss);
    this.seen = places.map(([name, first, length]) => ({
      name, rows: 1, columns: length, values: tape.data.slice(first, first + length), gradients: tape.grad.slice(first, first + length),
    }));
    return tape.data[loss];
  }

  loss(step) {
    const node = this.model.loss(this.tokens(this.document(step)));
    return this.model.tape.data[node];
  }

  tensors() {
    const of = (numbers, { start, end }) => numbers.subarray(start, end);
    const matrices = this.model.matrices.map((matrix) => (
      { ...matrix, values: of(this.parameters, matrix), gradients: of(this.gradients, matrix) }
    ));
    return [...matrices, ...this.seen];
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
      a = (a + halves[i ^ 1]) % PRIME; // the upper half is the second one
      b = (b + a) % PRIME;
    }
    return (BigInt(a) << 32n) | BigInt(b);
  }
}
