/* The engine for pages in JavaScript: trainings that stand still after every step. engine.h says what stands behind it.
 *
 *     const engine = await Engine.load();
 *     const training = engine.training({ preset: 'classic', text: 'ada\ngrace\n', steps: 200 });
 *     training.advance(10);                            // returns the loss of the 10th step
 *     training.tensor('pos0.layer0.head1.weights');    // { name, rows, columns, values, gradients }
 *
 * All typed arrays are views into the module's memory: nothing is copied, and writing to `parameters` changes the model. Use
 * them at once and ask again after the next call, since they become empty when the memory grows. What cannot be done throws
 * an Error with a sentence.
 *
 * A plain script, for pages from file://. `conform site` appends the module itself.
 */
'use strict';

const SETTINGS = [
  'layers', 'heads', 'embedding', 'block', 'squared_relu', 'cosine', 'sigma', 'output_sigma',
  'learning_rate', 'beta1', 'beta2', 'epsilon', 'steps', 'seed',
];

class Engine {
  by = 'WebAssembly';

  static module = ''; // base64 of gzip

  /* The module from `bytes`, or the one that comes with this script. */
  static async load(bytes = Engine.unpacked()) {
    const { instance } = await WebAssembly.instantiate(await bytes, {});
    return new Engine(instance.exports);
  }

  static unpacked() {
    const packed = Uint8Array.from(atob(Engine.module), (c) => c.charCodeAt(0));
    return new Response(new Blob([packed]).stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer();
  }

  constructor(exports) {
    this.exports = exports;
    exports._initialize?.();
  }

  /* A training before its first step. `text` has one document a line. `preset` is 'seed' or 'classic', and every one of SETTINGS
   * may be given to replace the preset's. attends(t, s) says whether position t attends to s <= t; it must to itself.
   */
  training({ preset = 'seed', text, attends, ...own }) {
    const { exports } = this;
    const unknown = Object.keys(own).find((name) => !SETTINGS.includes(name));
    if (unknown !== undefined) throw new Error(`there is no setting ${unknown}; there are ${SETTINGS.join(', ')}`);
    if (!['seed', 'classic'].includes(preset)) throw new Error(`the preset is seed or classic and not ${preset}`);
    const codePoints = Array.from(text, (character) => character.codePointAt(0));
    const [settings, characters] = [this.buffer(8 * SETTINGS.length), this.buffer(4 * codePoints.length)];
    exports.settings_preset(settings, Number(preset === 'classic'));
    SETTINGS.forEach((name, i) => {
      if (name in own) this.doubles(settings, SETTINGS.length)[i] = own[name];
    });
    this.integers(characters, codePoints.length).set(codePoints);
    let table = 0;
    if (attends !== undefined) {
      const block = this.doubles(settings, SETTINGS.length)[SETTINGS.indexOf('block')];
      table = this.buffer(block * block);
      const bytes = new Uint8Array(exports.memory.buffer, table, block * block);
      for (let i = 0; i < bytes.length; i++) {
        const [t, s] = [Math.floor(i / block), i % block];
        bytes[i] = Number(s <= t && attends(t, s));
      }
    }
    const pointer = exports.training_new(settings, characters, codePoints.length, table);
    for (const buffer of [settings, characters, table]) exports.buffer_free(buffer);
    if (pointer === 0) throw this.failure();
    return new Training(this, pointer);
  }

  buffer(bytes) {
    const pointer = this.exports.buffer_new(bytes || 1);
    if (pointer === 0) throw new Error('there is not enough memory for this');
    return pointer;
  }

  doubles(pointer, count) { return new Float64Array(this.exports.memory.buffer, pointer, count); }
  integers(pointer, count) { return new Int32Array(this.exports.memory.buffer, pointer, count); }

  string(pointer) {
    const bytes = new Uint8Array(this.exports.memory.buffer, pointer);
    return String.fromCharCode(...bytes.subarray(0, bytes.indexOf(0)));
  }

  failure() { return new Error(this.string(this.exports.failure())); }
}

class Training {
  constructor(engine, pointer) {
    Object.assign(this, { engine, exports: engine.exports, pointer });
    const { exports } = this;
    this.count = exports.training_parameters(pointer);
    this.documents = exports.training_documents(pointer);
    this.vocabulary = String.fromCodePoint(...this.list((out) => exports.training_vocabulary(pointer, out)));
    this.characters = Array.from(this.vocabulary); // token i is characters[i], and BOS is their number
  }

  free() { this.exports.training_free(this.pointer); }

  /* Takes up to `count` steps and returns the loss of the last one, whose tensors are kept unless `observed` is false: then a
   * step takes a tenth of the time.
   */
  advance(count = 1, observed = true) {
    const step = this.exports.training_advance(this.pointer, count, observed);
    if (step < 0) throw this.engine.failure();
    return this.losses[step - 1];
  }

  get step() { return this.exports.training_step(this.pointer); } // taken so far
  get losses() { return this.engine.doubles(this.exports.training_losses(this.pointer), this.step); }
  get parameters() { return this.engine.doubles(this.exports.training_values(this.pointer), this.count); }
  get gradients() { return this.engine.doubles(this.exports.training_gradients(this.pointer), this.count); }
  get m() { return this.engine.doubles(this.exports.training_m(this.pointer), this.count); }
  get v() { return this.engine.doubles(this.exports.training_v(this.pointer), this.count); }

  /* The loss of any text, and its tensors, without an update. */
  look(text) {
    const tokens = this.tokens(text);
    const buffer = this.engine.buffer(4 * tokens.length);
    this.engine.integers(buffer, tokens.length).set(tokens);
    const loss = this.exports.training_look(this.pointer, buffer, tokens.length);
    this.exports.buffer_free(buffer);
    return loss;
  }

  /* The loss of the document of a step, with the parameters as they are; fast, since no tensors are kept. */
  loss(step) { return this.exports.training_loss(this.pointer, step); }

  /* All tensors there are now: the matrices, then the results of what was looked at last. */
  tensors() {
    return Array.from({ length: this.exports.training_tensors(this.pointer) }, (_, i) => this.tensorAt(i));
  }

  /* The tensor of this name, or undefined. */
  tensor(name) { return this.tensors().find((tensor) => tensor.name === name); }

  tensorAt(i) {
    const { exports, engine, pointer } = this;
    const [rows, columns] = [exports.tensor_rows(pointer, i), exports.tensor_columns(pointer, i)];
    return {
      name: engine.string(exports.tensor_name(pointer, i)),
      rows,
      columns,
      values: engine.doubles(exports.tensor_values(pointer, i), rows * columns),
      gradients: engine.doubles(exports.tensor_gradients(pointer, i), rows * columns),
    };
  }

  /* The text that step `step` (the next one, if none is given) trains on. */
  document(step = this.step) {
    return this.text(this.list((out) => this.exports.training_document(this.pointer, step, out)));
  }

  /* A text drawn from the model as it is now. */
  sample(temperature = 0.5) {
    return this.text(this.list((out) => this.exports.training_sample(this.pointer, temperature, out)));
  }

  /* The stream of random numbers, as Python's getstate has it: { words, index, kept }, of which kept is a number or null. */
  get generator() {
    const { exports, pointer } = this;
    const kept = exports.training_kept(pointer);
    return {
      words: new Uint32Array(exports.memory.buffer, exports.training_words(pointer), 624),
      index: exports.training_index(pointer),
      kept: Number.isNaN(kept) ? null : kept,
    };
  }

  /* A copy of the whole state, and back to it; also from another training of the same settings and documents. */
  save() {
    const bytes = this.exports.state_bytes(this.pointer);
    const buffer = this.engine.buffer(bytes);
    this.exports.state_save(this.pointer, buffer);
    const state = new Uint8Array(this.exports.memory.buffer, buffer, bytes).slice();
    this.exports.buffer_free(buffer);
    return state;
  }

  restore(state) {
    const bytes = this.exports.state_bytes(this.pointer);
    if (state.length !== bytes) throw new Error(`the state has ${state.length} bytes, and this training's ${bytes}`);
    const buffer = this.engine.buffer(bytes);
    new Uint8Array(this.exports.memory.buffer, buffer, bytes).set(state);
    this.exports.state_restore(this.pointer, buffer);
    this.exports.buffer_free(buffer);
  }

  /* The checksum (SPEC, section 13) of 'parameters', 'gradients', 'm' or 'v', as replies write it. */
  checksum(of) { return this.sum(of).toString(16).padStart(16, '0').replace(/(.{8})/, '$1 '); }

  /* The same as 64 bits, of which the upper half is a. */
  sum(of) { return BigInt.asUintN(64, this.exports.checksum(this[of].byteOffset, this.count)); }

  /* How many of the tensors are matrices. */
  get matrices() { return this.exports.training_matrices(this.pointer); }

  /* Tokens with BOS at both ends. */
  tokens(text) {
    const bos = this.characters.length;
    const found = Array.from(text, (character) => this.characters.indexOf(character));
    if (found.includes(-1)) throw new Error(`the vocabulary has no ${Array.from(text)[found.indexOf(-1)]}`);
    return [bos, ...found, bos];
  }

  text(tokens) { return Array.from(tokens, (token) => this.characters[token] ?? '').join(''); }

  /* What an export returns that gives a count and writes a pointer. */
  list(call) {
    const out = this.engine.buffer(4);
    const count = call(out);
    const [pointer] = this.engine.integers(out, 1);
    this.exports.buffer_free(out);
    if (count < 0) throw this.engine.failure();
    return this.engine.integers(pointer, count);
  }
}
