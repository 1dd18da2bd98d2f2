/**
 * microgpt: a character-level GPT with its own autograd, optimizer and random numbers. SPEC says what is computed, and
 * in which order. Nothing here belongs to Node: a browser loads this file and exact.js as they are.
 */

import * as exact from './exact.js';

/** Data that cannot be worked with; the message is a sentence about it. */
export class InputError extends Error {}

/** The kinds of exp, log, sin, cos and pow. */
export const MATHS = { exact, native: Math };

export const list = (length, make) => Array.from({ length }, (_, i) => make(i));

// Random numbers (SPEC, section 3)

export class MersenneTwister {
  words = new Uint32Array(624);
  index = 624; // of the next word
  kept = null; // the second number of a pair that gauss has made
  constructor(seed, maths) {
    this.maths = maths;
    const { words } = this;
    const mixed = (i, factor) => Math.imul(words[i - 1] ^ (words[i - 1] >>> 30), factor);
    words[0] = 19650218;
    for (let i = 1; i < 624; i++) words[i] = mixed(i, 1812433253) + i;
    for (let k = 0, i = 1; k < 1247; k++) {
      words[i] = k < 624 ? (words[i] ^ mixed(i, 1664525)) + seed : (words[i] ^ mixed(i, 1566083941)) - i;
      i += 1;
      if (i === 624) [words[0], i] = [words[623], 1];
    }
    words[0] = 0x80000000;
  }
  word() {
    const { words } = this;
    if (this.index === 624) {
      for (let i = 0; i < 624; i++) {
        const y = (words[i] & 0x80000000) | (words[(i + 1) % 624] & 0x7fffffff);
        words[i] = words[(i + 397) % 624] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      this.index = 0;
    }
    let y = words[this.index++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }
  /** A multiple of 2^-53 in [0, 1). */
  random() { return ((this.word() >>> 5) * 67108864 + (this.word() >>> 6)) / 9007199254740992; }
  /** A normal number; they are made in pairs (Box and Muller). */
  gauss(sigma) {
    let z = this.kept;
    this.kept = null;
    if (z === null) {
      const angle = this.random() * (2 * Math.PI);
      const radius = Math.sqrt(-2 * this.maths.log(1 - this.random()));
      z = this.maths.cos(angle) * radius;
      this.kept = this.maths.sin(angle) * radius;
    }
    return 0 + z * sigma;
  }
  /** A whole number from 0 to n - 1. */
  below(n) {
    const number = this.word() >>> Math.clz32(n);
    return number < n ? number : this.below(n);
  }
  shuffle(items) {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
    return items;
  }
  /** An index, drawn in proportion to the weights. */
  choice(weights) {
    const cumulative = Float64Array.from(weights);
    for (let i = 1; i < weights.length; i++) cumulative[i] += cumulative[i - 1];
    const total = cumulative.at(-1) + 0;
    if (!(total > 0 && total < Infinity)) throw new InputError(`expected weights with a sum above 0, not ${total}`);
    const u = this.random() * total;
    let [low, high] = [0, weights.length - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (u < cumulative[middle]) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

// Text (SPEC, section 4). A line is an array of code points.

export const codePoints = (text) => Array.from(text, (character) => character.codePointAt(0));

const isInk = (point) => !((point >= 9 && point <= 13) || point === 32);

/** The stripped lines that are not empty. */
export function documentsOf(lines) {
  const inked = lines.filter((line) => line.some(isInk));
  if (inked.length === 0) throw new InputError('expected a line that is not empty, and there is none');
  return inked.map((line) => line.slice(line.findIndex(isInk), line.findLastIndex(isInk) + 1));
}

export class Tokenizer {
  constructor(documents) {
    const distinct = new Set();
    for (const document of documents) for (const point of document) distinct.add(point);
    this.characters = [...distinct].sort((a, b) => a - b);
    this.bos = this.characters.length;
    if (this.bos > 2047) throw new InputError(`expected at most 2047 distinct characters, and there are ${this.bos}`);
    this.tokens = new Map(this.characters.map((point, token) => [point, token]));
  }
  encode(document) { return [this.bos, ...document.map((point) => this.tokens.get(point)), this.bos]; }
  decode(tokens) { return String.fromCodePoint(...tokens.map((token) => this.characters[token])); }
}

// The graph (SPEC, section 5)

const [ADD, SUM, DOT] = [0, 1, 2];

/**
 * The nodes of a computation: indices into flat arrays, which only ever grow. A vector is named by its first node; its
 * elements are neighbours. SUM and DOT take whole vectors, whose elements must not depend on each other (SPEC, "Taking
 * nodes together"). A product is a DOT of one pair, a leaf one of none, and a function's value a SUM of one.
 */
export class Tape {
  constructor(maths) {
    this.maths = maths;
    this.size = 0;
    for (const name of ['data', 'grad', 'local']) this[name] = new Float64Array(4096); // local: gradient of a SUM
    // The children are left, right, left + 1, right + 1, ..., in `count` pairs; an only child stands on both sides.
    // cursor: the child that the search looks at next, from 1; 0 before it comes to this node.
    for (const name of ['kind', 'left', 'right', 'count', 'cursor', 'order']) this[name] = new Int32Array(4096);
  }
  #grow() {
    for (const [name, small] of Object.entries(this).filter(([, field]) => ArrayBuffer.isView(field))) {
      this[name] = new small.constructor(2 * small.length);
      this[name].set(small);
    }
  }
  #push(kind, value, left, right, count, local = 0, node = this.size) {
    if (node === this.data.length) this.#grow();
    this.size = Math.max(this.size, node + 1);
    this.data[node] = value;
    this.local[node] = local;
    this.kind[node] = kind;
    this.left[node] = left;
    this.right[node] = right;
    this.count[node] = count;
    this.cursor[node] = count === 0 ? 1 : 0; // leaves need no visit
    return node;
  }
  #unary(a, value, local) { return this.#push(SUM, value, a, a, 1, local); }
  leaf(value) { return this.#push(DOT, value, 0, 0, 0); }
  add(a, b) { return this.#push(ADD, this.data[a] + this.data[b], a, b, 1); }
  mul(a, b) { return this.#push(DOT, this.data[a] * this.data[b], a, b, 1); }
  log(a) { return this.#unary(a, this.maths.log(this.data[a]), 1 / this.data[a]); }
  relu(a) { return this.data[a] > 0 ? this.#unary(a, this.data[a], 1) : this.#unary(a, 0, 0); }
  pow(a, c) { return this.#unary(a, this.maths.pow(this.data[a], c), c * this.maths.pow(this.data[a], c - 1)); }
  exp(a, value = this.maths.exp(this.data[a])) { return this.#unary(a, value, value); }
  /** Another node like this one. */
  copy(a) { return this.#push(this.kind[a], this.data[a], this.left[a], this.right[a], this.count[a], this.local[a]); }
  /** The sum of a vector, which may take the place of another node. */
  sum(a, count, place = this.size) {
    let total = 0;
    for (let i = a; i < a + count; i++) total += this.data[i];
    return this.#push(SUM, total, a, a, count, 1, place);
  }
  dot(a, b, count, total = 0) {
    const { data } = this;
    for (let i = 0; i < count; i++) total += data[a + i] * data[b + i];
    return this.#push(DOT, total, a, b, count);
  }
  /** A vector of nodes, each made by `make(i)`, which makes no other. */
  vector(length, make) {
    const first = this.size;
    for (let i = 0; i < length; i++) make(i);
    return first;
  }
  /** Sets `grad` to the derivatives of the root, which may be asked for once. */
  backward(root) {
    const { data, grad, local, kind, left, right, count, order } = this;
    grad.fill(0, 0, this.size);
    grad[root] = 1;
    for (let k = this.#sort(root) - 1; k >= 0; k--) {
      const node = order[k];
      const [g, a, b, n] = [grad[node], left[node], right[node], count[node]];
      if (kind[node] === DOT) {
        for (let i = 0; i < n; i++) {
          grad[a + i] += data[b + i] * g;
          grad[b + i] += data[a + i] * g;
        }
      } else if (kind[node] === SUM) {
        for (let i = a; i < a + n; i++) grad[i] += local[node] * g;
      } else {
        grad[a] += g;
        grad[b] += g;
      }
    }
  }
  /** Puts what the root depends on into `order`, depth first, children before parents; returns how many nodes. */
  #sort(root) {
    const { left, right, count, cursor, order } = this;
    const path = [root];
    cursor[root] = 1;
    let found = 0;
    while (path.length > 0) {
      const node = path[path.length - 1];
      let child = node;
      for (let i = cursor[node]; cursor[child] > 0 && i <= 2 * count[node]; i++, cursor[node]++) {
        child = (i & 1 ? left[node] : right[node]) + ((i - 1) >> 1);
      }
      if (cursor[child] > 0) {
        order[found++] = path.pop();
      } else {
        cursor[child] = 1;
        path.push(child);
      }
    }
    return found;
  }
}

// The model (SPEC, sections 6 and 7). A config has layers, heads, embedding, block, vocabulary, activation, attention.

/** The parameter matrices in their order, each with the place of its first number among all. */
export function matricesOf({ layers, embedding, block, vocabulary }) {
  const shapes = [['wte', vocabulary, embedding], ['wpe', block, embedding], ['lm_head', vocabulary, embedding]];
  for (let i = 0; i < layers; i++) {
    for (const name of ['wq', 'wk', 'wv', 'wo']) shapes.push([`layer${i}.attn_${name}`, embedding, embedding]);
    shapes.push([`layer${i}.mlp_fc1`, 4 * embedding, embedding], [`layer${i}.mlp_fc2`, embedding, 4 * embedding]);
  }
  let end = 0;
  return shapes.map(([name, rows, columns]) => ({ name, rows, columns, start: end, end: (end += rows * columns) }));
}

/** A tape whose first nodes are the parameters; each document is computed on it anew. */
export class Model {
  constructor(config, parameters, maths) {
    Object.assign(this, { config, maths, matrices: matricesOf(config), tape: new Tape(maths) });
    this.matrix = Object.fromEntries(this.matrices.map((matrix) => [matrix.name, matrix]));
    for (const parameter of parameters) this.tape.leaf(parameter);
    this.parameterCount = parameters.length;
  }
  get parameters() { return this.tape.data.subarray(0, this.parameterCount); }
  get gradients() { return this.tape.grad.subarray(0, this.parameterCount); }
  zeros() { return new Float64Array(this.parameterCount); }
  /** Forgets the document before. */
  begin() {
    this.tape.size = this.parameterCount;
    this.keys = list(this.config.layers, () => []); // for each layer and position, a vector
    this.values = list(this.config.layers, () => []);
  }
  #linear(name, x) {
    const { start, rows, columns } = this.matrix[name];
    return this.tape.vector(rows, (row) => this.tape.dot(start + row * columns, x, columns));
  }
  #added(a, b) { return this.tape.vector(this.config.embedding, (i) => this.tape.add(a + i, b + i)); }
  #rmsnorm(x) {
    const { tape, maths, config: { embedding } } = this;
    const meanSquare = tape.mul(tape.dot(x, x, embedding), tape.leaf(maths.pow(embedding, -1)));
    const scale = tape.pow(tape.add(meanSquare, tape.leaf(1e-5)), -0.5);
    return tape.vector(embedding, (i) => tape.mul(x + i, scale));
  }
  #softmax(x, length) {
    const { tape } = this;
    let top = tape.data[x];
    for (let i = 1; i < length; i++) if (tape.data[x + i] > top) top = tape.data[x + i];
    const shift = tape.leaf(-top);
    const shifted = tape.vector(length, (i) => tape.add(x + i, shift));
    const exps = tape.vector(length, (i) => tape.exp(shifted + i));
    const total = tape.sum(exps, length);
    const inverse = tape.pow(total, -1);
    const inverses = tape.vector(length, () => tape.copy(inverse));
    return tape.vector(length, (i) => tape.mul(exps + i, inverses + i));
  }
  #attention(i, x, t, note) {
    const { tape, maths, config: { embedding, heads, attention } } = this;
    const [q, k, v] = ['q', 'k', 'v'].map((name) => note(name, this.#linear(`layer${i}.attn_w${name}`, x)));
    this.keys[i][t] = k;
    this.values[i][t] = v;
    const keys = attention[t].map((position) => this.keys[i][position]);
    const values = attention[t].map((position) => this.values[i][position]);
    const count = keys.length;
    const size = embedding / heads;
    const factor = tape.leaf(maths.pow(maths.pow(size, 0.5), -1));
    const mixed = tape.vector(embedding, () => tape.leaf(0)); // room for the sums
    for (let head = 0, part = 0; head < heads; head += 1, part += size) {
      const dots = tape.vector(count, (s) => tape.dot(q + part, keys[s] + part, size));
      const scores = note(`head${head}.scores`, tape.vector(count, (s) => tape.mul(dots + s, factor)), count);
      const weights = note(`head${head}.weights`, this.#softmax(scores, count), count);
      for (let j = part; j < part + size; j++) {
        tape.sum(tape.vector(count, (s) => tape.mul(weights + s, values[s] + j)), count, mixed + j);
      }
      note(`head${head}.mixed`, mixed + part, size);
    }
    return mixed;
  }
  /** The logits for what follows the token at position t. `watch` is told of all vectors. */
  #logits(token, t, watch) {
    const { tape, matrix, config: { layers, embedding, vocabulary, activation } } = this;
    const noted = (prefix) => (name, x, length = embedding) => (watch?.(`pos${t}.${prefix}${name}`, x, length), x);
    const atPosition = noted('');
    const embedded = this.#added(matrix.wte.start + token * embedding, matrix.wpe.start + t * embedding);
    let x = atPosition('normed', this.#rmsnorm(atPosition('embedded', embedded)));
    for (let i = 0; i < layers; i++) {
      const note = noted(`layer${i}.`);
      const mixed = this.#attention(i, note('attn_norm', this.#rmsnorm(x)), t, note);
      const attended = note('attn_out', this.#linear(`layer${i}.attn_wo`, mixed));
      x = note('attn_residual', this.#added(attended, x));
      const norm = note('mlp_norm', this.#rmsnorm(x));
      const hidden = note('hidden', this.#linear(`layer${i}.mlp_fc1`, norm), 4 * embedding);
      const positive = tape.vector(4 * embedding, (j) => tape.relu(hidden + j));
      const activated = activation === 'relu' ? positive : tape.vector(4 * embedding, (j) => tape.pow(positive + j, 2));
      const out = this.#linear(`layer${i}.mlp_fc2`, note('activated', activated, 4 * embedding));
      x = note('mlp_residual', this.#added(note('mlp_out', out), x));
    }
    return atPosition('logits', this.#linear('lm_head', x), vocabulary);
  }
  /** The node of a document's loss, the mean of -log p(next token). */
  loss(tokens, watch) {
    const { tape, config: { block, vocabulary } } = this;
    this.begin();
    const count = Math.min(block, tokens.length - 1);
    let total = tape.leaf(0);
    for (let t = 0; t < count; t++) {
      const probabilities = this.#softmax(this.#logits(tokens[t], t, watch), vocabulary);
      const loss = tape.mul(tape.log(probabilities + tokens[t + 1]), tape.leaf(-1));
      total = tape.add(total, loss);
      watch?.(`pos${t}.probabilities`, probabilities, vocabulary);
      watch?.(`pos${t}.loss`, loss, 1);
    }
    return tape.mul(total, tape.leaf(1 / count));
  }
  /** Draws tokens until BOS or the end of the block; yields each with its probabilities (SPEC, section 9). */
  *draws(temperature, generator) {
    const { tape, maths, config: { block, vocabulary } } = this;
    this.begin();
    for (let t = 0, token = vocabulary - 1; t === 0 || (t < block && token < vocabulary - 1); t++) {
      const logits = this.#logits(token, t);
      const factor = tape.leaf(maths.pow(temperature, -1));
      const first = this.#softmax(tape.vector(vocabulary, (i) => tape.mul(logits + i, factor)), vocabulary);
      const probabilities = tape.data.slice(first, first + vocabulary);
      token = generator.choice(probabilities);
      yield { probabilities, token };
    }
  }
}

// Training (SPEC, section 8)

/** The rate of a step, and what the moments are divided by because they start at 0. */
export function ratesOf({ learning_rate, beta1, beta2, schedule, steps }, step, maths) {
  const rate = schedule === 'linear'
    ? learning_rate * (1 - step / steps)
    : learning_rate * 0.5 * (1 + maths.cos((Math.PI * step) / steps));
  return { rate, correction1: 1 - maths.pow(beta1, step + 1), correction2: 1 - maths.pow(beta2, step + 1) };
}

/** One update by Adam (Kingma and Ba, 2015), in place. */
export function adam(optimizer, step, { parameters, gradients, m, v }, maths) {
  const { beta1, beta2, epsilon } = optimizer;
  const { rate, correction1, correction2 } = ratesOf(optimizer, step, maths);
  for (let i = 0; i < parameters.length; i++) {
    const g = gradients[i];
    m[i] = beta1 * m[i] + (1 - beta1) * g;
    v[i] = beta2 * v[i] + (1 - beta2) * maths.pow(g, 2);
    parameters[i] -= (rate * (m[i] / correction1)) / (maths.pow(v[i] / correction2, 0.5) + epsilon);
  }
}

/** One step on one document; returns the loss before the update. */
export function trainStep(model, optimizer, step, tokens, m, v) {
  const loss = model.loss(tokens);
  model.tape.backward(loss);
  adam(optimizer, step, { parameters: model.parameters, gradients: model.gradients, m, v }, model.maths);
  return model.tape.data[loss];
}

// A whole run (SPEC, section 10)

const COMMON =
  { layers: 1, heads: 4, embedding: 16, learning_rate: 0.01, epsilon: 1e-8, temperature: 0.5, samples: 20 };

/** All about a run but its dataset. */
export const PRESETS = {
  seed: {
    ...COMMON, block: 8, activation: 'squared_relu', sigma: 0.02, outputSigma: 0,
    beta1: 0.9, beta2: 0.95, schedule: 'cosine', steps: 500,
  },
  classic: {
    ...COMMON, block: 16, activation: 'relu', sigma: 0.08, outputSigma: 0.08,
    beta1: 0.85, beta2: 0.99, schedule: 'linear', steps: 1000,
  },
};

/** Trains and samples. Hands each printed line to `print`; returns what is left in the end. */
export function run(lines, preset, maths, print) {
  const { steps, samples, temperature } = preset;
  const generator = new MersenneTwister(42, maths); // one stream, for shuffling, the first parameters and sampling
  const documents = generator.shuffle(documentsOf(lines));
  const tokenizer = new Tokenizer(documents);
  const attention = list(preset.block, (t) => list(t + 1, (position) => position));
  const config = { ...preset, vocabulary: tokenizer.bos + 1, attention };
  const parameters = matricesOf(config).flatMap(({ name, rows, columns }) => {
    const sigma = /attn_wo|mlp_fc2/.test(name) ? preset.outputSigma : preset.sigma;
    return list(rows * columns, () => generator.gauss(sigma));
  });
  const model = new Model(config, parameters, maths);
  const [m, v] = [model.zeros(), model.zeros()];
  const padded = (number, width) => String(number).padStart(width);
  print(`num docs: ${documents.length}`);
  print(`vocab size: ${config.vocabulary}`);
  print(`num params: ${parameters.length}`);
  for (let step = 0; step < steps; step++) {
    const loss = trainStep(model, preset, step, tokenizer.encode(documents[step % documents.length]), m, v);
    print(`step ${padded(step + 1, 4)} / ${padded(steps, 4)} | loss ${exact.decimals(loss)}`);
  }
  print('');
  print('--- inference (new, hallucinated names) ---');
  for (let number = 1; number <= samples; number++) {
    const tokens = Array.from(model.draws(temperature, generator), ({ token }) => token);
    print(`sample ${padded(number, 2)}: ${tokenizer.decode(tokens.filter((token) => token !== tokenizer.bos))}`);
  }
  return { model, m, v, generator };
}
