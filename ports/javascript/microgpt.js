/**
 * microgpt: a character-level GPT with its own autograd, optimizer and random numbers.
 *
 * This file computes; it neither reads nor writes anything, and imports nothing from node, so that a browser or a web
 * worker loads it as it is. `Run` trains and samples; `protocol.js` lets every number be asked for; `main.js` connects
 * both to a terminal. What is computed, and in which order, is laid down in conformance/SPEC.md, whose words are used
 * here. Numbers must agree with that page to the last bit, so an expression that looks clumsy is usually the order of
 * evaluation that the page asks for.
 *
 * Sections: mathematics, random numbers, text, the graph, the model, training, sampling, presets and a whole run.
 */

import * as exact from './exact.js';

/** Data that cannot be worked with. The message says what is wrong with it. */
export class InputError extends Error {}

// ------------------------------------------------------------------------------------------------------------------
// Mathematics.

/**
 * The functions that are not among + - * / and the square root.
 * @typedef {object} Maths
 * @property {(x: number) => number} exp
 * @property {(x: number) => number} log
 * @property {(x: number) => number} sin
 * @property {(x: number) => number} cos
 * @property {(x: number, y: number) => number} pow
 * @property {(x: number) => number} square pow(x, 2): Adam wants it often
 * @property {(x: number) => number} root pow(x, 1/2): the same
 */

/** Correctly rounded functions, or the engine's own. @type {Record<string, Maths>} */
export const MATHS = {
  exact: {
    exp: exact.exp,
    log: exact.log,
    sin: exact.sin,
    cos: exact.cos,
    pow: exact.pow,
    square: (x) => x * x,
    root: (x) => (x === -Infinity ? Infinity : Math.sqrt(x) + 0), // + 0: the power of -0 is +0
  },
  native: {
    exp: Math.exp,
    log: Math.log,
    sin: Math.sin,
    cos: Math.cos,
    pow: Math.pow,
    square: (x) => Math.pow(x, 2),
    root: (x) => Math.pow(x, 0.5),
  },
};

// ------------------------------------------------------------------------------------------------------------------
// Random numbers: the Mersenne Twister MT19937 (Matsumoto and Nishimura, 1998), used the way Python uses it.

export const STATE_WORDS = 624;

export class MersenneTwister {
  /**
   * @param {number} seed one 32-bit word
   * @param {Maths} maths for `gauss`
   */
  constructor(seed, maths) {
    this.maths = maths;
    this.words = new Uint32Array(STATE_WORDS);
    /** The next word to use. At STATE_WORDS, new ones are due. */
    this.index = STATE_WORDS;
    /** The second number of a pair that gauss has made. @type {number | null} */
    this.kept = null;
    this.#scatter(seed);
  }

  /** Fills the state from one word. @param {number} seed */
  #scatter(seed) {
    const { words } = this;
    words[0] = 19650218;
    for (let i = 1; i < STATE_WORDS; i++) words[i] = Math.imul(1812433253, words[i - 1] ^ (words[i - 1] >>> 30)) + i;
    let i = 1;
    const stir = (/** @type {number} */ factor, /** @type {() => number} */ extra) => {
      words[i] = (words[i] ^ Math.imul(words[i - 1] ^ (words[i - 1] >>> 30), factor)) + extra();
      i += 1;
      if (i === STATE_WORDS) {
        words[0] = words[STATE_WORDS - 1];
        i = 1;
      }
    };
    for (let k = 0; k < STATE_WORDS; k++) stir(1664525, () => seed);
    for (let k = 1; k < STATE_WORDS; k++) stir(1566083941, () => -i);
    words[0] = 0x80000000;
  }

  #refill() {
    const { words } = this;
    for (let i = 0; i < STATE_WORDS; i++) {
      const y = (words[i] & 0x80000000) | (words[(i + 1) % STATE_WORDS] & 0x7fffffff);
      words[i] = words[(i + 397) % STATE_WORDS] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.index = 0;
  }

  /** @returns {number} the next 32 bits */
  word() {
    if (this.index === STATE_WORDS) this.#refill();
    let y = this.words[this.index++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  /** @returns {number} one of the 2^53 multiples of 2^-53 in [0, 1) */
  random() {
    const high = this.word() >>> 5;
    const low = this.word() >>> 6;
    return (high * 67108864 + low) / 9007199254740992;
  }

  /** A normal number by Box and Muller, who make two at a time. @param {number} sigma @returns {number} */
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

  /** @param {number} n positive @returns {number} a whole number from 0 to n-1 */
  below(n) {
    const shift = Math.clz32(n);
    for (;;) {
      const number = this.word() >>> shift;
      if (number < n) return number;
    }
  }

  /** Shuffles in place, from the top down. @param {unknown[]} items */
  shuffle(items) {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
  }

  /**
   * @param {ArrayLike<number>} weights
   * @returns {number} an index, drawn in proportion to the weights
   * @throws {InputError} if the weights do not add up to a finite number above 0
   */
  choice(weights) {
    const cumulative = new Float64Array(weights.length);
    cumulative[0] = weights[0];
    for (let i = 1; i < weights.length; i++) cumulative[i] = cumulative[i - 1] + weights[i];
    const total = cumulative[weights.length - 1] + 0;
    if (!(total > 0 && total < Infinity)) {
      throw new InputError(`the weights of a choice must add up to a finite number above 0 and not to ${total}`);
    }
    const u = this.random() * total;
    let low = 0;
    let high = weights.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (u < cumulative[middle]) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}

// ------------------------------------------------------------------------------------------------------------------
// Text. A line is an array of code points.

/** @param {string} text @returns {number[]} */
export const codePoints = (text) => Array.from(text, (character) => /** @type {number} */ (character.codePointAt(0)));

export const VOCABULARY_LIMIT = 2048;

const isWhiteSpace = (/** @type {number} */ point) => (point >= 9 && point <= 13) || point === 32;

/** The stripped lines that are not empty. @param {number[][]} lines @returns {number[][]} */
export function documentsOf(lines) {
  return lines
    .map((line) => {
      let start = 0;
      let end = line.length;
      while (start < end && isWhiteSpace(line[start])) start += 1;
      while (end > start && isWhiteSpace(line[end - 1])) end -= 1;
      return line.slice(start, end);
    })
    .filter((line) => line.length > 0);
}

/** Each distinct code point is a token, in numerical order; one more, BOS, stands on both sides of a document. */
export class Tokenizer {
  /** @param {number[][]} documents @throws {InputError} if they have too many characters */
  constructor(documents) {
    /** @type {Set<number>} */
    const distinct = new Set();
    for (const document of documents) for (const point of document) distinct.add(point);
    /** @type {number[]} */
    this.characters = [...distinct].sort((a, b) => a - b);
    this.tokens = new Map(this.characters.map((point, token) => [point, token]));
    this.bos = this.characters.length;
    this.vocabulary = this.characters.length + 1;
    if (this.vocabulary > VOCABULARY_LIMIT) {
      throw new InputError(`${this.bos} distinct characters are too many: ${VOCABULARY_LIMIT - 1} are the most`);
    }
  }

  /** @param {number[]} document @returns {number[]} */
  encode(document) {
    return [this.bos, ...document.map((point) => /** @type {number} */ (this.tokens.get(point))), this.bos];
  }

  /** @param {number[]} tokens without BOS @returns {string} */
  decode(tokens) {
    return tokens.map((token) => String.fromCodePoint(this.characters[token])).join('');
  }
}

// ------------------------------------------------------------------------------------------------------------------
// The graph.

const LEAF = 0;
const ADD = 1; // left + right
const MUL = 2; // left * right
const DOT = 3; // sum of left[i] * right[i], i from 0 to length-1
const ROW = 4; // the same, where the right ones are leaves
const SUM = 5; // sum of left[i]
const POW = 6; // left ^ constant
const LOG = 7;
const EXP = 8;
const RELU = 9;

/**
 * All nodes of a computation. A node is an index into flat arrays; nothing is allocated from step to step.
 * A vector is its first node: its elements are neighbours.
 *
 * Three kinds of nodes stand for many. SUM is the chain ((x0 + 0) + x1) + x2 ..., and DOT and ROW are the same chain
 * over products l0*r0, l1*r1, .... They give the bits that single nodes would give, forward (the same operations in the
 * same order) and backward, for these reasons:
 *
 *  - A link of the chain has one parent only, the next link. So its gradient is 0 + 1 * g, which is g, the gradient of
 *    the whole: gradients start as +0 and never become -0.
 *  - Depth-first search enters a chain at its end only, and meets the children from left to right.
 *  - A child gets the additions from its parents in the reverse order in which these finish. Compared with a parent P
 *    outside, a link finishes when the chain does, unless P lies below one child of the chain and above another. So we
 *    demand: **the children of a SUM, DOT or ROW do not depend on each other.** In the model they are elements of one
 *    vector, or a query and a key of one layer, or a vector and a matrix that had no part in it, and never do.
 */
export class Tape {
  size = 0;
  /** Values. */
  data = new Float64Array(4096);
  /** Gradients. */
  grad = new Float64Array(4096);
  /** Exponents of POW nodes. */
  constant = new Float64Array(4096);
  operation = new Uint8Array(4096);
  /** First child, or first node of the children. */
  left = new Int32Array(4096);
  /** Second child, or first node of the second children. */
  right = new Int32Array(4096);
  /** How many children, or pairs of children. */
  length = new Int32Array(4096);
  /** 1 for nodes with children that the search has not met yet. */
  pending = new Uint8Array(4096);
  /** What the search has found, and its stack: nodes, and the number of the child to look at next. */
  order = new Int32Array(4096);
  path = new Int32Array(4096);
  progress = new Int32Array(4096);

  /** @param {Maths} maths */
  constructor(maths) {
    this.maths = maths;
  }

  #grow() {
    /** @template {Float64Array | Int32Array | Uint8Array} T @param {T} array @returns {T} */
    const grown = (array) => {
      const larger = new /** @type {any} */ (array.constructor)(2 * array.length);
      larger.set(array);
      return larger;
    };
    this.data = grown(this.data);
    this.grad = grown(this.grad);
    this.constant = grown(this.constant);
    this.operation = grown(this.operation);
    this.left = grown(this.left);
    this.right = grown(this.right);
    this.length = grown(this.length);
    this.pending = grown(this.pending);
    this.order = grown(this.order);
    this.path = grown(this.path);
    this.progress = grown(this.progress);
  }

  /**
   * @param {number} operation
   * @param {number} left
   * @param {number} right
   * @param {number} length
   * @param {number} value
   * @returns {number} the new node
   */
  #push(operation, left, right, length, value) {
    if (this.size === this.data.length) this.#grow();
    const node = this.size++;
    this.operation[node] = operation;
    this.left[node] = left;
    this.right[node] = right;
    this.length[node] = length;
    this.pending[node] = operation === LEAF ? 0 : 1;
    this.data[node] = value;
    return node;
  }

  /** @param {number} value @returns {number} */
  leaf(value) {
    return this.#push(LEAF, 0, 0, 0, value);
  }

  /** @param {number} a @param {number} b @returns {number} */
  add(a, b) {
    return this.#push(ADD, a, b, 1, this.data[a] + this.data[b]);
  }

  /** @param {number} a @param {number} b @returns {number} */
  mul(a, b) {
    return this.#push(MUL, a, b, 1, this.data[a] * this.data[b]);
  }

  /** @param {number} a @param {number} exponent @returns {number} */
  pow(a, exponent) {
    const node = this.#push(POW, a, 0, 1, this.maths.pow(this.data[a], exponent));
    this.constant[node] = exponent;
    return node;
  }

  /** @param {number} a @returns {number} */
  log(a) {
    return this.#push(LOG, a, 0, 1, this.maths.log(this.data[a]));
  }

  /** @param {number} a @returns {number} */
  exp(a) {
    return this.#push(EXP, a, 0, 1, this.maths.exp(this.data[a]));
  }

  /** @param {number} a @returns {number} */
  relu(a) {
    return this.#push(RELU, a, 0, 1, this.data[a] > 0 ? this.data[a] : 0);
  }

  /** @param {number} a first node of a vector @param {number} length @returns {number} */
  sum(a, length) {
    const { data } = this;
    let total = data[a] + 0;
    for (let i = 1; i < length; i++) total += data[a + i];
    return this.#push(SUM, a, 0, length, total);
  }

  /** @param {number} a first node of a vector @param {number} b the same @param {number} length @returns {number} */
  dot(a, b, length) {
    return this.#push(DOT, a, b, length, this.#product(a, b, length));
  }

  /**
   * The dot product of a vector and leaves, a row of a matrix.
   * @param {number} a
   * @param {number} leaves
   * @param {number} length
   * @returns {number}
   */
  row(a, leaves, length) {
    return this.#push(ROW, a, leaves, length, this.#product(a, leaves, length));
  }

  #product(/** @type {number} */ a, /** @type {number} */ b, /** @type {number} */ length) {
    const { data } = this;
    let total = data[a] * data[b] + 0;
    for (let i = 1; i < length; i++) total += data[a + i] * data[b + i];
    return total;
  }

  /** Forgets the nodes from `size` on. @param {number} size */
  truncate(size) {
    this.size = size;
  }

  /** Sets every gradient to the derivative of the root by that node. A root serves once. @param {number} root */
  backward(root) {
    const { data, grad, constant, operation, left, right, length, order, maths } = this;
    grad.fill(0, 0, this.size);
    grad[root] = 1;
    for (let k = this.#search(root) - 1; k >= 0; k--) {
      const node = order[k];
      const g = grad[node];
      const a = left[node];
      const b = right[node];
      switch (operation[node]) {
        case ADD:
          grad[a] += g;
          grad[b] += g;
          break;
        case MUL:
          grad[a] += data[b] * g;
          grad[b] += data[a] * g;
          break;
        case DOT:
        case ROW:
          for (let i = length[node] - 1; i >= 0; i--) {
            grad[a + i] += data[b + i] * g;
            grad[b + i] += data[a + i] * g;
          }
          break;
        case SUM:
          for (let i = length[node] - 1; i >= 0; i--) grad[a + i] += g;
          break;
        case POW:
          grad[a] += constant[node] * maths.pow(data[a], constant[node] - 1) * g;
          break;
        case LOG:
          grad[a] += (1 / data[a]) * g;
          break;
        case EXP:
          grad[a] += data[node] * g;
          break;
        case RELU:
          grad[a] += (data[a] > 0 ? 1 : 0) * g;
          break;
      }
    }
  }

  /**
   * Fills `order` with the depth-first post-order from the root, children from left to right. Leaves but for the root
   * are left out: they have nothing to pass on.
   * @param {number} root
   * @returns {number} how many nodes were found
   */
  #search(root) {
    const { operation, left, right, length, pending, order, path, progress } = this;
    let found = 0;
    let depth = 0;
    path[0] = root;
    progress[0] = 0;
    pending[root] = 0;
    while (depth >= 0) {
      const node = path[depth];
      const a = left[node];
      const b = right[node];
      let i = progress[depth];
      let child = -1;
      if (operation[node] <= DOT) {
        // In pairs: a, b, a + 1, b + 1, ...
        for (const end = 2 * length[node]; i < end; i++) {
          const candidate = (i & 1 ? b : a) + (i >> 1);
          if (pending[candidate] === 1) {
            child = candidate;
            break;
          }
        }
      } else {
        for (const end = length[node]; i < end; i++) {
          if (pending[a + i] === 1) {
            child = a + i;
            break;
          }
        }
      }
      if (child < 0) {
        order[found++] = node;
        depth -= 1;
      } else {
        progress[depth] = i + 1;
        depth += 1;
        path[depth] = child;
        progress[depth] = 0;
        pending[child] = 0;
      }
    }
    return found;
  }
}

// ------------------------------------------------------------------------------------------------------------------
// The model.

/**
 * @typedef {object} Config
 * @property {number} layers
 * @property {number} heads
 * @property {number} embedding
 * @property {number} block the greatest number of positions
 * @property {number} vocabulary
 * @property {string} activation one of ACTIVATIONS
 * @property {number[][]} attention for each position, the positions to which it attends
 */

/** @typedef {{name: string, rows: number, columns: number, start: number}} Matrix where its numbers start among all */

/** @typedef {(name: string, first: number, length: number) => void} Watch is told every intermediate vector */

/** @type {Record<string, (tape: Tape, x: number, length: number) => number>} */
export const ACTIVATIONS = {
  relu: (tape, x, length) => each(tape, length, (i) => tape.relu(x + i)),
  squared_relu(tape, x, length) {
    const positive = ACTIVATIONS.relu(tape, x, length);
    return each(tape, length, (i) => tape.pow(positive + i, 2));
  },
};

/** A vector of `length` nodes, each made by `make`, which makes one node only. @returns {number} its first node */
function each(/** @type {Tape} */ tape, /** @type {number} */ length, /** @type {(i: number) => number} */ make) {
  const first = tape.size;
  for (let i = 0; i < length; i++) make(i);
  return first;
}

/** @param {number} block @returns {number[][]} the attention table in which every position attends to all so far */
const causal = (block) => Array.from({ length: block }, (_, t) => Array.from({ length: t + 1 }, (_, s) => s));

/** The parameter matrices in their order. @param {Config} config @returns {Matrix[]} */
export function matricesOf({ layers, embedding, block, vocabulary }) {
  /** @type {[string, number, number][]} */
  const shapes = [
    ['wte', vocabulary, embedding],
    ['wpe', block, embedding],
    ['lm_head', vocabulary, embedding],
  ];
  for (let layer = 0; layer < layers; layer++) {
    for (const name of ['wq', 'wk', 'wv', 'wo']) shapes.push([`layer${layer}.attn_${name}`, embedding, embedding]);
    shapes.push([`layer${layer}.mlp_fc1`, 4 * embedding, embedding]);
    shapes.push([`layer${layer}.mlp_fc2`, embedding, 4 * embedding]);
  }
  let start = 0;
  return shapes.map(([name, rows, columns]) => {
    const matrix = { name, rows, columns, start };
    start += rows * columns;
    return matrix;
  });
}

/** A tape whose first nodes are the parameters, and the network that is built on it anew for each document. */
export class Model {
  /** @param {Config} config @param {ArrayLike<number>} parameters in the order of matricesOf @param {Maths} maths */
  constructor(config, parameters, maths) {
    this.config = config;
    this.maths = maths;
    this.matrices = matricesOf(config);
    this.tape = new Tape(maths);
    this.parameterCount = parameters.length;
    for (let i = 0; i < parameters.length; i++) this.tape.leaf(parameters[i]);

    const byName = new Map(this.matrices.map((matrix) => [matrix.name, matrix]));
    const matrix = (/** @type {string} */ name) => /** @type {Matrix} */ (byName.get(name));
    this.wte = matrix('wte');
    this.wpe = matrix('wpe');
    this.lmHead = matrix('lm_head');
    this.layers = Array.from({ length: config.layers }, (_, i) => ({
      name: `layer${i}`,
      wq: matrix(`layer${i}.attn_wq`),
      wk: matrix(`layer${i}.attn_wk`),
      wv: matrix(`layer${i}.attn_wv`),
      wo: matrix(`layer${i}.attn_wo`),
      fc1: matrix(`layer${i}.mlp_fc1`),
      fc2: matrix(`layer${i}.mlp_fc2`),
      /** The cached keys and values: one vector for each position so far. @type {number[]} */
      keys: [],
      /** @type {number[]} */
      values: [],
    }));
  }

  /** The values of the parameters: a view, so that writing to it changes them. */
  get parameters() {
    return this.tape.data.subarray(0, this.parameterCount);
  }

  /** The gradients of the parameters after `backward`: a view. */
  get gradients() {
    return this.tape.grad.subarray(0, this.parameterCount);
  }

  /** Forgets the last document: its nodes and its caches. */
  begin() {
    this.tape.truncate(this.parameterCount);
    for (const layer of this.layers) {
      layer.keys = [];
      layer.values = [];
    }
  }

  /** The product of a matrix and a vector. @param {Matrix} matrix @param {number} x @returns {number} */
  #linear({ start, rows, columns }, x) {
    return each(this.tape, rows, (row) => this.tape.row(x, start + row * columns, columns));
  }

  /** x over its root mean square. @param {number} x @returns {number} */
  #rmsnorm(x) {
    const { tape, config: { embedding } } = this;
    const meanSquare = tape.mul(tape.dot(x, x, embedding), tape.leaf(this.maths.pow(embedding, -1)));
    const scale = tape.pow(tape.add(meanSquare, tape.leaf(1e-5)), -0.5);
    return each(tape, embedding, (i) => tape.mul(x + i, scale));
  }

  /** @param {number} x @param {number} length @returns {number} */
  softmax(x, length) {
    const { tape } = this;
    let top = tape.data[x];
    for (let i = 1; i < length; i++) if (tape.data[x + i] > top) top = tape.data[x + i];
    const shift = tape.leaf(-top);
    const shifted = each(tape, length, (i) => tape.add(x + i, shift));
    const exps = each(tape, length, (i) => tape.exp(shifted + i));
    const total = tape.sum(exps, length);
    const inverses = each(tape, length, () => tape.pow(total, -1));
    return each(tape, length, (i) => tape.mul(exps + i, inverses + i));
  }

  /** @param {number} x @param {number} y @returns {number} */
  #residual(x, y) {
    return each(this.tape, this.config.embedding, (i) => this.tape.add(x + i, y + i));
  }

  /**
   * The logits for what follows `token` at position t. The caches grow by this position.
   * @param {number} token
   * @param {number} t
   * @param {Watch} [watch]
   * @returns {number} a vector as long as the vocabulary
   */
  logits(token, t, watch) {
    const { tape, config: { embedding, vocabulary, activation } } = this;
    const tokenRow = this.wte.start + token * embedding;
    const positionRow = this.wpe.start + t * embedding;
    let x = each(tape, embedding, (i) => tape.add(tokenRow + i, positionRow + i));
    watch?.(`pos${t}.embedded`, x, embedding);
    x = this.#rmsnorm(x);
    watch?.(`pos${t}.normed`, x, embedding);
    for (const layer of this.layers) {
      const attended = this.#attention(layer, x, t, watch);
      x = this.#residual(attended, x);
      watch?.(`pos${t}.${layer.name}.attn_residual`, x, embedding);

      const normed = this.#rmsnorm(x);
      watch?.(`pos${t}.${layer.name}.mlp_norm`, normed, embedding);
      const hidden = this.#linear(layer.fc1, normed);
      watch?.(`pos${t}.${layer.name}.hidden`, hidden, 4 * embedding);
      const activated = ACTIVATIONS[activation](tape, hidden, 4 * embedding);
      watch?.(`pos${t}.${layer.name}.activated`, activated, 4 * embedding);
      const out = this.#linear(layer.fc2, activated);
      watch?.(`pos${t}.${layer.name}.mlp_out`, out, embedding);
      x = this.#residual(out, x);
      watch?.(`pos${t}.${layer.name}.mlp_residual`, x, embedding);
    }
    const logits = this.#linear(this.lmHead, x);
    watch?.(`pos${t}.logits`, logits, vocabulary);
    return logits;
  }

  /**
   * Multi-head attention from position t to those that the table lists.
   * @param {Model['layers'][number]} layer
   * @param {number} x
   * @param {number} t
   * @param {Watch} [watch]
   * @returns {number}
   */
  #attention(layer, x, t, watch) {
    const { tape, config: { embedding, heads, attention } } = this;
    const normed = this.#rmsnorm(x);
    watch?.(`pos${t}.${layer.name}.attn_norm`, normed, embedding);
    const q = this.#linear(layer.wq, normed);
    const k = this.#linear(layer.wk, normed);
    const v = this.#linear(layer.wv, normed);
    watch?.(`pos${t}.${layer.name}.q`, q, embedding);
    watch?.(`pos${t}.${layer.name}.k`, k, embedding);
    watch?.(`pos${t}.${layer.name}.v`, v, embedding);
    layer.keys.push(k);
    layer.values.push(v);

    const positions = attention[t];
    const count = positions.length;
    const size = embedding / heads;
    const scale = this.maths.pow(this.maths.pow(size, 0.5), -1);
    const scores = new Int32Array(heads);
    const weights = new Int32Array(heads);
    for (let head = 0; head < heads; head++) {
      const part = head * size;
      const dots = each(tape, count, (i) => tape.dot(q + part, layer.keys[positions[i]] + part, size));
      const factor = tape.leaf(scale);
      scores[head] = each(tape, count, (i) => tape.mul(dots + i, factor));
      weights[head] = this.softmax(scores[head], count);
    }
    const products = tape.size; // `count` of them for the first element of all heads, then for the second, ...
    for (let j = 0; j < embedding; j++) {
      const weight = weights[Math.floor(j / size)];
      for (let i = 0; i < count; i++) tape.mul(weight + i, layer.values[positions[i]] + j);
    }
    const mixed = each(tape, embedding, (j) => tape.sum(products + j * count, count));
    if (watch) {
      for (let head = 0; head < heads; head++) {
        watch(`pos${t}.${layer.name}.head${head}.scores`, scores[head], count);
        watch(`pos${t}.${layer.name}.head${head}.weights`, weights[head], count);
        watch(`pos${t}.${layer.name}.head${head}.mixed`, mixed + head * size, size);
      }
    }
    const out = this.#linear(layer.wo, mixed);
    watch?.(`pos${t}.${layer.name}.attn_out`, out, embedding);
    return out;
  }

  /**
   * The mean over a document's positions of -log p(next token).
   * @param {number[]} tokens
   * @param {Watch} [watch]
   * @returns {number} a node
   */
  loss(tokens, watch) {
    this.begin();
    const { tape, config: { block, vocabulary } } = this;
    const count = Math.min(block, tokens.length - 1);
    let total = -1;
    for (let t = 0; t < count; t++) {
      const probabilities = this.softmax(this.logits(tokens[t], t, watch), vocabulary);
      watch?.(`pos${t}.probabilities`, probabilities, vocabulary);
      const loss = tape.mul(tape.log(probabilities + tokens[t + 1]), tape.leaf(-1));
      watch?.(`pos${t}.loss`, loss, 1);
      total = tape.add(t === 0 ? loss : total, t === 0 ? tape.leaf(0) : loss);
    }
    return tape.mul(total, tape.leaf(1 / count));
  }
}

// ------------------------------------------------------------------------------------------------------------------
// The loss and training.

/**
 * @typedef {object} Optimizer
 * @property {number} learningRate
 * @property {number} beta1
 * @property {number} beta2
 * @property {number} epsilon
 * @property {string} schedule 'linear' or 'cosine'
 * @property {number} steps
 */

/** The rate of a step and what the moments are divided by, because they started at zero. */
export function ratesOf(/** @type {Optimizer} */ optimizer, /** @type {number} */ step, /** @type {Maths} */ maths) {
  const { learningRate, beta1, beta2, schedule, steps } = optimizer;
  return {
    rate: schedule === 'linear'
      ? learningRate * (1 - step / steps)
      : (learningRate * 0.5) * (1 + maths.cos((Math.PI * step) / steps)),
    correction1: 1 - maths.pow(beta1, step + 1),
    correction2: 1 - maths.pow(beta2, step + 1),
  };
}

/**
 * One update by Adam (Kingma and Ba, 2015), in place.
 * @param {Optimizer} optimizer
 * @param {number} step from 0
 * @param {Float64Array} parameters
 * @param {Float64Array} gradients
 * @param {Float64Array} m
 * @param {Float64Array} v
 * @param {Maths} maths
 */
export function adam(optimizer, step, parameters, gradients, m, v, maths) {
  const { beta1, beta2, epsilon } = optimizer;
  const { rate, correction1, correction2 } = ratesOf(optimizer, step, maths);
  for (let i = 0; i < parameters.length; i++) {
    const g = gradients[i];
    m[i] = beta1 * m[i] + (1 - beta1) * g;
    v[i] = beta2 * v[i] + (1 - beta2) * maths.square(g);
    parameters[i] -= (rate * (m[i] / correction1)) / (maths.root(v[i] / correction2) + epsilon);
  }
}

/** Parameters and moments in the middle of a training. */
export class Training {
  /** @param {Model} model @param {Optimizer} optimizer */
  constructor(model, optimizer) {
    this.model = model;
    this.optimizer = optimizer;
    this.step = 0;
    this.m = new Float64Array(model.parameterCount);
    this.v = new Float64Array(model.parameterCount);
  }

  /** One step on one document. @param {number[]} tokens @returns {number} the loss before the update */
  advance(tokens) {
    const { model, optimizer, m, v } = this;
    const loss = model.loss(tokens);
    model.tape.backward(loss);
    adam(optimizer, this.step, model.parameters, model.gradients, m, v, model.maths);
    this.step += 1;
    return model.tape.data[loss];
  }
}

// ------------------------------------------------------------------------------------------------------------------
// Sampling.

/**
 * Draws tokens until BOS or the end of the block.
 * @param {Model} model
 * @param {number} temperature
 * @param {MersenneTwister} generator
 * @returns {Iterable<{probabilities: Float64Array, token: number}>} each draw, the one of BOS included
 */
export function* draws(model, temperature, generator) {
  const { tape, config: { block, vocabulary } } = model;
  const bos = vocabulary - 1;
  model.begin();
  let token = bos;
  for (let t = 0; t < block; t++) {
    const logits = model.logits(token, t);
    const factor = tape.leaf(model.maths.pow(temperature, -1));
    const scaled = each(tape, vocabulary, (i) => tape.mul(logits + i, factor));
    const first = model.softmax(scaled, vocabulary);
    const probabilities = tape.data.slice(first, first + vocabulary);
    token = generator.choice(probabilities);
    yield { probabilities, token };
    if (token === bos) return;
  }
}

// ------------------------------------------------------------------------------------------------------------------
// Presets and a whole run.

/**
 * All about a run but its dataset.
 * @typedef {object} Preset
 * @property {Omit<Config, 'vocabulary' | 'attention'>} shape
 * @property {Optimizer} optimizer
 * @property {number} sigma of the first parameters
 * @property {number} outputSigma the same of attn_wo and mlp_fc2
 * @property {number} temperature
 * @property {number} samples
 */

/** @type {Record<string, Preset>} */
export const PRESETS = {
  seed: {
    shape: { layers: 1, heads: 4, embedding: 16, block: 8, activation: 'squared_relu' },
    optimizer: { learningRate: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, schedule: 'cosine', steps: 500 },
    sigma: 0.02,
    outputSigma: 0,
    temperature: 0.5,
    samples: 20,
  },
  classic: {
    shape: { layers: 1, heads: 4, embedding: 16, block: 16, activation: 'relu' },
    optimizer: { learningRate: 0.01, beta1: 0.85, beta2: 0.99, epsilon: 1e-8, schedule: 'linear', steps: 1000 },
    sigma: 0.08,
    outputSigma: 0.08,
    temperature: 0.5,
    samples: 20,
  },
};

/** From seed 42 to samples: shuffling, first parameters and sampling share one stream of random numbers. */
export class Run {
  /**
   * @param {number[][]} lines the dataset: lines of code points
   * @param {Preset} preset
   * @param {Maths} maths
   * @throws {InputError} if no line holds a document, or too many characters are used
   */
  constructor(lines, preset, maths) {
    const documents = documentsOf(lines);
    if (documents.length === 0) throw new InputError('the dataset has no document: every line is empty');
    this.preset = preset;
    this.generator = new MersenneTwister(42, maths);
    this.generator.shuffle(documents);
    this.documents = documents;
    this.tokenizer = new Tokenizer(documents);

    const config = {
      ...preset.shape,
      vocabulary: this.tokenizer.vocabulary,
      attention: causal(preset.shape.block),
    };
    const parameters = matricesOf(config).flatMap(({ name, rows, columns }) => {
      const sigma = /attn_wo|mlp_fc2/.test(name) ? preset.outputSigma : preset.sigma;
      return Array.from({ length: rows * columns }, () => this.generator.gauss(sigma));
    });
    this.training = new Training(new Model(config, parameters, maths), preset.optimizer);
  }

  /** Does it all. @returns {Iterable<string>} the printed lines */
  *text() {
    const { documents, tokenizer, training, generator, preset: { temperature, samples } } = this;
    const { model, optimizer: { steps } } = training;
    yield `num docs: ${documents.length}`;
    yield `vocab size: ${tokenizer.vocabulary}`;
    yield `num params: ${model.parameterCount}`;
    const width = (/** @type {number} */ number, /** @type {number} */ n) => String(number).padStart(n);
    while (training.step < steps) {
      const loss = training.advance(tokenizer.encode(documents[training.step % documents.length]));
      yield `step ${width(training.step, 4)} / ${width(steps, 4)} | loss ${fourDecimals(loss)}`;
    }
    yield '';
    yield '--- inference (new, hallucinated names) ---';
    for (let number = 1; number <= samples; number++) {
      const tokens = Array.from(draws(model, temperature, generator), ({ token }) => token);
      if (tokens.at(-1) === tokenizer.bos) tokens.pop();
      yield `sample ${width(number, 2)}: ${tokenizer.decode(tokens)}`;
    }
  }
}

/** x with four decimals. Ties go to the even digit, where toFixed would take the larger number. @param {number} x */
function fourDecimals(x) {
  if (Number.isNaN(x)) return 'nan';
  if (!Number.isFinite(x)) return x > 0 ? 'inf' : '-inf';
  const sign = x < 0 || Object.is(x, -0) ? '-' : '';
  const size = Math.abs(x);
  if (size >= 2 ** 48) return `${sign}${BigInt(size)}${(size % 1).toFixed(4).slice(1)}`;
  const isTie = (size * 32) % 2 === 1; // size * 10000 ends in .5 just if size is an odd multiple of 1/32
  if (!isTie) return sign + size.toFixed(4);
  const below = Math.floor(size * 10000);
  return sign + ((below + (below % 2)) / 10000).toFixed(4);
}
