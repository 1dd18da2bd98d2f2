/** A GPT but for its differentiation (SPEC, sections 3, 4 and 6 to 10), after Andrej Karpathy's microgpt. */

import * as exact from './exact.js';
import { Graph, Node, Vector } from './graph.js';

/** Whatever cannot be done, and why. */
export class Problem extends Error {}

export type CodePoints = readonly number[];
export const codePoints = (text: string): number[] => Array.from(text, (c) => c.codePointAt(0)!);

const SIZE = 624;

/** The Mersenne Twister (Matsumoto and Nishimura, 1998), and what is drawn from it. */
export class Twister {
  static readonly size = SIZE;

  constructor(readonly words: Uint32Array, public index: number, public kept: number | undefined) {}

  /** Seeded as Python does. */
  static seeded(seed: number): Twister {
    const mt = new Uint32Array(SIZE);
    const at = (i: number): number => mt[i];
    const scrambled = (i: number, factor: number): number => Math.imul(at(i) ^ (at(i) >>> 30), factor);
    mt[0] = 19650218;
    for (let i = 1; i < SIZE; i++) mt[i] = scrambled(i - 1, 1812433253) + i;
    for (let step = 0; step < 2 * SIZE - 1; step++) {
      const i = (step % (SIZE - 1)) + 1;
      mt[i] = step < SIZE ? (at(i) ^ scrambled(i - 1, 1664525)) + seed : (at(i) ^ scrambled(i - 1, 1566083941)) - i;
      mt[0] = at(SIZE - 1);
    }
    mt[0] = 0x80000000;
    return new Twister(mt, SIZE, undefined);
  }

  #renew(): void {
    const at = (i: number): number => this.words[i % SIZE];
    for (let i = 0; i < SIZE; i++) {
      const y = (at(i) & 0x80000000) | (at(i + 1) & 0x7fffffff);
      this.words[i] = at(i + 397) ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
    }
    this.index = 0;
  }

  word(): number {
    if (this.index === SIZE) this.#renew();
    let y = this.words[this.index++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }

  random(): number {
    const a = this.word() >>> 5;
    const b = this.word() >>> 6;
    return (a * 67108864 + b) / 9007199254740992;
  }

  /** Normal numbers (Box and Muller, 1958) come in pairs; the second one is kept. */
  gauss(sigma: number): number {
    let z = this.kept;
    this.kept = undefined;
    if (z === undefined) {
      const angle = this.random() * (2 * Math.PI);
      const radius = Math.sqrt(-2 * exact.log(1 - this.random()));
      z = exact.cos(angle) * radius;
      this.kept = exact.sin(angle) * radius;
    }
    return 0 + z * sigma;
  }

  below(n: number): number {
    for (;;) {
      const draw = this.word() >>> Math.clz32(n);
      if (draw < n) return draw;
    }
  }

  shuffle<T>(items: T[]): void {
    for (let i = items.length - 1; i > 0; i--) {
      const j = this.below(i + 1);
      [items[i], items[j]] = [items[j], items[i]];
    }
  }

  choice(weights: ArrayLike<number>): number {
    let total = 0;
    const cumulative = Array.from(weights, (weight, i) => (total = i === 0 ? weight : total + weight));
    if (!(total > 0 && total < Infinity)) throw new Problem('expected weights that add up to a finite number above 0');
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

/** The documents of a dataset, and their distinct characters in order, which are the tokens but BOS. */
export class Dataset {
  readonly documents: CodePoints[];
  readonly characters: CodePoints;
  readonly #tokens: Map<number, number>;

  constructor(lines: CodePoints[]) {
    const isInk = (c: number): boolean => c !== 32 && !(c >= 9 && c <= 13);
    this.documents = lines.filter((line) => line.some(isInk)).map((line) => {
      let end = line.length;
      while (!isInk(line[end - 1])) end--;
      return line.slice(line.findIndex(isInk), end);
    });
    if (this.documents.length === 0) throw new Problem('the dataset has no documents: every line is empty');
    const distinct = new Set<number>();
    for (const document of this.documents) for (const c of document) distinct.add(c);
    if (distinct.size > 2047) throw new Problem('the dataset has more than 2047 distinct characters');
    this.characters = [...distinct].sort((a, b) => a - b);
    this.#tokens = new Map(this.characters.map((c, token) => [c, token]));
  }

  get bos(): number {
    return this.characters.length;
  }

  encode(document: CodePoints): number[] {
    return [this.bos, ...document.map((c) => this.#tokens.get(c)!), this.bos];
  }
}

export type Matrix = { name: string; rows: number; columns: number };

export type Shape = {
  layers: number;
  heads: number;
  embedding: number;
  block: number;
  vocabulary: number;
  activation: 'relu' | 'squared_relu';
  attention: number[][]; // for each position those that it attends to, itself last
};

export function matrices({ layers, embedding, block, vocabulary }: Shape): Matrix[] {
  const matrix = (name: string, rows: number, columns = embedding): Matrix => ({ name, rows, columns });
  const layer = (_: unknown, i: number): Matrix[] => [
    ...['wq', 'wk', 'wv', 'wo'].map((name) => matrix(`layer${i}.attn_${name}`, embedding)),
    matrix(`layer${i}.mlp_fc1`, 4 * embedding),
    matrix(`layer${i}.mlp_fc2`, embedding, 4 * embedding),
  ];
  return [
    matrix('wte', vocabulary),
    matrix('wpe', block),
    matrix('lm_head', vocabulary),
    ...Array.from({ length: layers }, layer).flat(),
  ];
}

export type Adam = {
  learningRate: number;
  beta1: number;
  beta2: number;
  epsilon: number;
  schedule: 'linear' | 'cosine';
  steps: number;
};

/** The rate of a step, and what m and v are divided by, since they begin at zero (Kingma and Ba, 2015). */
export function factors({ learningRate, beta1, beta2, schedule, steps }: Adam, step: number): [number, number, number] {
  const rate =
    schedule === 'linear'
      ? learningRate * (1 - step / steps)
      : learningRate * 0.5 * (1 + exact.cos((Math.PI * step) / steps));
  return [rate, 1 - exact.pow(beta1, step + 1), 1 - exact.pow(beta2, step + 1)];
}

/** Updates as many parameters as there are moments. */
export function update(
  adam: Adam, step: number, parameters: Float64Array, gradients: Float64Array, ms: Float64Array, vs: Float64Array,
): void {
  const { beta1, beta2, epsilon } = adam;
  const [rate, correction1, correction2] = factors(adam, step);
  for (let i = 0; i < ms.length; i++) {
    const g = gradients[i];
    const m = beta1 * ms[i] + (1 - beta1) * g;
    const v = beta2 * vs[i] + (1 - beta2) * (g * g);
    ms[i] = m;
    vs[i] = v;
    parameters[i] -= (rate * (m / correction1)) / (exact.squareRoot(v / correction2) + epsilon);
  }
}

/** Is told the name and the nodes of each result, in order. */
export type Watch = (name: string, nodes: Vector) => void;

/** A model in training. Its parameters are the first nodes of its graph; the others are those of a document. */
export class Model {
  readonly graph = new Graph();
  m: Float64Array;
  v: Float64Array;
  watch?: Watch;
  readonly #matrices: Vector[] = [];
  #keys: Vector[][] = []; // of each layer and each position so far
  #values: Vector[][] = [];

  constructor(readonly shape: Shape, parameters: Float64Array) {
    let first = 0;
    for (const { rows, columns } of matrices(shape)) {
      this.#matrices.push(new Vector(first, rows * columns));
      first += rows * columns;
    }
    parameters.forEach((x) => this.graph.leaf(x));
    this.m = new Float64Array(parameters.length);
    this.v = new Float64Array(parameters.length);
  }

  get parameters(): Float64Array {
    return this.graph.values.subarray(0, this.m.length);
  }

  get gradients(): Float64Array {
    return this.graph.gradients.subarray(0, this.m.length);
  }

  #beginDocument(): void {
    this.graph.shrink(this.m.length);
    this.#keys = Array.from({ length: this.shape.layers }, () => []);
    this.#values = Array.from({ length: this.shape.layers }, () => []);
  }

  /** The mean over a document's positions of -log p(next token). */
  loss(tokens: number[]): Node {
    const { graph, shape } = this;
    this.#beginDocument();
    const losses = tokens.slice(1, shape.block + 1).map((target, t) => {
      const probabilities = this.#note(`pos${t}.probabilities`, this.#softmax(this.#logits(t, tokens[t])));
      const loss = graph.neg(graph.log(probabilities.at(target)));
      this.#note(`pos${t}.loss`, new Vector(loss, 1));
      return loss;
    });
    return graph.mulNumber(graph.addUp(losses), 1 / losses.length);
  }

  /** One step on one document; its loss before the update. */
  train(adam: Adam, step: number, tokens: number[]): number {
    const root = this.loss(tokens);
    const loss = this.graph.value(root);
    this.graph.backward(root);
    update(adam, step, this.graph.values, this.graph.gradients, this.m, this.v);
    return loss;
  }

  /** Draws one sample, BOS included. */
  *sample(temperature: number, twister: Twister): Generator<{ probabilities: Float64Array; token: number }> {
    const { graph, shape } = this;
    this.#beginDocument();
    const bos = shape.vocabulary - 1;
    for (let t = 0, token = bos; t < shape.block && (t === 0 || token !== bos); t++) {
      const logits = this.#logits(t, token);
      const cooled = graph.each(logits.length, (i) => graph.divNumber(logits.at(i), temperature));
      const probabilities = this.#softmax(cooled).of(graph.values);
      token = twister.choice(probabilities);
      yield { probabilities, token };
    }
  }

  #note(name: string, nodes: Vector): Vector {
    this.watch?.(name, nodes);
    return nodes;
  }

  #linear(x: Vector, matrix: Vector): Vector {
    return this.graph.each(matrix.length / x.length, (row) =>
      this.graph.dot(matrix.part(row * x.length, x.length), x));
  }

  #add(a: Vector, b: Vector): Vector {
    return this.graph.each(a.length, (i) => this.graph.add(a.at(i), b.at(i)));
  }

  /** x over its root mean square, without a gain (Zhang and Sennrich, 2019). */
  #rmsnorm(x: Vector): Vector {
    const { graph } = this;
    const meanSquare = graph.divNumber(graph.dot(x, x), x.length);
    const scale = graph.pow(graph.addNumber(meanSquare, 1e-5), -0.5);
    return graph.each(x.length, (i) => graph.mul(x.at(i), scale));
  }

  #softmax(x: Vector): Vector {
    const { graph } = this;
    const top = x.of(graph.values).reduce((most, value) => (value > most ? value : most)); // Math.max lets NaN through
    const shifted = graph.each(x.length, (i) => graph.addNumber(x.at(i), -top));
    const exps = graph.each(x.length, (i) => graph.exp(shifted.at(i)));
    const inverse = graph.pow(graph.sum(exps), -1);
    const inverses = graph.each(x.length, () => graph.again(inverse));
    return graph.each(x.length, (i) => graph.mul(exps.at(i), inverses.at(i)));
  }

  /** Multi-head attention of the query q; the heads' results side by side. */
  #attend(place: string, q: Vector, keys: Vector[], values: Vector[]): Vector {
    const { graph, shape } = this;
    const size = shape.embedding / shape.heads;
    const products: Vector[] = [];
    const notes: [string, Vector][] = [];
    for (let h = 0; h < shape.heads; h++) {
      const part = (x: Vector): Vector => x.part(h * size, size);
      const dots = graph.each(keys.length, (i) => graph.dot(part(q), part(keys[i])));
      const scores = graph.each(dots.length, (i) => graph.divNumber(dots.at(i), Math.sqrt(size)));
      const weights = this.#softmax(scores);
      notes.push([`${place}.head${h}.scores`, scores], [`${place}.head${h}.weights`, weights]);
      for (let j = 0; j < size; j++)
        products.push(graph.each(weights.length, (i) => graph.mul(weights.at(i), part(values[i]).at(j))));
    }
    const mixed = graph.each(products.length, (i) => graph.sum(products[i]));
    for (let h = 0; h < shape.heads; h++) {
      for (const [name, nodes] of notes.slice(2 * h, 2 * h + 2)) this.#note(name, nodes);
      this.#note(`${place}.head${h}.mixed`, mixed.part(h * size, size));
    }
    return mixed;
  }

  #logits(t: number, token: number): Vector {
    const e = this.shape.embedding;
    const [wte, wpe, lmHead, ...ofLayers] = this.#matrices;
    const embedded = this.#note(`pos${t}.embedded`, this.#add(wte.part(token * e, e), wpe.part(t * e, e)));
    let x = this.#note(`pos${t}.normed`, this.#rmsnorm(embedded));
    for (let i = 0; i < this.shape.layers; i++) x = this.#layer(t, i, x, ofLayers.slice(6 * i, 6 * i + 6));
    return this.#note(`pos${t}.logits`, this.#linear(x, lmHead));
  }

  #layer(t: number, i: number, x: Vector, weights: Vector[]): Vector {
    const { graph, shape } = this;
    const place = `pos${t}.layer${i}`;
    const note = (name: string, nodes: Vector): Vector => this.#note(`${place}.${name}`, nodes);
    const [wq, wk, wv, wo, fc1, fc2] = weights;
    const [keys, values] = [this.#keys[i], this.#values[i]];
    const attended = (cached: Vector[]): Vector[] => shape.attention[t].map((s) => cached[s]);

    const normed = note('attn_norm', this.#rmsnorm(x));
    const q = note('q', this.#linear(normed, wq));
    keys.push(note('k', this.#linear(normed, wk)));
    values.push(note('v', this.#linear(normed, wv)));
    const mixed = this.#attend(place, q, attended(keys), attended(values));
    const residual = note('attn_residual', this.#add(note('attn_out', this.#linear(mixed, wo)), x));

    const hidden = note('hidden', this.#linear(note('mlp_norm', this.#rmsnorm(residual)), fc1));
    let activated = graph.each(hidden.length, (k) => graph.relu(hidden.at(k)));
    if (shape.activation === 'squared_relu') {
      const relu = activated;
      activated = graph.each(relu.length, (k) => graph.pow(relu.at(k), 2));
    }
    return note('mlp_residual', this.#add(note('mlp_out', this.#linear(note('activated', activated), fc2)), residual));
  }
}

/** `outputSigma` is for the matrices whose results are added to the residual stream, `sigma` for the others. */
export type Preset = {
  block: number;
  activation: Shape['activation'];
  sigma: number;
  outputSigma: number;
  adam: Adam;
};

export const PRESETS: Record<'seed' | 'classic', Preset> = {
  seed: {
    block: 8, activation: 'squared_relu', sigma: 0.02, outputSigma: 0,
    adam: { learningRate: 0.01, beta1: 0.9, beta2: 0.95, epsilon: 1e-8, schedule: 'cosine', steps: 500 },
  },
  classic: {
    block: 16, activation: 'relu', sigma: 0.08, outputSigma: 0.08,
    adam: { learningRate: 0.01, beta1: 0.85, beta2: 0.99, epsilon: 1e-8, schedule: 'linear', steps: 1000 },
  },
};

/** A whole run, from seed 42 to samples. */
export class Run {
  readonly twister = Twister.seeded(42);
  readonly model: Model;
  readonly #dataset: Dataset;

  constructor(readonly preset: Preset, lines: CodePoints[]) {
    this.#dataset = new Dataset(lines);
    this.twister.shuffle(this.#dataset.documents);
    const { block, activation, sigma, outputSigma } = preset;
    const attention = Array.from({ length: block }, (_, t) => Array.from({ length: t + 1 }, (_, s) => s));
    const vocabulary = this.#dataset.bos + 1;
    const shape: Shape = { layers: 1, heads: 4, embedding: 16, block, vocabulary, activation, attention };
    const drawn = matrices(shape).flatMap(({ name, rows, columns }) =>
      Array.from({ length: rows * columns }, () =>
        this.twister.gauss(/attn_wo|mlp_fc2/.test(name) ? outputSigma : sigma)));
    this.model = new Model(shape, Float64Array.from(drawn));
  }

  /** The lines to print; each is made when it is asked for. */
  *text(samples = 20): Generator<string> {
    const { documents, characters, bos } = this.#dataset;
    const { adam } = this.preset;
    yield `num docs: ${documents.length}`;
    yield `vocab size: ${bos + 1}`;
    yield `num params: ${this.model.m.length}`;
    const pad = (n: number, width: number): string => n.toString().padStart(width);
    for (let step = 0; step < adam.steps; step++) {
      const document = documents[step % documents.length];
      const loss = this.model.train(adam, step, this.#dataset.encode(document));
      yield `step ${pad(step + 1, 4)} / ${pad(adam.steps, 4)} | loss ${exact.fourDecimals(loss)}`;
    }
    yield '';
    yield '--- inference (new, hallucinated names) ---';
    for (let number = 1; number <= samples; number++) {
      const tokens = Array.from(this.model.sample(0.5, this.twister), ({ token }) => token);
      const name = tokens.filter((token) => token !== bos).map((token) => characters[token]);
      yield `sample ${pad(number, 2)}: ${name.map((c) => String.fromCodePoint(c)).join('')}`;
    }
  }
}
